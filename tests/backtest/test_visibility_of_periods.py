"""The value of a period, such as a week, is visible when the period is over: in a backtest, and with the data of a day.

A live strategy has the candles up to now and nothing else. What it sees must be what the backtest saw at that time.
"""

import datetime
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.kit.markets import flat, make_candles, random_walk
from tradeexecutor.backtest.look_ahead_check import cut_universe, find_changes
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.strategy.execution_context import ExecutionContext, ExecutionMode
from tradeexecutor.strategy.market_data import Candles, from_us, to_us
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet
from tradeexecutor.strategy.pandas_trader.indicator_results import IndicatorResults, calculate_indicators
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

#: A Wednesday.
FIRST = datetime.datetime(2024, 1, 3)
HOURS = datetime.timedelta(hours=1)

Calculation = Callable[[pd.Series], pd.Series]


def make_market(step: datetime.timedelta, count: int, keep: Callable[[datetime.datetime], bool]) -> Candles:
    times = [FIRST + number * step for number in range(count)]
    kept = [number for number, at in enumerate(times) if keep(at)]
    candles = make_candles(random_walk(5, count), start=FIRST, bucket=step)
    columns = (candles.open, candles.high, candles.low, candles.close)
    starts = np.array([to_us(times[number]) for number in kept], dtype=np.int64)
    return Candles(starts, *(column[kept] for column in columns), bucket=step, source="BTC-USD")


def is_weekday(at: datetime.datetime) -> bool:
    return at.weekday() < 5


def is_outside_holidays(at: datetime.datetime) -> bool:
    """Stocks: without weekends, a Monday, a Friday and the first days of a month."""
    closed = {
        datetime.date(2024, 1, 15),
        datetime.date(2024, 3, 29),
        datetime.date(2024, 2, 1),
        datetime.date(2024, 2, 2),
    }
    return is_weekday(at) and at.date() not in closed


MARKETS: dict[str, Candles] = {
    "hours": make_market(HOURS, 24 * 45, lambda at: True),
    "four hours": make_market(4 * HOURS, 6 * 100, lambda at: True),
    "days": make_market(24 * HOURS, 200, lambda at: True),
    "days of stocks": make_market(24 * HOURS, 200, is_outside_holidays),
    "hours without nights": make_market(HOURS, 24 * 60, lambda at: is_weekday(at) and 9 <= at.hour < 17),
}


def resample(rule: str, **settings: Any) -> Calculation:
    return lambda close: close.resample(rule, **settings).last()


#: Resampled by pandas, whose index has a frequency, and what loses it.
PERIODS: dict[str, Calculation] = {
    "days": resample("D"),
    "business days": resample("B"),
    "weeks": resample("W-MON", label="left", closed="left"),
    "weeks from Friday on": resample("W-FRI", label="left", closed="left"),
    "mean of weeks": lambda close: resample("W-MON", label="left", closed="left")(close).rolling(2).mean(),
    "months": resample("MS"),
    "quarters": resample("QS"),
    "years": resample("YS"),
    "seven days": resample("7D"),
    "weeks, without empty ones": lambda close: resample("W-MON", label="left", closed="left")(close).dropna(),
    "grouped by month": lambda close: close.groupby(close.index.to_period("M").to_timestamp()).last(),  # pyright: ignore
}


#: Longer periods that were filled forward to shorter ones. Without later data they end at the start of the last period.
HELD: dict[str, Calculation] = {
    "weeks to days": lambda close: resample("W")(close).shift(1).resample("D").ffill(),
    "weeks by their start to days": lambda close: PERIODS["weeks"](close).shift(1).resample("D").ffill(),
    "months to days": lambda close: resample("MS")(close).shift(1).resample("D").ffill(),
    "ends of months to days": lambda close: resample("ME")(close).resample("D").ffill(),
    "weeks to candles": lambda close: resample("W")(close).shift(1).reindex(close.index, method="ffill"),
}


def calculate(universe: TradingStrategyUniverse, calculation: Calculation) -> IndicatorResults:
    indicators = IndicatorSet()
    indicators.add("signal", lambda close: calculation(close))
    return calculate_indicators(indicators, universe, ExecutionContext(mode=ExecutionMode.backtesting))


def see(universe: TradingStrategyUniverse, calculation: Calculation) -> Callable[[int], tuple[Any, float | None]]:
    """A function that returns stamp and value of what a decision at a time (us) sees."""
    results = calculate(universe, calculation)
    ((*_, series),) = results.iterate_columns()

    def at(now: int) -> tuple[Any, float | None]:
        index = series.seek_visible(now)
        return (None, None) if index < 0 else (series.series.index[index], series.values[index])

    return at


def is_first_period_without_frequency(candles: Candles, calculation: Calculation, now: int) -> bool:
    known = candles.get_series("close")[: pd.Timestamp(from_us(now - 1))]
    result = calculation(known)
    return len(result) == 1 and result.index.freq is None  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.slow
