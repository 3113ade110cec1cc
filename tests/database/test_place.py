"""What a save acknowledges is in the database at the path that the user named, and nowhere else."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.store_contract import child, make_state
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.sqlite import connect_sqlite
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.database.verification import verify_database
from tradeexecutor.state.errors import SaveFailed, StoreChanged, StoreLocked, StoreMoved


def address(path: Path) -> str:
    return f"sqlite:///{path}#demo"


def load(path: Path) -> str | None:
    return SQLStateStore(address(path)).load().name


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with one save, in a folder of its own."""
    path = tmp_path / "data" / "trading.db"
    path.parent.mkdir()
    with SQLStateStore(address(path)) as store:
        store.sync(make_state("first"))
    shutil.copy(path, tmp_path / "older.db")
    return path


def delete(path: Path) -> None:
    path.unlink()


def delete_with_log(path: Path) -> None:
    for item in list(path.parent.glob("trading.db*")):
        if item.suffix != ".lock":
            item.unlink()


def delete_log(path: Path) -> None:
    path.with_name("trading.db-wal").unlink()


def delete_index(path: Path) -> None:
    path.with_name("trading.db-shm").unlink()


def rename(path: Path) -> None:
    path.rename(path.with_name("moved.db"))


def rename_folder(path: Path) -> None:
    path.parent.rename(path.parent.parent / "moved")


def replace_by_older(path: Path) -> None:
    os.replace(path.parent.parent / "older.db", path)


def replace_by_copy(path: Path) -> None:
    """The same bytes are not the same file."""
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    os.replace(copy, path)


Move = Callable[[Path], None]

MOVES: list[Move] = [
    delete,
    delete_with_log,
    delete_log,
    delete_index,
    rename,
    rename_folder,
    replace_by_older,
    replace_by_copy,
]


@pytest.mark.slow
@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__)
def test_a_save_into_a_file_that_is_not_there_any_more_is_not_acknowledged(path: Path, move: Move):
    with SQLStateStore(address(path)) as store:
        state = store.load()
        state.name = "second"
        store.sync(state)
        move(path)
        state.name = "third"
        before = state.to_json()
        with pytest.raises((StoreMoved, SaveFailed), match=r"the (log of the )?database was|make the folder"):
            store.sync(state)
        assert state.to_json() == before


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__)
def test_a_database_that_moves_while_it_is_written_to(path: Path, move: Move, monkeypatch: pytest.MonkeyPatch):
    """Between the first and the last step of a save."""
    from tradeexecutor.database import writing as module

    with SQLStateStore(address(path)) as store:
        state = store.load()
        store.sync(state)
        original = module.write_changes

        def write(*arguments: object) -> None:
            original(*arguments)  # pyright: ignore[reportArgumentType]
            move(path)

        monkeypatch.setattr(module, "write_changes", write)
        with pytest.raises(StoreMoved):
            store.sync(state)


def test_a_database_that_moves_at_the_commit_is_noticed_after_it(path: Path, monkeypatch: pytest.MonkeyPatch):
    with SQLStateStore(address(path)) as store:
        state = store.load()
        store.sync(state)
        original = type(store._writer)._check_place
        calls: list[int] = []

        def check(writer: object) -> None:
            calls.append(1)
            original(writer)  # pyright: ignore[reportArgumentType]
            if len(calls) == 1:
                rename(path)  # after the last look before the commit

        monkeypatch.setattr(type(store._writer), "_check_place", check)
        before = state.last_updated_at
        with pytest.raises(StoreMoved):
            store.sync(state)
        assert len(calls) == 2
        assert state.last_updated_at == before


@pytest.mark.parametrize("move", [delete, delete_with_log, rename], ids=lambda move: move.__name__)
def test_the_next_save_begins_a_new_history_at_the_path(path: Path, move: Move):
    with SQLStateStore(address(path)) as store:
        state = store.load()
        store.sync(state)
        move(path)
        state.name = "third"
        with pytest.raises(StoreMoved):
            store.sync(state)
        store.sync(state)
        with pytest.raises(StoreLocked):
            SQLStateStore(address(path)).sync(make_state())
    assert load(path) == "third"
    (check,) = verify_database(DatabaseAddress.parse(address(path)))
    assert check.is_good
    assert check.intact == [1]


