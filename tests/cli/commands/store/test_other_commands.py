"""Other commands on damaged files, and on strategies in databases."""

import json
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tests.kit.samples import blockchain_transaction
from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.database.store import SQLStateStore


def test_commands_that_read_a_damaged_file_say_how_to_get_it_back(run: Run, damaged: Path):
    for command in ("show-positions", "show-trades", "validate"):
        result = run(command, damaged)
        assert result.exit_code == 1
        assert "the checksum does not match" in result.output
        assert "tradeexecutor store generation" in " ".join(result.output.split())  # a table may cut the rest off


def test_other_commands_read_a_strategy_by_its_address(run: Run, address: str):
    assert "1 open" in run("show-positions", address).stdout
    assert "0 open, 0 frozen, 1 closed" in run("show-positions", f"{address}@3").stdout
    assert run("show-trades", f"{address}@2", "--json").exit_code == 0
    assert "nothing was ever saved there" in run("show-trades", "sqlite:///trading.db#nobody").stderr.lower()
    assert "no such database" in run("show-trades", "sqlite:///none.db#demo").stderr


def test_a_strategy_in_a_database_is_mended_like_a_file_and_undone_by_the_command_that_is_printed(
    run: Run, address: str
):
    token = "0x" + "11" * 20
    before = SQLStateStore(address).load().to_json_bytes()
    shown = run("blacklist", address, "--add-token", token, "--chain", "1", "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert len(SQLStateStore(address).history()) == 4
    done = run("blacklist", address, "--add-token", token, "--chain", "1", "--yes", "--json")
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout)
    assert outcome["changed"] is True
    assert outcome["backup"] is None
    assert outcome["undo"] == f"tradeexecutor store recover '{address}' --at 4"
    assert len(SQLStateStore(address).load().asset_blacklist) == 1
    undone = run("store", "recover", address, "--at", "4", "--yes")
    assert undone.exit_code == 0, undone.output
    assert SQLStateStore(address).load().to_json_bytes() == before


def test_only_the_newest_save_can_be_changed(run: Run, address: str):
    result = run("blacklist", f"{address}@2", "--add-token", "0x" + "11" * 20, "--chain", "1", "--yes")
    assert result.exit_code == 1
    assert "only the newest save can be changed" in result.output
    assert len(SQLStateStore(address).history()) == 4


def test_validate_reads_databases(run: Run, address: str):
    result = run("validate", address, f"{address}@2")
    assert result.exit_code == 0, result.output
    assert address in result.stdout


def test_archives_stand_beside_the_database(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    trader = Trader(new_state())
    trader.buy(WETH_USDC, "1", 2000.0)
    position, sale = trader.sell(WETH_USDC, "1", 2000.0)
    assert position.is_closed()
    transaction = blockchain_transaction()
    transaction.signed_bytes = "0x" + "ab" * 200
    sale.blockchain_transactions = [transaction]
    with SQLStateStore("sqlite:///trading.db#demo") as store:
        store.sync(trader.state)
        before = store.load().portfolio.to_json_bytes()
    pruned = run("prune-state", "sqlite:///trading.db#demo", "--yes")
    assert pruned.exit_code == 0, pruned.output
    assert list(tmp_path.glob("trading.db.demo.archives/*.json.br"))
    assert SQLStateStore("sqlite:///trading.db#demo").load().portfolio.to_json_bytes() != before
    restored = run("unprune-state", "sqlite:///trading.db#demo", "--yes")
    assert restored.exit_code == 0, restored.output
    assert SQLStateStore("sqlite:///trading.db#demo").load().portfolio.to_json_bytes() == before


def test_a_chart_of_a_strategy_in_a_database(run: Run, address: str, tmp_path: Path):
    drawn = run("chart", "positions", address, "-o", tmp_path / "positions.json")
    assert drawn.exit_code == 0, drawn.output
    assert json.loads((tmp_path / "positions.json").read_text())["data"]
