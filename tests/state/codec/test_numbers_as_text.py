"""Numbers that the reference wrote as text are read as numbers; nothing else is."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.trader import WETH_USDC, Trader, new_state
from tests.kit.whole import make_whole_state
from tradeexecutor.state.codec.codec import field_types
from tradeexecutor.state.codec.numbers_as_text import replace_numbers_written_as_text
from tradeexecutor.state.codec.upcast import iterate_positions
from tradeexecutor.state.errors import InvalidStateFile
from tradeexecutor.state.state import State


def find_floats(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, float):
        return [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in find_floats(item, (*path, key))]


def replace(tree: Any, path: tuple[Any, ...], change: Any) -> None:
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = change(tree[path[-1]])


@pytest.mark.parametrize("text", ["2294.999999999999940047956670", "1E+3", "-0.5", " 7 "])
def test_a_liquidation_price_as_text_is_read_as_the_number_it_spells(text: str):
    trader = Trader(new_state())
    trader.buy(WETH_USDC, "1", 2000.0)
    tree = trader.state.to_dict()
    tree["portfolio"]["open_positions"]["1"]["liquidation_price"] = text
    price = State.from_dict(tree).portfolio.open_positions[1].liquidation_price
    assert type(price) is float
    assert price == float(text)


@pytest.mark.parametrize("text", ["", "abc", "NaN", "Infinity", "1e999", "1_000", "0x10", "1" * 101])
def test_text_that_is_no_finite_number_is_refused(text: str):
    trader = Trader(new_state())
    trader.buy(WETH_USDC, "1", 2000.0)
    tree = trader.state.to_dict()
    tree["portfolio"]["open_positions"]["1"]["liquidation_price"] = text
    with pytest.raises(InvalidStateFile, match="liquidation_price"):
        State.from_dict(tree)


@pytest.mark.slow
@given(st.data())
def test_any_declared_float_may_be_text_and_free_data_stays(data: st.DataObject):
    tree = make_whole_state().to_dict()
    before = copy.deepcopy(tree)
    paths = data.draw(st.lists(st.sampled_from(find_floats(tree)), min_size=1, max_size=5, unique=True))
    for path in paths:
        replace(tree, path, repr)
    replace_numbers_written_as_text(tree, State, field_types)
    for path in paths:
        got, want = tree, before
        for key in path:
            got, want = got[key], want[key]
        if isinstance(got, str):  # data of the strategy's own, whose type nobody declares
            assert got == repr(want)
            replace(tree, path, float)
    assert tree == before


def test_a_tree_of_numbers_is_left_alone():
    tree = make_whole_state().to_dict()
    before = copy.deepcopy(tree)
    assert not replace_numbers_written_as_text(tree, State, field_types)
    assert tree == before


@pytest.mark.golden
def test_every_state_of_the_reference_loads_and_comes_back_the_same(shared_dir: Path):
    files = sorted((shared_dir / "made" / "states").glob("*.json"))
    assert len(files) >= 18
    for path in files:
        text = State.read_json_file(path).to_json()
        assert State.read_json_blob(text).to_json() == text


@pytest.mark.golden
def test_positions_in_the_last_distribution_are_upcast_like_the_others(shared_dir: Path):
    state = State.read_json_file(shared_dir / "made" / "states" / "short--open-with-interest.json")
    tree = state.to_dict()
    positions = list(iterate_positions(tree))
    assert len(positions) > len(state.portfolio.open_positions)
    transactions = [tx for p in positions for t in p["trades"].values() for tx in t["blockchain_transactions"]]
    assert transactions
    assert all(tx[key] is None or not tx[key].endswith("4e2e") for tx in transactions for key in ("transaction_args",))
