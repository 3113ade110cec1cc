"""Orders of shorts, leveraged longs and lending that reach their market late: the examples of docs/fills.md, limits.

Candles of a day, and a latency of four hours: half of the first third of a candle, between its open and an extreme.
"""

import datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.leverage_runs import (
    FREE,
    Plan,
    both,
    call,
    cash_of,
    close,
    loan_of,
    only_position,
    open_long,
    open_short,
    run_leverage,
    sides_of,
)
from tests.kit.markets import DAY, HOUR, START, Bar, flat
from tradeexecutor.backtest.backtest_runner import BacktestResult
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

LATE = 4 * HOUR

#: After four hours 1600 or 2200.
CANDLE: Bar = (2000.0, 2400.0, 1200.0, 2000.0)


def run(bars: list[Bar], plans: dict[int, Plan], latency: datetime.timedelta = LATE, **options: Any) -> BacktestResult:
    return run_leverage(bars, plans, latency=latency, **options)


def trades_of(result: BacktestResult) -> list[TradeExecution]:
    positions = list(result.state.portfolio.get_all_positions(pending=True))
    positions += result.state.portfolio.expired_positions.values()
    tables = (table for position in positions for table in (position.trades, position.expired_trades))
    found = {trade.trade_id: trade for table in tables for trade in table.values()}
    return [found[number] for number in sorted(found)]


def notes_of(result: BacktestResult) -> str:
    return " | ".join(trade.notes or "" for trade in trades_of(result))


# --- The price of the moment of arrival


def test_a_short_keeps_own_money_and_leverage():
    """1000 at 1x, sold at 1600: 0.625 ETH; at the close of 2000 it is worth 750."""
    result = run([CANDLE], {1: open_short(1000.0, 1.0)})
    (trade,) = trades_of(result)
    assert (trade.opened_at, trade.executed_at) == (START, START + DAY)
    assert trade.executed_price == pytest.approx(1600.0)
    position = only_position(result)
    collateral, debt = sides_of(position)
    assert (float(collateral), float(debt)) == (pytest.approx(2000.0), pytest.approx(0.625))
    assert position.liquidation_price == pytest.approx(2560.0)
    assert position.get_value() == pytest.approx(750.0)
    assert cash_of(result) == pytest.approx(9000.0)


def test_a_short_that_closes_late_buys_back_what_it_owes():
    result = run([CANDLE, CANDLE, flat(2000)], {1: open_short(1000.0, 1.0), 2: close})
    _, bought = trades_of(result)
    assert bought.executed_price == pytest.approx(2200.0)
    assert float(bought.executed_quantity or 0) == pytest.approx(0.625)
    assert cash_of(result) == pytest.approx(9625.0)
    assert only_position(result).is_closed()


def test_a_long_opens_and_closes():
    bars: list[Bar] = [(2000, 3000, 1600, 2000), (2000, 2000, 1600, 1900), flat(1900)]
    result = run(bars, {1: open_long(), 2: close})
    bought, sold = trades_of(result)
    assert bought.executed_price == pytest.approx(2500.0)
    assert float(bought.executed_quantity or 0) == pytest.approx(0.8)
    assert only_position(result).liquidation_price == pytest.approx(1562.5)
    assert sold.executed_price == pytest.approx(1800.0)
    assert cash_of(result) == pytest.approx(9440.0)


def test_with_the_start_of_a_candle_it_fills_at_the_open():
    result = run([flat(2000), (2000, 2500, 1500, 2400), flat(2500), flat(2500)], {1: open_long(), 2: close}, DAY)
    bought, sold = trades_of(result)
    assert [(trade.executed_price, trade.executed_at) for trade in (bought, sold)] == [
        (2000.0, START + DAY),
        (2500.0, START + 2 * DAY),
    ]


