"""store verify: what it finds in files and databases, and that it changes nothing."""

import json
from pathlib import Path

from tests.kit.command_runner import Run
from tests.kit.store_commands import damage_database, snapshot
from tests.kit.store_contract import make_state
from tradeexecutor.state.files.compressed_copy import get_compressed_path
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.backups import BackupFolder


def test_an_intact_file(run: Run, path: Path):
    before = snapshot(path.parent)
    result = run("store", "verify", path)
    assert result.exit_code == 0
    assert "good, the checksum matches" in result.stdout
    assert "Save      3" in result.stdout
    assert "third" in result.stdout
    assert snapshot(path.parent) == before


def test_a_damaged_file(run: Run, damaged: Path):
    result = run("store", "verify", damaged)
    assert result.exit_code == 1
    assert "DAMAGED: damaged or changed after it was saved, the checksum does not match" in result.stdout


def test_a_file_of_another_program(run: Run, tmp_path: Path):
    (tmp_path / "old.json").write_text('{"portfolio": {}}')
    result = run("store", "verify", tmp_path / "old.json")
    assert result.exit_code == 0
    assert "good as far as it can be checked without a checksum" in result.stdout


def test_several_files_one_of_them_damaged(run: Run, damaged: Path):
    backups = [backup.path for backup in BackupFolder(damaged).list_backups()]
    result = run("store", "verify", *backups, damaged, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [item["verdict"] for item in found] == ["good", "good", "damaged"]
    assert [item["save"] for item in found] == [1, 2, None]
    assert run("store", "verify", *backups).stdout.count("checksum matches") == 2


def test_a_compressed_copy(run: Run, tmp_path: Path):
    path = tmp_path / "demo.json"
    with JSONFileStore(path, compressed=True) as store:
        store.sync(make_state())
    copy = get_compressed_path(path)
    assert run("store", "verify", copy).exit_code == 0
    copy.write_bytes(copy.read_bytes()[:-3])
    assert run("store", "verify", copy).exit_code == 1


def test_verify(run: Run, address: str):
    result = run("store", "verify", address)
    assert result.exit_code == 0
    assert "good, all checksums match (4 saves)" in result.stdout
    damage_database(revision=2)
    result = run("store", "verify", "sqlite:///trading.db")
    assert result.exit_code == 1
    assert "earlier saves are damaged" in result.stdout
    damage_database()
    result = run("store", "verify", address, "--json")
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)
    assert found["verdict"] == "damaged"
    assert 4 in found["damaged_saves"]


def test_verify_of_a_file_that_is_no_database(run: Run, tmp_path: Path):
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    result = run("store", "verify", f"sqlite:///{tmp_path}/x.db")
    assert result.exit_code == 1
    assert "DAMAGED" in result.stdout
    assert run("store", "verify", f"sqlite:///{tmp_path}/none.db").exit_code == 1
