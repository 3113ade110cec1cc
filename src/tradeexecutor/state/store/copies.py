"""List the copies of a state file, find out which are intact, and restore the newest one.

========================== ================================= ==========================================
kind                       file                              holds
========================== ================================= ==========================================
current                    ``demo.json``                     the last save
compressed                 ``demo.json.br``                  the same, compressed
temporary                  ``.demo.json.<hex>.tmp``          a save that was not finished when its process died
backup                     ``demo.json.backups/...``         earlier saves (:mod:`tradeexecutor.state.store.backups`)
kept                       ``demo.backup-1.json``            originals kept on purpose
========================== ================================= ==========================================

A copy is good when its checksum matches (or it has none) and this program can read it.
"""

import datetime
import enum
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tradeexecutor.state.codec.upcast import SCHEMA_VERSION_KEY, require_state
from tradeexecutor.state.errors import DamagedStateFile, InvalidStateFile, NewerStateFile, NothingToRecover, SaveFailed
from tradeexecutor.state.files.bounded_read import read_file
from tradeexecutor.state.files.checksum_header import (
    make_checksum_header,
    parse_verified,
    read_checksum_header,
    remove_checksum_header,
)
from tradeexecutor.state.files.compressed_copy import decompress, get_compressed_path, remove_compressed_copy
from tradeexecutor.state.files.durable_file import Replacement, find_temporary_files
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.state.files.syscalls import OS_FILES, FileLayer
from tradeexecutor.state.files.writer_lock import WriterLock
from tradeexecutor.state.state import State
from tradeexecutor.state.store.backups import BackupFolder, find_kept_originals, keep_original

logger = logging.getLogger(__name__)

#: Suffix of an intact file that a user has replaced by an earlier one.
_REPLACED = "replaced"


class CopyKind(enum.Enum):
    """Origin of a copy of a state."""

    current = "current"
    compressed = "compressed"
    temporary = "temporary"
    backup = "backup"
    kept = "kept"


class Verdict(enum.Enum):
    """Whether a copy of a state can be used."""

    #: Intact and readable.
    good = "good"
    #: The content is not what was saved, or not a state.
    damaged = "damaged"
    #: Intact as far as is known, but only a newer program can read it.
    newer_schema = "newer_schema"
    #: The operating system refuses to read it.
    unreadable = "unreadable"


@dataclass(frozen=True, slots=True)
class StateCopy:
    """One copy of a state, and the result of its examination.

    Attributes
    ----------
    path, kind, verdict
        The file, its origin, and whether it can be used.
    reason
        Problem of the copy; empty for a good one.
    number
        Number of the save, from the checksum header or the name of a backup; None when unknown.
    checksum
        Checksum in the header; None for a file without one, in which a flipped bit cannot be found.
    schema_version, last_updated_at, name
        Values of the state; None when it cannot be read. The last two are also None when the state has none.
    size
        Size on the disk, bytes.
    modified_at
        Time of the last change of the file, naive UTC; None when it cannot be read.
    """

    path: Path
    kind: CopyKind
    verdict: Verdict
    reason: str = ""
    number: int | None = None
    checksum: str | None = None
    schema_version: int | None = None
    last_updated_at: datetime.datetime | None = None
    name: str | None = None
    size: int = 0
    modified_at: datetime.datetime | None = None

    @property
    def is_good(self) -> bool:
        """Whether it can be used."""
        return self.verdict is Verdict.good


