"""A grid of 200 runs of the 20/60 cross on two processes, beside `Backtest.optimize` of backtesting.py 0.6.6.

Both search the same grid over the same candles and maximise the Sharpe ratio. The processes of both are counted: CPU
seconds are those of this process and of all that it started. Wall-clock times and the scaling from one to two processes
mean something only on a machine that is otherwise idle, so the load of the machine is printed with them.
"""

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.sources import STRATEGIES, find_hourly_candles
from tradeexecutor.backtest.backtest_runner import load_market_data
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.research import optimize
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

#: 10 x 20 lengths of the averages.
FAST, SLOW = range(5, 55, 5), range(60, 260, 10)

#: Candles of the search; the whole file takes minutes.
BARS = 6_000
FEE = 0.001


def run(bars: int = BARS) -> None:
    """Print CPU and wall-clock seconds of both, the ratios, and the scaling from one to two processes."""
    universe = _cut(load_market_data(find_hourly_candles(), fee=FEE), bars)
    count = len(FAST) * len(SLOW)
    print(f"{count} runs over {bars:,} hourly bars; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()}")
    two = _measure(lambda: _search(universe, 2))
    one = _measure(lambda: _search(universe, 1))
    _print("optimize, 2 processes", two)
    _print("optimize, 1 process", one)
    print(f"from 1 to 2 processes: {one[1] / two[1]:.2f} times as fast; CPU {two[0] / one[0]:.2f}")
    try:
        other = _measure(lambda: _search_with_backtesting(universe, 2))
    except ImportError:
        print("backtesting.py is not installed")
        return
    _print("Backtest.optimize, 2 processes", other)
    print(f"over Backtest.optimize: CPU {two[0] / other[0]:.2f}, wall clock {two[1] / other[1]:.2f}")
    print(f"load of the machine at the end {os.getloadavg()[0]:.1f}")


def _print(name: str, times: tuple[float, float]) -> None:
    print(f"{name:<32} {times[0]:7.1f} s CPU {times[1]:7.1f} s wall clock")


def _measure(function: Callable[[], object]) -> tuple[float, float]:
    """Return CPU seconds of this process and its ended children, and wall-clock seconds."""

    def count() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(item.ru_utime + item.ru_stime for item in used)

    cpu, clock = count(), time.perf_counter()
    function()
    return count() - cpu, time.perf_counter() - clock


def _cut(universe: TradingStrategyUniverse, bars: int) -> TradingStrategyUniverse:
    pair = universe.get_single_pair()
    candles = universe.get_candles(pair)
    end = candles.get_index()[min(bars, len(candles) - 1)].to_pydatetime()
    return create_universe({pair.get_ticker(): candles.between(None, end)}, fee=FEE)


def _search(universe: TradingStrategyUniverse, jobs: int) -> None:
    path: Path = STRATEGIES / "ma_cross.py"
    found = optimize(path, {"fast": list(FAST), "slow": list(SLOW)}, universe=universe, jobs=jobs)
    assert not found.failed, found.failed[0].error


def _search_with_backtesting(universe: TradingStrategyUniverse, jobs: int) -> None:
    from benchmarks.backtesting_cross import search

    frame = universe.get_candles(universe.get_single_pair()).to_dataframe()
    found = search(frame, FEE, {"fast": list(FAST), "slow": list(SLOW)}, jobs)
    assert np.isfinite(found["Return [%]"])
