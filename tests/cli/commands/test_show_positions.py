"""show-positions: positions, their trades and transactions."""

import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.kit.command_runner import Run, Spawn
from tradeexecutor.state.state import State

POSITION_OPTIONS = [
    ("--position-type", position_type, "--trade-type", trade_type, "--tx-type", tx_type)
    for position_type in ("open", "open_and_frozen", "all")
    for trade_type, tx_type in (("all", "none"), ("none", "failed"), ("all", "all"))
]


def find_line(output: str, *parts: str) -> str:
    lines = [line for line in output.splitlines() if all(part in line for part in parts)]
    assert len(lines) == 1, f"{parts} in {output}"
    return lines[0]


@pytest.mark.slow
@pytest.mark.parametrize("options", POSITION_OPTIONS, ids=" ".join)
def test_show_positions_of_every_real_state(run: Run, state_file: Path, options: tuple[str, ...]):
    result = run("show-positions", state_file, *options)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    assert "Last updated" in result.stdout
    assert not result.stderr


def test_json_of_every_real_state_tells_all_positions(run: Run, state_file: Path):
    result = run("show-positions", state_file, "--position-type", "all", "--tx-type", "all", "--json")
    report = json.loads(result.stdout)
    portfolio = State.read_json_file(state_file).portfolio
    assert len(report["positions"]) == sum(map(len, portfolio.get_position_tables()))
    assert sum(len(position["trades"]) for position in report["positions"]) == len(list(portfolio.get_all_trades()))
    assert report["net_asset_value_usd"] == portfolio.get_net_asset_value()


def test_positions_show_their_flags_and_figures(run: Run, shared_dir: Path):
    output = run("show-positions", shared_dir / "states" / "cli--show-positions-long.json").stdout
    assert output.startswith("Ethereum memecoin swing\n")
    assert "Positions: 3 open, 0 frozen, 2 closed." in output
    line = find_line(output, "#1 ", "AKITA-WETH")
    assert line.split()[:4] == ["#1", "R", "AKITA-WETH", "open"]
    assert "725.28" in line
    failed = find_line(output, "  6 ", "S SL R1")
    assert "INSUFFICIENT_OUTPUT_AMOUNT" in failed
    assert "R contains repairs" in output
    assert "R1 failed, has been repaired" in output
    assert "GOAT" not in output


def test_frozen_positions_are_shown_unless_only_open_ones_are_asked_for(run: Run, shared_dir: Path):
    path = shared_dir / "states" / "hyperliquid--state--hyperai-cleanup.json"
    assert find_line(run("show-positions", path).stdout, "#1 ").split()[1] == "F"
    output = run("show-positions", path, "--position-type", "open").stdout
    assert "None." in output
    assert "#1" not in output


def test_asking_for_failed_transactions_where_there_are_none(run: Run, backtest_state: Path):
    result = run("show-positions", backtest_state, "--position-type", "all", "--tx-type", "failed")
    assert result.exit_code == 0
    assert result.stdout.rstrip().endswith("Transactions\nNone.")


def test_failed_transactions_tell_why(run: Run, shared_dir: Path):
    path = shared_dir / "states" / "cli--show-positions-long.json"
    output = run("show-positions", path, "--trade-type", "none", "--tx-type", "failed").stdout
    transactions = output.split("Transactions\n")[1]
    assert transactions.count("INSUFFICIENT_OUTPUT_AMOUNT") == 2
    assert "  5.58814  " in transactions


def test_nothing_open_says_where_the_closed_ones_are(run: Run, backtest_state: Path):
    assert "--position-type all" in run("show-positions", backtest_state).stdout


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("command", ["show-positions", "show-trades"])
def test_tables_fit_the_width_and_name_what_is_missing(
    run: Run, shared_dir: Path, monkeypatch: pytest.MonkeyPatch, command: str, width: int
):
    monkeypatch.setenv("COLUMNS", str(width))
    path = shared_dir / "states" / "cli--show-positions-long.json"
    lines = run(command, path).stdout.splitlines()
    assert max(map(cell_len, lines)) <= width
    # Each position and trade is one line, in the same columns.
    table = [line for line in lines if "AKITA" in line]
    assert table
    assert len({line.index("AKITA") for line in table}) == 1
    if width < 120:
        assert any(line.startswith("Columns that do not fit: ") for line in lines)


def test_a_pipe_gets_full_width_without_colours_or_trailing_blanks(spawn: Spawn, shared_dir: Path):
    path = shared_dir / "states" / "cli--show-positions-long.json"
    result = spawn("show-positions", path, "--position-type", "all", "--tx-type", "all")
    assert result.returncode == 0
    assert "\x1b" not in result.stdout
    assert "Not shown" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) > 120
    assert not [line for line in result.stdout.splitlines() if line != line.rstrip()]


def test_symbols_that_look_like_markup_are_shown_as_they_are(run: Run, shared_dir: Path):
    path = shared_dir / "states" / "hyperliquid--state--hyperai-cleanup.json"
    assert "[ Systemic-USDC" in run("show-positions", path).stdout
