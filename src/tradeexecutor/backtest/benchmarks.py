"""What could have been bought and held instead of trading: recorded at the end of a run.

Holding begins at the first open from the first decision on.  Its value is taken when the equity of a strategy is
sampled, at each midnight and at the end, and at the price that positions are valued at: the open of the candle in
progress, or while the market is closed the last close.  So a strategy that buys once and holds moves exactly like it.
"""

import datetime
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.state.benchmark import Benchmark
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.strategy.market_data import Candles, to_us
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["MOST_PAIRS", "make_benchmarks"]

#: Number of single pairs that are recorded, those with the most trades.
MOST_PAIRS = 5

_DAY_US = 86_400 * 1_000_000
_SECOND_US = 1_000_000


def make_benchmarks(
    universe: TradingStrategyUniverse, portfolio: Portfolio, start: datetime.datetime, end: datetime.datetime
) -> list[Benchmark]:
    """Return what could have been held from `start` to `end`.

    The first benchmark is equal amounts of all pairs that could be traded; a pair that begins later is cash until
    then.  After it, where there are several pairs, come the traded ones, at most `MOST_PAIRS`.

    Parameters
    ----------
    universe, portfolio
        The market data, and what was traded.
    start
        Of the first decision.
    end
        Of the run.
    """
    grid = np.array([*range((to_us(start) // _DAY_US + 1) * _DAY_US, to_us(end), _DAY_US), to_us(end)], dtype=np.int64)
    paths = {
        pair: path
        for pair in universe.iterate_pairs()
        if (path := _hold(universe.get_candles(pair), to_us(start), grid)) is not None
    }
    if not paths:
        return []
    if len(paths) == 1:
        ((pair, path),) = paths.items()
        return [path.to_benchmark(pair.get_ticker())]
    trades = Counter(trade.pair for trade in portfolio.get_all_trades() if trade.pair in paths)
    singles = [paths[pair].to_benchmark(pair.get_ticker()) for pair, _ in trades.most_common(MOST_PAIRS)]
    return [_average(list(paths.values()), grid), *singles]


class _Path:
    """Price of one pair: paid at the purchase, and at the times of the grid from then on."""

    __slots__ = ("bought_at", "first", "paid", "prices", "times")

    def __init__(self, bought_at: int, paid: float, times: NDArray[np.int64], prices: NDArray[np.float64], first: int):
        self.bought_at = bought_at
        self.paid = paid
        self.times = times
        self.prices = prices
        #: Index in the grid of the first time after the purchase.
        self.first = first

    def to_benchmark(self, name: str) -> Benchmark:
        times = np.concatenate(([self.bought_at], self.times))
        return _make(name, 1, times, np.concatenate(([self.paid], self.prices)))


def _hold(candles: Candles, start: int, grid: NDArray[np.int64]) -> _Path | None:
    """Buy at the first open from `start` on; None without one before the end of the grid."""
    bought = int(np.searchsorted(candles.starts, start))
    if bought >= len(candles) or candles.starts[bought] >= grid[-1]:
        return None
    bought_at = int(candles.starts[bought])
    first = int(np.searchsorted(grid, bought_at, side="right"))
    times = grid[first:]
    at = np.searchsorted(candles.starts, times, side="right") - 1
    prices = np.where(candles.ends[at] > times, candles.open[at], candles.close[at])
    return _Path(bought_at, float(candles.open[bought]), times, prices, first)


def _average(paths: Sequence[_Path], grid: NDArray[np.int64]) -> Benchmark:
    total = np.zeros(len(grid))
    for path in paths:
        total[: path.first] += 1.0
        total[path.first :] += path.prices / path.paid
    times = np.concatenate(([min(path.bought_at for path in paths)], grid))
    # A purchase after the first midnight leaves some time in which everything is cash.
    values = np.concatenate(([1.0], total / len(paths)))
    known = np.concatenate(([True], times[1:] > times[0]))
    return _make(f"{len(paths)} pairs", len(paths), times[known], values[known])


def _make(name: str, pairs: int, times: NDArray[np.int64], prices: NDArray[np.float64]) -> Benchmark:
    changed = np.concatenate(([True], prices[1:] != prices[:-1]))
    changed[-1] = True
    seconds = times[changed] // _SECOND_US
    return Benchmark(name, pairs, seconds.tolist(), prices[changed].tolist())
