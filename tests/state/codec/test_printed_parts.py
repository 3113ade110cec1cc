"""Parts of a tree that a save prints at once have the text that the whole tree would have."""

import dataclasses
import datetime
import json
import math
import pickle
import subprocess
import sys
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit import samples
from tests.kit.trader import USDC, WETH, WETH_USDC
from tests.kit.whole import make_whole_state
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.codec import bounds, encoding
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


FREE_VALUES = st.recursive(
    st.sampled_from([None, True, 0, -(2**53) + 1, 2**53, 2**70, 1.5, math.nan, math.inf, "", "a:b", "\ud800"])
    | st.sampled_from([WETH_USDC.kind, Decimal("1.5"), np.float64(2.5), np.int64(7), uuid.UUID(int=1), b"a", {1, 2}]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from(["a", "b", 1, "\ud800", 2.5]), inner, max_size=3)
    ),
    max_leaves=8,
)


def print_or_explain(state: State) -> bytes | str:
    try:
        return state.to_json_bytes()
    except BadStateData as error:
        return str(error)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=FREE_VALUES)
def test_short_data_is_written_or_refused_like_long_data(value: Any, monkeypatch: pytest.MonkeyPatch):
    state = State()
    assert state.other_data is not None
    state.other_data.data[1] = value if isinstance(value, dict) else {"free": value}
    written = print_or_explain(state)
    with monkeypatch.context() as context:
        for module in (bounds, encoding):
            context.setattr(module, "FEW_ENTRIES", -1)
        expected = print_or_explain(state)
    if isinstance(written, bytes):
        assert written == expected == orjson.dumps(state.to_dict())
    else:
        assert written == expected or ("surrogate" in written and "surrogate" in str(expected))  # found when printed


def test_the_tree_shares_no_list_with_the_state():
    transaction = BlockchainTransaction(args=("a", ["b", ["c"]]), details={"to": "d"})
    tree = transaction.to_dict()
    tree["args"][1][1].append("e")
    tree["details"]["to"] = "f"
    assert transaction.args == ("a", ["b", ["c"]])
    assert transaction.details == {"to": "d"}


def test_a_wrong_record_is_named_with_its_place_in_a_list_or_table():
    state = make_whole_state()
    position = next(position for position in state.portfolio.get_all_positions() if position.trades)
    trade = next(iter(position.trades.values()))
    trade.blockchain_transactions = [BlockchainTransaction(), BlockchainTransaction(nonce=2**53)]
    with pytest.raises(BadStateData) as failure:
        state.to_json_bytes()
    assert f"trades[{trade.trade_id}].blockchain_transactions[1].nonce" in failure.value.path
    trade.blockchain_transactions = []
    fees: list[Any] = [0.5, 0.1]
    trade.price_structure = dataclasses.replace(samples.trade_pricing(), lp_fee=fees)
    fees[1] = math.nan
    with pytest.raises(BadStateData, match=r"lp_fee\[1\]"):
        state.to_json_bytes()
    fees[:] = [math.inf]
    with pytest.raises(BadStateData, match=r"lp_fee\[0\]"):
        state.to_json_bytes()


@pytest.mark.parametrize("seconds", [0, 0.5, 86_400, 2**33 - 1, 2**33, -(2**33)])
def test_a_duration_is_written_in_seconds(seconds: float):
    pricing = dataclasses.replace(samples.trade_pricing(), market_feed_delay=datetime.timedelta(seconds=seconds))
    assert json.loads(pricing.to_json())["market_feed_delay"] == seconds
    object.__setattr__(pricing, "market_feed_delay", datetime.timedelta(days=200_000, microseconds=1))
    with pytest.raises(BadStateData, match="market_feed_delay"):
        pricing.to_json()


def test_unknown_keys_of_a_copy_in_another_process_are_saved():
    """The process that reads the copy has not read a file with unknown keys."""
    state = State.read_json_blob(json.dumps({**State(name="a").to_dict(), "surprise": {"of": 1}}))
    program = (
        "import pickle, sys; state = pickle.load(sys.stdin.buffer); sys.stdout.buffer.write(state.to_json_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(state), capture_output=True, check=True)
    assert done.stdout == state.to_json_bytes()
    assert json.loads(done.stdout)["surprise"] == {"of": 1}
