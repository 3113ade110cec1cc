"""Comparison of a strategy with a benchmark that is bought and held: alpha, beta, and yearly returns."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.periods import Observations, group_by_calendar
from tradeexecutor.analysis.adjusted.returns import calculate_cagr
from tradeexecutor.analysis.memo import shared
from tradeexecutor.analysis.times import read_seconds
from tradeexecutor.state.benchmark import read_benchmarks
from tradeexecutor.state.state import State
from tradeexecutor.state.types import Percent

__all__ = [
    "AlphaBeta",
    "Holding",
    "YearlyReturn",
    "average_holdings",
    "calculate_alpha_beta",
    "compare_moves",
    "compare_years",
    "hold",
    "hold_deposits",
    "read_holdings",
    "sample_benchmark",
]

#: Deviation per period below which returns are constant except for rounding.
_NO_DEVIATION = 1e-14


@dataclass(frozen=True, slots=True)
class Holding:
    """Something that is bought at the start and held.

    Attributes
    ----------
    name
        Ticker of the pair, or for example ``4 pairs``.
    growth
        What 1 USD became, by naive UTC time, ascending; 1.0 at the purchase, before fees.
    """

    name: str
    growth: "pd.Series[float]"

    @property
    def total_return(self) -> Percent:
        """Return of the whole time, a fraction before fees."""
        return float(self.growth.iloc[-1]) - 1.0


@dataclass(frozen=True, slots=True)
class AlphaBeta:
    """Alpha and beta of a strategy (M. Jensen, "The Performance of Mutual Funds", 1968).

    Attributes
    ----------
    beta
        Covariance of both returns divided by the variance of the benchmark's: 1 moves like it, 0 independently of it.
    alpha
        Yearly return that the benchmark does not explain: the mean of r - beta * b per period, compounded to a year.
    """

    alpha: Percent
    beta: float


@dataclass(frozen=True, slots=True)
class YearlyReturn:
    """Returns of a calendar year; the benchmark is None without a price. First and last year may be incomplete."""

    year: int
    value: Percent
    benchmark: Percent | None


def hold(candles: pd.DataFrame, start: datetime.datetime, end: datetime.datetime) -> "pd.Series[float]":
    """Return the value over time of 1 USD invested at the first open at or after `start`, before fees.

    The first value is 1.0 at the time of that open; each further value is that of a close, at the end of its candle,
    which is the start of the next one. Closes after `end` are left out.

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
    # The last candle has the most common length.
    ends = starts[1:].append(pd.DatetimeIndex([index[last] if last < len(index) else min(starts[-1] + step, end)]))
    price = float(candles["open"].iloc[first])
    values = np.concatenate(([1.0], candles["close"].to_numpy(dtype=np.float64)[first:last] / price))
    return pd.Series(values, index=starts[:1].append(ends))


@shared
def read_holdings(state: State) -> list[Holding]:
    """Return what could have been held, as a backtest or paper trading recorded it: all pairs first, then single ones.

    Empty for states of a chain and for files that record none.
    """
    found: list[Holding] = []
    for benchmark in read_benchmarks(state):
        if len(benchmark.times) >= 2 and benchmark.prices[0] > 0:
            growth = np.array(benchmark.prices, dtype=np.float64) / benchmark.prices[0]
            found.append(Holding(benchmark.name, pd.Series(growth, index=read_seconds(benchmark.times))))
    return found


def average_holdings(holdings: Sequence[Holding]) -> Holding:
    """Return what equal amounts of several holdings became; one that begins later is cash until then.

    >>> days = pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-03"])
    >>> a, b = pd.Series([1.0, 1.2, 1.4], index=days), pd.Series([1.0, 3.0], index=days[1:])
    >>> average_holdings([Holding("A", a), Holding("B", b)]).growth.round(6).tolist()
    [1.0, 1.1, 2.2]

    Parameters
    ----------
    holdings
        At least one.
    """
    if len(holdings) == 1:
        return holdings[0]
    frame = pd.concat([holding.growth.groupby(level=0).last() for holding in holdings], axis=1).sort_index()
    return Holding(f"{len(holdings)} pairs", frame.ffill().fillna(1.0).mean(axis=1))


