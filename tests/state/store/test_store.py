"""The file store: the file itself, the files beside it, links, modes and hooks. Its promises: `store_contract.py`."""

import errno
import json
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.files import FaultyFiles, fail_always
from tests.kit.store_contract import make_state, run
from tradeexecutor.state.errors import BadStateData, InvalidStateFile, InvalidValue, SaveFailed, StoreLocked
from tradeexecutor.state.files.checksum_header import read_checksum_header, remove_checksum_header
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore, StateStoreModel
from tradeexecutor.state.store.backups import BackupFolder, BackupPolicy


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "demo.json"


@pytest.fixture
def store(path: Path) -> Iterator[JSONFileStore]:
    with JSONFileStore(path) as store:
        yield store


def names_in(folder: Path) -> set[str]:
    return {item.name for item in folder.iterdir()}


def backups_of(path: Path) -> list[str | None]:
    """Names of the states in the rotating backups, oldest first."""
    return [State.read_json_file(backup.path).name for backup in BackupFolder(path).list_backups()]


def test_models_of_stores():
    assert [model.value for model in StateStoreModel] == ["file", "on_chain"]


def test_an_empty_path_is_refused():
    with pytest.raises(InvalidValue):
        JSONFileStore("")


def test_the_path_may_be_text(path: Path):
    with JSONFileStore(str(path)) as store:
        assert store.path == path
        assert repr(store) == f"<JSON file at {path}>"
        store.sync(make_state())
    assert path.exists()


def test_a_relative_path_is_shown_whole():
    assert repr(JSONFileStore("a.json")) == f"<JSON file at {Path.cwd() / 'a.json'}>"


