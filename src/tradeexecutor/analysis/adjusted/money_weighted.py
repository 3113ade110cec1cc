"""The money-weighted return: the return of the investors' money, weighted by the size of deposits."""

import math

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.equity import EquityCurve
from tradeexecutor.analysis.adjusted.returns import calculate_years
from tradeexecutor.state.types import Percent, USDollarAmount

__all__ = ["calculate_money_weighted_return"]

#: Range in which the growth of the whole period is searched, as a factor.
_LOW, _HIGH = 1e-12, 1e12


def calculate_money_weighted_return(curve: EquityCurve, initial: USDollarAmount | None = None) -> Percent | None:
    """Return the internal rate of return of the whole period, a fraction, not annualised.

    It is the constant return per unit of time at which the initial equity and all later flows, each with growth from
    its time to the end, add up to the final equity (CFA Institute, "Global Investment Performance Standards", 2020,
    section 2.A). It measures the result of the investors; the time-weighted return measures that of the strategy.

    Parameters
    ----------
    curve
        Recorded equity and flows.
    initial
        Equity at the first sample, before its trades; None for the value of the first sample with any money.

    Returns
    -------
    float or None
        None without two samples, without time or money, and where no rate solves the equation.

    >>> import datetime
    >>> year = 365 * 86_400 * 1_000_000
    >>> curve = EquityCurve(np.array([0, year]), np.array([100.0, 121.0]), np.array([100.0, 0.0]))
    >>> round(calculate_money_weighted_return(curve), 6)
    0.21
    """
    first = int(np.argmax(curve.values > 0)) if len(curve) else 0
    if len(curve) - first < 2 or not curve.values[first] > 0:
        return None
    length = calculate_years(int(curve.times[first]), int(curve.times[-1]))
    if length <= 0:
        return None
    amounts: NDArray[np.float64] = np.concatenate(([initial or curve.values[first]], curve.flows[first + 1 :]))
    # Fraction of the period for which each amount was invested.
    shares: NDArray[np.float64] = (curve.times[-1] - curve.times[first:]) / (curve.times[-1] - curve.times[first])
    if not amounts[1:].any():  # nearly always: no later flows
        amounts, shares = amounts[:1], shares[:1]
    final = float(curve.values[-1])

    def surplus(log_growth: float) -> float:
        return float((amounts * np.exp(shares * log_growth)).sum()) - final

    low, high = math.log(_LOW), math.log(_HIGH)
    if not surplus(low) <= 0 <= surplus(high):
        return None
    # Bisection, because the sum need not be monotonic with large redemptions, and a bracket is always kept.
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):  # no float is between them
            break
        low, high = (middle, high) if surplus(middle) <= 0 else (low, middle)
    return math.expm1((low + high) / 2)
