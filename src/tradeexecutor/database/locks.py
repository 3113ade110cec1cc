"""One writer for each strategy, in a database that has many.

SQLite: a lock file beside the database, which the operating system releases when its process ends, however it ends
(:mod:`tradeexecutor.state.files.writer_lock`).  PostgreSQL: an advisory lock of the session, which the server releases
when the connection breaks, as it does when the process ends.
"""

import contextlib
import hashlib
import os
import socket
import threading
import time
from abc import ABC, abstractmethod

from sqlalchemy import Connection, text

from tradeexecutor.database.address import Address
from tradeexecutor.database.connection import Database
from tradeexecutor.state.errors import StoreLocked
from tradeexecutor.state.files.writer_lock import WriterLock

__all__ = ["Writer", "make_writer"]

#: Seconds to wait for a process that is just ending, as when a strategy is restarted.
_PATIENCE = 0.5

#: Connections of a parent process, which a forked child must not close, not even when it ends.
_not_ours: list[Connection] = []


class Writer(ABC):
    """The right to write to a strategy, and the connection to do so.

    A forked child does not inherit it.  All threads of a process share it; `mutex` is held while one of them saves.
    """

    def __init__(self, address: Address, database: Database):
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
        return self._process == os.getpid() and self._connection is not None

    def acquire(self) -> None:
        """Become the only writer; does nothing when this already is.

        Raises
        ------
        StoreLocked
            Names the process that writes.
        OSError, SQLAlchemyError
            The database cannot be opened or made.
        """
        self.after_fork()
        if self._connection is not None:
            return
        self._lock()
        try:
            self._connection = self._connection or self._database.open_for_writing()
        except BaseException:
            self._unlock()
            raise

    def release(self) -> None:
        """Let others write; does nothing when the right is not held."""
        if not self.is_held:
            return
        connection, self._connection = self.connection, None
        try:
            with contextlib.suppress(Exception):  # it is broken; what matters is that it is gone
                connection.close()
        finally:
            self._unlock()

    @abstractmethod
    def _lock(self) -> None:
        """Take the lock, and wait a moment for it."""

    @abstractmethod
    def _unlock(self) -> None:
        """Give the lock back; the connection is closed."""


class _FileWriter(Writer):
    """The lock is a file, ``DATABASE.STRATEGY.lock``."""

    def __init__(self, address: Address, database: Database):
        super().__init__(address, database)
        assert address.path is not None
        self._path = address.path
        self._file_lock = WriterLock(address.path.with_name(f"{address.path.name}.{address.strategy}"))

    def _lock(self) -> None:
        try:
            self._file_lock.acquire()
        except StoreLocked as error:
            raise StoreLocked(str(self.address), error.holder) from None
        if os.geteuid() == 0 and self._path.exists():  # a command run by root must not shut out the strategy's user
            owner = self._path.stat()
            os.chown(
                self._path.with_name(f"{self._path.name}.{self.address.strategy}.lock"), owner.st_uid, owner.st_gid
            )

    def _unlock(self) -> None:
        self._file_lock.release()


class _SessionWriter(Writer):
    """The lock is one of the session of the connection."""

    def _lock(self) -> None:
        name = f"tradeexecutor {self.address.strategy}"
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        connection = self._database.open_for_writing()
        try:
            until = time.monotonic() + _PATIENCE
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


def make_writer(address: Address, database: Database) -> Writer:
    """Return the right kind of writer for a database; nothing is opened."""
    return (_FileWriter if database.is_sqlite else _SessionWriter)(address, database)
