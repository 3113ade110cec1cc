"""Fingerprints: whether anything inside an object of the tree has changed, for a fraction of the cost of encoding it.

A fingerprint keeps the containers and records inside an object, and references to everything that they contain. The
values themselves, such as numbers, texts and times, cannot change, so the object is unchanged if each container and
record still contains the very same objects. No assignment has to be reported for that: an entry of a plain dictionary
that code of a strategy has changed is noticed as well.

The slots of a record are the addresses of what it contains. They are copied as bytes, those of many records in one
call, and compared with the bytes of before; this takes a tenth of the time of listing the objects. What a container
contains is listed by `gc.get_referents` in a thirtieth of the time of a loop. It lists no text keys of dictionaries, so
these are compared in addition. The objects in two lists are compared by their addresses, all at once: a comparison for
equality would take ``Decimal("1.0")`` for 1, which is written otherwise or refused. Most containers are empty; `gc`
lists nothing for all of these as long as they are.
"""

import ctypes
import dataclasses
import datetime
import functools
import gc
import operator
import struct
import sys
import types
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Any, cast

from tradeexecutor.state.codec.leaves import LEAVES, SEPARATOR, is_repeated
from tradeexecutor.state.codec.packed_entries import Packed

__all__ = ["Fingerprint", "SharedObjects", "are_identical", "take_fingerprint"]

#: Types of most values, which cannot change.
_PLAIN_TYPES = frozenset({type(None), bool, int, float, str, Decimal, datetime.datetime})

_CONTAINERS = (dict, list, tuple, set, frozenset)


def _read_addresses(items: tuple[Any, ...]) -> bytes:
    """Return the addresses of the items of a tuple; CPython stores them behind the other fields of the tuple."""
    return ctypes.string_at(id(items) + tuple.__basicsize__, len(items) * tuple.__itemsize__)


def _can_read_addresses() -> bool:
    """Return whether this interpreter stores tuples in that way."""
    if sys.implementation.name != "cpython" or tuple.__itemsize__ != struct.calcsize("P"):
        return False
    probe = (object(), "text", 2**80)
    return _read_addresses(probe) == struct.pack("3P", *map(id, probe))


_get_addresses: Callable[[tuple[Any, ...]], bytes | tuple[int, ...]]
_get_addresses = _read_addresses if _can_read_addresses() else lambda items: tuple(map(id, items))


#: Where the slots of an object begin: at its type, which is the last field of the header that all objects have.
_SLOTS_START = object.__basicsize__ - struct.calcsize("P")


@functools.cache
def _get_view_type(size: int) -> type[ctypes.Array[ctypes.c_char]]:
    return ctypes.c_char * size


def _view_slots(record: object) -> ctypes.Array[ctypes.c_char]:
    """Return the memory of the slots of an object, which it must not outlive. They never move."""
    return _get_view_type(type(record).__basicsize__ - _SLOTS_START).from_address(id(record) + _SLOTS_START)


class _Probe:
    __slots__ = ("one", "two")

    def __init__(self) -> None:
        self.one, self.two = object(), object()


def _can_read_slots() -> bool:
    """Return whether this interpreter stores the slots of an object behind its type, as addresses."""
    if sys.implementation.name != "cpython":
        return False
    probe = _Probe()
    view = _view_slots(probe)
    before = bytes(view)
    if before != struct.pack("3P", id(_Probe), id(probe.one), id(probe.two)):
        return False
    probe.two = object()
    return bytes(view) == struct.pack("3P", id(_Probe), id(probe.one), id(probe.two))


_CAN_READ_SLOTS = _can_read_slots()


class _NotWatchable(Exception):
    """There is an object of a kind that may change unnoticed."""


class Fingerprint:
    """References to everything inside an object.

    Attributes
    ----------
    shared
        Objects that are in many places of the tree, such as pairs. They are not part of the fingerprint.
    is_constant
        Whether there is nothing inside the object that could change: it is a list of values, or of packed entries.
    """

    __slots__ = (
        *("_contained", "_empty", "_held", "_keyed", "_keys", "_owners", "_slots", "_tables", "_views"),
        *("is_constant", "shared"),
    )

    def __init__(self, value: Any, *, is_shared: bool = False) -> None:
        parts = _Parts()
        _collect(value, parts, is_shared=is_shared)
        if not _CAN_READ_SLOTS:
            parts.owners += parts.records
            parts.records.clear()
        self._views = [*map(_view_slots, parts.records)]
        self._slots = b"".join(self._views)
        #: Keeps alive what the addresses in the slots mean, so that no other object can get one of them.
        self._held = (value, *gc.get_referents(*parts.records))
        self._owners = tuple(parts.owners)
        self._contained = tuple(gc.get_referents(*parts.owners))
        self._empty = tuple(parts.empty)
        self._tables = parts.tables
        self._keyed = tuple(parts.keyed)
        self._keys = [*map(list, parts.keyed)]
        self.shared = tuple(parts.shared.values())
        is_flat = len(parts.owners) == 2 and parts.owners[0] is value and type(value) is list
        self.is_constant = is_flat and not (parts.records or parts.empty or parts.tables or parts.keyed)

    @property
    def size(self) -> int:
        """Bytes of the slots and addresses that are compared."""
        return len(self._slots) + len(self._contained) * tuple.__itemsize__

    def is_unchanged(self) -> bool:
        """Return whether everything is as it was when the fingerprint was taken."""
        return (
            b"".join(self._views) == self._slots
            and not gc.get_referents(*self._empty)
            and not any(map(len, self._tables))
            and are_identical(tuple(gc.get_referents(*self._owners)), self._contained)
            and (not self._keyed or [*map(list, self._keyed)] == self._keys)
        )


