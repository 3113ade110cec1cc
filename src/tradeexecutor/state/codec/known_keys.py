"""Parsing of a text in which every key is known, and none occurs twice in its object.

Nearly all files are like that. One pass of the parser, which has the structure of the classes, then replaces three:
the parsing into dictionaries, the search for unknown keys, and the search for keys that occur twice. Pairs and assets,
which a file repeats in every trade, are parsed once for each different text, and equal ones become the same dictionary.

Values beyond the bounds are refused like unknown keys.

The parser drops unknown keys and all but the last of equal keys without an error. Both are found by counting: there is
one colon in the text after each key, and the others are inside keys and texts. If the colons of the tree (one for each
key, and those inside keys and texts) are as many as those of the text, nothing was dropped.

The count leaves out what cannot contain a key, such as numbers and times. It may therefore miss colons of an unusual
text, but it never counts one that is not there. `parse_known` then returns None, and the text has to be parsed and
checked in the general way.

Old files lack many keys. The converter to typed objects takes ten times as long for a key that is missing as for one
that is there, so defaults are added to the tree.
"""

import dataclasses
import datetime
import enum
import functools
import typing
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple, cast

import msgspec

from tradeexecutor.state.codec.annotations import field_types, strip_optional, type_of
from tradeexecutor.state.codec.bounds import BoundedInt, BoundedText, limit_entries, print_checked
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.codec.counting import count_colons
from tradeexecutor.state.codec.decoding import EXAMINING_CLASSES
from tradeexecutor.state.codec.deferred_fields import Deferred, defer_data
from tradeexecutor.state.codec.deferred_series import parse_series
from tradeexecutor.state.codec.duplicate_keys import has_escaped_colons
from tradeexecutor.state.codec.generated_code import compile_function
from tradeexecutor.state.codec.json_text import dump
from tradeexecutor.state.errors import BadStateData
from tradeexecutor.state.types import Duration, UTCDatetime

__all__ = ["KnownTree", "parse_known"]

#: Repeated objects by class and JSON text: the tree, and the number of its colons.
_Repeated = dict[tuple[type, bytes], tuple[Any, int]]

#: A repeated object: the list or dictionary that contains its tree, the key of the tree in it, and its class.
Place = tuple[Any, Any, type]


class _Found:
    """What was found in a tree while colons were counted."""

    __slots__ = ("deferred", "free", "places", "repeated", "unchecked")

    def __init__(self, free: list[Any]) -> None:
        self.repeated: _Repeated = {}
        #: Text and data of any kind, whose colons are still to be counted.
        self.free = free
        #: Free data of which it is not certain that it is within the bounds.
        self.unchecked: list[Any] = []
        #: All places of repeated objects; those inside a repeated object stand before it.
        self.places: list[Place] = []
        #: Data of deferred fields, by class and field.
        self.deferred: dict[tuple[type, str], Deferred] = {}

    def count_free(self) -> int:
        """Return the number of colons in the texts and data of any kind, and forget these."""
        free = self.free
        if not free:
            return 0
        text = print_checked(free)  # printing is the fastest way through free data
        if text is None:
            self.unchecked.extend(free)
            text = dump(free)
        self.free = []
        return count_colons(text)


#: Counts the colons in a value, except in free data, and replaces the texts of repeated objects in it by their trees.
#: The value is neither None nor empty.
_Count = Callable[[Any, _Found], int]

#: Field types whose JSON is never an object or a text with a colon.
_WITHOUT_COLONS: frozenset[Any] = frozenset(
    {bool, int, float, Decimal, UTCDatetime, Duration, datetime.datetime, datetime.timedelta, type(None)}
)


class KnownTree(NamedTuple):
    """Plain tree of an object, in which equal pairs and assets are the same dictionary."""

    tree: dict[str, Any]
    #: Whether it is certain that all free data is within the bounds. Everything else is.
    has_checked_data: bool
    #: All places of pairs and assets; those inside one stand before it.
    places: list[Place]
    #: Data of deferred fields, by class and field; the tree contains empty containers instead.
    deferred: dict[tuple[type, str], Deferred]


