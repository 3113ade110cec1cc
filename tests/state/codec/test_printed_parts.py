"""Parts of a tree that a save prints at once have the text that the whole tree would have."""

import dataclasses
import json
import pickle
import subprocess
import sys
from typing import Any

import orjson
import pytest

from tests.kit.trader import USDC, WETH, WETH_USDC
from tests.kit.whole import make_whole_state
from tradeexecutor.state.codec.bounds import FEW_ENTRIES
from tradeexecutor.state.errors import BadStateData
from tradeexecutor.state.state import State
from tradeexecutor.state.visualisation import Plot, PlotKind

LARGE = range(1_600_000_000, 1_600_000_000 + 2 * FEW_ENTRIES)


def make_plot(*values: Any, keys: Any = LARGE) -> Plot:
    points = {key: values[number % len(values)] for number, key in enumerate(keys)}
    return Plot("line", PlotKind.technical_indicator_on_price, points=points)


@pytest.mark.parametrize(
    "values",
    [(1.0,), (-0.0, 0.1), (None,), (None, 2.5), (1e16, 0.5), (1e-7, 1e300), (5e-324,), (123456789012345678.0,), (3,)],
)
def test_points_have_the_text_that_a_tree_of_them_has(values: tuple[Any, ...]):
    plot = make_plot(*values)
    assert plot.to_json_bytes() == orjson.dumps(plot.to_dict())


@pytest.mark.parametrize("keys", [range(-20, 20), range(2**64, 2**64 + 20), [*range(20), 2**53]])
def test_keys_of_any_size_have_the_text_of_the_tree(keys: Any):
    plot = make_plot(1.5, keys=keys)
    assert plot.to_json_bytes() == orjson.dumps(plot.to_dict())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "1", True])
def test_a_wrong_point_is_refused_with_its_key(value: Any):
    plot = make_plot(1.0)
    plot.points[LARGE[-1]] = value
    with pytest.raises(BadStateData) as failure:
        plot.to_json_bytes()
    assert failure.value.path == f"points[{LARGE[-1]}]"


@pytest.mark.parametrize("key", [True, 1.5, None])
def test_a_key_that_is_no_whole_number_is_refused(key: Any):
    plot = make_plot(1.0)
    plot.points[key] = 1.0
    with pytest.raises(BadStateData):
        plot.to_json_bytes()


def test_pairs_that_are_printed_once_have_the_text_of_the_tree():
    state = make_whole_state()
    assert state.to_json_bytes() == orjson.dumps(state.to_dict())


def test_a_wrong_text_in_a_pair_is_named_with_its_path():
    state = State()
    state.visualisation.plots["a"] = make_plot(1.0)
    state.visualisation.plots["a"].pair = dataclasses.replace(WETH_USDC, exchange_name="\ud800")
    with pytest.raises(BadStateData) as failure:
        state.to_json_bytes()
    assert failure.value.path == "visualisation.plots.a.pair.exchange_name"


def test_assets_in_a_set_are_sorted_by_their_data():
    state = State()
    state.blacklisted_assets |= {WETH, USDC}
    assert state.to_json_bytes() == orjson.dumps(state.to_dict())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800"])
@pytest.mark.parametrize("size", [1, FEW_ENTRIES, FEW_ENTRIES + 1])
def test_a_wrong_value_in_free_data_of_any_size_is_refused(value: Any, size: int):
    state = State()
    assert state.other_data is not None
    state.other_data.data[1] = {**dict.fromkeys(map(str, range(size - 1)), 1), "last": value}
    with pytest.raises(BadStateData):
        state.to_json_bytes()


def test_unknown_keys_of_a_copy_in_another_process_are_saved():
    """The process that reads the copy has not read a file with unknown keys."""
    state = State.read_json_blob(json.dumps({**State(name="a").to_dict(), "surprise": {"of": 1}}))
    program = (
        "import pickle, sys; state = pickle.load(sys.stdin.buffer); sys.stdout.buffer.write(state.to_json_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(state), capture_output=True, check=True)
    assert done.stdout == state.to_json_bytes()
    assert json.loads(done.stdout)["surprise"] == {"of": 1}
