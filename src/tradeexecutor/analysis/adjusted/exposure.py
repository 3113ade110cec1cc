"""Exposure: the share of time with an open position."""

import datetime
from collections.abc import Iterable

from tradeexecutor.analysis.position_figures import measure_plain
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
    spans: list[tuple[datetime.datetime, datetime.datetime]] = []
    for position in positions:
        figures = measure_plain(position)
        if figures is None and (position.is_credit_supply() or not position.has_executed_trades()):
            continue
        entered_at = position.get_entered_at() if figures is None else figures.entered_at
        spans.append((max(entered_at, start), min(position.closed_at or end, end)))
    spans.sort()
    total = datetime.timedelta(0)
    covered_until = start
    for opened, closed in spans:
        if closed > covered_until:
            total += closed - max(opened, covered_until)
            covered_until = closed
    return total / (end - start)
