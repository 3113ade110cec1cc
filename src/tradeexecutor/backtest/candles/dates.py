"""Dates and clocks put together to microseconds since the epoch, and the bounds of what is a time."""

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.state.clock import utc_now
from tradeexecutor.strategy.candle_length import InvalidCandles, from_us, to_us

__all__ = ["CandleTimes", "Parts", "check_times", "compose", "describe_problem", "latest_time", "show"]

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND

#: No market was recorded before; a year below it is another number.
FIRST_YEAR = 1700

#: Numbers that are epoch times are not before this; a small number is no time but a count or a price.
FIRST_EPOCH = to_us(datetime.datetime(1980, 1, 1))

#: Zones are up to 14 hours ahead of UTC, and clocks of machines go wrong.
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
        How far the clock of the data is ahead of UTC in each row, microseconds; None: the data is in UTC.
    zone
        The zone of the data; None: UTC, or only its offsets are known.
    """

    utc: NDArray[np.int64]
    offsets: NDArray[np.int64] | None = None
    zone: datetime.tzinfo | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """Numbers that make up dates and clocks, one array element for each row."""

    year: NDArray[np.int64]
    month: NDArray[np.int64]
    day: NDArray[np.int64]
    hour: NDArray[np.int64]
    minute: NDArray[np.int64]
    second: NDArray[np.int64]
    microsecond: NDArray[np.int64]


def compose(parts: Parts) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return times in microseconds since the epoch, and whether each of them exists; what does not is meaningless."""
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
    """Return why the time of a row does not exist."""
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
    """Return the latest moment that a candle can start at, us: now, and some tolerance for clocks and zones."""
    return to_us(utc_now() + _AHEAD)


def check_times(utc: NDArray[np.int64], offsets: NDArray[np.int64] | None, source: str) -> None:
    """Refuse times that markets do not have: in the future, or what a wrong unit or a missing value makes of a time.

    Raises
    ------
    InvalidCandles
        Naming the first such row.
    """
    late = np.flatnonzero(utc > latest_time())
    if len(late):
        row = int(late[0])
        raise InvalidCandles(f"the time {show(utc[row])} lies in the future", source, row + 1)
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
    """Return a time for people."""
    return str(from_us(int(time))).removesuffix(" 00:00:00")
