"""Interning: equal pairs and assets of a file become the same object.

A file repeats the trading pair and the reserve asset in every position and every trade, so copies of them would use
most of the memory of a loaded state. A trading state has no such copies, because its trades refer to the pair of the
universe. `intern_equal_objects` gives a loaded state the same structure.

`Serialisable.is_repeated` marks the classes that are interned; every other object is in only one place of the tree. Two
objects are interned as one when their JSON texts are equal, or when the parser has made them one dictionary already.
Equal texts include the symbol, the fee and the metadata, not only the address that `TradingPairIdentifier` compares.
"""

import dataclasses
import functools
import typing
from collections.abc import Callable, Iterable
from typing import Any, cast

from tradeexecutor.state.codec.annotations import type_of
from tradeexecutor.state.codec.codec import Serialisable, dump, field_types, strip_optional
from tradeexecutor.state.errors import BadStateData

__all__ = ["intern_at", "intern_equal_objects"]

#: Builds an object of a class from plain JSON data, or raises.
_Decode = Callable[[Any, type], Any]

#: Interned objects by class and JSON text, and by the identity of their plain data, which is kept with them.
_Known = dict[Any, Any]

_Walk = Callable[[Any, _Known, _Decode], Any]


def intern_equal_objects(tree: Any, cls: type, decode: _Decode) -> None:
    """Replace pairs and assets in a plain tree by typed objects, and equal ones by the same object.

    Parameters
    ----------
    tree
        Plain JSON data of an object of `cls`, without unknown keys; changed in place.
    decode
        Function that decodes one object. Data that it cannot decode stays plain, so that decoding the whole tree
        reports it with its path.
    """
    walk = _get_walk(cls)
    if walk is not None:
        walk(tree, {}, decode)


def intern_at(places: Iterable[tuple[Any, Any, type]], decode: _Decode) -> None:
    """Replace pairs and assets at known places by typed objects, and those of one dictionary by the same object.

    Parameters
    ----------
    places
        Each is the list or dictionary that contains the plain data of an object, its key, and its class. Objects inside
        another one stand before it.
    decode
        As for `intern_equal_objects`.
    """
    known: dict[int, tuple[Any, Any]] = {}
    for owner, key, cls in places:
        value = owner[key]
        if type_of(value) is not dict:
            continue
        found = known.get(id(value))
        if found is None:
            try:
                found = decode(value, cls), value  # the plain data is kept, so that no other gets its identity
            except (BadStateData, ValueError, ArithmeticError):
                continue
            known[id(value)] = found
        owner[key] = found[0]


@functools.cache
def _get_walk(cls: type) -> _Walk | None:
    """Return the function that interns inside the plain data of a class; None when it has no repeated objects."""
    fields = {name: walk for name, hint in field_types(cls).items() if (walk := _make_walk(hint, cls))}
    if not fields:
        return None
    items = tuple(fields.items())

    def walk_fields(value: Any, known: _Known, decode: _Decode) -> Any:
        kind = type_of(value)
        if kind is dict:
            for name, walk in items:
                part = value.get(name)
                if part:  # neither missing nor an empty list
                    value[name] = walk(part, known, decode)
        return value

    return walk_fields


def _make_walk(hint: Any, owner: type) -> _Walk | None:
    hint = strip_optional(hint)
    if dataclasses.is_dataclass(hint):
        kind = cast(type[Any], hint)
        if issubclass(kind, Serialisable) and kind.is_repeated:
            return functools.partial(_intern, cast(type, hint))
        return _get_walk(kind) if kind is not owner else None
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    item = _make_walk(arguments[-1], owner) if origin in (list, dict) and arguments else None
    if item is None:
        return None
    walk_item = item

    def walk_items(value: Any, known: _Known, decode: _Decode) -> Any:
        kind = type_of(value)
        if kind is list:
            value[:] = [walk_item(part, known, decode) for part in value]
        elif kind is dict:
            for key, part in value.items():
                value[key] = walk_item(part, known, decode)
        return value

    return walk_items


def _intern(cls: type, value: Any, known: _Known, decode: _Decode) -> Any:
    kind = type_of(value)
    if kind is not dict:
        return value
    same = known.get(id(value))
    if same is not None:
        return same[0]
    try:
        key = cls, dump(value)
        found = known.get(key)
        if found is None:
            walk = _get_walk(cls)
            found = known[key] = decode(walk(value, known, decode) if walk else value, cls)
        known[id(value)] = found, value
    except (BadStateData, ValueError, ArithmeticError):  # a huge integer, a wrong type, a number that is not finite
        return value
    return found
