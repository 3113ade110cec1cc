"""Drawdown: how far the wealth was below its highest point so far.  Deposits are taken out of the returns before."""

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.state.types import Percent

__all__ = ["calculate_drawdowns", "calculate_max_drawdown", "calculate_max_runup"]


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
