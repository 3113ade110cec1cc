"""Exposure: the share of time with an open position."""

import datetime
from collections.abc import Iterable

from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.types import Percent

__all__ = ["calculate_exposure"]


def calculate_exposure(
    positions: Iterable[TradingPosition], start: datetime.datetime, end: datetime.datetime
) -> Percent | None:
    """Return the fraction of the time from `start` to `end` with at least one open position, lent cash not counted.

    Overlapping positions count once. A position with a resting entry counts from its fill.

    Returns
    -------
    float or None
        0...1; None when `end` is not after `start`.
    """
    if end <= start:
        return None
    spans = sorted(
        (max(position.get_entered_at(), start), min(position.closed_at or end, end))
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
