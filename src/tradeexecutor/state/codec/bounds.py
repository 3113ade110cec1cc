"""Bounds of the values in a state, and the checks that constructors, reading and writing share.

===================================  =============================================================================
Decimals                             finite, `MAX_DIGITS` digits, `MAX_MAGNITUDE` (:mod:`~.accounting.values`)
integers                             exact in JavaScript, `JS_MAX_INT`
texts                                `MAX_TEXT_LENGTH` characters
lists and dictionaries               `MAX_ENTRIES` entries
free-form data                       `MAX_NESTING` levels of lists and dictionaries within each other
assets and pairs inside one another  `MAX_WRAPPED` levels
state files                          `MAX_FILE_SIZE` bytes
===================================  =============================================================================

All bounds are far above real use. What exceeds one is refused by the constructor or by reading, and before a save is
acknowledged; otherwise a state could be saved that no program can load.
"""

import contextlib
import dataclasses
import functools
import marshal
import threading
import typing
from collections.abc import Callable, Generator
from decimal import Decimal
from typing import Any, cast

import msgspec
import orjson

from tradeexecutor.accounting.values import (
    MAX_DIGITS,
    MAX_MAGNITUDE,
    abbreviate,
    require_bounded,
)
from tradeexecutor.state.codec.annotations import type_of
from tradeexecutor.state.codec.generated_code import compile_function
from tradeexecutor.state.codec.memory import is_memory_limited
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.types import JS_MAX_INT

__all__ = [
    "FEW_ENTRIES",
    "MAX_ENTRIES",
    "MAX_FILE_SIZE",
    "MAX_NESTING",
    "MAX_TEXT_LENGTH",
    "MAX_WRAPPED",
    "BoundedInt",
    "BoundedText",
    "check_free_data",
    "check_values",
    "check_wrapped",
    "copy_short_list",
    "describe_decimal_bounds",
    "explain_bounds",
    "find_fault",
    "free_data_is_checked",
    "is_plain_and_flat",
    "limit_entries",
    "print_checked",
    "print_free_data",
    "print_plain_data",
]

#: Characters of a text.
MAX_TEXT_LENGTH = 10_000_000
#: Entries of a list or dictionary; 300 years of samples, one per quarter of an hour.
MAX_ENTRIES = 10_000_000
#: Levels of lists and dictionaries in free-form data.
MAX_NESTING = 64
#: Levels of an asset that wraps an asset, or of a pair that is based on a pair. Real states have one or two.
MAX_WRAPPED = 16
#: Bytes of a state file. A state with a million samples of the portfolio has 0.45 GB; twice as much if every figure of
#: the samples is filled in.
MAX_FILE_SIZE = 1 << 31

#: Types for msgspec that refuse what exceeds the bounds.
BoundedInt: Any = typing.Annotated[int, msgspec.Meta(ge=-JS_MAX_INT, le=JS_MAX_INT)]
BoundedText: Any = typing.Annotated[str, msgspec.Meta(max_length=MAX_TEXT_LENGTH)]

#: orjson prints up to 254 levels.
_PRINTABLE_LEVELS = 254


def limit_entries(container: Any) -> Any:
    """Return the type of a list or dictionary of msgspec with at most `MAX_ENTRIES` entries."""
    return typing.Annotated[container, msgspec.Meta(max_length=MAX_ENTRIES)]


def describe_decimal_bounds() -> str:
    """Return the bounds of a Decimal for a message."""
    return f"not a finite number of at most {MAX_DIGITS} digits between 1E-{MAX_MAGNITUDE} and 1E+{MAX_MAGNITUDE}"


# --- Free-form data -------------------------------------------------------------------------------------------


class _Probe(threading.local):
    """Lists within each other, so that orjson refuses to print a value of more than `MAX_NESTING` levels in it.

    A loop over the values would be many times slower.
    """

    #: Whether the free-form data that this thread is reading is within the bounds, so that constructors need not check.
    is_checked = False

    def __init__(self) -> None:
        self.cell: list[Any] = [None]
        self.whole: list[Any] = self.cell
        for _ in range(_PRINTABLE_LEVELS - MAX_NESTING - 1):
            self.whole = [self.whole]


_probe = _Probe()


