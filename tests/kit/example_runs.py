"""Runs of the example strategies that many tests look at: each is made once in a process, and nobody changes it."""

import contextlib
import functools
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from tests.support import REPOSITORY
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_for_module
from tradeexecutor.cli.main import app

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))


@functools.cache
def run_example(name: str) -> BacktestResult:
    """Run an example on its own data, as `tradeexecutor backtest` does without options."""
    return run_backtest_for_module(REPOSITORY / "examples" / f"{name}.py", progress=False)


@dataclass(frozen=True)
class Demo:
    """What `tradeexecutor demo` left in a folder that was empty, and what it printed on a wide terminal."""

    folder: Path
    text: str

    def find_state(self, name: str) -> Path:
        """Return the state file of an example."""
        return self.folder / "backtests" / "demo" / name / "state.json"


def run_demo(folder: Path) -> Demo:
    """Run the command in a folder; fails if it does."""
    with contextlib.chdir(folder):
        result = CliRunner().invoke(app, ["demo"], env={"COLUMNS": "250"})
    assert result.exit_code == 0, result.output
    return Demo(folder, result.stdout)
