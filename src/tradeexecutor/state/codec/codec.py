"""Conversion between state objects and JSON; no other module reads or writes the JSON of a state.

Reading
    bytes -> plain tree (`msgspec.json.decode`) -> upcasting of old files (:mod:`tradeexecutor.state.codec.upcast`) ->
    typed objects (`msgspec.convert`; constructors check and normalise) -> keys that the schema does not contain are
    stored on their objects.

Writing
    typed objects -> plain tree (one pass, driven by the field annotations, refuses NaN, infinity and integers
    that JavaScript would round) -> bytes (`orjson.dumps`).

Rules of the JSON text: datetimes are epoch seconds, durations seconds, ``Decimal`` its exact text, enums their
value, sets sorted arrays, dictionary keys text. ``None`` is written as ``null``; no declared field is omitted.
"""

# Longer than 500 lines: both directions of the JSON are in one place, so that they stay consistent.

import contextlib
import dataclasses
import datetime
import enum
import functools
import math
import operator
import sys
import threading
import types
import typing
from collections.abc import Callable, Generator, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeVar, cast

import msgspec
import orjson

from tradeexecutor.accounting.values import abbreviate, is_finite_decimal
from tradeexecutor.state.codec.bounds import (
    MAX_ENTRIES,
    MAX_FILE_SIZE,
    MAX_TEXT_LENGTH,
    BoundedInt,
    BoundedText,
    check_free_data,
    describe_decimal_bounds,
    explain_bounds,
    find_fault,
    limit_entries,
)
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.codec.generated_code import compile_function
from tradeexecutor.state.codec.memory import has_memory_limit, print_in_pieces, require_memory
from tradeexecutor.state.codec.numbers_as_text import replace_numbers_written_as_text
from tradeexecutor.state.errors import (
    BadStateData,
    InvalidStateFile,
    InvalidValue,
    TradeExecutorError,
    UnencodableValue,
)
from tradeexecutor.state.types import JS_MAX_INT, WireType, accept_unknown_enum_values, to_epoch, to_seconds

T = TypeVar("T")

#: Converts one field value, never None, to plain JSON data.
Encoder = Callable[[Any], Any]


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
        with encode_repeated_objects_once():
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


class OpenAttributes(Serialisable):
    """Base of classes on which callers may set additional attributes, which are never saved."""


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


# --- JSON text ------------------------------------------------------------------------------------------------


def parse(text: str | bytes, path: Path | None = None) -> Any:
    """Parse strict JSON; integers of any size stay exact.

    Raises
    ------
    InvalidStateFile
        The text is not JSON. The tokens ``NaN`` and ``Infinity`` of some writers are not JSON either.
    MemoryError
        There is too little memory.
    """
    if has_memory_limit():
        require_memory(len(text))
    try:
        with pause_garbage_collection():
            return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        if not text.strip():
            raise InvalidStateFile("it is empty", path) from e
        raise InvalidStateFile(f"not valid JSON: {e}", path) from e


def dump(tree: Any) -> bytes:
    """Print a plain tree as compact UTF-8 JSON; the tree must come from `encode`.

    Raises
    ------
    BadStateData
        The tree contains a value that JSON cannot represent, or the text is larger than any that is read.
    MemoryError
        There is too little memory.
    """
    try:
        text = print_in_pieces(tree) if has_memory_limit() else orjson.dumps(tree)
    except TypeError as e:
        path, reason = find_fault(tree, levels=sys.maxsize) or ("", str(e))
        raise BadStateData(reason, path) from e
    if len(text) > MAX_FILE_SIZE:
        raise BadStateData(f"the text has {len(text):,} bytes, at most {MAX_FILE_SIZE:,} can be read")
    return text


#: Metadata of a list whose key is left out of the JSON while it is empty. It is for rare data, so that other programs
#: see the key only in states that need it.
LEFT_OUT_WHEN_EMPTY: Mapping[str, bool] = types.MappingProxyType({"left_out_when_empty": True})


def is_left_out_when_empty(field: dataclasses.Field[Any]) -> bool:
    """Return whether the key of a field is left out of the JSON while its value is empty."""
    return LEFT_OUT_WHEN_EMPTY.items() <= field.metadata.items()


# --- Field types ----------------------------------------------------------------------------------------------


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


# --- Writing --------------------------------------------------------------------------------------------------


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


def _encode_float(value: Any) -> Any:
    if type(value) is float:
        if math.isfinite(value):
            return value
        raise UnencodableValue(value, "not a finite number, JSON has no such value")
    if type(value) is int:
        return float(_encode_int(value))  # the type after reading, so that a reloaded state has the same text
    if isinstance(value, float):  # numpy.float64 is a subclass of float
        return _encode_float(float(value))
    raise UnencodableValue(value, "expected a number")


