"""A driver that writes something else than it was given: the save is refused before it is acknowledged.

Every value of every statement of a save is changed in turn, as a fault of memory, of the driver or of the database
would: a flipped bit, another number, a row that is not written.
"""

import itertools
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit.store_contract import make_state
from tests.kit.trader import LINK_USDC, Trader
from tradeexecutor.database.sqlite import connect_sqlite
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.errors import DamagedStateFile, SaveFailed

#: Values by row, and the number of the value to change; returns the rows to write.
Change = Callable[[list[list[Any]], int], list[list[Any]]]


class LyingConnection(sqlite3.Connection):
    """Counts the values that statements write, and changes one.

    Attributes
    ----------
    target
        Number of the value to change; None to change nothing.
    """

    target: int | None = None
    change: Change
    count = 0
    changed = ""

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(LyingCursor)


class LyingCursor(sqlite3.Cursor):
    def execute(self, sql: str, parameters: Any = ()) -> Any:
        rows = self._alter(sql, [list(parameters)])
        return super().execute(sql, rows[0]) if rows else super().execute("SELECT 1")

    def executemany(self, sql: str, parameters: Any) -> Any:
        return super().executemany(sql, self._alter(sql, [list(row) for row in parameters]))

    def _alter(self, sql: str, rows: list[list[Any]]) -> list[list[Any]]:
        connection = self.connection
        assert isinstance(connection, LyingConnection)
        if not sql.startswith(("INSERT", "UPDATE")):
            return rows
        first, size = connection.count, sum(map(len, rows))
        connection.count += size
        if connection.target is None or not first <= connection.target < first + size:
            return rows
        connection.changed = sql
        return connection.change(rows, connection.target - first)


def flip(rows: list[list[Any]], number: int) -> list[list[Any]]:
    """Flip the lowest bit of a byte of the value."""
    width = len(rows[0])
    row, column = divmod(number, width)
    value = rows[row][column]
    if isinstance(value, bytes):
        at = len(value) // 2
        value = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
    elif isinstance(value, str) and value:
        value = value[:-1] + chr(ord(value[-1]) ^ 1)
    elif isinstance(value, int):
        value ^= 1
    else:
        value = "x"
    rows[row][column] = value
    return rows


def lose(rows: list[list[Any]], number: int) -> list[list[Any]]:
    """Do not write the row."""
    return [row for at, row in enumerate(rows) if at != number // len(rows[0])]


def save(path: Path, change: Change, target: int) -> tuple[bool, str]:
    """Save with a lying driver; whether the save was acknowledged, and the statement that was changed."""
    made: list[LyingConnection] = []

    def connect(*, writing: bool) -> Any:
        connection: Any = connect_sqlite(path, writing=writing, factory=LyingConnection)
        connection.change, connection.target = change, target
        made.append(connection)
        return connection

    with SQLStateStore(f"sqlite:///{path}#demo", connect=connect) as store:
        state = store.load()
        Trader(state).buy(LINK_USDC, "1", 10.0)
        try:
            store.sync(state)
        except (SaveFailed, DamagedStateFile):
            is_saved = False
        else:
            is_saved = True
    with SQLStateStore(f"sqlite:///{path}#demo") as store:
        loaded = store.load()
    assert (loaded.to_json() == state.to_json()) is is_saved
    assert len(loaded.portfolio.open_positions) == (2 if is_saved else 1)
    return is_saved, next((connection.changed for connection in made if connection.changed), "")


@pytest.mark.slow
@pytest.mark.parametrize("change", [flip, lose])
def test_no_save_is_acknowledged_that_was_written_otherwise(memory: Path, change: Change):
    original = memory / "original.db"
    with SQLStateStore(f"sqlite:///{original}#demo") as store:
        store.sync(make_state())
    statements: set[str] = set()
    for target in itertools.count():
        path = memory / "trading.db"
        shutil.copy(original, path)
        is_saved, statement = save(path, change, target)
        if not statement:
            assert is_saved
            break
        assert not is_saved, statement
        statements.add(statement.split()[0] + statement.split("state_")[1].split()[0])
    assert statements == {"UPDATEparts", "INSERTparts", "INSERTrevisions", "UPDATEstrategies"}
