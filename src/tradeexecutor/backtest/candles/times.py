"""Reading the time column of candles, of any type."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tradeexecutor.backtest.candles.arrow import pc
from tradeexecutor.backtest.candles.dates import CandleTimes, check_times
from tradeexecutor.backtest.candles.number_times import UNITS, Numbers, read_number_times
from tradeexecutor.backtest.candles.text_times import FORMAT_OPTION, ORDERS, read_text_times, read_with_pattern
from tradeexecutor.strategy.candle_length import InvalidCandles

__all__ = ["check_date_format", "read_times"]

_PLAIN_NUMBER = r"^[+-]?\d+(\.\d*)?$"
_LONGEST_NUMBER = 20

#: Types whose numbers have too few digits for an epoch time.
_COARSE = ("float16", "float32", "float[pyarrow]", "halffloat[pyarrow]")


def check_date_format(date_format: str | None) -> str | None:
    """Return the normalised name of a date format, or a pattern; None for None.

    Parameters
    ----------
    date_format
        ``day-first``, ``month-first`` or ``year-first``; for numbers ``s``, ``ms``, ``us`` or ``ns`` since 1970,
        ``excel``, ``YYYYMMDD`` and the like; or a pattern of ``datetime.strptime`` such as ``%d/%m/%Y %H:%M``.

    Raises
    ------
    InvalidCandles
        The name is unknown.
    """
    if date_format is None or "%" in date_format:
        return date_format
    wanted = date_format.strip().lower().replace("_", "-").replace(" ", "-")
    for known in (*ORDERS, *UNITS):
        if wanted == known.lower():
            return known
    known = ", ".join((*ORDERS, *UNITS))
    raise InvalidCandles(f"{date_format!r} is not a date format; use {known}, or a pattern such as %d/%m/%Y")


def read_times(values: "pd.Series[Any]", source: str, date_format: str | None = None) -> CandleTimes:
    """Return the time stamps of a column.

    Parameters
    ----------
    values
        Times, periods, dates, texts or numbers; without a zone they are UTC.
    source
        Name of the data in errors.
    date_format
        See `check_date_format`; needed only for an ambiguous column.

    Raises
    ------
    InvalidCandles
        A row is not a time or has another format than the others, with the number of the first one; or the format is
        ambiguous.
    """
    missing = values.isna()
    if missing.any():
        raise InvalidCandles("the time is missing", source, int(missing.argmax()) + 1)
    date_format = check_date_format(date_format)
    times = _read(values.reset_index(drop=True), source, date_format)
    check_times(times.utc, times.offsets, source)
    return times


def _read(values: "pd.Series[Any]", source: str, date_format: str | None) -> CandleTimes:
    if isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.to_timestamp(how="start")
    if pd.api.types.is_datetime64_any_dtype(values):
        return _read_datetimes(pd.DatetimeIndex(values))
    if pd.api.types.is_bool_dtype(values):
        raise InvalidCandles(f"{values.iloc[0]} is not a time", source, 1)
    if pd.api.types.is_numeric_dtype(values) and not (date_format and "%" in date_format):
        numbers = _to_numbers(values, source)
        unit = date_format if date_format in UNITS else None
        return read_number_times(numbers, unit, source, lambda row: _show_number(numbers[row]))
    texts = pa.array([_to_text(value) for value in values.tolist()], pa.string())
    return _read_texts(texts, source, date_format)


def _read_datetimes(index: pd.DatetimeIndex) -> CandleTimes:
    zone = index.tz
    if zone is None:
        return CandleTimes(_to_us(index))
    utc, local = _to_us(index.tz_convert("UTC").tz_localize(None)), _to_us(index.tz_localize(None))
    offsets = local - utc
    if not offsets.any():
        return CandleTimes(utc)
    # An offset is not a zone, because it does not define when clocks change.
    return CandleTimes(utc, offsets, None if isinstance(zone, datetime.timezone) else zone)


def _to_us(index: pd.DatetimeIndex) -> "np.ndarray[Any, np.dtype[np.int64]]":
    return np.asarray(index.values.astype("datetime64[us]").astype(np.int64))


def _to_numbers(values: "pd.Series[Any]", source: str) -> Numbers:
    if pd.api.types.is_integer_dtype(values):
        return values.to_numpy(dtype=np.int64)
    numbers = values.to_numpy(dtype=np.float64)
    if str(values.dtype).lower() in _COARSE:
        raise InvalidCandles(f"the times are {values.dtype} numbers, which are not precise enough for a time", source)
    if not np.isfinite(numbers).all():
        row = int(np.argmin(np.isfinite(numbers)))
        raise InvalidCandles(f"{numbers[row]} is not a time", source, row + 1)
    return numbers


def _show_number(number: Any) -> str:
    return np.format_float_positional(number, trim="-") if isinstance(number, float) else str(number)


def _to_text(value: Any) -> str:
    """Return a value of a column of mixed types as text: dates as ISO 8601, numbers with all their digits."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    return _show_number(value) if isinstance(value, float) else str(value)


def _read_texts(texts: "pa.StringArray", source: str, date_format: str | None) -> CandleTimes:
    empty = np.asarray(pc.equal(texts, ""))
    if empty.any():
        raise InvalidCandles("the time is missing", source, int(np.argmax(empty)) + 1)
    if date_format and "%" in date_format:
        return read_with_pattern(texts, date_format, source)
    is_number = np.asarray(pc.match_substring_regex(texts, _PLAIN_NUMBER))
    is_number &= np.asarray(pc.less_equal(pc.utf8_length(texts), _LONGEST_NUMBER))
    if is_number.all():
        has_point = bool(pc.any(pc.match_substring(texts, ".")).as_py())
        numbers = np.asarray(pc.cast(texts, pa.float64() if has_point else pa.int64()))
        unit = date_format if date_format in UNITS else None
        return read_number_times(numbers, unit, source, lambda row: str(texts[row].as_py()))
    if is_number.any() or date_format in UNITS:
        # One row that is not a number turns all into texts; the minority is reported as wrong.
        are_numbers = is_number.mean() >= 0.5 or date_format in UNITS
        row = int(np.argmin(is_number) if are_numbers else np.argmax(is_number))
        hint = f"; {FORMAT_OPTION} says {date_format}" if date_format in UNITS else ""
        wanted = "a number, as the other times are" if are_numbers else "written as the other times are"
        raise InvalidCandles(f"{texts[row].as_py()!r} is not {wanted}{hint}", source, row + 1)
    return read_text_times(texts, date_format, source)