def check_free_data(tree: Any, what: str, error: Callable[[str], Exception] = InvalidValue) -> None:
    """Raise `error` if plain JSON data nests too deeply, or contains a text, list or number beyond the bounds.

    Parameters
    ----------
    what
        Name of the value in the message.
    """
    if not tree or _probe.is_checked:
        return
    if type_of(tree) is dict and len(tree) <= FEW_ENTRIES and is_plain_and_flat(tree):
        return
    if is_memory_limited():
        _require_no_fault(tree, what, error)
        return
    _probe.cell[0] = tree
    try:
        size = len(orjson.dumps(_probe.whole, option=orjson.OPT_STRICT_INTEGER | orjson.OPT_NON_STR_KEYS))
    except TypeError:
        size = MAX_TEXT_LENGTH + 1
    finally:
        _probe.cell[0] = None
    if size > MAX_TEXT_LENGTH:
        _require_no_fault(tree, what, error)


@contextlib.contextmanager
def free_data_is_checked() -> Generator[None]:
    """Let constructors inside the block accept free-form data without checking it once more."""
    before, _probe.is_checked = _probe.is_checked, True
    try:
        yield
    finally:
        _probe.is_checked = before


def print_checked(values: list[Any]) -> bytes | None:
    """Return the JSON text of free-form data; None if it is not certain that each value is within the bounds."""
    return _print_in_probe(values, orjson.OPT_STRICT_INTEGER)


def print_free_data(tree: Any) -> bytes | None:
    """Return the JSON text of parsed JSON; None if it is not certain that it is within the bounds."""
    text = _print_in_probe(tree, orjson.OPT_STRICT_INTEGER)
    return None if text is None else text[_PROBE_MARGIN:-_PROBE_MARGIN]


def _print_in_probe(tree: Any, option: int) -> bytes | None:
    """Return the JSON text of data inside the lists of the probe; None if it is not certain that it is in bounds."""
    if is_memory_limited():
        return None
    _probe.cell[0] = tree
    try:
        text = orjson.dumps(_probe.whole, option=option)
    except TypeError:
        return None
    finally:
        _probe.cell[0] = None
    return text if len(text) <= MAX_TEXT_LENGTH else None


#: What `print_plain_data` leaves to code for all types.
_ONLY_PLAIN = (
    orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
)
#: Characters before and after the value in the text of the probe.
_PROBE_MARGIN = _PRINTABLE_LEVELS - MAX_NESTING


def print_plain_data(tree: Any) -> bytes | None:
    """Return the JSON text of data that consists of JSON types only, and is within the bounds.

    Returns
    -------
    bytes or None
        None if the data may be anything else. Reading the text gives equal data of the same types, with lists for
        tuples.
    """
    text = _print_in_probe(tree, _ONLY_PLAIN)
    return text[_PROBE_MARGIN:-_PROBE_MARGIN] if text is not None and _consists_of_plain_values(tree) else None


#: Entries of a dictionary or list up to which looking at all values is faster than printing it.
FEW_ENTRIES = 24


def is_plain_and_flat(table: Any) -> bool:
    """Return whether a dictionary consists of texts, numbers within the bounds, bools and None."""
    for key, value in table.items():
        kind = type_of(value)
        if type(key) is not str or len(key) > MAX_TEXT_LENGTH:
            return False
        if kind is str:
            if len(value) > MAX_TEXT_LENGTH:
                return False
        elif kind is float:
            if value - value != 0.0:
                return False
        elif kind is int:
            if not -JS_MAX_INT <= value <= JS_MAX_INT:
                return False
        elif value is not None and kind is not bool:
            return False
    return True


def copy_short_list(items: list[Any], levels: int = 4) -> list[Any] | None:
    """Return a copy of a short list of texts, bools, None and such lists; None if it may contain anything else."""
    if len(items) > FEW_ENTRIES or levels == 0:
        return None
    copy = items.copy()
    for index, item in enumerate(items):
        kind = type_of(item)
        if kind is str:
            if len(item) > MAX_TEXT_LENGTH:
                return None
        elif kind is list:
            copy[index] = inner = copy_short_list(item, levels - 1)
            if inner is None:
                return None
        elif item is not None and kind is not bool:
            return None
    return copy


#: Before the eight bytes of a float in a marshalled value, in one of two forms.
_FLOAT_MARKS = b"\x67\xe7"


