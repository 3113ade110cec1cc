"""Drawdown: the distance of the wealth below its previous high, from returns that are adjusted for deposits."""

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.times import from_us
from tradeexecutor.state.types import Percent

__all__ = [
    "Drawdown",
    "calculate_drawdowns",
    "calculate_max_drawdown",
    "calculate_max_runup",
    "calculate_ulcer_index",
    "find_longest_drawdown",
    "find_worst_drawdowns",
]


@dataclass(frozen=True, slots=True)
class Drawdown:
    """One fall from a high, until the high is reached again.

    Attributes
    ----------
    depth
        How far the wealth fell, a fraction < 0.
    started_at
        Time of the high, naive UTC.
    lowest_at
        Time of the lowest point.
    recovered_at
        Time at which the high was reached again; None if it was not.
    """

    depth: Percent
    started_at: datetime.datetime
    lowest_at: datetime.datetime
    recovered_at: datetime.datetime | None


def calculate_drawdowns(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, after each period, how far the wealth is below its highest point so far; 0 at a new high.

    The starting wealth is a point of its own, so that a loss in the very first period counts.
    """
    wealth = np.concatenate(([1.0], np.cumprod(1.0 + returns)))
    return (wealth / np.maximum.accumulate(wealth) - 1.0)[1:]


def calculate_max_drawdown(returns: NDArray[np.float64]) -> Percent:
    """Return the deepest fall from a high, a fraction <= 0 (Magdon-Ismail and Atiya, "Maximum drawdown", 2004).

    >>> round(calculate_max_drawdown(np.array([-0.1, 0.5, -0.2, 0.1])), 6)
    -0.2
    """
    return float(calculate_drawdowns(returns).min(initial=0.0))


def calculate_max_runup(returns: NDArray[np.float64]) -> Percent:
    """Return the highest rise from a low, a fraction >= 0; the starting wealth is a point of its own.

    >>> round(calculate_max_runup(np.array([-0.1, 0.5, -0.2])), 6)
    0.5
    """
    wealth = np.concatenate(([1.0], np.cumprod(1.0 + returns)))
    lows = np.minimum.accumulate(wealth)
    return float(np.divide(wealth, lows, out=np.ones_like(wealth), where=lows > 0).max()) - 1.0


def calculate_ulcer_index(returns: NDArray[np.float64]) -> Percent:
    """Return the square root of the mean squared drawdown, a fraction >= 0 (P. Martin, "Ulcer Index", 1987).

    >>> round(calculate_ulcer_index(np.array([0.1, -0.1, 0.0])), 6)
    0.08165
    """
    drawdowns = calculate_drawdowns(returns)
    return float(np.sqrt(np.square(drawdowns).mean())) if len(drawdowns) else 0.0


def find_worst_drawdowns(times: NDArray[np.int64], returns: NDArray[np.float64], count: int = 10) -> list[Drawdown]:
    """Return the deepest falls, the deepest first; of equally deep ones the earliest.

    Parameters
    ----------
    times
        End of each period, microseconds since 1970; the first return is of the entry and begins where it ends.
    returns
        Return of each period, fractions, see `Observations.path`.
    count
        Largest number of drawdowns.
    """
    drawdowns = np.concatenate(([0.0], calculate_drawdowns(returns)))
    moments = np.concatenate((times[:1], times))
    below = np.concatenate(([False], drawdowns[1:] < 0, [False]))
    edges = np.flatnonzero(below[1:] != below[:-1])
    found: list[Drawdown] = []
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        # `first` is the high before the fall, `last` the last point below it.
        lowest = first + 1 + int(np.argmin(drawdowns[first + 1 : last + 1]))
        recovered = from_us(int(moments[last + 1])) if last + 1 < len(moments) else None
        depth = float(drawdowns[lowest])
        found.append(Drawdown(depth, from_us(int(moments[first])), from_us(int(moments[lowest])), recovered))
    return sorted(found, key=lambda drawdown: drawdown.depth)[:count]


def find_longest_drawdown(times: NDArray[np.int64], returns: NDArray[np.float64]) -> datetime.timedelta:
    """Return the longest time from a high until it was reached again or the end; see `find_worst_drawdowns`."""
    end = from_us(int(times[-1])) if len(times) else None
    spells = [
        (drawdown.recovered_at or end) - drawdown.started_at
        for drawdown in find_worst_drawdowns(times, returns, len(returns))
        if end is not None
    ]
    return max(spells, default=datetime.timedelta(0))
