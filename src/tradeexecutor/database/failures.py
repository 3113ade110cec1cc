"""Explanations of the errors of database drivers, with advice for the user."""

import errno
import os
import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.sqlite import get_log_path, get_shared_memory_path
from tradeexecutor.state.errors import DamagedStateFile, SaveFailed, StoreUnavailable

__all__ = ["explain_failed_reading", "explain_failed_save", "is_transient", "make_damaged"]

_SQLITE_CODES = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_LOCKED: errno.EBUSY,
    sqlite3.SQLITE_PROTOCOL: errno.EBUSY,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
}

#: Codes that SQLite may report when the disk is full.
_PERHAPS_FULL = frozenset({errno.EIO, errno.EACCES})

#: Space that SQLite needs for the files beside a database, bytes.
_NEEDED_SPACE = 64 << 10

#: Errors of SQLite that vanish when another process has finished opening or closing the database.
_SQLITE_TRANSIENT = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL})

_POSTGRESQL_CODES = {
    "53100": errno.ENOSPC,
    "58030": errno.EIO,
    "42501": errno.EACCES,
    "25006": errno.EROFS,
    "53200": errno.ENOMEM,
    "55P03": errno.EBUSY,
    "57014": errno.ETIMEDOUT,
}

#: Error classes of PostgreSQL that concern the connection, or the server as a whole.
_CONNECTION_CLASSES = ("08", "28", "3D", "53", "57")

#: Error codes of a server that starts or stops, or has too many connections for now.
_POSTGRESQL_TRANSIENT = ("57P01", "57P02", "57P03", "53300")

_REACH = "see that the database server runs and can be reached"

_ADVICE = {
    errno.ENOSPC: "make room on the disk, then save again",
    errno.EDQUOT: "make room within the quota of this user, then save again",
    errno.EACCES: "let this user write to the database and to the folder it is in, then save again",
    errno.EPERM: "let this user write to the database and to the folder it is in, then save again",
    errno.EROFS: "let this user write to the database, then save again",
    errno.ENOENT: "make the folder, then save again",
    errno.EIO: "the disk fails: copy the database to another one and continue there",
    errno.EBUSY: "another program keeps the database locked: end it, then save again",
    errno.ECONNRESET: f"{_REACH}, then save again",
    errno.ETIMEDOUT: "see what keeps the server busy, then save again",
}

_PASSWORD_ADVICE = "set PGPASSWORD, or put the password into ~/.pgpass"


def is_transient(error: BaseException) -> bool:
    """Return whether a second attempt to open the connection may succeed."""
    cause = _get_cause(error)
    if isinstance(cause, sqlite3.Error):
        return (_get_sqlite_code(cause) or 0) & 0xFF in _SQLITE_TRANSIENT
    state = getattr(cause, "sqlstate", None)
    if state is None:
        return not isinstance(cause, OSError) and not _is_about_password(cause)
    return state[:2] == "08" or state in _POSTGRESQL_TRANSIENT


def explain_failed_reading(error: Exception, address: DatabaseAddress) -> Exception:
    """Return the error of ours to raise instead of an error of the driver during a read."""
    code = _get_code(error, address)
    if code is None:
        return make_damaged(_describe(error), address)
    reason = _describe(error)
    if code == errno.ENOSPC:
        reason += "; make room on the disk"
    elif _is_about_password(_get_cause(error)):
        reason += f"; {_PASSWORD_ADVICE}"
    return StoreUnavailable(str(address), reason, code)


def explain_failed_save(error: Exception, address: DatabaseAddress) -> Exception:
    """Return the error of ours to raise instead of an error of the driver or operating system during a save."""
    if isinstance(error, OSError):
        code, reason = error.errno or errno.EIO, error.strerror or str(error)
    else:
        found = _get_code(error, address)
        if found is None:
            return make_damaged(_describe(error), address)
        code, reason = found, f"{os.strerror(found)} ({_describe(error)})"
    advice = _ADVICE.get(code, "find out what keeps the database from it, then save again")
    if _is_about_password(_get_cause(error)):
        advice = f"{_PASSWORD_ADVICE}, then save again"
    elif code == errno.EACCES and address.path is not None:
        advice = _advise_about_permissions(address.path) or advice
    return SaveFailed(str(address), OSError(code, reason), in_place=False, advice=advice)


def make_damaged(reason: str, address: DatabaseAddress) -> DamagedStateFile:
    """Return the error for a database whose content is not what was saved, with advice."""
    advice = f"`tradeexecutor store recover {address}` goes back to the newest intact save"
    return DamagedStateFile(reason, str(address), advice)


def _get_cause(error: BaseException) -> BaseException:
    return error.orig or error if isinstance(error, DBAPIError) else error


def _get_sqlite_code(error: sqlite3.Error) -> int | None:
    """Return the extended error code; None for errors of the Python module itself."""
    return getattr(error, "sqlite_errorcode", None)


def _get_code(error: BaseException, address: DatabaseAddress) -> int | None:
    """Return the `errno` that describes the error best; None when the database itself is wrong."""
    cause = _get_cause(error)
    if isinstance(cause, sqlite3.Error):
        code = _get_sqlite_code(cause)
        found = None if code is None else _SQLITE_CODES.get(code & 0xFF)
        return errno.ENOSPC if found in _PERHAPS_FULL and _is_disk_full(address.path) else found
    state: str | None = getattr(cause, "sqlstate", None)
    if state in _POSTGRESQL_CODES:
        return _POSTGRESQL_CODES[state]
    return errno.ECONNRESET if state is None or state[:2] in _CONNECTION_CLASSES else None


def _is_disk_full(path: Path | None) -> bool:
    if path is None:
        return False
    try:
        status = os.statvfs(path.parent)
    except OSError:
        return False
    return status.f_bavail * status.f_frsize < _NEEDED_SPACE


def _is_about_password(cause: BaseException) -> bool:
    text = str(cause)  # an error while a connection is opened has no code
    return "no password supplied" in text or "password authentication failed" in text


def _advise_about_permissions(path: Path) -> str:
    """Return advice about database files that this user may not write to; empty when there are none."""
    beside = [item for item in (get_log_path(path), get_shared_memory_path(path)) if item.exists()]
    locked = [item.name for item in beside if not os.access(item, os.W_OK)]
    if not locked or not os.access(path, os.W_OK):
        return ""
    names = " ".join(locked)
    return (
        f"another user left {' and '.join(locked)}, which this user may not write to: as that user, or as root, run"
        f" `chown --reference={path.name} {names}; chmod --reference={path.name} {names}` in {path.parent},"
        " then save again"
    )


def _describe(error: BaseException) -> str:
    return " ".join(str(_get_cause(error)).split())
