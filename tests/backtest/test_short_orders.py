"""Resting orders that open shorts, candle by candle, worked out by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.markets import DAY, START, Bar, at_cycle, flat, make_candles
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_inline
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager, PositionManagerError

Plan = Callable[[PositionManager, Any], list[TradeExecution]]


def run(bars: list[Bar], plans: dict[int, Plan], fee: float = 0.0, **options: Any) -> BacktestResult:
    def use_manager(plan: Plan) -> Any:
        return lambda input: plan(input.get_position_manager(), input.get_default_pair())

    result = run_backtest_inline(
        decide_trades=at_cycle({cycle: use_manager(plan) for cycle, plan in plans.items()}),
        parameters={"lending": LendingPool(0.0, 0.0)},
        candles={"ETH-USD": make_candles(bars, bucket=DAY)},
        fee=fee,
        initial_deposit=10_000,
        **options,
    )
    assert prove(result.state).is_balanced
    assert State.read_json_blob(result.state.to_json()).to_json() == result.state.to_json()
    return result


def limit(price: float, value: float = 1000.0, **terms: Any) -> Plan:
    return lambda manager, pair: manager.limit_short(pair, value, price, **terms)


def stop(price: float, value: float = 1000.0, **terms: Any) -> Plan:
    return lambda manager, pair: manager.stop_short(pair, value, price, **terms)


def only_position(result: BacktestResult) -> TradingPosition:
    (position,) = result.state.portfolio.get_all_positions(pending=True)
    return position


@pytest.mark.parametrize(
    ("plan", "bars", "price", "day"),
    [
        # Reached inside the candle of the decision, booked at its end.
        (limit(2100.0), [(2000.0, 2150.0, 1990.0, 2050.0), flat(2050)], 2100.0, 1),
        (stop(1900.0), [(2000.0, 2010.0, 1850.0, 1950.0), flat(1950)], 1900.0, 1),
        # Gaps: a limit fills at a better price, a stop at a worse one.
        (limit(2100.0), [flat(2000), flat(2200), flat(2200)], 2200.0, 1),
        (stop(1900.0), [flat(2000), flat(1800), flat(1800)], 1800.0, 1),
        # Satisfied when it is placed.
        (limit(1900.0), [flat(2000), flat(2000)], 2000.0, 1),
    ],
)
def test_an_entry_fills_at_its_level_or_at_the_first_price_beyond_it(
    plan: Plan, bars: list[Bar], price: float, day: int
):
    result = run(bars, {1: plan})
    position = only_position(result)
    trade = position.get_first_trade()
    assert position.is_open()
    assert (trade.planned_mid_price, trade.executed_price) == (price, price)
    assert trade.executed_at == START + day * DAY
    assert float(trade.executed_quantity or 0) == pytest.approx(-1000 / price), "own money and leverage stay"
    assert position.loan is not None
    assert float(position.loan.collateral.quantity) == pytest.approx(2000)
    assert result.state.portfolio.get_cash() == 9000
    assert trade.activated_trigger is not None
    assert not position.pending_trades


def test_an_order_that_is_not_reached_takes_no_money():
    result = run([flat(2000)] * 4, {1: limit(2100.0)})
    assert result.state.portfolio.get_cash() == 10_000
    position = only_position(result)
    assert position.is_pending()
    assert not position.trades


def test_an_order_lapses():
    bars: list[Bar] = [flat(2000), flat(2000), (2000.0, 2150.0, 2000.0, 2100.0), flat(2100)]
    for until, opens in [(2 * DAY, False), (3 * DAY, True)]:
        portfolio = run(bars, {1: limit(2120.0, good_till_time=until)}).state.portfolio
        assert bool(portfolio.open_positions) is opens
        assert bool(portfolio.expired_positions) is not opens


def test_levels_are_relative_to_the_entry():
    """Entered at 2100 with 2x: the stop is 5 % above, the target 5 % below it."""
    bars: list[Bar] = [flat(2000), (2000.0, 2120.0, 2000.0, 2100.0), (2100.0, 2100.0, 1990.0, 2000.0), flat(2000)]
    plan = limit(2100.0, leverage=2.0, stop_loss_pct=0.95, take_profit_pct=1.05)
    result = run(bars, {1: plan})
    position = only_position(result)
    assert (position.stop_loss, position.take_profit) == (pytest.approx(2205.0), pytest.approx(1995.0))
    last = position.get_last_trade()
    assert (last.trade_type, last.planned_mid_price) == (TradeType.take_profit, pytest.approx(1995.0))
    assert result.state.portfolio.get_cash() == pytest.approx(10_000 + 2000 * 0.05)


@pytest.mark.parametrize(
    ("plan", "bar", "loss"),
    [
        # Above the limit the candle rises on to the stop: it is certainly reached after the entry.
        (limit(2100.0, stop_loss_pct=0.99), (2000.0, 2150.0, 1990.0, 2050.0), 10.0),
        # The high may have come before the fall to the entry. That it came after it is worse, so it counts.
        (stop(1900.0, stop_loss_pct=0.95), (2000.0, 2010.0, 1850.0, 1950.0), 50.0),
    ],
)
def test_a_stop_loss_in_the_candle_of_the_entry(plan: Plan, bar: Bar, loss: float):
    result = run([bar, flat(bar[3]), flat(bar[3])], {1: plan})
    position = only_position(result)
    assert position.is_stop_loss()
    assert position.closed_at == START + DAY
    assert result.state.portfolio.get_cash() == pytest.approx(10_000 - loss)


def test_a_take_profit_that_may_have_come_before_the_entry_does_not_count():
    bar = (2000.0, 2150.0, 1900.0, 2080.0)
    position = only_position(run([bar, flat(2080)], {1: limit(2100.0, take_profit_pct=1.05)}))
    assert position.is_open()


def test_a_liquidation_in_the_candle_of_the_entry():
    """1000 at 2x from 2000: liquidated at 2550, which the candle passes; 322.50 are left, as without an order."""
    bars: list[Bar] = [flat(1900), (1900.0, 2700.0, 1900.0, 2100.0), flat(2100)]
    result = run(bars, {1: limit(2000.0, leverage=2.0)})
    position = only_position(result)
    assert position.get_last_trade().is_liquidation()
    assert result.state.portfolio.get_cash() == pytest.approx(9322.5)


def test_one_cancels_the_other():
    """Both are reached in one candle: the lower price is the worse one."""

    def both(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        return manager.oco_short(pair, 1000.0, limit_price=2100.0, stop_price=1900.0)

    for bar, price in [
        ((2000.0, 2150.0, 1990.0, 2050.0), 2100.0),
        ((2000.0, 2010.0, 1850.0, 1950.0), 1900.0),
        ((2000.0, 2150.0, 1850.0, 1950.0), 1900.0),
    ]:
        position = only_position(run([bar, flat(bar[3])], {1: both}))
        trade = position.get_first_trade()
        assert trade.executed_price == price
        assert [trigger.price for trigger in trade.expired_triggers or ()] == [4000.0 - price]


def test_an_order_that_the_cash_does_not_pay_lapses():
    def spend(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        return manager.open_credit_supply_position_for_reserves(9500.0)

    portfolio = run([flat(2000), flat(2000), flat(2200), flat(2200)], {1: limit(2100.0), 2: spend}).state.portfolio
    (position,) = portfolio.expired_positions.values()
    (trade,) = position.expired_trades.values()
    assert "more than the cash" in str(trade.notes)


def test_a_fee_is_paid_by_the_collateral():
    """1 ETH sold at 2000 with a fee of 0.3 % brings 1994."""
    trade = only_position(run([flat(1900), flat(2000), flat(2000)], {1: limit(2000.0, leverage=2.0)}, fee=0.003))
    first = trade.get_first_trade()
    assert float(first.executed_collateral_consumption or 0) == pytest.approx(1994.0)
    assert (first.executed_price, first.lp_fees_paid) == (pytest.approx(1994.0), pytest.approx(6.0))


def test_what_is_refused_changes_nothing():
    def plan(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        before = manager.state.to_json()
        for error, message, order in [
            (PositionManagerError, "beyond the price of liquidation", lambda: manager.limit_short(
                pair, 1000.0, 2100.0, leverage=5.0, stop_loss_pct=0.8)),
            (PositionManagerError, "must be below the limit", lambda: manager.oco_short(
                pair, 1000.0, limit_price=1900.0, stop_price=2100.0)),
            (PositionManagerError, "positive price", lambda: manager.stop_short(pair, 1000.0, -1.0)),
            (ValueError, r"between 0 and 5\.6", lambda: manager.stop_short(pair, 1000.0, 1900.0, leverage=7.0)),
        ]:  # fmt: skip
            with pytest.raises(error, match=message):
                order()
            assert manager.state.to_json() == before
        return manager.limit_short(pair, 1000.0, 2100.0)

    def second(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        with pytest.raises(PositionManagerError, match="waits already"):
            manager.limit_short(pair, 1000.0, 2100.0)
        return []

    run([flat(2000)] * 3, {1: plan, 2: second})


def test_an_opening_that_is_turned_into_an_order_keeps_its_leverage():
    """The historical way: plan to open at 2000 with 2x, then let it wait for 2200, where it borrows 2000 / 2200."""

    def plan(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        trades = manager.open_short(pair, 1000.0, leverage=2.0)
        manager.set_market_limit_trigger(trades, 2200.0)
        return trades

    position = only_position(run([flat(2000), flat(2200), flat(2200)], {1: plan}))
    assert position.is_open()
    assert float(position.get_quantity()) == pytest.approx(-2000 / 2200)
