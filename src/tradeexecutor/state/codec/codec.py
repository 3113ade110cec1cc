"""Conversion between state objects and JSON; nothing outside this package reads or writes the JSON of a state.

Reading
    bytes -> plain tree (`msgspec.json.decode`) -> upcasting of old files (:mod:`tradeexecutor.state.codec.upcast`) ->
    typed objects (`msgspec.convert`; constructors check and normalise) -> keys that the schema does not contain are
    stored on their objects.

Writing
    typed objects -> plain tree (one pass, driven by the field annotations, refuses NaN, infinity and integers
    that JavaScript would round) -> bytes (`orjson.dumps`).

Rules of the JSON text: datetimes are epoch seconds, durations seconds, ``Decimal`` its exact text, enums their
value, sets sorted arrays, dictionary keys text. ``None`` is written as ``null``; no declared field is omitted.

The work is done in :mod:`~tradeexecutor.state.codec.decoding`, :mod:`~tradeexecutor.state.codec.encoding` and
:mod:`~tradeexecutor.state.codec.json_text`. This module has the base class of all objects of the tree, and is the
door of the package.
"""

import dataclasses
from typing import Any, ClassVar, Self, TypeVar

from tradeexecutor.state.codec.annotations import (
    LEFT_OUT_WHEN_EMPTY,
    field_types,
    is_left_out_when_empty,
    is_optional,
    strip_optional,
)
from tradeexecutor.state.codec.decoding import decode
from tradeexecutor.state.codec.encoded_values import INT_KEY_PATTERN, LEAF_FORMS
from tradeexecutor.state.codec.encoding import encode, encode_repeated_objects_once
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.codec.json_text import dump, parse
from tradeexecutor.state.codec.kept_groups import KeptGroups
from tradeexecutor.state.codec.kept_lists import KeptLists
from tradeexecutor.state.codec.unknown_keys import note_unknown_keys

__all__ = [
    "INT_KEY_PATTERN",
    "LEAF_FORMS",
    "LEFT_OUT_WHEN_EMPTY",
    "OpenAttributes",
    "Serialisable",
    "TextKeeper",
    "decode",
    "dump",
    "encode",
    "encode_repeated_objects_once",
    "field_types",
    "is_left_out_when_empty",
    "is_optional",
    "parse",
    "strip_optional",
]


K = TypeVar("K", KeptGroups, KeptLists)


@note_unknown_keys
class Serialisable:
    """Mixin of every class of the state tree: JSON in both directions.

    Keys of a file that this version does not declare are kept on the object and written back on save.
    """

    __slots__ = ("_unknown",)

    @property
    def unknown_keys(self) -> dict[str, Any]:
        """Plain JSON data of keys in the file that this version does not declare; written back on save."""
        return getattr(self, "_unknown", None) or {}

    #: Whether many places in the tree refer to the same object, such as the pair of trades.
    is_repeated: ClassVar[bool] = False

    #: Filled by the `dataclass` decorator of the subclass.
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    #: Field -> slot, where the slot has another name, see `watched_record`.
    slot_names: ClassVar[dict[str, str]] = {}

    def to_dict(self) -> dict[str, Any]:
        """Return the object as plain JSON data, the tree that `to_json` prints.

        Raises
        ------
        BadStateData
            A value cannot be represented in JSON; the message names its path.
        """
        return encode(self)

    def to_json(self) -> str:
        """Return compact JSON text; raises `BadStateData` like `to_dict`."""
        return self.to_json_bytes().decode()

    def to_json_bytes(self) -> bytes:
        """Return compact JSON text in UTF-8; raises `BadStateData` like `to_dict`."""
        with pause_garbage_collection(), encode_repeated_objects_once(only_for_dump=True):
            return dump(self.to_dict())

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Build the object from plain JSON data, running all constructors.

        Raises
        ------
        InvalidStateFile
            A key is missing, a type is wrong or a constructor refuses a value.
        """
        return decode(data, cls)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Build the object from JSON text; raises `InvalidStateFile` like `from_dict`."""
        return cls.from_dict(parse(text))


class TextKeeper(Serialisable):
    """Base of records with lists or dictionaries of which texts are kept, see `kept_groups`; a copy keeps none."""

    __slots__ = ("_kept",)

    def __getstate__(self) -> Any:
        """Return the data for a copy."""
        state: Any = super().__getstate__()
        attributes, slots = state
        return attributes, {name: value for name, value in slots.items() if name != "_kept"}

    def keep(self, name: str, kind: type[K]) -> K:
        """Return what is kept of the entries of a field: an object of the given class."""
        kept: dict[str, Any] | None = getattr(self, "_kept", None)
        if kept is None:
            kept = self._kept = {}
        found = kept.get(name)
        if found is None:
            found = kept[name] = kind()
        return found


class OpenAttributes(Serialisable):
    """Base of classes on which callers may set additional attributes, which are never saved."""
