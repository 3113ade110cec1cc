"""Checks whether nested data can be stored in a state file.

The codec refuses bad values when it writes. These functions check free-form data earlier, e.g. before a strategy stores
it.
"""

import datetime
import enum
import math
from decimal import Decimal
from typing import Any, cast

from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import BadStateData
from tradeexecutor.state.types import JS_MAX_INT

__all__ = [
    "ALLOWED_KEY_TYPES",
    "ALLOWED_VALUE_TYPES",
    "JS_MAX_INT",
    "BadStateData",
    "validate_nested_state_dict",
    "validate_state_serialisation",
    "validate_state_value",
    "walk",
]

#: Dictionary keys must have exactly one of these types.
ALLOWED_KEY_TYPES = (float, int, str)

#: Types of values that are not containers.
ALLOWED_VALUE_TYPES = (float, int, str, type(None), enum.Enum, datetime.datetime, datetime.timedelta, Decimal)

#: Largest depth of nesting, levels. A state has about ten levels; data beyond the limit contains itself.
_MAX_DEPTH = 200


def validate_nested_state_dict(d: dict[Any, Any]) -> None:
    """Check a nested dictionary.

    Raises
    ------
    BadStateData
        The dictionary contains a bad value or key; the path of the first one starts with ``state``.
    """
    walk("state", d, str)


def walk(name: str | float, val: Any, key_type: type) -> None:
    """Check a value and all values inside it.

    Parameters
    ----------
    name
        Key or index under which the value is stored; the root of the path in errors.
    key_type
        Type of that key.
    """
    _walk(str(name), val, key_type, 0)


def _walk(path: str, val: Any, key_type: type, depth: int) -> None:
    if key_type not in ALLOWED_KEY_TYPES:
        raise BadStateData(f"bad key type: {key_type}, allowed {ALLOWED_KEY_TYPES}", path)
    if depth > _MAX_DEPTH:
        raise BadStateData("nested too deeply, or contains itself", path[:200])
    if isinstance(val, dict):
        for key, item in cast(dict[Any, Any], val).items():
            _walk(
                f"{path}.{key}" if isinstance(key, str) else f"{path}[{key!r}]", item, cast(type, type(key)), depth + 1
            )
    elif isinstance(val, (list, tuple)):
        for index, item in enumerate(cast(list[Any], val)):
            _walk(f"{path}[{index}]", item, int, depth + 1)
    else:
        validate_state_value(path, val)


def validate_state_value(name: str | float, val: object) -> None:
    """Check a value that is not a container.

    Raises
    ------
    BadStateData
        The value is NaN or infinite, an integer that JavaScript would round, a time with a time zone or ``NaT``, or has
        a type that a state file cannot contain.
    """
    reason = _find_fault(val)
    if reason:
        text = repr(val)
        raise BadStateData(f"{text if len(text) < 100 else text[:97] + '...'} ({type(val)} - {reason})", str(name))


def _find_fault(val: object) -> str | None:
    if not isinstance(val, ALLOWED_VALUE_TYPES):
        return "value type is not in supported serialisable types"
    if isinstance(val, float):
        return None if math.isfinite(val) else "not a finite number"
    if isinstance(val, int):
        return None if -JS_MAX_INT <= val <= JS_MAX_INT else "larger than JavaScript max int"
    if isinstance(val, Decimal):
        return None if val.is_finite() else "not a finite number"
    if isinstance(val, datetime.datetime) and val.tzinfo is not None:
        return "datetime must be naive, this one contains timezone info"
    if isinstance(val, (datetime.datetime, datetime.timedelta)) and val != val:
        return "not a time"  # pandas.NaT
    return None


def validate_state_serialisation(state: Serialisable) -> None:
    """Check that a state, or a part of one, can be written; raises `BadStateData` like its ``to_dict``."""
    state.to_dict()
