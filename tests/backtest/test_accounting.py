"""Every dollar of a backtest can be found again."""

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.markets import HOUR, START, at_cycle, buy, flat, get_trades, make_candles, random_walk, run, sell
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.backtest.backtest_engine import BacktestPeriodNotValid
from tradeexecutor.backtest.backtest_runner import BacktestNotPossible, run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.execution.interface import ExecutionError
from tradeexecutor.state.trade import TradeStatus
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet

FEE = 0.003


def test_buy_and_hold_earns_the_price_ratio_less_the_fees():
    bars = random_walk(seed=1, count=50)
    result = run(bars, {1: buy(10_000)}, fee=FEE)
    equity = result.state.portfolio.get_net_asset_value()
    ratio = bars[-1][3] / bars[0][0]
    assert equity == pytest.approx(10_000 * ratio * (1 - FEE) / (1 + FEE), rel=1e-9)
    assert result.state.stats.portfolio[-1].net_asset_value == equity
    assert result.state.stats.portfolio[-1].calculated_at == START + 50 * HOUR


def test_equity_is_cash_plus_positions_at_every_moment():
    result = run(
        random_walk(seed=2, count=60), {2: buy(4_000), 10: sell, 12: buy(9_000), 40: sell, 50: buy(100)}, fee=FEE
    )
    for entry in result.state.stats.portfolio:
        assert entry.free_cash is not None
        assert entry.open_position_equity is not None
        assert entry.total_equity == pytest.approx(entry.free_cash + entry.open_position_equity)
    times = [entry.calculated_at for entry in result.state.stats.portfolio]
    assert times == sorted(set(times)), "one entry for each moment"


def test_trades_fill_at_the_open_of_the_candle_they_are_decided_in():
    bars = [(100, 150, 90, 140), (200, 250, 190, 240), (300, 350, 290, 340)]
    result = run(bars, {2: buy(1_000), 3: sell})
    bought, sold = get_trades(result)
    assert bought.executed_price == 200.0
    assert bought.executed_at == START + HOUR
    assert bought.executed_quantity == Decimal(5)
    assert sold.executed_price == 300.0
    assert result.state.portfolio.get_cash() == 10_500.0


def test_trades_are_recorded_in_full():
    (bought,) = get_trades(run([flat(100)] * 3, {2: buy(1_000)}, fee=FEE))
    assert bought.get_status() is TradeStatus.success
    assert (bought.opened_at, bought.started_at, bought.broadcasted_at, bought.executed_at) == (START + HOUR,) * 4
    assert bought.planned_mid_price == 100.0
    assert bought.planned_price == pytest.approx(100.3)
    assert bought.executed_price == pytest.approx(100.3)
    assert bought.executed_reserve == 1_000
    assert bought.fee_tier == FEE
    assert bought.lp_fees_paid == pytest.approx(1_000 * FEE / (1 + FEE))
    assert bought.lp_fees_paid == bought.lp_fees_estimated
    assert bought.price_structure is not None
    assert bought.post_execution_price_structure is not None
    assert bought.sort_index == 0
    (transaction,) = bought.blockchain_transactions
    assert transaction.status is True
    assert transaction.nonce == 0


def test_fees_are_the_gap_between_the_market_and_the_price_paid():
    bought, sold = get_trades(run([flat(100)] * 5, {1: buy(1_000), 3: sell}, fee=FEE))
    assert bought.executed_quantity is not None
    assert sold.executed_quantity is not None
    assert sold.executed_reserve is not None
    assert bought.lp_fees_paid == pytest.approx(1_000 - float(bought.executed_quantity) * 100)
    assert sold.lp_fees_paid == pytest.approx(float(-sold.executed_quantity) * 100 - float(sold.executed_reserve))


def test_amounts_are_rounded_down_to_the_decimals_of_the_currency():
    (bought,) = get_trades(run([flat(3.0)] * 3, {1: buy(1 / 3)}))
    assert bought.planned_reserve == Decimal("0.333333")


def test_sells_pay_for_buys_of_the_same_decision():
    candles = make_candles([flat(100)] * 4)
    universe = create_universe({"BTC-USD": candles, "ETH-USD": candles}, fee=0)
    btc, eth = universe.pairs

    def switch(input):
        manager = input.get_position_manager()
        bought = manager.open_spot(eth, 9_999)
        return bought + manager.close_position(manager.get_current_position_for_pair(btc))

    plans = {1: lambda input: input.get_position_manager().open_spot(btc, 10_000), 3: switch}
    result = run_backtest_inline(
        decide_trades=at_cycle(plans), universe=universe, initial_deposit=10_000, progress=False
    )
    assert [trade.sort_index for trade in get_trades(result)] == [0, 1, 0]
    assert result.state.portfolio.get_cash() == 1.0


