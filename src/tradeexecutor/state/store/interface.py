"""The interface of all stores: a strategy works with any of them.

========================== ==========================================================
`JSONFileStore`            a flat JSON file, replaced atomically; one writer at a time
`SimulateStore`            reads a file, never writes; for dry runs
`SQLStateStore`            SQLite or PostgreSQL, with every save of the past
`NoneStore`                memory only; for backtests
========================== ==========================================================
"""

import enum
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar, Self

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.state import State
from tradeexecutor.state.store.snapshot import RecentSnapshot, Snapshot

#: Called with the state after every save.
SaveHook = Callable[[State], None]


class StateStoreModel(enum.Enum):
    """Kinds of stores that a configuration can name."""

    file = "file"
    on_chain = "on_chain"


class StateStore(ABC):
    """Interface of all stores."""

    #: Whether a save writes only what has changed. Then a live strategy packs its history, see `state.history`.
    writes_changes: ClassVar[bool] = False

    @functools.cached_property
    def _recent(self) -> RecentSnapshot:
        return RecentSnapshot()

    @abstractmethod
    def is_pristine(self) -> bool:
        """Return True if nothing was ever saved here."""

    @abstractmethod
    def load(self) -> State:
        """Return the state as it was last saved."""

    @abstractmethod
    @contract_signature
    def sync(self, state: State, validate: bool = True) -> None:
        """Save the state and set its `last_updated_at` to the present time.

        When this returns, the save survives a crash of the process and a power cut. When it raises, the last save is
        still there.

        Parameters
        ----------
        validate
            Ignored, for existing callers: every value of every save is checked. Stores that write warn about False.

        Raises
        ------
        BadStateData
            The state contains a value that must not be saved. Neither the store nor the state has changed.
        ConcurrentUse
            The state belongs to another thread (`docs/concurrency.md`), or another thread has changed it meanwhile.
        ReadOnlyState
            The state is that of a snapshot.
        StoreLocked
            Another process writes to this store.
        StoreChanged
            Somebody else has saved since this store loaded.
        StoreMoved
            The opened file or database is no longer at the path given by the user.
        NewerStateFile
            A newer program has saved here, and this program would lose data that it does not know.
        SaveFailed
            The operating system refused; the message contains advice.
        """

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """Return the latest acknowledged save, for any thread and without waiting for the writer.

        The process that writes sees a save when `sync` returns. Other processes see it from the moment when it is in
        place, a flush before that. While nothing new is saved the same object is returned.

        Raises
        ------
        FileNotFoundError
            Nothing was ever saved here.
        InvalidStateFile, DamagedStateFile, NewerStateFile
            As `load`.
        """

    def recent_snapshot(self, max_age: float) -> Snapshot:
        """Return a save that was the latest at most `max_age` seconds ago.

        All readers get the same object during this time, so its state is built once for all of them. Readers in the
        process that trades ask for this: building a state keeps the trading thread waiting.

        Raises
        ------
        FileNotFoundError, InvalidStateFile, DamagedStateFile, NewerStateFile
            As `snapshot`.
        """
        return self._recent.get(max_age, self.snapshot)

    def peek_snapshot(self) -> Snapshot | None:
        """Return what `snapshot` would if that is in memory; None if it has to be read. It takes some microseconds."""
        return None

    def create(self, name: str) -> State:
        """Return a new, empty state with this name. Nothing is written."""
        return State(name=name)

    def close(self) -> None:  # noqa: B027  (a store that excludes nobody has nothing to do)
        """Release the right to write; the store can be used again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
