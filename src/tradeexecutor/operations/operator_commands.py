"""What an operator tells a strategy from outside: pause, resume; and the record of who told it what.

The records are in `State.other_data` under cycle 0, which no strategy uses, because cycles count from 1.

>>> from tradeexecutor.state.state import State
>>> state = State(name="Ape in")
>>> pause(state, datetime.datetime(2026, 3, 1), "Alice", "exchange is down")
>>> is_paused(state)
True
>>> [(action["by"], action["action"]) for action in list_actions(state)]
[('Alice', 'pause')]
"""

import datetime
import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from tradeexecutor.operations.live_trading import LiveBooks
from tradeexecutor.operations.state_change import Change
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.other_data import OtherData
from tradeexecutor.state.repair.preview import Preview, preview_change
from tradeexecutor.state.state import State
from tradeexecutor.state.types import to_epoch

__all__ = [
    "CommandQueue",
    "Job",
    "change_running",
    "is_paused",
    "list_actions",
    "pause",
    "record_action",
    "resume",
]

T = TypeVar("T")

_CYCLE = 0
_ACTIONS = "operator_actions"
_PAUSED = "operator_paused"


def _read(state: State) -> dict[str, Any]:
    data = state.other_data.data if state.other_data is not None else {}
    return data.get(_CYCLE, {})


def list_actions(state: State) -> list[dict[str, Any]]:
    """Return the actions of operators, oldest first: ``at`` (epoch seconds), ``by``, ``action`` and ``details``."""
    return list(cast(list[dict[str, Any]], _read(state).get(_ACTIONS, [])))


def is_paused(state: State) -> bool:
    """Return True if the strategy must not make decisions; stop losses and the like still work."""
    return bool(_read(state).get(_PAUSED, False))


def record_action(state: State, now: datetime.datetime, by: str, action: str, **details: Any) -> None:
    """Record that an operator has done something.

    Parameters
    ----------
    now
        Time of the action, naive UTC.
    by
        Name of the operator.
    details
        JSON values that tell more about it.
    """
    entry = {"at": to_epoch(now), "by": by, "action": action, "details": details}
    actions = [*list_actions(state), entry]
    _get_data(state).save(_CYCLE, _ACTIONS, actions)


def pause(state: State, now: datetime.datetime, by: str, reason: str = "") -> None:
    """Keep the strategy from making decisions until `resume`; raises `OperationRefused` if it is paused already."""
    if is_paused(state):
        raise OperationRefused("the strategy is paused already")
    _get_data(state).save(_CYCLE, _PAUSED, True)
    record_action(state, now, by, "pause", reason=reason)


def resume(state: State, now: datetime.datetime, by: str, reason: str = "") -> None:
    """Let the strategy make decisions again; raises `OperationRefused` if it is not paused."""
    if not is_paused(state):
        raise OperationRefused("the strategy is not paused")
    _get_data(state).save(_CYCLE, _PAUSED, False)
    record_action(state, now, by, "resume", reason=reason)


def _get_data(state: State) -> OtherData:
    if state.other_data is None:
        state.other_data = OtherData()
    return state.other_data


#: What the owner of a running state does for another thread, between two jobs; gets the time, naive UTC.
Job = Callable[[LiveBooks, datetime.datetime], T]


@dataclass(frozen=True, slots=True)
class _Command:
    job: Job[Any]
    may_trade: bool
    outcome: "Future[Any]"


@dataclass(slots=True)
class CommandQueue:
    """Commands of other threads for the thread that owns the state of a running strategy."""

    _waiting: "queue.SimpleQueue[_Command]" = field(default_factory=lambda: queue.SimpleQueue[_Command]())
    _is_closed: bool = field(default=False, init=False)

    def submit(self, job: Job[T], *, may_trade: bool = False) -> "Future[T]":
        """Ask for a job; the outcome is there when the strategy has come to it, between two jobs of its own.

        Parameters
        ----------
        may_trade
            Whether the job works on the state itself and sends transactions, so that an error in it is as serious as
            one in a decision of the strategy.
        """
        outcome: Future[T] = Future()
        self._waiting.put(_Command(job, may_trade, outcome))
        if self._is_closed:
            self.close()
        return outcome

    def has_waiting(self) -> bool:
        """Return True if a command waits."""
        return not self._waiting.empty()

    def run_all(self, books: LiveBooks, is_harmless: Callable[[Exception], bool] = lambda error: False) -> None:
        """Run the waiting commands. Called by the owner of the state, between jobs.

        Errors are those of who asked. One of a command that trades is raised here, too, unless it is an
        `OperationRefused` or `is_harmless`.
        """
        while (command := self._take()) is not None:
            if not command.outcome.set_running_or_notify_cancel():
                continue
            try:
                result = command.job(books, books.clock())
            except Exception as error:
                command.outcome.set_exception(error)
                if command.may_trade and not (isinstance(error, OperationRefused) or is_harmless(error)):
                    raise
            else:
                command.outcome.set_result(result)

    def close(self) -> None:
        """Refuse the commands that wait, and later ones, because the strategy has stopped."""
        self._is_closed = True
        while (command := self._take()) is not None:
            if command.outcome.set_running_or_notify_cancel():
                command.outcome.set_exception(OperationRefused("the strategy has stopped"))

    def _take(self) -> _Command | None:
        try:
            return self._waiting.get_nowait()
        except queue.Empty:
            return None


def change_running(change: Change[T], *, preview: bool) -> Job[Preview[T]]:
    """Return the job that makes a change and saves it.

    The change is tried on a copy first, so one that is refused changes nothing.

    Parameters
    ----------
    preview
        Whether only to show what would change.
    """

    def run(books: LiveBooks, now: datetime.datetime) -> Preview[T]:
        outcome = preview_change(books.state, lambda copy: change(copy, now))
        if not preview and not outcome.is_empty:
            change(books.state, now)
            books.save(books.state)
        return outcome

    return run
