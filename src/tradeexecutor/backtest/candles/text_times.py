"""Times written as text: one format for the whole column, and an order of day and month only when a row decides it.

A column is read in the one format that matches all its rows. Day and month as numbers have two possible orders, years
of two digits have three; the order that is valid for all rows is used. If several are valid, the column is refused
until the user chooses one.
"""

import datetime
import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tradeexecutor.backtest.candles.arrow import pc
from tradeexecutor.backtest.candles.dates import CandleTimes, Parts, compose, describe_problem, latest_time, show
from tradeexecutor.strategy.candle_length import InvalidCandles, from_us

__all__ = ["FORMAT_OPTION", "ORDERS", "read_text_times", "read_with_pattern"]

#: Option for ambiguous formats, as named in errors.
FORMAT_OPTION = "--date-format (in Python: date_format)"

#: Orders of day and month that a user can name.
ORDERS = ("day-first", "month-first", "year-first")

_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp]\.?[Mm]\.?))?(?: ?(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?"
)
_COMPACT_CLOCK = (
    r"(?P<hour>\d{2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?P<half>)(?: ?(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?"
)
_WEEKDAY = r"(?:(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs?)?|Fri|Sat(?:ur)?|Sun)(?:day)?\.?,? )?"
_MONTH_NAME = r"[A-Za-z]{3,9}"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


class _Shape(NamedTuple):
    """A format of times.

    `orders` maps the name of an order to which of the groups a, b and c is year, month and day; "-" is the first of
    the month.
    """

    pattern: str
    orders: dict[str, str]


_SHAPES = (
    # 2024-01-31, 2024/1/31 and 2024.01.31: always year, month, day.
    _Shape(
        r"(?P<a>\d{4})(?P<sep>[-/.])(?P<b>\d{1,2})[-/.](?P<c>\d{1,2})(?:(?:[Tt]| +)" + _CLOCK + ")?",
        {"year-first": "abc"},
    ),
    # 20240131T0900, and 20240131 090000
    _Shape(r"(?P<a>\d{4})(?P<b>\d{2})(?P<c>\d{2})(?P<sep>[Tt]| )" + _COMPACT_CLOCK, {"year-first": "abc"}),
    # 2024-01: candles of a month
    _Shape(r"(?P<a>\d{4})(?P<sep>[-/.])(?P<b>\d{1,2})(?P<c>)", {"year-first": "ab-"}),
    # 31.01.2024, 1/31/2024, 31-01-24
    _Shape(
        r"(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})[-/.](?P<c>\d{4})(?:(?:[Tt]|,? +)" + _CLOCK + ")?",
        {"day-first": "cba", "month-first": "cab"},
    ),
    _Shape(
        r"(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})[-/.](?P<c>\d{2})(?:(?:[Tt]|,? +)" + _CLOCK + ")?",
        {"day-first": "cba", "month-first": "cab", "year-first": "abc"},
    ),
    # 31 Jan 2024, Wed 31-Jan-24
    _Shape(
        _WEEKDAY + rf"(?P<a>\d{{1,2}})(?:st|nd|rd|th)?(?P<sep>[-/ ])(?P<b>{_MONTH_NAME})\.?,?[-/ ](?P<c>\d{{4}})"
        "(?:,? +" + _CLOCK + ")?",
        {"day-first": "cba"},
    ),
    _Shape(
        _WEEKDAY
        + rf"(?P<a>\d{{1,2}})(?P<sep>[-/ ])(?P<b>{_MONTH_NAME})\.?,?[-/ ](?P<c>\d{{2}})(?:,? +"
        + _CLOCK
        + ")?",
        {"day-first": "cba", "year-first": "abc"},
    ),
    # Jan 31, 2024
    _Shape(
        _WEEKDAY + rf"(?P<a>{_MONTH_NAME})\.?(?P<sep>[-/ ])(?P<b>\d{{1,2}})(?:st|nd|rd|th)?,?[-/ ](?P<c>\d{{4}})"
        "(?:,? +" + _CLOCK + ")?",
        {"month-first": "cab"},
    ),
    # 2024-Jan-31
    _Shape(
        rf"(?P<a>\d{{4}})(?P<sep>[-/ ])(?P<b>{_MONTH_NAME})[-/ ](?P<c>\d{{1,2}})(?:,? +" + _CLOCK + ")?",
        {"year-first": "abc"},
    ),
    # Jan 2024: candles of a month
    _Shape(rf"(?P<a>{_MONTH_NAME})\.?(?P<sep>[-/ ])(?P<b>\d{{4}})(?P<c>)", {"month-first": "ba-"}),
)

#: Groups of all formats; a format without a time of day, or a column without seconds, has only some of them.
_GROUPS = ("a", "b", "c", "sep", "hour", "minute", "second", "fraction", "half", "zone")


def read_text_times(texts: "pa.StringArray", date_format: str | None, source: str) -> CandleTimes:
    """Return the times of a column of texts that are not plain numbers.

    Parameters
    ----------
    texts
        Texts without missing values and surrounding spaces.
    date_format
        One of `ORDERS`, or None.

    Raises
    ------
    InvalidCandles
        A row is not a time or has another format than the others, with the number of the first one; or the order of
        day and month is ambiguous.
    """
    shape, groups = _find_shape(texts, source)
    rows = len(texts)
    hour, minute, second = (_to_numbers(groups[name]) for name in ("hour", "minute", "second"))
    hour = _apply_half_day(hour, groups["half"], texts, source)
    clock = (hour, minute, second, _to_microseconds(groups["fraction"]))
    readings = _read_dates(shape, groups, clock, rows)
    if date_format in ORDERS and len(shape.orders) > 1:
        readings = {name: reading for name, reading in readings.items() if name == date_format}
        if not readings:
            raise InvalidCandles(f"{texts[0].as_py()!r} cannot be {date_format}", source, 1)
    local = _choose(readings, texts, source)
    offsets = _read_zone(groups["zone"], texts, source)
    if offsets is None:
        return CandleTimes(local)
    return CandleTimes(local - offsets, offsets if offsets.any() else None)


# --- The form


def _find_shape(texts: "pa.StringArray", source: str) -> tuple[_Shape, dict[str, "pa.StringArray"]]:
    """Return the format that all rows have, and the texts of its groups; "" for a group that a row does not have."""
    best, best_fit = None, np.zeros(len(texts), dtype=bool)
    for shape in _SHAPES:
        fit = np.asarray(pc.match_substring_regex(texts, f"^(?:{shape.pattern})$"))
        if fit.sum() > best_fit.sum():
            best, best_fit = shape, fit
        if best_fit.all():
            break
    if best is None:
        raise InvalidCandles(f"{texts[0].as_py()!r} is not a time", source, 1)
    if not best_fit.all():
        odd, common = int(np.argmin(best_fit)), int(np.argmax(best_fit))
        value = texts[odd].as_py()
        is_time = any(re.fullmatch(shape.pattern, value) for shape in _SHAPES)
        problem = "has another format" if is_time else "is not a time"
        raise InvalidCandles(f"{value!r} {problem} (row {common + 1} is {texts[common].as_py()!r})", source, odd + 1)
    found = pc.extract_regex(texts, f"^(?:{best.pattern})$")
    names = [field.name for field in found.type]
    empty = pa.array([""] * len(texts), pa.string())
    groups = {name: found.field(names.index(name)) if name in names else empty for name in _GROUPS}
    groups = {name: pc.fill_null(values, "") for name, values in groups.items()}
    _check_uniform("separator", groups["sep"], texts, source)
    return best, groups


def _check_uniform(what: str, values: "pa.StringArray", texts: "pa.StringArray", source: str) -> None:
    """Raise `InvalidCandles` when a part of the texts is not the same in all rows, as in a column made from two."""
    odd = np.asarray(pc.not_equal(values, values[0]))
    if odd.any():
        row = int(np.argmax(odd))
        raise InvalidCandles(
            f"{texts[row].as_py()!r} has another {what} than {texts[0].as_py()!r} in row 1", source, row + 1
        )


# --- Day, month and year


class _Reading(NamedTuple):
    """The column read in one order of day and month."""

    parts: Parts
    times: NDArray[np.int64]
    exists: NDArray[np.bool_]


def _read_dates(
    shape: _Shape, groups: dict[str, "pa.StringArray"], clock: tuple[NDArray[np.int64], ...], rows: int
) -> dict[str, _Reading]:
    readings: dict[str, _Reading] = {}
    for name, order in shape.orders.items():
        numbers = [np.ones(rows, np.int64) if group == "-" else _read_date_part(groups[group]) for group in order]
        year, month, day = numbers
        is_short = np.asarray(pc.utf8_length(groups[order[0]])) <= 2
        if is_short.any():
            year = np.where(is_short, _expand_years(year), year)
        parts = Parts(year, month, day, *clock)
        readings[name] = _Reading(parts, *compose(parts))
    return readings


def _read_date_part(texts: "pa.StringArray") -> NDArray[np.int64]:
    """Return numbers, with names of months as 1 to 12; 0 for an unknown name."""
    first = texts[0].as_py()
    if first[:1].isdigit():
        return _to_numbers(texts)
    encoded = pc.dictionary_encode(pc.utf8_lower(texts))
    names = encoded.dictionary.to_pylist()
    numbers = [
        _MONTHS.index(name[:3]) + 1 if name[:3] in _MONTHS and name in (*_MONTHS, *_LONG_MONTHS, "sept") else 0
        for name in names
    ]
    return np.array(numbers, np.int64)[np.asarray(encoded.indices)]


def _expand_years(years: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return full years from 1980 to now for years of two digits; 0, which does not exist, for others."""
    now = from_us(latest_time()).year
    recent = years + 2000
    return np.where(recent <= now, recent, np.where(years >= 80, years + 1900, 0))


def _choose(readings: dict[str, _Reading], texts: "pa.StringArray", source: str) -> NDArray[np.int64]:
    """Return the times in the only order that is valid for all rows; raises `InvalidCandles`."""
    fitting = {name: reading for name, reading in readings.items() if reading.exists.all()}
    if not fitting:
        name, reading = max(readings.items(), key=lambda item: int(item[1].exists.sum()))
        row = int(np.argmin(reading.exists))
        others = [other for other, tried in readings.items() if other != name and tried.exists[row]]
        if others:
            # The row is valid in another order, which is invalid for another row.
            against = int(np.argmin(readings[others[0]].exists))
            raise InvalidCandles(
                f"{texts[row].as_py()!r} can only be {others[0]}, {texts[against].as_py()!r} in row {against + 1} "
                "cannot: the dates of the column are written in two orders",
                source,
                row + 1,
            )
        raise InvalidCandles(
            f"{texts[row].as_py()!r} is not a time: {describe_problem(reading.parts, row)}", source, row + 1
        )
    name, chosen = next(iter(fitting.items()))
    for other, reading in fitting.items():
        differs = reading.times != chosen.times
        if differs.any():
            row = int(np.argmax(differs))
            raise InvalidCandles(
                f"{texts[row].as_py()!r} can be {show(chosen.times[row])} ({name}) or {show(reading.times[row])} "
                f"({other}), and no row decides; set the format with {FORMAT_OPTION}",
                source,
                row + 1,
            )
    return chosen.times


# --- Clock and zone


def _to_numbers(texts: "pa.StringArray") -> NDArray[np.int64]:
    """Return numbers, 0 for an empty text."""
    return np.asarray(pc.cast(pc.if_else(pc.equal(texts, ""), "0", texts), pa.int64()))


def _to_microseconds(fractions: "pa.StringArray") -> NDArray[np.int64]:
    """Return fractions of a second as microseconds; nanoseconds are cut off."""
    padded = pc.utf8_slice_codeunits(pc.utf8_rpad(fractions, 6, "0"), 0, 6)
    return np.asarray(pc.cast(padded, pa.int64()))


def _apply_half_day(
    hour: NDArray[np.int64], half: "pa.StringArray", texts: "pa.StringArray", source: str
) -> NDArray[np.int64]:
    marked = np.asarray(pc.not_equal(half, ""))
    if not marked.any():
        return hour
    if not marked.all():
        row = int(np.argmin(marked))
        raise InvalidCandles(f"{texts[row].as_py()!r} has neither AM nor PM, other rows have one", source, row + 1)
    bad = (hour < 1) | (hour > 12)
    if bad.any():
        row = int(np.argmax(bad))
        raise InvalidCandles(
            f"{texts[row].as_py()!r} is not a time: hours go from 1 to 12 with AM and PM", source, row + 1
        )
    is_afternoon = np.asarray(pc.starts_with(pc.utf8_lower(half), "p"))
    return hour % 12 + np.where(is_afternoon, 12, 0)


def _read_zone(zone: "pa.StringArray", texts: "pa.StringArray", source: str) -> NDArray[np.int64] | None:
    """Return how far local time is ahead of UTC in each row, us; None for a column without zones, which is UTC."""
    given = np.asarray(pc.not_equal(zone, ""))
    if not given.any():
        return None
    if not given.all():
        row = int(np.argmin(given))
        raise InvalidCandles(f"{texts[row].as_py()!r} has no time zone, other rows have one", source, row + 1)
    encoded = pc.dictionary_encode(zone)
    offsets = [_parse_offset(text) for text in encoded.dictionary.to_pylist()]
    indices = np.asarray(encoded.indices)
    for number, offset in enumerate(offsets):
        if offset is None:
            row = int(np.argmax(indices == number))
            raise InvalidCandles(f"{texts[row].as_py()!r} is not a time: there is no such time zone", source, row + 1)
    return np.array(offsets, np.int64)[indices]


def _parse_offset(text: str) -> int | None:
    if text.upper() in ("Z", "UTC", "GMT"):
        return 0
    digits = text[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 14 or minutes > 59:
        return None
    return (1 if text[0] == "+" else -1) * (hours * 60 + minutes) * 60_000_000


# --- A form the user names


def read_with_pattern(texts: "pa.StringArray", pattern: str, source: str) -> CandleTimes:
    """Return the times of a column in a format given as a pattern of ``datetime.strptime``.

    Raises
    ------
    InvalidCandles
        The pattern is invalid, or a row does not match it; the message names the first one.
    """
    if not re.search("%[YyG]", pattern) or "%Z" in pattern:
        raise InvalidCandles(
            f"{pattern!r} is not a date format: it needs a year (%Y) and must not have names of zones; see "
            f"{FORMAT_OPTION}"
        )
    times: list[datetime.datetime] = []
    for row, text in enumerate(texts.to_pylist()):
        try:
            times.append(datetime.datetime.strptime(text, pattern))
        except ValueError as error:
            is_bad_pattern = "bad directive" in str(error) or "stray %" in str(error)
            problem = f"{pattern!r} is not a date format" if is_bad_pattern else f"{text!r} does not match {pattern!r}"
            raise InvalidCandles(
                f"{problem}; see {FORMAT_OPTION}", source, None if is_bad_pattern else row + 1
            ) from None
    zones = [time.utcoffset() for time in times]
    local = np.array([time.replace(tzinfo=None) for time in times], "datetime64[us]").astype(np.int64)
    if zones[0] is None:
        return CandleTimes(local)
    offsets = np.array([zone // datetime.timedelta(microseconds=1) for zone in zones if zone is not None], np.int64)
    return CandleTimes(local - offsets, offsets if offsets.any() else None)