def test_a_database_that_was_put_back_is_gone_on_with(path: Path):
    with SQLStateStore(address(path)) as store:
        state = store.load()
        store.sync(state)
        rename(path)
        with pytest.raises(StoreMoved):
            store.sync(state)
        path.with_name("moved.db").rename(path)
        state.name = "third"
        store.sync(state)
    assert load(path) == "third"
    assert [revision.number for revision in store.history()] == [1, 2, 3]


def test_a_database_that_was_renamed_has_all_that_was_acknowledged(path: Path):
    """Part of it was in the log, which stayed behind under the old name."""
    with SQLStateStore(address(path)) as store:
        state = store.load()
        state.name = "second"
        store.sync(state)
        rename(path)
        with pytest.raises(StoreMoved):
            store.sync(state)
        assert load(path.with_name("moved.db")) == "second"
        assert path.with_name("trading.db-wal").stat().st_size == 0, "a new database is not mixed with the log"


def test_an_older_copy_in_its_place_is_what_it_was(path: Path):
    with SQLStateStore(address(path)) as store:
        state = store.load()
        for name in ("second", "third"):
            state.name = name
            store.sync(state)
        replace_by_older(path)
        with pytest.raises(StoreMoved):
            store.sync(state)
        for _ in range(2):
            with pytest.raises(StoreChanged):
                store.sync(state)
    assert load(path) == "first"
    assert verify_database(DatabaseAddress.parse(address(path)))[0].intact == [1]


def test_the_log_of_a_database_that_is_gone_is_not_mixed_into_a_new_one(path: Path):
    with child(f"""
        from tradeexecutor.database.store import SQLStateStore
        store = SQLStateStore({address(path)!r})
        store.sync(make_state("second"))
        print("saved", flush=True)
        time.sleep(600)
    """) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "saved\n"
        process.kill()
        process.wait()
    log = path.with_name("trading.db-wal")
    assert log.stat().st_size
    away = path.with_name("away.db")
    path.rename(away)
    state = make_state("third")
    with SQLStateStore(address(path)) as store:
        with pytest.raises(StoreMoved, match=r"its log trading\.db-wal is there; put the database back"):
            store.sync(state)
        assert state.last_updated_at is None
        assert not path.exists()
        away.rename(path)
        assert store.load().name == "second"


def test_changing_the_working_folder_does_not_change_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    monkeypatch.chdir(tmp_path / "one")
    with SQLStateStore("sqlite:///trading.db#demo") as store:
        state = make_state("first")
        store.sync(state)
        store.close()
        monkeypatch.chdir(tmp_path / "two")
        assert store.load().name == "first"
        state.name = "second"
        store.sync(state)
        with pytest.raises(StoreLocked):
            SQLStateStore(address(tmp_path / "one/trading.db")).sync(make_state())
    assert load(tmp_path / "one/trading.db") == "second"
    assert list((tmp_path / "two").iterdir()) == []


def test_a_link_that_is_switched_is_noticed(tmp_path: Path):
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        with SQLStateStore(address(tmp_path / run / "trading.db")) as store:
            store.sync(make_state(run))
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "one")
    with SQLStateStore(address(link / "trading.db")) as store:
        state = store.load()
        store.sync(state)
        link.unlink()
        link.symlink_to(tmp_path / "two")
        with pytest.raises(StoreMoved, match=r"one/trading\.db when it was opened.*two/trading\.db now"):
            store.sync(state)
        with pytest.raises(StoreChanged):
            store.sync(state)
    assert load(tmp_path / "one/trading.db") == "one"
    assert load(link / "trading.db") == "two"


# --- The lock


def test_a_deleted_lock_file_is_made_again(path: Path):
    lock = path.with_name("trading.db.demo.lock")
    with SQLStateStore(address(path)) as store:
        store.sync(make_state("second"))
        lock.unlink()
        store.sync(make_state("third"))
        assert lock.exists()
        with pytest.raises(StoreLocked):
            SQLStateStore(address(path)).sync(make_state())
    assert load(path) == "third"


