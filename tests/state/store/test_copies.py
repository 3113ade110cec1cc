"""Listing the copies of a state file, and recovering from them."""

import datetime
import errno
import json
import os
from pathlib import Path

import pytest

from tests.faults.files import FaultyFiles, fail_always, fail_at
from tests.kit.store_contract import make_state
from tradeexecutor.state.errors import NothingToRecover, SaveFailed, StoreLocked
from tradeexecutor.state.files.compressed_copy import get_compressed_path, read_compressed_copy
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.backups import BackupFolder, backup_state
from tradeexecutor.state.store.copies import (
    CopyKind,
    Verdict,
    examine,
    list_copies,
    plan_recovery,
    recover,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three saves, compressed."""
    path = tmp_path / "demo.json"
    with JSONFileStore(path, compressed=True) as store:
        for name in ("first", "second", "third"):
            store.sync(make_state(name))
    return path


def write_temporary(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{'a' * 16}.tmp")
    temporary.write_bytes(content)
    return temporary


# --- Examining


def test_a_good_file(path: Path):
    found = examine(path)
    assert found.is_good
    assert found.verdict is Verdict.good
    assert found.reason == ""
    assert (found.number, found.name, found.schema_version) == (3, "third", 1)
    assert found.checksum == json.loads(path.read_text())["seal"]["sha256"]
    assert found.size == path.stat().st_size
    assert found.last_updated_at == State.read_json_file(path).last_updated_at
    assert found.modified_at is not None


def test_a_file_without_a_header_is_good_as_far_as_can_be_told(tmp_path: Path):
    path = tmp_path / "old.json"
    path.write_text('{"portfolio": {}}')
    found = examine(path)
    assert found.is_good
    assert (found.number, found.checksum, found.schema_version, found.name) == (None, None, 0, None)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it is empty"),
        ("[]", "a state is a JSON object"),
        ('{"portfolio": 5}', "Expected `object`"),
        ('{"seal": 1}', "the checksum header at the beginning is damaged"),
        ('{"schema_version": "x"}', "schema_version"),
    ],
)
def test_a_damaged_file_has_a_reason(tmp_path: Path, content: str, reason: str):
    path = tmp_path / "demo.json"
    path.write_text(content)
    found = examine(path)
    assert found.verdict is Verdict.damaged
    assert reason in found.reason
    assert "store generations" not in found.reason, "the advice is for other places"


def test_a_file_of_a_newer_program_is_not_damaged(tmp_path: Path):
    path = tmp_path / "demo.json"
    path.write_text('{"schema_version": 99}')
    found = examine(path)
    assert found.verdict is Verdict.newer_schema
    assert not found.is_good
    assert found.schema_version == 99
    assert "upgrade" in found.reason


def test_what_cannot_be_read_is_listed_all_the_same(tmp_path: Path):
    found = examine(tmp_path)
    assert found.verdict is Verdict.unreadable
    assert found.reason == "Is a directory"


def test_what_is_not_there(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        examine(tmp_path / "demo.json")


# --- Listing


def test_every_copy_is_listed_the_file_first_and_backups_newest_first(path: Path):
    kept = backup_state(path).path
    temporary = write_temporary(path, b'{"half')
    listed = [(item.path.name, item.kind, item.number, item.is_good) for item in list_copies(path)]
    backups = [backup.path.name for backup in BackupFolder(path).list_backups()]
    assert listed == [
        ("demo.json", CopyKind.current, 3, True),
        ("demo.json.br", CopyKind.compressed, 3, True),
        (temporary.name, CopyKind.temporary, None, False),
        (backups[1], CopyKind.backup, 2, True),
        (backups[0], CopyKind.backup, 1, True),
        (kept.name, CopyKind.kept, 3, True),
    ]


def test_nothing_at_all(tmp_path: Path):
    assert list_copies(tmp_path / "demo.json") == []
    assert list_copies(tmp_path / "no" / "demo.json") == []


def test_the_copies_of_a_link_are_those_of_its_file(path: Path, tmp_path: Path):
    (tmp_path / "far").mkdir()
    link = tmp_path / "far" / "link.json"
    link.symlink_to(path)
    assert list_copies(link) == list_copies(path)


def test_listing_changes_nothing(path: Path):
    before = sorted(path.parent.rglob("*"))
    list_copies(path)
    assert sorted(path.parent.rglob("*")) == before


# --- Recovering


def recovered_name(path: Path) -> str | None:
    return JSONFileStore(path).load().name


def test_an_intact_file_is_left_alone(path: Path):
    before = path.read_bytes()
    done = recover(path)
    assert done.chosen is None
    assert done.kept_as is None
    assert path.read_bytes() == before


def test_the_compressed_copy_is_the_last_save_itself(path: Path):
    path.write_bytes(b"")
    done = recover(path)
    assert done.chosen is not None
    assert done.chosen.kind is CopyKind.compressed
    assert recovered_name(path) == "third"
    assert not get_compressed_path(path).exists(), "it has another number than the recovered file"


def test_the_newest_good_backup_is_used(path: Path):
    get_compressed_path(path).unlink()
    path.write_bytes(b"{")
    done = recover(path)
    assert done.chosen is not None
    assert (done.chosen.kind, done.chosen.number) == (CopyKind.backup, 2)
    assert recovered_name(path) == "second"


def test_the_damaged_file_is_kept(path: Path):
    path.write_bytes(b"harmed")
    done = recover(path)
    kept = path.with_name("demo.damaged-1.json")
    assert done.kept_as == kept
    assert kept.read_bytes() == b"harmed"
    assert done.current is not None
    assert done.current.verdict is Verdict.damaged


def test_a_missing_file_is_brought_back(path: Path):
    path.unlink()
    done = recover(path)
    assert done.current is None
    assert done.kept_as is None
    assert recovered_name(path) == "third"


def test_a_save_that_was_under_way_is_newer_than_the_backups(path: Path):
    get_compressed_path(path).unlink()
    write_temporary(path, path.read_bytes())
    path.write_bytes(b"")
    done = recover(path)
    assert done.chosen is not None
    assert done.chosen.kind is CopyKind.temporary
    assert recovered_name(path) == "third"


def test_half_a_save_that_was_under_way_is_not_used(path: Path):
    get_compressed_path(path).unlink()
    write_temporary(path, path.read_bytes()[:-1])
    path.write_bytes(b"")
    recover(path)
    assert recovered_name(path) == "second"


def test_the_number_of_the_save_decides_and_not_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "demo.json"
    with JSONFileStore(path) as store:
        for year, name in ((2030, "before the clock was put right"), (2024, "after"), (2024, "last")):
            now = datetime.datetime(year, 1, 1)
            monkeypatch.setattr("tradeexecutor.state.store.store.utc_now", lambda now=now: now)
            store.sync(make_state(name))
            os.utime(path, (year * 1e6, year * 1e6))
    path.write_bytes(b"")
    recover(path)
    assert recovered_name(path) == "after"


def test_without_numbers_the_time_of_the_save_decides(tmp_path: Path):
    path = tmp_path / "demo.json"
    for number, (name, at) in enumerate(
        (("old", 1_700_000_000), ("newer", 1_700_000_001), ("older", 1_600_000_000)), 1
    ):
        tree = make_state(name).to_dict() | {"last_updated_at": at}
        (tmp_path / f"demo.backup-{number}.json").write_text(json.dumps(tree))
    recover(path)
    assert recovered_name(path) == "newer"


def test_the_recovered_file_is_newer_than_every_copy_and_keeps_its_time(path: Path):
    time = State.read_json_file(BackupFolder(path).list_backups()[-1].path).last_updated_at
    get_compressed_path(path).unlink()
    path.write_bytes(b"")
    recover(path)
    found = examine(path)
    assert found.last_updated_at == time
    assert found.number == 3
    recover(path, BackupFolder(path).list_backups()[0].path)
    assert examine(path).number == 4


def test_saving_goes_on_after_a_recovery(path: Path):
    get_compressed_path(path).unlink()
    path.write_bytes(b"")
    recover(path)
    with JSONFileStore(path) as store:
        state = store.load()
        state.name = "goes on"
        store.sync(state)
        store.sync(state)
    names = [State.read_json_file(backup.path).name for backup in BackupFolder(path).list_backups()]
    assert names == ["second", "second", "goes on"]
    assert recovered_name(path) == "goes on"


def test_a_named_copy_replaces_an_intact_file(path: Path):
    first = BackupFolder(path).list_backups()[0].path
    done = recover(path, first)
    assert recovered_name(path) == "first"
    kept = path.with_name("demo.replaced-1.json")
    assert done.kept_as == kept
    assert State.read_json_file(kept).name == "third"


def test_an_exact_recovery_is_as_if_the_later_saves_had_never_been(path: Path):
    first = BackupFolder(path).list_backups()[0].path
    wanted = first.read_bytes()
    done = recover(path, first, exact=True)
    assert path.read_bytes() == wanted
    assert done.kept_as is not None
    assert State.read_json_file(done.kept_as).name == "third"
    with JSONFileStore(path) as store:
        state = store.load()
        state.name = "goes on"
        store.sync(state)
    path.write_bytes(path.read_bytes()[:-1])
    recover(path)
    assert recovered_name(path) != "third", "it was replaced on purpose"


def test_an_exact_recovery_of_a_compressed_copy_writes_its_text(path: Path):
    with JSONFileStore(path, compressed=True) as store:
        store.sync(store.load())
    wanted = path.read_bytes()
    compressed = path.with_name("kept.json.br")
    compressed.write_bytes(path.with_name(f"{path.name}.br").read_bytes())
    with JSONFileStore(path) as store:
        store.sync(make_state("later"))
    recover(path, compressed, exact=True)
    assert path.read_bytes() == wanted


def test_a_copy_from_anywhere_can_be_named(path: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    source = tmp_path / "elsewhere" / "copy.json"
    make_state("from elsewhere").write_json_file(source)
    recover(path, source)
    assert recovered_name(path) == "from elsewhere"
    compressed = tmp_path / "elsewhere" / "copy.json.br"
    with JSONFileStore(tmp_path / "elsewhere" / "copy.json", compressed=True) as store:
        store.sync(make_state("compressed"))
    recover(path, compressed)
    assert recovered_name(path) == "compressed"


def test_a_damaged_copy_cannot_be_named(path: Path, tmp_path: Path):
    before = path.read_bytes()
    source = tmp_path / "copy.json"
    source.write_bytes(before[:-1])
    with pytest.raises(NothingToRecover, match="cannot replace it: damaged or changed"):
        recover(path, source)
    assert path.read_bytes() == before


def test_an_old_file_stays_an_old_file(path: Path, tmp_path: Path):
    source = tmp_path / "old.json"
    source.write_text('{ "name": "old", "portfolio": {} }')
    recover(path, source)
    found = examine(path)
    assert (found.schema_version, found.name, found.number) == (0, "old", 4)


def test_when_no_copy_is_intact_all_are_named(path: Path):
    for item in list_copies(path):
        item.path.write_bytes(b"x")
    with pytest.raises(NothingToRecover, match=r"none of 4 copies is intact \(demo\.json: not valid JSON"):
        recover(path)
    assert path.read_bytes() == b"x"


def test_when_there_is_nothing(tmp_path: Path):
    with pytest.raises(NothingToRecover, match="no copy of it"):
        recover(tmp_path / "demo.json")
    with pytest.raises(FileNotFoundError):
        recover(tmp_path / "no" / "demo.json")


def test_a_file_of_a_newer_program_is_replaced_by_a_named_copy_only(path: Path):
    path.write_text('{"schema_version": 99}')
    with pytest.raises(NothingToRecover, match="--from FILE"):
        recover(path)
    assert path.read_text() == '{"schema_version": 99}'
    done = recover(path, BackupFolder(path).list_backups()[-1].path)
    assert done.kept_as is not None
    assert done.kept_as.read_text() == '{"schema_version": 99}'
    assert recovered_name(path) == "second"


def test_a_plan_changes_nothing_and_says_what_would_be_done(path: Path):
    path.write_bytes(b"")
    before = sorted(path.parent.rglob("*"))
    plan = plan_recovery(path)
    assert plan.chosen is not None
    assert plan.chosen.kind is CopyKind.compressed
    assert plan.kept_as is None
    assert path.read_bytes() == b""
    assert sorted(path.parent.rglob("*")) == before


def test_a_running_strategy_is_not_disturbed(path: Path):
    with JSONFileStore(path) as store:
        store.sync(make_state("running"))
        with pytest.raises(StoreLocked, match="stop that process first"):
            recover(path, BackupFolder(path).list_backups()[0].path)
        assert recovered_name(path) == "running"


def test_after_a_recovery_the_lock_is_free(path: Path):
    path.write_bytes(b"")
    recover(path)
    with JSONFileStore(path) as store:
        store.sync(make_state("next"))


def test_a_private_copy_stays_private(path: Path):
    for item in list_copies(path):
        item.path.chmod(0o600)
    path.unlink()
    recover(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_recovery_whose_last_flush_fails_says_what_it_did(path: Path):
    path.write_bytes(b"damaged")
    files = FaultyFiles()

    def fail(number: int, name: str) -> None:
        if name == "flush_folder" and "rename" in files.calls:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    files.fault = fail
    with pytest.raises(SaveFailed, match="a power cut may undo it") as failure:
        recover(path, files=files)
    assert failure.value.in_place
    assert "recovered from" in str(failure.value)
    assert "demo.damaged-1.json" in str(failure.value)
    assert State.read_json_file(path).name == "third"
    assert path.with_name("demo.damaged-1.json").read_bytes() == b"damaged"


def test_a_recovery_that_fails_before_leaves_the_file_as_it_was(path: Path):
    path.write_bytes(b"damaged")
    for number in range(100):
        files = FaultyFiles(fail_at(number, OSError(errno.EIO, os.strerror(errno.EIO))))
        failure = attempt(path, files)
        if failure is None or isinstance(failure, SaveFailed):
            break
        assert path.read_bytes() == b"damaged"
    else:
        pytest.fail("it never succeeds")
    assert number > 5
    assert failure is None or failure.in_place
    assert State.read_json_file(path).name == "third"


def attempt(path: Path, files: FaultyFiles) -> OSError | None:
    try:
        recover(path, files=files)
    except OSError as error:
        return error
    return None


def test_an_old_compressed_copy_that_cannot_be_removed_does_not_undo_the_recovery(
    path: Path, caplog: pytest.LogCaptureFixture
):
    path.write_bytes(b"damaged")
    get_compressed_path(path).write_bytes(b"damaged, too")
    recover(path, files=FaultyFiles(fail_always(errno.EACCES, "unlink")))
    assert State.read_json_file(path).name == "second"
    assert "cannot be removed" in caplog.text
    assert read_compressed_copy(path) is None
