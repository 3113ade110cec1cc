"""Bars per second of a backtest that decides on every bar and records statistics on every bar, and of another program.

The strategy is a 20/60 moving-average cross, the data 52,106 hourly BTC/USDT candles where present.  Each of the
trades is a full `TradeExecution`.  backtesting.py trades by the same rules on the same candles and keeps no record of
each bar; both take turns, and the CPU time of the best of each counts.
"""

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.backtesting_cross import run_once
from benchmarks.sources import STRATEGIES, find_hourly_candles
from tradeexecutor.backtest.backtest_runner import load_market_data, run_backtest_for_module

FEE = 0.001

#: Runs of each program.
_TURNS = 5


def _measure(run: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def run() -> None:
    """Print bars, trades, rates and the ratio."""
    source = find_hourly_candles()
    universe = load_market_data(source, fee=FEE)
    candles = universe.get_candles(universe.get_single_pair()).to_dataframe()
    runs: dict[str, Callable[[], Any]] = {
        "here": lambda: run_backtest_for_module(STRATEGIES / "ma_cross.py", universe=universe, progress=False),
        "there": lambda: run_once(candles, FEE),
    }
    best: dict[str, tuple[float, Any]] = {}
    for _ in range(_TURNS):
        for name, one in runs.items():
            measured = _measure(one)
            best[name] = min(measured, best.get(name, measured), key=lambda item: item[0])
    seconds, result = best["here"]
    there, statistics = best["there"]
    portfolio = result.state.portfolio
    bars = result.diagnostics_data["decisions"]
    print(f"{bars:,} bars of {source.name if isinstance(source, Path) else source}, CPU time, all included")
    print(
        f"{bars / seconds:,.0f} bars/s; {len(portfolio.closed_positions)} round trips, "
        f"{len(portfolio.open_positions)} still open"
    )
    print(f"backtesting.py: {bars / there:,.0f} bars/s, {statistics['# Trades']} round trips")
    print(f"rate here over rate there: {there / seconds:.2f}")
