"""Database connections that fail on purpose: at one call, with an error of the database or as if the process died."""

import sqlite3
from typing import Any

import psycopg

from tests.faults.files import Crash, Fault
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.connection import DEFAULT_TIMEOUT
from tradeexecutor.database.postgresql import TimedConnection, connect_postgresql
from tradeexecutor.database.sqlite import connect_sqlite


class Faults:
    """Counts what connections are asked, and fails.

    Attributes
    ----------
    fault
        Called before each call with its number, from 0, and the statement.
    """

    def __init__(self, fault: Fault = lambda number, name: None):
        self.fault = fault
        self.calls: list[str] = []
        self.is_dead = False

    def check(self, statement: str, connection: Any) -> None:
        if self.is_dead:
            raise Crash
        number = len(self.calls)
        self.calls.append(statement)
        try:
            self.fault(number, statement)
        except Crash:
            self.is_dead = True
            connection.die()
            raise


def connect(address: DatabaseAddress, faults: Faults, *, writing: bool) -> Any:
    """A connection of the driver; only those that write fail."""
    if address.path is not None:
        connection: Any = connect_sqlite(address.path, writing=writing, factory=_SQLiteConnection)
    else:
        parameters = address.get_connection_parameters()
        factory = _make_postgresql_connection()
        connection = connect_postgresql(parameters, writing=writing, timeout=DEFAULT_TIMEOUT, factory=factory)
    if writing:
        connection.faults = faults
    return connection


def make_error(address: DatabaseAddress, code: int) -> Exception:
    """The error of a driver for an error of the operating system."""
    import errno

    if address.path is None:
        kinds = {
            errno.ENOSPC: psycopg.errors.DiskFull,
            errno.EACCES: psycopg.errors.InsufficientPrivilege,
            errno.EIO: psycopg.errors.IoError,
        }
        return kinds[code]("refused")
    error = sqlite3.OperationalError("refused")
    codes = {errno.ENOSPC: sqlite3.SQLITE_FULL, errno.EACCES: sqlite3.SQLITE_READONLY, errno.EIO: sqlite3.SQLITE_IOERR}
    error.sqlite_errorcode = codes[code]  # pyright: ignore[reportAttributeAccessIssue]
    return error


class _SQLiteCursor(sqlite3.Cursor):
    def execute(self, sql: str, *arguments: Any) -> Any:
        self._check(sql)
        return super().execute(sql, *arguments)

    def executemany(self, sql: str, *arguments: Any) -> Any:
        self._check(sql)
        return super().executemany(sql, *arguments)

    def _check(self, statement: str) -> None:
        assert isinstance(self.connection, _SQLiteConnection)
        self.connection.check(statement)


class _SQLiteConnection(sqlite3.Connection):
    faults: Faults | None = None

    def cursor(self, factory: Any = _SQLiteCursor) -> Any:
        return super().cursor(factory)

    def check(self, statement: str) -> None:
        if self.faults is not None:
            self.faults.check(statement, self)

    def commit(self) -> None:
        self.check("COMMIT")
        super().commit()

    def rollback(self) -> None:
        if self.faults is None or not self.faults.is_dead:
            super().rollback()

    def close(self) -> None:
        if self.faults is None or not self.faults.is_dead:
            super().close()

    def die(self) -> None:
        super().close()


def _make_postgresql_connection() -> Any:
    class Cursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            self.connection.check(str(query))  # pyright: ignore[reportAttributeAccessIssue]
            return super().execute(query, *arguments, **options)

        def executemany(self, query: Any, *arguments: Any, **options: Any) -> Any:
            self.connection.check(str(query))  # pyright: ignore[reportAttributeAccessIssue]
            return super().executemany(query, *arguments, **options)

    class Connection(TimedConnection):
        faults: Faults | None = None

        def __init__(self, *arguments: Any, **options: Any):
            super().__init__(*arguments, **options)
            self.cursor_factory = Cursor

        def check(self, statement: str) -> None:
            if self.faults is not None:
                self.faults.check(statement, self)

        def commit(self) -> None:
            self.check("COMMIT")
            super().commit()

        def rollback(self) -> None:
            if self.faults is None or not self.faults.is_dead:
                super().rollback()

        def close(self) -> None:
            if self.faults is None or not self.faults.is_dead:
                super().close()

        def die(self) -> None:
            super().close()

    return Connection
