"""Matching trades and positions of two states that belong to the same decision.

Two lists are matched within groups: trades of one pair and side, positions of one pair. Within a group

1. those of exactly the same time are matched, in order of their ids;
2. the others are matched in order of time, each with the earliest unmatched partner within the tolerance.

Step 2 finds the largest possible number of matches. The cost is that of sorting.
"""

import datetime
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

T = TypeVar("T")

__all__ = ["match"]

#: A pair of partners; one of them is None where the other has no partner.
Match = tuple[T | None, T | None]


def match(
    a: Iterable[T],
    b: Iterable[T],
    get_group: Callable[[T], Hashable],
    get_time: Callable[[T], datetime.datetime],
    get_id: Callable[[T], int],
    tolerance: datetime.timedelta,
) -> list[Match[T]]:
    """Match the items of two lists.

    Parameters
    ----------
    get_group
        Only items of equal groups are matched.
    get_time, get_id
        When the item was decided, and its number; of equal times the lower number comes first.
    tolerance
        How far apart the times of partners may be.

    Returns
    -------
    list
        Every item once, in order of the earlier time of each match.

    >>> minutes = [datetime.datetime(2024, 1, 1, 0, minute) for minute in (0, 1, 10)]
    >>> pairs = match(minutes[:2], minutes[1:], lambda m: 0, lambda m: m, lambda m: 0, datetime.timedelta(minutes=5))
    >>> [tuple(m and m.minute for m in pair) for pair in pairs]
    [(0, None), (1, 1), (None, 10)]
    """

    def get_order(item: T) -> tuple[datetime.datetime, int]:
        return get_time(item), get_id(item)

    def get_first(pair: Match[T]) -> tuple[datetime.datetime, int, bool]:
        present = [item for item in pair if item is not None]
        first = min(present, key=get_order)
        return (*get_order(first), pair[0] is None)

    groups: dict[Hashable, tuple[list[T], list[T]]] = defaultdict(lambda: ([], []))
    for side, items in enumerate((a, b)):
        for item in sorted(items, key=get_order):
            groups[get_group(item)][side].append(item)
    found: list[Match[T]] = []
    for of_a, of_b in groups.values():
        exact, rest_a, rest_b = _match_in_order(of_a, of_b, get_time, datetime.timedelta(0))
        near, rest_a, rest_b = _match_in_order(rest_a, rest_b, get_time, tolerance)
        found += exact
        found += near
        found += [(item, None) for item in rest_a]
        found += [(None, item) for item in rest_b]
    return sorted(found, key=get_first)


def _match_in_order(
    a: list[T], b: list[T], get_time: Callable[[T], datetime.datetime], tolerance: datetime.timedelta
) -> tuple[list[Match[T]], list[T], list[T]]:
    """Return the matches of two sorted lists, and what is left of each."""
    found: list[Match[T]] = []
    rest_a: list[T] = []
    rest_b: list[T] = []
    i = j = 0
    while i < len(a) and j < len(b):
        distance = get_time(a[i]) - get_time(b[j])
        if abs(distance) <= tolerance:
            found.append((a[i], b[j]))
            i, j = i + 1, j + 1
        elif distance < datetime.timedelta(0):
            rest_a.append(a[i])
            i += 1
        else:
            rest_b.append(b[j])
            j += 1
    return found, rest_a + a[i:], rest_b + b[j:]
