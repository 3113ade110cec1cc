"""store generations: the copies of a state file."""

import json
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tradeexecutor.state.store.backups import BackupFolder, backup_state


def test_copies_of_an_intact_file(run: Run, path: Path):
    kept = backup_state(path, "prune-backup").path
    result = run("store", "generations", path)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[2:7]] == [
        "demo.json",
        *(f"demo.json.backups/{backup.path.name}" for backup in reversed(BackupFolder(path).list_backups())),
        kept.name,
    ]
    assert "2 saves" in lines[4]
    assert "1 save " in lines[3]


def test_copies_of_a_damaged_file(run: Run, damaged: Path):
    result = run("store", "generations", damaged)
    assert result.exit_code == 1
    assert "is not intact" in result.stdout
    assert f"store recover {damaged}" in result.stdout
    found = json.loads(run("store", "generations", damaged, "--json").stdout)
    assert [(item["kind"], item["verdict"]) for item in found] == [
        ("current", "damaged"),
        ("backup", "good"),
        ("backup", "good"),
    ]


def test_copies_of_a_missing_file(run: Run, path: Path):
    path.unlink()
    result = run("store", "generations", path)
    assert result.exit_code == 1
    assert "is missing" in result.stdout
    assert [line.split()[-1] for line in result.stdout.splitlines() if "backup" in line] == ["good", "good"]


@pytest.mark.slow
def test_generations_are_of_files(run: Run, address: str):
    result = run("store", "generations", address)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
