"""The same work in this project; run as a module, in the environment of the developers.

Arguments: ``once`` or ``search`` and a CSV file of candles, or ``pairs`` and their number; then what the run of the
peer gets.
"""

import json
import sys
from typing import Any

import pandas as pd

from benchmarks.compared_work import make_random_walks
from benchmarks.peers.timing import report
from benchmarks.sources import STRATEGIES
from tradeexecutor import __version__
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.research import optimize
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse


def _read(candles: str, fee: str) -> TradingStrategyUniverse:
    return create_universe({"BTC-USDT": pd.read_csv(candles, index_col=0, parse_dates=True)}, fee=float(fee))


def run_once(candles: str, fee: str) -> None:
    """Run the 20/60 cross; the count is that of closed positions."""
    universe = _read(candles, fee)

    def run() -> dict[str, Any]:
        result = run_backtest_for_module(STRATEGIES / "ma_cross.py", universe=universe, progress=False)
        return {"count": len(result.state.portfolio.closed_positions), "version": __version__}

    report(run)


def run_search(candles: str, fee: str, lengths: str) -> None:
    """Search a grid of lengths on two processes; the count is that of runs."""
    universe, grid = _read(candles, fee), json.loads(lengths)

    def run() -> dict[str, Any]:
        found = optimize(STRATEGIES / "ma_cross.py", grid, universe=universe, jobs=2)
        assert not found.failed, found.failed[0].error
        return {"count": len(found.rows), "version": __version__}

    report(run, runs=1)


def run_pairs(count: str, days: str, fee: str) -> None:
    """Rebalance many pairs; the count is that of trades."""
    universe = create_universe(make_random_walks(int(count), int(days)), fee=float(fee))

    def run() -> dict[str, Any]:
        result = run_backtest_for_module(STRATEGIES / "equal_weights.py", universe=universe, progress=False)
        return {"count": sum(1 for _ in result.state.portfolio.get_all_trades()), "version": __version__}

    report(run)


if __name__ == "__main__":
    {"once": run_once, "search": run_search, "pairs": run_pairs}[sys.argv[1]](*sys.argv[2:])
