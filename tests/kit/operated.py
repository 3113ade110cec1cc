"""A small backtest whose trades fail as a test likes: what operators retry and close."""

import datetime
from collections.abc import Callable
from pathlib import Path

from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.backtest.dataset import load_dataset
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["DATA", "fail_always", "fail_never", "run_operated"]

#: The data set at whose prices it traded.
DATA = "btc-usd-monthly"

_STRATEGY = """
from tradeexecutor.strategy.cycle import CycleDuration

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_30d
    initial_cash = 1_000


def decide_trades(input):
    manager = input.get_position_manager()
    if input.cycle == 2:
        return manager.open_spot(input.strategy_universe.get_single_pair(), 500)
    return []
"""


def fail_never(trade: TradeExecution) -> bool:
    return False


def fail_always(trade: TradeExecution) -> bool:
    return True


def run_operated(folder: Path, fails: Callable[[TradeExecution], bool]) -> State:
    """Run the strategy, which opens one position; `folder` gets its file."""
    strategy = folder / "strategy.py"
    strategy.write_text(_STRATEGY)
    return run_backtest_for_module(
        strategy,
        candles=load_dataset(DATA),
        start_at=datetime.datetime(2020, 1, 1),
        end_at=datetime.datetime(2020, 8, 1),
        failures=fails,
        progress=False,
    ).state
