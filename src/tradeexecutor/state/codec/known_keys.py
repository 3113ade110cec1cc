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
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple, cast

import msgspec

from tradeexecutor.state.codec.annotations import field_types, strip_optional
from tradeexecutor.state.codec.bounds import BoundedInt, BoundedText, limit_entries, print_checked
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.codec.decoding import EXAMINING_CLASSES
from tradeexecutor.state.codec.duplicate_keys import has_escaped_colons
from tradeexecutor.state.codec.json_text import dump
from tradeexecutor.state.errors import BadStateData
from tradeexecutor.state.types import Duration, UTCDatetime

__all__ = ["KnownTree", "parse_known"]

#: Repeated objects by class and JSON text: the tree, and the number of its colons.
_Repeated = dict[tuple[type, bytes], tuple[Any, int]]


class _Found(NamedTuple):
    """What was found in a tree while colons were counted."""

    repeated: _Repeated
    #: Text and data of any kind, whose colons are still to be counted.
    free: list[Any]
    #: Free data of which it is not certain that it is within the bounds.
    unchecked: list[Any]


#: Counts the colons in all values of one field, except in free data, and replaces the texts of repeated objects in them
#: by their trees. No value is None or empty.
_Count = Callable[[list[Any], _Found], int]

#: Field types whose JSON is never an object or a text with a colon.
_WITHOUT_COLONS: frozenset[Any] = frozenset(
    {bool, int, float, Decimal, UTCDatetime, Duration, datetime.datetime, datetime.timedelta, type(None)}
)


#: `type`, except that a type checker does not conclude from the answer that a dict has entries of unknown types.
_type_of: Callable[[Any], type[Any]] = type


class KnownTree(NamedTuple):
    """Plain tree of an object, in which equal pairs and assets are the same dictionary."""

    tree: dict[str, Any]
    #: Whether it is certain that all free data is within the bounds. Everything else is.
    has_checked_data: bool


class _OtherKeys(Exception):
    """A repeated object has unknown keys, or one key twice."""


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
    unchecked: list[Any] = []
    try:
        tree: Any = _get_decoder(cls, additional_keys).decode(content)
        found = _Found({}, [tree.get(key) for key in additional_keys], unchecked)
        colons = _count(cls, tree, found)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadStateData, _OtherKeys):
        return None
    if colons != content.count(b":") or has_escaped_colons(content):
        return None
    return KnownTree(tree, has_checked_data=not unchecked)


# --- Structure of the classes


@functools.cache
def _get_decoder(cls: type, additional_keys: tuple[str, ...] = ()) -> "msgspec.json.Decoder[Any]":
    with EXAMINING_CLASSES:
        return msgspec.json.Decoder(_get_structure(cls, additional_keys))


@functools.cache
def _get_structure(cls: type, additional_keys: tuple[str, ...] = ()) -> Any:
    """Return the dictionary type that has the keys of `cls`; repeated objects in it stay text."""
    keys: dict[str, Any] = {name: _get_field_structure(hint, cls) for name, hint in field_types(cls).items()}
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


def _is_repeated(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Serialisable) and hint.is_repeated


def _has_no_colons(hint: Any) -> bool:
    members = typing.get_args(hint) or (hint,)
    return typing.get_origin(hint) is not dict and all(
        item in _WITHOUT_COLONS or (isinstance(item, type) and issubclass(item, enum.Enum)) for item in members
    )


# --- Counting


def _count(cls: type, tree: Any, found: _Found) -> int:
    """Return the number of colons in the tree of an object and in additional data."""
    colons = _get_count(cls)([tree], found)
    if not found.free:
        return colons
    text = print_checked(found.free)  # printing is the fastest way through free data
    if text is None:
        found.unchecked.extend(found.free)
        text = dump(found.free)
    return colons + text.count(b":")


@functools.cache
def _get_count(cls: type) -> _Count:
    """Return the function that counts the colons in the trees of objects of `cls`."""
    repeated: list[tuple[str, type]] = []
    others: list[tuple[str, _Count]] = []
    for name, optional_hint in field_types(cls).items():
        hint = strip_optional(optional_hint)
        if _is_repeated(hint):
            repeated.append((name, hint))
        elif not _has_no_colons(hint):
            others.append((name, _make_count(hint, cls)))
    field_count = len(field_types(cls))

    def count_objects(trees: list[Any], found: _Found) -> int:
        colons = sum(map(len, trees))
        for name, kind in repeated:
            colons += sum([_parse_repeated(kind, tree, name, found) for tree in trees if name in tree])
        only = trees[0] if len(trees) == 1 else None  # so it is for most classes
        for name, count in others:
            if only is None:
                values = [value for tree in trees if (value := tree.get(name))]
            else:
                value = only.get(name)
                values = [value] if value else ()
            if values:
                colons += count(values, found)
        for tree in trees:
            if len(tree) < field_count:
                tree.update(_find_defaults(cls, tuple(tree)))
        return colons

    return count_objects


@functools.lru_cache(maxsize=1024)  # the objects of one class nearly always lack the same keys
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
    if dataclasses.is_dataclass(hint) and hint is not owner:
        return _get_count(cast(type, hint))
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (list, set, dict):
        item = strip_optional(arguments[-1])
        if _is_repeated(item):
            return functools.partial(_count_repeated, item)
        if _has_no_colons(item):
            return _count_keys
        count_item = _make_count(item, owner)
        if count_item is not _leave_for_printing:
            return functools.partial(_count_items, count_item)
    return _leave_for_printing


def _count_items(count_item: _Count, containers: list[Any], found: _Found) -> int:
    items: Iterable[Any] = chain.from_iterable(tree.values() if _type_of(tree) is dict else tree for tree in containers)
    return _count_keys(containers, found) + count_item(list(filter(None, items)), found)


def _count_repeated(cls: type, containers: list[Any], found: _Found) -> int:
    colons = _count_keys(containers, found)
    for tree in containers:
        colons += sum(
            [_parse_repeated(cls, tree, key, found) for key in (tree if _type_of(tree) is dict else range(len(tree)))]
        )
    return colons


def _parse_repeated(cls: type, owner: Any, key: Any, found: _Found) -> int:
    """Replace the text of a repeated object by its tree, the same one for equal texts; return the number of colons."""
    text = bytes(owner[key])
    known = found.repeated.get((cls, text))
    if known is None:
        tree: Any = _get_decoder(cls).decode(text) if text != b"null" else None
        colons = _count(cls, tree, found._replace(free=[])) if tree else 0
        if colons != text.count(b":"):
            raise _OtherKeys
        known = found.repeated[cls, text] = tree, colons
    owner[key], colons = known
    return colons


def _count_keys(containers: list[Any], found: _Found) -> int:
    """Count in the keys of dictionaries; lists have none."""
    dictionaries = [tree for tree in containers if _type_of(tree) is dict]
    return sum(map(len, dictionaries)) + "".join(chain.from_iterable(dictionaries)).count(":")


def _leave_for_printing(values: list[Any], found: _Found) -> int:
    found.free.extend(values)
    return 0
