"""The strategy beside something that is simply held: alpha, beta, and years side by side."""

import datetime
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.periods import Observations, group_by_calendar
from tradeexecutor.state.types import Percent

__all__ = ["AlphaBeta", "YearlyReturn", "calculate_alpha_beta", "compare_years", "hold", "sample_benchmark"]


@dataclass(frozen=True, slots=True)
class AlphaBeta:
    """How a strategy moves with a benchmark (M. Jensen, "The Performance of Mutual Funds", 1968).

    Attributes
    ----------
    beta
        Covariance of both returns by the variance of the benchmark's: 1 moves like it, 0 independently of it.
    alpha
        Yearly return that the benchmark does not explain: the mean of r - beta * b per period, compounded to a year.
    """

    alpha: Percent
    beta: float


@dataclass(frozen=True, slots=True)
class YearlyReturn:
    """A calendar year; the benchmark is None where it has no price. First and last year may be incomplete."""

    year: int
    value: Percent
    benchmark: Percent | None


def hold(candles: pd.DataFrame, start: datetime.datetime, end: datetime.datetime) -> "pd.Series[float]":
    """Return what 1 USD becomes that buys at the first open from `start` on, by time, before fees.

    The first value is 1.0 at the time of that open; each further one is of a close, at the end of its candle, which is
    when the next candle begins. Closes after `end` are left out.

    Parameters
    ----------
    candles
        ``open`` and ``close`` by the start of the candle, ascending.

    Returns
    -------
    pandas.Series
        Empty without a candle that starts from `start` on and before `end`.
    """
    index = pd.DatetimeIndex(candles.index)
    first = int(index.searchsorted(pd.Timestamp(start)))
    last = int(index.searchsorted(pd.Timestamp(end)))
    if first >= last:
        return pd.Series(np.zeros(0), index=pd.DatetimeIndex([]))
    starts = index[first:last]
    lengths = np.diff(index.as_unit("us").asi8)
    step = pd.Timedelta(microseconds=float(np.median(lengths))) if len(lengths) else pd.Timedelta(end - start)
    # The last candle is as long as most are.
    ends = starts[1:].append(pd.DatetimeIndex([index[last] if last < len(index) else min(starts[-1] + step, end)]))
    price = float(candles["open"].iloc[first])
    values = np.concatenate(([1.0], candles["close"].to_numpy(dtype=np.float64)[first:last] / price))
    return pd.Series(values, index=starts[:1].append(ends))


def sample_benchmark(prices: "pd.Series[float]", observations: Observations) -> NDArray[np.float64]:
    """Return the returns of a benchmark in the periods of a strategy; NaN where it has no price at their start.

    Parameters
    ----------
    prices
        By naive UTC time, ascending; the latest one up to a time counts.
    """
    known = prices.dropna()
    times = pd.DatetimeIndex(known.index).as_unit("us").asi8
    found = np.searchsorted(times, observations.path_times, side="right") - 1
    values = known.to_numpy(dtype=np.float64)
    at = np.where(found >= 0, values[np.maximum(found, 0)], np.nan) if len(values) else np.full(len(found), np.nan)
    return at[1:] / at[:-1] - 1.0


def calculate_alpha_beta(
    returns: NDArray[np.float64], benchmark: NDArray[np.float64], periods_per_year: float
) -> AlphaBeta | None:
    """Return alpha and beta over the periods in which both are known.

    None with fewer than two of them, or when the benchmark does not vary.
    """
    known = np.isfinite(benchmark)
    returns, benchmark = returns[known], benchmark[known]
    if len(returns) < 2:
        return None
    variance = float(benchmark.var())
    if not variance > 0:
        return None
    beta = float(((returns - returns.mean()) * (benchmark - benchmark.mean())).mean()) / variance
    alpha = (1.0 + float((returns - beta * benchmark).mean())) ** periods_per_year - 1.0
    return AlphaBeta(alpha, beta)


def compare_years(observations: Observations, benchmark: NDArray[np.float64] | None = None) -> list[YearlyReturn]:
    """Return the years of a strategy, and those of a benchmark beside them.

    Parameters
    ----------
    benchmark
        Of `sample_benchmark`; None: there is none.
    """
    own = group_by_calendar(observations.start, observations.path_times, observations.path, "Y")
    held: dict[datetime.date, float] = {}
    if benchmark is not None:
        known = np.isfinite(benchmark)
        held = group_by_calendar(observations.start, observations.ends[known], benchmark[known], "Y")
    return [YearlyReturn(day.year, value, held.get(day)) for day, value in own.items()]
