"""Ratios of a series of returns, with the definitions of recorded figures.

The formulas are those of quantstats 0.0.62, which existing dashboards show. Two properties are misleading:

- each function guesses from the range of the numbers whether its argument has returns or prices, see `prepare_returns`
  and `prepare_prices`;
- a loss in the first period is not a drawdown, because the starting wealth is not a point of the series.

:mod:`tradeexecutor.analysis.adjusted` has the same ratios without them, adjusted for deposits.

All functions take a ``pandas.Series`` of returns per period (fractions, 0.05 is 5 %) indexed by time, and are linear in
its length. Divisions by zero give NaN or infinity, like the recorded figures.
"""

import datetime
from typing import cast

import numpy as np
import pandas as pd

from tradeexecutor.state.types import Percent

__all__ = [
    "calculate_annualised_return",
    "calculate_cagr",
    "calculate_max_drawdown",
    "calculate_max_runup",
    "calculate_profit_factor",
    "calculate_profitability",
    "calculate_sharpe",
    "calculate_sortino",
    "prepare_prices",
    "prepare_returns",
]

#: Days in a year, and the number of daily returns that the ratios are annualised with.
DAYS_PER_YEAR = 365

_YEAR = datetime.timedelta(days=DAYS_PER_YEAR)


def _divide(a: float, b: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(a) / np.float64(b))


def prepare_returns(series: "pd.Series[float]") -> "pd.Series[float]":
    """Return per-period returns without NaN and infinity, which become 0.

    A series without a negative value and with one above 1 is treated as prices.
    """
    series = series.astype("float64")
    if series.min() >= 0 and series.max() > 1:
        series = series.pct_change()
    return series.where(np.isfinite(series.to_numpy()), 0.0)


def prepare_prices(series: "pd.Series[float]") -> "pd.Series[float]":
    """Return prices; NaN becomes 0 and infinity NaN.

    A series with a negative value, or with none of at least 1, is treated as returns and compounded from 1. An
    infinite return, from equity that starts at 0, gives the price 0 for its period and does not change later ones.
    """
    series = series.astype("float64")
    if series.min() < 0 or series.max() < 1:
        known = series.fillna(0.0).replace([np.inf, -np.inf], np.nan)
        series = (1 + known).cumprod()
    return series.fillna(0.0).replace([np.inf, -np.inf], np.nan)


def calculate_sharpe(returns: "pd.Series[float]", periods: int = DAYS_PER_YEAR) -> float:
    """Return mean / deviation * sqrt(periods), risk-free rate 0, sample deviation (Sharpe, 1994).

    >>> float(round(calculate_sharpe(pd.Series([0.01, -0.01, 0.03]), periods=4), 9))
    1.0
    """
    known = prepare_returns(returns)
    return _divide(known.mean(), known.std(ddof=1)) * periods**0.5


def calculate_sortino(returns: "pd.Series[float]", periods: int = DAYS_PER_YEAR) -> float:
    """Return mean / downside deviation * sqrt(periods).

    The downside deviation is sqrt(sum of squared negative returns / number of all returns) (Sortino and Price, 1994;
    minimum acceptable return 0). Infinite without a negative return.
    """
    known = prepare_returns(returns).to_numpy()
    if not len(known):
        return float("nan")
    losses = known[known < 0]
    return _divide(known.mean(), np.sqrt(np.square(losses).sum() / len(known))) * periods**0.5


def calculate_profit_factor(returns: "pd.Series[float]") -> float:
    """Return the sum of the positive returns divided by that of the negative ones, >= 0.

    It uses returns; :py:func:`tradeexecutor.analysis.adjusted.positions.calculate_profit_factor` uses the USD profits
    of closed positions.
    """
    known = prepare_returns(returns).to_numpy()
    return abs(_divide(known[known >= 0].sum(), known[known < 0].sum()))


def calculate_max_drawdown(returns: "pd.Series[float]") -> Percent:
    """Return the deepest fall from a high, a fraction <= 0.

    The wealth before the first period is not a high: -10 % in the first period alone is a drawdown of 0.
    """
    prices = prepare_prices(returns)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float((prices / prices.cummax() - 1).min())


def calculate_max_runup(returns: "pd.Series[float]") -> Percent:
    """Return the highest rise from a low, a fraction >= 0; 0 when the rise starts from nothing and is infinite."""
    prices = prepare_prices(returns)
    with np.errstate(divide="ignore", invalid="ignore"):
        highest = float((prices / prices.cummin() - 1).max())
    return 0.0 if np.isinf(highest) else highest


def calculate_profitability(returns: "pd.Series[float]") -> Percent:
    """Return the compounded return, product(1 + r) - 1; 0 without returns."""
    return float(np.nanprod(1 + returns.to_numpy(dtype=np.float64))) - 1


def calculate_cagr(returns: "pd.Series[float]") -> Percent:
    """Return the compound annual growth rate, abs(product(1 + r)) ^ (365 / days) - 1.

    Days are the whole days between the first and the last entry; 0 without a whole day.

    >>> days = pd.date_range("2024-01-01", periods=731, freq="D")
    >>> round(calculate_cagr(pd.Series([0.0] * 730 + [0.21], index=days)), 9)
    0.1
    """
    known = prepare_returns(returns)
    if not len(known):
        return 0
    first, last = cast(pd.Timestamp, known.index[0]), cast(pd.Timestamp, known.index[-1])
    days = (last - first).days
    if not days:
        return 0
    with np.errstate(over="ignore"):
        return float(np.abs(np.prod(1 + known.to_numpy())) ** (DAYS_PER_YEAR / days)) - 1


def calculate_annualised_return(profit: Percent | None, duration: datetime.timedelta | None) -> Percent | None:
    """Return a return scaled linearly to a year of 365 days, profit * year / duration; nothing is compounded.

    None when there is no profit, or no time.

    >>> calculate_annualised_return(0.02, datetime.timedelta(days=73))
    0.1
    """
    if not profit or not duration:
        return None
    return profit * (_YEAR / duration)
