"""Time in market with the definition of recorded figures."""

import datetime
from collections.abc import Sequence

from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.types import Percent

__all__ = ["calculate_time_in_market"]


def calculate_time_in_market(
    sorted_positions: Sequence[TradingPosition], end: datetime.datetime | None, duration: datetime.timedelta | None
) -> Percent:
    """Return the recorded figure for the fraction of time in the market.

    `tradeexecutor.analysis.adjusted.exposure` has the exact one.

    An entry that waited counts from its first fill. Two properties of the recorded figure are kept: a position is
    compared only with the previous one, so that time with more than two overlapping positions counts twice, and time
    after the first open position does not count.

    Parameters
    ----------
    sorted_positions
        In the order in which they were entered.
    end, duration
        Of the strategy; 0 is returned where one is missing.
    """
    if end is None or not duration:
        return 0
    total = datetime.timedelta(0)
    previous_end: datetime.datetime | None = None
    for position in sorted_positions:
        position_end = position.closed_at or end
        start = position.get_entered_at()
        if previous_end is not None and start < previous_end:
            start = previous_end
        total += position_end - start
        previous_end = position_end
        if position.closed_at is None:
            break
    return total / duration
