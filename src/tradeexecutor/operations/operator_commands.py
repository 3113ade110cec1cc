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
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

from tradeexecutor.operations.state_change import Change
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.other_data import OtherData
from tradeexecutor.state.repair.preview import Preview, preview_change
from tradeexecutor.state.state import State
from tradeexecutor.state.store import StateStore
from tradeexecutor.state.types import to_epoch

__all__ = ["CommandQueue", "is_paused", "list_actions", "pause", "record_action", "resume"]

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


@dataclass(frozen=True, slots=True)
class _Command:
    change: Change[Any]
    is_preview: bool
    outcome: "Future[Preview[Any]]"


@dataclass(slots=True)
class CommandQueue:
    """Commands of other threads for the thread that owns the state of a running strategy."""

    _waiting: "queue.SimpleQueue[_Command]" = field(default_factory=lambda: queue.SimpleQueue[_Command]())

    def submit(self, change: Change[Any], *, preview: bool) -> "Future[Preview[Any]]":
        """Ask for a change; the outcome is there when the strategy has come to it, between two jobs.

        Parameters
        ----------
        preview
            Whether only to show what would change.
        """
        outcome: Future[Preview[Any]] = Future()
        self._waiting.put(_Command(change, preview, outcome))
        return outcome

    def run_all(self, state: State, store: StateStore, now: datetime.datetime) -> None:
        """Run the waiting commands on the state, and save it. Called by the owner of the state, between jobs.

        A command is tried on a copy first, so one that is refused changes nothing.
        """
        while True:
            try:
                command = self._waiting.get_nowait()
            except queue.Empty:
                return
            if not command.outcome.set_running_or_notify_cancel():
                continue
            change = command.change
            try:
                preview = preview_change(state, lambda copy, change=change: change(copy, now))
                if not command.is_preview and not preview.is_empty:
                    change(state, now)
                    store.sync(state)
            except Exception as error:
                command.outcome.set_exception(error)
            else:
                command.outcome.set_result(preview)
