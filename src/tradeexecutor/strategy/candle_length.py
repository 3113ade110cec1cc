"""Lengths of candles: possible lengths, detection from time stamps, and the end of each candle.

A length is a fixed time (a ``timedelta``) or a calendar period, one of `MONTHS`. A candle with an end that is too early
would show a strategy prices of the future. So stamps that match no length are refused, and where an end is uncertain by
hours (daylight saving) or days (trading days of a month), it is the latest one that the stamps allow.

Times are 64-bit integers, microseconds since 1970-01-01 UTC, or since 1970-01-01 of a local clock.
"""

import datetime
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.types import EPOCH

__all__ = [
    "CLOCK_CHANGE",
    "HALF_YEAR",
    "MONTH",
    "MONTHS",
    "QUARTER",
    "YEAR",
    "CandleLength",
    "InvalidCandles",
    "calculate_ends",
    "clamp_ends",
    "count_calendar_months",
    "describe_length",
    "detect_length",
    "from_us",
    "get_typical_length",
    "most_common_distance",
    "to_us",
]

TimeArray: TypeAlias = NDArray[np.int64]

#: Length of a candle: a fixed time, or one of the calendar lengths below.
CandleLength: TypeAlias = datetime.timedelta | str

MONTH = "month"
QUARTER = "quarter"
HALF_YEAR = "half-year"
YEAR = "year"

#: Number of months of each calendar length.
MONTHS: Mapping[str, int] = {MONTH: 1, "2 months": 2, QUARTER: 3, "4 months": 4, HALF_YEAR: 6, YEAR: 12}

#: Largest number of days of a period, by number of months.
_MOST_DAYS = {1: 31, 2: 62, 3: 92, 4: 123, 6: 184, 12: 366}

#: Advice in every error that an explicit length would avoid.
SAY_LENGTH = "set the length of a candle with --time-frame (in Python: bucket)"

_MICROSECOND = datetime.timedelta(microseconds=1)
_SECOND = 1_000_000
_HOUR = 3_600 * _SECOND
_DAY = 24 * _HOUR

#: The first Monday after the epoch, which was a Thursday, us.
_MONDAY = 4 * _DAY

#: Shortest distance between stamps of calendar months, us: 1 March is 24 days after 5 February.
_SHORTEST_MONTH = 24 * _DAY
_LONGEST = 366 * _DAY

#: Latest day of a month that can be its first trading day, after New Year, a weekend, and holidays.
_LAST_FIRST_TRADING_DAY = 7

#: Largest change of local clocks by daylight saving, us.
CLOCK_CHANGE = _HOUR

#: Shortest time between two changes of clocks, us: Morocco suspends daylight saving for the month of Ramadan.
_SHORTEST_SUMMER = 20 * _DAY

#: Probability below which a run of candles with another distance is not chance, but another length of candle; and
#: the shortest such run.
_CHANCE = 1e-3
_SHORTEST_STRETCH = 5


class InvalidCandles(TradeExecutorError, ValueError):
    """Market data cannot be used: missing columns, duplicate times, impossible prices, or no data.

    Attributes
    ----------
    problem
        The message without source and row.
    source
        File or pair the data came from; empty when unknown.
    row
        Number of the offending row, counted from 1 in the order of the data without its header; None when the
        problem is not in one row.
    """

    def __init__(self, message: str, source: str = "", row: int | None = None):
        where = f"{source}: " if source else ""
        super().__init__(f"{where}row {row}: {message}" if row is not None else f"{where}{message}")
        self.problem = message
        self.source = source
        self.row = row

    def at_row(self, row: int) -> "InvalidCandles":
        """Return the same error with another row, for data that was sorted before the check."""
        return InvalidCandles(self.problem, self.source, row)


def to_us(value: datetime.datetime) -> int:
    """Return a naive UTC time as microseconds since the epoch."""
    since = value - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds  # faster than dividing


