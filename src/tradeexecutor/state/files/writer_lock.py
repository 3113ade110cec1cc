"""One writer at a time: a lock file that the operating system releases when its process ends, however it ends."""

import contextlib
import errno
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tradeexecutor.state.errors import StoreLocked

#: Seconds to wait for a process that is just ending, as when a strategy is restarted.
_PATIENCE = 0.5


class WriterLock:
    """Lock of a state file, in the file ``PATH.lock`` beside it.

    The lock file stays when the lock is released; while it is held it has the process id and host of the holder, for
    people and for the error message.  A forked child does not inherit the lock: it is refused as long as its parent
    holds it.  All threads of a process share the lock of one `WriterLock`; two of them exclude each other.

    Parameters
    ----------
    path
        The state file, without symbolic links.
    """

    def __init__(self, path: Path):
        self._path = path
        self._lock_path = path.with_name(f"{path.name}.lock")
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        #: Held while a thread saves.
        self.mutex = threading.RLock()
        # A lock that does not die with its process would refuse the restart after a crash: no soft lock.
        self._lock = FileLock(self._lock_path, timeout=_PATIENCE, thread_local=False, fallback_to_soft=False)

    def after_fork(self) -> None:
        """Forget what the parent process held; does nothing in the process that made this lock."""
        if self._process != os.getpid():
            self._reset()

    @property
    def is_held(self) -> bool:
        """Whether this process is the writer, by this very lock."""
        return self._process == os.getpid() and self._lock.is_locked

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
        if self._lock.is_locked:
            return
        if not self._path.parent.is_dir():  # the lock would create it
            raise FileNotFoundError(errno.ENOENT, "no such folder for the state file", str(self._path.parent))
        try:
            self._lock.acquire()
        except (Timeout, RuntimeError):  # the latter in a signal handler that interrupts the acquiring
            raise StoreLocked(self._path, describe_holder(self._path)) from None
        self._write_holder(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        if os.geteuid() == 0 and self._path.exists():  # a command run by root must not shut out the strategy's user
            owner = self._path.stat()
            os.chown(self._lock_path, owner.st_uid, owner.st_gid)

    def _write_holder(self, text: str) -> None:
        with contextlib.suppress(OSError):  # on a full disk, say; nobody but people reads it
            self._lock_path.write_text(text)

    def release(self) -> None:
        """Let others write; does nothing when this lock is not held."""
        if self.is_held:
            self._write_holder("")
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
