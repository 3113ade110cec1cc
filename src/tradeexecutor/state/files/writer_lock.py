"""A lock file for one writer at a time. The operating system releases it when its process ends, even by a crash."""

import contextlib
import errno
import json
import os
import socket
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tradeexecutor.state.errors import StoreLocked

#: Time to wait for a process that is about to end, as when a strategy is restarted, seconds.
_LOCK_TIMEOUT = 0.5


class _LockedFile:
    """The file of a lock. It is a separate object so that a lock without references is released at once.

    It is written through the locked descriptor and never by name, because the name may be a link by then.
    """

    def __init__(self, path: Path):
        self._path = path
        #: Device and inode of the file that is locked.
        self._inode: tuple[int, int] | None = None
        self._descriptor = -1

    def remember(self, descriptor: int) -> None:
        """Record which file was locked; the descriptor is valid until the lock is released."""
        status = os.fstat(descriptor)
        self._inode = status.st_dev, status.st_ino
        self._descriptor = descriptor

    def write(self, text: str) -> None:
        """Replace the content, which is only for people; errors such as a full disk are ignored."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text.encode(), 0)

    def give_to(self, user: int, group: int) -> None:
        """Set owner and group of the file."""
        os.fchown(self._descriptor, user, group)

    def is_in_place(self) -> bool:
        """Return True if the locked file is still the one at its path."""
        try:
            status = os.lstat(self._path)
        except OSError:
            return False
        return self._inode == (status.st_dev, status.st_ino)


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
        #: The lock and its file, from their first use on: most programs only read the state.
        self._made: dict[None, tuple[FileLock, _LockedFile]] = {}

    def _get_lock(self) -> tuple[FileLock, _LockedFile]:
        """Return the lock and its file, the same ones for all threads."""
        made = self._made.get(None)
        if made is None:
            path = self._path.with_name(f"{self._path.name}.lock")
            file = _LockedFile(path)
            # A soft lock would outlive a crashed process and refuse its restart.
            lock = FileLock(
                path, timeout=_LOCK_TIMEOUT, thread_local=False, fallback_to_soft=False, on_acquired=file.remember
            )
            made = self._made.setdefault(None, (lock, file))  # another thread may have been faster
        return made

    def after_fork(self) -> bool:
        """Forget the lock of the parent process; returns False in the process that created this object."""
        if self._process == os.getpid():
            return False
        self._reset()
        return True

    @property
    def is_held(self) -> bool:
        """True if this object holds the lock in this process, and the locked file is still at its path."""
        if not self._made or self._process != os.getpid():
            return False
        lock, file = self._get_lock()
        return lock.is_locked and file.is_in_place()

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
        if self.is_held:
            return
        lock, file = self._get_lock()
        if lock.is_locked:
            lock.release(force=True)  # its file was deleted or replaced, so other processes cannot see this lock
        if not self._path.parent.is_dir():  # the lock would create the folder
            raise FileNotFoundError(errno.ENOENT, "no such folder for the state file", str(self._path.parent))
        try:
            lock.acquire()
        except (Timeout, RuntimeError):  # RuntimeError in a signal handler that interrupts this method
            raise StoreLocked(self._path, describe_holder(self._path)) from None
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        if os.geteuid() == 0 and self._like.exists():  # root must not lock out the user of the strategy
            owner = self._like.stat()
            file.give_to(owner.st_uid, owner.st_gid)

    def release(self) -> None:
        """Release the lock; does nothing when it is not held."""
        if not self._made or self._process != os.getpid():
            return
        lock, file = self._get_lock()
        if lock.is_locked:
            file.write("")
            lock.release(force=True)  # also if several threads have acquired it at the same moment


def describe_holder(path: Path) -> str:
    """Return the present or last holder of the lock of a state file, e.g. ``process 12 on alpha``."""
    try:
        holder: Any = json.loads(path.with_name(f"{path.name}.lock").read_text())
        text = f"process {int(holder['pid'])} on {holder['host']}"
        is_own = holder["pid"] == os.getpid() and holder["host"] == socket.gethostname()
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
    return f"{text} (this process, through another store)" if is_own else text
