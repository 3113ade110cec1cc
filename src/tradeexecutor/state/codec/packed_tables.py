"""Dictionaries and lists whose entries may be packed, see `packed_entries`. Reading an entry unpacks it for good.

They also count their changes, so that a save needs not compare a long table entry by entry. Entries that are added at
the end are no change.

Functions that are called with the class (``dict.values(table)``) return what is stored. So do encoders that read the
memory of a dictionary or list themselves (`orjson`, `msgspec`), and refuse it; give them ``table.copy()``.
"""

from collections.abc import Callable, Collection, ItemsView, Iterable, Iterator, Mapping, Reversible, ValuesView
from itertools import islice
from typing import Any, Self, SupportsIndex, TypeVar, cast

from tradeexecutor.state.codec.packed_entries import Packed, unpacking

__all__ = ["PackedDict", "PackedList", "get_end", "get_entries", "get_items", "open_all"]

K = TypeVar("K")
V = TypeVar("V")

_MISSING: Any = object()

#: Packed entries of a list that are read before it is no longer packed: somebody walks through it.
_MOST_READS = 64


#: The methods of `dict` and `list` that return what is stored.
_get_item: Callable[[Any, Any], Any] = dict.__getitem__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_set_item: Callable[[Any, Any, Any], None] = dict.__setitem__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_values: Callable[[Any], Reversible[Any]] = dict.values  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_items: Callable[[Any], Iterable[tuple[Any, Any]]] = dict.items  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_iterate: Callable[[Any], Iterable[Any]] = list.__iter__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_iterate_back: Callable[[Any], Iterable[Any]] = list.__reversed__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def get_entries(table: dict[Any, Any] | list[Any]) -> Iterable[Any]:
    """Return the entries of a dictionary or list as they are, packed or not."""
    return _values(table) if isinstance(table, dict) else _iterate(table)


def get_items(table: dict[K, Any]) -> Iterable[tuple[K, Any]]:
    """Return the keys and entries of a dictionary as they are, packed or not."""
    return _items(table)


def get_end(table: "PackedDict[Any, Any] | PackedList[Any]", start: int) -> tuple[list[Any], list[Any]]:
    """Return the keys and the entries from a place on, as they are; a list has no keys."""
    count = len(table) - start
    entries = [*islice(_iterate_back(table) if isinstance(table, PackedList) else reversed(_values(table)), count)]
    keys = [] if isinstance(table, PackedList) else [*islice(reversed(table), count)]
    return keys[::-1], entries[::-1]


def open_all(table: Any) -> Any:
    """Return a table, or a copy in which the packed entries are new objects; they stay packed in the table."""
    if isinstance(table, (PackedDict, PackedList)):
        return cast(PackedDict[Any, Any] | PackedList[Any], table).peek()
    return table


