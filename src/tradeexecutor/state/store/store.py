"""Stores in a flat file for the state of a strategy between runs.

========================== ==========================================================
`JSONFileStore`            a flat JSON file, replaced atomically; one writer at a time
`SimulateStore`            reads a file, never writes; for dry runs
========================== ==========================================================

``docs/stores.md`` describes the guarantees of a file store and its files.
"""

import contextlib
import datetime
import errno
import logging
import os
import re
import shlex
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.upcast import SCHEMA_VERSION, read_version
from tradeexecutor.state.contract import contract_signature, warn_ignored
from tradeexecutor.state.errors import (
    DamagedStateFile,
    InvalidStateFile,
    InvalidValue,
    NewerStateFile,
    SaveFailed,
    StoreChanged,
    StoreMoved,
)
from tradeexecutor.state.files.bounded_read import read_file, require_regular_file
from tradeexecutor.state.files.checksum_header import (
    HEAD_SIZE,
    make_checksum_header,
    parse_verified,
    read_checksum_header,
)
from tradeexecutor.state.files.compressed_copy import remove_compressed_copy, write_compressed_copy
from tradeexecutor.state.files.durable_file import Replacement
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.state.files.syscalls import OS_FILES, FileLayer
from tradeexecutor.state.files.writer_lock import WriterLock
from tradeexecutor.state.owner import get_owner
from tradeexecutor.state.state import State
from tradeexecutor.state.store.advice import get_advice
from tradeexecutor.state.store.backups import Backup, BackupFolder, BackupPolicy, keep_original
from tradeexecutor.state.store.interface import SaveHook, StateStore
from tradeexecutor.state.store.snapshot import FileSnapshots, Snapshot
from tradeexecutor.state.store.stale_files import find_stale_files
from tradeexecutor.state.store.verification import Verify, require_verify, verify_written

logger = logging.getLogger(__name__)

#: Identity of a file, which changes when it is replaced: device, inode, size, time of the last change in nanoseconds.
_Identity = tuple[int, int, int, int]

_DEFAULT_BACKUPS = BackupPolicy()

_VERSION = re.compile(rb'"schema_version":(\d{1,9})[,}]')


