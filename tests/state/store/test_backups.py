"""Rotating backups and kept originals."""

import os
import shlex
import stat
from pathlib import Path

import pytest

from tests.kit.store_contract import make_state
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.files.syscalls import FileLayer
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.backups import (
    Backup,
    BackupPolicy,
    backup_state,
    find_kept_originals,
    is_same_save,
    keep_original,
    select_superfluous,
)
from tradeexecutor.state.store.copies import recover


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "demo.json"
    make_state("original").write_json_file(path)
    return path


# --- Which backups stay


def make_backups(*days: int) -> list[Backup]:
    """A backup for each number, on that day of March."""
    return [
        Backup(number, Path(f"{number:08}-2024-03-{day:02}T10-00-00Z.json")) for number, day in enumerate(days, start=1)
    ]


def kept(policy: BackupPolicy, *days: int) -> list[int]:
    backups = make_backups(*days)
    superfluous = select_superfluous(backups, policy)
    return [backup.number for backup in backups if backup not in superfluous]


def test_the_newest_stay():
    assert kept(BackupPolicy(last=2, daily=0), 1, 1, 1, 1) == [3, 4]
    assert kept(BackupPolicy(last=5, daily=0), 1, 1) == [1, 2]
    assert kept(BackupPolicy(last=0, daily=0), 1, 1) == []


def test_of_each_day_the_newest_stays():
    assert kept(BackupPolicy(last=0, daily=3), 1, 1, 2, 2, 2, 3, 4, 4) == [5, 6, 8]
    assert kept(BackupPolicy(last=2, daily=2), 1, 1, 2, 2, 2) == [2, 4, 5]


def test_days_without_a_save_do_not_count():
    assert kept(BackupPolicy(last=1, daily=3), 1, 8, 20, 20) == [1, 2, 4]


def test_when_the_clock_jumped_and_came_back_the_numbers_decide():
    assert kept(BackupPolicy(last=1, daily=2), 1, 30, 1, 2) == [3, 4]


def test_the_default_keeps_ten_at_most():
    assert len(kept(BackupPolicy(), *sorted([*range(1, 29)] * 5))) == 9
    assert BackupPolicy() == BackupPolicy(last=3, daily=7)


@pytest.mark.parametrize("wrong", [-1, 1.5, True, None])
def test_a_policy_is_made_of_counts(wrong: object):
    with pytest.raises(InvalidValue, match=r"BackupPolicy\.last"):
        BackupPolicy(last=wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=r"BackupPolicy\.daily"):
        BackupPolicy(daily=wrong)  # type: ignore[arg-type]


# --- Backups on purpose


def test_a_backup_is_a_copy_under_the_first_free_number(path: Path):
    first = backup_state(path)
    second = backup_state(str(path))
    other = backup_state(path, "prune-backup")
    names = ["demo.backup-1.json", "demo.backup-2.json", "demo.prune-backup-1.json"]
    assert [backup.path.name for backup in (first, second, other)] == names
    assert first.path.read_bytes() == path.read_bytes()
    assert first.path.stat().st_ino != path.stat().st_ino, "an editor that writes in place must not change both"
    first.path.unlink()
    assert backup_state(path).path == first.path


def test_a_backup_has_the_mode_of_the_original(path: Path):
    path.chmod(0o600)
    assert stat.S_IMODE(backup_state(path).path.stat().st_mode) == 0o600


def test_more_than_a_hundred_backups(path: Path):
    for _ in range(101):
        backup_state(path)
    assert find_kept_originals(path)[-1].name == "demo.backup-101.json"


def test_the_command_of_a_backup_brings_it_back(tmp_path: Path):
    folder = tmp_path / "my strategies"
    folder.mkdir()
    path = folder / "demo.json"
    make_state("before").write_json_file(path)
    before = path.read_bytes()
    backup = backup_state(path)
    with JSONFileStore(path) as store:
        store.sync(make_state("mended badly"))
    program, group, command, file, option, source, exact = shlex.split(backup.restore_command)
    assert (program, group, command, option, exact) == ("tradeexecutor", "store", "recover", "--from", "--exact")
    assert Path(source) == backup.path
    done = recover(Path(file), Path(source), exact=True)
    assert path.read_bytes() == before
    assert done.kept_as is not None
    assert State.read_json_file(done.kept_as).name == "mended badly"


