"""Returns of the recorded equity, deposits and redemptions taken out.

Deposits and redemptions that the
state recorded are not taken for profit: a return is

    r[i] = (value[i] - flow[i]) / value[i - 1] - 1

where `flow[i]` is what came in (+) or went out (-) after sample i - 1, up to sample i.  This is the time-weighted
return (CFA Institute, "Global Investment Performance Standards", 2020, section 2.A), with flows at the end of their
period, because the strategy books a deposit and takes the sample in the same cycle.  Money that more than doubles the
portfolio counts from the start of the period instead, r[i] = value[i] / (value[i - 1] + flow[i]) - 1: there, what it
cost to put the new money to work outweighs what the old money earned.

All ratios are fractions, 0.05 is 5 %.  A year has 365 days.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.equity import EquityCurve
from tradeexecutor.state.types import Percent

__all__ = [
    "calculate_cagr",
    "calculate_periods_per_year",
    "calculate_returns",
    "calculate_total_return",
    "calculate_years",
]

_YEAR_US = 365 * 86_400 * 1_000_000


def calculate_returns(curve: EquityCurve) -> NDArray[np.float64]:
    """Return the return of each period, one fewer than samples, deposits taken out.

    A period without any money has no return and counts as 0.

    >>> curve = EquityCurve(np.array([0, 1, 2]), np.array([100.0, 110.0, 220.0]), np.array([100.0, 0.0, 110.0]))
    >>> calculate_returns(curve).round(6).tolist()
    [0.1, 0.0]
    """
    if len(curve) < 2:
        return np.zeros(0)
    start, end, flows = curve.values[:-1], curve.values[1:], curve.flows[1:]
    early = np.where(flows > start, flows, 0.0)
    invested = start + early
    growth = np.divide(end - (flows - early), invested, out=np.ones_like(end), where=invested > 0)
    return np.maximum(growth, 0.0) - 1.0


def calculate_total_return(returns: NDArray[np.float64]) -> Percent:
    """Return the compounded return: the product of (1 + r), minus 1.

    >>> round(calculate_total_return(np.array([0.10, -0.10])), 6)
    -0.01
    """
    return float(np.prod(1.0 + returns)) - 1.0


def calculate_years(curve: EquityCurve) -> float:
    """Return the length from the first to the last sample in years of 365 days."""
    return int(curve.times[-1] - curve.times[0]) / _YEAR_US if len(curve) else 0.0


def calculate_periods_per_year(curve: EquityCurve) -> float:
    """Return how many samples there are per year: periods divided by length; 0.0 without a period.

    Measured, not assumed: hourly samples of a market that closes at night are fewer than 8760.  Samples that were
    added between cycles do no harm to ratios annualised with it: of N returns over T years,
    mean / deviation * sqrt(N / T) is close to sum(r) / sqrt(T * sum(r^2)), where N has cancelled out.
    """
    years = calculate_years(curve)
    return (len(curve) - 1) / years if years else 0.0


def calculate_cagr(total_return: Percent, years: float) -> Percent | None:
    """Return the compound annual growth rate: (1 + total return) ^ (1 / years) - 1.

    Returns
    -------
    float or None
        None when nothing can be said: no time passed, more than everything was lost, or the period is so short that the
        figure exceeds what a float holds.

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
