"""Distribution of returns: quantiles of losses, skew, kurtosis. Returns per period are fractions."""

import math

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.state.types import Percent

__all__ = [
    "calculate_conditional_value_at_risk",
    "calculate_kurtosis",
    "calculate_skew",
    "calculate_value_at_risk",
]

#: Deviation per period below which returns are constant except for rounding.
_NO_DEVIATION = 1e-14


def calculate_value_at_risk(returns: NDArray[np.float64], cutoff: float = 0.05) -> Percent | None:
    """Return the return that one period in twenty falls below (historical value at risk), negative for a loss.

    The quantile is interpolated linearly between observations.

    Parameters
    ----------
    cutoff
        Fraction of the periods that are worse.

    Examples
    --------
    >>> round(calculate_value_at_risk(np.arange(-10, 11) / 100), 6)
    -0.09
    """
    return float(np.quantile(returns, cutoff)) if len(returns) else None


def calculate_conditional_value_at_risk(returns: NDArray[np.float64], cutoff: float = 0.05) -> Percent | None:
    """Return the mean of the worst periods (expected shortfall): of those at or below the value at risk.

    At least one observation, the worst, is in the mean.

    >>> round(calculate_conditional_value_at_risk(np.arange(-10, 11) / 100), 6)
    -0.095
    """
    limit = calculate_value_at_risk(returns, cutoff)
    return None if limit is None else float(returns[returns <= limit].mean())


def calculate_skew(returns: NDArray[np.float64]) -> float | None:
    """Return the adjusted Fisher-Pearson coefficient of skewness; negative if losses have the longer tail.

    sqrt(n (n - 1)) / (n - 2) * m3 / m2^1.5. None with fewer than three returns, or when they do not vary.
    """
    n = len(returns)
    deviations = returns - returns.mean() if n else returns
    if n < 3 or not math.sqrt(float(np.square(deviations).mean())) > _NO_DEVIATION:
        return None
    m2, m3 = float(np.power(deviations, 2).mean()), float(np.power(deviations, 3).mean())
    return math.sqrt(n * (n - 1)) / (n - 2) * m3 / m2**1.5


def calculate_kurtosis(returns: NDArray[np.float64]) -> float | None:
    """Return the excess kurtosis, 0 for a normal distribution, with the correction for small samples.

    (n - 1) / ((n - 2) (n - 3)) * ((n + 1) (m4 / m2^2 - 3) + 6). None with fewer than four returns, or when they do not
    vary.
    """
    n = len(returns)
    deviations = returns - returns.mean() if n else returns
    if n < 4 or not math.sqrt(float(np.square(deviations).mean())) > _NO_DEVIATION:
        return None
    m2, m4 = float(np.power(deviations, 2).mean()), float(np.power(deviations, 4).mean())
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (m4 / m2**2 - 3) + 6)