def _encode_optional_float(value: Any) -> Any:
    # The values of plots, of which there may be one per bar: usual ones need no second call.
    return value if value is None or (type(value) is float and math.isfinite(value)) else _encode_float(value)


def _encode_int(value: Any) -> Any:
    if isinstance(value, int) and type(value) is not bool:
        if -JS_MAX_INT <= value <= JS_MAX_INT:
            return int(value)
        raise UnencodableValue(value, "larger than the largest integer JavaScript reads exactly")
    if isinstance(value, float) and value.is_integer():
        return _encode_int(int(value))  # the type after reading
    raise UnencodableValue(value, "expected an integer")


def _encode_number(value: Any) -> Any:
    return _encode_int(value) if type(value) is int else _encode_float(value)


#: Plain Decimals of fewer characters are within the bounds.
_SHORT_DECIMAL = 80


def _encode_decimal(value: Any) -> str:
    if type(value) is Decimal:
        if value.is_finite():
            text = str(value)
            # A short text without an exponent is in bounds, and most are.
            if (len(text) < _SHORT_DECIMAL and "E" not in text) or is_finite_decimal(value):
                return text
        raise UnencodableValue(value, describe_decimal_bounds())
    if type(value) is int:
        return _encode_decimal(Decimal(value))
    raise UnencodableValue(value, "expected a Decimal")


def _encode_free_enum(value: enum.Enum) -> Any:
    return _encode_free(value.value)


def _make_enum_encoder(cls: type[enum.Enum]) -> Encoder:
    def encode_member(value: Any) -> Any:
        if isinstance(value, cls):
            return value.value
        raise UnencodableValue(value, f"expected a {cls.__name__}")

    return encode_member


def _encode_text(value: Any) -> Any:
    if isinstance(value, str):
        if len(value) <= MAX_TEXT_LENGTH:
            return str(value)
        raise UnencodableValue(value, f"{len(value):,} characters, at most {MAX_TEXT_LENGTH:,} are possible")
    raise UnencodableValue(value, "expected text")


def _encode_bool(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    raise UnencodableValue(value, "expected true or false")


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
        return str(_encode_number(key))
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
    return _encode_list(value, _encode_free)


def _encode_free_field(value: Any) -> Any:
    """Encode the free-form data of a field, within the bounds."""
    tree = _encode_free(value)
    try:
        check_free_data(tree, "")
    except InvalidValue as e:
        raise UnencodableValue(value, str(e)) from None
    return tree


def _encode_free_object(value: Any) -> Any:
    _require_entries(value, Mapping)
    return _encode_free_field(value)


def _require_entries(value: Any, *kinds: type) -> None:
    if not isinstance(value, kinds):
        raise UnencodableValue(value, f"expected a {kinds[0].__name__}")
    if len(value) > MAX_ENTRIES:
        raise UnencodableValue(value, f"{len(value):,} entries, at most {MAX_ENTRIES:,} are possible")


def _encode_list(value: Any, encode_item: Encoder) -> list[Any]:
    _require_entries(value, list, tuple)
    return _encode_items(value, encode_item)


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


def _encode_set(value: Any, encode_item: Encoder) -> list[Any]:
    """Return the items in sorted order, so that equal states have equal files."""
    _require_entries(value, set, frozenset)
    return sorted(_encode_items(value, encode_item), key=repr)


def _encode_mapping(value: Any, encode_item: Encoder, key_type: type) -> dict[str, Any]:
    _require_entries(value, dict)
    result: dict[str, Any] = {}
    key: Any = None
    try:
        if not {key_type}.issuperset(map(type, value)):
            value = {_encode_key(key := original, key_type): item for original, item in value.items()}
        for key, item in value.items():
            result[str(key)] = encode_item(item)
    except UnencodableValue as e:
        e.prepend(key if isinstance(key, (int, str)) else abbreviate(key))
        raise
    return result


#: Text of an integer key of a dictionary, as it is written.
INT_KEY_PATTERN = r"^(0|-?[1-9][0-9]*)$"


def _encode_key(key: Any, key_type: type) -> Any:
    """Return a key of the declared type for a key of a subclass of it, or of NumPy."""
    if key_type is int and type(key) is not bool and hasattr(key, "__index__"):
        return operator.index(key)
    if isinstance(key, key_type) and type(key) is not bool:
        return key_type(key)
    raise UnencodableValue(key, f"dictionary keys must be of type {key_type.__name__} here")


_FREE_ENCODERS: dict[type, Encoder] = {
    int: _encode_int,
    float: _encode_float,
    dict: _encode_free_mapping,
    list: _encode_free_list,
    tuple: _encode_free_list,
    Decimal: _encode_decimal,
    datetime.datetime: to_epoch,
    datetime.timedelta: to_seconds,
    set: functools.partial(_encode_set, encode_item=_encode_free),
    frozenset: functools.partial(_encode_set, encode_item=_encode_free),
}

#: Subclasses and abstract types, in order of precedence.
_FREE_FALLBACKS: tuple[tuple[type, Encoder], ...] = (
    (enum.Enum, _encode_free_enum),
    (str, str),
    (int, _encode_int),
    (float, _encode_float),
    (datetime.datetime, to_epoch),
    (datetime.timedelta, to_seconds),
    (Mapping, _encode_free_mapping),
    (list, _encode_free_list),
    (tuple, _encode_free_list),
)


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
            _encode_text,
            f"type(v) is str and len(v) <= {MAX_TEXT_LENGTH}",
            {"type": "string", "maxLength": MAX_TEXT_LENGTH},
        ),
        bool: LeafForm(_encode_bool, "type(v) is bool", {"type": "boolean"}),
        int: LeafForm(
            _encode_int,
            f"type(v) is int and -{JS_MAX_INT} <= v <= {JS_MAX_INT}",
            {"type": "integer", "minimum": -JS_MAX_INT, "maximum": JS_MAX_INT},
        ),
        float: LeafForm(_encode_float, "type(v) is float and isfinite(v)", {"type": "number"}),
        Decimal: LeafForm(_encode_decimal, "", {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?(E[+-][0-9]+)?$"}),
    }
)


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


