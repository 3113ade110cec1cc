"""SQLite files: creating one, opening it, and checking that it is still at the path where it was opened.

SQLite keeps a write-ahead log and flushes it to the disk at every commit (``synchronous=FULL``). With ``NORMAL``, the
usual choice for a write-ahead log, a power cut may undo the last commits, and the state would lack a trade that was
broadcast. Readers see the last commit and never wait.

A connection continues to write to the files that it has opened, even when they are deleted or renamed. `OpenedFiles`
records which files these were, so that a save into a file that was deleted, renamed or replaced is not acknowledged.
"""

import contextlib
import os
import re
import sqlite3
import stat
import time
from pathlib import Path
from urllib.parse import quote

from tradeexecutor.state.errors import StoreMoved
from tradeexecutor.state.files.access import give_access
from tradeexecutor.state.files.durable_file import keep_under
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.state.files.syscalls import OS_FILES

__all__ = [
    "APPLICATION_ID",
    "OpenedFiles",
    "connect_sqlite",
    "find_stale_files",
    "get_log_path",
    "get_shared_memory_path",
    "get_temporary_path",
    "is_read_without_locks",
    "make_file",
    "write_empty_file",
]

#: Number in the file header by which programs such as `file` recognise the database.
APPLICATION_ID = 0x74726164

#: Time to wait for the save of another strategy in the same file, seconds.
_BUSY_TIMEOUT = 30.0

#: Size to which the file of the write-ahead log is truncated after a checkpoint, bytes.
_MAX_LOG_SIZE = 16 << 20

#: Age since the last write after which a temporary file belongs to a dead process, seconds.
_STALE_AFTER = 3600.0

#: Error codes when the shared-memory file beside the database cannot be used, most often because the disk is full.
_NO_SHARED_MEMORY = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM}
)


def get_log_path(path: Path) -> Path:
    """Return the path of the write-ahead log of a database."""
    return path.with_name(f"{path.name}-wal")


def get_shared_memory_path(path: Path) -> Path:
    """Return the path of the index of the log, which all connections share."""
    return path.with_name(f"{path.name}-shm")


def connect_sqlite(
    path: Path, *, writing: bool, factory: type[sqlite3.Connection] = sqlite3.Connection
) -> sqlite3.Connection:
    """Open an SQLite database. Only a writer creates one if there is none.

    A connection that only reads also works on a full disk and in a read-only folder.
    """
    if writing:
        _let_us_write(path)
        return _connect(path, "rwc", _WRITING, factory)
    if is_read_without_locks(path):
        return _connect(path, "ro&immutable=1", _READING, factory)
    try:
        return _connect(path, "rw", _READING, factory)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _NO_SHARED_MEMORY:
            raise
        with contextlib.suppress(sqlite3.OperationalError):
            # In this mode SQLite keeps the shared index in memory and writes nothing to the disk.
            return _connect(path, "rw", ("PRAGMA locking_mode = EXCLUSIVE", *_READING), factory, timeout=1.0)
        raise


def is_read_without_locks(path: Path) -> bool:
    """Return whether a reader takes no lock, because it cannot or must not create the files that contain the locks.

    It cannot in a read-only folder. It must not when it may not write to the database: the new files would be as
    read-only as the database, and a writer could not use them. While a process writes to the database, the files exist,
    and readers use them.
    """
    may_write = os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)
    return not may_write and not _has_log(path) and not get_shared_memory_path(path).exists()


_SAFE = ("PRAGMA cell_size_check = ON", "PRAGMA trusted_schema = OFF")

_WRITING = (
    *_SAFE,
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    f"PRAGMA journal_size_limit = {_MAX_LOG_SIZE}",
    "PRAGMA foreign_keys = ON",
)

#: The last statement opens the files, so that errors of opening are raised here.
_READING = (*_SAFE, "PRAGMA query_only = ON", "SELECT count(*) FROM sqlite_master")


def _connect(
    path: Path,
    mode: str,
    statements: tuple[str, ...],
    factory: type[sqlite3.Connection],
    *,
    timeout: float | None = None,
) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT if timeout is None else timeout,
        isolation_level=None,
        check_same_thread=False,
        factory=factory,
    )
    try:
        for statement in statements:
            connection.execute(statement).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _has_log(path: Path) -> bool:
    log = get_log_path(path)
    return log.exists() and log.stat().st_size > 0


