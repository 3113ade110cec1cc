"""Where the state of a strategy lives between runs.

All stores have the same interface; a strategy does not know which one it has.

========================== ==========================================================
`JSONFileStore`            a flat JSON file, replaced atomically; one writer at a time
`SimulateStore`            reads a file, never writes; for dry runs
`NoneStore`                memory only; for backtests
========================== ==========================================================

What a file store guarantees, and which files it keeps, is on one page: ``docs/stores.md``.
"""

import contextlib
import enum
import errno
import logging
import os
import re
import shlex
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.upcast import SCHEMA_VERSION, SCHEMA_VERSION_KEY
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
from tradeexecutor.state.files.checksum_header import HEAD_SIZE, make_seal, parse_sealed, read_seal
from tradeexecutor.state.files.compressed_copy import remove_compressed_copy, write_compressed_copy
from tradeexecutor.state.files.durable_file import Replacement
from tradeexecutor.state.files.syscalls import OS_FILES, FileLayer
from tradeexecutor.state.files.writer_lock import WriterLock
from tradeexecutor.state.state import State
from tradeexecutor.state.store.backups import BackupFolder, BackupPolicy, keep_original
from tradeexecutor.state.store.stale_files import find_stale_files

logger = logging.getLogger(__name__)

#: Called with the state after every save.
SaveHook = Callable[[State], None]

#: Tells whether a file was replaced: device, inode, size, time of the last change in nanoseconds.
_Identity = tuple[int, int, int, int]

_DEFAULT_BACKUPS = BackupPolicy()

_VERSION = re.compile(rb'"schema_version":(\d{1,9})[,}]')

_ADVICE = {
    errno.ENOSPC: "make room on the disk, then save again",
    errno.EDQUOT: "make room within the quota of this user, then save again",
    errno.EACCES: "let this user write to the folder and the files of this state in it, then save again",
    errno.EPERM: "let this user write to the folder and the files of this state in it, then save again",
    errno.EROFS: "mount the file system for writing, then save again",
    errno.ENOENT: "make the folder, then save again",
    errno.ENOTDIR: "put a folder there, then save again",
    errno.ELOOP: "make it a folder, or a link of your own, then save again",
    errno.EIO: "the disk fails: copy the folder to another one and continue there",
}


class StateStoreModel(enum.Enum):
    """Kinds of stores that a configuration can name."""

    file = "file"
    on_chain = "on_chain"


