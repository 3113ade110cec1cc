"""A sample of numbers whose mean, median and extremes take no longer the more numbers it has."""

import bisect
import math
from typing import Self

__all__ = ["Sample"]

#: So few new numbers are put in their places one by one.
_FEW = 16


class Sample:
    """Numbers in ascending order.

    >>> sample = Sample()
    >>> for number in (0.3, 0.1, 0.2, 0.4):
    ...     sample.add(number)
    >>> sample.get_mean(), sample.get_median(), sample.get_lowest(), sample.get_highest()
    (0.25, 0.25, 0.1, 0.4)
    """

    __slots__ = ("_added", "_ordered", "_sum")

    def __init__(self) -> None:
        self._ordered: list[float] = []
        #: Floats whose sum is exactly that of the ordered numbers.
        self._sum: list[float] = []
        #: Numbers that are not in their places yet.
        self._added: list[float] = []

    def __len__(self) -> int:
        return len(self._ordered) + len(self._added)

    def add(self, number: float) -> None:
        """Add a number."""
        self._added.append(number)

    def copy(self) -> Self:
        """Return an independent copy."""
        self._arrange()
        copied = type(self)()
        copied._ordered, copied._sum = self._ordered.copy(), self._sum.copy()
        return copied

    def get_mean(self) -> float | None:
        """Return the sum of the numbers, rounded once, divided by how many there are; None without any."""
        ordered = self._arrange()
        return math.fsum(self._sum) / len(ordered) if ordered else None

    def get_median(self) -> float | None:
        """Return the median, see `statistics.median`; None without numbers."""
        ordered = self._arrange()
        if not ordered:
            return None
        middle = len(ordered) // 2
        return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2

    def get_lowest(self) -> float | None:
        """Return the lowest number; None without any."""
        ordered = self._arrange()
        return ordered[0] if ordered else None

    def get_highest(self) -> float | None:
        """Return the highest number; None without any."""
        ordered = self._arrange()
        return ordered[-1] if ordered else None

    def _arrange(self) -> list[float]:
        """Put the numbers that were added in their places, and return all in order."""
        added = self._added
        if added:
            total = _add_exactly([*self._sum, *added])
            if len(added) > _FEW:
                ordered = sorted([*self._ordered, *added])
            else:
                ordered = self._ordered.copy()
                for number in added:
                    bisect.insort(ordered, number)
            self._sum, self._ordered, self._added = total, ordered, []
        return self._ordered


def _add_exactly(numbers: list[float]) -> list[float]:
    """Return a few floats whose sum is exactly that of the numbers: the rounded sum, what that lacks, and so on."""
    parts: list[float] = []
    rest = math.fsum(numbers)
    while rest and math.isfinite(rest):
        parts.append(rest)
        numbers.append(-rest)
        rest = math.fsum(numbers)
    return parts if math.isfinite(rest) else [rest]
