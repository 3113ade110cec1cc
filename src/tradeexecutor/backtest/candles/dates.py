"""Composing dates and times of day to microseconds since the epoch, and the limits of valid times."""

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.state.clock import utc_now
from tradeexecutor.strategy.candle_length import InvalidCandles, from_us, to_us

__all__ = ["CandleTimes", "Parts", "check_times", "compose", "describe_problem", "latest_time", "show"]

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND

#: First year of valid times; a smaller number is not a year, because no market was recorded before.
FIRST_YEAR = 1700

#: Smallest epoch time that is read from a number, us; smaller numbers are counts or prices.
FIRST_EPOCH = to_us(datetime.datetime(1980, 1, 1))

#: How far in the future a time may be: zones are up to 14 hours ahead of UTC, and clocks of machines can be wrong.
_AHEAD = datetime.timedelta(days=2)

_A_YEAR = 366 * _DAY


@dataclass(frozen=True, slots=True)
class CandleTimes:
    """The time stamps of a column.

    Attributes
    ----------
    utc
        Microseconds since 1970-01-01 UTC, one for each row.
    offsets
        How far local time is ahead of UTC in each row, microseconds; None if the data is in UTC.
    zone
        Zone of the data; None for UTC, or if only its offsets are known.
    """

    utc: NDArray[np.int64]
    offsets: NDArray[np.int64] | None = None
    zone: datetime.tzinfo | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """Components of dates and times of day, one array element for each row."""

    year: NDArray[np.int64]
    month: NDArray[np.int64]
    day: NDArray[np.int64]
    hour: NDArray[np.int64]
    minute: NDArray[np.int64]
    second: NDArray[np.int64]
    microsecond: NDArray[np.int64]


def compose(parts: Parts) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return times in microseconds since the epoch, and whether each exists; if not, its value is undefined."""
    month_exists = (parts.month >= 1) & (parts.month <= 12)
    year_exists = (parts.year >= FIRST_YEAR) & (parts.year <= 9999)
    count = (np.where(year_exists, parts.year, 1970) - 1970) * 12 + np.where(month_exists, parts.month, 1) - 1
    months = count.astype("datetime64[M]")
    first = months.astype("datetime64[D]")
    length = ((months + 1).astype("datetime64[D]") - first).astype(np.int64)
    exists = (
        year_exists
        & month_exists
        & (parts.day >= 1)
        & (parts.day <= length)
        & (parts.hour <= 23)
        & (parts.minute <= 59)
        & (parts.second <= 59)
    )
    seconds = parts.hour * 3600 + parts.minute * 60 + parts.second
    days = first.astype(np.int64) + parts.day - 1
    return days * _DAY + seconds * _SECOND + parts.microsecond, exists


def describe_problem(parts: Parts, row: int) -> str:
    """Return a text that explains why the time of a row does not exist."""
    year, month, day = (int(numbers[row]) for numbers in (parts.year, parts.month, parts.day))
    clock = ":".join(f"{int(numbers[row]):02}" for numbers in (parts.hour, parts.minute, parts.second))
    if not FIRST_YEAR <= year <= 9999:
        return f"there are no markets in the year {year}"
    if not 1 <= month <= 12:
        return f"there is no month {month}"
    try:
        datetime.date(year, month, day)
    except ValueError:
        return f"{year}-{month:02} has no day {day}"
    return f"there is no time {clock}"


def latest_time() -> int:
    """Return the latest time at which a candle can start, us: now, plus a tolerance for clocks and zones."""
    return to_us(utc_now() + _AHEAD)


def check_times(utc: NDArray[np.int64], offsets: NDArray[np.int64] | None, source: str) -> None:
    """Refuse times that cannot be candles: in the future, or the result of a wrong unit or a missing value.

    Raises
    ------
    InvalidCandles
        There is such a time; the message names the first row.
    """
    late = np.flatnonzero(utc > latest_time())
    if len(late):
        row = int(late[0])
        raise InvalidCandles(f"the time {show(utc[row])} is in the future", source, row + 1)
    local = utc if offsets is None else utc + offsets
    early = np.flatnonzero((utc < FIRST_EPOCH) & (local % _DAY != 0))
    if len(early):
        row = int(early[0])
        raise InvalidCandles(
            f"the time {show(utc[row])} has a time of day although it is before 1980, when markets were recorded by "
            "the day; a number in another unit may have been taken for it",
            source,
            row + 1,
        )
    zero = np.flatnonzero(utc == 0)
    if len(zero) and len(utc) > 1 and np.delete(np.abs(utc), zero).min(initial=_A_YEAR * 100) > _A_YEAR:
        raise InvalidCandles("the time 1970-01-01 is what programs write for a missing time", source, int(zero[0]) + 1)


def show(time: np.int64 | int) -> str:
    """Return a time as text."""
    return str(from_us(int(time))).removesuffix(" 00:00:00")