@pytest.mark.parametrize("opening", [open_short, open_long])
def test_an_unchanged_price_gives_the_same_loan_as_without_a_latency(opening: Any):
    """Every kind of order, with a fee and slippage: the plan of the arrival is that of the decision."""
    adjust = "adjust_short" if opening is open_short else "adjust_long"
    reduce = "reduce_short" if opening is open_short else "reduce_long"
    plans = {
        1: opening(),
        2: call(adjust, 1500.0),
        3: call(reduce, Decimal("0.2")),
        5: close,
    }
    bars = [flat(2000)] * 7
    late, prompt = (run(bars, plans, latency, fee=0.003, slippage=0.001) for latency in (LATE, 0 * HOUR))
    assert cash_of(late) == pytest.approx(cash_of(prompt), rel=1e-12)
    for one, other in zip(trades_of(late), trades_of(prompt), strict=True):
        assert float(one.executed_quantity or 0) == pytest.approx(float(other.executed_quantity or 0), rel=1e-9)
        assert one.executed_price == pytest.approx(other.executed_price)
        assert one.lp_fees_paid == pytest.approx(other.lp_fees_paid)


def test_an_increase_keeps_own_money_and_the_value_that_it_swaps():
    """From 1000 to 1500 at 2000, it was going to buy 0.5 ETH for 1000; at 2500 they are 0.4."""
    bars: list[Bar] = [flat(2000), (2000, 3000, 2000, 2500), flat(2500)]
    result = run(bars, {1: open_long(), 2: call("adjust_long", 1500.0)})
    collateral, debt = sides_of(only_position(result))
    assert (float(collateral), float(debt)) == (pytest.approx(1.4), pytest.approx(1500.0))
    assert cash_of(result) == pytest.approx(8500.0)


def test_a_reduction_keeps_its_quantity_and_shrinks_both_sides():
    """A quarter of 1 ETH is sold at 1800: 450, of which 250 repay a quarter of the debt."""
    bars: list[Bar] = [flat(2000), (2000, 2000, 1600, 1900), flat(1900)]
    result = run(bars, {1: open_long(), 2: call("reduce_long", Decimal("0.25"))})
    collateral, debt = sides_of(only_position(result))
    assert (float(collateral), float(debt)) == (pytest.approx(0.75), pytest.approx(750.0))
    assert cash_of(result) == pytest.approx(9200.0)


def test_an_adjustment_to_less_is_a_reduction():
    """From 1000 to 600 at 2000 sells 0.4 of 1 ETH; at 1800 it brings 720, of which 400 repay 40 % of the debt."""
    bars: list[Bar] = [flat(2000), (2000, 2000, 1600, 1900), flat(1900)]
    result = run(bars, {1: open_long(), 2: call("adjust_long", 600.0)})
    collateral, debt = sides_of(only_position(result))
    assert (float(collateral), float(debt)) == (pytest.approx(0.6), pytest.approx(600.0))
    assert cash_of(result) == pytest.approx(9320.0)


def test_levels_as_a_fraction_follow_the_price_of_the_fill():
    """A stop 10 % above 1600 is 1760; the high, which is still to come, reaches it."""
    result = run([(2000, 2000, 1200, 1500), flat(1500)], {1: open_short(1000.0, 1.0, stop_loss_pct=0.9)})
    _, stopped = trades_of(result)
    assert stopped.is_stop_loss()
    assert stopped.executed_price == pytest.approx(1760.0)


# --- Liquidation and stop loss while an order is on its way


def test_a_short_is_liquidated_after_its_opening_in_the_same_candle():
    result = run([(2000, 2600, 1200, 2000), flat(2000)], {1: open_short(1000.0, 1.0)})
    _, liquidated = trades_of(result)
    assert liquidated.is_liquidation()
    assert liquidated.planned_mid_price == pytest.approx(2560.0)


