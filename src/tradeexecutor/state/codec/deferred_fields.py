"""Fields whose objects are built when somebody reads them.

A load checks the data of such a field, and keeps it in a form from which a save can write it at once:
:mod:`samples <tradeexecutor.state.codec.deferred_series>` as plain structures, free-form data as JSON text.
"""

import threading
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from tradeexecutor.state.codec.annotations import type_of
from tradeexecutor.state.codec.bounds import print_free_data
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection

__all__ = ["BUILDING", "Deferred", "DeferredData", "defer_data", "defer_fields"]

T = TypeVar("T", bound=type)

#: Held while objects are built, so that all threads get the same ones.
BUILDING = threading.RLock()

#: Bytes of free-form data from which it is deferred.
_LEAST_SIZE = 1 << 12
#: Digits of a key that is certain to be an integer within the bounds.
_MAX_KEY = 15


class Deferred(ABC):
    """Checked data of a field whose objects are not built yet."""

    __slots__ = ()

    @abstractmethod
    def make_objects(self) -> Any:
        """Return the objects that an immediate conversion would have made, in a new container."""

    @abstractmethod
    def make_plain(self) -> Any:
        """Return the plain JSON data that the encoder would make of the objects."""

    @abstractmethod
    def make_text(self) -> bytes:
        """Return the JSON text of that data."""


class DeferredData(Deferred):
    """Free-form data: a dictionary with texts as keys, or one with numbers as keys that contains such ones."""

    __slots__ = ("_has_numbers", "_text")

    def __init__(self, text: bytes, *, has_numbers: bool) -> None:
        self._text = text
        self._has_numbers = has_numbers

    def make_objects(self) -> Any:
        """Return the dictionary."""
        with pause_garbage_collection():
            table: dict[str, Any] = self.make_plain()
            return dict(zip(map(int, table), table.values(), strict=True)) if self._has_numbers else table

    def make_plain(self) -> Any:
        """Return the dictionary with texts as keys."""
        return orjson.loads(self._text)

    def make_text(self) -> bytes:
        """Return the JSON text."""
        return self._text


def defer_data(tree: Any, hint: Any) -> DeferredData | None:
    """Return free-form data of a field in the form in which a save writes it.

    Returns
    -------
    DeferredData or None
        None if the data is small, or if it is not certain that the field accepts it.
    """
    has_numbers = typing.get_args(hint)[0] is int
    if type_of(tree) is not dict or (has_numbers and not _is_numbered(tree)):
        return None
    text = print_free_data(tree)
    return None if text is None or len(text) < _LEAST_SIZE else DeferredData(text, has_numbers=has_numbers)


def _is_numbered(table: dict[str, Any]) -> bool:
    """Return whether the keys are integers as they are written, and the values dictionaries."""
    try:
        is_canonical = [*map(str, map(int, table))] == [*table]
    except ValueError:
        return False
    return is_canonical and max(map(len, table)) <= _MAX_KEY and {dict}.issuperset(map(type, table.values()))


def defer_fields(**make_container: Callable[[Any], Any]) -> Callable[[T], T]:
    """Make fields of a data class with slots accept `Deferred` data, whose objects are built when the field is read.

    Parameters
    ----------
    make_container
        Field -> function that makes the value of the field of the list or dictionary that was read.
    """

    def decorate(cls: T) -> T:
        record: Any = cls
        for name, make in make_container.items():
            slot = f"_{name}"
            descriptor = cls.__dict__[name]
            setattr(cls, slot, descriptor)
            setattr(cls, name, property(_make_getter(descriptor, make), descriptor.__set__, descriptor.__delete__))
            record.slot_names = record.slot_names | {name: slot}
        record.deferred_fields = frozenset(make_container)
        return cls

    return decorate


def _make_getter(slot: Any, make_container: Callable[[Any], Any]) -> Callable[[Any], Any]:
    read = slot.__get__

    def get(record: Any) -> Any:
        value = read(record)
        if not isinstance(value, Deferred):
            return value
        with BUILDING:
            value = read(record)
            if isinstance(value, Deferred):
                value = make_container(value.make_objects())
                slot.__set__(record, value)
        return value

    return get
