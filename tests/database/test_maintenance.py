"""Checking, compacting and recovering a database."""

import contextlib
import datetime
import errno
import os
import random
import sqlite3
from pathlib import Path

import pytest

from tests.kit.store_contract import make_state
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.compaction import compact, plan_compaction
from tradeexecutor.database.recovery import plan_recovery, recover
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.database.verification import verify_database
from tradeexecutor.state.errors import (
    DamagedStateFile,
    InvalidValue,
    NothingToRecover,
    RevisionNotFound,
    SaveFailed,
    StoreLocked,
)

DAY = datetime.datetime(2026, 3, 1)


@pytest.fixture
def store(url: str, monkeypatch: pytest.MonkeyPatch) -> SQLStateStore:
    """Ten saves, a day apart, each of which replaces a large text."""
    state = make_state()
    with SQLStateStore(url) as store, SQLStateStore(url.replace("#demo", "#other")) as other:
        for number in range(1, 11):
            now = DAY + datetime.timedelta(days=number)
            for module in ("store", "writing"):
                monkeypatch.setattr(f"tradeexecutor.database.{module}.utc_now", lambda now=now: now)
            state.name = str(number)
            state.portfolio.open_positions[1].notes = random.Random(number).randbytes(20_000).hex()
            store.sync(state)
        other.sync(make_state("other"))
    monkeypatch.undo()
    return store


def execute(store: SQLStateStore, statement: str) -> None:
    assert store.address.path is not None
    with contextlib.closing(sqlite3.connect(store.address.path)) as connection:
        connection.execute(statement)
        connection.commit()


# --- Compaction


def test_the_saves_that_stay_are_what_they_were(store: SQLStateStore):
    before = {number: store.read(number) for number in range(8, 11)}
    with store:
        plan = plan_compaction(store, keep=3)
        assert len(store.history()) == 10
        done = compact(store, keep=3)
    assert (plan.oldest, plan.newest, plan.removed_revisions) == (done.oldest, done.newest, done.removed_revisions)
    assert (done.oldest, done.newest, done.removed_revisions) == (8, 10, 7)
    assert done.removed_bytes > 7 * 40_000
    assert done.size_before is not None
    assert done.size_after is not None
    assert done.size_before - done.size_after > 200_000, "the space is given back"
    assert {number: store.read(number) for number in range(8, 11)} == before
    with pytest.raises(RevisionNotFound, match="it keeps saves 8 to 10"):
        store.load(7)
    assert verify_database(store.address)[0].is_good
    assert SQLStateStore(store.address.with_strategy("other")).load().name == "other"


def test_days_are_those_before_the_newest_save(store: SQLStateStore):
    with store:
        assert plan_compaction(store, days=2).oldest == 8
        assert plan_compaction(store, days=1000).removed_revisions == 0
        assert plan_compaction(store, keep=1000).removed_revisions == 0
        assert plan_compaction(store, keep=6, days=2).oldest == 5, "a save stays when one of them keeps it"
        assert compact(store, days=2).oldest == 8


def test_saving_goes_on_after_a_compaction(store: SQLStateStore):
    with store:
        state = store.load()
        compact(store, keep=1)
        state.name = "11"
        store.sync(state)
        compact(store, keep=2)
    assert [revision.number for revision in store.history()] == [10, 11]
    assert store.load(10).name == "10"
    assert store.load().name == "11"


@pytest.mark.parametrize(("keep", "days"), [(None, None), (0, None), (-1, None), (None, 0), (None, -1.0)])
def test_the_newest_save_always_stays(store: SQLStateStore, keep: int | None, days: float | None):
    with store, pytest.raises(InvalidValue):
        compact(store, keep=keep, days=days)
    assert len(store.history()) == 10


def test_a_strategy_that_runs_is_not_compacted(store: SQLStateStore):
    with store:
        store.sync(make_state())
        with pytest.raises(StoreLocked), SQLStateStore(store.address) as other:
            compact(other, keep=1)
    assert len(store.history()) == 11


@pytest.mark.slow
def test_compaction_on_a_server(postgresql: str):
    with SQLStateStore(f"{postgresql}#compacted") as store:
        for number in range(1, 6):
            store.sync(make_state(str(number)))
        done = compact(store, keep=2)
        assert (done.removed_revisions, done.size_after) == (3, None)
        store.sync(make_state("6"))
    assert [store.load(number).name for number in (4, 5, 6)] == ["4", "5", "6"]
    assert verify_database(store.address)[0].is_good


# --- Verification


def test_an_intact_database(store: SQLStateStore):
    demo, other = verify_database(DatabaseAddress.parse(store.address.database))
    assert (demo.strategy.name, other.strategy.name) == ("demo", "other")
    assert demo.is_good
    assert other.is_good
    assert demo.intact == list(range(1, 11))
    (only,) = verify_database(store.address)
    assert only == demo


def test_a_damaged_save_in_the_middle(store: SQLStateStore):
    execute(store, "UPDATE state_parts SET body = replace(CAST(body AS TEXT), '0', '1') WHERE added_in = 4")
    (check,) = verify_database(store.address)
    assert check.damaged == [4]
    assert check.problem == "", "the newest can be used"
    assert not check.is_good
    with pytest.raises(DamagedStateFile):
        store.load(4)
    assert store.load(5).name == "5"


def test_a_damaged_record_in_the_middle(store: SQLStateStore):
    execute(store, "UPDATE state_revisions SET saved_at = '2020-01-01 00:00:00.000000' WHERE number = 4")
    (check,) = verify_database(store.address)
    assert check.damaged == [4]
    with pytest.raises(DamagedStateFile):
        store.load(DAY + datetime.timedelta(days=3.5))


