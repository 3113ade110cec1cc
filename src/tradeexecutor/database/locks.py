"""One writer for each strategy, in a database that has many.

SQLite: a lock file beside the database, which the operating system releases when its process ends, however it ends
(:mod:`tradeexecutor.state.files.writer_lock`).  PostgreSQL: an advisory lock of the session, which the server releases
when the connection breaks, as it does when the process ends.

A save is acknowledged only when the lock was held all the time and the database is still at the path that the user
named; `Writer.transaction` sees to that.
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

#: Seconds to wait for a process that is just ending, as when a strategy is restarted.
_LOCK_TIMEOUT = 0.5

#: Seconds that one statement of a maintenance command may take on a server.
_MAINTENANCE_TIMEOUT = 3600.0

#: Connections of a parent process, which a forked child must not close, not even when it ends.
_not_ours: list[Connection] = []


class Writer(ABC):
    """The right to write to a strategy, and the connection to do so.

    A forked child does not inherit it.  All threads of a process share it; `mutex` is held while one of them saves.
    """

    def __init__(self, address: DatabaseAddress, database: Database):
        self.address = address
        self._database = database
        self._connection: Connection | None = None
        self._process = os.getpid()
        self.mutex = threading.RLock()

    def after_fork(self) -> None:
        """Forget what the parent process held; does nothing in the process that made this."""
        if self._process == os.getpid():
            return
        self._process = os.getpid()
        self.mutex = threading.RLock()
        if self._connection is not None:
            _not_ours.append(self._connection)
            self._connection = None

    @property
    def connection(self) -> Connection:
        """The connection of the writer."""
        assert self._connection is not None, "the right to write was not acquired"
        return self._connection

    @property
    def is_held(self) -> bool:
        """Whether this process is the writer, by this very object."""
        return self._process == os.getpid() and self._connection is not None and self._is_locked()

    def acquire(self) -> None:
        """Become the only writer; does nothing when this already is.

        Raises
        ------
        StoreLocked
            Names the process that writes.
        StoreMoved
            There is the log of an SQLite database that is gone.
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
        """Let others write; does nothing when the right is not held."""
        if self._process != os.getpid():
            return
        self.disconnect()
        self._unlock()

    def disconnect(self) -> None:
        """Close the connection, so that the next save opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it is broken; what matters is that it is gone
                connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Generator[Connection]:
        """Open a transaction, which is committed at the end of the block when the lock and the database are there.

        Raises
        ------
        StoreMoved
            The database was deleted, renamed or replaced.  The connection is closed.
        StoreLocked
            The lock was lost, and another process has taken it.
        SQLAlchemyError, sqlite3.Error
            The database refused.  A connection that may be the reason is closed.
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
                self._check_place()  # that may be the reason
            except StoreMoved:
                self._leave()
                raise
            if not self._is_usable():
                self.disconnect()
            raise

    @abstractmethod
    def _lock(self) -> None:
        """Take the lock, and wait a moment for it."""

    @abstractmethod
    def _unlock(self) -> None:
        """Give the lock back; the connection is closed.  Does nothing when the lock is not held."""

    @abstractmethod
    def _is_locked(self) -> bool:
        """Tell whether the lock is held, and is the one that others see."""

    def _require_lock(self) -> None:  # noqa: B027
        """Take the lock again when it was lost; raises `StoreLocked` when another process has it now."""

    def _open(self) -> None:
        """Open the connection."""
        self._connection = self._database.open_for_writing()

    def _is_usable(self) -> bool:
        """Tell whether the connection can be used after an error."""
        return self._connection is not None and not self._connection.invalidated

    def allow_long_statements(self) -> None:  # noqa: B027
        """Let statements take longer from now on than one of a save may: for maintenance."""

    def _remember_files(self) -> None:  # noqa: B027
        """Remember which files the connection has open; a transaction has begun."""

    def _check_place(self) -> None:  # noqa: B027
        """Raise `StoreMoved` when the database is not where it was opened."""

    def _leave(self) -> None:
        """Give up a database that is not at its path any more."""
        self.release()


class _FileWriter(Writer):
    """The lock is a file, ``DATABASE.STRATEGY.lock``."""

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
        if path != self._path:  # a symbolic link leads elsewhere now
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
        return False  # SQLite goes on reading only with a file that was read-only when it was opened

    def _remember_files(self) -> None:
        assert self._files is not None
        self._files.remember_log()

    def _check_place(self) -> None:
        assert self._files is not None
        self._files.check()

    def _leave(self) -> None:
        """Write the log into the database before it is closed, wherever it is now.

        A database that was only renamed is complete then, and a database that was put in its place does not find a log
        that is not its own.
        """
        with contextlib.suppress(Exception):
            driver: Any = self.connection.connection.dbapi_connection
            driver.execute("PRAGMA busy_timeout = 1000")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        super()._leave()


class _SessionWriter(Writer):
    """The lock is one of the session of the connection."""

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
        pass  # the lock went with the connection

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
    """Return the right kind of writer for a database; nothing is opened."""
    return (_FileWriter if database.is_sqlite else _SessionWriter)(address, database)