def parse_known(content: bytes, cls: type, additional_keys: tuple[str, ...] = ()) -> KnownTree | None:
    """Parse the JSON text of an object.

    Parameters
    ----------
    cls
        Class of the object.
    additional_keys
        Keys of the outermost object that are no fields of the class.

    Returns
    -------
    KnownTree or None
        None when it is not certain that every key is known and unique and every value of a declared type within its
        bounds, or when the text is no such JSON at all.
    """
    try:
        tree: Any = _get_decoder(cls, additional_keys).decode(content)
        additional = {key: tree.pop(key) for key in additional_keys if key in tree}
        found = _Found(list(additional.values()))
        colons = len(additional) + _get_count(cls)(tree, found) + found.count_free()
        tree |= additional
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadStateData):
        return None
    if colons != count_colons(content) or has_escaped_colons(content):
        return None
    return KnownTree(tree, not found.unchecked, found.places, found.deferred)


# --- Structure of the classes


@functools.cache
def _get_decoder(cls: type, additional_keys: tuple[str, ...] = ()) -> "msgspec.json.Decoder[Any]":
    with EXAMINING_CLASSES:
        return msgspec.json.Decoder(_get_structure(cls, additional_keys))


@functools.cache
def _get_structure(cls: type, additional_keys: tuple[str, ...] = ()) -> Any:
    """Return the dictionary type that has the keys of `cls`; repeated objects in it stay text."""
    keys: dict[str, Any] = {name: _get_field_structure(hint, cls) for name, hint in field_types(cls).items()}
    keys.update(dict.fromkeys(_get_deferred_series(cls), msgspec.Raw))
    keys.update(dict.fromkeys(additional_keys, Any))
    make_type: Any = typing.TypedDict
    return make_type(cls.__name__, keys, total=False)


def _get_field_structure(hint: Any, owner: type) -> Any:
    hint = strip_optional(hint)
    if hint is int:
        return BoundedInt | None
    if hint is str:
        return BoundedText | None
    if _is_repeated(hint):
        return msgspec.Raw
    if dataclasses.is_dataclass(hint):
        return _get_structure(cast(type, hint)) | None if hint is not owner else Any
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (list, set, dict):
        item = _get_field_structure(arguments[-1], owner)
        if item is not Any:
            return limit_entries(dict[str, item] if origin is dict else list[item]) | None
    return Any


def _get_deferred_fields(cls: type) -> frozenset[str]:
    return getattr(cls, "deferred_fields", frozenset())


def _get_deferred_series(cls: type) -> set[str]:
    """Return the deferred fields that contain records; the others contain free-form data."""
    return {name for name in _get_deferred_fields(cls) if not _is_free(field_types(cls)[name])}


def _is_free(hint: Any) -> bool:
    arguments = typing.get_args(hint)
    return hint is Any or (typing.get_origin(hint) is dict and _is_free(arguments[1]))


def _is_repeated(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Serialisable) and hint.is_repeated


def _has_no_colons(hint: Any) -> bool:
    members = typing.get_args(hint) or (hint,)
    return typing.get_origin(hint) is not dict and all(
        item in _WITHOUT_COLONS or (isinstance(item, type) and issubclass(item, enum.Enum)) for item in members
    )


# --- Counting


@functools.cache
def _get_count(cls: type) -> _Count:
    """Return the generated function that counts the colons in the tree of one object of `cls`.

    It runs for every object of a file, so it is straight-line code that looks at the fields that may have colons.
    """
    series = _get_deferred_series(cls)
    free = _get_deferred_fields(cls) - series
    namespace: dict[str, Any] = {
        "cls": cls,
        "defer_data": _defer_data,
        "find_defaults": _find_defaults,
        "parse_repeated": _parse_repeated,
        "parse_series": _parse_series,
    }
    hints = field_types(cls)
    lines = ["def count(tree, found):", "    colons = size = len(tree)", "    get = tree.get"]
    for index, (name, optional_hint) in enumerate(hints.items()):
        hint = strip_optional(optional_hint)
        namespace[f"hint{index}"] = hint
        call = None
        if name in series:
            call = f"parse_series(cls, tree, {name!r}, found)"
        elif name in free:
            call = f"defer_data(cls, tree, {name!r}, found)"
        elif _is_repeated(hint):
            call = f"parse_repeated(hint{index}, tree, {name!r}, found)"
        if call is not None:
            lines += [f"    if {name!r} in tree:", f"        colons += {call}"]
            continue
        if _has_no_colons(hint):
            continue
        lines += [f"    value = get({name!r})", "    if value:"]
        count = namespace[f"count{index}"] = _make_count(hint, cls)
        is_free = count is _leave_for_printing
        lines.append(f"        {'found.free.append(value)' if is_free else f'colons += count{index}(value, found)'}")
    lines += [f"    if size < {len(hints)}:", "        tree.update(find_defaults(cls, tuple(tree)))"]
    lines.append("    return colons")
    return compile_function("count", "\n".join(lines), namespace, f"count of colons in {cls.__qualname__}")


