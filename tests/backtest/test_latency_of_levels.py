"""Levels that a strategy moves, with a latency: the old ones hold until the change arrives, see docs/fills.md.

Candles of a day, and a latency of four hours: half of the first third of a candle, between its open and an extreme.
"""

import datetime
from typing import Any

import pytest

from tests.kit.leverage_runs import open_short, run_leverage
from tests.kit.markets import DAY, HOUR, START, Bar, at_cycle, flat, make_candles
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

LATE = 4 * HOUR


def run(bars: list[Bar], plans: dict[int, Any], latency: datetime.timedelta = LATE) -> BacktestResult:
    return run_backtest_inline(
        decide_trades=at_cycle(plans),
        universe=create_universe({"ETH-USD": make_candles(bars, bucket=DAY)}, fee=0.0),
        initial_deposit=10_000,
        latency=latency,
    )


def buy(**levels: Any) -> Any:
    return lambda input: input.get_position_manager().open_spot(input.get_default_pair(), 1000.0, **levels)


def move(stop_loss: float, **options: Any) -> Any:
    def plan(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        manager.update_stop_loss(manager.get_current_position(), stop_loss, **options)
        return []

    return plan


def position_of(result: BacktestResult) -> TradingPosition:
    (position,) = result.state.portfolio.get_all_positions()
    return position


def sale_of(result: BacktestResult) -> TradeExecution | None:
    sold = [trade for trade in position_of(result).trades.values() if trade.is_reduce()]
    return sold[0] if sold else None


@pytest.mark.parametrize(
    ("low", "price"),
    [
        # At the arrival the price is between the open and the low.
        (88.0, 93.0),
        (84.0, 92.0),
        (70.0, 85.0),
        # The old level comes first.
        (60.0, 80.0),
        (50.0, 80.0),
        # Neither is reached.
        (93.5, None),
    ],
)
def test_a_stop_loss_that_is_moved_inside_a_candle(low: float, price: float | None):
    bars: list[Bar] = [flat(100), (100, 110, low, 105), flat(105)]
    sold = sale_of(run(bars, {1: buy(stop_loss_usd=80.0), 2: move(93.0)}))
    assert (None if sold is None else sold.executed_price) == (None if price is None else pytest.approx(price))
    if sold is not None:
        assert sold.is_stop_loss()
        assert sold.executed_at == START + 2 * DAY


def test_the_old_level_holds_while_the_change_is_on_its_way():
    """A stop loss that is moved away arrives two days later; the fall in between hits the old one."""
    bars: list[Bar] = [flat(100), flat(100), (100, 100, 85, 100), flat(100), flat(100)]
    seen: list[Any] = []

    def look(input: StrategyInput) -> list[TradeExecution]:
        positions = input.state.portfolio.open_positions.values()
        seen.append([position.stop_loss for position in positions])
        return []

    plans = {1: buy(stop_loss_usd=90.0), 4: move(70.0), 5: look, 6: look, 7: look}
    hit = run([flat(100)] * 3 + bars[1:] + [flat(100)], plans, 2 * DAY)
    assert seen == [[90.0], [], []]
    sold = sale_of(hit)
    assert sold is not None
    assert sold.executed_price == pytest.approx(90.0)
    # Nothing is left of the change, and it is not recorded as one.
    position = position_of(hit)
    assert "moved_levels" not in (position.other_data or ())
    assert position.trigger_updates == []


def test_a_change_that_arrives_with_an_open_is_compared_with_it_after_the_old_level():
    """Both at the open of 85: the old level of 90 sells, although 70 takes its place at this time."""
    bars: list[Bar] = [flat(100), flat(100), flat(100), flat(85), flat(85)]
    plans = {1: buy(stop_loss_usd=90.0), 3: move(70.0)}
    sold = sale_of(run(bars, plans, DAY))
    assert sold is not None
    assert (sold.executed_price, sold.executed_at) == (85.0, START + 3 * DAY)
    # And a new level that the open has passed already sells there.
    plans = {1: buy(stop_loss_usd=60.0), 3: move(90.0)}
    sold = sale_of(run(bars, plans, DAY))
    assert sold is not None
    assert (sold.executed_price, sold.executed_at) == (85.0, START + 3 * DAY)


def test_what_has_changed_is_recorded_when_it_takes_effect():
    bars: list[Bar] = [flat(100), flat(100), (100, 104, 98, 102), flat(102)]
    position = position_of(run(bars, {1: buy(stop_loss_usd=80.0), 3: move(90.0)}))
    (update,) = position.trigger_updates
    assert update.timestamp == START + 3 * DAY
    assert (update.stop_loss_before, update.stop_loss_after, update.mid_price) == (80.0, 90.0, 100.0)
    assert position.stop_loss == 90.0
    assert "moved_levels" not in (position.other_data or ())


def test_a_trailing_stop_loss_that_has_gone_further_stays():
    """It trails to 108 on the way, so a move to 95 comes too late; the market trails without a latency."""
    bars: list[Bar] = [flat(100), (100, 120, 99, 118), (118, 118, 105, 106), flat(106)]
    position = position_of(run(bars, {1: buy(trailing_stop_loss_pct=0.9), 2: move(95.0)}, DAY))
    assert position.stop_loss == pytest.approx(108.0)
    sold = next(trade for trade in position.trades.values() if trade.is_sell())
    assert sold.executed_price == pytest.approx(108.0)


def test_a_tightening_that_arrives_after_a_tighter_one_does_not_loosen():
    bars: list[Bar] = [flat(100)] * 8
    plans = {1: buy(stop_loss_usd=50.0), 4: move(90.0, trailing=True), 5: move(80.0, trailing=True)}
    assert position_of(run(bars, plans, 2 * DAY)).stop_loss == 90.0
    # One that the strategy moves away on purpose does.
    plans = {1: buy(stop_loss_usd=50.0), 4: move(90.0), 7: move(40.0)}
    assert position_of(run(bars, plans, DAY)).stop_loss == 40.0


def test_a_take_profit_that_is_moved_closer_counts_only_if_the_high_is_certainly_to_come():
    def closer(input: StrategyInput) -> list[TradeExecution]:
        input.get_position_manager().get_current_position().take_profit = 120.0
        return []

    bars: list[Bar] = [flat(100), (100, 130, 98, 110), flat(110)]
    plans = {1: buy(take_profit_usd=200.0), 2: closer}
    sold = sale_of(run(bars, plans))
    assert sold is not None
    assert sold.executed_price == pytest.approx(120.0)
    late = run(bars, plans, 12 * HOUR)
    assert sale_of(late) is None
    assert position_of(late).take_profit == 120.0


def test_a_take_profit_that_stays_is_certain_wherever_the_stop_loss_goes():
    bars: list[Bar] = [flat(100), (100, 130, 98, 110), flat(110)]
    for hours in (4, 12, 20):
        sold = sale_of(run(bars, {1: buy(take_profit_usd=125.0, stop_loss_usd=80.0), 2: move(85.0)}, hours * HOUR))
        assert sold is not None
        assert sold.is_take_profit()
        assert sold.executed_price == pytest.approx(125.0)


def test_a_level_that_an_adjustment_replaces_arrives_with_it():
    def more(input: StrategyInput) -> list[TradeExecution]:
        manager, pair = input.get_position_manager(), input.get_default_pair()
        return manager.adjust_position(pair, 500.0, None, 0.5, stop_loss=0.9, override_stop_loss=True)

    position = position_of(run([flat(100), (100, 120, 99, 110), flat(110)], {1: buy(stop_loss_usd=50.0), 2: more}))
    # Bought at 110, half of the way to the high.
    assert position.stop_loss == pytest.approx(99.0)


def test_the_stop_loss_of_a_short_is_moved_late():
    """On the way to 2500 the price is 2250 at the arrival, beyond the new level and short of the old one."""

    def plan(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        position = manager.get_current_position()
        position.stop_loss = 2200.0
        return []

    bars: list[Bar] = [flat(2000), (2000, 2500, 1900, 2000), flat(2000)]
    result = run_leverage(bars, {1: open_short(1000.0, 0.5, stop_loss_pct=0.8), 2: plan}, latency=LATE)
    sold = sale_of(result)
    assert sold is not None
    assert sold.executed_price == pytest.approx(2250.0)


def test_a_change_that_would_arrive_after_the_end_is_dropped():
    result = run([flat(100)] * 3, {1: buy(stop_loss_usd=80.0), 3: move(90.0)}, DAY)
    position = position_of(result)
    assert (position.stop_loss, position.trigger_updates, "moved_levels" in (position.other_data or ())) == (
        80.0,
        [],
        False,
    )


def test_a_change_of_a_decision_inside_a_longer_candle_holds_from_the_next_open():
    hours, days = make_candles([flat(100)] * 72), make_candles([flat(50), (50, 50, 40, 50), flat(50)], bucket=DAY)

    def decide(input: StrategyInput) -> list[TradeExecution]:
        manager, (_, pair) = input.get_position_manager(), input.strategy_universe.pairs
        if input.cycle == 1:
            return manager.open_spot(pair, 1000.0, stop_loss_usd=30.0)
        if input.cycle == 37:
            manager.update_stop_loss(manager.get_current_position(), 45.0)
        return []

    result = run_backtest_inline(
        decide_trades=decide,
        universe=create_universe({"BTC-USD": hours, "ETH-USD": days}, fee=0.0),
        initial_deposit=10_000,
        latency=datetime.timedelta(minutes=5),
    )
    assert sale_of(result) is None
    assert position_of(result).stop_loss == 45.0


def test_a_resting_order_that_fills_before_a_change_arrives():
    """On the way to 94 it buys more at 96; then the stop loss moves from 80 to 93, and the fall to 88 hits it."""

    def add(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        manager.limit_buy(input.get_default_pair(), 960.0, 96.0)
        return []

    bars: list[Bar] = [flat(100), flat(100), (100, 110, 88, 105), flat(105)]
    result = run(bars, {1: buy(stop_loss_usd=80.0), 2: add, 3: move(93.0)})
    bought, more, sold = sorted(position_of(result).trades.values(), key=lambda trade: trade.trade_id)
    assert [trade.executed_price for trade in (bought, more, sold)] == [100.0, 96.0, pytest.approx(93.0)]
    assert float(sold.executed_quantity or 0) == pytest.approx(-20.0)


# --- Levels given as fractions, and what replaces them


def increase(**levels: Any) -> Any:
    return lambda input: input.get_position_manager().adjust_position(
        input.get_default_pair(), 500.0, None, 0.5, **levels
    )


@pytest.mark.parametrize(("replaces", "level"), [(False, 80.0), (True, 108.0)])
def test_an_increase_moves_only_the_stop_loss_that_it_gives(replaces: bool, level: float):
    """A purchase of more at 120 keeps the stop loss of 80, although it says 90 % for the case that there is none."""
    bars: list[Bar] = [flat(100), flat(100), flat(120), flat(120)]
    more = increase(stop_loss=0.9, override_stop_loss=replaces)
    result = run(bars, {1: buy(stop_loss_usd=80.0), 2: more}, DAY)
    assert position_of(result).stop_loss == pytest.approx(level if replaces else 80.0)


def test_a_stop_loss_that_is_replaced_on_the_way_does_not_follow_the_fill():
    """Order and change wait for the same open of 120: the level of 95 was given in USD, and stays."""
    candles = make_candles([flat(100), flat(100), flat(120), flat(120)], bucket=DAY, skip=(2, 3))
    steady = make_candles([flat(50)] * 6, bucket=DAY)

    def plan(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        pair = input.strategy_universe.get_pair_by_ticker("ETH-USD")
        if input.cycle == 3:
            return manager.open_spot(pair, 1000.0, stop_loss_pct=0.9)
        if input.cycle == 4:
            (position,) = input.state.portfolio.open_positions.values()
            manager.update_stop_loss(position, 95.0)
        return []

    for latency in (0 * DAY, LATE):
        universe = create_universe({"ETH-USD": candles, "BTC-USD": steady}, fee=0.0)
        result = run_backtest_inline(
            decide_trades=plan, universe=universe, initial_deposit=10_000, latency=latency, progress=False
        )
        position = position_of(result)
        assert position.get_quantity() > 0
        assert position.stop_loss == 95.0


def test_an_order_of_another_position_of_the_pair_meets_the_whole_candle():
    """A limit of 90 in a position that waits fills at 90, not at the 76 to which a moved stop loss begins to apply."""
    bars: list[Bar] = [flat(100), flat(100), (100, 130, 52, 100), flat(100)]

    def wait_and_buy(input: StrategyInput) -> list[TradeExecution]:
        manager, pair = input.get_position_manager(), input.get_default_pair()
        return [*manager.limit_buy(pair, 900.0, 90.0), *manager.open_spot(pair, 1000.0, stop_loss_usd=20.0)]

    def move_first(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        (position,) = (item for item in input.state.portfolio.open_positions.values() if item.stop_loss)
        manager.update_stop_loss(position, 60.0)
        return []

    result = run(bars, {1: wait_and_buy, 3: move_first})
    bought = [trade for trade in result.state.portfolio.get_all_trades() if trade.planned_reserve == 900]
    assert [trade.executed_price for trade in bought] == [pytest.approx(90.0)]
