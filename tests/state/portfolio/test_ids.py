"""New positions, trades and balance updates get ids that nothing has, whatever the counters of the file say."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.trader import LINK_USDC, T0, USDC, WBTC_USDC, WETH_USDC, Trader, new_state
from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_flow
from tradeexecutor.state.errors import TooSmallTrade
from tradeexecutor.state.portfolio.ids import (
    find_highest_ids,
    get_next_balance_update_id,
    get_next_position_id,
    get_next_trade_id,
)
from tradeexecutor.state.repair.counter_trade import close_position_with_empty_trade
from tradeexecutor.state.state import State


def make_state(**counters: int) -> State:
    """Two positions, three trades, two deposits; then other counters."""
    trader = Trader(new_state())
    book_reserve_flow(trader.state, USDC, Decimal(500), EventOrigin(T0, T0))
    trader.buy(WETH_USDC, Decimal(1), 100.0)
    trader.buy(LINK_USDC, Decimal(2), 10.0)
    trader.buy(WETH_USDC, Decimal(1), 100.0)
    book_reserve_flow(trader.state, USDC, Decimal(500), EventOrigin(T0, T0))
    tree: dict[str, Any] = json.loads(trader.state.to_json())
    tree["portfolio"].update(counters)
    return State.read_json_blob(json.dumps(tree))


@pytest.mark.parametrize("counter", [1, 2, 3, 7])
def test_a_new_position_does_not_replace_another_one(counter: int):
    state = make_state(next_position_id=counter)
    before = dict(state.portfolio.open_positions)
    equity = state.portfolio.calculate_total_equity()
    position, _ = Trader(state).buy(WBTC_USDC, Decimal("0.001"), 100.0)
    assert position.position_id == max(counter, 3)
    assert state.portfolio.next_position_id == position.position_id + 1
    assert all(state.portfolio.open_positions[number] is kept for number, kept in before.items())
    assert state.portfolio.calculate_total_equity() == pytest.approx(equity)
    state.perform_integrity_check()


@pytest.mark.parametrize("counter", [1, 3, 4, 9])
def test_a_new_trade_does_not_have_the_id_of_another_one(counter: int):
    state = make_state(next_trade_id=counter)
    _, trade = Trader(state).buy(LINK_USDC, Decimal(1), 10.0)
    assert trade.trade_id == max(counter, 4)
    assert state.portfolio.next_trade_id == trade.trade_id + 1
    state.perform_integrity_check()


def test_a_trade_of_a_repair_has_an_id_of_its_own():
    state = make_state(next_trade_id=1)
    counter = close_position_with_empty_trade(state.portfolio, state.portfolio.open_positions[2], T0)
    assert counter.trade_id == 4
    state.perform_integrity_check()


@pytest.mark.parametrize("counter", [1, 2, 3, 5])
def test_a_new_balance_update_has_an_id_of_its_own(counter: int):
    state = make_state(next_balance_update_id=counter)
    book_reserve_flow(state, USDC, Decimal(7), EventOrigin(T0, T0))
    events = state.portfolio.get_default_reserve_position().balance_updates
    assert list(events)[-1] == max(counter, find_highest_ids(make_state().portfolio).balance_update + 1)
    state.perform_integrity_check()


def test_a_refused_trade_changes_no_counter():
    state = make_state(next_trade_id=1, next_position_id=1)
    before = state.to_json()
    with pytest.raises(TooSmallTrade):
        Trader(state).plan(WBTC_USDC, "1E-8", 100.0)
    assert state.to_json() == before


def test_ids_after_a_gap_stay_in_order():
    """Number 2 is free, and would be older than number 3."""
    state = make_state()
    position = state.portfolio.open_positions.pop(2)
    position.position_id = 5
    for trade in position.trades.values():
        trade.position_id = 5
    state.portfolio.open_positions[5] = position
    state.portfolio.next_position_id = 2
    again = State.read_json_blob(state.to_json())
    assert get_next_position_id(again.portfolio) == 6


def test_a_position_that_was_added_by_hand_meanwhile_is_not_replaced():
    state = make_state()
    assert get_next_position_id(state.portfolio) == 3
    position = make_state().portfolio.open_positions[1]
    position.position_id = 3
    state.portfolio.closed_positions[3] = position
    assert get_next_position_id(state.portfolio) == 4


def test_an_empty_portfolio_begins_with_one():
    portfolio = State().portfolio
    assert get_next_position_id(portfolio) == get_next_trade_id(portfolio) == get_next_balance_update_id(portfolio) == 1
