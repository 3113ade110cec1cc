"""A command runner, a strategy and candles for the tests of the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.kit.command_runner import STRATEGY, Run, Spawn
from tradeexecutor.cli.main import app


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    path = tmp_path / "ten_days.py"
    path.write_text(STRATEGY)
    return path


@pytest.fixture
def candles(tmp_path: Path) -> Path:
    """Thirty days of ETH-USD, rising by 1 a day from 100."""
    path = tmp_path / "ETH-USD-1d.csv"
    rows = [f"2024-01-{day:02},{99 + day},{100 + day},{99 + day},{100 + day},5" for day in range(1, 31)]
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process; standard output and standard error are apart."""
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TRADEEXECUTOR_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def spawn() -> Spawn:
    """Run a command in a process of its own, with its output in a pipe; keywords are environment variables."""

    def invoke(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in ("COLUMNS", "FORCE_COLOR", "TRADEEXECUTOR_DEBUG")
        }
        return subprocess.run(
            [sys.executable, "-m", "tradeexecutor.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            env=inherited | environment,
            timeout=120,
            check=False,
        )

    return invoke


@pytest.fixture
def backtest_state(run: Run, strategy: Path, candles: Path, tmp_path: Path) -> Path:
    """State file of a small backtest."""
    result = run("backtest", strategy, "--data", candles, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    return tmp_path / "out" / "state.json"
