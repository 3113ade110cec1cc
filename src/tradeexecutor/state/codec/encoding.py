"""Writing: objects of the state tree, and free-form data, become plain JSON data.

One pass, driven by the annotations of the fields, refuses what must not be saved.
"""

import dataclasses
import datetime
import enum
import functools
import types
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, cast

import orjson

from tradeexecutor.state.codec.annotations import (
    field_types,
    is_left_out_when_empty,
    is_optional,
    strip_optional,
    type_of,
)
from tradeexecutor.state.codec.bounds import (
    FEW_ENTRIES,
    MAX_ENTRIES,
    check_free_data,
    copy_short_list,
    is_plain_and_flat,
    print_plain_data,
)
from tradeexecutor.state.codec.deferred_fields import Deferred
from tradeexecutor.state.codec.deferred_series import PrintedSeries
from tradeexecutor.state.codec.encoded_values import (
    IS_FINITE,
    LEAF_FORMS,
    SHORT_DECIMAL,
    Encoder,
    are_usual_numbers,
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
from tradeexecutor.state.codec.kept_groups import KeptGroups, has_kept_texts
from tradeexecutor.state.codec.kept_lists import KeptLists
from tradeexecutor.state.codec.memory import has_memory_limit
from tradeexecutor.state.codec.packed_tables import open_all
from tradeexecutor.state.codec.printing import encode_repeated_objects_once, print_numbered, print_part, printing
from tradeexecutor.state.codec.unknown_keys import CLASSES_WITH_UNKNOWN_KEYS
from tradeexecutor.state.codec.watched_dict import WatchedDict
from tradeexecutor.state.errors import BadStateData, InvalidValue, TradeExecutorError, UnencodableValue
from tradeexecutor.state.types import (
    EXACT_SECONDS,
    Duration,
    UTCDatetime,
    WireType,
    encode_time,
    to_epoch,
    to_seconds,
)

__all__ = ["encode", "encode_repeated_objects_once"]


def encode(value: Any) -> Any:
    """Turn a dataclass of the tree, or free-form data, into plain JSON data.

    Raises
    ------
    BadStateData
        A value cannot be written; the message contains its path.
    """
    if not printing.is_active:
        has_memory_limit()
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
    return encode_list(_encode_free, value)


def _encode_free_field(value: Any) -> Any:
    """Encode the free-form data of a field, within the bounds."""
    kind = type_of(value)
    if kind is dict and len(value) <= FEW_ENTRIES and is_plain_and_flat(value):
        return value.copy()
    if kind is list and (copy := copy_short_list(value)) is not None:
        return copy
    text = print_plain_data(value)
    if text is not None:
        return orjson.Fragment(text) if printing.is_active else orjson.loads(text)
    tree = _encode_free(value)
    try:
        check_free_data(tree, "")
    except InvalidValue as e:
        raise UnencodableValue(value, str(e)) from None
    return tree


def _encode_numbered(encode_usual: Callable[[dict[Any, Any]], Any], encode_table: Encoder, value: Any) -> Any:
    """Encode a dictionary with numbers as keys, of which there may be one per bar: a usual one without a loop."""
    if printing.is_active and type_of(value) is dict and len(value) <= MAX_ENTRIES and _has_numbers_as_keys(value):
        usual = encode_usual(value)
        text = None if usual is None else print_numbered(usual)
        if text is not None:
            return orjson.Fragment(text)
    return encode_table(value)


def _has_numbers_as_keys(table: dict[Any, Any]) -> bool:
    """Return whether it is certain that all keys are integers or what `print_numbered` refuses."""
    try:
        return type_of(sum(table)) is int  # in half of the time of looking at the type of each; it may be a bool
    except TypeError:
        return False


def _encode_usual_numbers(table: dict[Any, Any]) -> Any:
    return table if are_usual_numbers(table.values()) else None


def _encode_usual_times(table: dict[Any, Any]) -> Any:
    if not {datetime.datetime}.issuperset(map(type, table.values())):
        return None
    return dict(zip(table, map(encode_time, table.values()), strict=True))


#: Declared type of the values of a dictionary -> function that returns its plain data, or None if some are unusual.
_ENCODERS_OF_USUAL_VALUES: dict[Any, Callable[[dict[Any, Any]], Any]] = {
    float: _encode_usual_numbers,
    UTCDatetime: _encode_usual_times,
}


def _encode_free_object(value: Any) -> Any:
    if type_of(value) is not dict or len(value) > MAX_ENTRIES:
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
    set: functools.partial(encode_set, _encode_free),
    frozenset: functools.partial(encode_set, _encode_free),
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
    ``__init__`` of a dataclass. It copies a dictionary in which all keys are None, which is faster than making one with
    many keys, and replaces the values of the fields that are not None: ``if (v := o.name) is not None: d["name"] = v``,
    or ``encoder(v)``. Each field has lines of its own, by which its name is found after an error.
    """
    namespace: dict[str, Any] = {
        "UnencodableValue": UnencodableValue,
        "WITH_UNKNOWN_KEYS": CLASSES_WITH_UNKNOWN_KEYS,
        "cls": cls,
        "copy_keys": dict.fromkeys(field_types(cls)).copy,
        "datetime": datetime.datetime,
        "timedelta": datetime.timedelta,
        "encode_time": encode_time,
        "Decimal": Decimal,
    }
    lines = [
        "def encode_object(o):",
        "    if type(o) is not cls and not isinstance(o, cls):",
        "        raise UnencodableValue(o, 'expected a ' + cls.__name__)",
        "    d = copy_keys()",
        "    try:",
    ]
    names: dict[int, str] = {}
    slot_names: dict[str, str] = getattr(cls, "slot_names", {})
    for index, field in enumerate(dataclasses.fields(cls)):
        name, encoder, hint = field.name, f"e{index}", field_types(cls)[field.name]
        namespace[encoder] = _make_field_encoder(cls, field)
        kind = strip_optional(hint)
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            namespace[f"{encoder}_type"] = kind
        is_kept = has_kept_texts(field)
        read = f"o.{slot_names.get(name, name)}"
        read = f"if (v := {read}) is not None:" if is_optional(hint) and not is_kept else f"v = {read};"
        value = f"{encoder}(v, o)" if is_kept else _make_expression(kind, encoder)
        added = [f"        {read} d[{name!r}] = {value}"]
        if is_left_out_when_empty(field):
            added.append(f"        if isinstance(v, (list, tuple)) and not v: del d[{name!r}]")
        names |= dict.fromkeys(range(len(lines) + 1, len(lines) + len(added) + 1), name)
        lines += added
    if hasattr(cls, "check_rules"):
        namespace |= {"RULE_ERRORS": _RULE_ERRORS, "describe_rule_error": _describe_rule_error}
        lines += [
            "        try:",
            "            o.check_rules()",
            "        except RULE_ERRORS as e:",
            "            raise UnencodableValue(o, describe_rule_error(e)) from e",
        ]
    lines += [
        "    except UnencodableValue as e:",
        "        name = names.get(e.__traceback__.tb_lineno)",
        "        if name:",
        "            e.prepend(name)",
        "        raise",
        "    if WITH_UNKNOWN_KEYS:",
        "        d.update(getattr(o, '_unknown', None) or ())",
        "    return d",
    ]
    namespace["names"] = names
    described_as = f"encoder of {cls.__module__}.{cls.__qualname__}"
    return compile_function("encode_object", "\n".join(lines), namespace, described_as)


def _make_field_encoder(cls: type, field: dataclasses.Field[Any]) -> Callable[..., Any]:
    """Return the converter for values of a field, except None; one whose texts are kept gets the object as well."""
    hint = field_types(cls)[field.name]
    encode_field = _field_encoder(hint)
    if field.name in getattr(cls, "deferred_fields", ()):
        encode_field = functools.partial(_encode_deferred, encode_field)
    if not has_kept_texts(field):
        return encode_field
    item = typing.get_args(hint)[-1]
    inner = _item_encoder(typing.get_args(item)[0]) if typing.get_origin(item) is list else None
    kind = typing.get_origin(strip_optional(hint))
    return _KeptField(field.name, kind, encode_field, _item_encoder(item), inner).encode


def _make_expression(kind: Any, encoder: str) -> str:
    """Return the generated code that encodes the value `v` of one field, which may only be None where it must not.

    What most values of a type need is in the expression itself, without a call.

    Parameters
    ----------
    kind
        Declared type of the field, without None.
    encoder
        Name of the converter, which gets every other value.
    """
    if kind is Decimal:
        passes = f"type(v) is Decimal and v.is_finite() and len(s := str(v)) < {SHORT_DECIMAL} and 'E' not in s"
        return f"s if {passes} else {encoder}(v)"
    if kind is UTCDatetime:
        return f"encode_time(v) if type(v) is datetime else {encoder}(v)"
    if kind is Duration:
        is_exact = f"-{EXACT_SECONDS} < (s := v.total_seconds()) < {EXACT_SECONDS}"
        return f"s if type(v) is timedelta and {is_exact} else {encoder}(v)"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return f"v._value_ if type(v) is {encoder}_type else {encoder}(v)"
    leaf = LEAF_FORMS.get(kind)
    if leaf is not None:
        return f"v if {leaf.unchanged_if} else {encoder}(v)"
    origin, members = typing.get_origin(kind), typing.get_args(kind)
    if origin is dict:  # most dictionaries are empty
        return f"{{}} if isinstance(v, dict) and not v else {encoder}(v)"
    if origin is list and float in typing.get_args(members[0]):  # one number, such as the fee of a pair
        is_one = "type(v) is list and len(v) == 1 and type(s := v[0]) is float and s - s == 0.0"
        return f"[s] if {is_one} else {encoder}(v)"
    if origin in (list, set):  # so are most lists
        return f"[] if type(v) is {origin.__name__} and not v else {encoder}(v)"
    if float in members:
        return f"v if type(v) is float and {IS_FINITE} else {encoder}(v)"
    return f"{encoder}(v)"


#: Errors of the rules of a record that its constructor would refuse when it is read again.
_RULE_ERRORS = (TradeExecutorError, ArithmeticError, AttributeError, TypeError, ValueError)


def _describe_rule_error(error: Exception) -> str:
    return f"{error}" if isinstance(error, TradeExecutorError) else repr(error)


def _encode_deferred(encode_field: Encoder, value: Any) -> Any:
    if type(value) is PrintedSeries:
        return value.tree if printing.is_active else value.make_plain()
    if not isinstance(value, Deferred):
        return encode_field(value)
    return orjson.Fragment(value.make_text()) if printing.is_active else value.make_plain()


@dataclasses.dataclass(frozen=True, slots=True)
class _KeptField:
    """A list or dictionary whose entries rarely change, so that their texts are kept."""

    name: str
    #: The declared type: dict or list.
    kind: Any
    encode_table: Encoder
    encode_item: Encoder
    #: Of the entries of the lists in a dictionary of lists.
    encode_inner: Encoder | None

    def encode(self, table: Any, owner: Any) -> Any:
        """Encode the table of a record."""
        if not table and isinstance(table, self.kind):
            return self.kind()
        if not (printing.is_active or printing.has_texts) or not isinstance(table, self.kind):
            return self.encode_table(open_all(table))
        if not isinstance(table, WatchedDict) and not hasattr(owner, "keep"):  # a plain dictionary was assigned
            return self.encode_table(table)
        entries = cast(dict[Any, Any] | list[Any], table)
        try:
            require_entries(entries, dict, list)
            if self.encode_inner is not None:
                encoded = owner.keep(self.name, KeptLists).encode(entries, self.encode_item, self.encode_inner)
            else:
                kept = table.keep() if isinstance(table, WatchedDict) else owner.keep(self.name, KeptGroups)
                encoded = kept.encode(entries, self.encode_item)
        except UnencodableValue:
            encoded = None  # the error is raised with its path below
        return self.encode_table(open_all(table)) if encoded is None else encoded


def _encode_once(encode_object: Encoder, cls: type) -> Encoder:
    def encode_repeated(value: Any) -> Any:
        known = printing.known
        if known is None or not isinstance(value, cls):
            return encode_object(value)
        encoded = known.get(id(value))
        if encoded is None:
            encoded = encode_object(value)
            known[id(value)] = encoded = print_part(encoded) if printing.is_active else encoded
        return encoded

    return encode_repeated


def _encode_object_set(encode_items: Encoder, value: Any) -> Any:
    if not value:
        return encode_items(value)
    with encode_repeated_objects_once():  # without texts, by which objects cannot be sorted
        return encode_items(value)


#: Classes whose encoders are being generated.
_being_generated: set[type] = set()


def _nested_encoder(cls: type) -> Encoder:
    """Return the converter of objects inside other ones."""
    if cls in _being_generated:  # it contains itself, so its encoder does not exist yet
        return lambda value: _nested_encoder(cls)(value)
    _being_generated.add(cls)
    try:
        encode_object = _class_encoder(cls)
    finally:
        _being_generated.discard(cls)
    return _encode_once(encode_object, cls) if getattr(cls, "is_repeated", False) else encode_object


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
        return _nested_encoder(cast(type, hint))
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return functools.partial(encode_list, _item_encoder(arguments[0]))
    if origin is set:
        encode_items = functools.partial(encode_set, _item_encoder(arguments[0]))
        return (
            functools.partial(_encode_object_set, encode_items)
            if dataclasses.is_dataclass(arguments[0])
            else encode_items
        )
    if origin is dict:
        if arguments[1] is Any:
            return _encode_free_object
        encode_table = functools.partial(encode_mapping, _item_encoder(arguments[1]), arguments[0])
        encode_usual = _ENCODERS_OF_USUAL_VALUES.get(strip_optional(arguments[1]))
        if arguments[0] is not int or encode_usual is None:
            return encode_table
        return functools.partial(_encode_numbered, encode_usual, encode_table)
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
