"""Small charts of text: a line of blocks for a curve, coloured cells for monthly returns.

Blocks need a terminal that shows Unicode; elsewhere ASCII characters represent the same heights.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.periods import label_periods

__all__ = ["MonthlyReturn", "can_show_blocks", "compound", "group_by_year", "list_monthly_returns", "make_sparkline"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_PLAIN = "_.-=+*%#"


def can_show_blocks(encoding: str | None) -> bool:
    """Return True if an encoding has the block characters.

    >>> can_show_blocks("utf-8"), can_show_blocks("ascii"), can_show_blocks(None)
    (True, False, False)
    """
    try:
        _BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def make_sparkline(
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    width: int,
    *,
    blocks: bool,
    low: float | None = None,
    high: float | None = None,
) -> str:
    """Return a curve as one line of text.

    Parameters
    ----------
    times
        Ascending integers of any unit.
    values
        Same length; NaN is a gap.
    width
        Characters, > 0.
    blocks
        Whether to use Unicode blocks instead of ASCII characters.
    low, high
        Values of the lowest and highest character; None for the minimum and maximum of the curve.

    Returns
    -------
    str
        The latest value at evenly spaced times, the first and the last value included; empty without values.

    >>> make_sparkline(np.arange(8), np.arange(8.0), 8, blocks=True)
    '▁▂▃▄▅▆▇█'
    >>> make_sparkline(np.array([0, 2]), np.array([1.0, 1.0]), 3, blocks=False)
    '==='
    """
    known = np.isfinite(values)
    times, values = times[known], values[known]
    if not len(values):
        return ""
    span = int(times[-1] - times[0])
    moments = times[0] + np.array([span * column // max(width - 1, 1) for column in range(width)])
    moments[-1] = times[-1]
    chosen = values[np.searchsorted(times, moments, side="right") - 1]
    low = float(chosen.min()) if low is None else low
    high = float(chosen.max()) if high is None else high
    levels = _BLOCKS if blocks else _PLAIN
    if not high > low:
        return levels[3] * width
    scaled = np.clip((chosen - low) / (high - low), 0.0, 1.0)
    return "".join(levels[int(level)] for level in np.rint(scaled * (len(levels) - 1)))


@dataclass(frozen=True, slots=True)
class MonthlyReturn:
    """Return of a calendar month, a fraction; the first and last month may be incomplete."""

    year: int
    month: int
    value: float


def list_monthly_returns(start: int, times: NDArray[np.int64], returns: NDArray[np.float64]) -> list[MonthlyReturn]:
    """Compound returns by the calendar month (UTC) in which they were earned.

    Parameters
    ----------
    start, times
        Beginning of the first period, and end of each, microseconds since 1970, ascending.
    returns
        Of each period, fractions.

    Returns
    -------
    list
        Every month from the first to the last; 0 for a month without records.
    """
    if not len(returns):
        return []
    months = label_periods(start, times).astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    first, last = int(months[0]), int(months[-1])
    starts = np.searchsorted(months, np.arange(first, last + 2))
    growth = [float(np.prod(1.0 + returns[a:b])) - 1.0 for a, b in pairwise(starts)]
    return [MonthlyReturn(1970 + number // 12, number % 12 + 1, value) for number, value in enumerate(growth, first)]


def group_by_year(returns: Sequence[MonthlyReturn]) -> dict[int, list[MonthlyReturn]]:
    """Return the months of each year."""
    years: dict[int, list[MonthlyReturn]] = {}
    for item in returns:
        years.setdefault(item.year, []).append(item)
    return years


def compound(returns: Sequence[MonthlyReturn]) -> float:
    """Return the compound return of several months, a fraction.

    >>> round(compound([MonthlyReturn(2024, 1, 0.1), MonthlyReturn(2024, 2, -0.1)]), 6)
    -0.01
    """
    return math.prod(1 + item.value for item in returns) - 1
