"""Connections to SQLite and PostgreSQL; :mod:`~.failures` explains their errors."""

import contextlib
import errno
import logging
import sqlite3
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.failures import explain_failed_reading, is_transient, make_damaged
from tradeexecutor.database.sqlite import connect_sqlite, find_stale_files, is_read_without_locks, make_file
from tradeexecutor.state.errors import DamagedStateFile, StoreUnavailable

__all__ = ["DEFAULT_TIMEOUT", "Connect", "Database"]

logger = logging.getLogger(__name__)

#: The longest time for one statement on a server, seconds.
DEFAULT_TIMEOUT = 60.0

#: Delay before the second attempt to open a connection, seconds.
_RETRY_DELAY = 0.2

#: There is no second attempt when the first one has taken longer than this, seconds.
_MAX_RETRIED_DURATION = 5.0


class Connect(Protocol):
    """Function that opens a connection of the driver."""

    def __call__(self, *, writing: bool) -> Any:
        """Return a connection, or raise an error of the driver."""
        ...


class Database:
    """Opens connections. It keeps none open: the caller closes them.

    Parameters
    ----------
    address
        Address of the database; the strategy in it is ignored.
    connect
        Function that connects instead of the driver; for tests.
    timeout
        Seconds that one statement may take on a server.
    """

    def __init__(self, address: DatabaseAddress, connect: Connect | None = None, *, timeout: float = DEFAULT_TIMEOUT):
        self.address = address
        self.timeout = timeout
        self.is_sqlite = address.file is not None
        self._connect = connect or self._make_connection
        self._reader = self._make_engine(writing=False)
        self._writer = self._make_engine(writing=True)

    def __repr__(self) -> str:
        return f"<Database {self.address.database}>"

    def _make_engine(self, *, writing: bool) -> Engine:
        # The URL contains only the dialect, because an engine prints its URL.
        url = "sqlite://" if self.is_sqlite else "postgresql+psycopg://"
        engine = create_engine(url, creator=lambda: self._connect(writing=writing), poolclass=NullPool)
        if self.is_sqlite:
            command = "BEGIN IMMEDIATE" if writing else "BEGIN"

            def begin(connection: Connection) -> None:
                connection.exec_driver_sql(command)

            event.listen(engine, "begin", begin)
        elif not writing:
            return engine.execution_options(isolation_level="REPEATABLE READ")
        return engine

    def _make_connection(self, *, writing: bool) -> Any:
        path = self.address.path
        if path is not None:
            return connect_sqlite(path, writing=writing)
        try:
            from tradeexecutor.database.postgresql import connect_postgresql
        except ImportError:
            raise StoreUnavailable(
                str(self.address), "psycopg is not installed; `pip install 'tradeexecutor[postgresql]'` brings it"
            ) from None
        return connect_postgresql(self.address.get_connection_parameters(), writing=writing, timeout=self.timeout)

    def exists(self) -> bool:
        """Return whether there is a database; always True for a server."""
        path = self.address.path
        return path is None or path.exists()

    def make_if_missing(self) -> None:
        """Create an SQLite database if there is none, and remove temporary files of killed processes beside it.

        Raises
        ------
        FileNotFoundError
            The folder does not exist.
        DamagedStateFile
            The file is empty.
        StoreMoved
            The log of a database exists, but not the database.
        OSError, sqlite3.Error
            The database cannot be made.
        """
        path = self.address.path
        if path is None:
            return
        if not path.exists():
            if not path.parent.is_dir():
                raise FileNotFoundError(errno.ENOENT, "no such folder for the database", str(path.parent))
            make_file(path)
        _remove_stale_files(path)
        self._refuse_empty_file()

    def open_for_writing(self) -> Connection:
        """Return a connection whose transactions write. An SQLite database is created if there is none.

        Raises
        ------
        FileNotFoundError, DamagedStateFile, StoreMoved
            As `make_if_missing`.
        OSError, SQLAlchemyError
            The database cannot be opened or made.
        """
        self.make_if_missing()
        return self._open(self._writer)

    def _open(self, engine: Engine) -> Connection:
        """Open a connection. If this fails for a reason that may pass, a new connection is tried once more."""
        begin = time.monotonic()
        try:
            return engine.connect()
        except (DBAPIError, sqlite3.Error) as error:
            if not is_transient(error) or time.monotonic() - begin > _MAX_RETRIED_DURATION:
                raise
        time.sleep(_RETRY_DELAY)
        return engine.connect()

    def _refuse_empty_file(self) -> None:
        path = self.address.path
        if path is not None and path.stat().st_size == 0:
            raise make_damaged("the file is empty", self.address)  # this program never leaves an empty file

    @contextlib.contextmanager
    def reading(self) -> Generator[Connection]:
        """Open a connection for one transaction, which does not see saves of others that come later.

        Raises
        ------
        FileNotFoundError
            There is no SQLite database.
        DamagedStateFile
            The file is damaged, or not a database.
        StoreUnavailable
            The server cannot be reached, or the operating system refuses.
        """
        path = self.address.path
        if path is not None and not path.exists():
            raise FileNotFoundError(errno.ENOENT, "no such database", str(path))
        self._refuse_empty_file()
        try:
            with self._noticing_writers(path), self._open(self._reader) as connection, connection.begin():
                yield connection
        except (DBAPIError, sqlite3.Error) as error:
            raise explain_failed_reading(error, self.address) from error
        except UnicodeDecodeError as error:  # SQLite quotes a damaged name in its message
            raise make_damaged(str(error), self.address) from error

    @contextlib.contextmanager
    def _noticing_writers(self, path: Path | None) -> Generator[None]:
        """Turn damage into `StoreUnavailable` when a process wrote during a read without a lock."""
        if path is None or not is_read_without_locks(path):
            yield
            return
        before = path.stat()
        try:
            yield
        except (DamagedStateFile, DBAPIError, sqlite3.Error) as error:
            now = path.stat()
            if (now.st_mtime_ns, now.st_size) == (before.st_mtime_ns, before.st_size) and is_read_without_locks(path):
                raise
            reason = "it was written to while it was read; read it again"
            raise StoreUnavailable(str(self.address), reason, errno.EAGAIN) from error


def _remove_stale_files(path: Path) -> None:
    """Remove temporary files of killed processes; a file that cannot be removed stays until the next time."""
    for item in find_stale_files(path):
        try:
            item.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("a file that a killed process left cannot be removed: %s", error)
