"""A lock file for one writer at a time. The operating system releases it when its process ends, even by a crash."""

import contextlib
import errno
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

from filelock import lock_descriptor, unlock_descriptor

from tradeexecutor.state.errors import StoreLocked

#: Time to wait for a process that is about to end, as when a strategy is restarted, seconds.
_LOCK_TIMEOUT = 0.5

#: Time between two attempts, seconds.
_POLL_INTERVAL = 0.05

#: A link is not followed, and another program that has the file open does not make the opening wait.
_OPEN_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _OpenDescriptors:
    """Descriptors of the lock files that this process has open.

    A forked child gets copies of them, with which a file would stay locked after the end of its parent. It closes them.
    """

    #: Held while a descriptor is opened or closed, so that no child gets one that is not known.
    gate = threading.RLock()
    known: ClassVar[set[int]] = set()


def _close_copies() -> None:
    for descriptor in _OpenDescriptors.known:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _OpenDescriptors.known.clear()
    _OpenDescriptors.gate.release()


os.register_at_fork(
    before=_OpenDescriptors.gate.acquire,
    after_in_parent=_OpenDescriptors.gate.release,
    after_in_child=_close_copies,
)


class _LockFile:
    """An open lock file. It is closed, and with that released, when there is no reference to it.

    It is written through its descriptor and never by name, because the name may be a link by then.
    """

    #: Status of the file when it was locked.
    _status: os.stat_result

    def __init__(self, path: Path):
        self._path = path
        self._process = os.getpid()
        self._descriptor = -1
        with _OpenDescriptors.gate:
            self._descriptor = _open(path)
            _OpenDescriptors.known.add(self._descriptor)

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._descriptor >= 0 and self._process == os.getpid():
            with _OpenDescriptors.gate:
                _OpenDescriptors.known.discard(self._descriptor)
                os.close(self._descriptor)
                self._descriptor = -1

    def lock(self) -> bool:
        """Lock the file; returns False if another process has locked or deleted it."""
        if not lock_descriptor(self._descriptor, blocking=False):
            return False
        self._status = os.fstat(self._descriptor)
        return self._status.st_nlink > 0

    def write(self, text: str) -> None:
        """Replace the content, which is only for people; errors such as a full disk are ignored."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text.encode(), 0)

    def give_to(self, user: int, group: int) -> None:
        """Set owner and group of the file."""
        if (self._status.st_uid, self._status.st_gid) != (user, group):
            os.fchown(self._descriptor, user, group)

    def is_in_place(self) -> bool:
        """Return True if this is still the file at its path."""
        try:
            status = os.lstat(self._path)
        except OSError:
            return False
        return os.path.samestat(status, self._status)

    def release(self) -> None:
        """Release the lock, even if another process has a copy of the descriptor, and close the file."""
        unlock_descriptor(self._descriptor)
        self._close()


def _open(path: Path) -> int:
    try:
        return os.open(path, _OPEN_FLAGS | os.O_CREAT, 0o666)
    except PermissionError:
        if not path.exists():
            raise
        return os.open(path, _OPEN_FLAGS)  # in a folder such as /tmp, only the owner of a file may pass `O_CREAT`


class WriterLock:
    """Lock of a state file, in the file ``PATH.lock`` beside it.

    The lock file is not removed when the lock is released. While the lock is held, the file contains the process id and
    host of the holder, for people and for the error message. If somebody deletes the file, another process could create
    and lock a new one. The lock therefore counts as held only while its file is at its path; otherwise the holder has
    to acquire it again before the next save. A forked child does not inherit the lock, and is refused as long as its
    parent holds it. All threads of a process share the lock of one `WriterLock`; two `WriterLock` objects exclude each
    other.

    Parameters
    ----------
    path
        The state file, without symbolic links.
    like
        File whose owner gets the lock file when root creates it, by default the state file.
    """

    def __init__(self, path: Path, like: Path | None = None):
        self._path = path
        self._like = like or path
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        #: Held while a thread acquires or releases the lock.
        self._mutex = threading.RLock()
        #: The locked file; None while this object has not locked it.
        self._file: _LockFile | None = None

    def after_fork(self) -> bool:
        """Forget the lock of the parent process; returns False in the process that created this object."""
        if self._process == os.getpid():
            return False
        self._reset()
        return True

    @property
    def is_held(self) -> bool:
        """True if this object holds the lock in this process, and the locked file is still at its path."""
        file = self._file
        return file is not None and self._process == os.getpid() and file.is_in_place()

    def acquire(self) -> None:
        """Become the only writer; does nothing when this object already holds the lock.

        Raises
        ------
        StoreLocked
            Another process writes to the file; the message contains its id.
        FileNotFoundError
            The folder does not exist.
        OSError
            The lock file cannot be written, or the file system has no locks.
        """
        self.after_fork()
        with self._mutex:
            if self.is_held:
                return
            self._file = None  # its file was deleted or replaced, so other processes cannot see this lock
            file = self._wait_for_lock()
            if file is None:
                return
            file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            if os.geteuid() == 0:  # root must not lock out the user of the strategy
                with contextlib.suppress(FileNotFoundError):
                    owner = os.stat(self._like)
                    file.give_to(owner.st_uid, owner.st_gid)
            self._file = file

    def _wait_for_lock(self) -> _LockFile | None:
        """Return the locked file; None if a signal handler has acquired this lock meanwhile."""
        path = self._path.with_name(f"{self._path.name}.lock")
        deadline = time.monotonic() + _LOCK_TIMEOUT
        while True:
            try:
                file = _LockFile(path)
            except BlockingIOError:  # another program has a lease of the file
                file = None
            except (FileNotFoundError, NotADirectoryError):
                folder = str(self._path.parent)
                raise FileNotFoundError(errno.ENOENT, "no such folder for the state file", folder) from None
            if file is not None and file.lock():
                return file
            del file  # so that it is closed
            if self.is_held:
                return None
            left = deadline - time.monotonic()
            if left <= 0:
                raise StoreLocked(self._path, describe_holder(self._path))
            time.sleep(min(_POLL_INTERVAL, left))

    def release(self) -> None:
        """Release the lock; does nothing when it is not held."""
        if self._process != os.getpid():
            return
        with self._mutex:
            file, self._file = self._file, None
            if file is not None:
                file.write("")
                file.release()


def describe_holder(path: Path) -> str:
    """Return the present or last holder of the lock of a state file, e.g. ``process 12 on alpha``."""
    try:
        holder: Any = json.loads(path.with_name(f"{path.name}.lock").read_text())
        text = f"process {int(holder['pid'])} on {holder['host']}"
        is_own = holder["pid"] == os.getpid() and holder["host"] == socket.gethostname()
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
    return f"{text} (this process, through another store)" if is_own else text
