"""One writer at a time: a lock file that the operating system releases when its process ends, however it ends."""

import contextlib
import errno
import json
import os
import socket
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tradeexecutor.state.errors import StoreLocked

#: Seconds to wait for a process that is just ending, as when a strategy is restarted.
_LOCK_TIMEOUT = 0.5


class _LockedFile:
    """The file of a lock; an object of its own, so that a lock nobody refers to any more is released at once.

    It is written to through the descriptor that is locked, never by its name, under which may be a link by now.
    """

    def __init__(self, path: Path):
        self._path = path
        #: Device and inode of the file that is locked.
        self._inode: tuple[int, int] | None = None
        self._descriptor = -1

    def remember(self, descriptor: int) -> None:
        """Take up which file was locked; the descriptor is valid until the lock is released."""
        status = os.fstat(descriptor)
        self._inode = status.st_dev, status.st_ino
        self._descriptor = descriptor

    def write(self, text: str) -> None:
        """Replace the content, which nobody reads but people; a full disk is no reason to fail."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text.encode(), 0)

    def give_to(self, user: int, group: int) -> None:
        """Let a user open the file."""
        os.fchown(self._descriptor, user, group)

    def is_in_place(self) -> bool:
        """Tell whether the file that was locked is the one at its path."""
        try:
            status = os.lstat(self._path)
        except OSError:
            return False
        return self._inode == (status.st_dev, status.st_ino)


class WriterLock:
    """Lock of a state file, in the file ``PATH.lock`` beside it.

    The lock file stays when the lock is released; while it is held it has the process id and host of the holder, for
    people and for the error message.  When somebody deletes the file, another process could make a new one and lock
    that; so the lock counts as held only while its file is at its path, and the holder has to acquire it again before
    it goes on.  A forked child does not inherit the lock: it is refused as long as its parent holds it.  All threads of
    a process share the lock of one `WriterLock`; two of them exclude each other.

    Parameters
    ----------
    path
        The state file, without symbolic links.
    like
        The file whose owner gets the lock file when root makes it, by default the state file.
    """

    def __init__(self, path: Path, like: Path | None = None):
        self._path = path
        self._like = like or path
        self._lock_path = path.with_name(f"{path.name}.lock")
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._file = _LockedFile(self._lock_path)
        # A lock that does not die with its process would refuse the restart after a crash: no soft lock.
        self._lock = FileLock(
            self._lock_path,
            timeout=_LOCK_TIMEOUT,
            thread_local=False,
            fallback_to_soft=False,
            on_acquired=self._file.remember,
        )

    def after_fork(self) -> bool:
        """Forget what the parent process held; returns False in the process that made this lock."""
        if self._process == os.getpid():
            return False
        self._reset()
        return True

    @property
    def is_held(self) -> bool:
        """Whether this process is the writer, by this very lock, and others see the file that is locked."""
        return self._process == os.getpid() and self._lock.is_locked and self._file.is_in_place()

    def acquire(self) -> None:
        """Become the only writer; does nothing when this lock already is.

        Raises
        ------
        StoreLocked
            Names the process that writes to the file.
        FileNotFoundError
            The folder does not exist.
        OSError
            The lock file cannot be written, or the file system has no locks.
        """
        self.after_fork()
        if self.is_held:
            return
        if self._lock.is_locked:
            self._lock.release()  # its file was deleted or replaced, nobody else can see this lock
        if not self._path.parent.is_dir():  # the lock would create it
            raise FileNotFoundError(errno.ENOENT, "no such folder for the state file", str(self._path.parent))
        try:
            self._lock.acquire()
        except (Timeout, RuntimeError):  # the latter in a signal handler that interrupts the acquiring
            raise StoreLocked(self._path, describe_holder(self._path)) from None
        self._file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        if os.geteuid() == 0 and self._like.exists():  # a command run by root must not shut out the strategy's user
            owner = self._like.stat()
            self._file.give_to(owner.st_uid, owner.st_gid)

    def release(self) -> None:
        """Let others write; does nothing when this lock is not held."""
        if self._process == os.getpid() and self._lock.is_locked:
            self._file.write("")
            self._lock.release()


def describe_holder(path: Path) -> str:
    """Return who says to hold, or to have held, the lock of a state file, e.g. ``process 12 on alpha``."""
    try:
        holder: Any = json.loads(path.with_name(f"{path.name}.lock").read_text())
        text = f"process {int(holder['pid'])} on {holder['host']}"
        is_own = holder["pid"] == os.getpid() and holder["host"] == socket.gethostname()
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
    return f"{text} (this process, through another store)" if is_own else text
