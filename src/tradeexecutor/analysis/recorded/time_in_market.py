"""Time in market with the definition of recorded figures."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tradeexecutor.analysis.position_figures import PositionFigures
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.types import Percent

__all__ = ["MarketTime", "calculate_time_in_market"]

_NOTHING = datetime.timedelta(0)


@dataclass(slots=True)
class MarketTime:
    """Time in the market of positions in the order in which they were entered.

    An entry that waited counts from its first fill. Two properties of the recorded figure are kept: a position is
    compared only with the previous one, so that time with more than two overlapping positions counts twice, and time
    after the first open position does not count.

    Attributes
    ----------
    is_volatile
        Whether lending positions are left out.
    """

    is_volatile: bool = False
    total: datetime.timedelta = _NOTHING
    _previous_end: datetime.datetime | None = None
    #: When the first open position begins to count.
    _open_since: datetime.datetime | None = None

    def add(self, position: PositionFigures) -> None:
        """Add the next position."""
        if not (self.is_volatile and position.is_credit):
            self.add_span(position.entered_at, position.closed_at)

    def add_span(self, start: datetime.datetime, end: datetime.datetime | None) -> None:
        """Add the next position by its time of entry and of closing."""
        if self._open_since is not None:
            return
        if self._previous_end is not None and start < self._previous_end:
            start = self._previous_end
        if end is None:
            self._open_since = start
        else:
            self.total += end - start
            self._previous_end = end

    def copy(self) -> "MarketTime":
        """Return an independent copy."""
        return replace(self)

    def get_fraction(self, end: datetime.datetime | None, duration: datetime.timedelta | None) -> Percent:
        """Return the time in the market as a fraction of the duration of the strategy until `end`.

        0 where one of them is missing.
        """
        if end is None or not duration:
            return 0
        last = _NOTHING if self._open_since is None else end - self._open_since
        return (self.total + last) / duration


def calculate_time_in_market(
    sorted_positions: Sequence[TradingPosition], end: datetime.datetime | None, duration: datetime.timedelta | None
) -> Percent:
    """Return the recorded figure for the fraction of time in the market, see `MarketTime`.

    `tradeexecutor.analysis.adjusted.exposure` has the exact one.

    Parameters
    ----------
    sorted_positions
        In the order in which they were entered.
    end, duration
        Of the strategy; 0 is returned where one is missing.
    """
    time = MarketTime()
    for position in sorted_positions:
        time.add_span(position.get_entered_at(), position.closed_at)
    return time.get_fraction(end, duration)