class PackedDict(dict[K, V]):
    """A dictionary whose entries may be packed."""

    #: Number of changes of entries that are not new ones at the end.
    changes: int = 0
    #: Keys of entries that were read after they had been packed; None before the first one.
    _read_keys: set[Any] | None = None

    def was_read(self, keys: Collection[Any]) -> bool:
        """Return whether an entry with one of the keys has been packed once, and was read since."""
        return self._read_keys is not None and not self._read_keys.isdisjoint(keys)

    def peek(self) -> dict[K, V]:
        """Return the entries in a new dictionary; the packed ones are new objects in it, and stay packed here."""
        return {key: entry.open() if type(entry) is Packed else entry for key, entry in get_items(self)}

    def unpack(self) -> None:
        """Unpack all entries for good."""
        for key in self:
            self.get(key)

    def has_at(self, keys: Iterable[Any], entries: Iterable[Any]) -> bool:
        """Return whether these very entries are under these keys."""
        stored = dict(get_items(self))
        return all(stored.get(key) is entry for key, entry in zip(keys, entries, strict=True))

    def replace_by_packed(self, entries: Mapping[K, Packed]) -> None:
        """Replace entries by what `pack_entries` has returned for them."""
        self.changes += 1
        for key, entry in entries.items():
            _set_item(self, key, entry)

    def _read(self, key: Any) -> Any:
        with unpacking:
            entry = _get_item(self, key)
            if type(entry) is Packed:
                entry = entry.open()
                self.changes += 1
                _set_item(self, key, entry)
                if self._read_keys is None:
                    self._read_keys = set()
                self._read_keys.add(key)
        return entry

    # --- The methods of `dict` that change or return entries

    def __setitem__(self, key: K, value: V) -> None:
        self.changes += key in self
        super().__setitem__(key, value)

    def __delitem__(self, key: K) -> None:
        self.changes += 1
        super().__delitem__(key)

    def clear(self) -> None:
        """Remove all entries, see `dict.clear`."""
        self.changes += 1
        super().clear()

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add or replace entries, see `dict.update`."""
        new: dict[Any, Any] = dict(*args, **kwargs)
        for key, value in new.items():
            self[key] = value

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self

    def __getitem__(self, key: K) -> V:
        entry = _get_item(self, key)
        return self._read(key) if type(entry) is Packed else entry

    def get(self, key: Any, default: Any = None) -> Any:
        """Return an entry, see `dict.get`."""
        entry: Any = super().get(key, default)
        return self._read(key) if type(entry) is Packed else entry

    def __iter__(self) -> Iterator[K]:
        # With a method of its own, `dict(table)` and `{**table}` ask `__getitem__` for the entries.
        return super().__iter__()

    def values(self) -> Any:
        """Return a view of the entries, see `dict.values`."""
        return _Values(self)

    def items(self) -> Any:
        """Return a view of the keys and entries, see `dict.items`."""
        return _Items(self)

    def pop(self, key: Any, default: Any = _MISSING) -> Any:
        """Remove an entry, see `dict.pop`."""
        self.get(key)
        self.changes += 1
        return super().pop(key) if default is _MISSING else super().pop(key, default)

    def popitem(self) -> tuple[K, V]:
        """Remove the last entry, see `dict.popitem`."""
        for key in reversed(self):
            self.get(key)
            break
        self.changes += 1
        return super().popitem()

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Return an entry, adding it if missing, see `dict.setdefault`."""
        self.get(key)
        return super().setdefault(key, default)

    def __repr__(self) -> str:
        return repr(self.peek())

    def copy(self) -> Any:
        """Return a dictionary with the same entries, see `dict.copy`."""
        return dict(self)

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __eq__(self, other: object) -> bool:
        return self.peek() == open_all(other)

    def __ne__(self, other: object) -> bool:
        return self.peek() != open_all(other)


class _Values(ValuesView[Any]):
    def __init__(self, table: PackedDict[Any, Any]) -> None:
        super().__init__(table)
        self._table = table

    def __iter__(self) -> Iterator[Any]:
        return map(self._table.__getitem__, self._table)

    def __reversed__(self) -> Iterator[Any]:
        return map(self._table.__getitem__, reversed(self._table))

    def __repr__(self) -> str:
        return repr(self._table.peek().values())


class _Items(ItemsView[Any, Any]):
    def __init__(self, table: PackedDict[Any, Any]) -> None:
        super().__init__(table)
        self._table = table

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return ((key, self._table[key]) for key in self._table)

    def __reversed__(self) -> Iterator[tuple[Any, Any]]:
        return ((key, self._table[key]) for key in reversed(self._table))

    def __repr__(self) -> str:
        return repr(self._table.peek().items())


