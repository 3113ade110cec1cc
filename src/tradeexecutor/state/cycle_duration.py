"""Durations of decision cycles and candles, and the grid of time to which both are aligned."""

import datetime
import enum
from typing import TYPE_CHECKING, Any

from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.errors import InvalidValue, NotAvailable
from tradeexecutor.state.types import MirroredEnum, StateEnum

if TYPE_CHECKING:
    import pandas as pd

_UNITS = {
    "s": datetime.timedelta(seconds=1),
    "m": datetime.timedelta(minutes=1),
    "h": datetime.timedelta(hours=1),
    "d": datetime.timedelta(days=1),
}
_ZERO = datetime.timedelta(0)
_YEAR = datetime.timedelta(days=365)

#: Origin of the grid: a Monday, so that weeks start on Mondays.
_ORIGIN = datetime.datetime(1, 1, 1)


def _parse(text: str) -> datetime.timedelta:
    return int(text[:-1]) * _UNITS[text[-1]]


class TimeBucket(MirroredEnum):
    """Length of a candle."""

    m1 = "1m"
    m5 = "5m"
    m15 = "15m"
    h1 = "1h"
    h4 = "4h"
    h8 = "8h"
    d1 = "1d"
    d7 = "7d"
    d30 = "30d"
    d360 = "360d"
    d365 = "365d"
    infinite = "infinite"
    not_applicable = "not_applicable"

    def to_timedelta(self) -> datetime.timedelta:
        """Return the length; raises `NotAvailable` for the two members without a length."""
        if self is TimeBucket.infinite or self is TimeBucket.not_applicable or not self.is_known:
            raise NotAvailable(f"time bucket {self.value} has no length")
        return _parse(self.value)

    def to_pandas_timedelta(self) -> "pd.Timedelta":
        """Return the length as a pandas type."""
        import pandas as pd

        return pd.Timedelta(self.to_timedelta())


class CycleDuration(StateEnum):
    """Time between two decisions of a strategy."""

    cycle_1s = "1s"
    cycle_1m = "1m"
    cycle_5m = "5m"
    cycle_15m = "15m"
    cycle_30m = "30m"
    cycle_1h = "1h"
    cycle_2h = "2h"
    cycle_4h = "4h"
    cycle_6h = "6h"
    cycle_8h = "8h"
    cycle_10h = "10h"
    cycle_12h = "12h"
    cycle_16h = "16h"
    cycle_1d = "1d"
    cycle_2d = "2d"
    cycle_3d = "3d"
    cycle_4d = "4d"
    cycle_7d = "7d"
    cycle_10d = "10d"
    cycle_14d = "14d"
    cycle_30d = "30d"
    #: For tests: the cycles move through all hours of the day.
    cycle_97h = "97h"
    #: The caller decides when a cycle starts.
    cycle_unknown = "unknown"

    s1 = "1s"
    m1 = "1m"
    m15 = "15m"
    h1 = "1h"
    h4 = "4h"
    d1 = "1d"
    d7 = "7d"
    unknown = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if isinstance(value, enum.Enum) and type(value).__name__ == "TimeBucket":  # ours, or the data client's
            return cls(value.value)
        return super()._missing_(value)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, CycleDuration):
            return NotImplemented
        return self.to_timedelta() < other.to_timedelta()

    def __le__(self, other: object) -> bool:
        if not isinstance(other, CycleDuration):
            return NotImplemented
        return self.to_timedelta() <= other.to_timedelta()

    def __gt__(self, other: object) -> bool:
        if not isinstance(other, CycleDuration):
            return NotImplemented
        return self.to_timedelta() > other.to_timedelta()

    def __ge__(self, other: object) -> bool:
        if not isinstance(other, CycleDuration):
            return NotImplemented
        return self.to_timedelta() >= other.to_timedelta()

    def to_timedelta(self) -> datetime.timedelta:
        """Return the time between two cycles; zero when unknown."""
        if self is CycleDuration.cycle_unknown or not self.is_known:
            return _ZERO
        return _parse(self.value)

    def to_pandas_timedelta(self) -> "pd.Timedelta":
        """Return the time between two cycles as a pandas type."""
        import pandas as pd

        return pd.Timedelta(self.to_timedelta())

    def to_timebucket(self) -> TimeBucket:
        """Return the candle length that is equal to the cycle; raises `NotAvailable` when there is none."""
        try:
            return TimeBucket(self.value)
        except ValueError:
            raise NotAvailable(f"no candles last {self.value}") from None

    @staticmethod
    def from_timebucket(bucket: TimeBucket) -> "CycleDuration":
        """Return the cycle that is equal to the candle length; raises `NotAvailable` when there is none."""
        try:
            return CycleDuration(bucket.value)
        except ValueError:
            raise NotAvailable(f"no cycle lasts {bucket.value}") from None

    def get_yearly_periods(self) -> float:
        """Return the number of cycles in a year of 365 days; raises `NotAvailable` if the duration is unknown."""
        duration = self.to_timedelta()
        if not duration:
            raise NotAvailable("the cycle duration is unknown")
        return _YEAR / duration

    def get_timing_offset(self) -> datetime.timedelta:
        """Return the offset of the cycles from the grid, which is zero."""
        return _ZERO

    def round_down(self, ts: datetime.datetime) -> datetime.datetime:
        """Return the start of the cycle that contains `ts`."""
        return snap_to_previous_tick(ts, self)


def _floor(ts: datetime.datetime, step: datetime.timedelta) -> datetime.datetime:
    # The grid of an aware time is that of the local time in its zone.
    zone = getattr(ts, "tzinfo", None)
    require_naive_utc(ts.replace(tzinfo=None) if zone is not None else ts, "time", InvalidValue)
    ts = datetime.datetime(ts.year, ts.month, ts.day, ts.hour, ts.minute, ts.second, ts.microsecond)
    return (ts - (ts - _ORIGIN) % step).replace(tzinfo=zone)


def snap_to_next_tick(
    ts: datetime.datetime, duration: CycleDuration, offset: datetime.timedelta = _ZERO
) -> datetime.datetime:
    """Return the next tick of the grid plus `offset`, in the time zone of `ts`.

    >>> snap_to_next_tick(datetime.datetime(2024, 5, 1, 13, 5), CycleDuration.cycle_4h)
    datetime.datetime(2024, 5, 1, 16, 0)
    """
    step = duration.to_timedelta()
    if not step:
        return ts
    floor = _floor(ts, step)
    return (floor if floor == ts else floor + step) + offset


def snap_to_previous_tick(
    ts: datetime.datetime, duration: CycleDuration, offset: datetime.timedelta = _ZERO
) -> datetime.datetime:
    """Return the previous tick of the grid plus `offset`, in the zone of `ts`; a time on the grid is itself the tick.

    >>> snap_to_previous_tick(datetime.datetime(2024, 5, 1, 13, 5), CycleDuration.cycle_7d)
    datetime.datetime(2024, 4, 29, 0, 0)
    """
    step = duration.to_timedelta()
    if not step:
        return ts
    floor = _floor(ts, step)
    return ts if floor == ts else floor + offset
