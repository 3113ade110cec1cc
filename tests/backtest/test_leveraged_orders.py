"""Resting orders of leveraged positions, candle by candle: entries of longs, exits of a part of shorts and longs."""

from decimal import Decimal
from typing import Any

import pytest

from tests.kit.leverage_runs import (
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
from tests.kit.markets import DAY, START, Bar, flat
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManagerError
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

D = Decimal
HALF = D("0.5")


def order(name: str, *args: Any, **terms: Any) -> Plan:
    """Place an order for the default pair."""

    def plan(input: StrategyInput) -> list[TradeExecution]:
        return getattr(input.get_position_manager(), name)(input.get_default_pair(), *args, **terms)

    return plan


# --- Entries of longs


@pytest.mark.parametrize(
    ("plan", "bars", "price"),
    [
        # Reached inside the candle of the decision.
        (order("limit_long", 1000.0, 1900.0), [(2000.0, 2010.0, 1850.0, 1950.0), flat(1950)], 1900.0),
        (order("stop_long", 1000.0, 2100.0), [(2000.0, 2150.0, 1990.0, 2050.0), flat(2050)], 2100.0),
        # Gaps: a limit fills at a better price, a stop at a worse one.
        (order("limit_long", 1000.0, 1900.0), [flat(2000), flat(1800), flat(1800)], 1800.0),
        (order("stop_long", 1000.0, 2100.0), [flat(2000), flat(2200), flat(2200)], 2200.0),
        # Of two that one candle reaches the worse one fills.
        (order("oco_long", 1000.0, limit_price=1900.0, stop_price=2100.0),
         [(2000.0, 2150.0, 1850.0, 2000.0), flat(2000)], 2100.0),
    ],
)  # fmt: skip
def test_an_entry_fills_at_its_level_or_at_the_first_price_beyond_it(plan: Plan, bars: list[Bar], price: float):
    result = run_leverage(bars, {1: plan})
    position = only_position(result)
    trade = position.get_first_trade()
    assert position.is_open()
    assert (trade.planned_mid_price, trade.executed_price, trade.activated_trigger is not None) == (price, price, True)
    collateral, debt = sides_of(position)
    assert (float(collateral), debt) == (pytest.approx(2000 / price), 1000), "own money and leverage stay"
    assert position.liquidation_price == pytest.approx(price * 0.625)
    assert cash_of(result) == 9000
    assert not position.pending_trades


def test_levels_are_relative_to_the_entry_and_met_in_its_candle():
    """Bought at 1900: the low of the candle comes after it at worst, and reaches the stop at 1805."""
    bars: list[Bar] = [(2000.0, 2010.0, 1800.0, 1950.0), flat(1950), flat(1950)]
    result = run_leverage(bars, {1: order("limit_long", 1000.0, 1900.0, stop_loss_pct=0.95, take_profit_pct=1.01)})
    position = only_position(result)
    assert (position.is_stop_loss(), position.get_last_trade().planned_mid_price) == (True, 1805.0)
    assert cash_of(result) == pytest.approx(10_000 - 100)


def test_an_order_for_a_long_lapses():
    bars: list[Bar] = [flat(2000), flat(2000), (2000.0, 2000.0, 1850.0, 1900.0), flat(1900)]
    for until, opens in [(2 * DAY, False), (3 * DAY, True)]:
        result = run_leverage(bars, {1: order("limit_long", 1000.0, 1900.0, good_till_time=until)})
        assert bool(result.state.portfolio.open_positions) is opens


# --- Exits of a part


def test_half_of_a_short_takes_its_profit():
    """1000 at 2x from 2000: half of the debt costs 900 at 1800, and frees 1500 of collateral: 600 come back."""
    bars: list[Bar] = [flat(2000), (2000.0, 2010.0, 1750.0, 1900.0), flat(1900), flat(1900)]
    steps = {1: open_short(), 2: call("limit_cover", 1800.0, HALF)}
    result = run_leverage(bars, steps)
    position = only_position(result)
    trade = position.get_last_trade()
    assert (trade.trade_type, trade.planned_mid_price, trade.executed_quantity) == (
        TradeType.take_profit, 1800.0, HALF,
    )  # fmt: skip
    assert trade.get_action_verb() == "Reduce short"
    assert (sides_of(position), cash_of(result)) == ((1500, HALF), 9600.0)
    assert loan_of(position).get_leverage() == pytest.approx(950 / 550)
    assert (position.get_realised_profit_usd(), position.get_unrealised_profit_usd()) == (100.0, 50.0)
    assert position.get_net_profit_usd() == pytest.approx(150.0)
    assert (position.is_open(), position.pending_trades) == (True, {})


def test_half_of_a_long_takes_its_profit_and_the_rest_is_stopped():
    """Up to 2200 first, down to 1800 then: half is sold at 2200, the other half at 1900.

    The other way round the first half would be stopped, too; that path is worse, so it counts, unless the order of the
    prices is known: here they are in two candles.
    """
    bars: list[Bar] = [flat(2000), (2000.0, 2250.0, 1990.0, 2100.0), (2100.0, 2100.0, 1850.0, 1900.0), flat(1900)]
    steps = {1: both(open_long(stop_loss_pct=0.95)), 2: call("limit_sell", 2200.0, HALF)}
    result = run_leverage(bars, steps)
    position = only_position(result)
    types = [(trade.trade_type, trade.planned_mid_price, trade.executed_quantity) for trade in position.trades.values()]
    assert types[1:] == [
        (TradeType.take_profit, 2200.0, -HALF), (TradeType.stop_loss, 1900.0, -HALF),
    ]  # fmt: skip
    assert cash_of(result) == pytest.approx(10_000 + 100 - 50)
    assert position.is_closed()


def test_of_two_paths_the_worse_one_counts():
    """Target of a half and stop of all in one candle: the stop comes first, and cancels the order."""
    bars: list[Bar] = [flat(2000), (2000.0, 2250.0, 1850.0, 2000.0), flat(2000)]
    result = run_leverage(bars, {1: open_long(stop_loss_pct=0.95), 2: call("limit_sell", 2200.0, HALF)})
    assert cash_of(result) == pytest.approx(9900.0)
    (lapsed,) = only_position(result).expired_trades.values()
    assert lapsed.expired_at == START + 2 * DAY


@pytest.mark.parametrize(
    ("opened", "orders", "path", "cash"),
    [
        # A stop of a half, then the rest closes at the market.
        (open_short(), call("stop_cover", 2100.0, HALF), (2000.0, 2150.0, 1990.0, 2000.0), 10_000 - 50),
        (open_long(), call("stop_sell", 1900.0, HALF), (2000.0, 2010.0, 1850.0, 2000.0), 10_000 - 50),
        # The first of both cancels the other.
        (open_short(), call("oco_cover", limit_price=1900.0, stop_price=2100.0, quantity=HALF),
         (2000.0, 2050.0, 1850.0, 2000.0), 10_000 + 50),
        (open_long(), call("oco_sell", limit_price=2100.0, stop_price=1900.0, quantity=HALF),
         (2000.0, 2150.0, 1950.0, 2000.0), 10_000 + 50),
        # All of it.
        (open_short(), call("limit_cover", 1900.0), (2000.0, 2050.0, 1850.0, 2000.0), 10_000 + 100),
        (open_long(), call("limit_sell", 2100.0), (2000.0, 2150.0, 1950.0, 2000.0), 10_000 + 100),
        # More than there is closes the position, at most.
        (open_short(), call("limit_cover", 1900.0, D(7)), (2000.0, 2050.0, 1850.0, 2000.0), 10_000 + 100),
        # Two thirds and one third.
        (open_long(), both(call("limit_sell", 2100.0, D("0.6")), call("limit_sell", 2200.0, D("0.4"))),
         (2000.0, 2250.0, 1950.0, 2000.0), 10_000 + 60 + 80),
        (open_short(), both(call("limit_cover", 1900.0, D("0.6")), call("limit_cover", 1800.0, D("0.4"))),
         (2000.0, 2050.0, 1750.0, 2000.0), 10_000 + 60 + 80),
        # A gap fills at the open.
        (open_short(), call("stop_cover", 2100.0, HALF), (2200.0, 2200.0, 2000.0, 2000.0), 10_000 - 100),
    ],
)  # fmt: skip
def test_exits_by_orders(opened: Plan, orders: Plan, path: Bar, cash: float):
    """What the order leaves is closed at 2000, where the position was opened."""

    def close_rest(input: StrategyInput) -> list[TradeExecution]:
        return close(input) if input.state.portfolio.open_positions else []

    bars = [flat(2000), flat(2000), path, flat(2000), flat(2000)]
    result = run_leverage(bars, {1: opened, 2: orders, 4: close_rest})
    assert only_position(result).is_closed()
    assert cash_of(result) == pytest.approx(cash)


def test_a_liquidation_comes_before_a_stop_that_is_further_away():
    """A quarter is sold at 1500 on the way down to the liquidation at 1250, which stays where it was."""
    bars: list[Bar] = [flat(2000), (2000.0, 2010.0, 1200.0, 1300.0), flat(1300), flat(1300)]
    result = run_leverage(bars, {1: open_long(), 2: call("stop_sell", 1500.0, D("0.25"))})
    position = only_position(result)
    prices = [trade.planned_mid_price for trade in position.trades.values()]
    assert prices == [2000.0, 1500.0, pytest.approx(1250.0)]
    assert position.get_last_trade().is_liquidation()
    # A quarter brings 375 - 250 = 125; of the rest a liquidator leaves three quarters of 200.
    assert cash_of(result) == pytest.approx(9000 + 125 + 150)


def test_orders_of_the_decision_that_opens_and_timed_ones():
    """They are planned on the loan that the decision will open."""

    def plan(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        trades = manager.open_short(input.get_default_pair(), 1000.0, leverage=2.0)
        position = manager.get_current_position()
        manager.limit_cover(position, 1800.0, HALF)
        manager.close_after(position, 2 * DAY)
        return trades

    result = run_leverage([flat(2000), (2000.0, 2000.0, 1790.0, 1900.0), flat(1900), flat(1900)], {1: plan})
    position = only_position(result)
    assert [trade.planned_mid_price for trade in position.trades.values()] == [2000.0, 1800.0, 1900.0]
    assert position.closed_at == START + 2 * DAY
    assert cash_of(result) == pytest.approx(10_000 + 100 + 50)


def test_fees_and_interest_of_a_part_add_up():
    """The ledger of every run is proven; the figures of the position say the same as the cash."""
    bars: list[Bar] = [flat(2000), flat(2000), (2000.0, 2250.0, 1950.0, 2100.0), flat(2100), flat(2100)]
    for opened, orders in [
        (open_long(), call("limit_sell", 2200.0, D("0.3"))),
        (open_short(), call("stop_cover", 2200.0, D("0.3"))),
    ]:
        pool = LendingPool(0.5, 0.9, liquidation_threshold=0.8)
        result = run_leverage(bars, {1: opened, 2: orders, 4: close}, fee=0.003, lending=pool)
        position = only_position(result)
        assert len(position.trades) == 3
        assert position.get_net_profit_usd() == pytest.approx(cash_of(result) - 10_000, abs=1e-9)


def test_what_cannot_be_meant_changes_nothing():
    def look(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        long, short = manager.get_current_long_position(), manager.get_current_short_position()
        before = input.state.to_json()
        for match, refused in {
            "closed by buying": lambda: manager.limit_sell(short, 1900.0),
            "only a short is covered": lambda: manager.limit_cover(long, 1900.0),
            "must be below the stop": lambda: manager.oco_cover(short, limit_price=2100.0, stop_price=1900.0),
            "positive Decimal": lambda: manager.limit_cover(short, 1900.0, D(0)),
            "positive price": lambda: manager.stop_cover(short, -1.0),
            "must be above the limit": lambda: manager.oco_long(
                input.get_default_pair(), 10.0, limit_price=2100.0, stop_price=1900.0
            ),
        }.items():
            with pytest.raises(PositionManagerError, match=match):
                refused()
        assert input.state.to_json() == before
        return []

    run_leverage([flat(2000)] * 4, {1: both(open_long(), open_short(leverage=1.0)), 2: look})
