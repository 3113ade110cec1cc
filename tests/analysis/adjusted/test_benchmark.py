"""What is simply held: bought at the first open, valued at the closes."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.kit.markets import START as MARKET_START
from tests.kit.markets import buy, make_candles, random_walk, run
from tests.kit.portfolios import DAY, START, make_state, record_equity
from tradeexecutor.analysis.adjusted.benchmark import compare_years, hold, sample_benchmark
from tradeexecutor.analysis.adjusted.periods import read_observations
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.operations.backtest_run import calculate_buy_and_hold
from tradeexecutor.visual.charts import CHARTS, ChartOptions


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


@pytest.mark.parametrize(("first", "last"), [(0, 30), (3, 17)])
def test_the_command_line_and_the_chart_hold_from_the_same_price(first: int, last: int):
    candles = make_candles(random_walk(1, 30), bucket=DAY)
    universe = create_universe({"BTC-USD": candles})
    index = pd.DatetimeIndex(candles.starts.view("datetime64[us]"))
    frame = pd.DataFrame({"open": candles.open, "close": candles.close}, index=index)
    start, end = MARKET_START + first * DAY, MARKET_START + last * DAY
    held = hold(frame, start, end)
    assert calculate_buy_and_hold(universe, start, end) == pytest.approx(float(held.iloc[-1]) - 1.0)


def test_the_chart_of_a_backtest_ends_where_the_command_line_does():
    candles = make_candles(random_walk(2, 30), bucket=DAY)
    result = run(candles, {1: buy(10)})
    index = pd.DatetimeIndex(candles.starts.view("datetime64[us]"))
    columns = {name: getattr(candles, name) for name in ("open", "high", "low", "close")}
    options = ChartOptions(candles=pd.DataFrame(columns, index=index))
    figure = CHARTS["benchmark"].draw(result.state, options)
    traces: Any = figure.data
    (line,) = (trace for trace in traces if trace.name.startswith("Hold"))
    times = [sample.calculated_at for sample in result.state.stats.portfolio]
    expected = calculate_buy_and_hold(result.strategy_universe, times[0], times[-1])
    assert line.y[-1] == pytest.approx(expected)


def test_years_stand_beside_those_of_the_benchmark():
    state = make_state()
    record_equity(state, {0: 100, 366: 120, 731: 132})
    prices = pd.Series({pd.Timestamp(START): 10.0, pd.Timestamp(2025, 1, 1): 9.0, pd.Timestamp(2026, 1, 1): 18.0})
    observations = read_observations(state)
    years = compare_years(observations, sample_benchmark(prices, observations))
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