def test_the_command_is_relative_where_the_path_was(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(path.parent)
    backup = backup_state("demo.json")
    assert backup.restore_command == "tradeexecutor store recover demo.json --from demo.backup-1.json --exact"
    assert backup.path == Path("demo.backup-1.json")


def test_the_backup_of_a_link_is_beside_the_file(path: Path, tmp_path: Path):
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "link.json"
    link.symlink_to(path)
    assert backup_state(link).path == path.with_name("demo.backup-1.json")


def test_a_file_without_a_suffix(tmp_path: Path):
    make_state().write_json_file(tmp_path / "state")
    assert backup_state(tmp_path / "state").path.name == "state.backup-1"


@pytest.mark.parametrize("suffix", ["", "Backup", "a b", "../x", "a-", "-a", "a.b"])
def test_a_suffix_that_would_hide_the_backup_is_refused(path: Path, suffix: str):
    with pytest.raises(InvalidValue, match="suffix"):
        backup_state(path, suffix)


def test_there_must_be_something_to_back_up(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"demo\.json"):
        backup_state(tmp_path / "demo.json")
    with pytest.raises(FileNotFoundError):
        backup_state(tmp_path)


def test_a_backup_of_a_file_that_is_being_saved_is_a_whole_save(path: Path):
    with JSONFileStore(path) as store:
        store.sync(make_state("running"))
        backup = backup_state(path)
        store.sync(make_state("goes on"))
    assert State.read_json_file(backup.path).name == "running"


class Rival(FileLayer):
    """Another process takes the name just before us, once."""

    def __init__(self) -> None:
        self.is_done = False

    def link(self, source: Path, target: Path) -> None:
        if not self.is_done:
            self.is_done = True
            target.write_text("of the other process")
        super().link(source, target)


def test_two_processes_that_back_up_at_once_get_two_names(path: Path):
    backup = backup_state(path, files=Rival())
    assert backup.path.name == "demo.backup-2.json"
    assert backup.path.read_bytes() == path.read_bytes()
    assert path.with_name("demo.backup-1.json").read_text() == "of the other process"
    assert not list(path.parent.glob(".*.tmp"))


# --- Kept originals


def test_an_original_is_kept_without_copying(path: Path):
    kept = keep_original(path, "damaged")
    assert kept == path.with_name("demo.damaged-1.json")
    assert kept.stat().st_ino == path.stat().st_ino


def test_an_original_is_kept_once(path: Path):
    assert keep_original(path, "damaged") == keep_original(path, "damaged")
    assert len(find_kept_originals(path)) == 1
    make_state("another").write_json_file(path)
    assert keep_original(path, "damaged").name == "demo.damaged-2.json"


def test_kept_originals_are_found_by_suffix_and_number(path: Path):
    names = ["demo.backup-1.json", "demo.backup-2.json", "demo.backup-10.json", "demo.schema-0-backup-1.json"]
    others = [
        "demo.json.lock",
        "other.backup-1.json",
        "demo.backup.json",
        "demo.backup-1.json.br",
        "xdemo.backup-1.json",
    ]
    for name in (*reversed(names), *others):
        (path.parent / name).touch()
    assert [item.name for item in find_kept_originals(path)] == names
    assert find_kept_originals(path / "no" / "folder.json") == []


def test_what_is_the_same_save(path: Path, tmp_path: Path):
    other = tmp_path / "other.json"
    make_state("original").write_json_file(other)
    assert is_same_save(path, other), "the same content without a checksum header"
    with JSONFileStore(path, backups=None) as store:
        store.sync(make_state("original"))
        assert not is_same_save(path, other)
        os.link(path, tmp_path / "link.json")
        assert is_same_save(path, tmp_path / "link.json")
        store.sync(make_state("original"))
    assert not is_same_save(path, tmp_path / "link.json")
