"""Whatever a state is asked, it stays what it was: its JSON, its objects and their classes."""

import dataclasses
import inspect
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

import pytest

from tests.kit.trader import WETH_USDC, Trader, new_state
from tests.kit.whole import make_whole_state
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

PREFIXES = ("get_", "is_", "has_", "can_", "calculate_", "estimate_", "find_", "iterate_", "was_", "to_", "check_")


def make_long_state() -> State:
    """A state with so many trades in one position that figures are kept, and looked up so often that it is indexed."""
    trader = Trader(new_state(100_000))
    position, _ = trader.buy(WETH_USDC, "1", 2000.0)
    for _ in range(40):
        trader.buy(WETH_USDC, "1", 2000.0)
    assert len(position.trades) == 41
    return trader.state


def walk(value: Any) -> Iterator[Any]:
    """The object and everything in it: records, dictionaries and lists."""
    yield value
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from walk(getattr(value, field.name))
    elif isinstance(value, dict):
        for item in cast(dict[Any, Any], value).values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in cast(list[Any], value):
            yield from walk(item)


def list_accessors(record: Any) -> list[str]:
    """Names of the methods that need no argument and are named like a question."""
    names: list[str] = []
    for name, method in inspect.getmembers(type(record), callable):
        if name.startswith(PREFIXES) and not (method.__doc__ or "").startswith("Misspelt name"):
            parameters = list(inspect.signature(method).parameters.values())[1:]
            if all(item.default is not item.empty or item.kind is item.VAR_KEYWORD for item in parameters):
                names.append(name)
    return names


def ask_everything(state: State) -> int:
    """Call every accessor of every record of the state; return how many answered."""
    answers = 0
    for record in list(walk(state)):
        if dataclasses.is_dataclass(record) and type(record).__module__.startswith("tradeexecutor."):
            for name in list_accessors(record):
                try:
                    answer = getattr(record, name)()
                    if isinstance(answer, Iterator):
                        list(cast(Iterator[Any], answer))
                except (
                    TradeExecutorError,
                    ArithmeticError,
                    LookupError,
                    AttributeError,
                    TypeError,
                    ValueError,
                    NotImplementedError,
                ):
                    continue  # a figure that this object does not have
                answers += 1
            repr(record)
    for trade in list(state.portfolio.get_all_trades()):
        state.portfolio.get_trade_by_id(trade.trade_id)
        state.portfolio.check_for_nonce_reuse(10**9)
        state.portfolio.get_trade_by_tx_hash("0xnone")
        state.portfolio.get_position_by_trading_pair(trade.pair)
    return answers


def get_classes(state: State) -> dict[int, type]:
    """Id of each record and dictionary -> its class."""
    return {id(item): type(item) for item in walk(state) if isinstance(item, dict) or dataclasses.is_dataclass(item)}


@pytest.mark.parametrize("make", [make_whole_state, make_long_state])
def test_no_accessor_changes_what_is_saved_or_the_class_of_anything(make: Any):
    state = make()
    text, classes = state.to_json(), get_classes(state)
    assert ask_everything(state) > 1000
    assert state.to_json() == text
    assert get_classes(state) == classes
    # What the figures and the index were made of still follows assignments.
    position = next(iter(state.portfolio.open_positions.values()))
    trade = next(trade for trade in position.trades.values() if trade.executed_quantity)
    before = position.get_quantity()
    assert type(trade) is TradeExecution
    assert trade.executed_quantity is not None
    trade.executed_quantity += Decimal(1)
    assert position.get_quantity() == before + 1
    assert get_classes(state) == classes
