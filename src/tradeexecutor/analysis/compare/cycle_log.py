"""Which decision cycles a run completed, and which of them lacked market data."""

import datetime
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from tradeexecutor.state.late_candles import list_late_pairs
from tradeexecutor.state.state import State

__all__ = ["CycleLog", "read_cycle_log"]


@dataclass(frozen=True, slots=True)
class CycleLog:
    """The cycles of one run.

    Attributes
    ----------
    completed
        When they were completed, in order; the time of the tick in a backtest, of the clock in live trading.
    late
        Tickers without a new candle, for each cycle.
    span
        First and last recorded time; None without records.
    """

    completed: Sequence[datetime.datetime]
    late: Sequence[frozenset[str]]
    span: tuple[datetime.datetime, datetime.datetime] | None

    def find(self, at: datetime.datetime) -> int | None:
        """Return the index of the cycle that decided at a time: the first one that was completed since."""
        index = bisect_left(self.completed, at)
        return index if index < len(self.completed) else None

    def get_length(self, at: datetime.datetime) -> datetime.timedelta | None:
        """Return the time from the cycle that decided at a time to the next one; None if there are no two cycles."""
        index = bisect_left(self.completed, at)
        if len(self.completed) < 2:
            return None
        index = min(index, len(self.completed) - 2)
        return self.completed[index + 1] - self.completed[index]

    def has_decided(self, at: datetime.datetime, within: datetime.timedelta, tolerance: datetime.timedelta) -> bool:
        """Return True if a cycle was completed at a time, up to the tolerance before it, or within a time after it.

        A run that records no cycles may have decided at any time.
        """
        if not self.completed:
            return True
        index = bisect_left(self.completed, at - tolerance)
        return index < len(self.completed) and self.completed[index] < at + within

    def is_late(self, at: datetime.datetime, ticker: str) -> bool:
        """Return True if the cycle that decided at a time had no new candle of a pair."""
        index = self.find(at)
        return index is not None and ticker in self.late[index]

    def is_outside(self, at: datetime.datetime, tolerance: datetime.timedelta) -> bool:
        """Return True if a time is before the first record or after the last one."""
        return self.span is not None and not self.span[0] - tolerance <= at <= self.span[1] + tolerance


def read_cycle_log(state: State) -> CycleLog:
    """Return the cycles of a state."""
    cycles = sorted((when, number) for number, when in state.uptime.cycles_completed_at.items())
    samples = [sample.calculated_at for sample in state.stats.portfolio]
    times = [*samples, *(when for when, _ in cycles)]
    return CycleLog(
        completed=[when for when, _ in cycles],
        late=[frozenset(list_late_pairs(state, number)) for _, number in cycles],
        span=(min(times), max(times)) if times else None,
    )
