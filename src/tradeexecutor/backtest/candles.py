"""Reading candles from CSV, Parquet and DataFrames.

What is accepted: one row per candle with the columns open, high, low, close and, if there is one, volume, in any case
and order; the time in a column (``timestamp``, ``time``, ``date``, ``datetime``, ``open_time`` ...) or in the index, as
dates, ISO text, or epoch seconds, milliseconds, microseconds or nanoseconds.  Times with a zone are converted to
UTC.  A file may hold several pairs, told apart by a column ``pair``, ``symbol`` or ``ticker``.

Rows may come in any order, columns that mean nothing here are ignored.  Duplicate times, missing or impossible prices
are refused with the file and the row.
"""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tradeexecutor.backtest.parquet import read_parquet
from tradeexecutor.strategy.market_data import MONTH, Candles, InvalidCandles

__all__ = ["CandleSource", "load_candle_file", "load_candles", "parse_time_frame", "read_dataframe"]

#: What candles can be read from.
CandleSource: TypeAlias = str | Path | pd.DataFrame | Candles

_TIME_COLUMNS = ("timestamp", "datetime", "date", "time", "open_time", "opentime", "unix", "ts", "unnamed: 0", "")
_PAIR_COLUMNS = ("pair", "symbol", "ticker")
_REQUIRED = ("open", "high", "low", "close")

#: Epoch numbers are told apart by size: the year 2200 in seconds, milliseconds, microseconds.
_EPOCH_UNITS = ((7.3e9, 1_000_000.0), (7.3e12, 1_000.0), (7.3e15, 1.0), (7.3e18, 0.001))


