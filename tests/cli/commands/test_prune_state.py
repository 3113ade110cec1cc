"""Detail goes into an archive and comes back; the audit reads the archive; what is wrong with it is said plainly."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.command_runner import Run
from tests.kit.prunable import make_state, make_transaction
from tests.kit.trader import USDC, WETH_USDC, Trader
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "demo.json"
    with JSONFileStore(path) as store:
        store.sync(make_state())
    return path


def read(path: Path) -> dict[str, object]:
    """Content without what a save itself changes."""
    tree = State.read_json_file(path).to_dict()
    del tree["last_updated_at"]
    return tree


def get_archives(path: Path) -> list[Path]:
    folder = path.with_name("demo.json.archives")
    return sorted(folder.iterdir()) if folder.exists() else []


def test_pruning_and_back(run: Run, path: Path):
    before, size = read(path), path.stat().st_size
    result = run("prune-state", path, "--yes")
    assert result.exit_code == 0, result.output
    for text in (
        "Transactions       8",
        "Balance updates    2, 1 stay",
        "Valuation updates  6",
        "tradeexecutor unprune-state",
    ):
        assert text in result.stdout
    assert path.stat().st_size < 0.7 * size
    assert len(get_archives(path)) == 1
    assert path.with_name("demo.prune-backup-1.json").exists()
    result = run("unprune-state", path, "--yes")
    assert result.exit_code == 0, result.output
    assert read(path) == before
    assert len(get_archives(path)) == 1, "backups may refer to it"


def test_a_dry_run_writes_nothing(run: Run, path: Path):
    before = path.read_bytes()
    result = run("prune-state", path, "--dry-run")
    assert result.exit_code == 0
    assert "Dry run: nothing was changed." in result.stdout
    assert path.read_bytes() == before
    assert get_archives(path) == []
    result = run("prune-state", path, "--dry-run", "--json")
    report = json.loads(result.stdout)
    assert report["changed"] is False
    assert report["result"]["transactions"] == 8
    assert report["result"]["balance_updates_kept"] == 1
    assert not Path(report["result"]["archive"]).exists()


def test_json_names_the_archive(run: Run, path: Path):
    report = json.loads(run("prune-state", path, "--yes", "--json").stdout)
    assert report["result"]["archive"] == str(get_archives(path)[0])
    assert report["result"]["archive_size"] == get_archives(path)[0].stat().st_size
    report = json.loads(run("unprune-state", path, "--yes", "--json").stdout)
    assert [item["archive"] for item in report["result"]["restored"]] == [str(get_archives(path)[0])]


def test_twice_is_once(run: Run, path: Path):
    run("prune-state", path, "--yes")
    before = path.read_bytes()
    result = run("prune-state", path, "--yes")
    assert result.exit_code == 0
    assert "Nothing to change." in result.stdout
    assert path.read_bytes() == before
    assert len(get_archives(path)) == 1


def test_what_was_never_pruned_has_nothing_to_put_back(run: Run, path: Path):
    result = run("unprune-state", path, "--yes")
    assert result.exit_code == 0
    assert "nothing was pruned from this state" in result.stdout
    assert "Nothing to change." in result.stdout


def test_discarding_tells_what_it_costs(run: Run, path: Path):
    result = run("prune-state", path, "--yes", "--discard")
    assert result.exit_code == 0
    assert "whose quantity, profit or interest will change: 1." in result.stdout.replace("\n", " ")
    assert get_archives(path) == []
    transaction = State.read_json_file(path).portfolio.closed_positions[1].trades[1].blockchain_transactions[0]
    assert transaction.signed_bytes is None
    assert not State.read_json_file(path).portfolio.closed_positions[2].balance_updates


def test_a_disk_that_refuses_the_archive_leaves_the_state_alone(run: Run, path: Path):
    before = path.read_bytes()
    path.with_name("demo.json.archives").write_text("in the way")
    result = run("prune-state", path, "--yes")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert path.read_bytes() == before


# --- Audit and validate


def audit(run: Run, path: Path, *options: str) -> Any:
    return json.loads(run("audit", path, "--json", *options).stdout)


def test_the_audit_says_the_same_before_and_after(run: Run, path: Path):
    before = audit(run, path, "--entries")
    run("prune-state", path, "--yes")
    assert audit(run, path, "--entries") == before


def test_without_the_archive_the_audit_says_so(run: Run, path: Path):
    run("prune-state", path, "--yes")
    get_archives(path)[0].unlink()
    result = run("audit", path)
    assert "pruned details of 2 closed positions were not examined" in result.stdout
    assert "is missing" in result.stdout
    assert any("not examined" in remark for remark in audit(run, path)["remarks"])


def test_the_archives_of_a_strategy_in_a_database_are_found(run: Run, path: Path, tmp_path: Path):
    before = audit(run, path, "--entries")
    run("prune-state", path, "--yes")
    address = f"sqlite:///{tmp_path}/trading.db#demo"
    result = run("store", "convert", path, address)
    assert result.exit_code == 0, result.output
    assert json.loads(run("audit", address, "--json", "--entries").stdout) == before


def test_a_strict_audit_needs_the_archive(run: Run, tmp_path: Path):
    """Everything adds up in this state, with the archive and without."""
    path = tmp_path / "demo.json"
    run("init", path, "--name", "Paper", "--chain-id", 1, "--address", USDC.address, "--deposit", 10_000)
    with JSONFileStore(path) as store:
        state = store.load()
        trader = Trader(state)
        trader.ts = utc_now()
        trader.buy(WETH_USDC, "2", 2000.0)
        trader.sell(WETH_USDC, "2", 2000.0)
        state.portfolio.closed_positions[1].trades[1].blockchain_transactions = [make_transaction(7)]
        store.sync(state)
    run("prune-state", path, "--yes")
    assert run("audit", path, "--strict").exit_code == 0
    get_archives(path)[0].unlink()
    assert run("audit", path).exit_code == 0
    assert run("audit", path, "--strict").exit_code == 1


def test_validate_names_a_missing_archive(run: Run, path: Path):
    assert "archives" not in run("validate", path).stdout
    run("prune-state", path, "--yes")
    result = run("validate", path)
    assert result.exit_code == 0
    assert "1 archive of pruned details, intact" in result.stdout
    archive = get_archives(path)[0]
    content = archive.read_bytes()
    archive.write_bytes(content[:-1])
    result = run("validate", path)
    assert result.exit_code == 1
    assert "the archive is damaged" in result.stdout
    archive.unlink()
    result = run("validate", path)
    assert result.exit_code == 1
    assert "is missing" in result.stdout


@pytest.mark.parametrize("change", [Path.unlink, lambda file: file.write_bytes(b"x")])
def test_unprune_refuses_a_missing_or_damaged_archive(run: Run, path: Path, change):
    run("prune-state", path, "--yes")
    change(get_archives(path)[0])
    before = path.read_bytes()
    result = run("unprune-state", path, "--yes")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the archive")
    assert str(path.parent) in result.stderr
    assert path.read_bytes() == before


def test_a_lost_archive_can_be_given_up(run: Run, path: Path):
    run("prune-state", path, "--yes")
    get_archives(path)[0].unlink()
    result = run("unprune-state", path, "--yes", "--give-up")
    assert result.exit_code == 0
    assert "given up: lost" in result.stdout
    assert State.read_json_file(path).archives == []
    assert run("validate", path).exit_code == 0


@pytest.mark.slow
@pytest.mark.golden
def test_real_files_are_audited_the_same(run: Run, state_file: Path, tmp_path: Path):
    path = tmp_path / "demo.json"
    path.write_bytes(state_file.read_bytes())
    code, before = run("audit", path).exit_code, audit(run, path)
    assert run("prune-state", path, "--yes").exit_code == 0
    assert run("audit", path).exit_code == code
    assert audit(run, path) == before