def test_a_relative_path_stays_what_it_was(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(path.parent)
    with JSONFileStore("demo.json") as store:
        monkeypatch.chdir("/")
        store.sync(make_state())
        assert store.load().name == "first"
        assert store.is_pristine() is False
    assert path.exists()


def test_loading_takes_no_lock_and_writes_nothing(store: JSONFileStore):
    make_state().write_json_file(store.path)
    store.load()
    assert names_in(store.path.parent) == {"demo.json"}


def test_loading_what_is_not_a_state(store: JSONFileStore):
    store.path.write_text("{")
    with pytest.raises(InvalidStateFile, match=r"demo\.json"):
        store.load()


# --- The save hook


def test_the_save_hook_sees_the_saved_state(path: Path):
    seen: list[tuple[State, str | None]] = []
    with JSONFileStore(path, on_save=lambda state: seen.append((state, State.read_json_file(path).name))) as store:
        state = make_state()
        store.sync(state)
    assert seen == [(state, "first")]


def test_the_save_hook_is_not_called_when_the_save_fails(path: Path):
    state = make_state()
    state.cycle = "1"  # type: ignore[assignment]
    store = JSONFileStore(path, on_save=lambda _: pytest.fail("called"))
    with store, pytest.raises(BadStateData):
        store.sync(state)


def test_the_save_hook_may_save_again(path: Path):
    rounds = iter(range(3))

    def save_again(state: State) -> None:
        if next(rounds) < 2:
            store.sync(state)

    with JSONFileStore(path, on_save=save_again) as store:
        store.sync(make_state())
    assert read_checksum_header(path.read_bytes()) is not None
    assert backups_of(path) == ["first", "first"]


# --- The file on the disk


def test_the_file_is_one_line_of_json_with_everything(store: JSONFileStore):
    state = make_state()
    store.sync(state)
    content = store.path.read_bytes()
    assert remove_checksum_header(content) == state.to_json_bytes()
    assert b"\n" not in content


def test_clients_see_the_state_and_one_more_key(store: JSONFileStore):
    state = make_state()
    store.sync(state)
    tree = json.loads(store.path.read_text())
    header = tree.pop("seal")
    assert tree == state.to_dict()
    assert header["save"] == 1
    assert list(header) == ["save", "sha256"]


def test_saves_are_counted(store: JSONFileStore):
    for number in range(1, 4):
        store.sync(make_state())
        header = read_checksum_header(store.path.read_bytes())
        assert header is not None
        assert header.save == number
    store.close()
    with JSONFileStore(store.path) as other:
        other.sync(make_state())
    header = read_checksum_header(store.path.read_bytes())
    assert header is not None
    assert header.save == 4


def test_saves_are_counted_without_backups(path: Path):
    for number in range(1, 4):
        with JSONFileStore(path, backups=None) as store:
            store.sync(make_state())
        header = read_checksum_header(path.read_bytes())
        assert header is not None
        assert header.save == number


def test_the_files_beside_it(store: JSONFileStore):
    store.sync(make_state())
    assert names_in(store.path.parent) == {"demo.json", "demo.json.lock"}
    store.sync(make_state())
    assert names_in(store.path.parent) == {"demo.json", "demo.json.lock", "demo.json.backups"}


def test_the_lock_file_tells_people_who_writes(store: JSONFileStore):
    store.sync(make_state())
    lock = store.path.with_name("demo.json.lock")
    assert json.loads(lock.read_text())["pid"] == os.getpid()
    store.close()
    assert lock.read_text() == ""


def test_the_mode_of_the_file_is_kept(store: JSONFileStore):
    store.sync(make_state())
    store.path.chmod(0o640)
    store.sync(make_state("second"))
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o640


def test_a_private_file_is_private_from_its_first_byte(path: Path):
    """The new file must not be open to others until its mode is set."""
    make_state().write_json_file(path)
    path.chmod(0o600)
    modes: set[int] = set()

    def look(number: int, name: str) -> None:
        modes.update(stat.S_IMODE(item.stat().st_mode) for item in path.parent.glob(".demo.json.*.tmp"))

    with JSONFileStore(path, files=FaultyFiles(look)) as store:
        store.sync(make_state())
    assert modes == {0o600}


def test_a_new_file_has_the_mode_of_any_new_file(store: JSONFileStore):
    store.sync(make_state())
    (store.path.parent / "other").touch()
    assert stat.S_IMODE(store.path.stat().st_mode) == stat.S_IMODE((store.path.parent / "other").stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_save_by_root_leaves_the_file_and_its_lock_to_their_owner(store: JSONFileStore):
    make_state().write_json_file(store.path)
    os.chown(store.path, 1234, 1235)
    store.sync(make_state())
    for item in (store.path, store.path.with_name("demo.json.lock")):
        assert (item.stat().st_uid, item.stat().st_gid) == (1234, 1235)


def test_a_symbolic_link_stays_a_link_and_everything_else_is_beside_the_file(tmp_path: Path):
    (tmp_path / "far").mkdir()
    link, real = tmp_path / "a.json", tmp_path / "far" / "real.json"
    link.symlink_to(real)
    make_state("old").write_json_file(real)
    with JSONFileStore(link) as store:
        store.sync(make_state("new"))
    assert link.is_symlink()
    assert State.read_json_file(real).name == "new"
    assert names_in(tmp_path) == {"a.json", "far"}
    assert names_in(real.parent) == {"real.json", "real.json.lock", "real.json.backups"}


def test_a_link_and_its_file_have_one_writer(store: JSONFileStore):
    store.sync(make_state())
    link = store.path.parent / "link.json"
    link.symlink_to(store.path)
    with pytest.raises(StoreLocked):
        JSONFileStore(link).sync(make_state())


def test_the_data_is_on_the_disk_before_the_name_is(path: Path):
    """Otherwise a power cut could leave an empty file under the name, or lose the save before."""
    files = FaultyFiles()
    with JSONFileStore(path, files=files, compressed=True) as store:
        store.sync(make_state())
        files.calls.clear()
        store.sync(make_state())
    assert files.calls == [
        *("create", "set_mode", "write", "write", "flush", "close"),
        *("make_folder", "flush_folder", "link", "flush_folder"),  # the backup
        "unlink",  # the old compressed copy
        *("rename", "flush_folder"),
        *("create", "set_mode", "write", "flush", "close", "rename", "flush_folder"),  # the new compressed copy
    ]


# --- Refused saves


def test_a_missing_folder(tmp_path: Path):
    state = make_state()
    with JSONFileStore(tmp_path / "missing" / "a.json") as store:
        assert store.is_pristine()
        with pytest.raises(SaveFailed, match=r"missing.*make the folder"):
            store.sync(state)
    assert not (tmp_path / "missing").exists(), "folders are not made behind the user's back"
    assert state.last_updated_at is None


def test_when_flushing_the_folder_fails_file_and_memory_agree(path: Path):
    """The new state is in the file then, only a power cut may undo it."""
    files = FaultyFiles()
    with JSONFileStore(path, files=files, on_save=lambda _: calls.append(1)) as store:
        calls: list[int] = []
        state = make_state("new")
        files.fault = fail_always(errno.EIO, "flush_folder")
        with pytest.raises(SaveFailed, match="in the file, but a power cut may undo it") as failure:
            store.sync(state)
        assert failure.value.in_place is True
        assert calls == []
        assert state.last_updated_at is not None
        assert store.load().last_updated_at == state.last_updated_at
        files.fault = FaultyFiles().fault
        store.sync(state)
        assert calls == [1]


def test_an_interrupted_save_changes_nothing(path: Path):
    def interrupt(number: int, name: str) -> None:
        if name == "flush":
            raise KeyboardInterrupt

    with JSONFileStore(path, files=FaultyFiles(interrupt)) as store:
        state = make_state("new")
        with pytest.raises(KeyboardInterrupt):
            store.sync(state)
        assert state.last_updated_at is None
    assert names_in(path.parent) == {"demo.json.lock"}


def test_an_old_error_handler_still_catches_a_refused_save(path: Path):
    files = FaultyFiles(fail_always(errno.ENOSPC))
    with JSONFileStore(path, files=files) as store, pytest.raises(OSError, match="No space left") as failure:
        store.sync(make_state())
    assert failure.value.errno == errno.ENOSPC
    assert failure.value.filename == str(path)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users can enter: not below `tmp_path`, whose parents each pytest session closes to them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def test_a_folder_that_cannot_be_written_to(public_folder: Path):
    path = public_folder / "a.json"
    make_state("old").write_json_file(path)
    path.chmod(0o644)
    public_folder.chmod(0o555)
    out = run(f"""
        if os.getuid() == 0: os.setuid(65534)  # root may write anywhere
        state = make_state("new")
        store = JSONFileStore({str(path)!r})
        try: store.sync(state)
        except SaveFailed as error: print(state.last_updated_at, store.load().name, error.advice)
    """)
    assert out.startswith("None old let this user write")
    assert names_in(public_folder) == {"a.json"}


# --- Overwriting what this store has not written


def test_a_file_of_an_old_schema_is_kept_when_it_is_first_overwritten(store: JSONFileStore):
    old = make_state("old").to_dict()
    del old["schema_version"]
    store.path.write_text(json.dumps(old))
    before = store.path.read_bytes()
    state = store.load()
    for _ in range(6):
        store.sync(state)
    kept = store.path.with_name("demo.schema-0-backup-1.json")
    assert kept.read_bytes() == before
    assert names_in(store.path.parent) == {"demo.json", "demo.json.lock", "demo.json.backups", kept.name}


def test_an_old_file_is_kept_also_without_rotating_backups_and_without_loading(path: Path):
    path.write_text("{}")
    with JSONFileStore(path, backups=None) as store:
        store.sync(make_state())
    assert path.with_name("demo.schema-0-backup-1.json").read_text() == "{}"


def test_an_old_file_is_kept_once_when_the_save_has_to_be_repeated(path: Path):
    path.write_text("{}")
    files = FaultyFiles(fail_always(errno.EIO, "rename"))
    with JSONFileStore(path, files=files) as store:
        for _ in range(3):
            with pytest.raises(SaveFailed):
                store.sync(make_state())
        files.fault = FaultyFiles().fault
        store.sync(make_state())
    assert sorted(names_in(path.parent)) == [
        "demo.json", "demo.json.backups", "demo.json.lock", "demo.schema-0-backup-1.json"
    ]  # fmt: skip


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"schema_version": -1}', '{"seal":{"save":1'])
def test_a_damaged_file_is_kept_when_it_is_overwritten(store: JSONFileStore, content: str):
    store.path.write_text(content)
    store.sync(make_state())
    assert store.path.with_name("demo.damaged-1.json").read_text() == content


def test_a_file_that_is_damaged_after_it_was_loaded_is_kept_as_damaged(store: JSONFileStore):
    old = make_state("old").to_dict()
    del old["schema_version"]
    store.path.write_text(json.dumps(old))
    state, status = store.load(), store.path.stat()
    damaged = store.path.read_bytes().replace(b"{", b"[", 1)
    with store.path.open("rb+") as file:
        file.write(damaged)
    os.utime(store.path, ns=(status.st_atime_ns, status.st_mtime_ns))  # a fault of the disk changes no time
    store.sync(state)
    assert store.path.with_name("demo.damaged-1.json").read_bytes() == damaged


def test_a_change_by_something_that_does_not_heed_the_lock_is_kept(
    store: JSONFileStore, caplog: pytest.LogCaptureFixture
):
    store.sync(make_state("ours"))
    make_state("theirs").write_json_file(store.path)
    with caplog.at_level(logging.WARNING):
        store.sync(make_state("ours again"))
    assert State.read_json_file(store.path.with_name("demo.overwritten-1.json")).name == "theirs"
    assert "does not heed its lock" in caplog.text


def test_a_thread_that_loads_while_another_saves_disturbs_nothing(
    store: JSONFileStore, monkeypatch: pytest.MonkeyPatch
):
    store.sync(make_state("first"))
    read = State.read_json_file

    def save_meanwhile(path: Path) -> State:
        state = read(path)
        store.sync(make_state("second"))
        return state

    monkeypatch.setattr(State, "read_json_file", save_meanwhile)
    store.load()
    store.close()
    store.sync(make_state("third"))
    assert not list(store.path.parent.glob("demo.overwritten*"))


def test_a_forked_child_may_ask_for_the_lock_that_its_parent_has_released(path: Path):
    out = run(f"""
        store = JSONFileStore({str(path)!r})
        store.sync(make_state("parent"))
        store.close()
        if os.fork() == 0:
            store.acquire_writer_lock()
            print("child has it", flush=True)
            os._exit(0)
        os.wait()
    """)
    assert out == "child has it\n"


def test_a_file_that_was_deleted_after_loading_is_written_again(store: JSONFileStore):
    store.sync(make_state())
    store.close()
    state = store.load()
    store.path.unlink()
    store.sync(state)
    assert store.load().name == "first"


# --- A file that vanished or is damaged, with backups beside it


def test_a_file_that_vanished_is_no_new_strategy(store: JSONFileStore):
    store.sync(make_state())
    store.sync(make_state())
    store.path.unlink()
    assert store.is_pristine() is False
    with pytest.raises(FileNotFoundError, match=r"`tradeexecutor store recover .*demo\.json` brings"):
        store.load()


def test_the_error_of_a_damaged_file_says_how_to_get_an_earlier_save_back(store: JSONFileStore):
    store.sync(make_state())
    store.sync(make_state())
    store.path.write_bytes(store.path.read_bytes()[:-5])
    with pytest.raises(InvalidStateFile, match="store recover") as failure:
        store.load()
    assert failure.value.path == store.path
    store.path.write_bytes(b"")
    with pytest.raises(InvalidStateFile, match="store recover"):
        store.load()


# --- Rotating backups


def test_the_last_saves_are_kept(path: Path):
    with JSONFileStore(path, backups=BackupPolicy(last=2, daily=0)) as store:
        for name in "abcde":
            store.sync(make_state(name))
    assert State.read_json_file(path).name == "e"
    assert backups_of(path) == ["c", "d"]


def test_the_name_of_a_backup_has_number_and_time(path: Path):
    with JSONFileStore(path) as store:
        store.sync(make_state())
        os.utime(path, (1_700_000_000, 1_700_000_000))
        store.sync(make_state())
    assert names_in(path.with_name("demo.json.backups")) == {"00000001-2023-11-14T22-13-20Z.json"}


def test_a_backup_is_the_old_file_itself_and_not_a_copy(path: Path):
    with JSONFileStore(path) as store:
        store.sync(make_state())
        inode = path.stat().st_ino
        store.sync(make_state())
    assert [item.path.stat().st_ino for item in BackupFolder(path).list_backups()] == [inode]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EMLINK, errno.ENOTSUP])
def test_on_a_file_system_without_links_backups_are_copies(path: Path, code: int):
    with JSONFileStore(path, files=FaultyFiles(fail_always(code, "link"))) as store:
        store.sync(make_state("a"))
        path.chmod(0o640)
        store.sync(make_state("b"))
    assert backups_of(path) == ["a"]
    (backup,) = BackupFolder(path).list_backups()
    assert stat.S_IMODE(backup.path.stat().st_mode) == 0o640
    assert names_in(backup.path.parent) == {backup.path.name}


def test_a_backup_that_cannot_be_removed_does_not_stop_the_strategy(path: Path, caplog: pytest.LogCaptureFixture):
    files = FaultyFiles()
    with JSONFileStore(path, backups=BackupPolicy(last=1, daily=0), files=files) as store:
        files.fault = fail_always(errno.EACCES, "unlink")
        with caplog.at_level(logging.WARNING):
            for name in "abcd":
                store.sync(make_state(name))
        assert "cannot be removed" in caplog.text
        assert backups_of(path) == ["a", "b", "c"]
        files.fault = FaultyFiles().fault
        store.sync(make_state("e"))
    assert backups_of(path) == ["d"]


def test_a_file_that_was_copied_back_by_hand_counts_as_the_newest(path: Path):
    with JSONFileStore(path) as store:
        for name in "abc":
            store.sync(make_state(name))
    shutil.copy(BackupFolder(path).list_backups()[0].path, path)
    with JSONFileStore(path) as store:
        assert store.load().name == "a"
        store.sync(make_state("d"))
    assert backups_of(path) == ["a", "b", "a"]
    header = read_checksum_header(path.read_bytes())
    assert header is not None
    assert header.save == 4


def test_when_the_clock_goes_back_backups_stay_in_the_order_of_saves(path: Path):
    with JSONFileStore(path, backups=BackupPolicy(last=3, daily=0)) as store:
        for number, name in enumerate("abcdef"):
            store.sync(make_state(name))
            time = 2_000_000_000 - number * 100_000
            os.utime(path, (time, time))
    assert backups_of(path) == ["c", "d", "e"]


def test_what_dead_writers_left_is_removed_after_the_next_save(store: JSONFileStore):
    leftover = store.path.with_name(f".demo.json.{'0' * 16}.tmp")
    others = [
        store.path.with_name(name) for name in (".demo.json.swp", f".other.json.{'0' * 16}.tmp", ".demo.json.tmp")
    ]
    for item in (leftover, *others):
        item.write_text("{")
    store.sync(make_state())
    assert not leftover.exists()
    assert all(item.exists() for item in others), "only what is surely ours"


def test_writing_a_file_without_a_store_is_all_or_nothing(tmp_path: Path):
    path = tmp_path / "a.json"
    make_state("old").write_json_file(path)
    state = make_state("new")
    state.portfolio.next_trade_id = "2"  # type: ignore[assignment]
    with pytest.raises(BadStateData, match="next_trade_id"):
        state.write_json_file(path)
    assert State.read_json_file(path).name == "old"
    assert list(tmp_path.iterdir()) == [path]