def test_a_strategy_that_is_not_there(store: SQLStateStore, tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        verify_database(store.address.with_strategy("nobody"))
    with pytest.raises(FileNotFoundError):
        verify_database(SQLStateStore(f"sqlite:///{tmp_path}/none.db#demo").address)


# --- Recovery


def test_an_intact_database_is_left_alone(store: SQLStateStore):
    done = recover(store.address)
    assert done.chosen is None
    assert len(store.history()) == 10


def test_going_back_to_the_newest_intact_save(store: SQLStateStore):
    execute(store, "UPDATE state_parts SET body = replace(CAST(body AS TEXT), '0', '1') WHERE added_in IN (10, 9)")
    with pytest.raises(DamagedStateFile):
        store.load()
    plan = plan_recovery(store.address)
    assert plan.chosen is not None
    assert plan.chosen.number == 8
    with pytest.raises(DamagedStateFile):
        store.load()
    done = recover(store.address)
    assert done == plan
    text = store.read(8)[1]
    assert store.read()[1] == text
    assert store.history()[-1].number == 11
    assert verify_database(store.address)[0].damaged == [9, 10], "nothing is removed"
    with store:
        store.load()
        store.sync(make_state("goes on"))
    assert store.load().name == "goes on"
    feed = store.changes(11)
    assert len(feed.changes) == 1


def test_going_back_because_one_wants_to(store: SQLStateStore):
    done = recover(store.address, at=3)
    assert done.chosen is not None
    assert store.load().name == "3"
    assert store.load(10).name == "10", "it can be undone"
    with pytest.raises(RevisionNotFound):
        recover(store.address, at=99)


def test_a_save_that_is_damaged_is_not_gone_back_to(store: SQLStateStore):
    execute(store, "UPDATE state_parts SET body = replace(CAST(body AS TEXT), '0', '1') WHERE added_in = 4")
    with pytest.raises(NothingToRecover, match="save 4 is damaged"):
        recover(store.address, at=4)


def test_a_strategy_that_runs_is_not_recovered(store: SQLStateStore):
    with store:
        store.sync(make_state())
        with pytest.raises(StoreLocked):
            recover(store.address, at=3)


def break_blocks(path: Path, seed: int) -> bytes:
    """Overwrite a block of the file; returns its content."""
    randomness = random.Random(seed)
    harmed = bytearray(path.read_bytes())
    start = randomness.randrange(4096, len(harmed) - 4096)
    harmed[start : start + 4096] = randomness.randbytes(4096)
    path.write_bytes(harmed)
    return bytes(harmed)


def break_so_that_it_is_rebuilt(store: SQLStateStore) -> tuple[Path, bytes]:
    path = store.address.path
    assert path is not None
    content = path.read_bytes()
    for seed in range(100):
        path.write_bytes(content)
        harmed = break_blocks(path, seed)
        with contextlib.suppress(NothingToRecover):
            if plan_recovery(store.address).is_rebuilt:
                return path, harmed
    raise AssertionError("no damage leads to a new file")


def test_a_new_file_whose_last_flush_fails_is_told_of(store: SQLStateStore, monkeypatch: pytest.MonkeyPatch):
    path, harmed = break_so_that_it_is_rebuilt(store)
    calls: list[Path] = []

    def flush(folder: Path) -> None:
        calls.append(folder)
        if len(calls) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("tradeexecutor.database.recovery.OS_FILES.flush_folder", flush)
    with pytest.raises(SaveFailed, match=r"a power cut may undo it.*trading\.damaged-1\.db") as failure:
        recover(store.address)
    assert failure.value.in_place
    assert path.with_name("trading.damaged-1.db").read_bytes() == harmed
    assert verify_database(store.address)[0].is_good


def test_a_recovery_that_dies_leaves_a_database_at_the_path(store: SQLStateStore, monkeypatch: pytest.MonkeyPatch):
    """Else the strategy would take its place for a new one."""
    path, harmed = break_so_that_it_is_rebuilt(store)

    def die(*arguments: object) -> None:
        assert path.exists()
        raise KeyboardInterrupt

    for name in ("OS_FILES.flush_folder", "os.rename", "keep_under"):
        with monkeypatch.context() as patch:
            patch.setattr(f"tradeexecutor.database.recovery.{name}", die)
            with pytest.raises(KeyboardInterrupt):
                recover(store.address)
        assert path.read_bytes() == harmed
        assert store.is_pristine() is False
    assert recover(store.address).is_rebuilt
    assert verify_database(store.address)[0].is_good


@pytest.mark.slow
def test_a_new_file_is_made_when_the_old_one_is_broken(store: SQLStateStore):
    """Blocks of the file were overwritten: what can still be read is saved in a new one."""
    path = store.address.path
    assert path is not None
    path.chmod(0o600)
    content = path.read_bytes()
    recovered = 0
    for seed in range(25):
        path.write_bytes(content)
        harmed = break_blocks(path, seed)
        try:
            plan = plan_recovery(store.address)
        except NothingToRecover:
            continue
        if plan.is_rebuilt:
            done = recover(store.address)
            assert done.kept_as is not None
            assert done.kept_as.read_bytes() == harmed
            for item in (path, done.kept_as):
                assert item.stat().st_mode & 0o777 == 0o600, "it is as secret as the old one"
            assert not list(path.parent.glob(".trading.db*")), "nothing else is left"
            recovered += 1
            (check,) = verify_database(store.address)
            assert check.is_good
            assert done.chosen is not None
            assert store.load().name == str(done.chosen.number)
            with SQLStateStore(store.address) as after:
                after.sync(make_state("goes on"))
            for item in path.parent.glob("trading.damaged*"):
                item.unlink()
    assert recovered > 3
