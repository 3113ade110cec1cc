"""JSON text of samples, from columns of their figures.

A save of a long backtest spends most of its time on samples. Their text is made here of C structures, without an object
for each.
"""

import dataclasses
import datetime
import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tradeexecutor.state.codec.deferred_series import MAX_FIGURE
from tradeexecutor.state.types import encode_time

__all__ = ["NotPrintable", "print_rows", "to_figures", "to_stamps"]


class NotPrintable(Exception):
    """A value cannot be written from a column; the text, or the error of the encoder, has to come from objects."""


def to_stamps(times: Sequence[datetime.datetime]) -> list[float]:
    """Return times as they are written; raises `NotPrintable` or `UnencodableValue`."""
    if not {datetime.datetime}.issuperset(map(type, times)):
        raise NotPrintable
    return list(map(encode_time, times))


def to_figures(values: Iterable[float]) -> list[float]:
    """Return the values, at least one, of a field for floats; raises `NotPrintable` if one is out of bounds."""
    figures = list(map(float, values))
    if not (math.isfinite(sum(figures)) and min(figures) >= -MAX_FIGURE and max(figures) <= MAX_FIGURE):
        raise NotPrintable
    return figures


def print_rows(cls: type, columns: Mapping[str, Iterable[Any]]) -> bytes:
    """Return the JSON text of a list of objects of a data class.

    Parameters
    ----------
    columns
        Field -> its value in each object; all other fields have their default.
    """
    defaults, row = _make_row(cls)
    values = [columns.get(name) or itertools.repeat(default) for name, default in defaults.items()]
    return msgspec.json.encode(list(map(row, *values)))


@functools.cache
def _make_row(cls: Any) -> tuple[dict[str, Any], Any]:
    """Return the fields of a data class with their defaults, and a structure with the same fields."""
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    return defaults, msgspec.defstruct(cls.__name__, list(defaults), gc=False)
