"""A new state file is made, and never overwrites one."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

USDC = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"


OPTIONS = ("--name", "Paper", "--chain-id", "1", "--address", USDC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "demo.json"


def test_a_new_strategy_has_a_reserve_and_nothing_else(run: Run, path: Path):
    result = run("init", path, *OPTIONS)
    assert result.exit_code == 0, result.output
    assert "USDC on Ethereum, 6 decimals" in result.stdout
    state = State.read_json_file(path)
    assert state.name == "Paper"
    assert not list(state.portfolio.get_all_positions(pending=True))
    reserve = state.portfolio.get_default_reserve_position()
    assert reserve.get_identifier() == f"1-{USDC.lower()}"
    assert (reserve.asset.token_symbol, reserve.asset.decimals, reserve.quantity) == ("USDC", 6, 0)
    assert state.portfolio.get_net_asset_value() == 0
    assert run("validate", path).exit_code == 0
    assert prove(state).is_balanced


def test_a_first_deposit_is_an_event(run: Run, path: Path):
    result = run("init", path, *OPTIONS, "--deposit", "1000.5", "--json")
    assert json.loads(result.stdout)["cash"] == "1000.5"
    state = State.read_json_file(path)
    reserve = state.portfolio.get_default_reserve_position()
    assert [event.quantity for event in reserve.balance_updates.values()] == [Decimal("1000.5")]
    assert reserve.initial_deposit == Decimal("1000.5")
    assert prove(state).is_balanced
    assert run("audit", path, "--strict").exit_code == 0


def test_an_existing_file_is_never_overwritten(run: Run, path: Path):
    path.write_text("mine")
    result = run("init", path, *OPTIONS)
    assert result.exit_code == 1
    assert "exists" in result.stderr
    assert path.read_text() == "mine"


def test_a_file_that_has_vanished_is_not_new(run: Run, path: Path):
    with JSONFileStore(path) as store:
        store.sync(State())
        store.sync(State())
    path.unlink()
    result = run("init", path, *OPTIONS)
    assert result.exit_code == 1
    assert "store recover" in result.stderr
    assert not path.exists()


@pytest.mark.parametrize(
    "changed",
    [
        ("--address", USDC[:-1]),
        ("--address", USDC.replace("A0b8", "a0b8")),
        ("--address", "USDC"),
        ("--deposit", "0"),
        ("--deposit", "-1"),
        ("--deposit", "much"),
        ("--deposit", "NaN"),
        ("--deposit", "1.0000001"),
        ("--decimals", "0"),
        ("--chain-id", "one"),
        ("--name", " "),
        ("--symbol", ""),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(run: Run, path: Path, changed: tuple[str, str]):
    assert run("init", path, *OPTIONS, *changed).exit_code == 2
    assert list(path.parent.iterdir()) == []


def test_a_folder_that_does_not_exist_is_said(run: Run, tmp_path: Path):
    result = run("init", tmp_path / "none" / "demo.json", *OPTIONS)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