@functools.lru_cache(maxsize=1024)
def _find_defaults(cls: type, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the defaults of other fields than those named, as far as the JSON data is the same and cannot change."""
    return {
        field.name: field.default
        for field in dataclasses.fields(cls)
        if field.name not in keys
        and (
            type(field.default) in (bool, int, float)
            or (field.default is None and strip_optional(hint := field_types(cls)[field.name]) is not hint)
        )
    }


def _make_count(hint: Any, owner: type) -> _Count:
    """Return the function that counts in one value, which is neither None nor empty."""
    if dataclasses.is_dataclass(hint) and hint is not owner:
        return _get_count(cast(type, hint))
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin not in (list, set, dict):
        return _leave_for_printing
    item = strip_optional(arguments[-1])
    if _is_repeated(item):
        return functools.partial(_count_repeated, item)
    if _has_no_colons(item):
        return _count_keys
    count_item = _make_count(item, owner)
    if count_item is _leave_for_printing:
        return count_item
    if dataclasses.is_dataclass(item) and all(map(_has_no_colons, field_types(cast(type, item)).values())):
        return functools.partial(_count_flat_records, count_item, len(field_types(cast(type, item))))
    return functools.partial(_count_items, count_item)


def _count_items(count_item: _Count, container: Any, found: _Found) -> int:
    if type_of(container) is dict:
        return _count_keys(container, found) + sum([count_item(item, found) for item in container.values() if item])
    return sum([count_item(item, found) for item in container if item])


def _count_flat_records(count_item: _Count, size: int, container: Any, found: _Found) -> int:
    """Count in records without texts, of which nearly all have all keys: without a call for each."""
    records = container.values() if type_of(container) is dict else container
    try:
        sizes = [*map(len, records)]
    except TypeError:  # one is None
        sizes = [0]
    if min(sizes) < size:
        return _count_items(count_item, container, found)
    return _count_keys(container, found) + sum(sizes)


def _count_repeated(cls: type, container: Any, found: _Found) -> int:
    keys = container if type_of(container) is dict else range(len(container))
    return _count_keys(container, found) + sum([_parse_repeated(cls, container, key, found) for key in keys])


def _parse_repeated(cls: type, owner: Any, key: Any, found: _Found) -> int:
    """Replace the text of a repeated object by its tree, the same one for equal texts; return the number of colons."""
    text = bytes(owner[key])
    known = found.repeated.get((cls, text))
    if known is None:
        tree: Any = _get_decoder(cls).decode(text) if text != b"null" else None
        colons = 0
        if tree:
            outside, found.free = found.free, []
            colons = _get_count(cls)(tree, found) + found.count_free()
            found.free = outside
        known = found.repeated[cls, text] = tree, colons
    owner[key], colons = known
    found.places.append((owner, key, cls))
    return colons


def _parse_series(cls: type, owner: dict[str, Any], key: str, found: _Found) -> int:
    """Take the series of a deferred field out of a tree, and return the number of its colons.

    A series that cannot be deferred becomes part of the tree.
    """
    text = bytes(owner[key])
    hint = field_types(cls)[key]
    parsed = parse_series(text, hint)
    if parsed is None:
        owner[key] = value = _get_value_decoder(hint).decode(text)
        return _make_count(strip_optional(hint), cls)(value, found) if value else 0
    found.deferred[cls, key], colons = parsed
    owner[key] = typing.get_origin(hint)()
    return colons


def _defer_data(cls: type, owner: dict[str, Any], key: str, found: _Found) -> int:
    """Take the free-form data of a deferred field out of a tree, and return the number of its colons.

    Data that cannot be deferred stays, and its colons are counted with those of all free data.
    """
    tree = owner[key]
    deferred = defer_data(tree, field_types(cls)[key]) if tree else None
    if deferred is None:
        return _leave_for_printing(tree, found) if tree else 0
    found.deferred[cls, key] = deferred
    owner[key] = {}
    return count_colons(deferred.make_text())


@functools.cache
def _get_value_decoder(hint: Any) -> "msgspec.json.Decoder[Any]":
    with EXAMINING_CLASSES:
        return msgspec.json.Decoder(_get_field_structure(hint, object))


def _count_keys(container: Any, found: _Found) -> int:
    """Count in the keys of a dictionary; a list has none."""
    return len(container) + "".join(container).count(":") if type_of(container) is dict else 0


def _leave_for_printing(value: Any, found: _Found) -> int:
    found.free.append(value)
    return 0
