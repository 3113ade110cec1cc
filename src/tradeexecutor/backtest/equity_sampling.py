"""When a backtest records the equity in addition to its decisions.

Risk figures need the equity at times that do not depend on the strategy. Otherwise a strategy with weekly decisions
would show a seventh of the days, and a smaller drawdown than a strategy with the same positions and daily decisions.
"""

import enum
from collections.abc import Iterable, Sequence

from tradeexecutor.strategy.market_data import CandleCursor

__all__ = ["DAY_US", "EquitySampling", "find_sample_times"]

#: Microseconds of a day.
DAY_US = 86_400 * 1_000_000


class EquitySampling(enum.Enum):
    """How often the equity is recorded in addition to decisions and fills."""

    #: At no other time.
    decision = "decision"
    #: At each midnight (UTC).
    day = "day"
    #: At each midnight, and at the end of each candle of any pair.
    candle = "candle"


def find_sample_times(sampling: EquitySampling, cursors: Iterable[CandleCursor], start: int, end: int) -> Sequence[int]:
    """Return the sample times after `start` and before `end`; all are microseconds since 1970.

    Parameters
    ----------
    cursors
        Candles of all pairs.
    """
    # Called after each decision: the result is usually empty, so no array is made.
    if sampling is EquitySampling.decision:
        return ()
    midnights = range((start // DAY_US + 1) * DAY_US, end, DAY_US)
    if sampling is EquitySampling.day:
        return midnights
    ends = (cursor.candles.ends for cursor in cursors)
    inside = (times[(times > start) & (times < end)] for times in ends)
    return sorted({*midnights, *(moment for times in inside for moment in times.tolist())})
