"""Values of longer candles are known when these are over, and not before."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.markets import DAY, HOUR, START, flat, make_candles, random_walk
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.strategy.candle_length import InvalidCandles
from tradeexecutor.strategy.execution_context import ExecutionContext, ExecutionMode
from tradeexecutor.strategy.market_data import Candles
from tradeexecutor.strategy.pandas_trader.indicator import (
    IndicatorCalculationFailed,
    IndicatorNotValid,
    IndicatorSet,
    IndicatorSource,
)
from tradeexecutor.strategy.pandas_trader.indicator_results import calculate_indicators
from tradeexecutor.strategy.pandas_trader.longer_candles import align, on_longer_candles

WEEK = 7 * DAY


def mean(close: pd.Series, length: int = 1) -> pd.Series:
    return close.rolling(length).mean()


def calculate(
    candles: Candles, function: Any, source: IndicatorSource = IndicatorSource.close_price, **values: Any
) -> Any:
    indicators = IndicatorSet()
    indicators.add("one", function, values, source)
    universe = create_universe({"BTC-USD": candles})
    results = calculate_indicators(indicators, universe, ExecutionContext(ExecutionMode.backtesting))
    return results.get_raw("one", universe.get_single_pair())


def test_four_hours_are_known_with_their_last_hour():
    candles = make_candles([flat(price) for price in (1, 2, 3, 4, 5, 6, 7, 8, 9)])
    values = calculate(candles, on_longer_candles("4h", mean))
    # The candle of 03:00 ends at 04:00, as the first four hours do. The last hour is of four hours in progress.
    assert values.fillna(0).tolist() == [0, 0, 0, 4, 4, 4, 4, 8, 8]


def test_a_week_is_known_on_monday_when_its_market_closes_on_friday():
    # 2024-01-01 is a Monday.
    candles = make_candles([flat(price) for price in range(1, 12)], bucket=DAY, skip=(5, 6))
    values = calculate(candles, on_longer_candles(WEEK, mean))
    friday, monday = datetime.datetime(2024, 1, 5), datetime.datetime(2024, 1, 8)
    assert np.isnan(values[friday])
    assert values[monday] == 5  # Friday's close


def test_a_month_of_days():
    candles = make_candles([flat(price) for price in range(1, 62)], bucket=DAY)
    values = calculate(candles, on_longer_candles("month", mean))
    assert np.isnan(values[datetime.datetime(2024, 1, 30)])
    assert values[datetime.datetime(2024, 1, 31)] == 31
    assert values[datetime.datetime(2024, 2, 28)] == 31
    assert values[datetime.datetime(2024, 2, 29)] == 60


def test_a_frame_from_all_columns_keeps_its_columns():
    def bands(high: pd.Series, low: pd.Series, factor: float) -> pd.DataFrame:
        return pd.DataFrame({"top": high * factor, "bottom": low / factor})

    candles = make_candles([(10, 12, 8, 11), (11, 20, 10, 15), (15, 15, 5, 6)])
    frame = calculate(candles, on_longer_candles(2 * HOUR, bands), IndicatorSource.ohlcv, factor=2.0)
    assert frame["top"].fillna(0).tolist() == [0, 40, 40]
    assert frame["bottom"].fillna(0).tolist() == [0, 4, 4]


def test_an_array_is_accepted():
    def plain(close: pd.Series) -> Any:
        return close.to_numpy() * 2

    candles = make_candles([flat(1), flat(2), flat(3), flat(4)])
    assert calculate(candles, on_longer_candles("2h", plain)).fillna(0).tolist() == [0, 4, 4, 8]


def test_mistakes_are_explained():
    def no_prices(strategy_universe: Any) -> Any:
        return None

    with pytest.raises(IndicatorNotValid, match="no_prices takes none of open, high, low, close, volume"):
        on_longer_candles("1d", no_prices)
    with pytest.raises(InvalidCandles):
        on_longer_candles("fortnight", mean)
    with pytest.raises(IndicatorNotValid, match="no argument 'size'"):
        calculate(make_candles([flat(1)] * 5), on_longer_candles("2h", mean), size=3)
    with pytest.raises(IndicatorCalculationFailed, match="cannot be made shorter"):
        calculate(make_candles([flat(1)] * 5, bucket=DAY), on_longer_candles("2h", mean))
    candles = make_candles([flat(1)] * 5)
    with pytest.raises(IndicatorCalculationFailed, match="3 values were given for 5 candles"):
        align(pd.Series([1.0, 2.0, 3.0]), candles, candles)


@given(
    seed=st.integers(0, 1000),
    count=st.integers(2, 120),
    cut=st.integers(1, 119),
    length=st.sampled_from(["2h", "4h", "1d", "1w", "month"]),
    candle=st.sampled_from([HOUR, 2 * HOUR, DAY]),
    holes=st.sets(st.integers(0, 119), max_size=40),
    window=st.integers(1, 5),
)
def test_without_the_future_nothing_changes(
    seed: int,
    count: int,
    cut: int,
    length: str,
    candle: datetime.timedelta,
    holes: set[int],
    window: int,
):
    if candle == DAY and length in ("2h", "4h"):
        length = "1w"
    bars = random_walk(seed, count)
    skipped = tuple(hole for hole in sorted(holes) if hole < count)
    candles = make_candles(bars, bucket=candle, skip=skipped)
    known = candles.between(None, START + cut * candle) if candles.first_start_at < START + cut * candle else candles
    indicator = on_longer_candles(length, mean)
    whole = calculate(candles, indicator, length=window)
    part = calculate(known, indicator, length=window)
    pd.testing.assert_series_equal(whole.iloc[: len(part)], part)
