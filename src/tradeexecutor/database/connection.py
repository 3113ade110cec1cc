"""Connections to SQLite and PostgreSQL, and what their errors mean.

SQLite keeps a write-ahead log and flushes it to the disk at every commit (``synchronous=FULL``): with ``NORMAL``, the
usual choice beside a write-ahead log, a power cut may undo the last commits, and a trade that was broadcast would be
forgotten.  Readers see the last commit and never wait.  PostgreSQL is asked for the same with ``synchronous_commit``.
"""

import contextlib
import errno
import os
import socket
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tradeexecutor.database.address import Address
from tradeexecutor.state.errors import DamagedStateFile, SaveFailed, StoreUnavailable
from tradeexecutor.state.files.durable_file import keep_under
from tradeexecutor.state.files.syscalls import OS_FILES

__all__ = [
    "Connect",
    "Database",
    "connect_postgresql",
    "connect_sqlite",
    "explain_failed_reading",
    "explain_failed_save",
    "make_damaged",
]

#: Makes a connection of the driver; True to write.
Connect = Callable[[bool], Any]

#: Seconds to wait for the save of another strategy in the same file.
_PATIENCE = 30.0

#: Tells whose database it is to programs such as `file`.
_APPLICATION_ID = 0x74726164

#: The file of the write-ahead log is not kept larger than this.
_LOG_SIZE = 16 << 20