def examine(path: Path, kind: CopyKind = CopyKind.current, number: int | None = None) -> StateCopy:
    """Read one file, and return whether it is a good copy of a state. Nothing is changed.

    Parameters
    ----------
    number
        Number of the save, if it is known from the name of the file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    try:
        status = path.stat()
        content = read_file(path)
    except FileNotFoundError:
        raise
    except InvalidStateFile as error:
        return StateCopy(path, kind, Verdict.unreadable, str(error), number)
    except OSError as error:
        return StateCopy(path, kind, Verdict.unreadable, error.strerror or str(error), number)
    modified_at = datetime.datetime.fromtimestamp(status.st_mtime, datetime.UTC).replace(tzinfo=None)
    verdict, reason, checksum, version = Verdict.good, "", None, None
    state: State | None = None
    try:
        text = decompress(content) if kind is CopyKind.compressed else content
        tree = require_state(parse_verified(text))
        header = read_checksum_header(text)
        if header is not None:
            checksum = header.checksum
            number = header.save if number is None else number
        version = tree.get(SCHEMA_VERSION_KEY, 0) if isinstance(cast(object, tree), dict) else None
        state = State.from_dict(tree)
    except NewerStateFile as error:
        verdict, reason = Verdict.newer_schema, str(error)
    except DamagedStateFile as error:
        verdict, reason = Verdict.damaged, error.reason
    except InvalidStateFile as error:
        verdict, reason = Verdict.damaged, str(error)
    return StateCopy(
        path=path,
        kind=kind,
        verdict=verdict,
        reason=reason,
        number=number,
        checksum=checksum,
        schema_version=version if type(version) is int else None,
        last_updated_at=state.last_updated_at if state else None,
        name=state.name if state else None,
        size=status.st_size,
        modified_at=modified_at,
    )


def list_copies(path: Path) -> list[StateCopy]:
    """Return all copies of a state file: first the file itself, and backups with the newest first.

    Each copy is read, so this takes as long as loading that many states. Nothing is changed.
    """
    path = resolve_links(path)
    return [copy for copy in _examine_all(path) if copy is not None]


def _examine_all(path: Path) -> Iterator[StateCopy | None]:
    yield _examine_if_there(path, CopyKind.current)
    yield _examine_if_there(get_compressed_path(path), CopyKind.compressed)
    for item in find_temporary_files(path):
        yield _examine_if_there(item, CopyKind.temporary)
    for backup in reversed(BackupFolder(path).list_backups()):
        yield _examine_if_there(backup.path, CopyKind.backup, backup.number)
    for item in find_kept_originals(path):
        yield _examine_if_there(item, CopyKind.kept)


def _examine_if_there(path: Path, kind: CopyKind, number: int | None = None) -> StateCopy | None:
    try:
        return examine(path, kind, number)
    except FileNotFoundError:  # a running store has removed it meanwhile
        return None


# --- Recovery


@dataclass(frozen=True, slots=True)
class Recovery:
    """Plan or result of a recovery.

    Attributes
    ----------
    path
        The state file.
    current
        The file as it was found; None when it was missing.
    chosen
        Copy that replaces the file; None when the file is intact and nothing has to be done.
    kept_as
        Path of the replaced file after the recovery; None before it, and when there was no file.
    """

    path: Path
    current: StateCopy | None
    chosen: StateCopy | None
    kept_as: Path | None = None


def plan_recovery(path: Path, source: Path | None = None) -> Recovery:
    """Return what `recover` would do, without changes.

    Raises
    ------
    NothingToRecover
        There is no good copy, or `source` is not one; also for an intact file of a newer program without a `source`.
    """
    return _plan(resolve_links(path), source, list_copies(path))


def _plan(path: Path, source: Path | None, copies: list[StateCopy]) -> Recovery:
    current = next((item for item in copies if item.kind is CopyKind.current), None)
    if source is not None:
        return Recovery(path, current, _examine_source(path, source))
    if current is not None and current.is_good:
        return Recovery(path, current, None)
    if current is not None and current.verdict is Verdict.newer_schema:
        raise NothingToRecover(path, f"intact, but {current.reason}; --from FILE replaces it all the same")
    good = [item for item in copies if item.is_good]
    if not good:
        raise NothingToRecover(path, _describe_failure(copies))
    return Recovery(path, current, max(good, key=_get_rank))


def _examine_source(path: Path, source: Path) -> StateCopy:
    kind = CopyKind.compressed if source.suffix == ".br" else CopyKind.kept
    copy = examine(source, kind)
    if not copy.is_good:
        raise NothingToRecover(path, f"{source} cannot replace it: {copy.reason}")
    return copy


def _describe_failure(copies: list[StateCopy]) -> str:
    if not copies:
        return "there is no such file, and no copy of it"
    listed = "; ".join(f"{item.path.name}: {item.reason}" for item in copies[:5])
    return f"none of {len(copies)} copies is intact ({listed})"


def _get_rank(copy: StateCopy) -> tuple[bool, int, datetime.datetime]:
    """Return the sort key for choosing a copy: number of the save, then time. Of equal copies the first one is chosen.

    A file that a user has replaced on purpose comes last, even if it is the newest.
    """
    is_wanted = copy.kind is not CopyKind.kept or f".{_REPLACED}-" not in copy.path.name
    number = -1 if copy.number is None else copy.number
    return is_wanted, number, copy.last_updated_at or datetime.datetime.min


def recover(path: Path, source: Path | None = None, *, exact: bool = False, files: FileLayer = OS_FILES) -> Recovery:
    """Replace a damaged or missing state file by its newest good copy. An intact file is not changed.

    The damaged file is kept as ``STEM.damaged-N.json``. The recovered file gets a new number, so that it is newer than
    every copy. Its `last_updated_at` does not change.

    Parameters
    ----------
    source
        Use this copy, even when the file is intact; the file is then kept as ``STEM.replaced-N.json``.
    exact
        Restore the exact bytes of the copy including its number, to undo a change without a trace.

    Raises
    ------
    NothingToRecover
        There is no good copy, or `source` is not one; also for an intact file of a newer program without a `source`.
    StoreLocked
        A process writes to the file.
    SaveFailed
        The file was replaced and only the last step failed, the flush of the folder: a power cut may undo the recovery.
    OSError
        The folder cannot be written to, or the disk is full; the file has not changed.
    """
    path = resolve_links(path)
    lock = WriterLock(path)
    lock.acquire()
    try:
        copies = list_copies(path)
        plan = _plan(path, source, copies)
        chosen = plan.chosen
        if chosen is None:
            return plan
        content = read_file(chosen.path)
        text = decompress(content) if chosen.kind is CopyKind.compressed else content
        parse_verified(text)  # verify again: the file may have changed since the plan
        if exact:
            head, rest = b"", memoryview(text)
        else:
            numbers = [item.number for item in (*copies, chosen) if item.number is not None]
            head, rest = make_checksum_header(remove_checksum_header(text), max(numbers, default=0) + 1)
        kept_as = None
        if plan.current is not None:
            kept_as = keep_original(path, _REPLACED if plan.current.is_good else "damaged", files)
        done = Recovery(path, plan.current, chosen, kept_as)
        _replace(done, Replacement(path, None if path.exists() else chosen.path, files), head, rest)
        try:
            remove_compressed_copy(path, files)  # not earlier: it may have been the chosen copy
        except OSError as error:  # it stays, and its checksum shows readers that it belongs to another save
            logger.warning("%s is recovered, but its old compressed copy cannot be removed: %s", path, error)
        return done
    finally:
        lock.release()


def _replace(done: Recovery, replacement: Replacement, *parts: bytes | memoryview) -> None:
    """Put the content in place. If only the last flush fails, the error describes what was done."""
    try:
        replacement.write(*parts)
        replacement.put_in_place()
    except BaseException as error:
        if isinstance(error, OSError) and replacement.is_in_place:
            raise SaveFailed(done.path, error, in_place=True, advice=_describe(done)) from error
        replacement.discard()
        raise


def _describe(done: Recovery) -> str:
    assert done.chosen is not None
    kept = "" if done.kept_as is None else f", and what was there before is now {done.kept_as}"
    return f"it was recovered from {done.chosen.path}{kept}; `sync` writes it to the disk for good"
