"""Texts of the lists of a dictionary, to which entries are added, kept like those of one table (`kept_groups`)."""

from collections.abc import Callable
from typing import Any

from tradeexecutor.state.codec.kept_groups import KeptGroups
from tradeexecutor.state.codec.packed_entries import Packed
from tradeexecutor.state.codec.packed_tables import PackedDict, get_entries, get_items

__all__ = ["LONG_LIST", "KeptLists"]

#: Entries of a list from which on `KeptLists` keeps texts of its entries while it grows.
LONG_LIST = 64


class KeptLists:
    """What is kept of a dictionary of lists to which entries are added, such as the samples of positions."""

    def __init__(self) -> None:
        self._lists = KeptGroups()
        #: Lengths of the long lists at the last call, and what is kept of those that have grown since the call before.
        self._lengths: dict[Any, int] = {}
        self._growing: dict[Any, KeptGroups] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return KeptLists, ()

    def encode(
        self, table: dict[Any, Any], encode_list: Callable[[Any], Any], encode_item: Callable[[Any], Any]
    ) -> dict[str, Any] | None:
        """Return a table in which lists are JSON texts, and long ones that grow are lists of texts.

        Returns None as `KeptGroups.encode` does.
        """
        lengths = _measure_long_lists(table)
        growing = {key for key, length in lengths.items() if self._lengths.get(key, length) != length}
        self._lengths = lengths
        self._growing = {key: self._growing.get(key) or KeptGroups() for key in growing}
        resting = {key: items for key, items in get_items(table) if key not in growing} if growing else table
        encoded = self._lists.encode(resting, encode_list)
        if not isinstance(encoded, dict) or not {int}.issuperset(map(type, growing)):
            return None
        if not growing:
            return encoded
        lists: dict[str, Any] = {}
        for key, kept in self._growing.items():
            items = kept.encode(table[key], encode_item)
            lists[str(key)] = encode_list(table[key]) if items is None else items
        return {name: lists[name] if name in lists else encoded[name] for name in map(str, table)}

    def pack(self, table: PackedDict[Any, Any], most: int) -> int:
        """Pack lists of which the text is kept, see `KeptGroups.pack`."""
        return self._lists.pack(table, most)


def _measure_long_lists(table: dict[Any, Any]) -> dict[Any, int]:
    """Return the lengths of the long lists in a dictionary by their keys."""
    try:
        lengths = [0 if type(items) is Packed else len(items) for items in get_entries(table)]
    except TypeError:
        return {}  # this is no dictionary of lists; whoever encodes it says what is wrong
    if max(lengths, default=0) <= LONG_LIST:
        return {}
    return {
        key: length
        for key, length in zip(table, lengths, strict=True)
        if length > LONG_LIST and isinstance(table[key], list)
    }