class JSONFileStore(StateStore):
    """State in a flat JSON file.

    A save replaces the file atomically: readers never see half a file, and after a crash the file contains the last
    complete save. The file contains a checksum, and earlier saves are kept beside it. The first save takes a writer
    lock, and a second process is then refused. `close` or the end of the process, even by a crash, releases the lock.
    Several threads may use one store, each with a state of its own; `snapshot` is for threads that only read.

    Parameters
    ----------
    path
        The state file; its folder must exist.
    on_save
        Called with the state after every save.
    backups
        Policy for earlier saves to keep; None keeps none.
    compressed
        Whether to write ``PATH.br`` as well, for web servers.
    verify
        What a save verifies before it replaces the file: ``written`` reads the bytes back, ``loaded`` also loads them
        and compares the result with the state, which costs as much as a load and a second save, ``off`` does neither.
        Values are always checked.
    files
        System calls; for tests.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        on_save: SaveHook | None = None,
        *,
        backups: BackupPolicy | None = _DEFAULT_BACKUPS,
        compressed: bool = False,
        verify: Verify = "written",
        files: FileLayer = OS_FILES,
    ):
        text = os.fspath(path) if path else ""
        if not text or "\0" in text:
            raise InvalidValue("a file store needs a path")
        if "://" in text:  # the text may contain a password, so it is not shown
            raise InvalidValue("this is the address of a database, for which there is SQLStateStore, not a path")
        self.path = Path(text)
        self.on_save = on_save
        self.backups = backups
        self.compressed = compressed
        self.verify = require_verify(verify)
        self._files = files
        #: The absolute path, so that a change of the working folder does not change the file.
        self._named = self.path if self.path.is_absolute() else Path.cwd() / self.path
        #: Held while a thread saves.
        self._mutex = threading.RLock()
        self._bind()

    def _bind(self) -> None:
        """Use the file to which the path leads now as the file of this store."""
        self._target = resolve_links(self._named)  # the same path for every link to the file
        self._lock = WriterLock(self._target)
        self._locked_since = 0.0
        self._backup_folder = BackupFolder(self._target, self._files)
        self._snapshots = FileSnapshots()
        #: Identity of the file when this store last loaded or saved it.
        self._known: _Identity | None = None
        #: Identity of the file whose number is `_number`.
        self._examined: _Identity | None = None
        self._number = 0
        self._is_tidy = False

    def __repr__(self) -> str:
        return f"<JSON file at {self.path.absolute()}>"

    def is_pristine(self) -> bool:
        """Return True if nothing was ever saved here: there is no file, and no backup of one.

        A strategy whose file is gone but whose backups exist is not pristine: `load` then raises an error with advice.
        """
        return not self._target.exists() and not self._backup_folder.list_backups()

    def load(self) -> State:
        """Return the state in the file after verifying its checksum.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        InvalidStateFile, DamagedStateFile
            The file is not a state, or not what was saved; the message contains the command that restores an earlier
            save.
        NewerStateFile
            A newer program has written it.
        """
        if not self._lock.is_held and self._is_led_elsewhere():
            self._bind()
        known = _identify(self._target)
        try:
            state = State.read_json_file(self._target)
        except NewerStateFile:
            raise
        except (FileNotFoundError, InvalidStateFile) as error:
            raise self._add_advice(error) from None
        if not self._lock.is_held:  # a holder of the lock may have saved in another thread meanwhile
            self._known = known
            self._snapshots.forget()
        return state

    def _add_advice(self, error: FileNotFoundError | InvalidStateFile) -> Exception:
        if not self._backup_folder.list_backups():
            return error
        command = shlex.join(["tradeexecutor", "store", "recover", str(self._target)])
        advice = f"earlier saves are there, `{command}` brings the newest intact one back"
        if isinstance(error, FileNotFoundError):
            return FileNotFoundError(errno.ENOENT, f"the state file is gone; {advice}", str(self._target))
        if isinstance(error, DamagedStateFile):
            return DamagedStateFile(error.reason, error.path, advice)
        explained = InvalidStateFile(f"{error}; {advice}")
        explained.path = error.path
        return explained

    @contract_signature
    def sync(self, state: State, validate: bool = True) -> None:
        """Save the state; see `StateStore.sync`.

        After an error the file and the state are unchanged, with one exception: if only flushing the folder failed, the
        file contains the new state and `last_updated_at` is its time (`SaveFailed.in_place`).
        """
        if not validate:
            warn_ignored("sync", "validate", "every value of every save is checked")
        get_owner(state.portfolio).claim()
        if self._lock.after_fork():
            self._mutex = threading.RLock()
        with self._mutex:
            before = state.last_updated_at
            replacement: Replacement | None = None
            try:
                self.acquire_writer_lock()
                replacement = Replacement(self._target, files=self._files)
                state.last_updated_at = utc_now()
                text = state.to_json_bytes()
                backups = self._save(text, replacement, state.last_updated_at)
            except BaseException as error:
                in_place = replacement is not None and replacement.is_in_place
                if in_place:
                    self._known = _identify(self._target)
                else:
                    state.last_updated_at = before
                    if replacement is not None:
                        replacement.discard()
                if isinstance(error, MemoryError):
                    error.__traceback__ = None  # its frames hold the tree that did not fit
                    error = OSError(errno.ENOMEM, str(error) or "there is too little memory")
                if isinstance(error, OSError):
                    raise SaveFailed(self.path, error, in_place=in_place, advice=get_advice(error)) from error
                raise
            self._tidy(backups)
        if self.on_save is not None:
            self.on_save(state)

    def _save(self, text: bytes, replacement: Replacement, saved_at: datetime.datetime | None) -> list[Backup]:
        """Replace the file, keep the old one as a backup, and return the backups."""
        old = self._look_at_file()
        head, rest = make_checksum_header(text, old.number + 1)
        replacement.like = old.like
        replacement.write(head, rest)
        if self.verify != "off":
            verify_written(replacement, (head, rest), text if self.verify == "loaded" else None)
        if old.keep_as:
            keep_original(self._target, old.keep_as, self._files)
        if self.backups is not None and old.exists:
            self._backup_folder.add(old.number, old.backups, is_current=old.is_backed_up)
        remove_compressed_copy(self._target, self._files)
        self.acquire_writer_lock()  # again: if the lock file was deleted, another process may have taken the lock
        replacement.put_in_place()
        self._known = self._examined = _identify(self._target)
        self._number = old.number + 1
        self._snapshots.acknowledge(head, rest, saved_at)
        return old.backups

    def _look_at_file(self) -> "_OldFile":
        """Return number and identity of the file to replace, and whether it has to be kept."""
        backups = self._backup_folder.list_backups()
        last = backups[-1].number if backups else 0
        now = _identify(self._target)
        if now is None:
            return _OldFile(last, backups, exists=False, like=backups[-1].path if backups else None)
        keep_as = None
        if now != self._examined:
            self._number, keep_as = _examine(self._target, is_loaded=now == self._known)
            if self._known is not None and now != self._known:
                logger.warning("%s was changed by something that does not heed its lock", self.path)
                keep_as = keep_as or "overwritten"
        # A backup has at least the number of its file.
        is_backed_up = last >= self._number and self._backup_folder.has_current(backups)
        number = max(last if is_backed_up else last + 1, self._number)
        return _OldFile(number, backups, exists=True, is_backed_up=is_backed_up, keep_as=keep_as)

    def _tidy(self, backups: list[Backup]) -> None:
        """Do the work that a complete save does not need. After an error it is tried again with the next save."""
        try:
            if self.compressed:
                write_compressed_copy(self._target, self._target.read_bytes(), self._files)
            if self.backups is not None:
                self._backup_folder.prune(self.backups, backups)
            self._backup_folder.restrict(backups)
            if not self._is_tidy:
                for path in find_stale_files(self._target, self._locked_since):
                    self._files.unlink(path)
                self._is_tidy = True
        except OSError as error:
            logger.warning("%s is saved, but a file beside it could not be written or removed: %s", self.path, error)

    def snapshot(self) -> Snapshot:
        """Return the latest acknowledged save: the writer has it in memory, others read the file if it was replaced."""
        try:
            return self._snapshots.get(self._named, is_writer=self._lock.is_held)
        except NewerStateFile:
            raise
        except (FileNotFoundError, InvalidStateFile) as error:
            raise self._add_advice(error) from None

    def peek_snapshot(self) -> Snapshot | None:
        """Return what `snapshot` would if that is in memory; see `StateStore.peek_snapshot`."""
        return self._snapshots.peek(self._named, is_writer=self._lock.is_held)

    # --- Writer lock

    def acquire_writer_lock(self) -> None:
        """Become the only writer of the file; does nothing when this store already is the writer.

        Raises
        ------
        StoreLocked
            Another process writes to the file; the message contains its id.
        StoreChanged
            Somebody else has saved since this store loaded.
        StoreMoved
            A symbolic link in the path leads to another file than the one that was loaded or saved here.
        OSError
            The folder does not exist or cannot be written to.
        """
        self._follow_links()
        if self._lock.is_held:
            return
        self._lock.acquire()
        self._locked_since = time.time()
        try:
            now = _identify(self._target)
            if now is not None and self._known is not None and now != self._known:
                raise StoreChanged(self.path)
        except BaseException:
            self._lock.release()
            raise

    def _is_led_elsewhere(self) -> bool:
        """Return True if a symbolic link in the path leads to another file than the one of this store."""
        with contextlib.suppress(OSError):  # one of the files does not exist
            found = os.stat(self._named)
            if self._named == self._target or os.path.samestat(found, os.stat(self._target)):
                return False
        return resolve_links(self._named) != self._target

    def _follow_links(self) -> None:
        if not self._is_led_elsewhere():
            return
        target = resolve_links(self._named)
        if self._lock.is_held or self._known is not None:
            raise StoreMoved(
                self.path,
                f"this path led to {self._target} when it was opened and leads to {target} now; nothing was saved",
            )
        self._bind()

    def close(self) -> None:
        """Release the writer lock."""
        self._lock.release()


@dataclass(frozen=True, slots=True)
class _OldFile:
    """The file that a save replaces.

    Attributes
    ----------
    number
        Number of its save; that of the newest backup when there is no file; 0 when there is neither.
    backups
        The rotating backups, oldest first.
    exists
        Whether the file exists.
    is_backed_up
        Whether the newest backup is the file itself.
    keep_as
        Suffix under which the file has to be kept for ever, or None.
    like
        File whose mode and owner the new file gets if the old one does not exist; None when there is none.
    """

    number: int
    backups: list[Backup]
    exists: bool
    is_backed_up: bool = False
    keep_as: str | None = None
    like: Path | None = None


def _identify(path: Path) -> _Identity | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    require_regular_file(status, path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _examine(path: Path, *, is_loaded: bool) -> tuple[int, str | None]:
    """Return the number of a save, and the suffix under which to keep the file if it has another schema version.

    Parameters
    ----------
    is_loaded
        Whether the same file could be loaded, so that it need not be searched for damage again.

    Raises
    ------
    NewerStateFile
        A newer program has written it.
    """
    with open(path, "rb", buffering=0) as file:
        head = file.read(HEAD_SIZE)
    header = read_checksum_header(head)
    found = _VERSION.match(head, header.length) if header else None
    if header is not None and found is not None:
        version = int(found[1])
    else:
        content = read_file(path)
        try:
            if not is_loaded:
                parse_verified(content)
            version = read_version(content)
        except InvalidStateFile:
            return 0, "damaged"
        if type(version) is not int or version < 0:
            return 0, "damaged"
    if version > SCHEMA_VERSION:
        raise NewerStateFile(version, SCHEMA_VERSION, path)
    return header.save if header else 0, None if version == SCHEMA_VERSION else f"schema-{version}-backup"


class SimulateStore(JSONFileStore):
    """A store that reads a state file and never writes to it."""

    @contract_signature
    def sync(self, state: State, validate: bool = True) -> None:
        """Call the save hook; nothing is written and the state is not changed."""
        get_owner(state.portfolio).claim()
        if self.on_save is not None:
            self.on_save(state)
