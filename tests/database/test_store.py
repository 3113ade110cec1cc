"""What the SQL store does beyond what every store promises: history, many strategies in one database."""

import contextlib
import dataclasses
import datetime
import hashlib
import itertools
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import select, update

from tests.kit.store_contract import make_state
from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.copying import copy_strategy
from tradeexecutor.database.schema import LAYOUT_VERSION, layout, parts, revisions
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.errors import (
    CopyFailed,
    DamagedStateFile,
    RevisionNotFound,
    SaveFailed,
    StoreLocked,
    StoreUnavailable,
)
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

DAY = datetime.datetime(2026, 3, 1)
HOUR = datetime.timedelta(hours=1)


class Clock:
    """What the clock of the store says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.now = DAY
        for module in ("store", "writing"):
            monkeypatch.setattr(f"tradeexecutor.database.{module}.utc_now", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def save_hourly(store: SQLStateStore, clock: Clock, count: int, first: int = 1) -> None:
    """Saves named by their number, an hour and a cycle apart."""
    state = make_state()
    for number in range(first, first + count):
        clock.now += HOUR
        state.name, state.cycle = str(number), number * 10
        store.sync(state)


# --- Time travel


def test_any_earlier_save_can_be_loaded(url: str, clock: Clock):
    with SQLStateStore(url) as store:
        save_hourly(store, clock, 5)
    assert store.load().name == "5"
    assert [store.load(number).name for number in range(1, 6)] == ["1", "2", "3", "4", "5"]
    assert store.load(DAY + 3 * HOUR).name == "3"
    assert store.load(at=DAY + 3.9 * HOUR).name == "3"
    assert store.load(cycle=30).name == "3"
    assert store.load(cycle=39).name == "3"
    assert store.load(DAY + 5 * HOUR, cycle=20).name == "2"


def test_saves_that_there_are_not(url: str, clock: Clock):
    with SQLStateStore(url) as store:
        save_hourly(store, clock, 3)
    with pytest.raises(RevisionNotFound, match="no save 4; it keeps saves 1 to 3") as failure:
        store.load(4)
    assert (failure.value.oldest, failure.value.newest) == (1, 3)
    with pytest.raises(RevisionNotFound, match="no save 0"):
        store.load(0)
    with pytest.raises(RevisionNotFound, match="2026-03-01 00:59:59 or before"):
        store.load(DAY + HOUR - datetime.timedelta(seconds=1))
    with pytest.raises(RevisionNotFound, match="cycle 9 or before"):
        store.load(cycle=9)


def test_when_the_clock_goes_back_numbers_rule(url: str, clock: Clock):
    with SQLStateStore(url) as store:
        save_hourly(store, clock, 3)
        clock.now = DAY
        save_hourly(store, clock, 1, first=4)
    assert [revision.number for revision in store.history()] == [1, 2, 3, 4]
    assert store.load().name == "4"
    assert store.load(DAY + 2 * HOUR).name == "4", "of all saves up to then, the one that was made last"


def test_a_store_that_looked_at_an_earlier_save_may_still_write(url: str, clock: Clock):
    with SQLStateStore(url) as store:
        save_hourly(store, clock, 2)
    with SQLStateStore(url) as store:
        store.load()
        store.load(1)
        store.sync(make_state("3"))
    assert store.load().name == "3"


def test_the_history_tells_what_happened(url: str):
    state = new_state()
    trader = Trader(state)
    with SQLStateStore(url) as store:
        store.sync(state)
        trader.buy(WETH_USDC, "1", 2000.0)
        state.cycle = 2
        store.sync(state)
        trader.sell(WETH_USDC, "1", 2100.0)
        store.sync(state)
    records = store.history()
    texts = [after.summary.describe_since(before.summary) for before, after in itertools.pairwise(records)]
    assert texts == ["opened #1, trade #1", "closed #1, trade #2"]
    assert [record.cycle for record in records] == [1, 2, 2]
    assert [record.summary.open_positions for record in records] == [0, 1, 0]
    assert records[1].summary.cash == 8000.0
    assert records[2].last_updated_at == state.last_updated_at
    assert records[2].size == len(state.to_json_bytes())
    assert [record.number for record in store.history(first=2)] == [2, 3]


def test_a_save_writes_only_what_changed(url: str):
    state = new_state()
    trader = Trader(state)
    for _ in range(100):
        trader.buy(WETH_USDC, "1", 10.0)
        trader.sell(WETH_USDC, "1", 10.0)
    with SQLStateStore(url) as store:
        store.sync(state)
        store.sync(state)
        trader.buy(WETH_USDC, "1", 10.0)
        store.sync(state)
    first, same, trade = store.history()
    assert first.parts_added > 100
    assert (same.parts_added, same.parts_removed) == (1, 1), "the time of the save"
    assert (trade.parts_added, trade.parts_removed) == (3, 2), "the frame, the reserve and the position"


def test_after_a_restart_a_save_writes_only_what_changed(url: str):
    with SQLStateStore(url) as store:
        store.sync(make_state())
    with SQLStateStore(url) as store:
        store.sync(store.load())
    assert store.history()[-1].parts_added == 1


# --- Many strategies


def test_strategies_do_not_see_each_other(tmp_path: Path):
    database = f"sqlite:///{tmp_path}/trading.db"
    with SQLStateStore(database, "a") as a, SQLStateStore(f"{database}#b") as b:
        a.sync(make_state("of a"))
        assert b.is_pristine()
        with pytest.raises(FileNotFoundError):
            b.load()
        b.sync(make_state("of b"))
        a.sync(make_state("of a again"))
        assert (a.load().name, b.load().name) == ("of a again", "of b")
        assert [len(store.history()) for store in (a, b)] == [2, 1]


def test_strategies_save_at_the_same_time(tmp_path: Path):
    database = f"sqlite:///{tmp_path}/trading.db"
    errors: list[Exception] = []

    def run(name: str) -> None:
        try:
            with SQLStateStore(database, name) as store:
                for number in range(20):
                    store.sync(make_state(f"{name} {number}"))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(f"s{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for number in range(4):
        store = SQLStateStore(database, f"s{number}")
        assert store.load().name == f"s{number} 19"
        assert [revision.number for revision in store.history()] == list(range(1, 21))


def test_the_save_hook_is_called(url: str):
    seen: list[State] = []
    state = make_state()
    with SQLStateStore(url, on_save=seen.append) as store:
        store.sync(state)
    assert seen == [state]


def test_the_database_is_one_file_when_nobody_has_it_open(url: str, tmp_path: Path):
    with SQLStateStore(url) as store:
        store.sync(make_state())
    assert {path.name for path in tmp_path.iterdir()} == {"trading.db", "trading.db.demo.lock"}


def test_sql_can_read_the_parts(url: str, tmp_path: Path):
    """As shown in the documentation."""
    with SQLStateStore(url) as store:
        store.sync(make_state())
    with contextlib.closing(sqlite3.connect(tmp_path / "trading.db")) as connection:
        query = (
            "SELECT key, json_extract(CAST(body AS TEXT), '$.' || json_quote(key) || '.pair.base.token_symbol')"
            " FROM state_parts WHERE path = '/portfolio/open_positions' AND removed_in = 1 << 62"
        )
        assert connection.execute(query).fetchall() == [("1", "WETH")]


# --- Addresses


def test_a_server_that_is_not_there():
    store = SQLStateStore("postgresql://nobody@127.0.0.1:1/none#demo")
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        store.load()
    with pytest.raises(StoreUnavailable):
        store.is_pristine()
    state = make_state()
    with pytest.raises(SaveFailed, match="see that the database server runs"):
        store.sync(state)
    assert state.last_updated_at is None


def test_a_connection_that_breaks_is_made_anew(postgresql: str):
    from sqlalchemy import text

    with SQLStateStore(f"{postgresql}#breaks") as store, SQLStateStore(f"{postgresql}#other") as other:
        store.sync(make_state("first"))
        other.sync(make_state())
        end = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        with other.writing() as connection:
            connection.execute(end)
        store.sync(make_state("second"))  # no error: nothing was under way on the broken connection
        assert store.load().name == "second"
        with pytest.raises(StoreLocked):
            SQLStateStore(f"{postgresql}#breaks").sync(make_state())
        assert [revision.number for revision in store.history()] == [1, 2]


# --- Copies


@pytest.mark.slow
def test_from_a_file_and_back(url: str, tmp_path: Path, state_file: Path):
    address = DatabaseAddress.parse(url)
    there = copy_strategy(state_file, address)
    state = State.read_json_file(state_file)
    assert there.size == len(state.to_json_bytes())
    assert SQLStateStore(url).read()[1] == state.to_json_bytes()
    back = tmp_path / "back.json"
    copy_strategy(address, back)
    assert State.read_json_file(back).to_json_bytes() == state.to_json_bytes()


def test_between_databases_with_all_saves(url: str, postgresql: str, clock: Clock):
    with SQLStateStore(url) as store:
        save_hourly(store, clock, 7)
    server = DatabaseAddress.parse(f"{postgresql}#copied")
    seen: list[tuple[int, int]] = []
    done = copy_strategy(store.address, server, lambda now, total: seen.append((now, total)))
    assert done.saves == 7
    assert seen[-1][0] == seen[-1][1]
    again = DatabaseAddress.parse(url).with_strategy("again")
    copy_strategy(server, again)
    for copy in (SQLStateStore(server), SQLStateStore(again)):
        assert [copy.read(number)[1] for number in range(1, 8)] == [store.read(number)[1] for number in range(1, 8)]
        assert [revision.cursor for revision in copy.history()] == [revision.cursor for revision in store.history()]
        with copy:
            copy.sync(make_state("8"))
        assert copy.load().name == "8"


def test_nothing_is_overwritten(url: str, tmp_path: Path):
    path = tmp_path / "demo.json"
    with SQLStateStore(url) as store, JSONFileStore(path) as file:
        store.sync(make_state("in the database"))
        file.sync(make_state("in the file"))
    for source, target in ((path, store.address), (store.address, path)):
        with pytest.raises(CopyFailed, match="choose another name"):
            copy_strategy(source, target)
    assert (store.load().name, file.load().name) == ("in the database", "in the file")


def test_archives_go_along(url: str, tmp_path: Path, postgresql: str):
    path = tmp_path / "demo.json"
    make_state().write_json_file(path)
    folder = tmp_path / "demo.json.archives"
    folder.mkdir()
    (folder / "abc.json.br").write_bytes(b"detail")
    assert copy_strategy(path, DatabaseAddress.parse(url)).archives == 1
    assert (tmp_path / "trading.db.demo.archives" / "abc.json.br").read_bytes() == b"detail"
    assert copy_strategy(DatabaseAddress.parse(url), tmp_path / "back.json").archives == 1
    assert (tmp_path / "back.json.archives" / "abc.json.br").read_bytes() == b"detail"
    with pytest.raises(CopyFailed, match="unprune-state"):
        copy_strategy(path, DatabaseAddress.parse(f"{postgresql}#archives"))


# --- Tables of older programs


def test_saves_of_an_older_program_are_verified_and_followed_by_new_ones(url: str):
    """Until version 1 of the tables, the checksum of a save was that of the JSON text."""
    with SQLStateStore(url) as store:
        store.sync(make_state())
        before, text = store.read()
        old = dataclasses.replace(before, sha256=hashlib.sha256(text).hexdigest())
        with store.writing() as connection:
            connection.execute(update(layout).values(version=1))
            connection.execute(update(revisions).values(old.to_row(1)))
    with SQLStateStore(url) as store:
        assert store.read() == (old, text)
        state = store.load()
        state.name = "later"
        store.sync(state)
        assert store.read(1) == (old, text)
        assert store.load().name == "later"
        with store.writing() as connection:
            assert connection.execute(select(layout.c.version)).scalar() == LAYOUT_VERSION
            connection.execute(update(parts).where(parts.c.path == "").values(ordinal=1))
        with pytest.raises(DamagedStateFile):
            store.read(1)
