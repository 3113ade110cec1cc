"""Orders that reach their market some time after the decision: worked out by hand, without a look ahead."""

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.markets import DAY, HOUR, START, Bar, at_cycle, flat, make_candles, random_walk, run_two
from tests.kit.markets import get_trades as get_trades_of
from tradeexecutor.backtest.backtest_options import BacktestNotPossible
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_for_module, run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.execution.slippage import VolumeShareSlippage
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.candle_path import PriceRange
from tradeexecutor.strategy.latency import price_moment
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.strategy_module import StrategyModuleNotValid, read_strategy_module

MINUTE = datetime.timedelta(minutes=1)

#: Open, high, low, close of a candle whose legs are 20 minutes long.
CANDLE: Bar = (100.0, 130.0, 70.0, 110.0)


def with_manager(plan: Any) -> Any:
    return lambda input: plan(input.get_position_manager(), input.strategy_universe.pairs[0])


def buy(value: float = 1000.0, **levels: Any) -> Any:
    return with_manager(lambda manager, pair: manager.open_spot(pair, value, **levels))


close = with_manager(lambda manager, pair: manager.close_all())


def run(
    plans: Any, bars: list[Bar], latency: datetime.timedelta, skip: tuple[int, ...] = (), **options: Any
) -> BacktestResult:
    candles = {"BTC-USD": make_candles(bars, skip=skip)}
    result = run_backtest_inline(
        decide_trades=at_cycle(plans) if isinstance(plans, dict) else plans,
        universe=create_universe(candles, fee=0.0),
        initial_deposit=10_000,
        latency=latency,
        **options,
    )
    proof = prove(result.state)
    assert proof.is_balanced, proof
    return result


def get_trades(result: BacktestResult) -> list[TradeExecution]:
    return sorted(result.state.portfolio.get_all_trades(), key=lambda trade: trade.trade_id)


# --- The price of a moment


@pytest.mark.parametrize(
    ("minutes", "bought", "sold"),
    [
        # First leg: 100 to 130, or to 70.
        (0, 100.0, 100.0),
        (2, 103.0, 97.0),
        (10, 115.0, 85.0),
        # Second leg: on both paths through the whole range, in opposite directions.
        (20, 130.0, 70.0),
        (25, 115.0, 85.0),
        (30, 100.0, 100.0),
        (35, 115.0, 85.0),
        # Third leg: from 130 or from 70 to 110.
        (40, 130.0, 70.0),
        (50, 120.0, 90.0),
        (59, 111.0, 108.0),
    ],
)
def test_the_price_of_a_moment(minutes: int, bought: float, sold: float):
    prices = PriceRange(*CANDLE, START)
    share = minutes / 60
    assert price_moment(prices, share, is_buy=True) == pytest.approx(bought)
    assert price_moment(prices, share, is_buy=False) == pytest.approx(sold)


@pytest.mark.parametrize("minutes", [2, 10, 25, 50])
def test_an_order_fills_at_the_price_of_its_arrival_and_is_booked_at_the_end_of_the_candle(minutes: int):
    result = run({1: buy()}, [CANDLE, flat(110.0)], minutes * MINUTE)
    (trade,) = get_trades(result)
    expected = price_moment(PriceRange(*CANDLE, START), minutes / 60, is_buy=True)
    assert trade.executed_price == pytest.approx(expected)
    assert (trade.opened_at, trade.executed_at) == (START, START + HOUR)
    assert float(trade.executed_quantity or 0) == pytest.approx(1000 / expected)
    assert result.diagnostics_data["delayed_trades"] == 0
    assert result.diagnostics_data["warnings"] == []


def test_a_purchase_and_a_sale_to_the_cent():
    """1000 buy at 103, two minutes in: 9.708737... tokens. They are sold at 97: 941.747572 come back."""
    result = run({1: buy(), 2: close}, [CANDLE, CANDLE, flat(110.0)], 2 * MINUTE)
    bought, sold = get_trades(result)
    assert bought.executed_price == pytest.approx(103.0)
    assert sold.executed_price == pytest.approx(97.0)
    assert result.state.portfolio.get_cash() == pytest.approx(10_000 - 1000 + 941.747572, abs=1e-5)


