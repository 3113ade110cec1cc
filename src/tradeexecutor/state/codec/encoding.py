"""Writing: objects of the state tree, and free-form data, become plain JSON data.

One pass, driven by the annotations of the fields, refuses what must not be saved.
"""

import contextlib
import dataclasses
import datetime
import enum
import functools
import math
import threading
import types
import typing
from collections.abc import Generator, Mapping
from decimal import Decimal
from typing import Any, cast

from tradeexecutor.state.codec.annotations import field_types, is_left_out_when_empty, is_optional, strip_optional
from tradeexecutor.state.codec.bounds import check_free_data
from tradeexecutor.state.codec.encoded_values import (
    LEAF_FORMS,
    Encoder,
    encode_decimal,
    encode_float,
    encode_int,
    encode_list,
    encode_mapping,
    encode_number,
    encode_optional_float,
    encode_set,
    encode_text,
    make_enum_encoder,
    require_entries,
)
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.codec.generated_code import compile_function
from tradeexecutor.state.errors import BadStateData, InvalidValue, TradeExecutorError, UnencodableValue
from tradeexecutor.state.types import WireType, to_epoch, to_seconds

__all__ = ["encode", "encode_repeated_objects_once"]


def encode(value: Any) -> Any:
    """Turn a dataclass of the tree, or free-form data, into plain JSON data.

    Raises
    ------
    BadStateData
        A value cannot be written; the message contains its path.
    """
    try:
        with pause_garbage_collection():
            return _encode_free(value)
    except UnencodableValue as e:
        raise e.located() from None
    except RecursionError:
        raise BadStateData("nested too deeply, or an object contains itself") from None


# --- Free-form data -------------------------------------------------------------------------------------------


def _encode_free(value: Any) -> Any:
    """Encode data whose type is known only at run time."""
    kind = cast(type[Any], type(value))
    if value is None or kind is str or kind is bool:
        return value
    encoder = _FREE_ENCODERS.get(kind)
    if encoder is not None:
        return encoder(value)
    if dataclasses.is_dataclass(kind):
        return _class_encoder(kind)(value)
    for base, encoder in _FREE_FALLBACKS:
        if isinstance(value, base):
            return encoder(value)
    raise UnencodableValue(value, "this type cannot be written to a state file")


def _encode_free_key(key: Any) -> str:
    if type(key) is str:
        return key
    if type(key) is int or type(key) is float:
        return str(encode_number(key))
    raise UnencodableValue(key, "dictionary keys must be text or numbers")


def _encode_free_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in value.items():
        try:
            text = _encode_free_key(key)
            if text in result:
                raise UnencodableValue(key, "two dictionary keys have the same text")
            result[text] = _encode_free(item)
        except UnencodableValue as e:
            e.prepend(key if isinstance(key, int) else str(key))
            raise
    return result


def _encode_free_list(value: Any) -> list[Any]:
    return encode_list(value, _encode_free)


def _encode_free_field(value: Any) -> Any:
    """Encode the free-form data of a field, within the bounds."""
    tree = _encode_free(value)
    try:
        check_free_data(tree, "")
    except InvalidValue as e:
        raise UnencodableValue(value, str(e)) from None
    return tree


def _encode_free_object(value: Any) -> Any:
    require_entries(value, Mapping)
    return _encode_free_field(value)


def _encode_free_enum(value: enum.Enum) -> Any:
    return _encode_free(value.value)


_FREE_ENCODERS: dict[type, Encoder] = {
    int: encode_int,
    float: encode_float,
    dict: _encode_free_mapping,
    list: _encode_free_list,
    tuple: _encode_free_list,
    Decimal: encode_decimal,
    datetime.datetime: to_epoch,
    datetime.timedelta: to_seconds,
    set: functools.partial(encode_set, encode_item=_encode_free),
    frozenset: functools.partial(encode_set, encode_item=_encode_free),
}

#: Subclasses and abstract types, in order of precedence.
_FREE_FALLBACKS: tuple[tuple[type, Encoder], ...] = (
    (enum.Enum, _encode_free_enum),
    (str, str),
    (int, encode_int),
    (float, encode_float),
    (datetime.datetime, to_epoch),
    (datetime.timedelta, to_seconds),
    (Mapping, _encode_free_mapping),
    (list, _encode_free_list),
    (tuple, _encode_free_list),
)


# --- Objects --------------------------------------------------------------------------------------------------


