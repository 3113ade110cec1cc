"""Returns of the recorded equity, adjusted for deposits and redemptions.

Recorded deposits and redemptions do not count as profit: a return is

    r[i] = (value[i] - flow[i]) / value[i - 1] - 1

where `flow[i]` is what came in (+) or went out (-) after sample i - 1, up to sample i. This is the time-weighted
return (CFA Institute, "Global Investment Performance Standards", 2020, section 2.A), with flows at the end of their
period, because the strategy books a deposit and takes the sample in the same cycle. It is exact for a flow of any size
when nothing is traded between the flow and the sample.

Otherwise the new money pays its share `cost[i]` of the costs of that trading:

    r[i] = (value[i] + cost[i] - flow[i]) / value[i - 1] * value[i] / (value[i] + cost[i]) - 1

A backtest is more precise, because it takes a sample just before it books a flow. Both samples have the same time, and
the return between them is that of the whole equity:

    r[i] = value[i] / (value[i - 1] + flow[i]) - 1

All ratios are fractions, 0.05 is 5 %. A year has 365 days.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.equity import EquityCurve
from tradeexecutor.state.types import Percent

__all__ = [
    "calculate_cagr",
    "calculate_returns",
    "calculate_total_return",
    "calculate_years",
]

_YEAR_US = 365 * 86_400 * 1_000_000


def calculate_returns(curve: EquityCurve) -> NDArray[np.float64]:
    """Return the return of each period, one fewer than samples, adjusted for deposits.

    A period without any money has no return and counts as 0.

    >>> curve = EquityCurve(np.array([0, 1, 2]), np.array([100.0, 110.0, 220.0]), np.array([100.0, 0.0, 110.0]))
    >>> calculate_returns(curve).round(6).tolist()
    [0.1, 0.0]
    """
    if len(curve) < 2:
        return np.zeros(0)
    start, end, flows = curve.values[:-1], curve.values[1:], curve.flows[1:]
    traded = end + (0.0 if curve.costs is None else curve.costs[1:])
    # A portfolio has no negative value, so a deposit larger than the value after it came before the loss.
    is_first = (curve.times[1:] == curve.times[:-1]) | (flows > traded)
    invested = np.where(is_first, start + flows, start)
    kept = np.divide(end, traded, out=np.ones_like(end), where=traded > 0)
    left = np.where(is_first, end, (traded - flows) * kept)
    growth = np.divide(left, invested, out=np.ones_like(end), where=(start > 0) & (invested > 0))
    return np.maximum(growth, 0.0) - 1.0


def calculate_total_return(returns: NDArray[np.float64]) -> Percent:
    """Return the compounded return: the product of (1 + r), minus 1.

    >>> round(calculate_total_return(np.array([0.10, -0.10])), 6)
    -0.01
    """
    return float(np.prod(1.0 + returns)) - 1.0


def calculate_years(start: int, end: int) -> float:
    """Return the length between two times, microseconds since 1970, in years of 365 days."""
    return (end - start) / _YEAR_US


def calculate_cagr(total_return: Percent, years: float) -> Percent | None:
    """Return the compound annual growth rate: (1 + total return) ^ (1 / years) - 1.

    Returns
    -------
    float or None
        None if it is undefined: the period has no duration, more than everything was lost, or the period is so short
        that the result exceeds the range of floats.

    >>> round(calculate_cagr(0.21, 2.0), 6)
    0.1
    """
    growth = 1.0 + total_return
    if years <= 0 or growth < 0:
        return None
    if growth == 0:
        return -1.0
    exponent = math.log(growth) / years
    return math.expm1(exponent) if exponent < 700 else None
