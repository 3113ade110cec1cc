"""A decision never sees a candle that ends after it, whatever the spacing of the candles, their labels and their zone.

The price of a candle is its number, so what a strategy sees tells which candles it has seen; when each of them ends is
calculated here from the calendar, not asked of the program.
"""

import datetime
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.soak import SOAK
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.backtest.candles import read_dataframe
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.strategy.market_data import InvalidCandles
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

#: Spacing of the stamps, and how to get from a stamp of pandas to the first moment after its candle.
FIXED = {"min": 1, "7min": 7, "15min": 15, "h": 60, "4h": 240}
FIXED |= {f"{days}D": days * 1440 for days in (1, 2, 7, 28, 30)}
FIRST_DAYS = {"MS": 1, "QS": 3, "YS": 12}
FIRST_TRADING_DAYS = {"BMS": 1, "BQS": 3}
LAST_DAYS = {"ME": 1, "QE": 3, "YE": 12, "BME": 1}
COLUMNS = ("open", "high", "low", "close", "volume")
ZONES = (None, "UTC", "America/New_York", "Europe/Berlin", "Asia/Tokyo", "Australia/Sydney")


@dataclass(frozen=True)
class Market:
    """A table of candles, and when each of them really ends (naive UTC)."""

    table: pd.DataFrame
    ends: pd.DatetimeIndex
    is_whole: bool


def find_ends(stamps: pd.DatetimeIndex, freq: str) -> pd.DatetimeIndex:
    """The moment after which nothing of a candle is unknown, by the clock of the stamps."""
    if freq in FIXED:
        return stamps + pd.Timedelta(minutes=FIXED[freq])
    if freq == "B":
        return stamps + pd.Timedelta(days=1)
    if freq == "W-MON":
        return stamps + pd.Timedelta(days=7)
    months = stamps.to_period("M")
    if freq in LAST_DAYS:
        return (months + 1).to_timestamp()
    return (months + (FIRST_DAYS | FIRST_TRADING_DAYS)[freq]).to_timestamp()


