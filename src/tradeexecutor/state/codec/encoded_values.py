"""Plain JSON data of values of one type: numbers, texts, enums, and lists and dictionaries of them.

Every function refuses a value that would not be the same after reading.
"""

import enum
import math
import operator
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tradeexecutor.accounting.values import abbreviate, is_finite_decimal
from tradeexecutor.state.codec.annotations import type_of
from tradeexecutor.state.codec.bounds import MAX_ENTRIES, MAX_TEXT_LENGTH, describe_decimal_bounds
from tradeexecutor.state.errors import UnencodableValue
from tradeexecutor.state.types import JS_MAX_INT

__all__ = [
    "INT_KEY_PATTERN",
    "IS_FINITE",
    "LEAF_FORMS",
    "SHORT_DECIMAL",
    "Encoder",
    "LeafForm",
    "are_usual_numbers",
    "encode_decimal",
    "encode_float",
    "encode_int",
    "encode_list",
    "encode_mapping",
    "encode_number",
    "encode_optional_float",
    "encode_set",
    "encode_text",
    "make_enum_encoder",
    "require_entries",
]

#: Condition, for generated code, under which a float `v` is finite; faster than a call of `math.isfinite`.
IS_FINITE = "v - v == 0.0"

#: Converts one field value, never None, to plain JSON data.
Encoder = Callable[[Any], Any]


def encode_float(value: Any) -> Any:
    """Return a finite float; an integer becomes the float that is read again.

    Raises
    ------
    UnencodableValue
        The value is not a finite number.
    """
    if type(value) is float:
        if math.isfinite(value):
            return value
        raise UnencodableValue(value, "not a finite number, JSON has no such value")
    if type(value) is int:
        return float(encode_int(value))  # the type after reading, so that a reloaded state has the same text
    if isinstance(value, float):  # numpy.float64 is a subclass of float
        return encode_float(float(value))
    raise UnencodableValue(value, "expected a number")


def encode_optional_float(value: Any) -> Any:
    """Return a finite float or None."""
    # The values of plots, of which there may be one per bar: usual ones need no second call.
    return value if value is None or (type(value) is float and math.isfinite(value)) else encode_float(value)


def encode_int(value: Any) -> Any:
    """Return an integer that JavaScript reads exactly; a whole float becomes one.

    Raises
    ------
    UnencodableValue
        The value is not an integer, or too large for JavaScript.
    """
    if isinstance(value, int) and type(value) is not bool:
        if -JS_MAX_INT <= value <= JS_MAX_INT:
            return int(value)
        raise UnencodableValue(value, "larger than the largest integer JavaScript reads exactly")
    if isinstance(value, float) and value.is_integer():
        return encode_int(int(value))  # the type after reading
    raise UnencodableValue(value, "expected an integer")


def encode_number(value: Any) -> Any:
    """Return an integer or a finite float."""
    return encode_int(value) if type(value) is int else encode_float(value)


#: Plain Decimals of fewer characters are within the bounds.
SHORT_DECIMAL = 80


def encode_decimal(value: Any) -> str:
    """Return the exact text of a Decimal within the bounds.

    Raises
    ------
    UnencodableValue
        The value is not a Decimal, or outside the bounds.
    """
    if type(value) is Decimal:
        if value.is_finite():
            text = str(value)
            # A short text without an exponent is in bounds, and most are.
            if (len(text) < SHORT_DECIMAL and "E" not in text) or is_finite_decimal(value):
                return text
        raise UnencodableValue(value, describe_decimal_bounds())
    if type(value) is int:
        return encode_decimal(Decimal(value))
    raise UnencodableValue(value, "expected a Decimal")


def make_enum_encoder(cls: type[enum.Enum]) -> Encoder:
    """Return the function that returns the value of a member of `cls`."""

    def encode_member(value: Any) -> Any:
        if isinstance(value, cls):
            return value._value_  # a quarter of the time of `value`
        raise UnencodableValue(value, f"expected a {cls.__name__}")

    return encode_member


def encode_text(value: Any) -> Any:
    """Return a text within the bounds; raises `UnencodableValue` if the value is not text, or too long."""
    if isinstance(value, str):
        if len(value) <= MAX_TEXT_LENGTH:
            return str(value)
        raise UnencodableValue(value, f"{len(value):,} characters, at most {MAX_TEXT_LENGTH:,} are possible")
    raise UnencodableValue(value, "expected text")


def encode_bool(value: Any) -> Any:
    """Return a bool; raises `UnencodableValue` for anything else."""
    if isinstance(value, bool):
        return value
    raise UnencodableValue(value, "expected true or false")


