"""Ratios of return and risk: Sharpe, Sortino, Calmar, Omega, and volatility.

They use the returns per period of :mod:`tradeexecutor.analysis.adjusted.returns`, fractions. The same ratios with the
definitions of recorded files are in :mod:`tradeexecutor.analysis.recorded.ratios`.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.state.types import Percent

__all__ = [
    "calculate_calmar",
    "calculate_omega",
    "calculate_sharpe",
    "calculate_sortino",
    "calculate_volatility",
]

#: Deviation per period below which returns are constant except for rounding.
_NO_DEVIATION = 1e-14


def calculate_sharpe(returns: NDArray[np.float64], periods_per_year: float) -> float | None:
    """Return the annualised Sharpe ratio with a risk-free rate of 0.

    mean(r) / deviation(r) * sqrt(periods per year), with the sample deviation, which divides by n - 1
    (W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management, 1994).

    Returns
    -------
    float or None
        None with fewer than two returns or when they do not vary.
    """
    if len(returns) < 2:
        return None
    deviation = float(returns.std(ddof=1))
    if not deviation > _NO_DEVIATION:
        return None
    return float(returns.mean()) / deviation * math.sqrt(periods_per_year)


def calculate_sortino(returns: NDArray[np.float64], periods_per_year: float) -> float | None:
    """Return the annualised Sortino ratio with a minimum acceptable return of 0.

    mean(r) / sqrt(sum of squared negative r / number of all r) * sqrt(periods per year)
    (Sortino and Price, "Performance Measurement in a Downside Risk Framework", Journal of Investing, 1994).

    Returns
    -------
    float or None
        None with fewer than two returns or without a loss.

    >>> round(calculate_sortino(np.array([0.03, -0.01]), 8.0), 6)
    4.0
    """
    if len(returns) < 2:
        return None
    downside = math.sqrt(float(np.square(np.minimum(returns, 0.0)).mean()))
    if not downside > _NO_DEVIATION:
        return None
    return float(returns.mean()) / downside * math.sqrt(periods_per_year)


def calculate_volatility(returns: NDArray[np.float64], periods_per_year: float) -> Percent | None:
    """Return the annualised sample deviation, deviation(r) * sqrt(periods per year); None with fewer than two."""
    return float(returns.std(ddof=1)) * math.sqrt(periods_per_year) if len(returns) > 1 else None


def calculate_calmar(cagr: Percent | None, max_drawdown: Percent | None) -> float | None:
    """Return the yearly return divided by the maximum drawdown, >= 0 (T. W. Young, "Calmar Ratio", Futures, 1991).

    None without a yearly return or a drawdown.

    >>> calculate_calmar(0.5, -0.25)
    2.0
    """
    if cagr is None or not max_drawdown:
        return None
    return cagr / -max_drawdown


def calculate_omega(returns: NDArray[np.float64]) -> float | None:
    """Return the sum of gains divided by the sum of losses (Keating and Shadwick, 2002; threshold 0).

    None without a loss.

    >>> round(calculate_omega(np.array([0.03, -0.01, 0.01])), 6)
    4.0
    """
    lost = -float(returns[returns < 0].sum())
    return float(returns[returns > 0].sum()) / lost if lost > 0 else None
