"""A disk that is full, fails, or may not be written: the database keeps its last save; the error says what to do."""

import contextlib
import errno
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.soak import scaled
from tests.kit.store_contract import make_state
from tradeexecutor.database.sqlite import connect_sqlite
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.database.verification import verify_database
from tradeexecutor.state.errors import SaveFailed, StateFileError


def test_a_strategy_whose_history_outgrows_the_disk(small_disk: Path):
    address = f"sqlite:///{small_disk}/trading.db#demo"
    state = make_state("0")
    with SQLStateStore(address) as store:

        def save_for_ever() -> None:
            for number in itertools.count(1):
                state.name = str(number)
                state.portfolio.open_positions[1].notes = "x" * 2_000
                store.sync(state)

        with pytest.raises(SaveFailed, match=r"make room on the disk") as failure:
            save_for_ever()
        assert failure.value.errno in (errno.ENOSPC, errno.EIO)
        saves = int(state.name or 0) - 1
        assert saves > 3
        before = state.to_json()
        for _ in range(3):
            with pytest.raises(SaveFailed):
                store.sync(state)
        assert state.to_json() == before
        assert store.load().name == str(saves), "while the strategy runs"
    fill(small_disk)
    store = SQLStateStore(address)
    assert store.load().name == str(saves)
    assert verify_database(store.address)[0].is_good
    with store, pytest.raises(SaveFailed, match="make room on the disk"):
        store.sync(state)
    assert store.load().name == str(saves)
    (small_disk / "ballast").unlink()
    elsewhere = small_disk.parent / "elsewhere"
    shutil.copytree(small_disk, elsewhere)
    with SQLStateStore(f"sqlite:///{elsewhere}/trading.db#demo") as store:
        store.load()
        store.sync(state)
    assert store.load().name == str(saves + 1)


