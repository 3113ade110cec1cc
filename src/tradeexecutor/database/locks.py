"""One writer for each of the strategies of a database.

For SQLite, the lock is a file beside the database. The operating system releases it when its process ends, even after a
crash (:mod:`tradeexecutor.state.files.writer_lock`). For PostgreSQL, it is an advisory lock of the session. The server
releases it when the connection breaks, which happens when the process ends.

`Writer.transaction` acknowledges a save only when the lock was held all the time and the database is still at the path
given by the user.
"""

import contextlib
import hashlib
import os
import socket
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.connection import Database
from tradeexecutor.database.sqlite import OpenedFiles
from tradeexecutor.state.errors import DamagedStateFile, StoreLocked, StoreMoved
from tradeexecutor.state.files.writer_lock import WriterLock

__all__ = ["Writer", "make_writer"]

#: Time to wait for a process that is about to end, as when a strategy is restarted, seconds.
_LOCK_TIMEOUT = 0.5

#: The longest time for one statement of a maintenance command on a server, seconds.
_MAINTENANCE_TIMEOUT = 3600.0

#: Connections of a parent process. A forked child must not close them, even when it ends.
_not_ours: list[Connection] = []


class Writer(ABC):
    """The right to write to a strategy, and the connection for it.

    A forked child does not inherit the right. All threads of a process share it, and `mutex` is held while one of them
    saves.
    """

    def __init__(self, address: DatabaseAddress, database: Database):
        self.address = address
        self._database = database
        self._connection: Connection | None = None
        self._process = os.getpid()
        self.mutex = threading.RLock()

    def after_fork(self) -> None:
        """Forget the lock and connection of the parent process; does nothing in the process that created the object."""
        if self._process == os.getpid():
            return
        self._process = os.getpid()
        self.mutex = threading.RLock()
        if self._connection is not None:
            _not_ours.append(self._connection)
            self._connection = None

    @property
    def connection(self) -> Connection:
        """The open connection of the writer."""
        assert self._connection is not None, "the right to write was not acquired"
        return self._connection

    @property
    def is_held(self) -> bool:
        """Whether this object has the right to write in this process."""
        return self._process == os.getpid() and self._connection is not None and self._is_locked()

    def acquire(self) -> None:
        """Become the only writer; does nothing when this object already is the writer.

        Raises
        ------
        StoreLocked
            Another process writes; the message contains its id.
        StoreMoved
            The log of an SQLite database exists, but not the database.
        OSError, SQLAlchemyError
            The database cannot be opened or made.
        """
        self.after_fork()
        if self.is_held:
            return
        was_locked = self._is_locked()
        self._lock()
        try:
            if self._connection is None:
                self._open()
        except BaseException:
            if not was_locked:
                self._unlock()
            raise

    def release(self) -> None:
        """Release the right to write; does nothing when it is not held."""
        if self._process != os.getpid():
            return
        self.disconnect()
        self._unlock()

    def disconnect(self) -> None:
        """Close the connection, so that the next save opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # the connection may be broken, and is not used again
                connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Generator[Connection]:
        """Open a transaction, and commit it at the end of the block if lock and database are still there.

        Raises
        ------
        StoreMoved
            The database was deleted, renamed or replaced. The connection is closed.
        StoreLocked
            The lock was lost, and another process has taken it.
        SQLAlchemyError, sqlite3.Error
            The database refused. The connection is closed if it may be the reason.
        """
        try:
            with self.connection.begin():
                self._remember_files()
                yield self.connection
                self._check_place()
                self._require_lock()
            self._check_place()
        except StoreMoved:
            self._leave()
            raise
        except (DBAPIError, sqlite3.Error, DamagedStateFile):
            try:
                self._check_place()  # a moved database may be the reason
            except StoreMoved:
                self._leave()
                raise
            if not self._is_usable():
                self.disconnect()
            raise

    @abstractmethod
    def _lock(self) -> None:
        """Take the lock, and wait for it up to `_LOCK_TIMEOUT`."""

    @abstractmethod
    def _unlock(self) -> None:
        """Release the lock after the connection was closed. Does nothing when the lock is not held."""

    @abstractmethod
    def _is_locked(self) -> bool:
        """Return whether the lock is held, and its file is the one that other processes see."""

    def _require_lock(self) -> None:  # noqa: B027
        """Take the lock again if it was lost. Raises `StoreLocked` when another process holds it now."""

    def _open(self) -> None:
        """Open the connection."""
        self._connection = self._database.open_for_writing()

    def _is_usable(self) -> bool:
        """Return whether the connection can be used after an error."""
        return self._connection is not None and not self._connection.invalidated

    def allow_long_statements(self) -> None:  # noqa: B027
        """Raise the time limit of later statements for maintenance."""

    def _remember_files(self) -> None:  # noqa: B027
        """Record which files the connection has open; called inside a transaction."""

    def _check_place(self) -> None:  # noqa: B027
        """Raise `StoreMoved` when the database is no longer at the path where it was opened."""

    def _leave(self) -> None:
        """Close a database that is no longer at its path."""
        self.release()


class _FileWriter(Writer):
    """Writer of an SQLite database. The lock is the file ``DATABASE.STRATEGY.lock``."""

    def __init__(self, address: DatabaseAddress, database: Database):
        super().__init__(address, database)
        self._path: Path | None = None
        self._file_lock: WriterLock | None = None
        self._files: OpenedFiles | None = None

    def after_fork(self) -> None:
        super().after_fork()
        if self._file_lock is not None:
            self._file_lock.after_fork()

    def _lock(self) -> None:
        path = self.address.path
        assert path is not None
        if path != self._path:  # a symbolic link leads to another file now
            self._unlock()
            self.disconnect()
            lock_path = path.with_name(f"{path.name}.{self.address.strategy}")
            self._path, self._file_lock = path, WriterLock(lock_path, like=path)
        assert self._file_lock is not None
        try:
            self._file_lock.acquire()
        except StoreLocked as error:
            raise StoreLocked(str(self.address), error.holder) from None

    def _unlock(self) -> None:
        if self._file_lock is not None:
            self._file_lock.release()

    def _is_locked(self) -> bool:
        return self._file_lock is not None and self._file_lock.is_held

    def _require_lock(self) -> None:
        if not self._is_locked():
            self._lock()

    def _open(self) -> None:
        assert self._path is not None
        assert self.address.file is not None
        self._database.make_if_missing()
        self._files = OpenedFiles(self.address.file, self._path)
        super()._open()

    def _is_usable(self) -> bool:
        return False  # SQLite stays read-only with a file that was read-only when it was opened

    def _remember_files(self) -> None:
        assert self._files is not None
        self._files.remember_log()

    def _check_place(self) -> None:
        assert self._files is not None
        self._files.check()

    def _leave(self) -> None:
        """Write the log into the database before closing it, wherever the database is now.

        A database that was only renamed is then complete, and another database at the old path does not get a log that
        does not belong to it.
        """
        with contextlib.suppress(Exception):
            driver: Any = self.connection.connection.dbapi_connection
            driver.execute("PRAGMA busy_timeout = 1000")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        super()._leave()


class _SessionWriter(Writer):
    """Writer of a PostgreSQL database. The lock belongs to the session of the connection."""

    def _lock(self) -> None:
        name = f"tradeexecutor {self.address.strategy}"
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        connection = self._database.open_for_writing()
        try:
            until = time.monotonic() + _LOCK_TIMEOUT
            while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar():
                if time.monotonic() > until:
                    raise StoreLocked(str(self.address), _describe_holder(connection, key))
                time.sleep(0.05)
            connection.commit()
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _unlock(self) -> None:
        pass  # the server released the lock when the connection was closed

    def _is_locked(self) -> bool:
        return self._is_usable()

    def allow_long_statements(self) -> None:
        with self.connection.begin():
            self.connection.exec_driver_sql(f"SET statement_timeout = {int(_MAINTENANCE_TIMEOUT * 1000)}")
        driver: Any = self.connection.connection.dbapi_connection
        driver.max_silence = _MAINTENANCE_TIMEOUT


def _describe_holder(connection: Connection, key: int) -> str:
    query = text(
        "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'advisory' AND granted"
        " AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND classid = :high AND objid = :low AND objsubid = 1"
    )
    unsigned = key % (1 << 64)
    name = connection.execute(query, {"high": unsigned >> 32, "low": unsigned & 0xFFFFFFFF}).scalar()
    _, _, holder = (name or "").partition("tradeexecutor ")
    pid, _, host = holder.partition(" ")
    if not pid.isdigit():
        return "another session"
    is_own = int(pid) == os.getpid() and socket.gethostname().startswith(host)
    return f"process {pid} on {host}" + (" (this process, through another store)" if is_own else "")


def make_writer(address: DatabaseAddress, database: Database) -> Writer:
    """Return the kind of writer that a database needs; nothing is opened."""
    return (_FileWriter if database.is_sqlite else _SessionWriter)(address, database)
