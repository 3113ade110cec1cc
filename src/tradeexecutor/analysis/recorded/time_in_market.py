"""How long a strategy had something in the market."""

import datetime
from collections.abc import Iterable, Sequence

from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.types import Percent

__all__ = ["calculate_exposure", "calculate_time_in_market"]


def calculate_exposure(
    positions: Iterable[TradingPosition], start: datetime.datetime, end: datetime.datetime
) -> Percent | None:
    """Return the fraction of the time from `start` to `end` with at least one open position, lent cash not counted.

    Overlapping positions count once.

    Returns
    -------
    float or None
        0...1; None when `end` is not after `start`.
    """
    if end <= start:
        return None
    spans = sorted(
        (max(position.opened_at, start), min(position.closed_at or end, end))
        for position in positions
        if not position.is_credit_supply() and position.has_executed_trades()
    )
    total = datetime.timedelta(0)
    covered_until = start
    for opened, closed in spans:
        if closed > covered_until:
            total += closed - max(opened, covered_until)
            covered_until = closed
    return total / (end - start)


def calculate_time_in_market(
    sorted_positions: Sequence[TradingPosition], end: datetime.datetime | None, duration: datetime.timedelta | None
) -> Percent:
    """Return the recorded figure for the fraction of time in the market; `calculate_exposure` is the exact one.

    Two habits of the recorded figure are kept: a position is compared only with the one before it, so that more than
    two overlapping ones are counted twice, and nothing after the first open position counts.

    Parameters
    ----------
    sorted_positions
        In the order of opening.
    end, duration
        Of the strategy; 0 is returned where one is missing.
    """
    if end is None or not duration:
        return 0
    total = datetime.timedelta(0)
    previous_end: datetime.datetime | None = None
    for position in sorted_positions:
        position_end = position.closed_at or end
        start = position.opened_at
        if previous_end is not None and start < previous_end:
            start = previous_end
        total += position_end - start
        previous_end = position_end
        if position.closed_at is None:
            break
    return total / duration