def test_a_liquidation_comes_before_an_order_that_is_on_its_way():
    """Half of the way from 2000 to 3200 passes 2560 before the order arrives at 2600."""
    result = run([CANDLE, (2000, 3200, 2000, 2000), flat(2000)], {1: open_short(1000.0, 1.0), 2: close})
    _, closing, liquidated = trades_of(result)
    assert liquidated.is_liquidation()
    assert not closing.is_success()
    assert closing.expired_at is not None
    # 0.625 at 2560 and 5 % take 1680 of 2000.
    assert cash_of(result) == pytest.approx(9320.0)


def test_a_liquidation_at_the_open_comes_before_an_order_that_arrives_with_it():
    bars: list[Bar] = [flat(2000), flat(2000), flat(1200), flat(1200)]
    result = run(bars, {1: open_long(), 2: close}, DAY)
    assert [trade.is_liquidation() for trade in trades_of(result) if trade.is_success()] == [False, True]


@pytest.mark.parametrize(("hours", "price"), [(4, 1800.0), (12, 1700.0), (20, 1700.0)])
def test_a_stop_loss_that_is_hit_before_the_arrival(hours: int, price: float):
    """The stop loss of the long is at 1700; after four hours the price is 1800, and after eight the low counts."""
    bars: list[Bar] = [flat(2000), (2000, 2000, 1600, 2000), flat(2000)]
    result = run(bars, {1: open_long(stop_loss_pct=0.85), 3 - 1: close}, hours * HOUR)
    sold = [trade for trade in trades_of(result) if trade.is_success()][-1]
    assert sold.executed_price == pytest.approx(price)
    assert sold.is_stop_loss() is (hours > 4)


# --- Money, collateral, pool


