"""Log of the times at which the strategy completed its work."""

import datetime
import logging
from dataclasses import dataclass, field
from typing import Any, Protocol

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.codec import TextKeeper
from tradeexecutor.state.codec.kept_groups import KEEP_TEXTS
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.other_data import OtherData
from tradeexecutor.state.types import EPOCH, UTCDatetime, new_dict, new_list

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Uptime(TextKeeper):
    """Log of completed work, with the time of the clock even in backtests."""

    #: No longer filled.
    uptime_checks: list[UTCDatetime] = field(default_factory=new_list)
    #: Cycle number -> time of completion.
    cycles_completed_at: dict[int, UTCDatetime] = field(default_factory=new_dict, metadata=KEEP_TEXTS)
    #: Number of refreshes of the statistics between cycles.
    stats_refresh_completed: int = 0
    #: Number of times that vault settlements were resolved after a revaluation.
    post_valuation_settlements_completed: int = 0

    def record_cycle_complete(self, cycle_number: int, now_: datetime.datetime | None = None) -> None:
        """Record the end of a cycle; a repeated number replaces the earlier time.

        Parameters
        ----------
        now_
            Naive UTC; the present time by default.

        Raises
        ------
        InvalidValue
            The number is not an int.
        """
        if type(cycle_number) is not int:
            raise InvalidValue(f"cycle number must be exactly an int, got {cycle_number!r}")
        if cycle_number in self.cycles_completed_at:
            logger.warning("Cycle %d was already completed at %s", cycle_number, self.cycles_completed_at[cycle_number])
        self.cycles_completed_at[cycle_number] = now_ or utc_now()

    def record_stats_refresh_complete(self) -> None:
        """Count a refresh of the statistics."""
        self.stats_refresh_completed += 1

    def record_post_valuation_settlement_complete(self) -> None:
        """Count a resolution of vault settlements."""
        self.post_valuation_settlements_completed += 1


class HasUptime(Protocol):
    """Attributes of a state that `load_latest_live_cycle_end` reads."""

    @property
    def other_data(self) -> OtherData | None: ...  # noqa: D102

    @property
    def uptime(self) -> Uptime: ...  # noqa: D102


def load_latest_live_cycle_end(state: HasUptime) -> datetime.datetime | None:
    """Return the end of the latest decision cycle, after which a restarted live strategy schedules the next one.

    This is the end that the latest cycle has recorded in `State.other_data` (`State.record_cycle_end` with ``live``),
    or else the latest time in `Uptime.cycles_completed_at`; None when no cycle has ended yet.

    Raises
    ------
    InvalidValue
        The recorded value is not a time.
    """
    recorded = None if state.other_data is None else state.other_data.load_latest("decision_cycle_ended_at")
    if recorded is None and state.uptime.cycles_completed_at:
        recorded = state.uptime.cycles_completed_at[max(state.uptime.cycles_completed_at)]
    return None if recorded is None else _to_datetime(recorded)


def _to_datetime(value: Any) -> datetime.datetime:
    """Return a recorded time, which may be epoch seconds or ISO text, as naive UTC."""
    try:
        if isinstance(value, str):
            value = datetime.datetime.fromisoformat(value)
        elif type(value) in (int, float):
            value = EPOCH + datetime.timedelta(seconds=value)
    except (ValueError, OverflowError):
        pass
    if not isinstance(value, datetime.datetime):
        raise InvalidValue(f"the recorded end of a cycle is no time: {value!r}")
    return value if value.tzinfo is None else value.astimezone(datetime.UTC).replace(tzinfo=None)
