"""Differences between two JSON trees, as changes or as a JSON Patch (RFC 6902).

A tree is the result of a JSON parser: dicts with text keys, lists, texts, numbers, booleans and None. Two trees are
equal when they print the same text, so ``1``, ``1.0`` and ``true`` differ, and so do different orders of keys. A patch
applied to the older tree therefore gives exactly the bytes of the newer one, provided that "add" appends new keys at
the end. `apply_patch` does this, and so does every object type that keeps its keys in order (JavaScript sorts keys that
look like numbers).

>>> old = {"cash": 900, "trades": [{"id": 1}, {"id": 2}]}
>>> new = {"cash": 850, "trades": [{"id": 2}, {"id": 3}]}
>>> patch = make_patch(old, new)
>>> for operation in patch:
...     print(operation)
{'op': 'replace', 'path': '/cash', 'value': 850}
{'op': 'remove', 'path': '/trades/0'}
{'op': 'add', 'path': '/trades/1', 'value': {'id': 3}}
>>> apply_patch(old, patch) == new
True
"""

import bisect
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from tradeexecutor.state.codec.codec import dump
from tradeexecutor.state.errors import PatchFailed

__all__ = ["Change", "PatchFailed", "apply_patch", "find_changes", "format_pointer", "make_patch", "parse_pointer"]

