"""Values computed from the positions of a table, which are kept while nothing inside the positions changes.

A live strategy records statistics over all positions in every cycle, and nearly all of them are closed. A closed
position changes only when somebody edits, repairs, reopens or prunes it. `KeptValues` calls a function for each
position once, and again only when a :mod:`fingerprint <tradeexecutor.state.codec.fingerprint>` of the position shows a
change. No change has to be reported for that.

Positions are compared in groups, because one large comparison is faster than many small ones. A change inside a group
discards the values of all its positions. The values belong to the table; a copy of the table has none.
"""

import contextlib
import threading
from collections.abc import Callable, Generator, Mapping
from operator import is_
from typing import Any, TypeVar

from tradeexecutor.state.codec.fingerprint import Fingerprint, SharedObjects, take_fingerprint
from tradeexecutor.state.position.position import TradingPosition

__all__ = ["GROUP_SIZE", "MAX_NEW_POSITIONS", "KeptValues"]

T = TypeVar("T")

#: Positions of a complete group.
GROUP_SIZE = 32

#: Positions whose fingerprints one call takes at most, so that no cycle pays for a whole long history.
MAX_NEW_POSITIONS = 1_000


class _Group:
    """Consecutive positions of the table, and the values computed from them by function."""

    __slots__ = ("fingerprint", "positions", "values")

    def __init__(self, positions: list[TradingPosition], fingerprint: Fingerprint) -> None:
        self.positions = positions
        self.fingerprint = fingerprint
        self.values: dict[Callable[[TradingPosition], Any], list[Any]] = {}

    def compute(self, function: Callable[[TradingPosition], T]) -> list[T]:
        values = self.values.get(function)
        if values is None:
            values = self.values[function] = [function(position) for position in self.positions]
        return values


class KeptValues:
    """Values of one table.

    Attributes
    ----------
    results
        Results that callers have made from the values, by the function that makes them. A caller must check that its
        result was made from the very same values.
    """

    def __init__(self) -> None:
        self._groups: list[_Group] = []
        self._shared = SharedObjects()
        self.results: dict[Any, Any] = {}
        #: The positions of the table, in the blocks in which they do not change.
        self._parts: list[_Group | list[TradingPosition]] | None = None
        self._blocks = 0
        self._is_paused = False
        #: Positions whose fingerprints the present call has taken.
        self._new = 0
        #: Held by the thread that uses the values; a second one, reading a snapshot, computes everything.
        self._lock = threading.Lock()

    def compute(self, table: Mapping[int, TradingPosition], function: Callable[[TradingPosition], T]) -> list[T]:
        """Return the values of a function for all positions of a table, in its order.

        Parameters
        ----------
        table
            Always the same one.
        function
            A function of a module, which depends on nothing but the position.
        """
        if self._is_paused or not self._lock.acquire(blocking=False):
            return [*map(function, table.values())]
        try:
            return self._compute(table, function)
        finally:
            self._lock.release()

    def _compute(self, table: Mapping[int, TradingPosition], function: Callable[[TradingPosition], T]) -> list[T]:
        values: list[T] = []
        groups: list[_Group] = []
        parts = self._match(table) if self._parts is None else self._parts
        if self._blocks:
            self._parts = parts
        for part in parts:
            if isinstance(part, _Group):
                groups.append(part)
                values += part.compute(function)
            else:
                values += map(function, part)
        self._groups = groups
        return values

    @contextlib.contextmanager
    def comparing_once(self) -> Generator[None]:
        """Let the calls of `compute` in the block share one search for changes; positions must not change in it."""
        self._blocks += 1
        try:
            yield
        finally:
            self._blocks -= 1
            if not self._blocks:
                self._parts = None

    @contextlib.contextmanager
    def pausing(self) -> Generator[None]:
        """Keep nothing in the block."""
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    def _match(self, table: Mapping[int, TradingPosition]) -> list[_Group | list[TradingPosition]]:
        """Return the positions of the table in groups that have not changed, and lists of positions without group."""
        positions = list(table.values())
        if not self._shared.are_unchanged():
            self._groups, self._shared = [], SharedObjects()
        starts = {id(group.positions[0]): group for group in self._groups if group.fingerprint.is_unchanged()}
        parts: list[_Group | list[TradingPosition]] = []
        loose: list[_Group | TradingPosition] = []
        place, self._new = 0, 0
        while place < len(positions):
            group = starts.get(id(positions[place]))
            if group is None or not _is_same(group.positions, positions[place : place + len(group.positions)]):
                loose.append(positions[place])
                place += 1
                continue
            place += len(group.positions)
            if len(group.positions) == 1:
                loose.append(group)
                continue
            self._make_groups(loose, parts)
            loose = []
            parts.append(group)
        self._make_groups(loose, parts)
        return parts

    def _make_groups(self, loose: list[_Group | TradingPosition], parts: list[_Group | list[TradingPosition]]) -> None:
        """Add consecutive positions, some of which are a group of one, to the parts: in groups as large as possible."""
        complete = len(loose) - len(loose) % GROUP_SIZE
        for start in range(0, complete, GROUP_SIZE):
            members = loose[start : start + GROUP_SIZE]
            positions = [item.positions[0] if isinstance(item, _Group) else item for item in members]
            parts.append(self._make_group(positions) or positions)
        rest = loose[complete:]
        parts += [item if isinstance(item, _Group) else self._make_group([item]) or [item] for item in rest]

    def _make_group(self, positions: list[TradingPosition]) -> _Group | None:
        """Return a group; None if enough are made, or if changes inside a position could go unnoticed."""
        if self._new >= MAX_NEW_POSITIONS:
            return None
        self._new += len(positions)
        fingerprint = take_fingerprint(positions)
        if fingerprint is None or not self._shared.watch(fingerprint):
            return None
        return _Group(positions, fingerprint)


def _is_same(one: list[TradingPosition], other: list[TradingPosition]) -> bool:
    return len(one) == len(other) and all(map(is_, one, other))