class PackedList(list[V]):
    """A list whose entries may be packed, and to which entries are added."""

    #: Number of changes of entries that are not new ones at the end.
    changes: int = 0
    #: Number of packed entries that were read.
    _reads: int = 0

    def was_read(self, places: Collection[int]) -> bool:
        """Return whether so many packed entries were read that the list is not packed any more."""
        return self._reads >= _MOST_READS

    def peek(self) -> list[V]:
        """Return the entries in a new list; the packed ones are new objects in it, and stay packed here."""
        return [entry.open() if type(entry) is Packed else entry for entry in get_entries(self)]

    def unpack(self) -> None:
        """Unpack all entries for good."""
        for place in range(len(self)):
            self._read(place)

    def has_at(self, places: Iterable[int], entries: Iterable[Any]) -> bool:
        """Return whether these very entries are at these places."""
        stored = dict(enumerate(get_entries(self)))
        return all(stored.get(place) is entry for place, entry in zip(places, entries, strict=True))

    def replace_by_packed(self, entries: Mapping[int, Packed]) -> None:
        """Replace the entries at some places by what `pack_entries` has returned for them."""
        stored = cast(list[Any], self)
        for place, entry in entries.items():
            stored[place] = entry

    def _read(self, place: SupportsIndex) -> V:
        entry: Any = super().__getitem__(place)
        if type(entry) is not Packed:
            return entry
        with unpacking:
            entry = super().__getitem__(place)
            if type(entry) is Packed:
                entry = entry.open()
                self[place] = entry
                self._reads += 1
        return entry

    # --- The methods of `list` that change entries, return them or look at them

    def __setitem__(self, place: Any, value: Any) -> None:
        self.changes += 1
        super().__setitem__(place, value)

    def __delitem__(self, place: Any) -> None:
        self.changes += 1
        super().__delitem__(place)

    def insert(self, place: SupportsIndex, value: V) -> None:
        """Insert an entry, see `list.insert`."""
        self.changes += 1
        super().insert(place, value)

    def clear(self) -> None:
        """Remove all entries, see `list.clear`."""
        self.changes += 1
        super().clear()

    def reverse(self) -> None:
        """Reverse the entries, see `list.reverse`."""
        self.changes += 1
        super().reverse()

    def extend(self, entries: Iterable[V]) -> None:
        """Add entries, see `list.extend`."""
        super().extend([*entries])  # of a packed list, too, which `list` would copy as it is

    def __iadd__(self, entries: Iterable[V]) -> Self:
        self.extend(entries)
        return self

    def __imul__(self, count: SupportsIndex) -> Self:
        self[:] = self * count
        return self

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self._read(index) for index in range(len(self))[place]]
        return self._read(place)

    def __iter__(self) -> Iterator[V]:
        place = 0
        while place < len(self):  # entries may be added meanwhile
            yield self._read(place)
            place += 1

    def __reversed__(self) -> Iterator[V]:
        return map(self._read, range(len(self) - 1, -1, -1))

    def __contains__(self, value: object) -> bool:
        return any(entry is value or entry == value for entry in self)

    def index(self, value: Any, *bounds: SupportsIndex) -> int:
        """Return the place of an entry, see `list.index`."""
        return [*self].index(value, *bounds)

    def count(self, value: Any) -> int:
        """Return the number of equal entries, see `list.count`."""
        return [*self].count(value)

    def pop(self, place: SupportsIndex = -1) -> V:
        """Remove an entry, see `list.pop`."""
        if self:
            self._read(place)
        self.changes += 1
        return super().pop(place)

    def remove(self, value: Any) -> None:
        """Remove the first equal entry, see `list.remove`."""
        del self[self.index(value)]

    def sort(self, **options: Any) -> None:
        """Sort the entries, see `list.sort`."""
        self[:] = sorted(self, **options)

    def copy(self) -> list[V]:
        """Return a list of the same entries, see `list.copy`."""
        return [*self]

    def __add__(self, other: Any) -> Any:
        return self.copy() + other

    def __radd__(self, other: Any) -> Any:
        return other + self.copy()

    def __mul__(self, count: SupportsIndex) -> list[V]:
        return [*self] * count

    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        return self.peek() == open_all(other)

    def __ne__(self, other: object) -> bool:
        return self.peek() != open_all(other)

    def __lt__(self, other: Any) -> bool:
        return self.peek() < open_all(other)

    def __le__(self, other: Any) -> bool:
        return self.peek() <= open_all(other)

    def __gt__(self, other: Any) -> bool:
        return self.peek() > open_all(other)

    def __ge__(self, other: Any) -> bool:
        return self.peek() >= open_all(other)

    def __repr__(self) -> str:
        return repr(self.peek())

    def __copy__(self) -> list[V]:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self.peek(),)