def test_spending_more_than_there_is_stops_the_run():
    with pytest.raises(ExecutionError, match=r"needs 20000.*leave some cash"):
        run([flat(100)] * 3, {1: buy(20_000)})


def test_deposits_and_redemptions_are_booked_in_the_next_cycle_once():
    funding = [
        (START + 5 * HOUR, -300),
        (START + datetime.timedelta(hours=2, minutes=30), 1_000),
        (START - HOUR, 50),
        (START + 900 * HOUR, 7),
    ]
    result = run([flat(100)] * 10, {1: buy(5_000)}, funding=funding)
    cash = [entry.free_cash for entry in result.state.stats.portfolio]
    # At hours 3 and 5 once before the flow, and once after it.
    assert cash == [5_050, 5_050, 5_050, 5_050, 6_050, 6_050, 6_050, 5_750, 5_750, 5_750, 5_750, 5_750, 5_750]
    events = list(result.state.portfolio.get_default_reserve_position().balance_updates.values())
    assert [event.quantity for event in events] == [10_000, 50, 1_000, -300]
    assert [event.old_balance for event in events] == [0, 10_000, 5_050, 6_050]
    assert events[2].block_mined_at == START + datetime.timedelta(hours=2, minutes=30)
    assert events[2].strategy_cycle_included_at == START + 3 * HOUR
    assert len(result.state.sync.treasury.balance_update_refs) == 4
    assert result.diagnostics_data["pending_funding"] == [(START + 900 * HOUR, Decimal(7))]


def test_a_redemption_beyond_the_cash_waits_for_it():
    # 1,000 are left, so the first redemption waits for the sale at hour 4, and the second one behind it. The deposit of
    # hour 3 does not wait, and is not enough.
    wanted: list[float] = []

    def decide(input: Any) -> Any:
        manager = input.get_position_manager()
        wanted.append(manager.get_pending_redemptions())
        plan = {1: buy(9_000), 5: sell}.get(input.cycle)
        return plan(input) if plan else []

    funding = [(START + 2 * HOUR, -2_000), (START + 2 * HOUR, -100), (START + 3 * HOUR, 500)]
    prices = [100.0, 100.0, 110.0, 110.0, 120.0, 120.0, 120.0]
    result = run([flat(price) for price in prices], decide, funding=funding)
    assert wanted == [0, 0, 2_100, 2_100, 2_100, 0, 0]
    events = list(result.state.portfolio.get_default_reserve_position().balance_updates.values())
    assert [(event.quantity, event.block_mined_at) for event in events[1:]] == [
        (500, START + 3 * HOUR), (-2_000, START + 5 * HOUR), (-100, START + 5 * HOUR)
    ]  # fmt: skip
    cash = [entry.free_cash for entry in result.state.stats.portfolio]
    # Before each flow that is booked there is a sample more, and none for one that waits.
    assert cash == [1_000, 1_000, 1_000, 1_000, 1_500, 12_300, 12_300, 10_200, 10_200, 10_200]
    # The 90 coins have earned 20 each: (1,000 + 9,900) / 10,000, then (1,500 + 10,800) / (1,000 + 9,900 + 500).
    performance = summarise_performance(result.state)
    assert performance.total_return == pytest.approx(1.09 * 12_300 / 11_400 - 1, abs=1e-12)
    assert result.diagnostics_data["pending_funding"] == []
    assert result.diagnostics_data["warnings"] == [
        f"2 redemptions waited, because they exceeded the cash, the first one, 2,000 at {START + 2 * HOUR}, of which "
        f"1,000 were missing, until {START + 5 * HOUR}"
    ]


def test_a_redemption_that_is_never_paid_is_told():
    result = run([flat(100)] * 5, {1: buy(9_000)}, funding=[(START + 2 * HOUR, -2_000)])
    assert result.state.portfolio.get_net_asset_value() == 10_000
    assert result.state.sync.treasury.pending_redemptions == 2_000
    assert result.diagnostics_data["pending_funding"] == [(START + 2 * HOUR, -2_000)]
    assert result.diagnostics_data["warnings"] == [
        f"1 redemptions were never paid, because they exceeded the cash, the first one, 2,000 at {START + 2 * HOUR}, "
        "of which 1,000 were missing; PositionManager.get_pending_redemptions() returns how much cash they need"
    ]


@pytest.mark.parametrize("deposit", [None, 0, -5])
def test_a_run_needs_money(deposit: float | None):
    with pytest.raises(BacktestNotPossible, match="no initial cash"):
        run([flat(100)] * 3, {}, initial_deposit=deposit)


def test_a_run_needs_data():
    with pytest.raises(BacktestPeriodNotValid, match="the market data covers"):
        run([flat(100)] * 3, {}, start_at=datetime.datetime(2030, 1, 1))


