"""Figures kept of closed positions equal figures computed from scratch, bit for bit, after any change."""

import copy
import datetime
import random
from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.kit.edits import edit, make_closed_state, walk
from tests.kit.trader import USDC, WETH_USDC, Trader, asset, new_state, pair
from tradeexecutor.analysis.trade_analyser import build_trade_analysis
from tradeexecutor.state.codec import entry_group, kept_groups
from tradeexecutor.state.codec.kept_groups import GROUP_SIZE, KeptGroups
from tradeexecutor.state.position.grouping import PositionsById
from tradeexecutor.state.state import State
from tradeexecutor.statistics.core import calculate_compounded_profitability
from tradeexecutor.statistics.statistics_table import serialise_live_long_short_stats

NOW = datetime.datetime(2031, 1, 1)

FIGURES: tuple[Callable[[State], object], ...] = (
    lambda state: state.portfolio.get_closed_profit_usd(),
    lambda state: calculate_compounded_profitability(state.portfolio),
    lambda state: [trade and trade.trade_id for trade in state.portfolio.get_first_and_last_executed_trade()],
    lambda state: build_trade_analysis(state.portfolio).calculate_summary_statistics().to_dict(),
    lambda state: build_trade_analysis(state.portfolio).calculate_summary_statistics(state=state).to_dict(),
    lambda state: serialise_live_long_short_stats(state, NOW).to_dict(),
)


def calculate(state: State) -> list[str]:
    """Return all figures with every digit, or the error of one."""
    texts: list[str] = []
    for figure in FIGURES:
        try:
            texts.append(repr(figure(state)))
        except Exception as error:
            texts.append(f"{type(error).__name__}: {error}")
    return texts


def calculate_from_scratch(state: State) -> list[str]:
    """Return the figures of a table of which nothing is kept."""
    table = state.portfolio.closed_positions
    if not isinstance(table, PositionsById):
        return calculate(state)
    before, table.kept = table.kept, KeptGroups()
    try:
        with table.kept.comparing_once():  # the first block keeps nothing
            return calculate(state)
    finally:
        table.kept = before


def trade_and_close(count: int, opened: int = 0) -> State:
    """A state of closed round trips, some of which are lost; its pair is its own, so that it can be edited."""
    trader = Trader(new_state(1_000_000))
    for number in range(count + opened):
        position, _ = trader.buy(WETH_USDC, "0.7", 2000.0 + number)
        if number < count:
            trader.sell(WETH_USDC, position.get_quantity(), 2000.0 + number * 7 % 40 - 13)
    return State.read_json_blob(trader.state.to_json_bytes())


def make_state(closed: int) -> State:
    """A state of every kind of position, and of more closed round trips than one group has."""
    state = trade_and_close(closed, opened=2)
    for key, position in make_closed_state().portfolio.closed_positions.items():
        position.position_id = key + 100_000
        state.portfolio.closed_positions[key + 100_000] = position
    return state


def move(state: State, choose: random.Random) -> Callable[[], None]:
    """Move, remove or replace positions of the tables; return the function that takes it back."""
    portfolio = state.portfolio
    closed, opened = portfolio.closed_positions, portfolio.open_positions
    before = dict(closed), dict(opened)
    key = choose.choice(list(closed))
    match choose.randrange(6):
        case 0:
            opened[key] = closed.pop(key)
        case 1:
            for number in list(opened):
                closed[number] = opened.pop(number)
        case 2:
            del closed[key]
        case 3:
            closed[key] = closed.pop(key)
        case 4:
            closed[key] = copy.deepcopy(closed[key])
        case _:
            portfolio.closed_positions = PositionsById(reversed(closed.items()))

    def restore() -> None:
        portfolio.closed_positions = closed
        for table, entries in zip((closed, opened), before, strict=True):
            table.clear()
            table.update(entries)

    return restore


@pytest.mark.parametrize("changes", [8, pytest.param(60, marks=pytest.mark.slow)])
def test_figures_after_any_change_are_those_from_scratch(changes: int, monkeypatch: pytest.MonkeyPatch):
    if changes == 8:  # large groups, too
        monkeypatch.setattr(kept_groups, "GROUP_SIZE", 4)
        monkeypatch.setattr(kept_groups, "_GROUPS_OF_LARGE_ONE", 3)
        monkeypatch.setattr(entry_group, "_COMPARED_AT_ONCE", 5)
    state = make_state(GROUP_SIZE + 5)
    choose = random.Random(changes)
    portfolio = state.portfolio
    before = calculate_from_scratch(state)
    assert calculate(state) == before
    assert calculate(state) == before
    changed: set[str] = set()
    for number in range(changes):
        if number % 3:
            inside = walk(choose.choice(list(portfolio.closed_positions.values())), set())
            restore = edit(choose.choice([owner for owner in inside if not isinstance(owner, tuple)]), choose)
        else:
            restore = move(state, choose)
        expected = calculate_from_scratch(state)
        assert calculate(state) == expected, number
        assert calculate(state) == expected, number
        changed.update(new for new, old in zip(expected, before, strict=True) if new != old)
        restore()
        assert calculate(state) == before, number
    assert len(changed) >= changes / 4, "nearly all changes were of values that no figure is made from"


