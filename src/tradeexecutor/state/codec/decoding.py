"""Reading: plain JSON data becomes objects of the state tree.

`msgspec.convert` runs all constructors, which check and normalise. Keys that the schema does not contain are stored on
their objects.
"""

import contextlib
import dataclasses
import functools
import threading
import typing
from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from tradeexecutor.state.codec.annotations import field_types, strip_optional
from tradeexecutor.state.codec.bounds import BoundedInt, BoundedText, check_free_data, explain_bounds, limit_entries
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.codec.memory import has_memory_limit
from tradeexecutor.state.codec.numbers_as_text import replace_numbers_written_as_text
from tradeexecutor.state.errors import InvalidStateFile, InvalidValue
from tradeexecutor.state.types import WireType, accept_unknown_enum_values

__all__ = ["EXAMINING_CLASSES", "convert", "decode"]

T = TypeVar("T")


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
    has_memory_limit()
    try:
        with accept_unknown_enum_values(), pause_garbage_collection():
            is_known = has_only_known_keys or _fits(tree, _twin(cls))
            if not is_known and not _fits(tree, _twin(cls, may_have_other_keys=True)):
                explain_bounds(tree, cls, field_types)
            if is_known and prepare is not None:
                prepare(tree, cls, convert)
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
                convert(0, kind)
        _prepared.add(cls)


def convert(tree: Any, cls: Any) -> Any:
    """Build objects of plain JSON data; `cls` may be any annotation. Raises `msgspec.ValidationError`."""
    return msgspec.convert(tree, cls, dec_hook=_decode_wire_type, str_keys=True)


def _convert_liberally(tree: Any, cls: type[T]) -> T:
    """Convert a tree that may contain numbers as text. The search for them runs only after a failed conversion."""
    try:
        return convert(tree, cls)
    except msgspec.ValidationError:
        if not replace_numbers_written_as_text(tree, cls, field_types):
            raise
    return convert(tree, cls)


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
