"""Converting a table to candles of each pair: roles of the columns, and checks of the prices."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tradeexecutor.backtest.candles.dates import CandleTimes
from tradeexecutor.backtest.candles.layout import lay_out
from tradeexecutor.backtest.candles.numbers import read_numbers
from tradeexecutor.backtest.candles.times import read_times
from tradeexecutor.strategy.candle_length import CandleLength, InvalidCandles, from_us
from tradeexecutor.strategy.market_data import Candles
from tradeexecutor.strategy.time_frame import parse_time_frame

__all__ = ["read_dataframe", "read_time_column"]

#: Names of an index column in a file: it may have row numbers or times.
_UNNAMED = ("unnamed: 0", "")

_TIME_COLUMNS = ("timestamp", "datetime", "date", "time", "open_time", "opentime", "unix", "ts", *_UNNAMED)

#: Number of rows that no table reaches: larger numbers in an index are dates of eight digits or epoch times.
_MOST_ROWS = 10_000_000

_PAIR_COLUMNS = ("pair", "symbol", "ticker")
_REQUIRED = ("open", "high", "low", "close")


def read_dataframe(
    frame: pd.DataFrame,
    symbol: str | None = None,
    bucket: CandleLength | None = None,
    source: str = "DataFrame",
    *,
    date_format: str | None = None,
    strict: bool = False,
) -> dict[str, Candles]:
    """Return the candles of a DataFrame by pair, see `tradeexecutor.backtest.candles` for its format.

    Parameters
    ----------
    frame
        The table; it is not changed.
    symbol
        Pair of the candles when there is no pair column.
    bucket
        Length of a candle: a ``timedelta``, or a text that `parse_time_frame` reads; None detects it from the times.
    source
        Name of the table in errors.
    date_format
        Format of the times, where the column is ambiguous, see `check_date_format`.
    strict
        Whether an open or a close outside low - high is refused, see `Candles`.

    Raises
    ------
    InvalidCandles
        A column is missing or a row is invalid; the message names it.
    """
    frame = frame.copy(deep=False)
    frame.columns = pd.Index([str(column).strip().strip("<>").lower() for column in frame.columns])
    if frame.columns.has_duplicates:
        doubled = frame.columns[frame.columns.duplicated()][0]
        raise InvalidCandles(f"the column {doubled!r} occurs twice", source)
    missing = [column for column in _REQUIRED if column not in frame.columns]
    if missing:
        present = ", ".join(frame.columns) or "none"
        raise InvalidCandles(f"missing column {', '.join(missing)} (there are: {present})", source)
    if not len(frame):
        raise InvalidCandles("no rows", source)
    times = read_time_column(frame, source, date_format)
    length = parse_time_frame(bucket) if isinstance(bucket, str) else bucket
    numbers = read_numbers(frame, [name for name in (*_REQUIRED, "volume") if name in frame.columns], source)

    def make(rows: NDArray[np.int64], name: str) -> Candles:
        return _make_candles(frame, numbers, times, rows, length, name, strict=strict)

    pair_column = next((column for column in _PAIR_COLUMNS if column in frame.columns), None)
    if pair_column is not None and frame[pair_column].nunique() >= 1:
        keys = frame[pair_column].astype(str).to_numpy()
        symbols = list(dict.fromkeys(keys.tolist()))
        if symbol is not None and len(symbols) == 1 and source == symbol:
            return {symbol: make(np.arange(len(frame)), source)}
        return {name: make(np.flatnonzero(keys == name), f"{source} ({name})") for name in symbols}
    if symbol is None:
        raise InvalidCandles("the pair of the candles is missing: pass it, or add a column 'pair'", source)
    return {symbol: make(np.arange(len(frame)), source)}


def _make_candles(
    frame: pd.DataFrame,
    numbers: Mapping[str, NDArray[np.float64]],
    times: CandleTimes,
    rows: NDArray[np.int64],
    length: CandleLength | None,
    source: str,
    *,
    strict: bool,
) -> Candles:
    rows = rows[np.argsort(times.utc[rows], kind="stable")]
    columns = {name: values[rows] for name, values in numbers.items()}
    own = CandleTimes(times.utc[rows], None if times.offsets is None else times.offsets[rows], times.zone)
    _check_rows(columns, own.utc, rows, frame, source)
    if strict:
        _check_ranges(columns, own.utc, rows, source)
    if "volume" in columns:
        columns["volume"] = np.nan_to_num(columns["volume"], nan=0.0)
    try:
        layout = lay_out(own, length, source)
    except InvalidCandles as error:
        if error.row is None:
            raise
        # Errors name the row of the file, not of the sorted data.
        raise error.at_row(int(rows[error.row - 1]) + 1) from None
    return Candles(layout.starts, **columns, bucket=layout.length, source=source, ends=layout.ends, strict=False)


def _check_rows(
    columns: dict[str, NDArray[np.float64]],
    starts: NDArray[np.int64],
    rows: NDArray[np.int64],
    frame: pd.DataFrame,
    source: str,
) -> None:
    """Raise `InvalidCandles` for the first invalid row, with its number in the unsorted file."""

    def where(position: int) -> str:
        return str(from_us(int(starts[position])))

    for name in _REQUIRED:
        bad = np.flatnonzero(~np.isfinite(columns[name]))
        if len(bad):
            row = int(rows[bad[0]])
            value = frame[name].iloc[row]
            problem = f"{name} is missing" if pd.isna(value) else f"{name} is '{value}', not a price"
            raise InvalidCandles(f"{problem}, at {where(int(bad[0]))}", source, row + 1)
        bad = np.flatnonzero(columns[name] <= 0)
        if len(bad):
            row = int(rows[bad[0]])
            problem = f"{name} must be positive, not {columns[name][bad[0]]}"
            raise InvalidCandles(f"{problem}, at {where(int(bad[0]))}", source, row + 1)
    if "volume" in columns:
        bad = np.flatnonzero(~np.isfinite(columns["volume"]) & frame["volume"].notna().to_numpy()[rows])
        if len(bad):
            row = int(rows[bad[0]])
            problem = f"volume is '{frame['volume'].iloc[row]}', not a number"
            raise InvalidCandles(f"{problem}, at {where(int(bad[0]))}", source, row + 1)
    bad = np.flatnonzero(np.diff(starts) == 0)
    if len(bad):
        first, second = sorted((int(rows[bad[0]]) + 1, int(rows[bad[0] + 1]) + 1))
        raise InvalidCandles(f"duplicate time {where(int(bad[0]))}, also in row {first}", source, second)
    low, high = columns["low"], columns["high"]
    bad = np.flatnonzero(high < low)
    if len(bad):
        row = int(rows[bad[0]])
        raise InvalidCandles(f"high {high[bad[0]]} is below low {low[bad[0]]} at {where(int(bad[0]))}", source, row + 1)


def _check_ranges(
    columns: dict[str, NDArray[np.float64]], starts: NDArray[np.int64], rows: NDArray[np.int64], source: str
) -> None:
    """Raise `InvalidCandles` for the first open or close outside the range, with its row in the unsorted file."""
    low, high = columns["low"], columns["high"]
    for name in ("open", "close"):
        bad = np.flatnonzero((columns[name] < low) | (columns[name] > high))
        if len(bad):
            at = int(bad[0])
            raise InvalidCandles(
                f"{name} {columns[name][at]} is outside low {low[at]} - high {high[at]} at {from_us(int(starts[at]))}",
                source,
                int(rows[at]) + 1,
            )


def read_time_column(frame: pd.DataFrame, source: str, date_format: str | None) -> CandleTimes:
    """Return the times of a table with lower-case names of columns; raises `InvalidCandles` without such a column."""
    name = next((column for column in _TIME_COLUMNS if column in frame.columns), None)
    if isinstance(frame.index, (pd.DatetimeIndex, pd.PeriodIndex)):
        values: Any = frame.index
    elif name is not None:
        values = frame[name]
        if name == "date" and "time" in frame.columns:
            values = _join_date_and_clock(values, frame["time"])
        elif name in _UNNAMED and pd.api.types.is_numeric_dtype(values) and values.max() < _MOST_ROWS:
            raise _no_time_column(frame, source)
    elif frame.index.name is not None and str(frame.index.name).lower() in _TIME_COLUMNS:
        values = frame.index
    else:
        raise _no_time_column(frame, source)
    return read_times(pd.Series(values).reset_index(drop=True), source, date_format)


def _no_time_column(frame: pd.DataFrame, source: str) -> InvalidCandles:
    return InvalidCandles(f"no time column; name it 'timestamp' (there are: {', '.join(frame.columns)})", source)


def _join_date_and_clock(dates: Any, clocks: Any) -> Any:
    """Return dates with the times of day of a second column, as some terminals export them.

    Dates that already have a time of day are not changed.
    """
    if pd.api.types.is_datetime64_any_dtype(dates) or pd.api.types.is_float_dtype(dates):
        return dates
    date_texts, clock_texts = dates.astype(str).str.strip(), clocks.astype(str).str.strip()
    if date_texts.str.contains(":").any() or not clock_texts.str.fullmatch(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?").all():
        return dates
    return date_texts + " " + clock_texts
