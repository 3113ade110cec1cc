"""Annotations of the fields of the state tree, from which reading, writing and the schema are derived."""

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["LEFT_OUT_WHEN_EMPTY", "field_types", "is_left_out_when_empty", "is_optional", "strip_optional", "type_of"]

#: `type`, except that a type checker does not conclude from the answer that a dict has entries of unknown types.
type_of: Callable[[Any], type[Any]] = type

#: Metadata of a list whose key is left out of the JSON while it is empty. It is for rare data, so that other programs
#: see the key only in states that need it.
LEFT_OUT_WHEN_EMPTY: Mapping[str, bool] = types.MappingProxyType({"left_out_when_empty": True})


def is_left_out_when_empty(field: dataclasses.Field[Any]) -> bool:
    """Return whether the key of a field is left out of the JSON while its value is empty."""
    return LEFT_OUT_WHEN_EMPTY.items() <= field.metadata.items()


@functools.cache
def field_types(cls: type) -> dict[str, Any]:
    """Return the resolved annotation of every dataclass field of `cls`, in declaration order."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def strip_optional(hint: Any) -> Any:
    """Return X for ``X | None``; other types are returned unchanged."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(hint) if member is not type(None)]
        if len(members) == 1:
            return members[0]
    return hint


def is_optional(hint: Any) -> bool:
    """Return whether a value of the annotated type may be None."""
    return hint is Any or type(None) in typing.get_args(hint)
