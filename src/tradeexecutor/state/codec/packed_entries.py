"""Entries of a long history as compressed bytes, until somebody reads them.

A live strategy has thousands of closed positions after some years. Nearly nobody reads them again, but each is a
hundred objects that take memory, and in which every save searches for changes. `pack_entries` turns such entries into
`Packed` ones, and the tables that contain them (:mod:`packed_tables <tradeexecutor.state.codec.packed_tables>`) turn
one back when it is read. A reader sees no difference:

- An entry is packed only if nothing else has a reference to it or to anything inside it, so no change of it can be
  missed. This is what the garbage collector does to find a cycle that nobody can reach: the references from inside are
  subtracted from the number of references that Python counts. Weak references from outside count as well.
- An entry is packed only if it has no object in common with another one, which would become two objects.
- An entry is packed only if what is unpacked has the very same JSON text.
- Pairs and assets, which are in many places of the tree, are not packed: the entry keeps references to them. When one
  of them changes, all entries of the table are unpacked.
- An entry that was read stays unpacked, because whoever reads one cycle after cycle would only wait for it.
"""

import gc
import io
import pickle
import sys
import threading
import types
import weakref
import zlib
from collections.abc import Callable, Collection
from typing import Any

import orjson

from tradeexecutor.state.codec.leaves import LEAVES, SEPARATOR, is_repeated
from tradeexecutor.state.codec.printing import encode_repeated_objects_once

__all__ = ["Packed", "pack_entries", "print_packed", "unpacking"]

#: Level of `zlib`; higher ones take twice the time for a tenth of the size.
_LEVEL = 1

#: Objects inside the entries that are packed together, at most. More are no entries of a table.
_MOST_INSIDE = 100_000

#: What is inside of an entry but belongs to the program, or cannot change.
_NOT_INSIDE = (
    *LEAVES,
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.ModuleType,
)

#: Objects of which there is only one.
_SINGLETONS = frozenset(map(id, ((), SEPARATOR, *SEPARATOR)))

#: Held while an entry is unpacked, so that all threads get the same object.
unpacking = threading.RLock()


class Packed:
    """One entry. It never changes.

    Attributes
    ----------
    shared
        Objects inside that are in many places of the tree.
    """

    __slots__ = ("_data", "_encode", "_frozen", "shared")

    def __init__(self, data: bytes, shared: tuple[Any, ...], frozen: bytes, encode: Callable[[Any], Any]) -> None:
        self._data = data
        self._encode = encode
        #: A copy of the shared objects.
        self._frozen = frozen
        self.shared = shared

    def open(self) -> Any:
        """Return the entry as a new object."""
        return _Unpickler(zlib.decompress(self._data), self.shared).load()

    def make_text(self) -> bytes:
        """Return the JSON text that the entry had when it was packed, whatever has become of the shared objects."""
        shared = pickle.loads(self._frozen)  # made by `pack_entries` in this process
        entry = _Unpickler(zlib.decompress(self._data), shared).load()
        with encode_repeated_objects_once(only_for_dump=True):
            return orjson.dumps(self._encode(entry))


