"""Check that reading and writing a state file loses nothing."""

import dataclasses
import datetime
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, cast

from tradeexecutor.state.codec.numbers_as_text import read_number
from tradeexecutor.state.trade_summary import TradeSummary

#: Marks a missing key.
_ABSENT = object()

#: Types of values without parts, which nine of ten values have: loops compare them without a call.
_PLAIN = frozenset((str, int, float, bool, type(None), Decimal, datetime.datetime))

#: Figures of a trade summary that are computed from its other figures; the values in a file are replaced.
_RECOMPUTED = frozenset(field.name for field in dataclasses.fields(TradeSummary) if not field.init) | {
    "average_position_frequency"
}


def find_losses(original: Any, written: Any, path: str = "") -> Iterator[str]:
    """Yield a description of each value of `original` that is missing from `written` or differs there.

    These do not count: keys that were added, lists in another order (sets are sorted), an integer written as the text
    of an exact amount, a text written as the float that it spells, and figures of a trade summary that are recomputed.

    Parameters
    ----------
    original, written
        Plain JSON data.
    path
        Path of both in the state, e.g. ``portfolio.reserves``.
    """
    if isinstance(original, dict) and isinstance(written, dict):
        yield from _find_dict_losses(cast(dict[str, Any], original), cast(dict[str, Any], written), path)
    elif isinstance(original, list) and isinstance(written, list):
        yield from _find_list_losses(cast(list[Any], original), cast(list[Any], written), path)
    elif not _is_same(original, written):
        yield f"{path}: {_shorten(original)} became {_shorten(written)}"


def _find_dict_losses(original: dict[str, Any], written: dict[str, Any], path: str) -> Iterator[str]:
    for key, value in original.items():
        if key in _RECOMPUTED and path.endswith(".summary"):
            continue
        counterpart = written.get(key, _ABSENT)
        if _is_plainly_same(value, counterpart):
            continue
        inner = f"{path}.{key}" if path else key
        if counterpart is _ABSENT:
            yield f"{inner} is missing"
        else:
            yield from find_losses(value, counterpart, inner)


def _find_list_losses(original: list[Any], written: list[Any], path: str) -> Iterator[str]:
    if len(original) != len(written):
        yield f"{path}: {len(original)} items became {len(written)}"
        return
    losses = [
        loss
        for index, (old, new) in enumerate(zip(original, written, strict=True))
        if not _is_plainly_same(old, new)
        for loss in find_losses(old, new, f"{path}[{index}]")
    ]
    if losses and Counter(map(_get_key, original)) == Counter(map(_get_key, written)):
        return
    yield from losses


def _get_key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _is_plainly_same(original: object, written: object) -> bool:
    kind = type(original)
    return kind in _PLAIN and kind is type(written) and original == written


def _is_same(original: Any, written: Any) -> bool:
    if type(original) is bool or type(written) is bool:
        return original is written
    if type(original) is int and isinstance(written, str):
        return str(original) == written
    if type(written) is float and isinstance(original, str):
        return read_number(original) == written
    return original == written


def _shorten(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def find_unknown_keys(value: Any, path: str = "") -> Iterator[str]:
    """Yield the keys that this version of the program does not use; they are kept when a state is saved.

    Parameters
    ----------
    value
        A state, or any part of one.
    path
        Path of the value in the state.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # The codec stores them in this attribute, which is not a field.
        unknown = getattr(value, "unknown_keys", {})
        yield from (f"{path}.{key}" if path else str(key) for key in unknown)
        for field in dataclasses.fields(value):
            item = getattr(value, field.name, None)
            if type(item) not in _PLAIN:
                yield from find_unknown_keys(item, f"{path}.{field.name}" if path else field.name)
    elif isinstance(value, dict):
        for key, item in cast(dict[Any, Any], value).items():
            if type(item) not in _PLAIN:
                yield from find_unknown_keys(item, f"{path}[{key}]")
    elif isinstance(value, list | tuple | set):
        for index, item in enumerate(cast(Iterable[Any], value)):
            if type(item) not in _PLAIN:
                yield from find_unknown_keys(item, f"{path}[{index}]")
