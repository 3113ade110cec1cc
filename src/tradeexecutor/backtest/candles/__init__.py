"""Reading candles from CSV, Parquet, Feather and JSON files, and from DataFrames.

What is accepted: one row per candle with the columns open, high, low, close and, if there is one, volume, in any case
and order; the time in a column (``timestamp``, ``time``, ``date``, ``datetime``, ``open_time`` ...) or in the index.
A file may hold several pairs, told apart by a column ``pair``, ``symbol`` or ``ticker``. Rows may come in any order,
columns that mean nothing here are ignored. Duplicate times, missing or impossible prices are refused with the file and
the row.

Times are dates, texts, or numbers, in one form for the whole column. What the column decides is read (the unit of
epoch numbers, the order of day and month if one row has a day after the 12th, the length of a candle); what it leaves
open is refused, naming the option that decides. Times with a zone are converted to UTC, and days and longer candles
then are those of that zone; times without a zone are UTC.

dates         dates put together, and what is no time
text_times    times written as text
number_times  times written as numbers
times         the time column, whatever it is made of
layout        starts and ends of candles, from their stamps
numbers       decimal commas
frame         from a table to candles
files         from files to tables
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

#: What candles can be read from.
CandleSource: TypeAlias = str | Path | pd.DataFrame | Candles


def load_candle_file(
    path: str | Path, bucket: CandleLength | None = None, *, date_format: str | None = None
) -> dict[str, Candles]:
    """Read a file.

    Parameters
    ----------
    path
        CSV (``.csv``, also compressed: ``.csv.gz``, ``.csv.zip`` ...; commas, semicolons or tabs), Parquet, or Feather
        or JSON as freqtrade writes them.
    bucket
        Length of a candle: a ``timedelta``, or a text that `parse_time_frame` reads; None: told from the times.
    date_format
        How times are written, where the column leaves it open, see `check_date_format`.

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
    return read_dataframe(frame, path.name.split(".")[0], bucket, str(path), date_format=date_format)


def load_candles(
    sources: CandleSource | Sequence[CandleSource] | Mapping[str, CandleSource],
    bucket: CandleLength | None = None,
    *,
    date_format: str | None = None,
) -> dict[str, Candles]:
    """Read candles of one or many pairs.

    Parameters
    ----------
    sources
        A file, a DataFrame or `Candles`; several of them; or a mapping from pair symbol to one of them.
    bucket
        Length of a candle, see `load_candle_file`; None: told for each pair.
    date_format
        How times are written, where a column leaves it open, see `check_date_format`.

    Raises
    ------
    InvalidCandles
        Bad data, the same pair twice, or a DataFrame whose pair is not known.
    """
    if isinstance(sources, Mapping):
        result: dict[str, Candles] = {}
        for symbol, source in sources.items():
            loaded = _load_one(source, symbol, bucket, date_format)
            if len(loaded) != 1:
                raise InvalidCandles(f"expected one pair, found {', '.join(loaded)}", symbol)
            result[symbol] = next(iter(loaded.values()))
        return result
    if isinstance(sources, (str, Path, pd.DataFrame, Candles)):
        return _load_one(sources, None, bucket, date_format)
    result = {}
    for source in sources:
        for symbol, candles in _load_one(source, None, bucket, date_format).items():
            if symbol in result:
                raise InvalidCandles("the pair comes from two sources", symbol)
            result[symbol] = candles
    return result


def _load_one(
    source: CandleSource, symbol: str | None, bucket: CandleLength | None, date_format: str | None
) -> dict[str, Candles]:
    if isinstance(source, Candles):
        if symbol is None and not source.source:
            raise InvalidCandles("say which pair the candles belong to: {'BTC-USD': candles}")
        return {symbol or source.source: source}
    if isinstance(source, pd.DataFrame):
        return read_dataframe(source, symbol, bucket, symbol or "DataFrame", date_format=date_format)
    return load_candle_file(source, bucket, date_format=date_format)
