"""show-trades: which trades are listed, and how."""

import json
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tradeexecutor.cli.commands.show_trades import Status
from tradeexecutor.state.trade import TradeStatus


@pytest.mark.slow
def test_show_trades_of_every_real_state(run: Run, state_file: Path):
    result = run("show-trades", state_file)
    assert result.exit_code == 0, result.output
    trades = json.loads(run("show-trades", state_file, "--json").stdout)
    assert f"Trades: {len(trades)}" in result.stdout
    assert sorted(trades, key=lambda trade: (trade["opened_at"], trade["trade_id"])) == trades


def test_trades_can_be_chosen(run: Run, backtest_state: Path):
    def ids(*options: object) -> list[int]:
        return [row["trade_id"] for row in json.loads(run("show-trades", backtest_state, "--json", *options).stdout)]

    assert ids() == [1, 2]
    assert ids("--limit", 1) == [2]
    assert ids("--position", 1) == [1, 2]
    assert ids("--status", "failed") == []
    assert ids("--status", "failed", "--status", "success") == [1, 2]
    assert "Trades: 1 of 2" in run("show-trades", backtest_state, "--limit", 1).stdout
    assert "None." in run("show-trades", backtest_state, "--status", "failed").stdout


def test_every_status_can_be_asked_for():
    # A counter trade counts as a success; nothing ever has the status repair_entry.
    assert {status.value for status in Status} == {status.value for status in TradeStatus} - {"repair_entry"}


def test_a_reader_that_stops_early_causes_no_noise(shared_dir: Path):
    import subprocess
    import sys

    path = shared_dir / "states" / "arbitrum-btc-usd-sls-binance-data-1h.json"
    command = f"{sys.executable} -m tradeexecutor.cli.main show-trades {path} | head -1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout == "SLS\n"
    assert not result.stderr
