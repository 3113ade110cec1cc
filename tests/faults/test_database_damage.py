"""Every damage to a database file is found, or does no harm: a wrong state is never loaded."""

import collections
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.soak import scaled
from tests.kit.store_contract import make_state
from tests.kit.trader import WETH_USDC, Trader
from tradeexecutor.database.schema import LAYOUT_VERSION
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.database.verification import verify_database
from tradeexecutor.state.errors import DamagedStateFile, NewerStateFile, StateFileError


@pytest.fixture
def path(memory: Path) -> Path:
    """Two strategies, one with a history of open and closed positions."""
    path = memory / "trading.db"
    with SQLStateStore(f"sqlite:///{path}#demo") as store, SQLStateStore(f"sqlite:///{path}#other") as other:
        state = make_state("demo")
        trader = Trader(state)
        for number in range(1, 13):
            state.cycle = number
            if number % 3:
                trader.buy(WETH_USDC, "0.5", 2000.0)
            else:
                trader.sell(WETH_USDC, str(next(iter(state.portfolio.open_positions.values())).get_quantity()), 2000.0)
            state.visualisation.messages = {n: [f"message {n}"] for n in range(number * 5)}
            store.sync(state)
        other.sync(make_state("other"))
    return path


def flip(content: bytes, randomness: random.Random) -> bytes:
    bit = randomness.randrange(len(content) * 8)
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def truncate(content: bytes, randomness: random.Random) -> bytes:
    return content[: randomness.randrange(len(content))]


def overwrite(content: bytes, randomness: random.Random) -> bytes:
    start = randomness.randrange(len(content))
    length = randomness.choice((1, 2, 16, 512, 4096))
    block = content[start : start + length]
    other = randomness.choice((bytes(len(block)), randomness.randbytes(len(block)), content[: len(block)], block[::-1]))
    return content[:start] + other + content[start + length :]


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, flip, flip, truncate, overwrite)


@pytest.mark.slow
@pytest.mark.timeout(60 + scaled(60))
def test_damage_anywhere_in_the_file_is_found_or_harmless(path: Path):
    content = path.read_bytes()
    original = SQLStateStore(f"sqlite:///{path}#demo")
    texts = {revision.number: original.read(revision.number)[1] for revision in original.history()}
    randomness = random.Random(7)
    outcomes: collections.Counter[str] = collections.Counter()
    for _ in range(scaled(400)):
        harmed = randomness.choice(DAMAGES)(content, randomness)
        for item in path.parent.glob("trading.db-*"):
            item.unlink()
        path.write_bytes(harmed)
        store = SQLStateStore(f"sqlite:///{path}#demo")
        assert not store.is_pristine(), "a strategy with a history is never taken for a new one"
        for number in (None, randomness.choice(list(texts))):
            try:
                _, text = store.read(number)
            except StateFileError:
                outcomes["found"] += 1
            else:
                outcomes["harmless"] += 1
                assert text == texts[number or max(texts)]
    assert outcomes["found"] > 100
    assert outcomes["harmless"] > 100


@pytest.mark.slow
def test_every_flipped_bit_of_what_was_saved_is_found(path: Path):
    """By `verify`, which looks at all saves; what can still be read is what was saved."""
    randomness = random.Random(8)
    store = SQLStateStore(f"sqlite:///{path}#demo")
    texts = {revision.number: store.read(revision.number)[1] for revision in store.history()}
    for _ in range(scaled(60)):
        with sqlite3.connect(path) as connection:
            rows = connection.execute("SELECT rowid, body FROM state_parts WHERE strategy_id = 1").fetchall()
            row, body = randomness.choice(rows)
            connection.execute("UPDATE state_parts SET body = ? WHERE rowid = ?", (flip(body, randomness), row))
        connection.close()
        (check,) = verify_database(store.address)
        assert check.damaged, "some saves have the part"
        for number in (*check.intact, *check.damaged):
            try:
                _, text = store.read(number)
            except DamagedStateFile:
                assert number in check.damaged
            else:
                # The brackets around a part are dropped when the parts are put together, so one may be wrong.
                assert text == texts[number]
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE state_parts SET body = ? WHERE rowid = ?", (body, row))
        connection.close()
    assert verify_database(store.address)[0].is_good


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"SQLite format 3\x00", b"x" * 10_000], ids=["empty", "json", "head", "text"]
)
def test_a_file_that_is_no_database(memory: Path, content: bytes):
    path = memory / "trading.db"
    path.write_bytes(content)
    store = SQLStateStore(f"sqlite:///{path}#demo")
    assert not store.is_pristine()
    with pytest.raises(DamagedStateFile, match=r"trading\.db"):
        store.load()
    state = make_state()
    with pytest.raises(StateFileError), store:
        store.sync(state)
    assert state.last_updated_at is None
    assert path.read_bytes() == content


def test_a_database_of_another_program_can_be_shared(memory: Path):
    path = memory / "trading.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE candles (open REAL)")
    connection.close()
    with SQLStateStore(f"sqlite:///{path}#demo") as store:
        assert store.is_pristine()
        store.sync(make_state())
        assert store.load().name == "first"


def test_tables_of_a_newer_program_are_left_alone(path: Path):
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE state_layout SET version = {LAYOUT_VERSION + 1}")
    connection.close()
    store = SQLStateStore(f"sqlite:///{path}#demo")
    assert not store.is_pristine()
    with pytest.raises(NewerStateFile):
        store.load()
    with pytest.raises(NewerStateFile), store:
        store.sync(make_state())


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM state_strategies WHERE name = 'demo'",
        "UPDATE state_strategies SET name = 'dema' WHERE name = 'demo'",
        "UPDATE state_strategies SET newest = newest - 1 WHERE name = 'demo'",
        "DELETE FROM state_revisions WHERE number = 12",
        "UPDATE state_revisions SET sha256 = (SELECT sha256 FROM state_revisions WHERE number = 11) WHERE number = 12",
        "DELETE FROM state_parts WHERE path = ''",
        "UPDATE state_parts SET ordinal = -ordinal WHERE path = '/portfolio/closed_positions'",
        "UPDATE state_parts SET body = 5 WHERE path = ''",
        "UPDATE state_parts SET body = NULL WHERE path = ''",
        "UPDATE state_parts SET body = '[1]' WHERE path = ''",
        "UPDATE state_parts SET removed_in = 12 WHERE path = '/visualisation/messages'",
        "UPDATE state_parts SET path = '/none' WHERE path = '/visualisation/messages'",
        "DROP TABLE state_revisions",
        "DELETE FROM state_layout",
    ],
)
def test_rows_that_are_missing_or_changed_are_noticed(path: Path, statement: str):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    if "NULL" in statement:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'body BLOB NOT NULL', 'body BLOB')")
        connection.commit()
        connection.close()
        connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    store = SQLStateStore(f"sqlite:///{path}#demo")
    assert not store.is_pristine()
    with pytest.raises(DamagedStateFile, match="store recover"):
        store.load()
    with pytest.raises(DamagedStateFile), store:
        store.sync(make_state("new"))
