"""What processes that were killed have left is removed at the next start, and nothing else is."""

import os
import time
from pathlib import Path

import pytest

from tests.kit.store_contract import make_state
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.archive import get_archive_folder
from tradeexecutor.state.store.backups import BackupFolder

HEX = "0123456789abcdef"
DIGITS = "ab" * 32

#: Where a process may have died, all of them under the writer lock.
LOCKED = [
    f".demo.json.{HEX}.tmp",
    f".demo.json.br.{HEX}.tmp",
    f"demo.json.backups/.00000001-2026-03-01T12-30-05Z.json.{HEX}.tmp",
    f"demo.json.archives/.{DIGITS}.json.br.{HEX}.tmp",
]

#: Written without the lock, by `backup_state`.
UNLOCKED = [f".demo.backup-1.json.{HEX}.tmp", f".demo.prune-backup-12.json.{HEX}.tmp"]

FOREIGN = [
    f".other.json.{HEX}.tmp",
    f".demo.json.{HEX[1:]}.tmp",
    f".demo.json.{HEX.upper()}.tmp",
    f"demo.json.{HEX}.tmp",
    f".demo.json.{HEX}.tmp.txt",
    f".demo.txt.{HEX}.tmp",
    f".demo.json.gz.{HEX}.tmp",
    f".demo.Backup-1.json.{HEX}.tmp",
    f"demo.json.backups/.notes.{HEX}.tmp",
    f"demo.json.backups/.demo.json.{HEX}.tmp",
    f"demo.json.archives/.{DIGITS[1:]}.json.br.{HEX}.tmp",
]


def make(folder: Path, name: str, age: float) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"half a fi")
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def start(folder: Path) -> None:
    """A strategy starts, and saves for the first time."""
    with JSONFileStore(folder / "demo.json") as store:
        store.sync(make_state())


@pytest.mark.parametrize("name", LOCKED)
def test_what_only_the_writer_makes_is_removed_at_once(tmp_path: Path, name: str):
    path = make(tmp_path, name, age=1)
    start(tmp_path)
    assert not path.exists()


@pytest.mark.parametrize("name", UNLOCKED)
def test_what_anybody_makes_is_removed_after_an_hour(tmp_path: Path, name: str):
    path = make(tmp_path, name, age=3500)
    start(tmp_path)
    assert path.exists(), "somebody may be making a copy just now"
    make(tmp_path, name, age=3700)
    start(tmp_path)
    assert not path.exists()


@pytest.mark.parametrize("name", FOREIGN)
def test_nothing_else_is_removed(tmp_path: Path, name: str):
    path = make(tmp_path, name, age=1e6)
    start(tmp_path)
    assert path.exists()


def test_what_was_written_after_the_lock_was_taken_stays(tmp_path: Path):
    """Nobody but the holder of the lock should write there; if somebody does, it is not dead."""
    path = make(tmp_path, LOCKED[0], age=-60)
    start(tmp_path)
    assert path.exists()


@pytest.mark.parametrize("name", LOCKED)
def test_folders_and_links_are_no_temporary_files(tmp_path: Path, name: str):
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    os.utime(precious, (0, 0))
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(precious)
    start(tmp_path)
    assert path.is_symlink()
    assert precious.exists()
    path.unlink()
    path.mkdir()
    start(tmp_path)
    assert path.is_dir()


def test_it_is_done_once_for_each_process(tmp_path: Path):
    with JSONFileStore(tmp_path / "demo.json") as store:
        store.sync(make_state())
        path = make(tmp_path, LOCKED[0], age=1e6)
        store.sync(make_state())
        assert path.exists()
    start(tmp_path)
    assert not path.exists()


def test_the_names_are_those_that_are_used(tmp_path: Path):
    """Should a folder or a file be called otherwise one day, the tests above must follow."""
    path = tmp_path / "demo.json"
    assert BackupFolder(path).folder.name == "demo.json.backups"
    assert get_archive_folder(path).name == "demo.json.archives"
