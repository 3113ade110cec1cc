"""Figures of positions in the order in which they were opened, and sums over them that are kept.

In a live cycle nearly all positions are closed, and were in the cycle before. `ClosedFigures` keeps them in order, and
sums over the first of them, up to the first position that is still open. Each sum then continues from there: the
additions are those of a sum without anything kept, in the same order, so the digits are the same.
"""

import bisect
import datetime
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Any, Protocol, Self, TypeVar

from tradeexecutor.analysis.memo import shared
from tradeexecutor.analysis.position_figures import PositionFigures, measure_position
from tradeexecutor.state.portfolio import Portfolio

__all__ = ["ClosedFigures", "Includes", "PositionGroup", "Total", "group_positions", "is_long", "is_short"]

#: Returns whether a selection has a position.
Includes = Callable[[PositionFigures], bool]

#: Time by which positions are in order.
_Time = datetime.datetime | tuple[datetime.datetime, datetime.datetime]


class Total(Protocol):
    """Interface of what positions are added to one after another."""

    def add(self, position: PositionFigures, /) -> None:
        """Add the next position."""
        ...

    def copy(self) -> Self:
        """Return an independent copy."""
        ...


T = TypeVar("T", bound=Total)


def by_entry(position: PositionFigures) -> _Time:
    """Return the time at which a position was entered."""
    return position.entered_at


def by_opening(position: PositionFigures) -> _Time:
    """Return the time at which a position was opened; of those of one time the one that was entered first is first."""
    return position.opened_at, position.entered_at


class _Ordered:
    """Closed positions in one order, and sums over the first ones by name, each with their number."""

    def __init__(self, get_time: Callable[[PositionFigures], _Time]) -> None:
        self.get_time = get_time
        self.positions: list[PositionFigures] = []
        self.sums: dict[str, tuple[int, Any]] = {}

    def extend(self, new: Sequence[PositionFigures]) -> None:
        """Put more positions in their places; those of one time stay in the order in which they come."""
        if not new:
            return
        place = bisect.bisect_right(self.positions, min(map(self.get_time, new)), key=self.get_time)
        self.positions[place:] = sorted([*self.positions[place:], *new], key=self.get_time)
        self.sums = {name: kept for name, kept in self.sums.items() if kept[0] <= place}

    def add_up(self, empty: T, name: str, end: int) -> T:
        """Return a copy of the sum of the first `end` positions."""
        count, total = self.sums.pop(name, (0, empty))
        if count > end:
            count, total = 0, empty
        for place in range(count, end):
            total.add(self.positions[place])
        self.sums[name] = end, total
        return total.copy()


class ClosedFigures:
    """Figures of closed positions, in the order of their table and in other orders."""

    def __init__(self) -> None:
        self.positions: list[PositionFigures] = []
        self.by_entry, self.by_opening = _Ordered(by_entry), _Ordered(by_opening)
        #: Held while something kept is continued: several threads may read a finished state.
        self.lock = threading.Lock()
        #: Name -> selection, and the number of positions from which it was made.
        self._selections: dict[str, tuple[int, ClosedFigures]] = {}

    def __len__(self) -> int:
        return len(self.positions)

    def extend(self, positions: Sequence[PositionFigures]) -> None:
        """Add the figures of the next positions."""
        self.positions += positions
        self.by_entry.extend(positions)
        self.by_opening.extend(positions)

    def select(self, includes: Includes, name: str) -> "ClosedFigures":
        """Return the positions of a selection, which is kept under a name."""
        with self.lock:
            count, selection = self._selections.pop(name, (0, ClosedFigures()))
            selection.extend([*filter(includes, self.positions[count:])])
            self._selections[name] = len(self.positions), selection
            return selection


@dataclass(frozen=True, slots=True)
class PositionGroup:
    """The positions of a selection.

    Attributes
    ----------
    closed
        Closed positions.
    before, after
        Others. Of positions of one time, those of `before` come before closed ones, and those of `after` after them.
    """

    closed: ClosedFigures = field(default_factory=ClosedFigures)
    before: Sequence[PositionFigures] = ()
    after: Sequence[PositionFigures] = ()

    def __len__(self) -> int:
        return len(self.closed) + len(self.before) + len(self.after)

    def select(self, includes: Includes, name: str) -> "PositionGroup":
        """Return the positions of a selection."""
        return PositionGroup(
            self.closed.select(includes, name), [*filter(includes, self.before)], [*filter(includes, self.after)]
        )

    def get_span(self) -> tuple[datetime.datetime, datetime.datetime]:
        """Return when the first and when the last position was entered; there must be one."""
        closed = self.closed.by_entry.positions
        times = [position.entered_at for position in chain(closed[:1], closed[-1:], self.before, self.after)]
        return min(times), max(times)

    def add_in_order_of_entry(self, empty: T, name: str) -> T:
        """Return the sum of all positions in the order in which they were entered, see `add_in_order_of_opening`."""
        return self._add_up(self.closed.by_entry, empty, name)

    def add_in_order_of_opening(self, empty: T, name: str) -> T:
        """Return the sum of all positions in the order in which they were opened.

        Parameters
        ----------
        empty
            Sum of no positions.
        name
            Under which the sum over closed positions is kept.
        """
        return self._add_up(self.closed.by_opening, empty, name)

    def _add_up(self, closed: _Ordered, empty: T, name: str) -> T:
        positions, get_time = closed.positions, closed.get_time
        others = [*map(get_time, self.before), *map(get_time, self.after)]
        end = bisect.bisect_left(positions, min(others), key=get_time) if others else len(positions)
        with self.closed.lock:
            total = closed.add_up(empty, name, end)
        if others:
            for position in sorted([*self.before, *positions[end:], *self.after], key=get_time):
                total.add(position)
        return total


@shared
def group_positions(portfolio: Portfolio) -> PositionGroup:
    """Return the open, closed and frozen positions of a portfolio."""
    return PositionGroup(
        portfolio.add_up_closed(measure_position, ClosedFigures, "figures"),
        [*map(measure_position, portfolio.open_positions.values())],
        [*map(measure_position, portfolio.frozen_positions.values())],
    )


#: Selections of positions.
is_long: Includes = attrgetter("is_long")
is_short: Includes = attrgetter("is_short")
