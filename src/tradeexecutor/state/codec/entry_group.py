"""A group of entries of a table, and what was made from them."""

from collections.abc import Callable, Iterable, Sequence
from operator import is_
from typing import Any, TypeVar

import orjson

from tradeexecutor.state.codec.fingerprint import Fingerprint, are_identical, take_fingerprint
from tradeexecutor.state.codec.json_text import trim
from tradeexecutor.state.codec.packed_entries import Packed
from tradeexecutor.state.codec.packed_tables import get_entries

__all__ = ["EntryGroup", "compute_all", "count_same", "encode_group", "join_lists"]

T = TypeVar("T")

#: Entries whose identities are compared in one step.
_COMPARED_AT_ONCE = 1_024


class EntryGroup:
    """Consecutive entries of a table, and what was made from them.

    Attributes
    ----------
    keys, names
        Keys of the entries, and their texts; empty in lists.
    fingerprint
        None if nothing may be kept.
    values
        Function -> its values.
    texts
        JSON text of each entry, or the packed entry itself; None if they are not kept.
    size
        Bytes of these texts.
    tries, next_packing
        How often the entries could not be packed, and the number of the call in which that is tried again.
    """

    __slots__ = ("entries", "fingerprint", "keys", "names", "next_packing", "size", "texts", "tries", "values")

    def __init__(self, keys: list[Any], entries: list[Any], fingerprint: Fingerprint | None = None) -> None:
        self.keys = keys
        self.names = [*map(str, keys)]
        self.entries = entries
        self.fingerprint = fingerprint
        self.values: dict[Callable[[Any], Any], list[Any]] = {}
        self.texts: Sequence[orjson.Fragment | Packed] | None = None
        self.size = 0
        self.tries = self.next_packing = 0

    @classmethod
    def merge(cls, groups: list["EntryGroup"], fingerprint: Fingerprint) -> "EntryGroup":
        """Return one group of the entries of several ones, with what all of them have."""
        keys, entries = (group.keys for group in groups), (group.entries for group in groups)
        merged = cls(join_lists(keys), join_lists(entries), fingerprint)
        for function in groups[0].values:
            if all(function in group.values for group in groups):
                merged.values[function] = join_lists(group.values[function] for group in groups)
        if all(group.texts is not None for group in groups):
            merged.texts = join_lists(group.texts or () for group in groups)
            merged.size = sum(group.size for group in groups)
        return merged

    def is_at(self, place: int, keys: list[Any], entries: list[Any]) -> bool:
        """Return whether the table has the entries of this group at a place."""
        end = place + len(self.entries)
        return _are_same(self.entries, entries[place:end]) and _are_same(self.keys, keys[place:end])

    def compute(self, function: Callable[[Any], T]) -> list[T]:
        """Return the values of a function, which are computed once."""
        values = self.values.get(function)
        if values is None:
            values = self.values[function] = _apply(function, self.entries)
        return values

    def pack(self, packed: list[Packed]) -> None:
        """Replace the entries by packed ones."""
        self.entries, self.texts, self.size = [*packed], [*packed], 0
        self.fingerprint = take_fingerprint(self.entries)

    @property
    def is_packed(self) -> bool:
        """Whether some of the entries are packed."""
        return Packed in map(type, self.entries)


def encode_group(group: EntryGroup, encode_item: Callable[[Any], Any], most: int) -> list[Any]:
    """Return what a save writes for the entries of a group: texts, packed entries, or plain data.

    Texts are kept in the group if they have at most so many bytes.
    """
    data = [entry if type(entry) is Packed else encode_item(entry) for entry in group.entries]
    if group.fingerprint is None:
        return data
    try:
        texts = [entry if type(entry) is Packed else trim(orjson.dumps(entry)) for entry in data]
    except TypeError:
        return data  # the state cannot be saved; whoever writes all of it says where and why
    size = sum(len(text) for text in texts if type(text) is bytes)
    if size > most:
        return data
    kept: list[orjson.Fragment | Packed] = [
        orjson.Fragment(text) if isinstance(text, bytes) else text for text in texts
    ]
    group.texts, group.size = kept, size
    return kept


def compute_all(table: dict[Any, Any] | list[Any], function: Callable[[Any], T]) -> list[T]:
    """Return the values of a function for all entries of a table."""
    return _apply(function, get_entries(table))


def _apply(function: Callable[[Any], T], entries: Iterable[Any]) -> list[T]:
    return [function(entry.open() if type(entry) is Packed else entry) for entry in entries]


def join_lists(lists: Iterable[Iterable[T]]) -> list[T]:
    """Return one list of the items of several ones."""
    joined: list[T] = []
    for items in lists:
        joined += items
    return joined


def count_same(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Return the number of items at the beginning of two sequences that are the very same objects."""
    for start in range(0, min(len(one), len(other)), _COMPARED_AT_ONCE):
        end = start + _COMPARED_AT_ONCE
        ours, theirs = tuple(one[start:end]), tuple(other[start:end])
        if not are_identical(ours, theirs):
            same = [*map(is_, ours, theirs)]
            return start + (same.index(False) if False in same else len(same))
    return min(len(one), len(other))


def _are_same(one: list[Any], other: list[Any]) -> bool:
    """Return whether two lists contain the very same objects."""
    return are_identical(tuple(one), tuple(other))