def test_cash_that_is_spent_when_the_order_arrives():
    def spend(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        return [*open_short(6000.0, 1.0)(input), *manager.open_spot(input.get_default_pair(), 6000.0)]

    result = run([CANDLE, flat(2000)], {1: spend})
    first, second = trades_of(result)
    assert first.is_success()
    assert float(second.executed_reserve or 0) == pytest.approx(4000.0)
    assert cash_of(result) == 0


def test_an_opening_that_cannot_be_paid_lapses_with_its_position():
    result = run([flat(2000)] * 2, {1: both(open_long(6000.0), open_short(6000.0))})
    bought, lapsed = trades_of(result)
    assert bought.is_success()
    assert lapsed.expired_at is not None
    assert "were left" in (lapsed.notes or "")
    assert len(result.state.portfolio.open_positions) == 1


def test_an_increase_of_a_loan_that_became_too_weak_lapses():
    """1.5 ETH with a debt of 2000 are 550 at 1700. Doubled there the loan bears 1.7 % of slippage, but not at 1668."""
    bars: list[Bar] = [flat(2000), flat(2000), (2000, 2000, 1700, 1700), (1700, 1700, 1668, 1668), flat(1668)]
    result = run(bars, {1: open_long(1000.0, 3.0), 4: call("adjust_long", 1100.0)}, DAY)
    assert "with a slippage of 1.70%" in notes_of(result)
    collateral, debt = sides_of(only_position(result))
    assert (float(collateral), float(debt)) == (1.5, 2000.0)
    assert cash_of(result) == 9000.0


def test_a_pool_that_has_lent_too_much_by_then():
    pool = LendingPool(0.0, 0.0, liquidation_threshold=0.8, borrow_caps={"ETH": 0.6})
    # 1000 at 1x owe 0.5 ETH at 2000, but 0.625 at 1600.
    result = run([CANDLE, flat(2000)], {1: open_short(1000.0, 1.0)}, lending=pool)
    assert "the pool refuses" in notes_of(result)
    assert cash_of(result) == 10_000.0
    assert not result.state.portfolio.open_positions


# --- Several decisions


def test_a_strategy_sees_what_is_on_its_way_and_can_withdraw_it():
    seen: list[Any] = []

    def look(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        seen.append((manager.is_any_short_position_open(), manager.get_current_cash()))
        return manager.close_all()

    result = run([flat(2000)] * 6, {1: open_short(), 2: look}, 3 * DAY)
    assert seen == [(True, 10_000.0)]
    assert "withdrawn" in notes_of(result)
    assert (cash_of(result), result.state.portfolio.open_positions) == (10_000.0, {})


def test_closing_twice_closes_once():
    result = run([flat(2000)] * 7, {1: open_short(), 3: close, 4: close}, 36 * HOUR)
    *_, second, third = trades_of(result)
    assert second.is_success()
    assert "not open any more" in (third.notes or "")
    assert cash_of(result) == pytest.approx(10_000.0)


def test_a_reversal_in_one_decision():
    def reverse(input: StrategyInput) -> list[TradeExecution]:
        return [*close(input), *open_short()(input)]

    result = run([flat(2000)] * 5, {1: open_long(9000.0), 3: reverse})
    (position,) = result.state.portfolio.open_positions.values()
    assert position.is_short()
    assert cash_of(result) == pytest.approx(9000.0)


@pytest.mark.parametrize("opening", [open_short, open_long])
def test_orders_that_would_arrive_after_the_end_lapse(opening: Any):
    result = run([flat(2000)] * 3, {3: opening()}, 2 * DAY)
    assert "the run has ended before it could fill" in notes_of(result)
    assert (cash_of(result), result.state.portfolio.open_positions) == (10_000.0, {})
    result = run([flat(2000)] * 3, {1: opening(), 3: close}, DAY)
    assert only_position(result).is_open()
    assert loan_of(only_position(result)) is not None


# --- Resting orders


def test_a_resting_entry_is_not_in_the_market_before_it_arrives():
    def rest(input: StrategyInput) -> list[TradeExecution]:
        return input.get_position_manager().limit_long(input.get_default_pair(), 1000.0, 1500.0)

    bars = [(2000.0, 2000.0, 1400.0, 2000.0), (2000.0, 2000.0, 1450.0, 2000.0), flat(2000)]
    (late,), (prompt,) = (trades_of(run(bars, {1: rest}, latency)) for latency in (LATE, 0 * HOUR))
    assert (late.executed_at, prompt.executed_at) == (START + 2 * DAY, START + DAY)
    assert late.executed_price == prompt.executed_price == 1500.0
    assert not trades_of(run(bars, {1: rest}, 2 * DAY))


def test_an_exit_that_rests_while_its_opening_is_on_its_way_goes_with_it():
    def plan(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        trades = [*open_long(6000.0)(input), *open_short(6000.0, 1.0)(input)]
        short = manager.state.portfolio.open_positions[trades[-1].position_id]
        manager.limit_cover(short, 1900.0)
        return trades

    portfolio = run([flat(2000)] * 2, {1: plan}).state.portfolio
    assert [position.is_short() for position in portfolio.open_positions.values()] == [False]
    assert [position.is_short() for position in portfolio.expired_positions.values()] == [True]


def test_a_resting_entry_that_expires_on_its_way():
    def rest(input: StrategyInput) -> list[TradeExecution]:
        pair = input.get_default_pair()
        return input.get_position_manager().limit_short(pair, 1000.0, 2100.0, good_till_time=2 * HOUR)

    result = run([(2000.0, 2300.0, 2000.0, 2200.0), flat(2200)], {1: rest})
    assert not trades_of(result)[0].is_success()
    assert not result.state.portfolio.pending_positions


# --- Interest


def test_interest_of_a_loan_runs_from_its_fill():
    """Half a day late, at the start of no candle: booked at the end, so it bears no interest on that day."""
    pool = LendingPool(0.0, 0.073, liquidation_threshold=0.8)
    late = run([flat(2000)] * 11, {1: open_long()}, 12 * HOUR, lending=pool)
    # 1000 owed for ten days at 0.02 % a day.
    assert float(sides_of(only_position(late))[1]) == pytest.approx(1000 * 1.0002**10)


def lend(amount: float) -> Plan:
    return lambda input: input.get_position_manager().add_cash_to_credit_supply(amount)


EARNING = LendingPool(0.0365, 0.073, liquidation_threshold=0.8)


def test_lending_is_carried_out_when_it_arrives():
    """3650 at 3.65 % earn 0.365 a day; lent at six in the morning 0.27375 by midnight."""
    result = run([flat(2000)], {1: lend(3650.0)}, 6 * HOUR, lending=EARNING)
    position = only_position(result)
    (trade,) = trades_of(result)
    assert trade.executed_at == START + 6 * HOUR
    assert position.get_value() == pytest.approx(3650.27375, abs=1e-9)
    assert cash_of(result) == 6350.0


def test_a_recall_takes_the_interest_of_its_way():
    result = run([flat(2000)] * 4, {1: lend(3650.0), 3: close}, 6 * HOUR, lending=EARNING)
    assert only_position(result).is_closed()
    assert trades_of(result)[1].executed_at == START + 2 * DAY + 6 * HOUR
    # Lent for two days.
    assert cash_of(result) == pytest.approx(10_000.73, abs=1e-3)


def test_more_and_less_is_lent():
    less = call("adjust_credit_supply_position", delta=-650.0)
    result = run([flat(2000)] * 4, {1: lend(3000.0), 2: lend(1000.0), 3: less}, 6 * HOUR, lending=FREE)
    assert only_position(result).get_value() == pytest.approx(3350.0)
    assert cash_of(result) == pytest.approx(6650.0)


@pytest.mark.parametrize("latency", [0 * DAY, 6 * HOUR, DAY])
def test_a_recall_of_a_part_takes_no_more_when_it_arrives(latency: datetime.timedelta):
    def recall(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        return manager.close_credit_supply_position(manager.get_current_credit_supply_position(), quantity=Decimal(500))

    result = run([flat(2000)] * 5, {1: lend(1000.0), 3: recall}, latency, lending=FREE)
    assert cash_of(result) == 9500.0


def test_what_a_sale_brings_is_lent_after_it():
    """The sale of the same decision is booked at the end of the candle; the supply waits for it."""

    def plan(input: StrategyInput) -> list[TradeExecution]:
        return [*close(input), *lend(9900.0)(input)]

    def buy(input: StrategyInput) -> list[TradeExecution]:
        return input.get_position_manager().open_spot(input.get_default_pair(), 10_000.0)

    result = run([flat(2000)] * 4, {1: buy, 2: plan}, lending=FREE)
    *_, lent = trades_of(result)
    assert lent.executed_at == START + 2 * DAY
    assert cash_of(result) == pytest.approx(100.0)
    # Nothing brings more, so a supply without cash is made smaller when it arrives.
    result = run([flat(2000)] * 4, {1: both(lend(9000.0), lend(5000.0))}, lending=FREE)
    assert cash_of(result) == 0
    assert {trade.executed_at for trade in trades_of(result)} == {START + LATE}


def test_a_recall_pays_for_a_purchase_that_arrives_with_it():
    for latency in (LATE, DAY):
        plans = {1: lend(9500.0), 3: _buy_from_credit}
        result = run([flat(2000)] * 6, plans, latency, lending=FREE)
        assert cash_of(result) == pytest.approx(1000.0)


def _buy_from_credit(input: StrategyInput) -> list[TradeExecution]:
    manager = input.get_position_manager()
    recalled = manager.close_credit_supply_position(manager.get_current_credit_supply_position())
    return [*recalled, *manager.open_spot(input.get_default_pair(), 9000.0)]


def test_lending_that_is_on_its_way_at_the_end_lapses():
    for latency in (DAY, 2 * DAY):
        result = run([flat(2000)], {1: lend(3650.0)}, latency, lending=EARNING)
        assert "the run has ended before it could fill" in notes_of(result)
        assert cash_of(result) == 10_000.0