@st.composite
def markets(draw: st.DrawFn) -> Market:
    freq = draw(st.sampled_from([*FIXED, *FIRST_DAYS, *FIRST_TRADING_DAYS, *LAST_DAYS, "B", "W-MON"]))
    count = draw(st.integers(5, 30))
    start = draw(st.dates(datetime.date(1990, 1, 1), datetime.date(1994, 1, 1)))
    local = pd.date_range(start, periods=count, freq=freq)
    ends = find_ends(local, freq)
    zone = draw(st.sampled_from(ZONES))
    is_daily = freq not in FIXED or FIXED[freq] % 1440 == 0
    stamps: Any = local
    if zone is not None and is_daily:
        stamps = local.tz_localize(zone, ambiguous=np.ones(count, dtype=bool), nonexistent="shift_forward")
        late = ends.tz_localize(zone, ambiguous=np.zeros(count, dtype=bool), nonexistent="shift_forward")
        ends = late.tz_convert("UTC").tz_localize(None)
    elif zone is not None:
        stamps = local.tz_localize("UTC").tz_convert(zone)
    holes = draw(st.sets(st.integers(2, count - 2), max_size=count // 6))
    kept = np.array([number not in holes for number in range(count)])
    form = draw(st.sampled_from(["time", "text", "UTC"]))
    column = pd.Series(stamps)[kept].reset_index(drop=True)
    if form == "text":
        column = pd.Series([stamp.isoformat() for stamp in column.tolist()])
    elif form == "UTC" and zone is not None:
        column = column.dt.tz_convert("UTC")
    prices = np.arange(1.0, len(column) + 1)
    table = pd.DataFrame(
        {"time": column, "open": prices, "high": prices, "low": prices, "close": prices, "volume": prices}
    )
    return Market(table, ends[kept], not holes and not (form == "UTC" and zone is not None))


def identity(close: pd.Series) -> pd.Series:
    return close


def shortened(close: pd.Series) -> pd.Series:
    return close.rolling(2).max().dropna()


def monthly(close: pd.Series) -> pd.Series:
    return close.resample("MS").max().dropna()


def weekly(close: pd.Series) -> pd.Series:
    return close.resample("W-MON", label="left", closed="left").max().dropna()


def five_candles(close: pd.Series) -> pd.Series:
    if close.index.to_series().diff().nunique() > 1 and close.index.to_series().diff().min() < pd.Timedelta(days=20):
        # Groups of a number of candles with holes between them are no periods.
        return close
    return close.groupby(np.arange(len(close)) // 5).max().set_axis(close.index[::5])


def of_the_universe(strategy_universe: Any) -> pd.Series:
    pair = strategy_universe.pairs[0]
    return strategy_universe.get_candles(pair).get_series("close").iloc[1:]


NAMES = ("identity", "shortened", "monthly", "weekly", "five_candles")


def create_indicators(timestamp: Any, parameters: Any, strategy_universe: Any, execution_context: Any) -> IndicatorSet:
    indicators = IndicatorSet()
    for function in (identity, shortened, monthly, weekly, five_candles):
        indicators.add(function.__name__, function)
    indicators.add("of_the_universe", of_the_universe, {}, IndicatorSource.strategy_universe)
    return indicators


def collect_seen(input: StrategyInput, pair: TradingPairIdentifier) -> dict[str, float]:
    """The highest number of a candle that a strategy sees in each way there is."""
    indicators = input.indicators
    seen: dict[str, Any] = {
        name: indicators.get_indicator_value(name, pair=pair, data_delay_tolerance=None) for name in NAMES
    }
    long_ago = datetime.timedelta(days=10_000)
    for column in COLUMNS:
        seen[f"price {column}"] = indicators.get_price(pair, long_ago, column=column)
    seen["series"] = indicators.get_price_series(pair=pair).max()
    seen["recent"] = indicators.get_recent_price_series(pair).max()
    seen["table"] = indicators.get_ohlcv(pair).max(axis=None)
    seen["indicator series"] = indicators.get_indicator_series("identity", pair=pair).max()
    return {name: value for name, value in seen.items() if value is not None and not np.isnan(value)}


def check_run(data: dict[str, Market]) -> None:
    universe = create_universe(
        {f"{name}-USD": read_dataframe(market.table, f"{name}-USD")[f"{name}-USD"] for name, market in data.items()}
    )
    decisions = 0

    def decide_trades(input: StrategyInput) -> list[Any]:
        nonlocal decisions
        decisions += 1
        for pair in input.strategy_universe.iterate_pairs():
            ends = data[pair.base.token_symbol].ends
            for name, number in collect_seen(input, pair).items():
                end = ends[int(number) - 1]
                assert end <= pd.Timestamp(input.timestamp), (
                    f"{name} of {pair.get_ticker()} shows candle {number:.0f}, which ends {end}, at {input.timestamp}"
                )
        first = input.strategy_universe.pairs[0]
        number = input.indicators.get_indicator_value("of_the_universe", data_delay_tolerance=None)
        assert number is None or data[first.base.token_symbol].ends[int(number) - 1] <= pd.Timestamp(input.timestamp)
        last = input.indicators.get_last_visible_time(first)
        assert last is None or last <= input.timestamp
        return []

    start = universe.get_time_range()[0]
    run_backtest_inline(
        decide_trades=decide_trades,
        create_indicators=create_indicators,
        universe=universe,
        start_at=start,
        initial_deposit=1_000,
        progress=False,
    )
    assert decisions


@pytest.mark.slow
@given(first=markets(), second=markets())
@settings(max_examples=60 if SOAK == 1 else 120, deadline=None)
def test_no_decision_sees_a_candle_that_has_not_ended(first: Market, second: Market):
    """Two markets of different spacing: the decisions of the faster one fall into the candles of the slower."""
    data = {"AAA": first, "BBB": second}
    try:
        for market in data.values():
            read_dataframe(market.table, "AAA-USD")
    except InvalidCandles:
        # A column with holes, or without its zone, may leave the length open; a whole one says it.
        assert not (first.is_whole and second.is_whole)
        return
    check_run(data)


@pytest.mark.slow
@pytest.mark.parametrize("freq", [*FIRST_DAYS, *FIRST_TRADING_DAYS, *LAST_DAYS, "W-MON", "28D", "30D"])
def test_a_slow_market_beside_a_daily_one(freq: str):
    slow = pd.date_range("1991-01-01", periods=3 if freq in ("YS", "YE") else 6, freq=freq)
    days = pd.date_range("1990-12-01", slow[-1] + pd.Timedelta(days=40))

    def make(stamps: pd.DatetimeIndex, spacing: str) -> Market:
        prices = np.arange(1.0, len(stamps) + 1)
        columns = dict.fromkeys(("open", "high", "low", "close", "volume"), prices)
        return Market(pd.DataFrame({"time": stamps, **columns}), find_ends(stamps, spacing), True)

    check_run({"SLOW": make(slow, freq), "FAST": make(days, "1D")})


def test_a_quarter_is_seen_on_the_day_after_its_end_and_not_before():
    stamps = pd.to_datetime(["1993-01-01", "1993-04-01", "1993-07-01", "1993-10-01"])
    quarters = pd.DataFrame({"time": stamps, "open": 1.0, "high": 9.0, "low": 1.0, "close": [1.0, 5.0, 6.0, 7.0]})
    days = pd.DataFrame(
        {"time": pd.date_range("1993-01-01", "1993-12-31"), **dict.fromkeys(("open", "high", "low", "close"), 1.0)}
    )
    data = {**read_dataframe(quarters, "QTR-USD"), **read_dataframe(days, "DAY-USD")}
    seen: dict[datetime.datetime, float | None] = {}

    def decide_trades(input: StrategyInput) -> list[Any]:
        seen[input.timestamp] = input.indicators.get_price(
            input.strategy_universe.pairs[0], datetime.timedelta(days=99)
        )
        return []

    run_backtest_inline(decide_trades=decide_trades, universe=create_universe(data), initial_deposit=1, progress=False)
    assert min(time for time, price in seen.items() if price == 5.0) == datetime.datetime(1993, 7, 1)