def from_us(value: int) -> datetime.datetime:
    """Return microseconds since the epoch as naive UTC time."""
    return EPOCH + datetime.timedelta(microseconds=value)


def get_typical_length(length: CandleLength) -> datetime.timedelta:
    """Return the length as a fixed time; for calendar periods the longest possible one, e.g. 31 days for a month."""
    if isinstance(length, str):
        return datetime.timedelta(days=_MOST_DAYS[MONTHS[length]])
    return length


def describe_length(length: CandleLength) -> str:
    """Return a length as text.

    >>> describe_length(datetime.timedelta(hours=4)), describe_length("quarter")
    ('4 hours', '1 quarter')
    """
    if isinstance(length, str):
        return length if length[0].isdigit() else f"1 {length}"
    for name, unit in (("week", 7 * _DAY), ("day", _DAY), ("hour", _HOUR), ("minute", 60 * _SECOND)):
        count, rest = divmod(length // _MICROSECOND, unit)
        if count and not rest:
            return f"{count} {name}{'s' if count > 1 else ''}"
    return str(length)


# --- Detecting the length from the stamps


def detect_length(starts: TimeArray, source: str = "") -> CandleLength:
    """Return the length of candles that start at these times.

    Candles in different months, on the first day of each or at distances that are not multiples of a fixed time, are
    calendar periods; otherwise the most common distance is the length. Candles may be missing.

    Parameters
    ----------
    starts
        Start times, increasing.

    Raises
    ------
    InvalidCandles
        There are fewer than two candles, or the distances match no length, or two different lengths.
    """
    if len(starts) < 2:
        raise InvalidCandles(f"at least two candles are needed to detect the length of a candle; {SAY_LENGTH}", source)
    months = count_calendar_months(starts)
    if months is not None:
        return _name_calendar_length(starts, months, source)
    distances = np.diff(starts)
    length, share = most_common_distance(starts)
    if not _SECOND <= length <= _LONGEST or length % _SECOND:
        raise InvalidCandles(
            f"the candles are {datetime.timedelta(microseconds=length)} apart, which is not a length of a candle; "
            "the times may have another unit",
            source,
        )
    if share < 0.5 and (distances % length).any():
        raise InvalidCandles(
            f"the candles are at irregular distances (the most common one, {_describe_us(length)}, is "
            f"{share:.0%} of them), so their length is not known; {SAY_LENGTH}",
            source,
        )
    _refuse_two_lengths(starts, distances, length, source)
    return datetime.timedelta(microseconds=length)


def most_common_distance(starts: TimeArray) -> tuple[int, float]:
    """Return the most common distance (us) of at least two starts, and its share; of equals the shorter distance."""
    distances, counts = np.unique(np.diff(starts), return_counts=True)
    most = int(np.argmax(counts))
    return int(distances[most]), float(counts[most]) / (len(starts) - 1)


def count_calendar_months(stamps: TimeArray) -> int | None:
    """Return the number of months between stamps of calendar periods; None when they are not calendar periods.

    Stamps are of calendar periods when no two are in one month, and they are all on a first or all on a last day, or at
    distances that are not multiples of one fixed time. Stamps on the same day of several months at one distance are
    ambiguous; then the interpretation with the later end is used.
    """
    if len(stamps) < 2:
        return None
    distances = np.diff(stamps)
    shortest = int(distances.min())
    steps = np.diff(_to_months(stamps))
    if shortest < _SHORTEST_MONTH or steps.min() < 1:
        return None
    if not _lie_on_edges(stamps) and not (distances % shortest).any():
        days = _to_days_of_month(stamps)
        fixed_end, calendar_end = stamps[-1:] + shortest, _calculate_calendar_ends(stamps, int(steps.min()))[-1:]
        if len(stamps) < 3 or (days != days[0]).any() or calendar_end < fixed_end:
            return None
    return int(steps.min())


def _lie_on_edges(stamps: TimeArray) -> bool:
    """Return True if all stamps are first days of months, or three and more are last days."""
    if (_to_days_of_month(stamps) == 1).all():
        return True
    return len(stamps) >= 3 and bool((_to_days_of_month(stamps + _DAY) == 1).all())


def _name_calendar_length(starts: TimeArray, months: int, source: str) -> str:
    steps = np.diff(_to_months(starts))
    name = next((name for name, count in MONTHS.items() if count == months), None)
    if name is None or (steps % months).any():
        counts = ", ".join(str(step) for step in np.unique(steps)[:5])
        raise InvalidCandles(
            f"the candles are {counts} months apart, so it is not known how long one lasts; {SAY_LENGTH}", source
        )
    # One missing candle is a gap; the same longer distance twice in a row is a history of longer candles.
    longer = np.flatnonzero((steps[1:] == steps[:-1]) & (steps[1:] > months))
    if len(longer):
        row = int(longer[0])
        raise InvalidCandles(
            f"from {_show(starts[row])} on the candles are {steps[row]} months apart, elsewhere {months}: "
            f"two lengths of candles in one series; give each its own file, or {SAY_LENGTH}",
            source,
        )
    return name


def _refuse_two_lengths(starts: TimeArray, distances: TimeArray, length: int, source: str) -> None:
    """Raise `InvalidCandles` for a series with candles of two lengths, such as daily history before hourly candles.

    Read as hourly candles, the daily ones would end 23 hours before their close. Such a series has a run of candles at
    multiples of one longer distance, none of which is at the common distance; gaps have no such run.
    """
    other = distances != length
    edges = np.flatnonzero(np.diff(np.r_[False, other, False].astype(np.int8)))
    chance = float(other.mean())
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        stretch = distances[first:last]
        if len(stretch) < 3:
            continue
        values, counts = np.unique(stretch, return_counts=True)
        longer, count = int(values[np.argmax(counts)]), int(counts.max())
        # Between the two parts the distance can be any.
        is_regular = longer >= 2 * length and int((stretch % longer != 0).sum()) <= 1
        fewest = 3 if longer >= 4 * length else _SHORTEST_STRETCH  # A few gaps can cause 2 or 3 equal double distances.
        is_one_block = fewest <= count >= len(stretch) - 1 and int((distances == longer).sum()) == count
        is_no_chance = 2 * count >= len(stretch) >= _SHORTEST_STRETCH and len(starts) * chance ** len(stretch) < _CHANCE
        if is_regular and (is_one_block or is_no_chance):
            raise InvalidCandles(
                f"from {_show(starts[first])} to {_show(starts[last])} the candles are {_describe_us(longer)} apart, "
                f"elsewhere {_describe_us(length)}: two lengths of candles in one series; give each its own file, "
                f"or {SAY_LENGTH}",
                source,
            )


# --- Ends


def calculate_ends(starts: TimeArray, length: CandleLength, source: str = "") -> TimeArray:
    """Return the end of each candle, us: not before its prices are known, and not after the start of the next one.

    Parameters
    ----------
    starts
        Start times, increasing.
    length
        Length of a candle. Days on which clocks go forward or back are an hour shorter or longer; weeks with stamps of
        their first or last trading day end on Sunday night.

    Raises
    ------
    InvalidCandles
        The length is unknown or not positive, or candles overlap.
    """
    if isinstance(length, str):
        if length not in MONTHS:
            raise InvalidCandles(f"unknown candle length {length!r}; {SAY_LENGTH}", source)
        ends = _calculate_calendar_ends(starts, MONTHS[length])
        overlaps = np.diff(_to_months(starts)) < MONTHS[length]
    else:
        if length <= datetime.timedelta(0):
            raise InvalidCandles(f"the candle length must be positive, not {length}", source)
        step = length // _MICROSECOND
        slack = _find_clock_change(starts, step)
        ends = starts + np.int64(step) if slack is None else starts + np.int64(step) + slack
        overlaps = np.diff(starts) < (step if slack is None else step - CLOCK_CHANGE)
        if step == 7 * _DAY and overlaps.any():
            weeks = (starts - _MONDAY) // step
            ends = (weeks + 1) * step + _MONDAY + int((starts % _DAY).max())
            overlaps = np.diff(weeks) < 1
    refuse_overlap(overlaps, starts, length, source)
    return clamp_ends(ends, starts)


def refuse_overlap(overlaps: NDArray[np.bool_], starts: TimeArray, length: CandleLength, source: str) -> None:
    """Raise `InvalidCandles` for the first candle that starts before the end of the previous one."""
    if not overlaps.any():
        return
    row = int(np.argmax(overlaps))
    raise InvalidCandles(
        f"the candle of {from_us(int(starts[row + 1]))} starts before the one of {from_us(int(starts[row]))} ends; "
        f"candles of {describe_length(length)} must not overlap; if they are of another length, {SAY_LENGTH}",
        source,
        row + 2,
    )


def clamp_ends(ends: TimeArray, starts: TimeArray) -> TimeArray:
    """Return ends that are at most the start of the next candle."""
    result = ends.copy()
    np.minimum(result[:-1], starts[1:], out=result[:-1])
    return result


def _calculate_calendar_ends(starts: TimeArray, months: int) -> TimeArray:
    """Return the ends of candles of calendar months, before they are clamped.

    The time of day is the latest of all stamps: with daylight saving there are two times of day in UTC, and the end can
    be at either.
    """
    days = _to_days_of_month(starts)
    late = int((starts % _DAY).max())
    following = (_to_months(starts) + months).astype("datetime64[M]")
    if (days <= _LAST_FIRST_TRADING_DAY).all() and (days != days[0]).any():
        days = np.ones_like(days)  # First trading days stand for the month.
        spread = 0
    else:
        spread = int(days.max() - days.min())
    month_lengths = ((following + 1).astype("datetime64[D]") - following.astype("datetime64[D]")).astype(np.int64)
    first = following.astype("datetime64[us]").astype(np.int64)
    return first + (np.minimum(days, month_lengths) - 1 + spread) * _DAY + late


def _find_clock_change(starts: TimeArray, step: int) -> TimeArray | None:
    """Return how much later each candle may end because clocks go back, us; None without daylight saving.

    Days, weeks and four-hour candles of a zone with daylight saving start at two times of the UTC day that are an hour
    apart. The candle in which clocks go forward is an hour shorter, the one in which they go back an hour longer.
    """
    if step < 2 * _HOUR:
        return None
    period = min(step, _DAY)
    phases = starts % period
    changes = np.flatnonzero(np.diff(phases))
    known = np.unique(phases)
    if len(known) != 2 or (np.diff(starts[changes]) < _SHORTEST_SUMMER).any():
        return None
    summer, winter = int(known[0]), int(known[1])
    if winter - summer > CLOCK_CHANGE:
        summer, winter = winter, summer + period  # One is before midnight, one after it.
    if winter - summer > CLOCK_CHANGE:
        return None
    return np.where(phases == summer % period, winter - summer, 0).astype(np.int64)


# --- Parts of a date


def _to_months(times: TimeArray) -> TimeArray:
    """Return months since January 1970."""
    return times.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _to_days_of_month(times: TimeArray) -> TimeArray:
    """Return days of the month, from 1."""
    days = times.astype("datetime64[us]").astype("datetime64[D]")
    return (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1


def _describe_us(length: int) -> str:
    return describe_length(datetime.timedelta(microseconds=length))


def _show(time: "np.int64 | TimeArray") -> str:
    moment = from_us(int(time))
    return f"{moment:%Y-%m-%d}" if not int(time) % _DAY else f"{moment:%Y-%m-%d %H:%M}"
