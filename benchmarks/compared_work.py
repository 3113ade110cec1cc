"""The work that `benchmarks.against` times in two checkouts; it uses only names that every version has.

Run as a program it prints the CPU seconds of each item as JSON, the best of several runs.
"""

import datetime
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.state import State, TradeType
from tradeexecutor.state.store import JSONFileStore

if TYPE_CHECKING:
    import pandas as pd

USDC = AssetIdentifier(1, "0x" + "1" * 40, "USDC", 6)
WETH = AssetIdentifier(1, "0x" + "2" * 40, "WETH", 18)
PAIR = TradingPairIdentifier(WETH, USDC, "0x" + "3" * 40, "0x" + "4" * 40, internal_id=1, fee=0.003)

#: CPU seconds to spend on one item, and the least number of runs.
BUDGET, RUNS = 0.2, 3

#: Garbage is collected before each run that takes longer, seconds; before shorter ones it would take most of the time.
WORTH_COLLECTING = 0.005

#: Like `pause_full_collections`, whose module has moved.
UNREACHABLE_THRESHOLD = 1_000_000


def best_cpu_time(function: Callable[..., object], prepare: Callable[[], Any] | None = None) -> float:
    """Return the CPU seconds of the run that was disturbed least.

    Each run gets what `prepare` returns, which does not count.
    """
    best, spent, runs, seconds = float("inf"), 0.0, 0, 1.0
    while runs < RUNS or spent < BUDGET:
        prepared = () if prepare is None else (prepare(),)
        if seconds > WORTH_COLLECTING:
            gc.collect()
        start = time.process_time()
        result = function(*prepared)
        seconds = time.process_time() - start
        del result  # taking it apart is not part of the figure
        best, spent, runs = min(best, seconds), spent + seconds, runs + 1
    return best


def measure_files(paths: list[str]) -> dict[str, float]:
    """Return the times of load and save of state files, without files that this version refuses."""
    times: dict[str, float] = {}
    for path in map(Path, paths):
        original = path.read_bytes()
        try:
            State.read_json_blob(original)
        except ValueError:
            continue
        times[f"load {path.stem}"] = best_cpu_time(lambda content=original: State.read_json_blob(content))
        times[f"save {path.stem}"] = best_cpu_time(
            lambda state: state.to_json_bytes(), lambda content=original: State.read_json_blob(content)
        )
    return times


class Folder:
    """A folder in memory, if there is one, with a copy of a state file and a store of it."""

    def __init__(self, content: bytes) -> None:
        memory = Path("/dev/shm")
        self._folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.path = Path(self._folder.name, "state.json")
        self.path.write_bytes(content)
        self.store = JSONFileStore(self.path)

    def __del__(self) -> None:
        self.store.close()
        self._folder.cleanup()


def measure_stores(paths: list[str]) -> dict[str, float]:
    """Return the times of making a store and loading from it, and of the first, second and fifth save."""
    times: dict[str, float] = {}
    for path in map(Path, paths):
        content = path.read_bytes()
        folder = Folder(content)
        try:
            folder.store.load()
        except ValueError:
            continue
        times[f"load {path.stem}"] = best_cpu_time(lambda file=folder.path: JSONFileStore(file).load())
        for name, saves in (("first", 0), ("second", 1), ("later", 4)):

            def prepare(content: bytes = content, saves: int = saves) -> tuple[Folder, State]:
                folder = Folder(content)
                state = folder.store.load()
                for _ in range(saves):
                    folder.store.sync(state)
                return folder, state

            times[f"{name} {path.stem}"] = best_cpu_time(lambda work: work[0].store.sync(work[1]), prepare)
    return times


def trade(count: int) -> State:
    """Make `count` trades on a new state, buy and sell in turn."""
    state = State()
    state.portfolio.initialise_reserves(USDC, 1.0).quantity = Decimal(1_000_000)
    at = datetime.datetime(2024, 1, 1)
    quantities = (Decimal("-0.25"), Decimal("0.25"))
    for number in range(1, count + 1):
        at += datetime.timedelta(seconds=1)
        _, planned, _ = state.create_trade(
            at,
            PAIR,
            quantities[number % 2],
            None,
            2400.0,
            TradeType.rebalance,
            USDC,
            1.0,
            pair_fee=0.003,
            planned_mid_price=2400.0,
            slippage_tolerance=0.02,
        )
        state.start_execution(at, planned)
        state.mark_broadcasted(at, planned)
        state.mark_trade_success(at, planned, 2400.0, planned.planned_quantity, planned.planned_reserve, 1.8, 1.0)
    return state


def measure_trades(sizes: list[str]) -> dict[str, float]:
    """Return the times of making trades, without full collections of garbage."""
    thresholds = gc.get_threshold()
    gc.set_threshold(thresholds[0], UNREACHABLE_THRESHOLD, UNREACHABLE_THRESHOLD)
    return {f"{size} trades": best_cpu_time(lambda count=int(size): trade(count)) for size in sizes}


def measure_backtest(arguments: list[str]) -> dict[str, float]:
    """Return the time of a backtest that decides on each hourly bar."""
    from tradeexecutor.backtest.backtest_runner import load_market_data, run_backtest_for_module

    strategy, candles = arguments
    universe = load_market_data(candles, fee=0.001)
    run = lambda: run_backtest_for_module(Path(strategy), universe=universe, progress=False)  # noqa: E731
    return {f"backtest over {Path(candles).stem}": best_cpu_time(run)}


def make_random_walks(count: int, days: int) -> "dict[str, pd.DataFrame]":
    """Return daily candles of made-up pairs, the same in every run."""
    import numpy as np
    import pandas as pd

    dice = np.random.default_rng(1)
    index = pd.date_range("2010-01-01", periods=days, freq="D")
    candles: dict[str, pd.DataFrame] = {}
    for number in range(count):
        close = 100 * np.exp(dice.normal(0.0002, 0.02, days).cumsum())
        opened = np.r_[100, close[:-1]]
        prices = {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close), "close": close}
        candles[f"T{number:03d}-USD"] = pd.DataFrame({**prices, "volume": 1.0}, index=index)
    return candles


def measure_pairs(arguments: list[str]) -> dict[str, float]:
    """Return the time of a monthly rebalancing of many pairs over daily candles made up of random walks."""
    from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
    from tradeexecutor.backtest.universe import create_universe

    strategy, count, days = arguments[0], int(arguments[1]), int(arguments[2])
    universe = create_universe(make_random_walks(count, days), fee=0.001)
    run = lambda: run_backtest_for_module(Path(strategy), universe=universe, progress=False)  # noqa: E731
    return {f"monthly rebalancing of {count} pairs over {days} days": best_cpu_time(run)}


KINDS = {
    "files": measure_files,
    "stores": measure_stores,
    "trades": measure_trades,
    "backtest": measure_backtest,
    "pairs": measure_pairs,
}

if __name__ == "__main__":
    print(json.dumps(KINDS[sys.argv[1]](sys.argv[2:])))
