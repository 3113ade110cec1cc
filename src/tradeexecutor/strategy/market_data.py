"""Candles of one trading pair as numpy arrays, and a cursor over them.

A candle with stamp `t` is the half-open period from `t` (inclusive) to its end (exclusive). Its open is the price at
`t`; its high, low, close and volume are known only at its end. One rule decides what a strategy can see: at time `T` a
candle is *visible* when its end is at or before `T`.

Times are 64-bit integers, microseconds since 1970-01-01 UTC (``us`` below). Arrays are read-only, sorted by time,
without duplicates, and shared freely.
"""

import bisect
import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.strategy.candle_length import (
    HALF_YEAR,
    MONTH,
    MONTHS,
    QUARTER,
    YEAR,
    CandleLength,
    InvalidCandles,
    calculate_ends,
    clamp_ends,
    describe_length,
    detect_length,
    from_us,
    get_typical_length,
    to_us,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "HALF_YEAR",
    "MONTH",
    "QUARTER",
    "YEAR",
    "CandleCursor",
    "CandleLength",
    "Candles",
    "InvalidCandles",
    "TimeArray",
    "from_us",
    "to_us",
    "view_numbers",
]

FloatArray: TypeAlias = NDArray[np.float64]
TimeArray: TypeAlias = NDArray[np.int64]

#: A time after all candles, us.
_NEVER = 2**63 - 1

_PRICE_COLUMNS = ("open", "high", "low", "close")


def _frozen(values: Any, dtype: Any) -> Any:
    array: NDArray[Any] = np.ascontiguousarray(values, dtype=dtype)
    if array.flags.writeable:
        array = array.copy() if array is values else array
        array.flags.writeable = False
    return array


