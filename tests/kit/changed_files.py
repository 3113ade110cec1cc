"""State files with something to put right, and what to expect when a command changes one."""

import datetime
import json
import shlex
from pathlib import Path
from typing import Any

from tests.kit.command_runner import Run
from tests.kit.funded_trader import list_differences
from tests.kit.trader import Trader
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.operations.backtest_run import load_universe
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.trade import TradeExecution


def save(trader: Trader, folder: Path) -> Path:
    """Save a state as a strategy would."""
    path = folder / "state.json"
    with JSONFileStore(path) as store:
        store.sync(trader.state)
    return path


def run_failing_backtest(strategy: Path, candles: Path, folder: Path, fails: Any, days: int = 20) -> Path:
    """Backtest a strategy whose trades fail where `fails` says so; return the state file."""
    universe = load_universe([str(candles)], [], 0.001)
    end = datetime.datetime(2024, 1, 1) + datetime.timedelta(days=days)
    result = run_backtest_for_module(strategy, universe=universe, end_at=end, failures=fails)
    path = folder / "state.json"
    with JSONFileStore(path) as store:
        store.sync(result.state)
    return path


def is_sell(trade: TradeExecution) -> bool:
    return trade.is_sell()


def check_change(run: Run, command: str, path: Path, *options: object, exit_code: int = 0) -> State:
    """Run a command that changes a file, and check everything that is true of all of them.

    The preview is the effect, nothing is lost, doing it again does nothing, and the printed command brings the file
    back to the byte.  Returns the state as it was in between.
    """
    original, before = path.read_bytes(), State.read_json_file(path)
    preview = run(command, path, *options, "--dry-run", "--json")
    assert preview.exit_code == exit_code, preview.output
    assert path.read_bytes() == original
    done = run(command, path, *options, "--yes", "--json")
    assert done.exit_code == exit_code, done.output
    planned, report = json.loads(preview.stdout), json.loads(done.stdout)
    assert [(op["op"], op["path"]) for op in planned["patch"]] == [(op["op"], op["path"]) for op in report["patch"]]
    assert report["changed"]
    state = State.read_json_file(path)
    state.perform_integrity_check()
    assert list_differences(state) <= list_differences(before)
    undone = run(*shlex.split(report["undo"])[1:], "--yes")
    assert undone.exit_code == 0, undone.output
    assert path.read_bytes() == original
    return state


def check_done(run: Run, command: str, path: Path, *options: object, exit_code: int = 0) -> str:
    """Run a command that changes a file for good; return what it printed."""
    result = run(command, path, *options, "--yes")
    assert result.exit_code == exit_code, result.output
    return result.stdout
