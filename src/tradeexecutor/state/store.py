"""Where the state of a strategy lives between runs.

All stores have the same interface; a strategy does not know which one it has.

========================== ==========================================================
`JSONFileStore`            a flat JSON file, replaced atomically; one writer at a time
`SimulateStore`            reads a file, never writes; for dry runs
`NoneStore`                memory only; for backtests
========================== ==========================================================
"""

import enum
import errno
import json
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.durable_file import write_atomically
from tradeexecutor.state.errors import InvalidValue, StoreLocked
from tradeexecutor.state.state import State

#: Called with the state after every save.
SaveHook = Callable[[State], None]


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
    def sync(self, state: State, validate: bool = True) -> None:
        """Save the state and set its `last_updated_at`.

        Parameters
        ----------
        validate
            Accepted for existing callers.  The codec checks every value of every save.

        Raises
        ------
        BadStateData
            The state holds something that must not reach a file.  Neither the store nor the state has changed.
        """

    def create(self, name: str) -> State:
        """Return a new, empty state with a name.  Nothing is written."""
        return State(name=name)


class JSONFileStore(StateStore):
    """State in a flat JSON file.

    A save replaces the file atomically: readers never see half a file, and after a crash the file holds the last
    complete save.  The first save takes a writer lock beside the file, which a second process is refused; it is
    released by `close`, or by the end of the process however it ends.

    Parameters
    ----------
    path
        The state file; its folder must exist.
    on_save
        Called with the state after every save.
    """

    def __init__(self, path: str | os.PathLike[str], on_save: SaveHook | None = None):
        if not path:
            raise InvalidValue("a file store needs a path")
        self.path = Path(path)
        self.on_save = on_save
        self._lock = FileLock(f"{self.path.resolve()}.lock", timeout=0)  # the same for every link to the file

    def __repr__(self) -> str:
        return f"<JSON file at {self.path.absolute()}>"

    def is_pristine(self) -> bool:
        """Tell whether the file does not exist."""
        return not self.path.exists()

    def load(self) -> State:
        """Read the file; raises `FileNotFoundError`, `InvalidStateFile` or `NewerStateFile`."""
        return State.read_json_file(self.path)

    def sync(self, state: State, validate: bool = True) -> None:
        """Save the state; see `StateStore.sync`.

        Raises
        ------
        BadStateData
            The state holds something that must not reach a file.
        StoreLocked
            Another process writes to this file.
        OSError
            The folder does not exist or cannot be written to, or the disk is full.

        The file and the state are as before, except when only flushing the folder failed, see `write_atomically`.
        """
        self.acquire_writer_lock()
        before = state.last_updated_at
        state.last_updated_at = utc_now()
        try:
            write_atomically(self.path, state.to_json_bytes())
        except BaseException:
            state.last_updated_at = before
            raise
        if self.on_save is not None:
            self.on_save(state)

    # --- Writer lock

    @property
    def _holder_path(self) -> Path:
        return Path(f"{self._lock.lock_file}.holder")

    def acquire_writer_lock(self) -> None:
        """Become the only writer of the file; does nothing when this store already is.

        Raises
        ------
        StoreLocked
            Names the process that writes to the file.
        """
        if self._lock.is_locked:
            return
        if not self.path.parent.is_dir():  # the lock would create it
            raise FileNotFoundError(errno.ENOENT, "no such folder for the state file", str(self.path.parent))
        try:
            self._lock.acquire()
        except Timeout:
            raise StoreLocked(self.path, self._describe_holder()) from None
        self._holder_path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))

    def _describe_holder(self) -> str:
        try:
            holder = json.loads(self._holder_path.read_text())
            return f"process {holder['pid']} on {holder['host']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

    def close(self) -> None:
        """Release the writer lock."""
        if self._lock.is_locked:
            self._holder_path.unlink(missing_ok=True)
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class SimulateStore(JSONFileStore):
    """Reads a state file and never writes to it."""

    def sync(self, state: State, validate: bool = True) -> None:
        """Call the save hook; nothing is written and the state is not changed."""
        if self.on_save is not None:
            self.on_save(state)


class NoneStore(StateStore):
    """State in memory only.

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

    def sync(self, state: State, validate: bool = True) -> None:
        """Keep the state and set its `last_updated_at`."""
        state.last_updated_at = utc_now()
        self.state = state