def test_a_deleted_lock_file_does_not_let_a_second_writer_in_unnoticed(path: Path):
    with SQLStateStore(address(path)) as store, SQLStateStore(address(path)) as second:
        state = store.load()
        store.sync(state)
        path.with_name("trading.db.demo.lock").unlink()
        second.sync(make_state("second"))
        before = state.to_json()
        with pytest.raises(StoreLocked):
            store.sync(state)
        second.close()
        with pytest.raises(StoreChanged):
            store.sync(state)
        assert state.to_json() == before
    assert load(path) == "second"


def test_a_lock_that_is_lost_in_the_middle_of_a_save_stops_it(path: Path, monkeypatch: pytest.MonkeyPatch):
    from tradeexecutor.database import writing as module

    second = SQLStateStore(address(path))
    with SQLStateStore(address(path)) as store:
        state = store.load()
        store.sync(state)
        original = module.write_changes

        def write(*arguments: object) -> None:
            original(*arguments)  # pyright: ignore[reportArgumentType]
            path.with_name("trading.db.demo.lock").unlink()
            second._writer._lock()

        monkeypatch.setattr(module, "write_changes", write)
        with pytest.raises(StoreLocked):
            store.sync(state)
    second.close()
    assert [revision.number for revision in store.history()] == [1, 2]


# --- Connections that can only read


#: Root may write everywhere, so code runs as another user, who may not even import; everything is imported before.
AS_NOBODY = """
import os, sqlite3, sys, tempfile
from tests.kit.store_contract import make_state
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.errors import SaveFailed
with tempfile.TemporaryDirectory() as folder, SQLStateStore(f"sqlite:///{folder}/x.db#x") as store:
    store.sync(make_state())
    store.load()
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
"""


