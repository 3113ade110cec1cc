"""Starts and ends of candles from their time stamps: which moment the stamps label, and the length of a candle."""

import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tradeexecutor.backtest.candles.dates import CandleTimes, show
from tradeexecutor.strategy.candle_length import (
    CLOCK_CHANGE,
    MONTHS,
    CandleLength,
    InvalidCandles,
    calculate_ends,
    clamp_ends,
    count_calendar_months,
    describe_length,
    detect_length,
    most_common_distance,
)

__all__ = ["Layout", "lay_out"]

TimeArray = NDArray[np.int64]

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_DAY = 86_400 * _SECOND
_MICROSECOND = datetime.timedelta(microseconds=1)

#: Largest number of days from the last trading day of a month to its end: a weekend, and holidays.
_TRADING_DAYS_LEFT = 4

#: Distances of stamps that label the last moment of a candle from its end, us.
_LAST_MOMENTS = (1, 1_000, _SECOND)


class Layout:
    """Starts and ends of candles, microseconds since 1970-01-01 UTC, and their length."""

    __slots__ = ("ends", "length", "starts")

    def __init__(self, starts: TimeArray, ends: TimeArray, length: CandleLength):
        self.starts = starts
        self.ends = ends
        self.length = length


def lay_out(times: CandleTimes, length: CandleLength | None, source: str) -> Layout:
    """Return starts and ends of candles with these time stamps.

    Candles of a day or more use the local time of the data: a day in New York ends at midnight in New York, and is 23
    or 25 hours long when daylight saving begins or ends.

    Parameters
    ----------
    times
        Time stamps, increasing in UTC.
    length
        Length of a candle given by the user; None detects it from the stamps.

    Raises
    ------
    InvalidCandles
        The length cannot be detected or contradicts the stamps, or it is ambiguous which moment the stamps label.
    """
    stamps = times.utc
    is_local = times.offsets is not None and _follows_its_clock(times, length)
    if is_local:
        assert times.offsets is not None
        stamps = stamps + times.offsets
    starts = _relabel_last_days(stamps, length, source)
    if length is None:
        length = detect_length(starts, source)
    else:
        _check_stated_length(starts, length, source)
    starts = _relabel_last_moments(starts, length)
    ends = calculate_ends(starts, length, source)
    if is_local:
        starts, ends = _to_utc(starts, ends, stamps, times)
    return Layout(starts, ends, length)


def _follows_its_clock(times: CandleTimes, length: CandleLength | None) -> bool:
    """Return True if candles have a length of a day or more, so that they depend on local midnight."""
    assert times.offsets is not None
    if not (np.diff(times.utc + times.offsets) > 0).all():
        return False
    if length is not None:
        return isinstance(length, str) or length >= datetime.timedelta(days=1)
    # The shortest day has 23 hours.
    return len(times.utc) < 2 or most_common_distance(times.utc)[0] >= _DAY - CLOCK_CHANGE


def _to_utc(starts: TimeArray, ends: TimeArray, stamps: TimeArray, times: CandleTimes) -> tuple[TimeArray, TimeArray]:
    assert times.offsets is not None
    if times.zone is not None:
        starts_utc = times.utc if starts is stamps else _localise(starts, times.zone)
        ends_utc = _localise(ends, times.zone)
    else:
        # Only offsets are known, not when they change: of the offsets around a candle, the one with the later end is
        # used. If all rows have one offset, they may be of one summer, and clocks may go back after the last candle.
        offsets = times.offsets
        starts_utc = times.utc if starts is stamps else starts - np.minimum(offsets, np.r_[offsets[:1], offsets[:-1]])
        is_one = offsets.min() == offsets.max()
        following = np.r_[offsets[1:], offsets.min() - (CLOCK_CHANGE if is_one else 0)]
        ends_utc = ends - np.minimum(offsets, following)
    return starts_utc, clamp_ends(ends_utc, starts_utc)


def _localise(local: TimeArray, zone: datetime.tzinfo) -> TimeArray:
    """Return UTC for local times: the later one of an ambiguous time, the next valid one for a skipped time."""
    index = pd.DatetimeIndex(local.view("datetime64[us]"))
    zoned = index.tz_localize(zone, ambiguous=np.zeros(len(index), dtype=bool), nonexistent="shift_forward")
    return np.asarray(zoned.tz_convert("UTC").tz_localize(None).values.astype("datetime64[us]").astype(np.int64))


def _check_stated_length(starts: TimeArray, length: CandleLength, source: str) -> None:
    """Raise `InvalidCandles` for a length shorter than all distances: prices would be used before they are known."""
    if len(starts) < 3:
        return
    distances = np.diff(starts)
    if isinstance(length, str):
        months = count_calendar_months(starts)
        is_shorter = months is not None and length in MONTHS and months > MONTHS[length]
    else:
        # A day on which clocks go back has an hour more.
        is_shorter = bool((distances > length // _MICROSECOND + CLOCK_CHANGE * (length.days > 0)).all())
    if is_shorter:
        apart = describe_length(datetime.timedelta(microseconds=int(distances.min())))
        raise InvalidCandles(
            f"the candles are said to last {describe_length(length)}, but they are {apart} apart or more", source
        )


# --- Labels


def _relabel_last_days(stamps: TimeArray, length: CandleLength | None, source: str) -> TimeArray:
    """Convert stamps of the last day of a month, quarter or year to its first day.

    With stamps of the last day, the prices of a month would be taken for those of the next month. When the days of the
    month differ, the last trading day counts as the last day; a series that starts on the 30th of each month is kept.
    """
    is_stated = isinstance(length, str)
    months = count_calendar_months(stamps)
    if length is not None and not is_stated:
        return stamps
    if months is None and not (is_stated and length in MONTHS):
        return stamps
    count = MONTHS[str(length)] if is_stated and length in MONTHS else months or 1
    times = stamps.astype("datetime64[us]")
    days, first = times.astype("datetime64[D]"), times.astype("datetime64[M]")
    last = (first + 1).astype("datetime64[D]") - 1
    left = (last - days).astype(np.int64)
    number = (days - first.astype("datetime64[D]")).astype(np.int64) + 1
    is_weekday = (days.astype(np.int64) + 3) % 7 < 5
    is_last_trading_day = (left <= _TRADING_DAYS_LEFT) & (is_weekday | (left == 0))
    # A series on the 30th, and on 28 February, labels starts on the 30th rather than ends.
    month_lengths = number + left
    is_anchored = bool((number == np.minimum(number.max(), month_lengths)).all()) and number.max() < 31
    if not is_last_trading_day.all() or (is_anchored and (left > 0).any()):
        return stamps
    clock = stamps % _DAY
    if not ((clock == 0).all() or (clock >= _DAY - _MINUTE).all()):
        raise InvalidCandles(
            f"{show(stamps[0])} can be the end of that month, or the start of the next one in another time zone; "
            "give dates, or times with their zone",
            source,
            1,
        )
    starts = (first - (count - 1)).astype("datetime64[us]").astype(np.int64)
    return np.asarray(starts)


def _relabel_last_moments(stamps: TimeArray, length: CandleLength) -> TimeArray:
    """Convert stamps such as 23:59:59.999, the last moment of a candle, to its start."""
    if isinstance(length, str) or length < datetime.timedelta(minutes=1):
        return stamps
    for before in _LAST_MOMENTS:
        if not ((stamps + before) % _MINUTE).any():
            return stamps + before - length // _MICROSECOND
    return stamps
