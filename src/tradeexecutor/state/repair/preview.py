"""Preview of the changes that an operation would make to a state.

The operation runs on a copy of the state. If the user accepts the changes, this copy is saved, so the changes that were
shown are exactly those that are made.

>>> from tradeexecutor.state.state import State
>>> state = State(name="Ape in")
>>> preview = preview_change(state, lambda copy: setattr(copy, "name", "Buy and hold"))
>>> preview.patch
[{'op': 'replace', 'path': '/name', 'value': 'Buy and hold'}]
>>> state.name
'Ape in'
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from tradeexecutor.state.codec.json_patch import Change, PathItem, find_changes
from tradeexecutor.state.state import State

__all__ = ["Move", "Preview", "preview_change"]

T = TypeVar("T")

#: Tables of positions; a position changes its table when it is closed, frozen or unfrozen.
_POSITION_TABLES = ("pending_positions", "open_positions", "frozen_positions", "closed_positions")


@dataclass(frozen=True, slots=True)
class Move:
    """A position that moved from one table of the portfolio to another; its other differences follow as changes.

    Attributes
    ----------
    source
        Path before the change.
    target
        Path after the change.
    """

    source: tuple[PathItem, ...]
    target: tuple[PathItem, ...]


@dataclass(frozen=True)
class Preview(Generic[T]):
    """The outcome of an operation on a copy of a state.

    Attributes
    ----------
    state
        The changed copy.
    result
        What the operation returned.
    before
        JSON tree of the state.
    after
        JSON tree of the changed copy.
    """

    state: State
    result: T
    before: dict[str, Any]
    after: dict[str, Any]

    @cached_property
    def changes(self) -> list[Change]:
        """All differences, in the order in which they can be applied."""
        return list(find_changes(self.before, self.after))

    @property
    def patch(self) -> list[dict[str, Any]]:
        """The differences as a JSON Patch (RFC 6902)."""
        return [change.to_operation() for change in self.changes]

    @property
    def is_empty(self) -> bool:
        """True if the operation changed nothing."""
        return not self.changes

    def describe(self) -> Iterator[Change | Move]:
        """Yield the differences for display: a position that changed its table is a move, not removed and added."""
        removed = {key: change for change in self.changes if (key := _get_moved_key(change, "remove"))}
        added = {key: change for change in self.changes if (key := _get_moved_key(change, "add"))}
        for change in self.changes:
            key = _get_moved_key(change, change.op)
            if key not in removed or key not in added:
                yield change
            elif change.op == "add":
                source = removed[key]
                yield Move(source.path, change.path)
                yield from find_changes(source.before, change.after, change.path)


def _get_moved_key(change: Change, op: str) -> str | None:
    """Return the id of the position that a change adds to a table or removes from it; None for other changes."""
    is_position = len(change.path) == 3 and change.path[0] == "portfolio" and change.path[1] in _POSITION_TABLES
    return str(change.path[2]) if is_position and change.op == op else None


def preview_change(state: State, change: Callable[[State], T]) -> Preview[T]:
    """Run an operation on a copy of a state.

    Parameters
    ----------
    state
        The state, which is not changed.
    change
        Function that changes the given state; its errors are raised here.

    Raises
    ------
    BadStateData
        The state, or the changed copy, could not be saved.
    """
    copy = State.from_json(state.to_json_bytes())
    before = copy.to_dict()
    result = change(copy)
    return Preview(copy, result, before, copy.to_dict())
