"""Interning at the places that the parser has noted leaves nothing for the walk through the whole tree."""

from pathlib import Path
from typing import Any

from tests.kit.trader import LINK_USDC, WETH_USDC, Trader, new_state
from tradeexecutor.state.codec.interning import intern_at, intern_equal_objects
from tradeexecutor.state.codec.known_keys import parse_known
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.state import State


class Made:
    """Stands for a typed object."""

    def __init__(self, cls: type):
        self.cls = cls


def make_text() -> bytes:
    trader = Trader(new_state(20_000), 0.0, 1.0)
    for _ in range(3):
        trader.buy(WETH_USDC, "2", 2000.0)
        trader.sell(WETH_USDC, "2", 2000.0)
        trader.buy(LINK_USDC, "2", 20.0)
    return trader.state.to_json_bytes()


def check(text: bytes) -> dict[str, Any]:
    known = parse_known(text, State, ("schema_version",))
    assert known is not None
    intern_at(known.places, lambda _, cls: Made(cls))
    left: list[Any] = []
    intern_equal_objects(known.tree, State, lambda tree, _: left.append(tree))
    assert left == []
    return known.tree


def test_no_pair_and_no_asset_is_left_plain():
    portfolio = check(make_text())["portfolio"]
    closed, opened = portfolio["closed_positions"]["1"], portfolio["open_positions"]["2"]
    assert closed["pair"] is closed["trades"]["1"]["pair"]
    assert closed["reserve_currency"] is opened["reserve_currency"]
    assert closed["pair"].cls is TradingPairIdentifier
    assert closed["reserve_currency"].cls is AssetIdentifier


def test_neither_in_real_files(state_file: Path):
    text = state_file.read_bytes()
    if parse_known(text, State, ("schema_version",)) is not None:
        check(text)


def test_an_object_that_cannot_be_made_stays_plain_data():
    tree = {"pair": {"base": 1}}

    def refuse(_: Any, __: type) -> Any:
        raise ValueError

    intern_at([(tree, "pair", TradingPairIdentifier)], refuse)
    assert tree == {"pair": {"base": 1}}
