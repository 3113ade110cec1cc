"""A strategy with parameters, quick to run, for tests of searches."""

from pathlib import Path

import numpy as np

from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.research.backtest_job import RunResult
from tradeexecutor.research.optimisation import Optimisation
from tradeexecutor.research.parameter_space import make_space
from tradeexecutor.research.run_figures import Objective
from tradeexecutor.strategy.market_data import Candles
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

#: Holds a share of its cash from a day to another one; `trap` is what it does instead of deciding.
SEARCHED = '''
"""Buys a share of its cash at the decision `first`, and sells at the decision `last`."""

import os
import pathlib

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = "1d"
    initial_cash = 1000
    first = 1
    last = 20
    share = 0.5
    trap = ""


def spring(trap):
    kind, _, path = trap.partition(" ")
    if kind == "raise":
        raise ValueError("a trap")
    if kind == "kill":
        os.kill(os.getpid(), 9)
    if kind == "kill-once" and not pathlib.Path(path).exists():
        pathlib.Path(path).touch()
        os.kill(os.getpid(), 9)


def decide_trades(input):
    parameters = input.parameters
    if parameters.trap:
        spring(parameters.trap)
    manager = input.get_position_manager()
    if input.cycle == parameters.first:
        return manager.open_spot(input.get_default_pair(), manager.get_current_cash() * parameters.share)
    if input.cycle == parameters.last and manager.is_any_open():
        return manager.close_all()
    return []
'''


def write_strategy(folder: Path, text: str = SEARCHED) -> Path:
    """The strategy as a file."""
    path = folder / "searched.py"
    path.write_text(text)
    return path


def make_days(days: int = 40, seed: int = 1) -> TradingStrategyUniverse:
    """Daily candles of one pair, random but the same each time."""
    close = 100 * np.cumprod(1 + np.random.default_rng(seed).normal(0.002, 0.02, days + 1))
    start = np.datetime64("2023-01-01", "us").astype(np.int64)
    starts = start + np.arange(days, dtype=np.int64) * 86_400_000_000
    opens, closes = close[:-1].astype(np.float64), close[1:].astype(np.float64)
    high, low = np.maximum(opens, closes) * 1.001, np.minimum(opens, closes) * 0.999
    return create_universe({"BTC-USD": Candles(starts, opens, high, low, closes, np.ones(days))})


def make_result(parameters: dict[str, list[float]], values: list[float]) -> Optimisation:
    """A search whose runs have these values of one objective, in the order of the grid."""
    space = make_space(parameters)
    rows = [
        RunResult(number, combination, objectives=(value,), figures={"sharpe": value})
        for number, (combination, value) in enumerate(zip(space.iterate_grid(), values, strict=True), 1)
    ]
    return Optimisation("made", space, (Objective("sharpe"),), (), "grid", tuple(rows))
