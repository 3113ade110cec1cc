"""When a live strategy decides.

================================  ====================================================================================
trigger                           when
================================  ====================================================================================
``cycle_offset``                  at every tick of the cycle, plus an offset
``since_last_cycle_end``          one cycle after the end of the latest decision; the first time at once
``trading_pair_data_availability``  at every tick of the cycle, as soon as every pair has the candles up to it
================================  ====================================================================================

Ticks are the multiples of the cycle; the tick of ``since_last_cycle_end`` is the time at which the decision is due. No
tick has two decisions, and a missed tick is not repeated.
"""

import datetime
import enum
from dataclasses import dataclass

from tradeexecutor.state.cycle_duration import CycleDuration, snap_to_next_tick, snap_to_previous_tick
from tradeexecutor.strategy.candle_length import get_typical_length
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["DATA_POLL", "LONGEST_DATA_WAIT", "CycleTrigger", "DecisionSchedule", "find_missing_candles"]

#: Time between two looks for new candles.
DATA_POLL = datetime.timedelta(seconds=10)

#: After this time the decision of a tick is given up, when its candles have not come.
LONGEST_DATA_WAIT = datetime.timedelta(minutes=30)


class CycleTrigger(enum.StrEnum):
    """What starts a decision."""

    cycle_offset = "cycle_offset"
    since_last_cycle_end = "since_last_cycle_end"
    trading_pair_data_availability = "trading_pair_data_availability"


@dataclass(slots=True)
class DecisionSchedule:
    """Says when the next decision is due, and which tick it belongs to.

    Attributes
    ----------
    cycle, offset, trigger
        See `LiveSettings`; the offset counts only for `CycleTrigger.cycle_offset`.
    last_tick
        Tick of the latest decision, also of an earlier process; None before the first.
    last_end
        End of the latest decision; None before the first.
    """

    cycle: CycleDuration
    offset: datetime.timedelta = datetime.timedelta(0)
    trigger: CycleTrigger = CycleTrigger.cycle_offset
    last_tick: datetime.datetime | None = None
    last_end: datetime.datetime | None = None

    def __post_init__(self) -> None:
        if self.trigger is not CycleTrigger.cycle_offset:
            self.offset = datetime.timedelta(0)

    @property
    def _due(self) -> datetime.datetime | None:
        """When a decision of `CycleTrigger.since_last_cycle_end` is due; None for at once."""
        return None if self.last_end is None else self.last_end + self.cycle.to_timedelta()

    def find_next(self, now: datetime.datetime) -> datetime.datetime:
        """Return the time of the next decision, the first one that was not made yet."""
        if self.trigger is CycleTrigger.since_last_cycle_end:
            return self._due or now
        tick = snap_to_next_tick(now - self.offset, self.cycle)
        if self.last_tick is not None and tick <= self.last_tick:
            tick = snap_to_previous_tick(self.last_tick, self.cycle) + self.cycle.to_timedelta()
        return tick + self.offset

    def get_tick(self, now: datetime.datetime) -> datetime.datetime:
        """Return the tick of a decision that is made now."""
        if self.trigger is not CycleTrigger.since_last_cycle_end:
            return snap_to_previous_tick(now - self.offset, self.cycle)
        due = self._due
        # The prices of a time that is long past do not count; neither does a time that has not come.
        is_recent = due is not None and due <= now < due + self.cycle.to_timedelta()
        return (due if due is not None and is_recent else now).replace(microsecond=0)

    def is_undecided(self, now: datetime.datetime) -> bool:
        """Return True if neither this nor an earlier process made the decision that belongs to a time."""
        return self.last_tick is None or self.get_tick(now) > self.last_tick


def find_missing_candles(universe: TradingStrategyUniverse, tick: datetime.datetime) -> str | None:
    """Return the ticker of a pair whose candles do not reach up to a tick; None when those of all pairs do."""
    for pair in universe.pairs:
        candles = universe.get_candles(pair)
        if candles.last_end_at + get_typical_length(candles.bucket) <= tick:
            return pair.get_ticker()
    return None