class Database:
    """Opens connections; none stays open but what the caller holds.

    Parameters
    ----------
    address
        The strategy in it does not matter.
    connect
        How to connect; for tests.
    """

    def __init__(self, address: Address, connect: Connect | None = None):
        self.address = address
        self.is_sqlite = address.path is not None
        self._connect = connect or self._make_connection
        self._reader = self._make_engine(writing=False)
        self._writer = self._make_engine(writing=True)

    def _make_engine(self, writing: bool) -> Engine:
        engine = create_engine(self.address.url, creator=lambda: self._connect(writing), poolclass=NullPool)
        if self.is_sqlite:
            command = "BEGIN IMMEDIATE" if writing else "BEGIN"
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(command))
        elif not writing:
            return engine.execution_options(isolation_level="REPEATABLE READ")
        return engine

    def _make_connection(self, writing: bool) -> Any:
        if self.address.path is not None:
            return connect_sqlite(self.address.path, writing)
        return connect_postgresql(self.address, writing)

    def exists(self) -> bool:
        """Tell whether there is a database; a server is believed to have one."""
        path = self.address.path
        return path is None or path.exists()

    def open_for_writing(self) -> Connection:
        """Return a connection whose transactions write; an SQLite database is made where there is none."""
        path = self.address.path
        if path is not None and not path.exists():
            if not path.parent.is_dir():
                raise FileNotFoundError(errno.ENOENT, "no such folder for the database", str(path.parent))
            _make_file(path)
        self._refuse_empty_file()
        return self._writer.connect()

    def _refuse_empty_file(self) -> None:
        path = self.address.path
        if path is not None and path.stat().st_size == 0:
            raise make_damaged("the file is empty", self.address)  # we never leave an empty one

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection for one transaction, in which nothing changes that others save.

        Raises
        ------
        FileNotFoundError
            There is no SQLite database.
        DamagedStateFile
            It is damaged, or no database.
        StoreUnavailable
            The server cannot be reached, or the operating system refuses.
        """
        if not self.exists():
            raise FileNotFoundError(errno.ENOENT, "no such database", str(self.address.path))
        self._refuse_empty_file()
        try:
            with self._reader.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            raise explain_failed_reading(error, self.address) from error
        except sqlite3.Error as error:
            raise explain_failed_reading(error, self.address) from error
        except UnicodeDecodeError as error:  # a message of SQLite about a damaged name
            raise make_damaged(str(error), self.address) from error


def connect_sqlite(path: Path, writing: bool, factory: type[sqlite3.Connection] = sqlite3.Connection) -> Any:
    """Open an SQLite database; only a writer makes one where there is none."""
    mode = "rwc" if writing else "rw"
    if not writing and not os.access(path.parent, os.W_OK) and not _has_log(path):
        mode = "ro&immutable=1"  # SQLite could not make the files that readers share; nobody else can write here either
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=_PATIENCE,
        isolation_level=None,
        check_same_thread=False,
        factory=factory,
    )
    try:
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        if writing:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {_LOG_SIZE}")
            connection.execute("PRAGMA foreign_keys = ON")
        else:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def _make_file(path: Path) -> None:
    """Make an empty SQLite database; whenever this dies, there is either none or a proper one."""
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        with contextlib.closing(sqlite3.connect(temporary)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")  # the first page is written
        with contextlib.suppress(FileExistsError):  # another strategy was faster
            keep_under(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    OS_FILES.flush_folder(path.parent)


# --- PostgreSQL

_open_connections: "weakref.WeakSet[Any]" = weakref.WeakSet()


def connect_postgresql(address: Address, writing: bool, factory: Any = None) -> Any:
    """Open a connection to a PostgreSQL server.

    Raises
    ------
    StoreUnavailable
        The driver is not installed.
    psycopg.OperationalError
        The server cannot be reached.
    """
    try:
        import psycopg
    except ImportError:
        raise StoreUnavailable(
            str(address), "psycopg is not installed; `pip install 'tradeexecutor[postgresql]'` brings it"
        ) from None
    url = address.url.set(drivername="postgresql").render_as_string(hide_password=False)
    name = f"tradeexecutor {os.getpid()} {socket.gethostname()}"  # StoreLocked tells it to others
    connection = (factory or psycopg.Connection).connect(url, application_name=name[:63], connect_timeout=10)
    _open_connections.add(connection)
    if writing:
        connection.execute("SET synchronous_commit = on")
        connection.commit()
    return connection


def _forget_parents_connections() -> None:
    """Let a forked child neither use nor close the connections of its parent, nor keep them alive after its death."""
    if not _open_connections:
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    for connection in list(_open_connections):
        with contextlib.suppress(Exception):  # it is closed
            os.dup2(nothing, connection.pgconn.socket)
    os.close(nothing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents_connections)


# --- Errors

_SQLITE_CODES = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_LOCKED: errno.EBUSY,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
}

_POSTGRESQL_CODES = {
    "53100": errno.ENOSPC,
    "58030": errno.EIO,
    "42501": errno.EACCES,
    "25006": errno.EROFS,
    "53200": errno.ENOMEM,
    "55P03": errno.EBUSY,
}

_ADVICE = {
    errno.ENOSPC: "make room on the disk, then save again",
    errno.EDQUOT: "make room within the quota of this user, then save again",
    errno.EACCES: "let this user write to the database and to the folder it is in, then save again",
    errno.EPERM: "let this user write to the database and to the folder it is in, then save again",
    errno.EROFS: "let this user write to the database, then save again",
    errno.ENOENT: "make the folder, then save again",
    errno.EIO: "the disk fails: copy the database to another one and continue there",
    errno.EBUSY: "another program keeps the database locked: end it, then save again",
    errno.ECONNRESET: "see that the database server runs and can be reached, then save again",
}


def _get_code(error: BaseException) -> int | None:
    """Return the `errno` that tells best what happened; None when the database itself is wrong."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        return None if code is None else _SQLITE_CODES.get(code & 0xFF)
    state = getattr(cause, "sqlstate", None)
    if state is None or state[:2] in ("08", "57"):
        return errno.ECONNRESET
    return _POSTGRESQL_CODES.get(state)


def _describe(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(cause).split())


def explain_failed_reading(error: Exception, address: Address) -> Exception:
    """Return the error to raise instead of one of the driver."""
    code = _get_code(error)
    if code is None:
        return make_damaged(_describe(error), address)
    return StoreUnavailable(str(address), _describe(error), code)


def explain_failed_save(error: Exception, address: Address) -> Exception:
    """Return the error to raise instead of one of the driver or the operating system."""
    if isinstance(error, OSError):
        code, reason = error.errno or errno.EIO, error.strerror or str(error)
    else:
        found = _get_code(error)
        if found is None:
            return make_damaged(_describe(error), address)
        code, reason = found, f"{os.strerror(found)} ({_describe(error)})"
    advice = _ADVICE.get(code, "find out what keeps the database from it, then save again")
    return SaveFailed(str(address), OSError(code, reason), False, advice)


def make_damaged(reason: str, address: Address) -> DamagedStateFile:
    """Return the error for a database that does not hold what was saved."""
    advice = f"`tradeexecutor store recover {address}` goes back to the newest intact save"
    return DamagedStateFile(reason, str(address), advice)