def test_an_order_that_arrives_with_a_candle_fills_at_its_open():
    result = run({1: buy()}, [CANDLE, (120.0, 140.0, 100.0, 130.0), flat(130.0)], HOUR)
    (trade,) = get_trades(result)
    assert (trade.executed_price, trade.executed_at) == (120.0, START + HOUR)


def test_a_latency_longer_than_the_time_between_decisions():
    """The order arrives half an hour into the third candle; in between the strategy sees that it is on its way."""
    seen: list[tuple[bool, float]] = []

    def decide(input: Any) -> list[TradeExecution]:
        manager = input.get_position_manager()
        seen.append((manager.is_any_open(), manager.get_current_cash()))
        return manager.open_spot(input.get_default_pair(), 1000.0) if input.cycle == 1 else []

    bars = [flat(100.0), flat(100.0), (100.0, 106.0, 100.0, 106.0), flat(106.0)]
    (trade,) = get_trades(run(decide, bars, 150 * MINUTE))
    # Half way: on the path open - high - low - close at 103 on its way down, on the other at 103 on its way up.
    assert (trade.executed_price, trade.executed_at) == (pytest.approx(103.0), START + 3 * HOUR)
    assert seen == [(False, 10_000.0), (True, 10_000.0), (True, 10_000.0), (True, 9000.0)]


def test_without_a_latency_nothing_changes():
    plans = {1: buy(stop_loss_pct=0.9), 3: close, 4: buy(take_profit_pct=1.02)}
    bars = random_walk(3, 8)
    assert run(plans, bars, 0 * HOUR).state.to_json() == run(plans, bars, None).state.to_json()  # pyright: ignore[reportArgumentType]


# --- Gaps and ends


def test_an_order_that_arrives_in_a_gap_fills_at_the_next_open():
    result = run({2: buy()}, [flat(100.0), CANDLE, flat(150.0), flat(150.0)], 90 * MINUTE, skip=(2, 3))
    (trade,) = get_trades(result)
    assert (trade.executed_price, trade.executed_at) == (150.0, START + 4 * HOUR)


def test_an_order_of_the_last_candle_fills_inside_it():
    (trade,) = get_trades(run({2: buy()}, [flat(100.0), CANDLE], 2 * MINUTE))
    assert (trade.executed_price, trade.executed_at) == (pytest.approx(103.0), START + 2 * HOUR)


@pytest.mark.parametrize("latency", [HOUR, 2 * HOUR, 30 * DAY])
def test_an_order_that_would_arrive_after_the_data_lapses(latency: datetime.timedelta):
    result = run({2: buy()}, [flat(100.0), CANDLE], latency)
    portfolio = result.state.portfolio
    (position,) = portfolio.expired_positions.values()
    (trade,) = position.expired_trades.values()
    assert "the run has ended before it could fill" in (trade.notes or "")
    assert (portfolio.get_cash(), portfolio.open_positions) == (10_000.0, {})


def test_an_order_for_a_longer_candle_that_is_in_progress_waits_for_its_end():
    """Hour 12 of a daily candle: nothing tells how far its price has moved by then, so it fills at the next open."""
    hours = make_candles([flat(100.0)] * 72)
    days = make_candles([(50, 60, 40, 60), flat(61), flat(62)], bucket=DAY)
    plan = {13: lambda input: input.get_position_manager().open_spot(input.strategy_universe.pairs[1], 1000.0)}
    (trade,) = get_trades_of(run_two(hours, days, plan, latency=5 * MINUTE))
    assert (trade.executed_price, trade.executed_at) == (61.0, START + DAY)


def test_a_closed_market_can_refuse():
    hours = make_candles([flat(100.0)] * 72)
    days = make_candles([flat(50)] * 3, bucket=DAY)
    plan = {13: lambda input: input.get_position_manager().open_spot(input.strategy_universe.pairs[1], 1000.0)}
    result = run_two(hours, days, plan, latency=5 * MINUTE, closed_market="refuse")
    assert result.diagnostics_data["refused_trades"] == 1
    assert result.state.portfolio.get_cash() == 10_000.0