def run_as_nobody(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", AS_NOBODY + code], capture_output=True, text=True, check=False)


@pytest.fixture
def shared(memory: Path) -> Path:
    """A database with one save, of a user who is not root."""
    path = memory / "data" / "trading.db"
    path.parent.mkdir()
    with SQLStateStore(address(path)) as store:
        store.sync(make_state("first"))
    if os.geteuid() == 0:
        memory.chmod(0o755)
        for item in (path.parent, *path.parent.iterdir()):
            os.chown(item, 65534, 65534)
    return path


READ_THEN_WRITE = """
path = {path!r}
os.chmod(path, 0o444)
store = SQLStateStore({address!r})
state = store.load()
assert sorted(os.listdir(os.path.dirname(path))) == {files!r}, os.listdir(os.path.dirname(path))
try:
    store.sync(state)
except SaveFailed as error:
    assert "let this user write" in str(error), error
else:
    raise SystemExit("saved")
os.chmod(path, 0o644)
store.sync(state)
store.sync(state)
"""


@pytest.mark.slow
def test_a_connection_that_could_only_read_is_not_kept(shared: Path):
    files = ["trading.db", "trading.db.demo.lock"]
    done = run_as_nobody(READ_THEN_WRITE.format(path=str(shared), address=address(shared), files=files))
    assert done.returncode == 0, done.stderr
    assert [revision.number for revision in SQLStateStore(address(shared)).history()] == [1, 2, 3]


LEAVE_READ_ONLY_FILES = """
path = {path!r}
os.chmod(path, 0o444)
connection = sqlite3.connect(path)
print(connection.execute("SELECT count(*) FROM state_parts").fetchone())
os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
def test_files_that_a_reader_left_do_not_stop_the_writer(shared: Path):
    """Any program that reads a read-only database leaves files beside it that are read-only for ever."""
    index = shared.with_name("trading.db-shm")
    done = run_as_nobody(LEAVE_READ_ONLY_FILES.format(path=str(shared)))
    assert done.returncode == -9, done.stderr
    assert index.stat().st_mode & 0o777 == 0o444
    shared.chmod(0o644)
    done = run_as_nobody(f"store = SQLStateStore({address(shared)!r})\nstore.sync(store.load())\n")
    assert done.returncode == 0, done.stderr
    assert len(SQLStateStore(address(shared)).history()) == 2


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_another_user_are_named_with_what_to_do(shared: Path):
    done = run_as_nobody(LEAVE_READ_ONLY_FILES.format(path=str(shared)))
    assert done.returncode == -9, done.stderr
    shared.chmod(0o644)
    index, log = (shared.with_name(f"trading.db-{suffix}") for suffix in ("shm", "wal"))
    for item in (index, log):
        if item.exists():
            os.chown(item, 0, 0)
            item.chmod(0o444)
    code = f"""
store = SQLStateStore({address(shared)!r})
state = store.load()
try: store.sync(state)
except SaveFailed as error: print(error.advice)
"""
    done = run_as_nobody(code)
    advice = done.stdout
    assert "trading.db-shm" in advice, done.stderr
    command = advice.split("`")[1]
    assert command.startswith("chown --reference=trading.db")
    subprocess.run(command, shell=True, check=True, cwd=shared.parent)
    done = run_as_nobody(code)
    assert (done.returncode, done.stdout) == (0, ""), done
    assert len(SQLStateStore(address(shared)).history()) == 2


def test_a_reader_that_takes_no_lock_notices_a_writer(shared: Path, monkeypatch: pytest.MonkeyPatch):
    """Then what looks like damage is none."""
    from tradeexecutor.database import connection as module
    from tradeexecutor.database import reading
    from tradeexecutor.state.errors import StoreUnavailable

    store = SQLStateStore(address(shared))
    monkeypatch.setattr(module, "is_read_without_locks", lambda path: not path.with_name("trading.db-shm").exists())
    original = reading.assemble

    def write_meanwhile(*arguments: object) -> object:
        with SQLStateStore(address(shared)) as writer:
            writer.sync(make_state("second"))
        monkeypatch.setattr(reading, "assemble", original)
        raise ValueError

    monkeypatch.setattr(reading, "assemble", write_meanwhile)
    with pytest.raises(StoreUnavailable, match="read it again"):
        store.load()
    assert store.load().name == "second"


# --- Opening


def test_an_error_that_passes_is_tried_once_more(path: Path):
    failures: list[bool] = []

    def connect(*, writing: bool) -> sqlite3.Connection:
        if len(failures) % 2 == 0:
            failures.append(writing)
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        failures.append(writing)
        return connect_sqlite(path, writing=writing)

    with SQLStateStore(address(path), connect=connect) as store:
        state = store.load()
        store.sync(state)
        store.sync(state)
    assert failures[:4] == [False, False, True, True]
    assert load(path) == "first"


def test_an_error_that_does_not_pass_is_not_tried_for_ever(path: Path):
    calls: list[bool] = []

    def connect(*, writing: bool) -> sqlite3.Connection:
        calls.append(writing)
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    store = SQLStateStore(address(path), connect=connect)
    with pytest.raises(SaveFailed):
        store.sync(make_state())
    assert calls == [True, True]


def test_a_connection_that_fails_is_replaced_and_the_lock_kept(path: Path):
    """A disk that failed for a moment: what is kept open may be the reason, so the next save opens it again."""
    with SQLStateStore(address(path)) as store:
        state = store.load()
        store.sync(state)
        broken = store._writer.connection
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            driver = broken.connection.dbapi_connection
            assert driver is not None
            driver.execute("PRAGMA busy_timeout = 0")
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(SaveFailed, match="another program keeps the database locked"):
                store.sync(state)
            with pytest.raises(StoreLocked):
                SQLStateStore(address(path)).sync(make_state())
        store.sync(state)
        assert store._writer.connection is not broken
    assert len(store.history()) == 3


def test_what_a_killed_process_has_left_is_removed(path: Path):
    name = f".trading.db.{'ab' * 8}.tmp"
    stale = [path.with_name(f"{name}{suffix}") for suffix in ("", "-wal", "-shm", "-journal", ".demo.lock")]
    foreign = [path.with_name(text) for text in (f".other.db.{'ab' * 8}.tmp", f"{name}.txt", f".trading.db.{'ab'}.tmp")]
    for item in (*stale, *foreign):
        item.write_bytes(b"x")
        os.utime(item, (0, 0))
    young = path.with_name(f".trading.db.{'cd' * 8}.tmp")
    young.write_bytes(b"x")
    with SQLStateStore(address(path)) as store:
        store.sync(make_state("second"))
    assert not [item for item in stale if item.exists()]
    assert all(item.exists() for item in (*foreign, young))