def test_a_position_that_is_closed_later_is_added_to_the_kept_ones():
    state = new_state(1_000_000)
    trader = Trader(state)
    for number in range(GROUP_SIZE * 2 + 3):
        position, _ = trader.buy(WETH_USDC, "0.7", 2000.0 + number)
        trader.sell(WETH_USDC, position.get_quantity(), 2000.0 + number * 7 % 40 - 13)
        if number % 10 == 0 or number > GROUP_SIZE * 2 - 2:
            assert calculate(state) == calculate_from_scratch(state)


def test_positions_that_close_in_another_order_than_they_were_opened():
    trader = Trader(new_state(1_000_000))
    choose = random.Random(1)
    pairs = [pair(asset(f"T{number}", 18, 500 + number), USDC, 0.003, 600 + number) for number in range(12)]
    held: dict[int, Decimal] = {}
    for number in range(120):
        place = choose.randrange(len(pairs))
        if place in held:
            trader.sell(pairs[place], held.pop(place), 2000.0 + number * 7 % 40 - 13)
        else:
            held[place] = trader.buy(pairs[place], "0.7", 2000.0 + number)[0].get_quantity()
        if number % 9 == 0:
            assert calculate(trader.state) == calculate_from_scratch(trader.state), number
    assert held
    assert len(trader.state.portfolio.closed_positions) > GROUP_SIZE


def count_calls(state: State) -> Callable[[], list[int]]:
    """Return a function that asks for the ids of the closed positions, and returns those it was called for."""
    asked: list[int] = []

    def get_id(position: object) -> int:
        asked.append(position.position_id)  # pyright: ignore[reportAttributeAccessIssue]
        return asked[-1]

    def ask() -> list[int]:
        asked.clear()
        assert state.portfolio.add_up_closed(get_id, list[int], "asked") == list(state.portfolio.closed_positions)
        return list(asked)

    return ask


def test_the_second_call_keeps_and_only_the_group_of_a_change_is_computed_again():
    state = trade_and_close(GROUP_SIZE * 2 + 1)
    ids = list(state.portfolio.closed_positions)
    ask = count_calls(state)
    assert ask() == ask() == ids
    assert ask() == []
    state.portfolio.closed_positions[ids[GROUP_SIZE]].trades[2 * GROUP_SIZE + 1].notes = "changed"
    assert ask() == ids[GROUP_SIZE : 2 * GROUP_SIZE]
    assert ask() == []
    state.portfolio.closed_positions[ids[-1]].pair.base.token_symbol = "OTHER"  # all positions have this pair
    assert ask() == ids
    assert ask() == []


def test_one_call_takes_the_fingerprints_of_a_limited_number(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept_groups, "MAX_NEW_ENTRIES", 2)
    state = trade_and_close(5)
    ask = count_calls(state)
    assert [len(ask()) for _ in range(5)] == [5, 5, 3, 1, 0]


def test_a_position_with_an_object_that_may_change_unnoticed_is_computed_every_time():
    class Secret:
        pass

    state = trade_and_close(1)
    state.portfolio.closed_positions[1].other_data = {"x": Secret()}
    ask = count_calls(state)
    assert [ask() for _ in range(4)] == [[1]] * 4


def test_data_that_contains_itself_does_not_disturb_figures():
    state = trade_and_close(1)
    data: dict[str, object] = {}
    data["x"] = data
    state.portfolio.closed_positions[1].other_data = data
    ask = count_calls(state)
    assert [ask() for _ in range(3)] == [[1]] * 3


def test_a_search_for_changes_is_shared_only_inside_the_block():
    state = trade_and_close(1)
    ask = count_calls(state)
    table = state.portfolio.closed_positions
    assert isinstance(table, PositionsById)
    with table.keep().comparing_once():
        assert ask() == [1]
        assert ask() == []  # the first block keeps its sums to its end only
    assert ask() == [1]
    with table.keep().comparing_once():
        assert ask() == []
    table[1].notes = "changed"
    assert ask() == [1]


def test_a_copy_of_a_state_keeps_nothing():
    state = trade_and_close(1)
    ask = count_calls(state)
    ask()
    ask()
    copied = copy.deepcopy(state)
    copied.portfolio.closed_positions[1].notes = "changed"
    assert count_calls(copied)() == [1]
    assert state.portfolio.closed_positions[1].notes != "changed"