class Candles:
    """Open, high, low, close and volume of one pair over time.

    Parameters
    ----------
    starts
        Start of each candle, us, strictly increasing.
    open, high, low, close
        Prices in the quote currency, finite and positive. An open or a close outside low - high, which some sources
        deliver, widens the range of its candle; `widened` counts such candles.
    volume
        Base units traded in the candle, not negative; None when the data has no volume.
    bucket
        Length of a candle: a ``timedelta``, or one of `MONTHS` such as `MONTH`. Candles may be missing (weekends,
        halts), but must not overlap. None detects it from the starts, see `detect_length`.
    source
        Name of the data in error messages.
    ends
        End of each candle, us, after its start and not after the start of the next one; None calculates them from the
        length. Needed for a zone with daylight saving, whose days have different lengths.
    strict
        Whether an open or a close outside low - high is refused.

    Raises
    ------
    InvalidCandles
        A row is invalid; the message names it.
    """

    __slots__ = ("bucket", "close", "ends", "high", "low", "open", "source", "starts", "volume", "widened")

    def __init__(
        self,
        starts: TimeArray,
        open: FloatArray,
        high: FloatArray,
        low: FloatArray,
        close: FloatArray,
        volume: FloatArray | None = None,
        *,
        bucket: CandleLength | None = None,
        source: str = "",
        ends: TimeArray | None = None,
        strict: bool = False,
    ):
        self.source = source
        self.starts: TimeArray = _frozen(starts, np.int64)
        self.open: FloatArray = _frozen(open, np.float64)
        self.high: FloatArray = _frozen(high, np.float64)
        self.low: FloatArray = _frozen(low, np.float64)
        self.close: FloatArray = _frozen(close, np.float64)
        self.volume: FloatArray | None = None if volume is None else _frozen(volume, np.float64)
        _check_rows(self, source)
        #: Number of candles of the source whose range was widened.
        self.widened: int = self._widen(strict=strict)
        self.bucket: CandleLength = detect_length(self.starts, source) if bucket is None else bucket
        self.ends: TimeArray = _frozen(
            calculate_ends(self.starts, self.bucket, source) if ends is None else ends, np.int64
        )
        if ends is not None:
            _check_ends(self)

    def _widen(self, *, strict: bool) -> int:
        """Extend the range of candles to their open and close, and return how many were extended."""
        top, bottom = np.maximum(self.open, self.close), np.minimum(self.open, self.close)
        outside = (bottom < self.low) | (top > self.high)
        number = int(np.count_nonzero(outside))
        if number:
            if strict:
                _refuse(outside, self.close, "open or close lies outside low - high", self.source, self.starts)
            self.high = _frozen(np.maximum(self.high, top), np.float64)
            self.low = _frozen(np.minimum(self.low, bottom), np.float64)
        return number

    def __len__(self) -> int:
        return len(self.starts)

    def __repr__(self) -> str:
        return f"<{len(self)} candles of {describe_length(self.bucket)}, {self.first_start_at} - {self.last_end_at}>"

    @property
    def first_start_at(self) -> datetime.datetime:
        """Start of the first candle, naive UTC."""
        return from_us(int(self.starts[0]))

    @property
    def last_end_at(self) -> datetime.datetime:
        """End of the last candle, naive UTC: the time from which its close is known."""
        return from_us(int(self.ends[-1]))

    @property
    def typical_length(self) -> datetime.timedelta:
        """Length of a candle; for calendar periods the longest possible one, e.g. 31 days for months."""
        return get_typical_length(self.bucket)

    def get_column(self, name: str) -> FloatArray:
        """Return the values of ``open``, ``high``, ``low``, ``close`` or ``volume`` (zeros without volume data)."""
        if name == "volume":
            return np.zeros(len(self)) if self.volume is None else self.volume
        if name not in _PRICE_COLUMNS:
            raise InvalidCandles(f"no such column: {name!r}", self.source)
        return getattr(self, name)

    def get_index(self) -> "pd.DatetimeIndex":
        """Return the candle starts as a naive UTC pandas index."""
        import pandas as pd

        return pd.DatetimeIndex(self.starts.view("datetime64[us]"), name="timestamp")

    def get_series(self, name: str) -> "pd.Series[float]":
        """Return one column as a pandas series indexed by candle start."""
        import pandas as pd

        return pd.Series(self.get_column(name), index=self.get_index(), name=name)

    def to_dataframe(self) -> "pd.DataFrame":
        """Return all columns as a DataFrame indexed by candle start."""
        import pandas as pd

        columns = {name: self.get_column(name) for name in (*_PRICE_COLUMNS, "volume")}
        return pd.DataFrame(columns, index=self.get_index())

    def between(self, start: datetime.datetime | None, end: datetime.datetime | None) -> "Candles":
        """Return the candles that start at or after `start` and before `end`; None means unlimited.

        Raises
        ------
        InvalidCandles
            Nothing is left.
        """
        first = 0 if start is None else int(np.searchsorted(self.starts, to_us(start), side="left"))
        last = len(self) if end is None else int(np.searchsorted(self.starts, to_us(end), side="left"))
        if first >= last:
            raise InvalidCandles(
                f"no data between {start or 'the beginning'} and {end or 'the end'}; "
                f"the data covers {self.first_start_at} - {self.last_end_at}",
                self.source,
            )
        return self._take(slice(first, last))

    def _take(self, rows: slice) -> "Candles":
        volume = None if self.volume is None else self.volume[rows]
        columns = (self.open[rows], self.high[rows], self.low[rows], self.close[rows])
        taken = Candles(
            self.starts[rows], *columns, volume, bucket=self.bucket, source=self.source, ends=self.ends[rows]
        )
        taken.widened = self.widened
        return taken

    def resample(self, bucket: CandleLength) -> "Candles":
        """Return longer candles, merged from these: first open, highest high, lowest low, last close, summed volume.

        Periods start at multiples of `bucket` counted from 1970-01-01 UTC, weeks on Monday, or at the first of the
        month, quarter or year. An incomplete last period is kept. If the last candle of a period extends into the
        next one (weeks in a month), the merged candle ends with it, and the next one starts there.

        Raises
        ------
        InvalidCandles
            The length is unknown, or shorter than that of the candles.
        """
        if isinstance(bucket, str) and bucket not in MONTHS:
            raise InvalidCandles(f"unknown candle length {bucket!r}", self.source)
        if get_typical_length(bucket) < self.typical_length:
            raise InvalidCandles(
                f"candles of {describe_length(self.bucket)} cannot be made shorter, {describe_length(bucket)}",
                self.source,
            )
        periods, period_ends = _find_periods(self.starts, bucket)
        firsts = np.flatnonzero(np.r_[True, periods[1:] != periods[:-1]])
        lasts = np.r_[firsts[1:], len(self)] - 1
        ends = np.maximum(period_ends[firsts], self.ends[lasts])
        starts = periods[firsts].copy()
        np.maximum(starts[1:], self.ends[lasts[:-1]], out=starts[1:])
        volume = None if self.volume is None else np.add.reduceat(self.volume, firsts)
        merged = Candles(
            starts,
            self.open[firsts],
            np.maximum.reduceat(self.high, firsts),
            np.minimum.reduceat(self.low, firsts),
            self.close[lasts],
            volume,
            bucket=bucket,
            source=self.source,
            ends=clamp_ends(ends, starts),
        )
        merged.widened = self.widened
        return merged


def _find_periods(starts: TimeArray, bucket: CandleLength) -> tuple[TimeArray, TimeArray]:
    """Return start and end of the period of `bucket` that each candle starts in."""
    if isinstance(bucket, str):
        step = MONTHS[bucket]
        months = starts.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) // step * step
        first, following = (count.astype("datetime64[M]").astype("datetime64[us]") for count in (months, months + step))
        return first.astype(np.int64), following.astype(np.int64)
    step = bucket // datetime.timedelta(microseconds=1)
    # Weeks start on Monday; the epoch was a Thursday.
    origin = 4 * 86_400_000_000 if bucket % datetime.timedelta(days=7) == datetime.timedelta(0) else 0
    periods = (starts - origin) // step * step + origin
    return periods, periods + np.int64(step)