def _let_us_write(path: Path) -> None:
    """Make our own files writable if a process that could only read the database has left them read-only.

    SQLite creates its log and the index of the log with the current mode of the database. When the database is made
    writable later, these files stay read-only, and every save would be refused.
    """
    if not path.exists() or not os.access(path, os.W_OK):
        return
    for item in (get_log_path(path), get_shared_memory_path(path)):
        with contextlib.suppress(OSError):  # the file is missing or not ours: the error of the save contains advice
            if not os.access(item, os.W_OK):
                item.chmod(stat.S_IMODE(path.stat().st_mode))


# --- Creating a file


def make_file(path: Path, like: Path | None = None) -> None:
    """Create an empty SQLite database. If the process dies, there is either no database or a complete one.

    Parameters
    ----------
    like
        See `write_empty_file`.

    Raises
    ------
    StoreMoved
        The log of a database exists, but not the database. SQLite would mix its content into the new file.
    OSError, sqlite3.Error
        The folder cannot be written to, or the disk is full.
    """
    if _has_log(path):
        raise StoreMoved(
            path,
            f"the database is gone, but its log {get_log_path(path).name} is there; put the database back beside it,"
            " or remove the log as well to begin a new database",
        )
    temporary = get_temporary_path(path)
    try:
        write_empty_file(temporary, like)
        with contextlib.suppress(FileExistsError):  # another strategy was faster
            keep_under(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    OS_FILES.flush_folder(path.parent)


def write_empty_file(path: Path, like: Path | None = None) -> None:
    """Write an empty SQLite database to a path where nothing exists.

    Parameters
    ----------
    like
        File whose mode, owner and group the new file gets; None for the usual mode.
    """
    if like is not None:
        descriptor = OS_FILES.create(path, 0o600)  # SQLite treats an empty file as an empty database
        try:
            give_access(OS_FILES, descriptor, like.stat())
        finally:
            OS_FILES.close(descriptor)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")  # writes the first page


def get_temporary_path(path: Path) -> Path:
    """Return a new path for a temporary file that will become a database."""
    return path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")


def find_stale_files(path: Path) -> list[Path]:
    """Return the temporary files beside a database that dead processes have left.

    Only `make_file` and the recovery use such names, and nobody has written to the files for an hour.
    """
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{16}}\.tmp(-wal|-shm|-journal|\..+\.lock)?")
    found = [item for item in path.parent.iterdir() if pattern.fullmatch(item.name)]
    now = time.time()
    return sorted(item for item in found if _is_stale(item, now))


def _is_stale(path: Path, now: float) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and now - status.st_mtime > _STALE_AFTER


# --- Places of the files


class OpenedFiles:
    """The files of a database that a connection has opened.

    Parameters
    ----------
    named
        Absolute path given by the user; symbolic links in it may be changed later.
    path
        File to which this path led when the database was opened.
    """

    def __init__(self, named: Path, path: Path):
        self._named = named
        self._path = path
        self._database = _identify(path)
        self._beside: dict[Path, tuple[int, int] | None] = {}

    def remember_log(self) -> None:
        """Record the log and its index, which exist as long as the connection; call it inside a transaction."""
        if not self._beside:
            names = get_log_path(self._path), get_shared_memory_path(self._path)
            self._beside = {path: _identify(path) for path in names}

    def check(self) -> None:
        """Check that all files are still at their paths; call it inside transactions and after them.

        Raises
        ------
        StoreMoved
            A file is gone or replaced; the message contains which one.
        """
        if _identify(self._named) != self._database:
            self._explain()
        for path, identity in self._beside.items():
            now = _identify(path)
            if now != identity:
                raise StoreMoved(path, f"the log of the database {_describe_change(now)}")

    def _explain(self) -> None:
        target = resolve_links(self._named)
        if target != self._path:
            raise StoreMoved(self._named, f"this path led to {self._path} when it was opened and leads to {target} now")
        raise StoreMoved(self._named, f"the database {_describe_change(_identify(self._path))}")


def _describe_change(now: tuple[int, int] | None) -> str:
    how = "deleted, or renamed" if now is None else "replaced by another file"
    return f"was {how} while this process had it open"


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino
