"""Times written as numbers: the unit is detected from the resulting dates, for the whole column at once.

From 1980 on the ranges of the units do not overlap: a number that is a time in seconds would be in 1970 in
milliseconds. So every row has at most one unit, and a column with two units is refused.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.backtest.candles.dates import (
    FIRST_EPOCH,
    FIRST_YEAR,
    CandleTimes,
    Parts,
    compose,
    describe_problem,
    latest_time,
    show,
)
from tradeexecutor.backtest.candles.text_times import FORMAT_OPTION
from tradeexecutor.strategy.candle_length import InvalidCandles

__all__ = ["UNITS", "read_number_times"]

#: Integers are exact; the precision of floats is sufficient for microseconds.
Numbers = NDArray[np.int64] | NDArray[np.float64]

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND

#: Day 0 of spreadsheets, 1899-12-30, us.
_SPREADSHEET_ORIGIN = -25_569 * _DAY


class _Epoch(NamedTuple):
    """A unit of time since 1970; a number is converted to microseconds by ``multiply`` and ``divide``."""

    name: str
    multiply: int
    divide: int

    def convert(self, numbers: Numbers) -> NDArray[np.int64]:
        if np.issubdtype(numbers.dtype, np.integer):
            return numbers.astype(np.int64) * self.multiply // self.divide
        return np.round(numbers.astype(np.float64) * self.multiply / self.divide).astype(np.int64)


_EPOCHS = {
    "s": _Epoch("seconds", _SECOND, 1),
    "ms": _Epoch("milliseconds", 1_000, 1),
    "us": _Epoch("microseconds", 1, 1),
    "ns": _Epoch("nanoseconds", 1, 1_000),
}

#: Formats of dates written as one number, by number of digits.
_DIGITS = {4: "YYYY", 6: "YYYYMM", 8: "YYYYMMDD", 12: "YYYYMMDDHHMM", 14: "YYYYMMDDHHMMSS"}

#: Range of day numbers of spreadsheets: 1954 to 2119.
_SPREADSHEET_DAYS = (20_000, 80_000)

#: Names of units and formats for ``date_format``.
UNITS = (*_EPOCHS, "excel", *_DIGITS.values(), "YYMMDD")


def read_number_times(
    numbers: Numbers, date_format: str | None, source: str, show_value: Callable[[int], str]
) -> CandleTimes:
    """Return the times of a column of numbers.

    Parameters
    ----------
    numbers
        Finite numbers.
    date_format
        One of `UNITS`; None detects it from the numbers.
    show_value
        Returns the text of a row in the data.

    Raises
    ------
    InvalidCandles
        A row is not a time or has another unit than the others, with the number of the first one; or the unit is
        ambiguous.
    """
    if date_format is None:
        date_format = _find_unit(numbers, source, show_value)
    if date_format in _EPOCHS:
        return CandleTimes(_convert_epoch(numbers, date_format, source, show_value))
    if date_format == "excel":
        return CandleTimes(_convert_spreadsheet_days(numbers, source, show_value))
    return CandleTimes(_convert_digits(numbers, date_format, source, show_value))


# --- The unit


def _find_unit(numbers: Numbers, source: str, show_value: Callable[[int], str]) -> str:
    classes = _classify(numbers)
    unknown = classes == ""
    if unknown.any():
        row = int(np.argmax(unknown))
        raise InvalidCandles(
            f"{show_value(row)} is not a time: {_explain(numbers[row])}; set the format with {FORMAT_OPTION}",
            source,
            row + 1,
        )
    names, counts = np.unique(classes, return_counts=True)
    common = str(names[int(np.argmax(counts))])
    if len(names) > 1:
        row, odd = int(np.argmax(classes == common)), int(np.argmax(classes != common))
        raise InvalidCandles(
            f"{show_value(odd)} is in {_describe(str(classes[odd]))}, "
            f"row {row + 1}, {show_value(row)}, is in {_describe(common)}",
            source,
            odd + 1,
        )
    if common == "excel":
        raise InvalidCandles(
            f"{show_value(0)} can be a day number of a spreadsheet, which counts from 1900 or from 1904; "
            f"use 'excel' with {FORMAT_OPTION} if it counts from 1900",
            source,
            1,
        )
    return _choose_six_digits(numbers, source, show_value) if common == "YYYYMM" else common


def _classify(numbers: Numbers) -> NDArray[np.str_]:
    """Return the only unit in which each number is a time, or "" for none."""
    latest = latest_time()
    result = np.full(len(numbers), "", dtype="U16")
    # Floats, because numbers of any size can be compared with limits in nanoseconds.
    values = numbers.astype(np.float64)
    for name, unit in _EPOCHS.items():
        low, high = (limit * unit.divide / unit.multiply for limit in (FIRST_EPOCH, latest))
        result[(values >= low) & (values <= high)] = name
    is_whole = values == np.floor(values)
    for digits, name in _DIGITS.items():
        scale = 10.0 ** (digits - 4)
        if digits == 6:
            fits = (values >= 10_000) & (values < 1_000_000) & ~_is_spreadsheet_day(values)
        else:
            fits = (values >= FIRST_YEAR * scale) & (values < 2_200 * scale)
        result[fits & is_whole & (result == "")] = name
    result[_is_spreadsheet_day(values) & (result == "")] = "excel"
    return result


def _is_spreadsheet_day(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (values >= _SPREADSHEET_DAYS[0]) & (values < _SPREADSHEET_DAYS[1])


def _choose_six_digits(numbers: Numbers, source: str, show_value: Callable[[int], str]) -> str:
    fitting = {name: times for name in ("YYYYMM", "YYMMDD") if (times := _try_digits(numbers, name)) is not None}
    if len(fitting) == 2:
        raise InvalidCandles(
            f"{show_value(0)} can be {show(fitting['YYYYMM'][0])} (YYYYMM) or {show(fitting['YYMMDD'][0])} (YYMMDD), "
            f"and no row decides; set the format with {FORMAT_OPTION}",
            source,
            1,
        )
    return next(iter(fitting), "YYYYMM")


def _try_digits(numbers: Numbers, name: str) -> NDArray[np.int64] | None:
    times, exists = compose(_split_digits(numbers.astype(np.int64), name))
    return times if exists.all() and (times <= latest_time()).all() else None


def _describe(name: str) -> str:
    if name in _EPOCHS:
        return _EPOCHS[name].name
    return "days of a spreadsheet" if name == "excel" else f"the format {name}"


def _explain(number: float) -> str:
    """Return a text that explains why a number is not a time, using the nearest unit."""
    for unit in _EPOCHS.values():
        time = float(number) * unit.multiply / unit.divide
        if latest_time() < time < 8 * FIRST_EPOCH + latest_time():
            return f"in {unit.name} it is {show(int(time))}, in the future"
    if number < 0:
        return "it is before 1970"
    if number < FIRST_EPOCH / _SECOND:
        return f"in seconds it is {show(int(float(number) * _SECOND))}, before 1980"
    return "it is not a time since 1980 in seconds, milliseconds, microseconds or nanoseconds"


# --- Conversion


def _convert_epoch(
    numbers: Numbers, date_format: str, source: str, show_value: Callable[[int], str]
) -> NDArray[np.int64]:
    unit = _EPOCHS[date_format]
    years = np.abs(numbers.astype(np.float64)) * unit.multiply / unit.divide
    out = years > 8_000 * 365.25 * _DAY
    if out.any():
        row = int(np.argmax(out))
        raise InvalidCandles(f"{show_value(row)} is not a time in {unit.name}", source, row + 1)
    return unit.convert(numbers)


def _convert_spreadsheet_days(numbers: Numbers, source: str, show_value: Callable[[int], str]) -> NDArray[np.int64]:
    days = numbers.astype(np.float64)
    # Day 60 is 29 February 1900, which did not exist; spreadsheets number the days before it differently.
    out = (days <= 60) | (days > 3_000_000)
    if out.any():
        row = int(np.argmax(out))
        raise InvalidCandles(f"{show_value(row)} is not a day number of a spreadsheet", source, row + 1)
    # A fraction of a day has at most 10 digits, which is enough for seconds but not for smaller units.
    return np.round(days * 86_400).astype(np.int64) * _SECOND + _SPREADSHEET_ORIGIN


def _convert_digits(
    numbers: Numbers, date_format: str, source: str, show_value: Callable[[int], str]
) -> NDArray[np.int64]:
    whole = numbers.astype(np.int64)
    parts = _split_digits(whole, date_format)
    times, exists = compose(parts)
    exists &= (whole == numbers) & (whole >= 0)
    if not exists.all():
        row = int(np.argmin(exists))
        raise InvalidCandles(
            f"{show_value(row)} is not a time in the format {date_format}: {describe_problem(parts, row)}",
            source,
            row + 1,
        )
    return times


def _split_digits(numbers: NDArray[np.int64], name: str) -> Parts:
    """Return year, month, day, hour, minute and second of numbers such as 20240131."""
    zero = np.zeros_like(numbers)
    if name == "YYMMDD":
        years, rest = np.divmod(numbers, 10_000)
        return Parts(years + 2_000, rest // 100, rest % 100, zero, zero, zero, zero)
    scale = 10 ** (len(name) - 4)
    year, rest = np.divmod(numbers, scale)
    fields: list[NDArray[np.int64]] = []
    while scale > 1:
        scale //= 100
        field, rest = np.divmod(rest, scale)
        fields.append(field)
    defaults = (zero + 1, zero + 1, zero, zero, zero)
    month, day, hour, minute, second = (*fields, *defaults[len(fields) :])
    return Parts(year, month, day, hour, minute, second, zero)