def fill(folder: Path) -> None:
    """Leave not a byte."""
    with (folder / "ballast").open("wb", buffering=0) as file:
        for size in (4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    status = os.statvfs(folder)
    assert status.f_bavail == 0


@pytest.mark.slow
@pytest.mark.parametrize("end", ["closed", "killed", "killed, and the index of the log removed"])
def test_a_database_is_readable_at_0_bytes_free(small_disk: Path, end: str):
    address = f"sqlite:///{small_disk}/trading.db#demo"
    kill = "os.kill(os.getpid(), 9)" if end != "closed" else "store.close()"
    run_in_process(f"store.sync(make_state('first')); store.sync(make_state('second')); {kill}", address)
    if end.endswith("removed"):
        (small_disk / "trading.db-shm").unlink()
    fill(small_disk)
    store = SQLStateStore(address)
    for _ in range(2):
        assert store.load().name == "second"
        assert [revision.number for revision in store.history()] == [1, 2]
        assert verify_database(store.address)[0].is_good
    assert store.is_pristine() is False
    state = make_state("third")
    with store, pytest.raises(SaveFailed, match="make room on the disk"):
        store.sync(state)
    assert state.last_updated_at is None
    assert store.load().name == "second"
    (small_disk / "ballast").unlink()
    with store:
        store.sync(state)
    assert store.load().name == "third"


def run_in_process(code: str, address: str) -> None:
    preamble = (
        "import os\nfrom tests.kit.store_contract import make_state\n"
        "from tradeexecutor.database.store import SQLStateStore\n"
        f"store = SQLStateStore({address!r})\n"
    )
    subprocess.run([sys.executable, "-c", preamble + code], check=False)


def test_the_first_save_on_a_full_disk(small_disk: Path):
    (small_disk / "ballast").write_bytes(bytes(256 * 1024 - 8192))
    state = make_state()
    with SQLStateStore(f"sqlite:///{small_disk}/trading.db#demo") as store:
        with pytest.raises(SaveFailed, match="make room"):
            store.sync(state)
        assert store.is_pristine()
        assert state.last_updated_at is None
        (small_disk / "ballast").unlink()
        store.sync(state)
        assert store.load().name == "first"


def test_a_database_that_may_not_grow(memory: Path):
    """SQLite's own limit on pages, moved page by page: a save fails in each of its writes."""
    path = memory / "trading.db"
    address = f"sqlite:///{path}#demo"
    with SQLStateStore(address) as store:
        store.sync(make_state("old"))
    pages = path.stat().st_size // 4096
    limits = [pages]

    def connect(*, writing: bool) -> object:
        connection = connect_sqlite(path, writing=writing)
        if writing:
            connection.execute(f"PRAGMA max_page_count = {limits[-1]}")
        return connection

    failures: list[int | None] = []
    state = make_state("new")
    state.portfolio.open_positions[1].notes = "x" * 50_000
    while store.load().name == "old":
        with SQLStateStore(address, connect=connect) as limited:
            try:
                limited.sync(state)
            except SaveFailed as error:
                failures.append(error.errno)
        assert (state.last_updated_at is None) == (store.load().name == "old")
        limits.append(limits[-1] + 1)
    assert len(failures) > 5
    assert set(failures) == {errno.ENOSPC}


#: Saves with a limit on the size of files, which the system enforces in the middle of a write.
LIMITED = """
import resource, sys
from tests.kit.store_contract import make_state
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.errors import SaveFailed
address, start, stop, step = sys.argv[1], *map(int, sys.argv[2:])
store = SQLStateStore(address)
saved = store.load().cycle
for limit in range(start, stop, step):
    state = store.load()
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    state.cycle = saved + 1
    state.portfolio.open_positions[1].notes = str(saved) * 5_000
    try:
        store.sync(state)
        saved += 1
    except SaveFailed:
        pass
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.close()
    assert store.load().cycle == saved, (limit, saved)
print(saved)
"""


@pytest.mark.slow
@pytest.mark.timeout(60 + scaled(60))
def test_a_write_that_fails_anywhere_leaves_the_last_save(memory: Path):
    address = f"sqlite:///{memory}/trading.db#demo"
    state = make_state()
    state.cycle = 1
    with SQLStateStore(address) as store:
        store.sync(state)
    size = (memory / "trading.db").stat().st_size
    step = max(64, 2_500 // scaled(1))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, address, "0", str(3 * size), str(step)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    saved = int(done.stdout)
    assert saved > 1, "some limits were high enough"
    assert verify_database(SQLStateStore(address).address)[0].intact == list(range(1, saved + 1))


def test_a_folder_that_may_only_be_read(memory: Path):
    """Whoever may read the folder can read the state; the save is refused."""
    if os.geteuid() == 0:
        command = "mount", "--bind", str(memory), str(memory)
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a file system cannot be mounted here")
    with SQLStateStore(f"sqlite:///{memory}/trading.db#demo") as store:
        store.sync(make_state("old"))
    (memory / "trading.db.demo.lock").unlink()
    try:
        if os.geteuid() == 0:
            subprocess.run(["mount", "-o", "remount,ro,bind", str(memory)], check=True)
        else:
            memory.chmod(0o500)
        assert store.load().name == "old"
        state = make_state("new")
        with pytest.raises(SaveFailed) as failure:
            store.sync(state)
        assert failure.value.errno in (errno.EACCES, errno.EROFS)
        assert state.last_updated_at is None
        with pytest.raises((StateFileError, OSError)):
            SQLStateStore(f"sqlite:///{memory}/another.db#demo").sync(state)
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", str(memory)], check=True)
        else:
            memory.chmod(0o700)
    store.sync(state)
    assert store.load().name == "new"
    store.close()


def test_a_folder_that_is_missing(memory: Path):
    with SQLStateStore(f"sqlite:///{memory}/none/trading.db#demo") as store:
        assert store.is_pristine()
        with pytest.raises(SaveFailed, match="make the folder") as failure:
            store.sync(make_state())
        assert failure.value.errno == errno.ENOENT
