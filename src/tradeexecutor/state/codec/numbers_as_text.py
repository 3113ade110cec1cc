"""Conversion of numbers that the reference wrote as text.

Some of its computations assign a ``Decimal`` to a field that is declared as a float, such as the liquidation price of a
short. Its files then contain ``"2294.99"`` instead of a number. Such texts are read as numbers, and written as numbers.
"""

import math
import types
import typing
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any, cast

__all__ = ["read_number", "replace_numbers_written_as_text"]

#: The longest text that is read as a number, characters.
_MAX_DIGITS = 100


def replace_numbers_written_as_text(tree: Any, cls: type, get_field_types: Callable[[type], dict[str, Any]]) -> bool:
    """Replace texts that contain a finite number by that number in fields that `cls` declares as float; in place.

    Parameters
    ----------
    tree
        Plain JSON data of one object of `cls`.
    get_field_types
        Function that returns the resolved annotations of a data class.

    Returns
    -------
    bool
        Whether anything was replaced.
    """
    if not isinstance(tree, dict):
        return False
    node, replaced = cast(dict[str, Any], tree), False
    for name, hint in get_field_types(cls).items():
        if node.get(name) is not None:
            node[name], changed = _read(node[name], hint, get_field_types)
            replaced |= changed
    return replaced


def _read(value: Any, hint: Any, get_field_types: Callable[[type], dict[str, Any]]) -> tuple[Any, bool]:
    """Return the value converted to the type of its annotation, and whether it has changed."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(hint) if member is not type(None)]
        if isinstance(value, str) and str not in members and float in members:
            return _read_number(value)
        hint = members[0] if len(members) == 1 else hint
    if hint is float and isinstance(value, str):
        return _read_number(value)
    if is_dataclass(hint):
        return value, replace_numbers_written_as_text(value, cast(type, hint), get_field_types)
    arguments = typing.get_args(hint)
    if not arguments:
        return value, False
    return value, _replace_items(value, arguments[-1], get_field_types)


def _replace_items(container: Any, hint: Any, get_field_types: Callable[[type], dict[str, Any]]) -> bool:
    """Convert the items of a list or map in place, and return whether any item has changed."""
    if isinstance(container, dict):
        places: list[Any] = list(cast(dict[str, Any], container))
    else:
        places = list(range(len(cast(list[Any], container)))) if isinstance(container, list) else []
    replaced = False
    for place in places:
        container[place], changed = _read(container[place], hint, get_field_types)
        replaced |= changed
    return replaced


def _read_number(text: str) -> tuple[Any, bool]:
    number = read_number(text)
    return (text, False) if number is None else (number, True)


def read_number(text: str) -> float | None:
    """Return the finite number in a text as a float; None when the text is not such a number."""
    try:
        number = float(text) if len(text) <= _MAX_DIGITS and "_" not in text else math.nan
    except ValueError:
        number = math.nan
    return number if math.isfinite(number) else None
