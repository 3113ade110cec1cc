"""Reading candles from CSV, Parquet, Feather and JSON files, and from DataFrames.

A table has one row per candle with the columns open, high, low, close and optionally volume, in upper or lower case and
any order. The time is in a column (``timestamp``, ``time``, ``date``, ``datetime``, ``open_time`` ...) or in the index.
A file may have several pairs with a column ``pair``, ``symbol`` or ``ticker``. Rows may be in any order, and unknown
columns are ignored. Duplicate times and missing or impossible prices are errors that name the file and the row. An open
or a close outside low - high widens its candle, and a run says how many there were; with `strict` it is an error, too.

Times are dates, texts, or numbers, in one format for the whole column. Details that the column determines are detected:
the unit of epoch numbers, the order of day and month if one row has a day after the 12th, the length of a candle.
Ambiguous columns are refused, and the error names the option that decides. Times with a zone are converted to UTC, and
candles of a day or more are those of that zone; times without a zone are UTC.

dates         composing dates, and checks of times
text_times    times written as text
number_times  times written as numbers
times         the time column, of any type
layout        starts and ends of candles, from their time stamps
numbers       decimal commas
frame         candles of a table
files         tables of files
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from tradeexecutor.backtest.candles.files import read_candle_table
from tradeexecutor.backtest.candles.frame import read_dataframe
from tradeexecutor.backtest.candles.times import check_date_format
from tradeexecutor.strategy.candle_length import CandleLength
from tradeexecutor.strategy.market_data import Candles, InvalidCandles
from tradeexecutor.strategy.time_frame import parse_time_frame

__all__ = [
    "CandleSource",
    "check_date_format",
    "load_candle_file",
    "load_candles",
    "parse_time_frame",
    "read_dataframe",
]

#: Types that candles can be read from.
CandleSource: TypeAlias = str | Path | pd.DataFrame | Candles


def load_candle_file(
    path: str | Path, bucket: CandleLength | None = None, *, date_format: str | None = None, strict: bool = False
) -> dict[str, Candles]:
    """Return the candles of a file.

    Parameters
    ----------
    path
        CSV (``.csv``, also compressed: ``.csv.gz``, ``.csv.zip`` ...; commas, semicolons or tabs), Parquet, or Feather
        or JSON as freqtrade writes them.
    bucket
        Length of a candle: a ``timedelta``, or a text that `parse_time_frame` reads; None detects it from the times.
    date_format
        Format of the times, where the column is ambiguous, see `check_date_format`.
    strict
        Whether an open or a close outside low - high is refused; otherwise it widens its candle, and is counted.

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
    frame = read_candle_table(path)
    return read_dataframe(frame, path.name.split(".")[0], bucket, str(path), date_format=date_format, strict=strict)


def load_candles(
    sources: CandleSource | Sequence[CandleSource] | Mapping[str, CandleSource],
    bucket: CandleLength | None = None,
    *,
    date_format: str | None = None,
    strict: bool = False,
) -> dict[str, Candles]:
    """Return candles of one or many pairs, by pair symbol.

    Parameters
    ----------
    sources
        A file, a DataFrame or `Candles`; several of them; or a mapping from pair symbol to one of them.
    bucket
        Length of a candle, see `load_candle_file`; None detects it for each pair.
    date_format
        Format of the times, where a column is ambiguous, see `check_date_format`.
    strict
        See `load_candle_file`.

    Raises
    ------
    InvalidCandles
        The data is invalid, a pair occurs twice, or the pair of a DataFrame is not known.
    """
    if isinstance(sources, Mapping):
        result: dict[str, Candles] = {}
        for symbol, source in sources.items():
            loaded = _load_one(source, symbol, bucket, date_format, strict=strict)
            if len(loaded) != 1:
                raise InvalidCandles(f"expected one pair, found {', '.join(loaded)}", symbol)
            result[symbol] = next(iter(loaded.values()))
        return result
    if isinstance(sources, (str, Path, pd.DataFrame, Candles)):
        return _load_one(sources, None, bucket, date_format, strict=strict)
    result = {}
    for source in sources:
        for symbol, candles in _load_one(source, None, bucket, date_format, strict=strict).items():
            if symbol in result:
                raise InvalidCandles("the pair comes from two sources", symbol)
            result[symbol] = candles
    return result


def _load_one(
    source: CandleSource, symbol: str | None, bucket: CandleLength | None, date_format: str | None, *, strict: bool
) -> dict[str, Candles]:
    if isinstance(source, Candles):
        if symbol is None and not source.source:
            raise InvalidCandles("the pair of the candles is missing: {'BTC-USD': candles}")
        return {symbol or source.source: source}
    if isinstance(source, pd.DataFrame):
        return read_dataframe(source, symbol, bucket, symbol or "DataFrame", date_format=date_format, strict=strict)
    return load_candle_file(source, bucket, date_format=date_format, strict=strict)
