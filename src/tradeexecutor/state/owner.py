"""The thread to which a state belongs.

``docs/concurrency.md`` describes the contract. The first thread that changes or saves a state becomes its owner. Until
it ends or calls `State.hand_over`, every other thread that changes, encodes, copies or saves the state gets
`WrongThread`.
"""

import contextlib
import os
import threading
from collections.abc import Generator
from typing import Any

from tradeexecutor.accounting.values import abbreviate
from tradeexecutor.state.errors import BadStateData, ChangedMeanwhile, ReadOnlyState, WrongThread


class _ThisThread(threading.local):
    """Holds the object of the calling thread; reading it takes a third of the time of `threading.current_thread`."""

    def __init__(self) -> None:
        self.thread = threading.current_thread()


class _Nobody:
    """Stands for no owner. Each hand-over makes a new one, so that a thread notices that others owned it meanwhile."""


class _Readers:
    """Stands for the readers of a snapshot."""


_this = _ThisThread()
_READERS = _Readers()
_claiming = threading.Lock()


def _after_fork() -> None:
    global _claiming
    _claiming = threading.Lock()  # a thread that does not exist in this process may hold the old one


os.register_at_fork(after_in_child=_after_fork)


class Owner:
    """The owner of one state; kept by its portfolio, and not part of the data."""

    __slots__ = ("_holder",)

    def __init__(self) -> None:
        self._holder: threading.Thread | _Nobody | _Readers = _Nobody()

    def __reduce__(self) -> tuple[Any, ...]:
        self._check_not_foreign("copies")
        return Owner, ()  # a copy belongs to nobody

    def claim(self) -> None:
        """Make the calling thread the owner; does nothing when it already is.

        Raises
        ------
        WrongThread
            The state belongs to another thread.
        ReadOnlyState
            The state is part of a snapshot.
        """
        if self._holder is not _this.thread:
            self._take()

    def _take(self) -> None:
        with _claiming:
            if self._holder is _READERS:
                raise ReadOnlyState()
            self._check_not_foreign("changes or saves")
            self._holder = _this.thread

    def release(self) -> None:
        """Let the next thread that changes or saves the state become its owner. Raises as `claim`."""
        with _claiming:
            if self._holder is not _READERS:
                self._check_not_foreign("hands over")
                self._holder = _Nobody()

    def freeze(self) -> None:
        """Make the state read-only, for ever."""
        self._holder = _READERS

    @contextlib.contextmanager
    def reading_everything(self) -> Generator[None]:
        """Refuse work inside the block that reads the whole tree while another thread may change it.

        Raises
        ------
        WrongThread
            The state belongs to another thread.
        ChangedMeanwhile
            Another thread has changed the state, or become its owner, during the block.
        """
        before = self._holder
        self._check_not_foreign("encodes")
        try:
            yield
        except RuntimeError as error:  # raised by iterators, e.g. "dictionary changed size during iteration"
            if type(error) is not RuntimeError:
                raise
            raise ChangedMeanwhile() from error
        if self._holder is not before:
            raise ChangedMeanwhile()

    def _check_not_foreign(self, action: str) -> None:
        holder = self._holder
        if isinstance(holder, threading.Thread) and holder is not _this.thread and holder.is_alive():
            raise WrongThread(action, owner=holder.name, caller=_this.thread.name)


def get_owner(portfolio: Any) -> Owner:
    """Return the owner of the state of a portfolio, before the state is saved or encoded.

    Raises
    ------
    BadStateData
        Something else was assigned to `State.portfolio`.
    """
    owner = getattr(portfolio, "owner", None)
    if not isinstance(owner, Owner):
        raise BadStateData(f"{abbreviate(portfolio)} ({type(portfolio).__name__}): expected a Portfolio", "portfolio")
    return owner