def _consists_of_plain_values(tree: Any) -> bool:
    """Return whether it is certain that data which orjson prints is written as what it is.

    orjson prints NaN and infinity as null, and enums and UUIDs as their values. `marshal` refuses any type that is not
    built in, and writes a float as it is in memory, where the first bits of NaN and infinity are those of no other
    number. This takes a third of the time of reading the text again.
    """
    try:
        image = marshal.dumps(tree)
    except ValueError:
        return False
    for last in (b"\x7f", b"\xff"):
        place = image.find(last, 8)
        while place >= 0:
            if image[place - 1] >= 0xF0 and image[place - 8] in _FLOAT_MARKS:
                return False
            place = image.find(last, place + 1)
    return True


def _require_no_fault(tree: Any, what: str, error: Callable[[str], Exception]) -> None:
    fault = find_fault(tree, what)
    if fault is not None:
        raise error(f"{fault[0]}: {fault[1]}")


def find_fault(tree: Any, path: str = "", levels: int = MAX_NESTING) -> tuple[str, str] | None:
    """Return the path of the first value of plain JSON data that exceeds a bound, and the reason; None without one."""
    reason = _find_scalar_fault(tree)
    if reason is not None:
        return path, reason
    stack: list[tuple[Any, str, int]] = [(tree, path, 0)] if isinstance(tree, (dict, list, tuple)) else []
    while stack:
        container, where, level = stack.pop()
        if level >= levels:
            reason = f"nested too deeply, more than {levels} levels of lists and dictionaries"
            return _shorten(where), reason
        if len(container) > MAX_ENTRIES:
            return _shorten(where), f"{len(container):,} entries, at most {MAX_ENTRIES:,} are possible"
        is_dict = isinstance(container, dict)
        for key, item in cast(dict[Any, Any], container).items() if is_dict else enumerate(container):
            reason = _find_scalar_fault(key) if is_dict else None
            if reason is not None:
                return _shorten(where), f"key {abbreviate(key)}: {reason}"
            reason = _find_scalar_fault(item)
            if reason is None and not isinstance(item, (dict, list, tuple)):
                continue
            name = key if isinstance(key, str) else abbreviate(key)
            inner = join_path(where, name) if is_dict else f"{where}[{key}]"
            if reason is not None:
                return _shorten(inner), reason
            stack.append((cast(Any, item), inner, level + 1))
    return None


def _find_scalar_fault(value: Any) -> str | None:
    if isinstance(value, str):
        if len(value) > MAX_TEXT_LENGTH:
            return f"a text of {len(value):,} characters, at most {MAX_TEXT_LENGTH:,} are possible"
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return f"{abbreviate(value)} contains half a surrogate pair, which is no character"
    elif isinstance(value, int) and not -JS_MAX_INT <= value <= JS_MAX_INT:
        return f"{abbreviate(value)} is larger than the largest integer JavaScript reads exactly, {JS_MAX_INT}"
    return None


def _shorten(path: str) -> str:
    return path if len(path) <= 200 else f"{path[:100]}...{path[-97:]}"


def join_path(path: str, key: str) -> str:
    """Return the path of an entry."""
    return f"{path}.{key}" if path else key


# --- Typed data -----------------------------------------------------------------------------------------------


def explain_bounds(tree: Any, hint: Any, get_field_types: Callable[[type], dict[str, Any]], path: str = "") -> None:
    """Raise `InvalidValue` with the path of a value in the tree of a typed object that exceeds a bound.

    Only for trees that a faster check has refused.

    Parameters
    ----------
    hint
        Annotation of the value.
    get_field_types
        Function that returns the resolved annotations of a data class.
    """
    members = [member for member in typing.get_args(hint) if member is not type(None)]
    if typing.get_origin(hint) not in (list, dict, set) and len(members) == 1:
        hint = members[0]
    if dataclasses.is_dataclass(hint) and isinstance(tree, dict):
        hints = get_field_types(cast(type, hint))
        for key, item in cast(dict[str, Any], tree).items():
            explain_bounds(item, hints.get(key, Any), get_field_types, join_path(path, key))
        return
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (list, dict, set) and arguments[-1] is not Any and isinstance(tree, (list, dict)):
        container = cast(dict[str, Any] | list[Any], tree)
        fault = find_fault(dict.fromkeys(container) if isinstance(container, dict) else (), path)
        if fault is None and len(container) > MAX_ENTRIES:
            fault = path, f"{len(container):,} entries, at most {MAX_ENTRIES:,} are possible"
        if fault is not None:
            raise InvalidValue(f"{fault[0]}: {fault[1]}")
        for key, item in container.items() if isinstance(container, dict) else enumerate(container):
            inner = f"{path}[{key}]" if isinstance(key, int) else join_path(path, key)
            explain_bounds(item, arguments[-1], get_field_types, inner)
        return
    fault = find_fault(tree, path)
    if fault is not None:
        raise InvalidValue(f"{fault[0]}: {fault[1]}")


