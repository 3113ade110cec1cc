"""When a backtest records the equity besides its decisions.

Figures of risk need the equity at times that do not depend on the strategy: a strategy that decides once a week would
else show a seventh of the days, and a smaller drawdown than one that holds the same and decides every day.
"""

import enum
from collections.abc import Iterable, Sequence

from tradeexecutor.strategy.market_data import CandleCursor

__all__ = ["EquitySampling", "find_sample_times"]

_DAY_US = 86_400 * 1_000_000


class EquitySampling(enum.Enum):
    """How often the equity is recorded besides decisions and fills."""

    #: At each midnight (UTC).
    day = "day"
    #: At each midnight, and whenever a candle of any pair ends.
    candle = "candle"


def find_sample_times(sampling: EquitySampling, cursors: Iterable[CandleCursor], start: int, end: int) -> Sequence[int]:
    """Return when the equity is recorded after `start` and before `end`; all are microseconds since 1970.

    Parameters
    ----------
    cursors
        Candles of all pairs.
    """
    # Asked after each decision, so that what nearly always is empty must not cost an array.
    midnights = range((start // _DAY_US + 1) * _DAY_US, end, _DAY_US)
    if sampling is EquitySampling.day:
        return midnights
    ends = (cursor.candles.ends for cursor in cursors)
    inside = (times[(times > start) & (times < end)] for times in ends)
    return sorted({*midnights, *(moment for times in inside for moment in times.tolist())})
