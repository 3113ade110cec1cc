"""Time series that stay plain data until they are read.

Most of a large state file are samples: one record for each cycle, all with the same keys. Building objects of them
takes most of the time of a load, and most programs read only some of them. A *deferred* field is therefore checked when
a file is loaded, and its objects are built when somebody reads the field.

The check is the parser's: it makes C structures instead of dictionaries, and accepts a text only if every record has
exactly the keys of the first one and values of the declared types within their bounds. Such a text is certain to become
objects. It says nothing about any other text, which is parsed and converted in the general way, and refused there if it
is damaged.

Rules that are more than the type of a value have to be part of the check. A class with such rules tells whether the
plain data of an object is certain to keep them (`keeps_rules`), and completes the figures that its constructor computes
(`complete_plain`).
"""

import dataclasses
import functools
import json
import operator
import typing
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple, cast

import msgspec
import orjson

from tradeexecutor.state.codec.annotations import field_types, is_optional, strip_optional
from tradeexecutor.state.codec.bounds import BoundedInt, limit_entries
from tradeexecutor.state.codec.decoding import EXAMINING_CLASSES, convert
from tradeexecutor.state.codec.deferred_fields import BUILDING, Deferred
from tradeexecutor.state.codec.encoded_values import encode_decimal
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.types import Duration, UTCDatetime, encode_time, from_epoch, from_seconds, to_seconds

__all__ = ["MAX_FIGURE", "DeferredSeries", "PrintedSeries", "parse_series"]

#: Bytes of a series from which it is deferred. The check of a shorter one would take longer than its conversion.
_LEAST_SIZE = 1 << 14
#: Bytes in which the first record is looked for.
_FIRST_RECORD = 1 << 14

#: Up to this size, msgspec and orjson print a float alike. Beyond it, one prints ``1e16`` and the other ``1e+16``.
MAX_FIGURE = 9e15

#: Types of JSON values that are certain to be converted, by the declared type. Their bounds are narrower than needed.
_LEAST_SECOND, _LAST_SECOND = -62_000_000_000, 253_000_000_000
_TIME_BOUNDS = msgspec.Meta(ge=_LEAST_SECOND, le=_LAST_SECOND)
_LEAVES: dict[Any, Any] = {
    bool: bool,
    float: typing.Annotated[float, msgspec.Meta(ge=-MAX_FIGURE, le=MAX_FIGURE)],
    int: BoundedInt,
    Decimal: typing.Annotated[str, msgspec.Meta(pattern=r"\A-?[0-9]{1,60}(\.[0-9]{1,60})?\Z")],
    UTCDatetime: typing.Annotated[int, _TIME_BOUNDS] | typing.Annotated[float, _TIME_BOUNDS],
    Duration: typing.Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)],
}

#: The same for values that are written as they were read: times in whole seconds, and Decimals without zeros in front
#: and without an exponent. Most series have only such ones, so that a save need not look at them.
_WRITTEN_LEAVES: dict[Any, Any] = _LEAVES | {
    Decimal: typing.Annotated[
        str,
        msgspec.Meta(
            pattern=r"\A-?([1-9][0-9]{0,59}(\.[0-9]{1,60})?|0(\.(0{0,5}[1-9][0-9]{0,54}|0{1,6}))?)\Z",
        ),
    ],
    UTCDatetime: typing.Annotated[int, _TIME_BOUNDS],
}


#: Finds the values of a field that a save writes in another form: value -> form.
_FindForms = Callable[[tuple[Any, ...]], dict[Any, Any]]


def _find_other_forms(
    values: tuple[Any, ...], read: Callable[[Any], Any], write: Callable[[Any], Any]
) -> dict[Any, Any]:
    """Return the forms that differ from their values; equal values, such as in samples in a row, are looked at once."""
    different = {*values} - {None}
    forms = map(write, map(read, different))
    return {value: form for value, form in zip(different, forms, strict=True) if form != value}


def _find_time_forms(times: tuple[Any, ...]) -> dict[Any, Any]:
    """Return the forms that differ, and all integers, unless all are: 1.0, which becomes 1, is the same key."""
    if {int, type(None)}.issuperset(map(type, times)):
        return {}
    different = {*times} - {None}
    forms = map(encode_time, map(from_epoch, different))
    return {time: form for time, form in zip(different, forms, strict=True) if form != time or type(form) is int}


