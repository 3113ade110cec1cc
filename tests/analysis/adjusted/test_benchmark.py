"""What is simply held: bought at the first open, valued at the closes."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.kit.markets import START as MARKET_START
from tests.kit.markets import buy, flat, make_candles, random_walk, run
from tests.kit.portfolios import DAY, START, make_state, record_equity, record_flow
from tradeexecutor.analysis.adjusted.benchmark import (
    Holding,
    compare_years,
    hold,
    hold_deposits,
    sample_benchmark,
)
from tradeexecutor.analysis.adjusted.periods import read_observations
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.backtest.benchmarks import make_benchmarks
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.benchmark import Benchmark
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.state import BacktestData, State
from tradeexecutor.visual.charts import CHARTS, ChartOptions


def get_benchmarks(state: State) -> list[Benchmark]:
    assert state.backtest_data is not None
    return state.backtest_data.benchmarks


def make_frame(opens: list[float], closes: list[float]) -> pd.DataFrame:
    index = pd.DatetimeIndex([START + day * DAY for day in range(len(opens))])
    return pd.DataFrame({"open": opens, "close": closes}, index=index)


def test_holding_begins_at_the_first_open_and_ends_with_the_last_candle_that_began_before_the_end():
    candles = make_frame([50.0, 100.0, 110.0, 99.0], [100.0, 110.0, 99.0, 1.0])
    held = hold(candles, START + DAY, START + 3 * DAY)
    assert held.round(9).to_dict() == {
        pd.Timestamp(START + DAY): 1.0,
        pd.Timestamp(START + 2 * DAY): 1.1,
        pd.Timestamp(START + 3 * DAY): 0.99,
    }


def test_without_a_candle_in_the_time_nothing_is_held():
    assert len(hold(make_frame([1.0], [1.0]), START + DAY, START + 2 * DAY)) == 0


def test_a_backtest_remembers_the_price_that_it_could_buy_at_and_those_that_it_values_at():
    candles = make_candles(random_walk(1, 30), bucket=DAY)
    (benchmark,) = get_benchmarks(run(candles, {1: buy(10)}).state)
    assert (benchmark.name, benchmark.pairs) == ("BTC-USD", 1)
    assert benchmark.prices == [*candles.open.tolist(), float(candles.close[-1])]
    times = [*candles.starts.tolist(), int(candles.ends[-1])]
    assert benchmark.times == [moment // 1_000_000 for moment in times]


def test_a_strategy_that_buys_and_holds_moves_like_what_it_holds():
    candles = make_candles(random_walk(2, 60), bucket=DAY)
    performance = summarise_performance(run(candles, {1: buy(99_999)}, initial_deposit=100_000).state)
    assert performance.beta == pytest.approx(1.0, abs=1e-4)
    assert performance.alpha == pytest.approx(0.0, abs=1e-4)
    assert performance.total_return == pytest.approx(performance.buy_and_hold, abs=1e-4)


def test_equal_amounts_of_all_pairs_are_held_and_a_later_one_is_cash_until_it_begins():
    early = make_candles([flat(price) for price in (10.0, 10.0, 20.0, 20.0, 30.0)], bucket=DAY)
    late = make_candles([flat(price) for price in (5.0, 5.0, 6.0)], MARKET_START + 2 * DAY, DAY)
    universe = create_universe({"A-USD": early, "B-USD": late})
    (both, *singles) = make_benchmarks(universe, Portfolio(), MARKET_START, MARKET_START + 5 * DAY)
    assert singles == []
    assert (both.name, both.pairs, both.prices[0]) == ("2 pairs", 2, 1.0)
    # (10 / 10 + 1) / 2; (20 / 10 + 5 / 5) / 2; (30 / 10 + 6 / 5) / 2.  What does not change is not repeated.
    assert both.prices == pytest.approx([1.0, 1.5, 2.1, 2.1])
    days = [
        (datetime.datetime.fromtimestamp(second, datetime.UTC).replace(tzinfo=None) - MARKET_START).days
        for second in both.times
    ]
    assert days == [0, 2, 4, 5]


def test_a_state_without_benchmarks_keeps_its_json():
    state = make_state()
    state.backtest_data = BacktestData(START, START + DAY, CycleDuration.cycle_1d)
    assert "benchmarks" not in state.to_json()
    state.backtest_data.benchmarks = [Benchmark("ETH-USD", 1, [1, 2], [1.0, 2.0])]
    assert State.from_json(state.to_json()).backtest_data == state.backtest_data


def test_a_benchmark_has_one_price_for_each_time():
    with pytest.raises(InvalidValue):
        Benchmark("ETH-USD", 1, [1, 2], [1.0])


@pytest.mark.parametrize("has_candles", [False, True])
def test_every_chart_shows_what_the_state_remembers(has_candles: bool):
    candles = make_candles(random_walk(2, 30), bucket=DAY)
    state = run(candles, {1: buy(10)}).state
    wrong = candles.to_dataframe() * 7.0 + 1.0
    options = ChartOptions(candles=wrong if has_candles else None)
    expected = summarise_performance(state).buy_and_hold
    for chart, name in (("benchmark", "Hold BTC-USD"), ("equity", "Buy and hold")):
        traces: Any = CHARTS[chart].draw(state, options).data
        assert [trace for trace in traces if trace.name == name][-1].y[-1] == pytest.approx(expected)


def test_the_equity_chart_holds_the_money_that_was_put_in():
    state = make_state()
    record_flow(state, 0, 100.0)
    record_equity(state, {0: 100, 1: 110})
    record_flow(state, 1.5, 50.0)
    record_equity(state, {2: 170, 3: 180})
    state.backtest_data = BacktestData(START, START + 3 * DAY, CycleDuration.cycle_1d)
    seconds = [int((START + day * DAY).replace(tzinfo=datetime.UTC).timestamp()) for day in range(4)]
    state.backtest_data.benchmarks = [Benchmark("ETH-USD", 1, seconds, [10.0, 20.0, 20.0, 40.0])]
    traces: Any = CHARTS["equity"].draw(state).data
    held, grown = (trace for trace in traces if trace.name == "Buy and hold")
    # 100 buy 10 at 10; 50 buy 2.5 at 20; 12.5 at 40 are 500.
    assert held.y[-1] == pytest.approx(500.0)
    assert grown.y[-1] == pytest.approx(3.0)


def test_years_stand_beside_those_of_the_benchmark():
    state = make_state()
    record_equity(state, {0: 100, 366: 120, 731: 132})
    prices = pd.Series({pd.Timestamp(START): 10.0, pd.Timestamp(2025, 1, 1): 9.0, pd.Timestamp(2026, 1, 1): 18.0})
    observations = read_observations(state)
    years = compare_years(observations, Holding("X", prices))
    assert [(year.year, round(year.value, 9), round(year.benchmark or 0, 9)) for year in years] == [
        (2024, 0.2, -0.1),
        (2025, 0.1, 1.0),
    ]


def test_before_its_first_price_a_benchmark_has_no_return():
    state = make_state()
    record_equity(state, {0: 100, 1: 101, 2: 102})
    prices = pd.Series({pd.Timestamp(START + DAY): 10.0, pd.Timestamp(START + 2 * DAY): 11.0})
    returns = sample_benchmark(prices, read_observations(state))
    assert np.isnan(returns[0])
    assert returns[1] == pytest.approx(0.1)


def test_deposits_buy_at_the_price_of_their_time_and_redemptions_sell():
    days = pd.DatetimeIndex([START + day * DAY for day in range(5)])
    growth = pd.Series([1.0, 2.0, 4.0, 1.0, 2.0], index=days)
    flows = pd.Series([100.0, -150.0], index=days[[1, 2]] + pd.Timedelta(hours=1))
    # 100 become 200; 100 more make 150 units at 2; 150 at 4 take 37.5 of them.
    assert hold_deposits(growth, 100.0, flows).tolist() == [100.0, 200.0, 600.0, 112.5, 225.0]


def test_a_redemption_of_more_than_is_held_ends_the_line():
    days = pd.DatetimeIndex([START + day * DAY for day in range(4)])
    growth = pd.Series([1.0, 1.0, 1.0, 5.0], index=days)
    flows = pd.Series([-101.0, 500.0], index=days[1:3])
    assert np.isnan(hold_deposits(growth, 100.0, flows)).tolist() == [False, True, True, True]