def test_the_period_can_be_limited():
    result = run(random_walk(3, 40), {1: buy(10_000)}, start_at=START + 10 * HOUR, end_at=START + 20 * HOUR)
    state = result.state
    assert result.diagnostics_data["decisions"] == 10
    assert state.created_at == START + 10 * HOUR
    assert state.last_cycle_at == START + 19 * HOUR
    assert state.cycle == 11
    assert state.uptime.cycles_completed_at[10] == START + 19 * HOUR
    bars = random_walk(3, 40)
    assert state.portfolio.get_net_asset_value() == pytest.approx(10_000 * bars[20][0] / bars[10][0])


@given(
    seed=st.integers(0, 1000),
    sizes=st.lists(st.floats(-0.9, 0.9), min_size=10, max_size=30),
    slippage=st.sampled_from([0, 0.001, 0.01]),
    failing=st.sets(st.integers(1, 30), max_size=2),
)
@settings(max_examples=30, deadline=None)
def test_cash_is_deposits_less_buys_plus_sells(seed: int, sizes: list[float], slippage: float, failing: set[int]):
    """Trade at random, some trades failing; the cash at the end is the sum of what was recorded."""

    def plan(input):
        size = sizes[(input.cycle - 1) % len(sizes)]
        manager = input.get_position_manager()
        pair = input.get_default_pair()
        position = manager.get_current_position_for_pair(pair)
        if manager.is_problematic_pair(pair) or abs(size) < 0.05:
            return []
        if size > 0:
            return manager.adjust_position(pair, manager.get_current_cash() * size, None, size, stop_loss=0.95)
        if position is None:
            return []
        return (
            manager.close_all() if size < -0.7 else manager.adjust_position(pair, position.get_value() * size, None, 0)
        )

    result = run(
        random_walk(seed, 40),
        plan,
        fee=FEE,
        slippage=slippage,
        failures=lambda trade: trade.trade_id in failing,
        funding=[(START + 20 * HOUR, 123)],
    )
    cash = Decimal(10_000)
    if result.diagnostics_data["decisions"] > 20:
        cash += 123
    for trade in result.state.portfolio.get_all_trades():
        if trade.is_success():
            assert trade.executed_reserve is not None
            cash += -trade.executed_reserve if trade.is_buy() else trade.executed_reserve
    assert result.state.portfolio.get_cash() == pytest.approx(float(cash))
    result.state.perform_integrity_check()


def moving_average(close, length):
    return close.rolling(length).mean()


def test_a_moving_average_cross_over_real_prices_agrees_with_plain_arithmetic(market_dir: Path):
    """Recompute the whole run with numpy arrays and compare every dollar."""

    def create_indicators(timestamp, parameters, strategy_universe, execution_context):
        indicators = IndicatorSet()
        indicators.add("fast", moving_average, {"length": 20})
        indicators.add("slow", moving_average, {"length": 60})
        return indicators

    def decide_trades(input):
        fast, slow = (input.indicators.get_indicator_value(name) for name in ("fast", "slow"))
        manager = input.get_position_manager()
        if fast is None or slow is None:
            return []
        if fast > slow and not manager.is_any_open():
            return manager.open_spot(input.get_default_pair(), manager.get_current_cash() / 2)
        return manager.close_all() if fast < slow and manager.is_any_open() else []

    universe = create_universe(market_dir / "binance-BTCUSDT-1h.parquet", fee=0.0005)
    end = datetime.datetime(2018, 9, 1)
    result = run_backtest_inline(
        decide_trades=decide_trades,
        create_indicators=create_indicators,
        universe=universe,
        initial_deposit=100_000,
        end_at=end,
        progress=False,
    )
    candles = universe.get_candles(universe.pairs[0]).between(None, end)
    means = [np.convolve(candles.close, np.ones(n) / n, "full")[: len(candles)] for n in (20, 60)]
    cash, held, trades = 100_000.0, 0.0, 0
    for bar in range(60, len(candles)):
        # At the open of this candle, the averages of the candle before are known.
        fast, slow = means[0][bar - 1], means[1][bar - 1]
        if fast > slow and not held:
            held = cash / 2 / (candles.open[bar] * 1.0005)
            cash /= 2
            trades += 1
        elif fast < slow and held:
            cash += held * candles.open[bar] * 0.9995
            held = 0.0
            trades += 1
    assert result.diagnostics_data["decisions"] == len(candles)
    assert result.diagnostics_data["trades"] == trades > 100
    following = universe.get_candles(universe.pairs[0]).open[len(candles)]
    assert result.state.portfolio.get_net_asset_value() == pytest.approx(cash + held * following * 0.9995, rel=1e-7)