@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("period", PERIODS)
def test_a_decision_sees_the_same_with_and_without_later_candles(market: str, period: str):
    candles, calculation = MARKETS[market], PERIODS[period]
    universe = create_universe({"BTC-USD": candles})
    full = see(universe, calculation)
    seen = [full(int(at)) for at in candles.starts]
    # Each decision at which something new is seen, and the one before it.
    changes = [number for number in range(1, len(seen)) if seen[number][0] != seen[number - 1][0]]
    numbers = sorted({number - before for number in changes for before in (0, 1)} - {0} | {len(seen) - 1})
    for number in numbers[:: max(len(numbers) // 25, 1)]:
        now = int(candles.starts[number])
        stamp, value = see(cut_universe(universe, from_us(now)), calculation)(now)
        if stamp is None and is_first_period_without_frequency(candles, calculation, now):
            continue  # From one stamp alone the length of a period is not known.
        expected = seen[number][1]
        assert (stamp, value) == (seen[number][0], expected and pytest.approx(expected, nan_ok=True)), from_us(now)


def test_a_week_is_seen_on_monday_and_not_before():
    closes = {from_us(int(at)): close for at, close in zip(MARKETS["days"].starts, MARKETS["days"].close, strict=True)}
    at = see(create_universe({"BTC-USD": MARKETS["days"]}), PERIODS["weeks"])
    sunday, monday = datetime.datetime(2024, 1, 14), datetime.datetime(2024, 1, 15)
    last_microsecond = to_us(monday) - 1
    assert at(last_microsecond) == (pd.Timestamp("2024-01-01"), closes[datetime.datetime(2024, 1, 7)])
    assert at(to_us(monday)) == (pd.Timestamp("2024-01-08"), closes[sunday])


def test_in_live_trading_a_friday_is_not_the_end_of_a_week():
    candles = MARKETS["days of stocks"]
    friday = datetime.datetime(2024, 1, 12)
    saturday = to_us(friday) + 24 * 3600 * 1_000_000
    known = cut_universe(create_universe({"BTC-USD": candles}), from_us(saturday))
    at = see(known, PERIODS["weeks"])
    assert known.get_candles(known.pairs[0]).ends[-1] == saturday
    # On Saturday it is not known whether another candle follows.
    assert at(saturday)[0] == pd.Timestamp("2024-01-01")
    assert at(saturday + 2 * 24 * 3600 * 1_000_000)[0] == pd.Timestamp("2024-01-08")


def test_days_of_a_closed_market_have_no_value():
    # Pandas gives Saturday and Sunday NaN, but only when it knows Monday.
    at = see(create_universe({"BTC-USD": MARKETS["hours without nights"]}), PERIODS["days"])
    monday = to_us(datetime.datetime(2024, 1, 15, 9))
    stamp, value = at(monday)
    closes = MARKETS["hours without nights"].get_series("close")
    assert (stamp, value) == (pd.Timestamp("2024-01-12"), closes[pd.Timestamp("2024-01-12 16:00")])


@pytest.mark.slow
@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("period", HELD)
def test_what_is_filled_forward_is_seen_alike_and_is_no_false_alarm(market: str, period: str):
    candles, universe = MARKETS[market], create_universe({"BTC-USD": MARKETS[market]})
    full = calculate(universe, HELD[period])
    ((*_, series),) = full.iterate_columns()
    for now in candles.starts[2 :: max(len(candles) // 20, 1)]:
        known = calculate(cut_universe(universe, from_us(int(now))), HELD[period])
        assert find_changes(full, known, from_us(int(now))) == []
        ((*_, other),) = known.iterate_columns()
        place, own = series.seek_visible(int(now)), other.seek_visible(int(now))
        mine, theirs = (s.values[i] if i >= 0 else math.nan for s, i in ((series, place), (other, own)))
        assert theirs == pytest.approx(mine, nan_ok=True), from_us(int(now))
    # Its values come later than they could, but its rows are not labelled by ends.
    if not isinstance(full.raw["signal", 1].index.freq, pd.offsets.MonthEnd):
        assert full.find_labelled_by_end() == []


@pytest.mark.parametrize("market", MARKETS)
def test_a_week_labelled_by_the_sunday_before_is_found_when_it_is_filled_forward(market: str):
    universe = create_universe({"BTC-USD": MARKETS[market]})

    def leak(close: pd.Series) -> pd.Series:
        return resample("W", label="left")(close).resample("D").ffill()

    full = calculate(universe, leak)
    wednesday = datetime.datetime(2024, 1, 24, 12)
    assert find_changes(full, calculate(cut_universe(universe, wednesday), leak), wednesday)


@pytest.mark.parametrize("per_pair", [True, False])
@pytest.mark.parametrize("keep_frequency", [True, False])
def test_live_a_week_in_progress_is_not_seen(per_pair: bool, keep_frequency: bool):
    # Candles of Monday to Wednesday; the only stamp is Monday, and without a frequency nothing tells that it is a week.
    monday = datetime.datetime(2024, 1, 8)
    for days in (1, 3, 6) if keep_frequency else (2, 3, 6):
        candles = make_candles([flat(100.0 + day) for day in range(days)], start=monday, bucket=24 * HOURS)
        universe = create_universe({"BTC-USD": candles})
        close = candles.get_series("close")
        weeks = PERIODS["weeks"](close) if keep_frequency else PERIODS["weeks, without empty ones"](close)
        results = IndicatorResults(universe)
        results.store("week", universe.pairs[0] if per_pair else None, weeks)
        ((*_, series),) = results.iterate_columns()
        assert series.seek_visible(to_us(monday) + days * 24 * 3_600 * 1_000_000) == -1