class StateStore(ABC):
    """Interface of all stores."""

    @abstractmethod
    def is_pristine(self) -> bool:
        """Tell whether nothing was ever saved here."""

    @abstractmethod
    def load(self) -> State:
        """Return the state as it was last saved."""

    @abstractmethod
    @contract_signature
    def sync(self, state: State, validate: bool = True) -> None:
        """Save the state and set its `last_updated_at` to what the clock says.

        When this returns, the save survives the end of the process and of the machine's power.  When it raises, the
        last save is still there.

        Parameters
        ----------
        validate
            For existing callers: every value of every save is checked, and stores that write warn about False.

        Raises
        ------
        BadStateData
            The state holds something that must not be saved.  Neither the store nor the state has changed.
        StoreLocked
            Another process saves here.
        StoreChanged
            Somebody else has saved since this store loaded.
        StoreMoved
            What this store has opened is not at the path any more that the user named.
        NewerStateFile
            A newer program has saved here; this one would lose what it does not know.
        SaveFailed
            The operating system refused; the error says what to do.
        """

    def create(self, name: str) -> State:
        """Return a new, empty state with a name.  Nothing is written."""
        return State(name=name)

    def close(self) -> None:  # noqa: B027  (a store that excludes nobody has nothing to do)
        """Let other processes save here; the store can be used again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class JSONFileStore(StateStore):
    """State in a flat JSON file.

    A save replaces the file atomically: readers never see half a file, and after a crash the file holds the last
    complete save.  The file carries a checksum, and earlier saves are kept beside it.  The first save takes a writer
    lock, which a second process is refused; it is released by `close`, or by the end of the process however it ends.
    One store may be used by several threads.

    Parameters
    ----------
    path
        The state file; its folder must exist.
    on_save
        Called with the state after every save.
    backups
        Which earlier saves to keep; None keeps none.
    compressed
        Whether to write ``PATH.br`` as well, for web servers.
    files
        How to write; for tests.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        on_save: SaveHook | None = None,
        *,
        backups: BackupPolicy | None = _DEFAULT_BACKUPS,
        compressed: bool = False,
        files: FileLayer = OS_FILES,
    ):
        text = os.fspath(path) if path else ""
        if not text or "\0" in text:
            raise InvalidValue("a file store needs a path")
        if "://" in text:  # it may have a password, and is not shown
            raise InvalidValue("this is the address of a database, for which there is SQLStateStore, not a path")
        self.path = Path(text)
        self.on_save = on_save
        self.backups = backups
        self.compressed = compressed
        self._files = files
        #: The path from the root, so that changing the working folder does not change the file.
        self._named = Path.cwd() / self.path
        #: Held while a thread saves.
        self._mutex = threading.RLock()
        self._bind()

    def _bind(self) -> None:
        """Take the file to which the path leads now as the one of this store."""
        self._target = self._named.resolve()  # the same for every link to the file
        self._lock = WriterLock(self._target)
        self._locked_since = 0.0
        self._backup_folder = BackupFolder(self._target, self._files)
        #: The file as this store loaded or saved it last.
        self._known: _Identity | None = None
        #: The file whose number is `_number`.
        self._examined: _Identity | None = None
        self._number = 0
        self._is_tidy = False

    def __repr__(self) -> str:
        return f"<JSON file at {self.path.absolute()}>"

    def is_pristine(self) -> bool:
        """Tell whether nothing was ever saved here: there is no file, and no backup of one.

        A file that has vanished is no new strategy: `load` then says how to get it back.
        """
        return not self._target.exists() and not self._backup_folder.list_backups()

    def load(self) -> State:
        """Read the file; its checksum is checked.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        InvalidStateFile, DamagedStateFile
            It is not a state, or not the one that was saved; the error says how to get an earlier save back.
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
        if not self._lock.is_held:  # else another thread may have saved meanwhile
            self._known = known
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

        After an error the file and the state are as before, with one exception: when nothing but flushing the folder
        failed, the new state is in the file and `last_updated_at` is its time (`SaveFailed.in_place`).
        """
        if not validate:
            warn_ignored("sync", "validate", "every value of every save is checked")
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
                self._save(text, replacement)
            except BaseException as error:
                in_place = replacement is not None and replacement.is_in_place
                if in_place:
                    self._known = _identify(self._target)
                else:
                    state.last_updated_at = before
                    if replacement is not None:
                        replacement.discard()
                if isinstance(error, OSError):
                    raise SaveFailed(self.path, error, in_place=in_place, advice=_advise(error)) from error
                raise
            self._tidy()
        if self.on_save is not None:
            self.on_save(state)

    def _save(self, text: bytes, replacement: Replacement) -> None:
        """Replace the file, and keep what it was."""
        old = self._look_at_file()
        head, rest = make_seal(text, old.number + 1)
        replacement.like = old.like
        replacement.write(head, rest)
        if old.keep_as:
            keep_original(self._target, old.keep_as, self._files)
        if self.backups is not None and old.exists:
            self._backup_folder.add(old.number)
        remove_compressed_copy(self._target, self._files)
        self.acquire_writer_lock()  # once more: if its file was deleted, another process may have taken the lock
        replacement.put_in_place()
        self._known = self._examined = _identify(self._target)
        self._number = old.number + 1

    def _look_at_file(self) -> "_OldFile":
        """Return what has to be done about the file that is about to be replaced."""
        backups = self._backup_folder.list_backups()
        last = backups[-1].number if backups else 0
        now = _identify(self._target)
        if now is None:
            return _OldFile(last, exists=False, like=backups[-1].path if backups else None)
        keep_as = None
        if now != self._examined:
            self._number, keep_as = _examine(self._target)
            if self._known is not None and now != self._known:
                logger.warning("%s was changed by something that does not heed its lock", self.path)
                keep_as = keep_as or "overwritten"
        number = last if self._backup_folder.has_current(backups) else last + 1
        return _OldFile(max(number, self._number), exists=True, keep_as=keep_as)

    def _tidy(self) -> None:
        """Do what a save needs no more to be complete; what fails is tried again after the next save."""
        try:
            if self.compressed:
                write_compressed_copy(self._target, self._target.read_bytes(), self._files)
            if self.backups is not None:
                self._backup_folder.prune(self.backups)
            self._backup_folder.restrict()
            if not self._is_tidy:
                for path in find_stale_files(self._target, self._locked_since):
                    self._files.unlink(path)
                self._is_tidy = True
        except OSError as error:
            logger.warning("%s is saved, but a file beside it could not be written or removed: %s", self.path, error)

    # --- Writer lock

    def acquire_writer_lock(self) -> None:
        """Become the only writer of the file; does nothing when this store already is.

        Raises
        ------
        StoreLocked
            Names the process that writes to the file.
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
        """Tell whether a symbolic link in the path leads to another file than the one of this store."""
        with contextlib.suppress(OSError):  # one of them is not there
            if self._named.samefile(self._target):
                return False
        return self._named.resolve() != self._target

    def _follow_links(self) -> None:
        if not self._is_led_elsewhere():
            return
        target = self._named.resolve()
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
        Of its save; of the newest backup when there is no file; 0 when there is neither.
    exists
        Whether it is there.
    keep_as
        Suffix under which it has to be kept for ever, or None.
    like
        File whose mode and owner the new file gets when it is not there; None when there is none.
    """

    number: int
    exists: bool
    keep_as: str | None = None
    like: Path | None = None


