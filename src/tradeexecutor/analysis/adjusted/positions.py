"""Figures of the results of positions, USD."""

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.state.types import USDollarAmount

__all__ = ["calculate_profit_factor"]


def calculate_profit_factor(profits: NDArray[np.float64]) -> float | None:
    """Return what the winners won divided by what the losers lost; None without a loser.

    Parameters
    ----------
    profits
        USD per closed position.

    >>> calculate_profit_factor(np.array([300.0, -100.0, 50.0]))
    3.5
    """
    lost: USDollarAmount = -float(profits[profits < 0].sum())
    return float(profits[profits > 0].sum()) / lost if lost else None