def _check_ends(candles: Candles) -> None:
    """Raise `InvalidCandles` for the first row whose end contradicts the starts."""
    starts, ends = candles.starts, candles.ends
    if len(ends) != len(starts):
        raise InvalidCandles(f"{len(ends)} ends for {len(starts)} candles", candles.source)
    bad = (ends <= starts) | np.r_[ends[:-1] > starts[1:], False]
    if bad.any():
        row = int(np.argmax(bad))
        raise InvalidCandles(
            f"the candle of {from_us(int(starts[row]))} ends at {from_us(int(ends[row]))}, "
            "which is before its start or after the start of the next",
            candles.source,
            row + 1,
        )


def _check_rows(candles: Candles, source: str) -> None:
    """Raise `InvalidCandles` for the first row that cannot be a price history."""
    starts = candles.starts
    if not len(starts):
        raise InvalidCandles("no candles", source)
    for name in _PRICE_COLUMNS:
        values: FloatArray = getattr(candles, name)
        if len(values) != len(starts):
            raise InvalidCandles(f"{len(values)} values of {name} for {len(starts)} candles", source)
        _refuse(~np.isfinite(values), values, f"{name} is not a number", source, starts)
        _refuse(values <= 0, values, f"{name} must be positive", source, starts)
    distances = np.diff(starts)
    bad = np.flatnonzero(distances <= 0)
    if len(bad):
        row = int(bad[0]) + 1
        problem = "duplicate time" if distances[row - 1] == 0 else "times go backwards at"
        raise InvalidCandles(f"{problem} {from_us(int(starts[row]))}", source, row + 1)
    _refuse(candles.high < candles.low, candles.high, "high is below low", source, starts)
    if candles.volume is not None:
        if len(candles.volume) != len(starts):
            raise InvalidCandles(f"{len(candles.volume)} values of volume for {len(starts)} candles", source)
        _refuse(~(candles.volume >= 0), candles.volume, "volume is not a number or negative", source, starts)


def _refuse(bad: NDArray[np.bool_], values: FloatArray, problem: str, source: str, starts: TimeArray) -> None:
    if not bad.any():
        return
    row = int(np.argmax(bad))
    raise InvalidCandles(f"{problem} ({values[row]!s}) at {from_us(int(starts[row]))}", source, row + 1)


def view_numbers(array: NDArray[Any]) -> Sequence[Any]:
    """Return a view of an array whose elements are plain Python numbers.

    Indexing it is several times faster than indexing the array, and the data is not copied.
    """
    buffer: Any = array
    return memoryview(buffer)


class CandleCursor:
    """Cursor that finds the candle of a time; for increasing times the cost does not depend on the length of history.

    Attributes
    ----------
    index
        Last candle found, -1 before the first.
    starts, ends, open, high, low, close
        Columns of the candles, with plain Python numbers as elements.
    """

    __slots__ = (
        "asked",
        "candles",
        "close",
        "count",
        "ends",
        "high",
        "index",
        "low",
        "next_end",
        "open",
        "starts",
        "visible",
        "visible_age",
    )

    def __init__(self, candles: Candles):
        self.candles = candles
        self.index = -1
        #: The time that `seek_visible` was asked for last, us, and its answer: a decision reads several indicators.
        self.asked: int | None = None
        self.visible = -1
        #: Time from the end of that candle to `asked`, us; meaningless before the first one.
        self.visible_age = 0
        #: End of the candle after it, us.
        self.next_end = _NEVER
        self.count = len(candles)
        self.starts: Sequence[int] = view_numbers(candles.starts)
        self.ends: Sequence[int] = view_numbers(candles.ends)
        self.open: Sequence[float] = view_numbers(candles.open)
        self.high: Sequence[float] = view_numbers(candles.high)
        self.low: Sequence[float] = view_numbers(candles.low)
        self.close: Sequence[float] = view_numbers(candles.close)

    def seek(self, now: int) -> int:
        """Return the index of the last candle that started at or before `now` (us); -1 when there is none."""
        index = self.index
        starts = self.starts
        following = index + 1
        if index < 0 or starts[index] <= now:
            if following == self.count or starts[following] > now:
                return index
            if following + 1 == self.count or starts[following + 1] > now:
                self.index = following
                return following
        self.index = index = bisect.bisect_right(starts, now) - 1
        return index

    def seek_visible(self, now: int) -> int:
        """Return the index of the last candle that has ended at or before `now` (us); -1 when there is none."""
        if now == self.asked:
            return self.visible
        ends, following = self.ends, self.visible + 2
        end = self.next_end
        if end <= now and (later := ends[following] if following < self.count else _NEVER) > now:
            index = following - 1  # for a time one candle later, as on most bars, the answer is the next candle
        else:
            index = self.seek(now)
            if index >= 0 and ends[index] > now:
                index -= 1
            following = index + 1
            end = ends[index] if index >= 0 else 0
            later = ends[following] if following < self.count else _NEVER
        self.asked, self.visible, self.visible_age, self.next_end = now, index, now - end, later
        return index