#: By the declared type; values of other types are written as they are.
_FIND_FORMS: dict[Any, _FindForms] = {
    Decimal: functools.partial(_find_other_forms, read=Decimal, write=encode_decimal),
    UTCDatetime: _find_time_forms,
    Duration: functools.partial(_find_other_forms, read=from_seconds, write=to_seconds),
}


class _Layout(NamedTuple):
    """The records of one class that have the same keys."""

    #: Class of the structures, with all fields of the class.
    twin: Any
    #: Number of colons in the text of a record, without those of records inside it.
    colons: int
    #: Names of fields that contain a record.
    inner: "dict[str, _Layout]"
    keeps_rules: Callable[[Any], bool] | None
    complete_plain: Callable[[Any], None] | None
    #: Fields whose data may be written in another form than it was read.
    forms: dict[str, _FindForms]


class DeferredSeries(Deferred):
    """Checked plain data of a field with samples."""

    __slots__ = ("_hint", "_is_canonical", "_layout", "_rows")

    def __init__(self, rows: Any, layout: _Layout, hint: Any) -> None:
        self._rows = rows
        self._layout = layout
        self._hint = hint
        self._is_canonical = False

    def make_objects(self) -> Any:
        """Return the objects that an immediate conversion would have made, in a new container."""
        with pause_garbage_collection():
            return convert(msgspec.to_builtins(self._rows, str_keys=True), self._hint)

    def make_plain(self) -> Any:
        """Return the plain JSON data that the encoder would make of the objects."""
        return msgspec.to_builtins(self._get_canonical_rows(), str_keys=True)

    def make_text(self) -> bytes:
        """Return the JSON text of that data."""
        return msgspec.json.encode(self._get_canonical_rows())

    def _get_canonical_rows(self) -> Any:
        with BUILDING:
            if not self._is_canonical:
                _make_canonical(_list_rows(self._rows), self._layout)
                self._is_canonical = True
        return self._rows


class PrintedSeries:
    """What a save writes for a field whose objects are not built.

    Attributes
    ----------
    tree
        Plain JSON data, of which parts are JSON text.
    """

    __slots__ = ("tree",)

    def __init__(self, tree: Any) -> None:
        self.tree = tree

    def make_plain(self) -> Any:
        """Return the plain JSON data that the encoder would make of the objects."""
        return orjson.loads(orjson.dumps(self.tree))


def _list_rows(rows: Any) -> list[Any]:
    if isinstance(rows, dict):
        return [row for series in cast(dict[int, list[Any]], rows).values() for row in series]
    return rows


def _make_canonical(rows: list[Any], layout: _Layout) -> None:
    names = [*layout.forms]
    # The first name is there twice, so that a record gives a tuple also if there is only one.
    columns = zip(*map(operator.attrgetter(*names, names[0]), rows), strict=True) if names else ()
    for name, values in zip(names, columns, strict=False):
        forms = layout.forms[name](values)
        if forms:
            for row, value in zip(rows, values, strict=True):
                if value in forms:
                    setattr(row, name, forms[value])
    for name, inner in layout.inner.items():
        _make_canonical([value for row in rows if (value := getattr(row, name)) is not None], inner)
    if layout.complete_plain is not None:
        for row in rows:
            layout.complete_plain(row)


# --- Parsing


def parse_series(text: bytes, hint: Any) -> tuple[DeferredSeries, int] | None:
    """Parse the JSON text of a deferred field.

    Parameters
    ----------
    hint
        Annotation of the field: a list of records, or a dictionary of such lists.

    Returns
    -------
    tuple or None
        The series, and the number of colons that its text has if it contains no key twice. None if it is not certain
        that the text is such data without unknown keys.
    """
    if len(text) < _LEAST_SIZE:
        return None
    start = text.find(b"[{") + 1
    if not start:
        return None
    head = text[start : start + _FIRST_RECORD].decode("utf-8", "replace")
    try:
        first: Any = json.JSONDecoder().raw_decode(head)[0]
    except (ValueError, RecursionError):
        return None
    for layout, decoder in _find_decoders(hint, *_describe(first)):
        try:
            rows = decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        colons = _count_colons(_list_rows(rows), layout)
        if colons is None:
            return None
        if isinstance(rows, dict):
            colons += len(cast(dict[int, Any], rows))
        return DeferredSeries(rows, layout, hint), colons
    return None