def hold_deposits(growth: "pd.Series[float]", capital: float, flows: "pd.Series[float]") -> "pd.Series[float]":
    """Return what the capital of a strategy would be worth if it had been held instead, before fees.

    The capital buys at the first time, a deposit at the price of its time; a redemption sells as much as it takes out.

    >>> days = pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-03"])
    >>> hold_deposits(pd.Series([1.0, 2.0, 4.0], index=days), 100.0, pd.Series([50.0], index=days[1:2])).tolist()
    [100.0, 250.0, 500.0]

    Parameters
    ----------
    growth
        What 1 USD became, by naive UTC time, ascending.
    capital
        Invested at the first time, USD.
    flows
        Later deposits (> 0) and redemptions (< 0), USD, by naive UTC time, ascending.

    Returns
    -------
    pandas.Series
        USD at the times of `growth`; NaN from a redemption on that takes out more than there is.
    """
    times = pd.DatetimeIndex(growth.index).as_unit("us").asi8
    moments = pd.DatetimeIndex(flows.index).as_unit("us").asi8
    prices = growth.to_numpy(dtype=np.float64)
    paid = prices[np.maximum(np.searchsorted(times, moments, side="right") - 1, 0)]
    units = np.concatenate(([capital / prices[0]], flows.to_numpy(dtype=np.float64) / paid)).cumsum()
    units[np.minimum.accumulate(units) < 0] = np.nan
    return growth * units[np.searchsorted(moments, times, side="right")]


def sample_benchmark(prices: "pd.Series[float]", observations: Observations) -> NDArray[np.float64]:
    """Return the returns of a benchmark in the periods of a strategy; NaN where it has no price at their start.

    Parameters
    ----------
    prices
        Prices by naive UTC time, ascending; at a time the latest earlier price is used.
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

    None with fewer than two of them, when the benchmark does not vary, or when the yearly return exceeds the range of
    floats.

    >>> calculate_alpha_beta(np.array([0.02, 0.05]), np.array([0.1, 0.1 + 1e-16]), 365.0) is None
    True
    """
    known = np.isfinite(benchmark)
    returns, benchmark = returns[known], benchmark[known]
    if len(returns) < 2:
        return None
    if not float(benchmark.std()) > _NO_DEVIATION:
        return None
    variance = float(benchmark.var())
    beta = float(((returns - returns.mean()) * (benchmark - benchmark.mean())).mean()) / variance
    alpha = calculate_cagr(float((returns - beta * benchmark).mean()), 1.0 / periods_per_year)
    return None if alpha is None else AlphaBeta(alpha, beta)


def compare_years(observations: Observations, held: Holding | None = None) -> list[YearlyReturn]:
    """Return the yearly returns of a strategy, and of a holding.

    Parameters
    ----------
    observations
        Returns of the strategy.
    held
        Holding to compare with; None for none.
    """
    if not len(observations):
        return []
    own = group_by_calendar(observations.start, observations.path_times, observations.path, "Y")
    beside: dict[datetime.date, float] = {}
    if held is not None:
        benchmark = sample_benchmark(held.growth, observations)
        known = np.isfinite(benchmark)
        beside = group_by_calendar(observations.start, observations.ends[known], benchmark[known], "Y")
    return [YearlyReturn(day.year, value, beside.get(day)) for day, value in own.items()]


def compare_moves(observations: Observations, held: Holding | None) -> AlphaBeta | None:
    """Return alpha and beta to what is held; None without it, and see `calculate_alpha_beta`."""
    if held is None or not len(observations):
        return None
    benchmark = sample_benchmark(held.growth, observations)
    return calculate_alpha_beta(observations.returns, benchmark, observations.periods_per_year)