@functools.cache
def _class_encoder(cls: type) -> Encoder:
    """Return a generated function that turns an object of `cls` into a dictionary.

    Saving visits every field of a large tree, so the function is generated as straight-line code, like the
    ``__init__`` of a dataclass: ``v = o.name; d["name"] = v if <passes unchanged> else <encoder>(v)``.
    """
    namespace: dict[str, Any] = {"isfinite": math.isfinite, "UnencodableValue": UnencodableValue, "cls": cls}
    lines = [
        "def encode_object(o):",
        "    if type(o) is not cls and not isinstance(o, cls):",
        "        raise UnencodableValue(o, 'expected a ' + cls.__name__)",
        "    d = {}",
        "    name = ''",
        "    try:",
    ]
    left_out = {field.name for field in dataclasses.fields(cls) if is_left_out_when_empty(field)}
    slot_names: dict[str, str] = getattr(cls, "slot_names", {})
    for index, (name, hint) in enumerate(field_types(cls).items()):
        namespace[f"e{index}"] = _field_encoder(hint)
        conditions = ["v is None"] if is_optional(hint) else []
        leaf = LEAF_FORMS.get(strip_optional(hint))
        if leaf is not None and leaf.unchanged_if:
            conditions.append(leaf.unchanged_if)
        passes = " or ".join(conditions)
        converted = f"v if {passes} else e{index}(v)" if passes else f"e{index}(v)"
        if strip_optional(hint) == dict[str, Any]:  # most free-form data is empty
            converted = f"{{}} if type(v) is dict and not v else {converted}"
        condition = "if not isinstance(v, (list, tuple)) or v: " if name in left_out else ""
        lines.append(f"        v = o.{slot_names.get(name, name)}; name = {name!r}")
        lines.append(f"        {condition}d[{name!r}] = {converted}")
    if hasattr(cls, "check_rules"):
        namespace |= {"RULE_ERRORS": _RULE_ERRORS, "describe_rule_error": _describe_rule_error}
        lines += [
            "        name = ''",
            "        try:",
            "            o.check_rules()",
            "        except RULE_ERRORS as e:",
            "            raise UnencodableValue(o, describe_rule_error(e)) from e",
        ]
    lines += [
        "    except UnencodableValue as e:",
        "        if name:",
        "            e.prepend(name)",
        "        raise",
        "    unknown = getattr(o, '_unknown', None)",
        "    if unknown:",
        "        d.update(unknown)",
        "    return d",
    ]
    described_as = f"encoder of {cls.__module__}.{cls.__qualname__}"
    return compile_function("encode_object", "\n".join(lines), namespace, described_as)


#: Errors of the rules of a record that its constructor would refuse when it is read again.
_RULE_ERRORS = (TradeExecutorError, ArithmeticError, AttributeError, TypeError, ValueError)


def _describe_rule_error(error: Exception) -> str:
    return f"{error}" if isinstance(error, TradeExecutorError) else repr(error)


class _Repeated(threading.local):
    """Plain data of encoded objects of repeated classes, by object id; None when each occurrence gets its own dict."""

    known: "dict[int, dict[str, Any]] | None" = None


_repeated = _Repeated()


@contextlib.contextmanager
def encode_repeated_objects_once() -> Generator[None]:
    """Let trees made inside the block contain one dict in several places; only for trees that are just printed."""
    before, _repeated.known = _repeated.known, {}
    try:
        yield
    finally:
        _repeated.known = before


def _encode_once(encode_object: Encoder, cls: type) -> Encoder:
    def encode_repeated(value: Any) -> Any:
        known = _repeated.known
        if known is None or not isinstance(value, cls):
            return encode_object(value)
        encoded = known.get(id(value))
        if encoded is None:
            encoded = known[id(value)] = encode_object(value)
        return encoded

    return encode_repeated


def _item_encoder(hint: Any) -> Encoder:
    """Return the converter for entries of a list or dictionary, which may be None only where that is declared."""
    encode_item = _field_encoder(hint)
    if hint is Any or not is_optional(hint):
        return encode_item
    if encode_item is encode_float:
        return encode_optional_float
    return lambda value: None if value is None else encode_item(value)


def _field_encoder(hint: Any) -> Encoder:
    """Return the converter for values of the annotated type, except None."""
    hint = strip_optional(hint)
    if hint in LEAF_FORMS:
        return LEAF_FORMS[hint].encode
    if isinstance(hint, type) and issubclass(hint, WireType):
        wire_type = hint
        if wire_type.free:
            return lambda value: _encode_free_field(wire_type.encode(value))
        return wire_type.encode
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return make_enum_encoder(hint)
    if dataclasses.is_dataclass(hint):  # pyright: ignore[reportUnknownArgumentType]
        cls = cast(type, hint)
        encoder: Encoder | None = None

        def encode_nested(value: Any) -> Any:  # resolved on first use, because classes may refer to themselves
            nonlocal encoder
            if encoder is None:
                encoder = _class_encoder(cls)
                if getattr(cls, "is_repeated", False):
                    encoder = _encode_once(encoder, cls)
            return encoder(value)

        return encode_nested
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return functools.partial(encode_list, encode_item=_item_encoder(arguments[0]))
    if origin is set:
        return functools.partial(encode_set, encode_item=_item_encoder(arguments[0]))
    if origin is dict:
        if arguments[1] is Any:
            return _encode_free_object
        return functools.partial(encode_mapping, encode_item=_item_encoder(arguments[1]), key_type=arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _union_encoder(arguments)
    return _encode_free_field


def _union_encoder(members: tuple[Any, ...]) -> Encoder:
    """Return the converter for a number, a text or a list of numbers.

    Integers in floats are written in the type that they have after reading.
    """
    lists = [_field_encoder(member) for member in members if typing.get_origin(member) is list]
    may_be_text = str in members
    encode_other = encode_float if int not in members else encode_number if float in members else encode_int

    def encode_member(value: Any) -> Any:
        if lists and type(value) is list:
            return lists[0](value)
        if may_be_text and isinstance(value, str):
            return encode_text(value)
        return encode_other(value)

    return encode_member