def _describe(record: dict[str, Any]) -> tuple[frozenset[str], tuple[tuple[str, frozenset[str]], ...]]:
    """Return the keys of a record, and those of the records inside it."""
    inner = tuple(
        (name, frozenset(cast(dict[str, Any], value))) for name, value in record.items() if isinstance(value, dict)
    )
    return frozenset(record), inner


def _count_colons(rows: list[Any], layout: _Layout) -> int | None:
    """Return the number of colons in the text of rows; None if an object might break a rule."""
    if layout.keeps_rules is not None and not all(map(layout.keeps_rules, rows)):
        return None
    colons = len(rows) * layout.colons
    for name, inner in layout.inner.items():
        found = _count_colons([value for row in rows if (value := getattr(row, name)) is not None], inner)
        if found is None:
            return None
        colons += found
    return colons


@functools.lru_cache(maxsize=64)
def _find_decoders(
    hint: Any, keys: frozenset[str], inner: tuple[tuple[str, frozenset[str]], ...]
) -> "list[tuple[_Layout, msgspec.json.Decoder[Any]]]":
    """Return decoders of a series whose records have certain keys; the first one takes values as they are written."""
    is_table = typing.get_origin(hint) is dict
    series = typing.get_args(hint)[1] if is_table else hint
    found: list[tuple[_Layout, msgspec.json.Decoder[Any]]] = []
    with EXAMINING_CLASSES:
        for leaves in (_WRITTEN_LEAVES, _LEAVES):
            layout = _make_layout(typing.get_args(series)[0], keys, dict(inner), leaves)
            if layout is not None:
                rows: Any = limit_entries(list[layout.twin])
                found.append((layout, msgspec.json.Decoder(limit_entries(dict[int, rows]) if is_table else rows)))
    return found


def _make_layout(
    cls: type, keys: frozenset[str], inner: dict[str, frozenset[str]], leaves: dict[Any, Any]
) -> _Layout | None:
    """Return the layout of objects of a class that have certain keys; None if there is none."""
    hints = field_types(cls)
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    layouts: dict[str, _Layout] = {}
    fields: list[Any] = []
    for name, optional_hint in hints.items():
        hint = strip_optional(optional_hint)
        twin: Any = leaves.get(hint)
        if name in inner and dataclasses.is_dataclass(hint):
            layout = _make_layout(cast(type, hint), inner[name], {}, leaves)
            if layout is None:
                return None
            layouts[name] = layout
            twin = layout.twin
        twin = None if twin is None else twin | None if is_optional(optional_hint) else twin
        if twin is None and not is_optional(optional_hint):
            return None
        if name in keys:
            fields.append((name, twin))
        elif _is_plain_default(defaults[name], hint, is_optional=is_optional(optional_hint)):
            fields.append((name, twin, defaults[name]))
        else:
            return None
    if not keys <= hints.keys() or layouts.keys() != inner.keys():
        return None
    forms = {
        name: _FIND_FORMS[hint]
        for name, optional_hint in hints.items()
        if (hint := strip_optional(optional_hint)) in _FIND_FORMS
        and (leaves is _LEAVES or _WRITTEN_LEAVES[hint] is _LEAVES[hint])
    }
    return _Layout(
        msgspec.defstruct(cls.__name__, fields, kw_only=True, forbid_unknown_fields=True, gc=False),
        len(keys),
        layouts,
        getattr(cls, "keeps_rules", None),
        getattr(cls, "complete_plain", None),
        forms,
    )


def _is_plain_default(default: Any, hint: Any, *, is_optional: bool) -> bool:
    """Return whether the default of a field is JSON data of its declared type."""
    return is_optional if default is None else type(default) is hint and hint in (bool, int, float)
