"""A position's own share price shows its profit; money put in later does not change it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.samples import DAY, T0, T1, share_price_state
from tradeexecutor.accounting.share_price import calculate_profit
from tradeexecutor.state.errors import InvalidStateFile
from tradeexecutor.state.position_internal_share_price import (
    PositionInternalSharePriceData,
    PositionInternalSharePriceState,
)

AMOUNTS = st.floats(0.01, 1e6)


def opened() -> PositionInternalSharePriceState:
    """10 tokens for 1000 USD."""
    return PositionInternalSharePriceState.open(1000.0, 10.0, T0)


def test_opening_issues_a_share_per_dollar():
    assert opened() == PositionInternalSharePriceState(1.0, 1000.0, 10.0, 1000.0, 1000.0, 1.0, T0)
    assert PositionInternalSharePriceState.open(1000.0, 10.0, T0, 2.0).total_supply == 500.0


def test_buying_issues_shares_at_the_present_price():
    assert opened().after_trade(5.0, 200.0, 1000.0, T1) == PositionInternalSharePriceState(
        1.0, 2000.0, 15.0, 2000.0, 2000.0, 1.0, T1
    )


def test_selling_sets_the_price_and_redeems_in_proportion():
    half = opened().after_trade(-5.0, 120.0, 600.0, T1)
    assert half == PositionInternalSharePriceState(1.2, 500.0, 5.0, 1000.0, 1000.0, 1.0, T1)
    closed = half.after_trade(-5.0, 120.0, 600.0, T1)
    assert (closed.total_supply, closed.cumulative_quantity, closed.current_share_price) == (0, 0, 1.2)


def test_selling_more_than_is_held_leaves_no_negative_supply():
    assert opened().after_trade(-11.0, 100.0, 1100.0, T1).total_supply == 0


def test_selling_nothing_held_changes_nothing_but_the_time():
    closed = opened().after_trade(-10.0, 100.0, 1000.0, T0)
    assert closed.after_trade(-1.0, 100.0, 100.0, T1) == PositionInternalSharePriceState(
        1.0, 0.0, 0.0, 1000.0, 1000.0, 1.0, T1
    )


def test_trade_without_quantity():
    assert opened().after_trade(0.0, 1.0, 0.0, T0) == opened()


def test_gain_that_is_no_trade_changes_the_price():
    account = PositionInternalSharePriceState.open(1000.0, 1000.0, T0)
    assert account.after_balance_change(50.0, T1) == PositionInternalSharePriceState(
        1.05, 1000.0, 1050.0, 1000.0, 1000.0, 1.0, T1
    )
    assert account.after_balance_change(-1000.0, T1).current_share_price == 0


def test_buying_after_a_total_loss():
    lost = PositionInternalSharePriceState.open(1000.0, 1000.0, T0).after_balance_change(-1000.0, T1)
    assert lost.after_trade(100.0, 1.0, 100.0, T1).total_supply == 1100.0


def test_change_returns_a_new_record():
    state = opened()
    state.after_trade(-5.0, 120.0, 600.0, T1)
    state.after_balance_change(1.0, T1)
    assert state == opened()


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=6), AMOUNTS)
def test_buying_never_changes_the_price(buys: list[tuple[float, float]], quantity: float):
    state = opened().after_trade(-5.0, 130.0, 650.0, T1)
    for value, bought in buys:
        state = state.after_trade(bought, value / bought, value, T1)
    assert state.current_share_price == pytest.approx(1.3)
    assert state.peak_total_supply == max(1000.0, state.total_supply)


@given(AMOUNTS, AMOUNTS)
def test_profit_of_a_round_trip_is_the_price_change(bought_at: float, sold_at: float):
    state = PositionInternalSharePriceState.open(10 * bought_at, 10.0, T0)
    state = state.after_trade(-10.0, sold_at, 10 * sold_at, T1)
    profit = calculate_profit(
        state.current_share_price, state.total_supply, state.total_invested, state.initial_share_price,
        quantity=0.0, mark_price=sold_at, total_sold=10 * sold_at,
    )  # fmt: skip
    assert profit.profit_pct == pytest.approx(sold_at / bought_at - 1)
    assert profit.profit_usd == pytest.approx(10 * (sold_at - bought_at))


def test_profit_of_an_open_position():
    profit = calculate_profit(1.0, 1000.0, 1000.0, 1.0, quantity=10.0, mark_price=110.0, total_sold=0.0)
    assert (profit.total_assets, profit.profit_usd) == (1100.0, 100.0)
    assert profit.profit_pct == pytest.approx(0.1)


@pytest.mark.parametrize(("profit", "win"), [(1.0, True), (0.0, False), (-1.0, False)])
def test_win_or_loss(profit: float, win: bool):
    data = PositionInternalSharePriceData(1.0, 1.1, 10.0, 11.0, 0.1, profit, DAY)
    assert data.is_win() is win
    assert data.is_loss() is not win


@pytest.mark.parametrize("name", ["total_supply", "current_share_price"])
def test_file_is_refused(name: str):
    with pytest.raises(InvalidStateFile):
        PositionInternalSharePriceState.from_dict(share_price_state().to_dict() | {name: None})