class _Pickler(pickle.Pickler):
    """Leaves out the objects that are in many places of the tree."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.shared: list[Any] = []
        self._places: dict[int, int] = {}

    def persistent_id(self, obj: Any) -> int | None:
        if not is_repeated(obj):
            return None
        place = self._places.setdefault(id(obj), len(self.shared))
        if place == len(self.shared):
            self.shared.append(obj)
        return place


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, shared: tuple[Any, ...]) -> None:
        super().__init__(io.BytesIO(data))
        self._shared = shared

    def persistent_load(self, pid: Any) -> Any:
        return self._shared[pid]


class _Packer:
    """Packs the entries of a group, which nearly always have the same shared objects."""

    def __init__(self, encode: Callable[[Any], Any]) -> None:
        self._encode = encode
        #: Ids of shared objects -> these objects, and a copy of them.
        self._copies: dict[tuple[int, ...], tuple[tuple[Any, ...], bytes]] = {}

    def pack(self, entry: Any, text: bytes) -> Packed | None:
        """Return a packed entry; None if it cannot be packed, or if it has another text when it is unpacked."""
        file = io.BytesIO()
        pickler = _Pickler(file)
        try:
            pickler.dump(entry)
            packed = Packed(zlib.compress(file.getvalue(), _LEVEL), *self._copy(pickler.shared), self._encode)
            return packed if packed.make_text() == text else None
        except Exception:  # an attribute that a strategy has added may be anything; then all stays as it is
            return None

    def _copy(self, shared: list[Any]) -> tuple[tuple[Any, ...], bytes]:
        key = tuple(map(id, shared))
        if key not in self._copies:
            self._copies[key] = tuple(shared), pickle.dumps(tuple(shared), pickle.HIGHEST_PROTOCOL)
        return self._copies[key]


def pack_entries(
    entries: list[Any], texts: list[bytes], encode: Callable[[Any], Any], holders: Collection[Any], known: int
) -> list[Packed] | None:
    """Return packed entries; None if one cannot be packed, or if somebody may still use it.

    Parameters
    ----------
    entries, texts
        The entries, and the JSON text of each.
    encode
        Returns the plain data of an entry.
    holders
        Objects that refer to anything inside the entries and that the caller discards afterwards.
    known
        Number of other references to each entry that the caller replaces afterwards, that of `entries` included.
    """
    if not _are_free(entries, holders, known):
        return None
    packer = _Packer(encode)
    found: list[Packed] = []
    for entry, text in zip(entries, texts, strict=True):
        packed = packer.pack(entry, text)
        if packed is None:
            return None
        found.append(packed)
    return found


def _are_free(entries: list[Any], holders: Collection[Any], known: int) -> bool:
    """Return whether nothing but `holders`, and `known` references to each entry, refers to what is inside."""
    search = _References(entries, holders, known)
    for place in range(len(entries)):  # a variable for the entry would be one more reference
        search.follow(place, entries[place : place + 1])
    search.follow(len(entries), [*holders])
    return search.are_all_known()


class _References:
    """A count of the references to what is inside some entries."""

    def __init__(self, entries: list[Any], holders: Collection[Any], known: int) -> None:
        probe = object()
        #: id() -> object inside; only this refers to the first one, which shows how many references are made here.
        self._inside: dict[int, Any] = {id(probe): probe} | {id(entry): entry for entry in entries}
        self._probe = id(probe)
        #: id() -> number of references that were found.
        self._found = {self._probe: 0} | {id(entry): known for entry in entries}
        #: id() -> place of the entry that it is inside of.
        self._places = {id(entry): place for place, entry in enumerate(entries)}
        self._holders = set(map(id, holders))
        self._number_of_entries = len(entries)
        self._weak: set[int] = set()
        self._is_refused = False

    def follow(self, place: int, waiting: list[Any]) -> None:
        """Count the references of the entry at a place, or of the holders, and of all that is inside."""
        while waiting and not self._is_refused:
            waiting += self._count(waiting.pop(), place)
            self._is_refused |= len(self._inside) > _MOST_INSIDE

    def _count(self, holder: Any, place: int) -> list[Any]:
        """Count the references of an object to what is inside, and return those objects that were not known yet."""
        new: list[Any] = []
        for item in gc.get_referents(holder):
            number = id(item)
            if isinstance(item, weakref.ref):
                self._weak.add(number)
                continue
            if number in self._holders or number in _SINGLETONS or isinstance(item, _NOT_INSIDE) or is_repeated(item):
                continue
            self._found[number] = self._found.get(number, 0) + 1
            if number not in self._inside:
                self._inside[number] = item
                self._places[number] = place
                new.append(item)
            elif self._places[number] != place < self._number_of_entries:
                self._is_refused = True  # each entry would have an object of its own afterwards
        return new

    def are_all_known(self) -> bool:
        """Return whether nothing else refers to what is inside, and no two entries to the same object."""
        counts = {number: sys.getrefcount(self._inside[number]) for number in self._inside}
        made_here = counts[self._probe]
        return (
            not self._is_refused
            and all(counts[number] == count + made_here for number, count in self._found.items())
            and all(self._weak.issuperset(map(id, weakref.getweakrefs(item))) for item in self._inside.values())
        )


def print_packed(value: object) -> orjson.Fragment:
    """Return the text of a packed entry in a tree, for `orjson.dumps`; raises `TypeError` for anything else."""
    if type(value) is not Packed:
        raise TypeError(f"Type is not JSON serializable: {type(value).__name__}")
    return orjson.Fragment(value.make_text())