def are_identical(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Return whether two tuples contain the very same objects."""
    return len(one) == len(other) and _get_addresses(one) == _get_addresses(other)


class _Parts:
    """What is inside an object: records, containers with and without entries, and shared objects by id.

    `keyed` has the dictionaries among `owners` whose keys are compared in addition. `tables` has containers without
    entries that have attributes of their own, which `gc` lists.
    """

    __slots__ = ("empty", "keyed", "owners", "records", "shared", "tables")

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.owners: list[Any] = []
        self.empty: list[Collection[Any]] = []
        self.tables: list[Collection[Any]] = []
        self.keyed: list[dict[Any, Any]] = []
        self.shared: dict[int, Any] = {}


def take_fingerprint(value: Any, *, is_shared: bool = False) -> Fingerprint | None:
    """Return the fingerprint of a record of the tree; None if changes inside it could go unnoticed.

    Parameters
    ----------
    is_shared
        Whether the record is itself one that is in many places of the tree.
    """
    try:
        return Fingerprint(value, is_shared=is_shared)
    except (_NotWatchable, RecursionError):  # what contains itself cannot be written, but figures do not depend on it
        return None


class SharedObjects:
    """The objects that are in many places of the tree, such as pairs, inside of what has a fingerprint."""

    def __init__(self) -> None:
        #: id() -> object and its fingerprint.
        self._watched: dict[int, tuple[Any, Fingerprint]] = {}

    def watch(self, fingerprint: Fingerprint) -> bool:
        """Watch the shared objects that a fingerprint leaves out; return False if they could change unnoticed."""
        waiting = list(fingerprint.shared)
        found: dict[int, tuple[Any, Fingerprint]] = {}
        while waiting:
            value = waiting.pop()
            if id(value) in self._watched or id(value) in found:
                continue
            inner = take_fingerprint(value, is_shared=True)
            if inner is None:
                return False  # and none of `found` is watched: what is inside of it may not be
            found[id(value)] = value, inner
            waiting += inner.shared
        self._watched |= found
        return True

    def are_unchanged(self) -> bool:
        """Return whether all of them are as they were when they were first watched."""
        return all(fingerprint.is_unchanged() for _, fingerprint in self._watched.values())


def _collect(value: Any, parts: _Parts, *, is_shared: bool = False) -> None:
    """Add what is inside a value that is not plain."""
    if isinstance(value, LEAVES):
        return
    kind = cast(type[Any], type(value))
    if isinstance(value, _CONTAINERS):
        items = cast(Collection[Any], value)
        if not len(items):
            (parts.empty if kind in _CONTAINERS else parts.tables).append(items)
            return
        parts.owners += (items, SEPARATOR)
        if isinstance(items, dict):
            if not all(isinstance(key, LEAVES) for key in items):
                raise _NotWatchable
            table = cast(dict[Any, Any], items)
            # `gc` lists {1: x} like {"a": x, "b": 1}, so the keys of free-form data are always compared.
            if kind is dict or any(isinstance(key, str) for key in table):
                parts.keyed.append(table)
            items = table.values()
    elif kind is Packed:
        parts.shared |= {id(item): item for item in value.shared}
        return
    elif is_repeated(value) and not is_shared:
        parts.shared[id(value)] = value
        return
    else:
        parts.records.append(value)
        items = (*_get_reader(kind)(value), getattr(value, "_unknown", None))
    for item in items:
        if type(item) not in _PLAIN_TYPES:
            _collect(item, parts)


@functools.cache
def _get_reader(cls: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that reads all data of a record; raises `_NotWatchable` for any other class."""
    if not dataclasses.is_dataclass(cls):
        raise _NotWatchable
    renamed: dict[str, str] = getattr(cls, "slot_names", {})
    names = [renamed.get(field.name, field.name) for field in dataclasses.fields(cls)]
    if not names or not all(isinstance(getattr(cls, name, None), types.MemberDescriptorType) for name in names):
        raise _NotWatchable
    read = operator.attrgetter(*names)
    return read if len(names) > 1 else lambda record: (read(record),)