def _identify(path: Path) -> _Identity | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _examine(path: Path) -> tuple[int, str | None]:
    """Return the number of a file, and the suffix under which to keep it when this program cannot replace its kind.

    Raises
    ------
    NewerStateFile
        A newer program has written it.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_SIZE)
    seal = read_seal(head)
    found = _VERSION.match(head, seal.length) if seal else None
    if seal is not None and found is not None:
        version = int(found[1])
    else:
        try:
            tree = parse_sealed(path.read_bytes())
        except InvalidStateFile:
            return 0, "damaged"
        version = tree.get(SCHEMA_VERSION_KEY, 0) if isinstance(cast(object, tree), dict) else None
        if type(version) is not int or version < 0:
            return 0, "damaged"
    if version > SCHEMA_VERSION:
        raise NewerStateFile(version, SCHEMA_VERSION, path)
    return seal.save if seal else 0, None if version == SCHEMA_VERSION else f"schema-{version}-backup"


def _advise(error: OSError) -> str:
    return _ADVICE.get(error.errno or 0, "find out what keeps the operating system from it, then save again")


class SimulateStore(JSONFileStore):
    """Reads a state file and never writes to it."""

    @contract_signature
    def sync(self, state: State, validate: bool = True) -> None:
        """Call the save hook; nothing is written and the state is not changed."""
        if self.on_save is not None:
            self.on_save(state)


class NoneStore(StateStore):
    """State in memory only.

    There is always a state, so it is never pristine; `load` returns the very object, and `create` replaces it.  What is
    saved is not checked and not copied.

    Parameters
    ----------
    state
        Initial state, a new one if None.
    """

    def __init__(self, state: State | None = None):
        self.state = state if state is not None else State()
        self.created = False

    def __repr__(self) -> str:
        return f"<In-memory store of {self.state}>"

    def is_pristine(self) -> bool:
        """Return False: there always is a state."""
        return False

    def load(self) -> State:
        """Return the state."""
        return self.state

    def create(self, name: str) -> State:
        """Replace the state by a new, empty one with a name."""
        self.state = State(name=name)
        self.created = True
        return self.state

    @contract_signature
    def sync(self, state: State, validate: bool = True) -> None:
        """Keep the state and set its `last_updated_at`."""
        state.last_updated_at = utc_now()
        self.state = state