def _has_fault(tree: Any) -> bool:
    try:
        check_free_data(tree, "")
    except InvalidValue:
        return True
    return False


def _has_faults(trees: dict[int, Any]) -> bool:
    return any(map(_has_fault, trees.values()))


def _is_out_of_bounds(amount: Any) -> bool:
    try:
        return not require_bounded(amount).is_finite()
    except (ArithmeticError, TypeError):
        return True


@functools.cache
def _find_checked_fields(cls: type) -> dict[str, Callable[[Any], bool]]:
    """Return the fields of a record that have bounds, each with the function that tells whether a value is wrong."""
    hints = typing.get_type_hints(cls)
    checked: dict[str, Callable[[Any], bool]] = {}
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        members = typing.get_args(hint) or (hint,)
        if Decimal in members:
            checked[field.name] = _is_out_of_bounds
        elif hint == dict[int, dict[str, Any]]:
            checked[field.name] = _has_faults
        elif hint == dict[str, Any] or dict[str, Any] in members:
            checked[field.name] = _has_fault
    return checked


def find_decimal_fields(cls: type) -> list[str]:
    """Return the names of the fields of a record that contain a Decimal."""
    return [name for name, is_wrong in _find_checked_fields(cls).items() if is_wrong is _is_out_of_bounds]


class RecordChecks(dict[type, Callable[[Any], bool]]):
    """Class -> generated check of its records; reading it takes a fraction of the time of a cached function."""

    def __missing__(self, cls: type) -> Callable[[Any], bool]:
        check = self[cls] = _make_check(cls)
        return check


def _make_check(cls: type) -> Callable[[Any], bool]:
    """Return a generated function that tells whether a value of a record is wrong, as straight-line code.

    It runs for every new record, so it does not note which value it is looking at.
    """
    slots: dict[str, str] = getattr(cls, "slot_names", {})
    lines = ["def has_wrong_value(o):", "    try:"]
    for name, is_wrong in _find_checked_fields(cls).items():
        value = f"o.{slots.get(name, name)}"
        if is_wrong is _is_out_of_bounds:
            lines.append(f"        if {value} is not None and not bounded({value}).is_finite(): return True")
        else:
            lines.append(f"        if {value} and {is_wrong.__name__}({value}): return True")
    lines += ["    except (ArithmeticError, TypeError):", "        return True", "    return False"]
    namespace = {"bounded": require_bounded, "_has_fault": _has_fault, "_has_faults": _has_faults}
    return compile_function("has_wrong_value", "\n".join(lines), namespace, f"checks of {cls.__qualname__}")


#: The check of each class: `has_wrong_value[type(record)](record)`, for constructors that run for every trade.
has_wrong_value = RecordChecks()


def refuse_values(record: Any, error: Callable[[str], Exception]) -> None:
    """Raise `error` with the name of the first wrong value of a record that has one."""
    cls = cast(type[Any], type(record))
    for name, is_wrong in _find_checked_fields(cls).items():
        value = getattr(record, name)
        if not (value is not None if is_wrong is _is_out_of_bounds else value) or not is_wrong(value):
            continue
        where = f"{cls.__name__}.{name}"
        if isinstance(value, dict):
            check_free_data(cast(Any, value), where, error)
        raise error(f"{where} is {abbreviate(cast(Any, value))}: {describe_decimal_bounds()}")


def check_wrapped(record: Any, field: str) -> None:
    """Raise `InvalidValue` if objects of one class contain each other on more than `MAX_WRAPPED` levels.

    Parameters
    ----------
    field
        Name of the field that contains the inner object.
    """
    inner = record
    for _ in range(MAX_WRAPPED):
        inner = getattr(inner, field, None)
        if inner is None:
            return
    raise InvalidValue(f"{type(record).__name__}.{field}: more than {MAX_WRAPPED} levels within one another")


def check_values(record: Any, error: Callable[[str], Exception] = InvalidValue) -> None:
    """Raise `error` if a Decimal or the free-form data of a record exceeds the bounds.

    Constructors call it, so that it also runs when a record is read from a file.
    """
    if has_wrong_value[type(record)](record):
        refuse_values(record, error)