def load_candle_file(path: str | Path, bucket: datetime.timedelta | str | None = None) -> dict[str, Candles]:
    """Read a CSV (``.csv``, also compressed: ``.csv.gz``, ``.csv.zip`` ...) or Parquet file.

    Parameters
    ----------
    path
        The file.
    bucket
        Length of a candle; None: detected.

    Returns
    -------
    dict
        Candles by pair symbol; the symbol is the stem of the file name when the file has no pair column.

    Raises
    ------
    InvalidCandles
        The file is missing, of another kind, or has bad rows.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidCandles("there is no such file", str(path))
    name = path.name.lower()
    try:
        if name.endswith((".parquet", ".pq")):
            frame = read_parquet(path).to_pandas(use_threads=False)
        elif ".csv" in name:
            frame = pd.read_csv(path)
        else:
            raise InvalidCandles("candles are read from .csv and .parquet files", str(path))
    except InvalidCandles:
        raise
    except Exception as error:
        # pandas and pyarrow raise dozens of types here; the user needs the file and the reason.
        raise InvalidCandles(f"the file cannot be read: {error}", str(path)) from error
    return read_dataframe(frame, path.name.split(".")[0], bucket, str(path))


def load_candles(
    sources: CandleSource | Sequence[CandleSource] | Mapping[str, CandleSource],
    bucket: datetime.timedelta | str | None = None,
) -> dict[str, Candles]:
    """Read candles of one or many pairs.

    Parameters
    ----------
    sources
        A file, a DataFrame or `Candles`; several of them; or a mapping from pair symbol to one of them.
    bucket
        Length of a candle; None: detected for each pair.

    Raises
    ------
    InvalidCandles
        Bad data, the same pair twice, or a DataFrame whose pair is not known.
    """
    if isinstance(sources, Mapping):
        result: dict[str, Candles] = {}
        for symbol, source in sources.items():
            loaded = _load_one(source, symbol, bucket)
            if len(loaded) != 1:
                raise InvalidCandles(f"expected one pair, found {', '.join(loaded)}", symbol)
            result[symbol] = next(iter(loaded.values()))
        return result
    if isinstance(sources, (str, Path, pd.DataFrame, Candles)):
        return _load_one(sources, None, bucket)
    result = {}
    for source in sources:
        for symbol, candles in _load_one(source, None, bucket).items():
            if symbol in result:
                raise InvalidCandles("the pair comes from two sources", symbol)
            result[symbol] = candles
    return result


def _load_one(source: CandleSource, symbol: str | None, bucket: datetime.timedelta | str | None) -> dict[str, Candles]:
    if isinstance(source, Candles):
        if symbol is None and not source.source:
            raise InvalidCandles("say which pair the candles belong to: {'BTC-USD': candles}")
        return {symbol or source.source: source}
    if isinstance(source, pd.DataFrame):
        return read_dataframe(source, symbol, bucket, symbol or "DataFrame")
    return load_candle_file(source, bucket)


def read_dataframe(
    frame: pd.DataFrame,
    symbol: str | None = None,
    bucket: datetime.timedelta | str | None = None,
    source: str = "DataFrame",
) -> dict[str, Candles]:
    """Read candles from a DataFrame, see the top of this module for what it may look like.

    Parameters
    ----------
    frame
        Not changed.
    symbol
        Pair of the candles when there is no pair column.
    bucket
        Length of a candle; None: detected.
    source
        Named in errors.

    Raises
    ------
    InvalidCandles
        Naming the column or row.
    """
    frame = frame.copy(deep=False)
    frame.columns = pd.Index([str(column).strip().lower() for column in frame.columns])
    if frame.columns.has_duplicates:
        doubled = frame.columns[frame.columns.duplicated()][0]
        raise InvalidCandles(f"the column {doubled!r} occurs twice", source)
    missing = [column for column in _REQUIRED if column not in frame.columns]
    if missing:
        present = ", ".join(frame.columns) or "none"
        raise InvalidCandles(f"missing column {', '.join(missing)} (there are: {present})", source)
    if not len(frame):
        raise InvalidCandles("no rows", source)
    times = _read_times(frame, source)
    pair_column = next((column for column in _PAIR_COLUMNS if column in frame.columns), None)
    if pair_column is not None and frame[pair_column].nunique() >= 1:
        keys = frame[pair_column].astype(str).to_numpy()
        symbols = list(dict.fromkeys(keys.tolist()))
        if symbol is not None and len(symbols) == 1 and source == symbol:
            return {symbol: _make_candles(frame, times, np.arange(len(frame)), bucket, source)}
        return {
            name: _make_candles(frame, times, np.flatnonzero(keys == name), bucket, f"{source} ({name})")
            for name in symbols
        }
    if symbol is None:
        raise InvalidCandles("say which pair the candles belong to, or add a column 'pair'", source)
    return {symbol: _make_candles(frame, times, np.arange(len(frame)), bucket, source)}


def _make_candles(
    frame: pd.DataFrame,
    times: NDArray[np.int64],
    rows: NDArray[np.int64],
    bucket: datetime.timedelta | str | None,
    source: str,
) -> Candles:
    rows = rows[np.argsort(times[rows], kind="stable")]
    starts = _relabel_month_ends(times[rows])
    columns: dict[str, NDArray[np.float64]] = {}
    for name in (*_REQUIRED, "volume"):
        if name not in frame.columns:
            continue
        values = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)[rows]
        columns[name] = np.nan_to_num(values, nan=0.0) if name == "volume" else values
    _check_rows(columns, starts, rows, frame, source)
    return Candles(starts, **columns, bucket=bucket, source=source)


def _check_rows(
    columns: dict[str, NDArray[np.float64]],
    starts: NDArray[np.int64],
    rows: NDArray[np.int64],
    frame: pd.DataFrame,
    source: str,
) -> None:
    """Report the first bad row by its place in the file, before the rows were sorted."""

    def where(position: int) -> str:
        return str(np.datetime64(int(starts[position]), "us")).replace("T", " ").removesuffix(".000000")

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
    bad = np.flatnonzero(np.diff(starts) == 0)
    if len(bad):
        first, second = sorted((int(rows[bad[0]]) + 1, int(rows[bad[0] + 1]) + 1))
        raise InvalidCandles(f"duplicate time {where(bad[0])}, also in row {first}", source, second)
    low, high = columns["low"], columns["high"]
    bad = np.flatnonzero(high < low)
    if len(bad):
        row = int(rows[bad[0]])
        raise InvalidCandles(f"high {high[bad[0]]} is below low {low[bad[0]]} at {where(bad[0])}", source, row + 1)
    for name in ("open", "close"):
        bad = np.flatnonzero((columns[name] < low) | (columns[name] > high))
        if len(bad):
            at = int(bad[0])
            raise InvalidCandles(
                f"{name} {columns[name][at]} lies outside low {low[at]} - high {high[at]} at {where(at)}",
                source,
                int(rows[at]) + 1,
            )


def _read_times(frame: pd.DataFrame, source: str) -> NDArray[np.int64]:
    """Return the candle starts in microseconds since the epoch."""
    name = next((column for column in _TIME_COLUMNS if column in frame.columns), None)
    if isinstance(frame.index, pd.DatetimeIndex):
        values: Any = frame.index
    elif name is not None:
        values = frame[name]
    elif frame.index.name is not None and str(frame.index.name).lower() in _TIME_COLUMNS:
        values = frame.index
    else:
        raise InvalidCandles(f"no time column; name it 'timestamp' (there are: {', '.join(frame.columns)})", source)
    values = pd.Series(values).reset_index(drop=True)
    if values.isna().any():
        raise InvalidCandles("the time is missing", source, int(values.isna().argmax()) + 1)
    if pd.api.types.is_numeric_dtype(values):
        return _from_epoch(values.to_numpy(), source)
    if not pd.api.types.is_datetime64_any_dtype(values):
        values = _parse_times(values, source)
    if values.dt.tz is not None:
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    return values.to_numpy().astype("datetime64[us]").astype(np.int64)


def _parse_times(values: Any, source: str) -> Any:
    parsed = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
    if parsed.isna().all():
        parsed = pd.to_datetime(values, errors="coerce", utc=True, format="mixed")
    bad = parsed.isna()
    if bad.any():
        row = int(bad.argmax())
        raise InvalidCandles(f"{values.iloc[row]!r} is not a time", source, row + 1)
    return parsed


def _from_epoch(values: NDArray[Any], source: str) -> NDArray[np.int64]:
    largest = float(np.abs(values).max())
    for limit, factor in _EPOCH_UNITS:
        if largest < limit:
            if factor >= 1 and np.issubdtype(values.dtype, np.integer):
                return values.astype(np.int64) * np.int64(factor)
            return np.round(values.astype(np.float64) * factor).astype(np.int64)
    raise InvalidCandles(f"{largest:.0f} is not an epoch time", source)


def _relabel_month_ends(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn monthly candles that are labelled by their last day into ones labelled by their first.

    The label of the last day would claim that a month's prices happened in the next month.
    """
    if len(starts) < 2:
        return starts
    times = starts.view("datetime64[us]")
    days = times.astype("datetime64[D]")
    months = times.astype("datetime64[M]")
    is_last_day = (days + 1).astype("datetime64[M]") != months
    if is_last_day.all() and (np.diff(months) >= np.timedelta64(1, "M")).all():
        return months.astype("datetime64[us]").astype(np.int64)
    return starts


def parse_time_frame(text: str) -> datetime.timedelta | str:
    """Read the length of a candle: ``1m``, ``15m``, ``1h``, ``4h``, ``1d``, ``7d``, ``1w``, or ``month``.

    Raises
    ------
    InvalidCandles
        Something else.
    """
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
    cleaned = text.strip().lower()
    if cleaned in (MONTH, "1mo", "1month", "monthly"):
        return MONTH
    number, unit = cleaned[:-1], cleaned[-1:]
    if unit not in units or not number.isdigit() or not int(number):
        raise InvalidCandles(f"{text!r} is not the length of a candle; write 15m, 1h, 1d, 7d or month")
    return datetime.timedelta(seconds=int(number) * units[unit])