#: Key of a dict, or index of a list at the time when the change is applied.
PathItem = str | int


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes
    ----------
    op
        Operation as in RFC 6902.
    path
        Path from the root; indexes of lists are those after the earlier changes.
    before
        Old value; None for "add".
    after
        New value; None for "remove".
    """

    op: Literal["add", "remove", "replace"]
    path: tuple[PathItem, ...]
    before: Any
    after: Any

    def to_operation(self, *, with_old: bool = False) -> dict[str, Any]:
        """Return the operation of a JSON Patch.

        Parameters
        ----------
        with_old
            Whether a value that is replaced or removed is told as ``old``, which programs that apply a patch ignore.
        """
        operation: dict[str, Any] = {"op": self.op, "path": format_pointer(self.path)}
        if self.op != "remove":
            operation["value"] = self.after
        if with_old and self.op != "add":
            operation["old"] = self.before
        return operation


def make_patch(old: Any, new: Any) -> list[dict[str, Any]]:
    """Return the operations that turn one tree into another, in order; empty when the trees are equal.

    The values are parts of `new`, not copies.
    """
    return [change.to_operation() for change in find_changes(old, new)]


def find_changes(old: Any, new: Any, path: tuple[PathItem, ...] = ()) -> Iterator[Change]:
    """Yield the differences between two trees, in the order in which they can be applied.

    The cost is linear in the size of the trees. Items of lists are matched when they are equal and occur once, so an
    inserted or removed item gives only one change.

    Parameters
    ----------
    path
        Path of both trees in a larger tree.
    """
    if old is new or _is_same(old, new):
        return
    kinds = type(cast(object, old)), type(cast(object, new))
    if kinds == (dict, dict):
        yield from _compare_dicts(old, new, path)
    elif kinds == (list, list):
        yield from _compare_lists(old, new, path)
    else:
        yield Change("replace", path, old, new)


def _is_same(old: Any, new: Any) -> bool:
    """Return True if two trees print the same text; a faster comparison comes first."""
    return old == new and dump(old) == dump(new)


def _compare_dicts(old: dict[str, Any], new: dict[str, Any], path: tuple[PathItem, ...]) -> Iterator[Change]:
    surviving = [key for key in old if key in new]
    # Keys after the first one that is out of order are removed and added again, because "add" only appends.
    kept = {a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(surviving, new, strict=False))}
    for key, value in old.items():
        if key not in kept:
            yield Change("remove", (*path, key), value, None)
    for key, value in new.items():
        if key in kept:
            yield from find_changes(old[key], value, (*path, key))
        else:
            yield Change("add", (*path, key), None, value)


def _compare_lists(old: list[Any], new: list[Any], path: tuple[PathItem, ...]) -> Iterator[Change]:
    start, end = _count_common_ends(old, new)
    anchors = _match_unique_items(old[start : len(old) - end], new[start : len(new) - end])
    position = old_index = new_index = start
    for old_stop, new_stop in [*((a + start, b + start) for a, b in anchors), (len(old) - end, len(new) - end)]:
        for a, b in itertools.zip_longest(range(old_index, old_stop), range(new_index, new_stop)):
            if b is None:
                yield Change("remove", (*path, position), old[a], None)
                continue
            if a is None:
                yield Change("add", (*path, position), None, new[b])
            else:
                yield from find_changes(old[a], new[b], (*path, position))
            position += 1
        old_index, new_index = old_stop + 1, new_stop + 1
        position += 1  # skip the matched item


def _count_common_ends(old: list[Any], new: list[Any]) -> tuple[int, int]:
    """Return how many items are equal at the beginning, and how many of the others are equal at the end."""
    most = min(len(old), len(new))
    start = 0
    while start < most and _is_same(old[start], new[start]):
        start += 1
    end = 0
    while end < most - start and _is_same(old[-1 - end], new[-1 - end]):
        end += 1
    return start, end


def _match_unique_items(old: list[Any], new: list[Any]) -> list[tuple[int, int]]:
    """Return pairs of indexes of equal items, ascending on both sides.

    This is the "patience diff" algorithm: only items that occur once on each side are matched, and the longest common
    sequence of these is found in n log n.
    """
    if not old or not new:
        return []
    old_places, new_places = _find_unique(old), _find_unique(new)
    pairs = sorted((old_places[text], place) for text, place in new_places.items() if text in old_places)
    ends: list[int] = []  # smallest end of an ascending run, by length
    last: list[int] = []  # which pair that is
    previous: list[int] = []
    for number, (_, place) in enumerate(pairs):
        length = bisect.bisect_left(ends, place)
        previous.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        last[length : length + 1] = [number]
    chain: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        chain.append(pairs[number])
        number = previous[number]
    return chain[::-1]


def _find_unique(items: list[Any]) -> dict[bytes, int]:
    places: dict[bytes, int] = {}
    repeated: set[bytes] = set()
    for place, item in enumerate(items):
        text = dump(item)
        if text in places:
            repeated.add(text)
        places[text] = place
    return {text: place for text, place in places.items() if text not in repeated}


# --- Applying


def apply_patch(document: Any, patch: Iterable[dict[str, Any]]) -> Any:
    """Return a document after a patch; the document itself is not changed.

    The result shares unchanged parts with the document, and new values with the patch.

    Parameters
    ----------
    patch
        Operations "add", "remove", "replace" and "test" of RFC 6902.

    Raises
    ------
    PatchFailed
        An operation does not fit the document, so the patch was made for another document.
    """
    root = {"": document}
    own: dict[int, Any] = {}  # containers made here, by id; the references keep the ids from being reused
    for number, operation in enumerate(patch):
        try:
            _apply(root, operation, own)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
            raise PatchFailed(number, str(operation.get("path")), reason) from None
    return root[""]


def _apply(root: dict[str, Any], operation: dict[str, Any], own: dict[int, Any]) -> None:
    op, path = operation["op"], parse_pointer(operation["path"])
    holder: Any = root
    key: PathItem = ""
    for depth, item in enumerate(path, start=1):
        child = holder[key]
        if id(child) not in own:
            child = _copy(child)
            own[id(child)] = child
            holder[key] = child
        may_append = op == "add" and depth == len(path)
        holder, key = child, item if type(child) is dict else _parse_index(child, item, may_append=may_append)
    if op == "add":
        if type(holder) is list:
            cast(list[Any], holder).insert(int(key), operation["value"])
        else:
            holder[key] = operation["value"]
        return
    present = holder[key]
    if op == "replace":
        holder[key] = operation["value"]
    elif op == "remove" and path:
        del holder[key]
    elif op != "test":
        raise ValueError(f"the operation {op!r} is unknown or impossible here")
    elif not _is_same(present, operation["value"]):
        raise ValueError("the value is another one")


def _copy(container: Any) -> Any:
    if type(container) is dict:
        return dict(cast(dict[str, Any], container))
    if type(container) is list:
        return list(cast(list[Any], container))
    raise TypeError("there is no object or list")


def _parse_index(items: list[Any], text: str, *, may_append: bool) -> int:
    if text == "-" and may_append:
        return len(items)
    if not (text.isascii() and text.isdigit()) or (len(text) > 1 and text[0] == "0"):
        raise ValueError(f"{text!r} is not an index of a list")
    if int(text) >= len(items) + may_append:
        raise IndexError(f"the list has only {len(items)} items")
    return int(text)


# --- JSON Pointer (RFC 6901)


def format_pointer(path: Iterable[PathItem]) -> str:
    """Return a path as a JSON Pointer.

    >>> format_pointer(("a/b", 0))
    '/a~1b/0'
    """
    return "".join(f"/{str(item).replace('~', '~0').replace('/', '~1')}" for item in path)


def parse_pointer(pointer: str) -> list[str]:
    """Return the items of a JSON Pointer.

    >>> parse_pointer("/a~1b/0")
    ['a/b', '0']

    Raises
    ------
    ValueError
        The pointer does not begin with a slash.
    """
    if not pointer:
        return []
    if pointer[0] != "/":
        raise ValueError("a JSON Pointer begins with a slash")
    return [item.replace("~1", "/").replace("~0", "~") for item in pointer[1:].split("/")]