def is_optional(hint: Any) -> bool:
    """Return whether a value of the annotated type may be None."""
    return hint is Any or type(None) in typing.get_args(hint)


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
    if encode_item is _encode_float:
        return _encode_optional_float
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
        return _make_enum_encoder(hint)
    if dataclasses.is_dataclass(hint):  # pyright: ignore[reportUnknownArgumentType]
        cls = cast(type, hint)
        encoder: Encoder | None = None

        def encode_nested(value: Any) -> Any:  # resolved on first use, because classes may refer to themselves
            nonlocal encoder
            if encoder is None:
                encoder = _class_encoder(cls)
                if issubclass(cls, Serialisable) and cls.is_repeated:
                    encoder = _encode_once(encoder, cls)
            return encoder(value)

        return encode_nested
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return functools.partial(_encode_list, encode_item=_item_encoder(arguments[0]))
    if origin is set:
        return functools.partial(_encode_set, encode_item=_item_encoder(arguments[0]))
    if origin is dict:
        if arguments[1] is Any:
            return _encode_free_object
        return functools.partial(_encode_mapping, encode_item=_item_encoder(arguments[1]), key_type=arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _union_encoder(arguments)
    return _encode_free_field


def _union_encoder(members: tuple[Any, ...]) -> Encoder:
    """Return the converter for a number, a text or a list of numbers.

    Integers in floats are written in the type that they have after reading.
    """
    lists = [_field_encoder(member) for member in members if typing.get_origin(member) is list]
    encode_text = _encode_text if str in members else None
    encode_number = _encode_float if int not in members else _encode_number if float in members else _encode_int

    def encode_member(value: Any) -> Any:
        if lists and type(value) is list:
            return lists[0](value)
        if encode_text is not None and isinstance(value, str):
            return encode_text(value)
        return encode_number(value)

    return encode_member


# --- Reading --------------------------------------------------------------------------------------------------


def decode(
    tree: Any,
    cls: type[T],
    prepare: Callable[[Any, type, Callable[[Any, type], Any]], None] | None = None,
    *,
    has_only_known_keys: bool = False,
) -> T:
    """Build an object of the tree from plain JSON data.

    Keys that the schema does not contain and enum values of newer programs are kept, so that nothing is lost on save.

    Parameters
    ----------
    prepare
        Function that may replace parts of a tree without unknown keys by typed objects; called with the tree, the
        class, and a function that builds one object.
    has_only_known_keys
        Whether it is certain already that all keys are known and all values within the bounds.

    Raises
    ------
    InvalidStateFile
        A required key is missing, a type is wrong or a constructor refuses a value.
    """
    if cls not in _prepared:
        _prepare_decoding(cls)
    try:
        with accept_unknown_enum_values(), pause_garbage_collection():
            is_known = has_only_known_keys or _fits(tree, _twin(cls))
            if not is_known and not _fits(tree, _twin(cls, may_have_other_keys=True)):
                explain_bounds(tree, cls, field_types)
            if is_known and prepare is not None:
                prepare(tree, cls, _convert)
            result = _convert_liberally(tree, cls)
            if not is_known:
                _keep_unknown_keys(tree, result, cls)
    except (msgspec.ValidationError, InvalidValue) as e:
        raise InvalidStateFile(str(e)) from e
    except RecursionError as e:
        raise InvalidStateFile("nested too deeply") from e
    except ArithmeticError as e:  # raised when a constructor compares Decimal("NaN")
        raise InvalidStateFile(f"a number that is not finite: {e!r}") from e
    return result


#: Classes of which msgspec has examined all fields.
_prepared: set[type] = set()
#: Held while msgspec examines classes. Two threads that make it examine the same classes for the first time at the same
#: moment end the process with a segmentation fault.
EXAMINING_CLASSES = threading.RLock()


def _prepare_decoding(cls: type) -> None:
    """Let msgspec examine a class, and the classes of its fields, which it would do at the first conversion."""
    with EXAMINING_CLASSES:
        for kind in (_twin(cls), cls):
            with contextlib.suppress(msgspec.ValidationError):
                _convert(0, kind)
        _prepared.add(cls)


def _convert(tree: Any, cls: type[T]) -> T:
    return msgspec.convert(tree, cls, dec_hook=_decode_wire_type, str_keys=True)


def _convert_liberally(tree: Any, cls: type[T]) -> T:
    """Convert a tree that may contain numbers as text. The search for them runs only after a failed conversion."""
    try:
        return _convert(tree, cls)
    except msgspec.ValidationError:
        if not replace_numbers_written_as_text(tree, cls, field_types):
            raise
    return _convert(tree, cls)


_WIRE_DECODERS = WireType.decoders


def _decode_wire_type(cls: type, value: Any) -> Any:
    return _WIRE_DECODERS[cls](value)


# Unknown keys are rare, and so are values beyond the bounds. A fast check in C with a structural twin of the classes
# finds out whether a tree has any. The slow search runs only in that case.


#: Number of levels that are checked when a class contains itself (the underlying pair of a pair).
_TWIN_LEVELS = 4


@functools.cache
def _twin(cls: type, level: int = 1, *, may_have_other_keys: bool = False) -> Any:
    """Return a msgspec struct type that has the keys of `cls`, and refuses any other key and what is out of bounds."""
    make = functools.partial(_twin_type, owner=cls, level=level, may_have_other_keys=may_have_other_keys)
    fields = [(name, make(hint), None) for name, hint in field_types(cls).items()]
    return msgspec.defstruct(cls.__name__, fields, forbid_unknown_fields=not may_have_other_keys, gc=False)


def _twin_type(hint: Any, owner: type, level: int, *, may_have_other_keys: bool) -> Any:
    hint = strip_optional(hint)
    if hint is int:
        return BoundedInt | None
    if hint is str:
        return BoundedText | None
    if dataclasses.is_dataclass(hint):
        cls = cast(type, hint)
        if cls is not owner:
            return _twin(cls, may_have_other_keys=may_have_other_keys) | None
        if level >= _TWIN_LEVELS:
            return Any
        return _twin(cls, level + 1, may_have_other_keys=may_have_other_keys) | None
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin not in (list, set, dict) or arguments[-1] is Any:
        return Any
    item = _twin_type(arguments[-1], owner, level, may_have_other_keys=may_have_other_keys)
    return limit_entries(dict[str, item] if origin is dict else list[item]) | None


def _fits(tree: Any, twin: Any) -> bool:
    try:
        msgspec.convert(tree, twin)
    except msgspec.ValidationError:
        return False
    return True


def _keep_unknown_keys(tree: Any, value: Any, hint: Any) -> None:
    """Store keys of a tree that the class of its object does not declare, in the whole tree."""
    hint = strip_optional(hint)
    if tree is None or value is None:
        return
    if dataclasses.is_dataclass(hint):
        hints = field_types(cast(type, hint))
        unknown = {key: item for key, item in tree.items() if key not in hints}
        if unknown:
            check_free_data(unknown, cast(type, hint).__name__)
            object.__setattr__(value, "_unknown", unknown)
        for name, field_hint in hints.items():
            if name in tree:
                _keep_unknown_keys(tree[name], getattr(value, name), field_hint)
        return
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        for item, element in zip(tree, value, strict=True):
            _keep_unknown_keys(item, element, arguments[0])
    elif origin is dict and isinstance(value, dict):
        for item, element in zip(tree.values(), cast(dict[Any, Any], value).values(), strict=True):
            _keep_unknown_keys(item, element, arguments[1])
    elif origin is set and dataclasses.is_dataclass(arguments[0]):
        element_type = cast(type[Any], arguments[0])
        elements: set[Any] = {decode(item, element_type) for item in tree}
        value.clear()
        value.update(elements)