# --- Levels and resting orders


def test_levels_that_are_relative_follow_the_price_of_the_fill():
    """Bought at 103, the stop loss of 10 % is at 92.7; the low of 70 comes later and hits it."""
    result = run({1: buy(stop_loss_pct=0.9)}, [CANDLE, flat(110.0)], 2 * MINUTE)
    bought, stopped = get_trades(result)
    assert bought.executed_price == pytest.approx(103.0)
    assert stopped.executed_price == pytest.approx(92.7)
    assert stopped.executed_at == START + HOUR


@pytest.mark.parametrize(("minutes", "taken"), [(2, True), (25, False)])
def test_a_take_profit_counts_if_the_high_is_certainly_still_to_come(minutes: int, taken: bool):
    bars = [(100.0, 130.0, 98.0, 110.0), flat(110.0)]
    result = run({1: buy(take_profit_usd=125.0)}, bars, minutes * MINUTE)
    assert (len(get_trades(result)) == 2) is taken


def test_a_resting_order_reaches_the_market_late():
    """Two minutes in, the low of 70 may be over: the order meets the close of this candle, and all of the next one."""

    def rest(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        return manager.limit_buy(pair, 1000.0, 80.0)

    bars = [CANDLE, (110.0, 110.0, 75.0, 90.0), flat(90.0)]
    (trade,) = get_trades(run({1: with_manager(rest)}, bars, 2 * MINUTE))
    assert (trade.executed_price, trade.executed_at) == (80.0, START + 2 * HOUR)
    (trade,) = get_trades(run({1: with_manager(rest)}, bars, 0 * HOUR))
    assert (trade.executed_price, trade.executed_at) == (80.0, START + HOUR)


def test_a_resting_order_is_not_in_the_market_before_it_arrives():
    def rest(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        return manager.limit_buy(pair, 1000.0, 80.0)

    bars = [CANDLE, CANDLE, (90.0, 90.0, 75.0, 90.0), flat(90.0)]
    (trade,) = get_trades(run({1: with_manager(rest)}, bars, 2 * HOUR))
    assert (trade.executed_price, trade.executed_at) == (80.0, START + 3 * HOUR)


def test_a_sale_on_its_way_and_a_stop_loss():
    """Sold at 97 two minutes in, before the fall to 95 on the same path; what is left when it arrives is sold once."""
    bars = [flat(100.0), CANDLE, flat(110.0)]
    _, sold = get_trades(run({1: buy(stop_loss_usd=95.0), 2: close}, bars, 2 * MINUTE))
    assert sold.executed_price == pytest.approx(97.0)
    assert not sold.is_stop_loss()


# --- Money


def test_cash_that_is_spent_when_an_order_arrives():
    """Both arrive at the open of 98; the market order comes first, and the limit order cannot be paid any more."""

    def both(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        return [*manager.open_spot(pair, 6000.0), *manager.limit_buy(pair, 6000.0, 99.0)]

    bars = [flat(100.0), (98.0, 98.0, 98.0, 98.0), flat(98.0)]
    result = run({1: with_manager(both)}, bars, HOUR)
    portfolio = result.state.portfolio
    assert portfolio.get_cash() >= 0
    assert sum(float(trade.executed_reserve or 0) for trade in get_trades(result)) == pytest.approx(6000.0)


def test_slippage_by_volume_uses_the_candle_of_the_arrival():
    plans = {1: buy(1000.0)}
    slippage = lambda pricing: VolumeShareSlippage(pricing.get_traded_value, 0.1)  # noqa: E731
    (trade,) = get_trades(run(plans, [CANDLE, flat(110.0)], 2 * MINUTE, slippage=slippage))
    share = 1000.0 / (1000.0 * 110.0)
    assert trade.executed_price == pytest.approx(103.0 / (1 - 0.1 * share), rel=1e-6)


# --- No look ahead


@pytest.mark.parametrize("latency", [2 * MINUTE, 40 * MINUTE, HOUR, 90 * MINUTE])
def test_what_comes_later_changes_nothing_before(latency: datetime.timedelta):
    """The state at each decision is the same, whatever the candles from then on are."""
    bars = random_walk(5, 24)
    plans = {1: buy(2000.0, stop_loss_pct=0.97), 5: close, 7: buy(1000.0, take_profit_pct=1.02), 14: buy(500.0)}

    def record(own: list[Bar]) -> dict[int, str]:
        seen: dict[int, str] = {}

        def decide(input: Any) -> list[TradeExecution]:
            seen[input.cycle] = input.state.to_json()
            manager = input.get_position_manager()
            if input.cycle == 5 and not manager.is_any_open():
                return []
            return plans[input.cycle](input) if input.cycle in plans and _is_free(input) else []

        run(decide, own, latency, end_at=START + 24 * HOUR)
        return seen

    before = record(bars)
    for cut in range(2, 24, 3):
        other = [*bars[:cut], *random_walk(100 + cut, 24 - cut, start_price=bars[cut - 1][3] * 1.3)]
        after = record(other)
        assert {cycle: after[cycle] for cycle in range(1, cut + 1)} == {
            cycle: before[cycle] for cycle in range(1, cut + 1)
        }


def _is_free(input: Any) -> bool:
    return input.cycle == 5 or not input.get_position_manager().is_any_open()


# --- The setting


def test_the_latency_is_a_setting_of_the_strategy(tmp_path: Path):
    strategy = tmp_path / "strategy.py"
    text = """
trading_strategy_engine_version = "0.5"
{above}

class Parameters:
    initial_cash = 10_000
    {inside}

def decide_trades(input):
    return input.get_position_manager().open_spot(input.get_default_pair(), 1000) if input.cycle == 1 else []
"""
    candles = {"BTC-USD": make_candles([CANDLE, flat(110.0)])}
    for above, inside, price in (
        ("", "", 100.0),
        ("latency = 120", "", 103.0),
        ("", "latency = 120", 103.0),
        ("import datetime", "latency = datetime.timedelta(minutes=10)", 115.0),
    ):
        strategy.write_text(text.format(above=above, inside=inside))
        result = run_backtest_for_module(strategy, candles=candles, fee=0.0, progress=False)
        (trade,) = get_trades(result)
        assert trade.executed_price == pytest.approx(price)
    result = run_backtest_for_module(strategy, candles=candles, fee=0.0, progress=False, latency=2 * MINUTE)
    assert get_trades(result)[0].executed_price == pytest.approx(103.0)
    for wrong in ("-1", "'1s'", "True", "float('nan')", "1e300", "400 * 86400", "-1e-9"):
        strategy.write_text(text.format(above="", inside=f"latency = {wrong}"))
        with pytest.raises(StrategyModuleNotValid, match="latency must be"):
            read_strategy_module(strategy)
    for unusable in (-HOUR, datetime.timedelta.max, "30s"):
        with pytest.raises(BacktestNotPossible, match="latency must be"):
            run({}, [flat(1.0)] * 2, unusable)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("latency", [0 * HOUR, 2 * MINUTE, HOUR])
def test_a_close_of_a_part_sells_no_more_when_it_arrives(latency: datetime.timedelta):
    def close_half(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        position = manager.get_current_position()
        return manager.close_spot_position(position, quantity=position.get_quantity() / 2)

    result = run({1: buy(), 3: with_manager(close_half)}, [flat(100.0)] * 5, latency)
    bought, sold = get_trades(result)
    assert (bought.executed_quantity, sold.executed_quantity) == (10, -5)
    assert result.state.portfolio.get_cash() == 9500


def test_a_sale_that_brings_less_than_a_unit_when_it_arrives_lapses():
    """Two units of a ten millionth bring 0.00002 at 100, and nothing at 1. A failed trade would freeze the position."""
    sell_dust = with_manager(lambda manager, pair: manager.adjust_position(pair, -2e-5, -Decimal("2e-7"), 0.5))
    result = run({1: buy(), 2: sell_dust}, [flat(100.0), flat(100.0), flat(1.0), flat(1.0)], HOUR)
    (position,) = result.state.portfolio.open_positions.values()
    (trade,) = position.expired_trades.values()
    assert "brings less than one unit" in (trade.notes or "")
