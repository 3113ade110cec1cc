"""The only way in which an operation changes a stored state: preview, backup, save, undo.

1. The writer lock is taken, so that a running strategy and the operation do not overwrite each other. A preview needs
   no lock.
2. The change is made on a copy, and all differences are shown.
3. When the user agrees, the file is copied to ``STEM.SUFFIX-N.json`` beside it; a database keeps every save anyway.
4. The copy of step 2 is saved, so the saved change is exactly the one that was shown.
5. `undo_change` restores the previous state, to the byte.

::

    with prepare_change(Path("state.json"), change) as prepared:
        if not prepared.is_empty and confirm(prepared.preview):
            undo = prepared.save("change-backup")
"""

import datetime
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from tradeexecutor.operations.state_location import StateLocation, open_store, recover_save
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.repair.preview import Preview, preview_change
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.backups import backup_state
from tradeexecutor.state.store.copies import recover

if TYPE_CHECKING:
    from tradeexecutor.database.store import SQLStateStore

__all__ = ["Change", "PreparedChange", "Undo", "prepare_change", "undo_change"]

T = TypeVar("T")

#: Changes a state and returns the result; the second argument is the time to record, naive UTC.
Change = Callable[[State, datetime.datetime], T]


@dataclass(frozen=True, slots=True)
class Undo:
    """How to undo a change; one of `backup` and `save` is None.

    Attributes
    ----------
    place
        The changed state: path of the file, or address of the strategy.
    backup
        Copy of the file before the change.
    save
        Number of the save in the database before the change.
    """

    place: StateLocation
    backup: Path | None
    save: int | None


class PreparedChange(Generic[T]):
    """A change that was made on a copy; the stored state has not changed yet.

    Attributes
    ----------
    preview
        The changed copy, and every difference.
    result
        What the change returned.
    """

    def __init__(self, store: "JSONFileStore | SQLStateStore", preview: Preview[T]):
        self._store = store
        self.preview = preview
        self.result = preview.result

    @property
    def is_empty(self) -> bool:
        """Return True if the change makes no difference, so that there is nothing to save."""
        return self.preview.is_empty

    def save(self, backup_suffix: str, before_save: Callable[[T], object] | None = None) -> Undo:
        """Back the stored state up and replace it by the changed copy.

        Parameters
        ----------
        backup_suffix
            Suffix in the name of the backup, e.g. ``repair-backup``.
        before_save
            Function that gets the result, and writes files which the state refers to before the state is saved.

        Raises
        ------
        StoreLocked
            Another process writes to the state.
        StateFileError, OSError
            The state cannot be written; the stored state has not changed.
        """
        store = self._store
        store.acquire_writer_lock()
        if before_save is not None:
            before_save(self.result)
        if isinstance(store, JSONFileStore):
            backup = backup_state(store.path, backup_suffix)
            store.sync(self.preview.state)
            return Undo(store.path, backup.path, None)
        number = store.read()[0].number
        store.sync(self.preview.state)
        return Undo(store.address, None, number)


@contextmanager
def prepare_change(
    place: StateLocation, change: Change[T], *, preview_only: bool = False
) -> Generator[PreparedChange[T], None, None]:
    """Make a change on a copy of a stored state; nothing is stored unless `PreparedChange.save` is called inside.

    Parameters
    ----------
    place
        Where the state is.
    change
        Called once. It must not ask, and its errors are raised from here.
    preview_only
        Whether to take no writer lock, so that a running strategy is not disturbed; `save` still takes it.

    Raises
    ------
    StoreLocked
        Somebody else writes to the state.
    OperationRefused, StateFileError, OSError
        The state cannot be read, or not be changed there.
    """
    now = utc_now()
    with open_store(place) as store:
        state = store.load()
        if not preview_only:
            store.acquire_writer_lock()
        yield PreparedChange(store, preview_change(state, lambda copy: change(copy, now)))


def undo_change(undo: Undo) -> None:
    """Restore the state before a change: a file to the byte, in a database as a new save.

    Raises
    ------
    StoreLocked
        Somebody else writes to the state.
    StateFileError, OSError
        The backup cannot be read, or the state cannot be written.
    """
    if isinstance(undo.place, Path):
        recover(undo.place, undo.backup, exact=True)
        return
    recover_save(undo.place, undo.save)