def require_entries(value: Any, *kinds: type) -> None:
    """Raise unless the value is a container of one of these kinds, within the bounds.

    Raises
    ------
    UnencodableValue
        The value is another container, or too large.
    """
    if not isinstance(value, kinds):
        raise UnencodableValue(value, f"expected a {kinds[0].__name__}")
    if len(value) > MAX_ENTRIES:
        raise UnencodableValue(value, f"{len(value):,} entries, at most {MAX_ENTRIES:,} are possible")


def encode_list(encode_item: Encoder, value: Any) -> list[Any]:
    """Return the encoded items of a list or tuple."""
    if type_of(value) is not list or len(value) > MAX_ENTRIES:
        require_entries(value, list, tuple)
    try:
        return [encode_item(item) for item in value]
    except UnencodableValue:
        return _encode_items(value, encode_item)  # raises the error with its place


def _encode_items(value: Iterable[Any], encode_item: Encoder) -> list[Any]:
    result: list[Any] = []
    append = result.append
    try:
        for item in value:
            append(encode_item(item))
    except UnencodableValue as e:
        e.prepend(len(result))
        raise
    return result


def encode_set(encode_item: Encoder, value: Any) -> list[Any]:
    """Return the items in sorted order, so that equal states have equal files."""
    if type_of(value) is not set or len(value) > MAX_ENTRIES:
        require_entries(value, set, frozenset)
    items = _encode_items(value, encode_item)
    return items if len(items) < 2 else sorted(items, key=repr)


def encode_mapping(encode_item: Encoder, key_type: type, value: Any) -> dict[str, Any]:
    """Return the encoded entries of a dictionary whose keys are of one type."""
    if type_of(value) is not dict or len(value) > MAX_ENTRIES:
        require_entries(value, dict)
    result: dict[str, Any] = {}
    key: Any = None
    try:
        if not {key_type}.issuperset(map(type, value)):
            value = {_encode_key(key := original, key_type): item for original, item in value.items()}
        if encode_item is encode_optional_float and are_usual_numbers(value.values()):
            return dict(zip(map(str, value), value.values(), strict=True))
        try:
            return {str(key): encode_item(item) for key, item in value.items()}
        except UnencodableValue:
            for key, item in value.items():  # raises the error with its key
                result[str(key)] = encode_item(item)
    except UnencodableValue as e:
        e.prepend(key if isinstance(key, (int, str)) else abbreviate(key))
        raise
    return result


_USUAL_NUMBERS = frozenset({float, type(None)})


def are_usual_numbers(values: Collection[Any]) -> bool:
    """Return whether it is certain that all values are finite floats or None, as in the points of a plot."""
    types = set(map(type, values))
    return types <= _USUAL_NUMBERS and math.isfinite(sum(filter(None, values) if type(None) in types else values))


#: Text of an integer key of a dictionary, as it is written.
INT_KEY_PATTERN = r"^(0|-?[1-9][0-9]*)$"


def _encode_key(key: Any, key_type: type) -> Any:
    """Return a key of the declared type for a key of a subclass of it, or of NumPy."""
    if key_type is int and type(key) is not bool and hasattr(key, "__index__"):
        return operator.index(key)
    if isinstance(key, key_type) and type(key) is not bool:
        return key_type(key)
    raise UnencodableValue(key, f"dictionary keys must be of type {key_type.__name__} here")


class LeafForm(NamedTuple):
    """JSON form of a type without parts: how it is written, and how it is described to other programs."""

    encode: Encoder
    #: Condition, for the generated code, under which a value `v` is written as it is; empty if there is none.
    unchanged_if: str
    #: JSON Schema of what is written.
    json_schema: dict[str, Any]


LEAF_FORMS: Mapping[Any, LeafForm] = types.MappingProxyType(
    {
        str: LeafForm(
            encode_text,
            f"type(v) is str and len(v) <= {MAX_TEXT_LENGTH}",
            {"type": "string", "maxLength": MAX_TEXT_LENGTH},
        ),
        bool: LeafForm(encode_bool, "type(v) is bool", {"type": "boolean"}),
        int: LeafForm(
            encode_int,
            f"type(v) is int and -{JS_MAX_INT} <= v <= {JS_MAX_INT}",
            {"type": "integer", "minimum": -JS_MAX_INT, "maximum": JS_MAX_INT},
        ),
        float: LeafForm(encode_float, f"type(v) is float and {IS_FINITE}", {"type": "number"}),
        Decimal: LeafForm(encode_decimal, "", {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?(E[+-][0-9]+)?$"}),
    }
)
