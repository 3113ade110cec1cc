"""correct-accounts: differences are booked, once, and nothing else."""

import datetime
import functools
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.accounts import SCAM, WriteBalances, save_accounts, write_balances
from tests.kit.command_runner import Run
from tests.kit.trader import LINK, USDC, WETH, WETH_USDC, Trader
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.state import State

D = Decimal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save_accounts(tmp_path)


@pytest.fixture
def write(tmp_path: Path) -> WriteBalances:
    return functools.partial(write_balances, tmp_path)


def test_a_correction_is_booked_and_clean_afterwards(run: Run, path: Path, write: WriteBalances):
    balances = write({USDC: 5_000, WETH: "0.3", LINK: 0})
    result = run("correct-accounts", path, "--balances", balances, "--yes")
    assert result.exit_code == 0
    assert "Afterwards the accounts are clean." in result.stdout
    assert "balance update #7" in result.stdout
    state = State.read_json_file(path)
    assert state.portfolio.get_default_reserve_position().quantity == 5_000
    assert state.portfolio.open_positions[1].get_quantity() == D("0.3")
    assert prove(state).is_balanced
    assert (path.parent / "state.accounts-backup-1.json").exists()


def test_correcting_again_changes_nothing(run: Run, path: Path, write: WriteBalances):
    rows = [(datetime.datetime(2023, 1, 1), item, D(amount)) for item, amount in ((USDC, "5000"), (WETH, "0"))]
    assert run("correct-accounts", path, "--balances", write(rows), "--yes").exit_code == 0
    before = path.read_bytes()
    assert 1 in State.read_json_file(path).portfolio.closed_positions
    again = run("correct-accounts", path, "--balances", write(rows), "--yes")
    assert again.exit_code == 0
    assert "Nothing to change." in again.stdout
    assert path.read_bytes() == before
    assert run("check-accounts", path, "--balances", write(rows)).exit_code == 0


def test_a_dry_run_changes_nothing(run: Run, path: Path, write: WriteBalances):
    before = path.read_bytes()
    result = run("correct-accounts", path, "--balances", write({USDC: 5_000, WETH: "0.5"}), "--dry-run", "--json")
    report = json.loads(result.stdout)
    assert path.read_bytes() == before
    assert (report["changed"], report["result"]["after"]["clean"]) == (False, True)
    assert report["result"]["equity_after"] == report["result"]["equity_before"] - 1_000


def test_unknown_tokens_are_left_alone(run: Run, path: Path, write: WriteBalances):
    balances = write({USDC: 6_000, WETH: "0.5", SCAM: 5, LINK: 40})
    result = run("correct-accounts", path, "--balances", balances, "--yes")
    assert result.exit_code == 1
    assert result.stdout.count("left alone") == 2
    assert "still not clean" in result.stdout


def test_tokens_that_were_traded_before_can_get_a_position(run: Run, path: Path, write: WriteBalances):
    balances = write({USDC: 6_000, WETH: "0.5", SCAM: 5, LINK: 40})
    result = run("correct-accounts", path, "--balances", balances, "--yes", "--open-missing")
    assert result.exit_code == 1
    assert "position #3 is opened" in result.stdout
    assert "no pair with this token is known" in result.stdout
    state = State.read_json_file(path)
    assert state.portfolio.open_positions[3].get_value() == 400.0
    assert prove(state).is_balanced


def test_a_half_done_trade_has_to_be_repaired_first(run: Run, path: Path, write: WriteBalances):
    state = State.read_json_file(path)
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    trader.time_travel(datetime.datetime(2023, 1, 1))
    trader.plan(WETH_USDC, "0.1", 2_000.0)
    state.write_json_file(path)
    before = path.read_bytes()
    result = run("correct-accounts", path, "--balances", write({USDC: 5_000}), "--yes")
    assert result.exit_code == 1
    assert "is planned and was not executed" in result.stderr
    assert "tradeexecutor repair" in result.stderr
    assert path.read_bytes() == before
