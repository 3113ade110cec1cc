"""Reading tables from files: CSV with several separators, Parquet, and the Feather and JSON files of freqtrade."""

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
from pyarrow import feather

from tradeexecutor.backtest.parquet import read_parquet
from tradeexecutor.strategy.candle_length import InvalidCandles

__all__ = ["read_candle_table"]

#: Columns of a JSON file whose rows have no names.
_JSON_COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
_NAMES = frozenset({"open", "high", "low", "close"})
_SEPARATORS = (",", ";", "\t", "|")

#: Number of lines that are searched for the names of columns; some files begin with lines about their source.
_MOST_HEADER_LINES = 5


def read_candle_table(path: Path) -> pd.DataFrame:
    """Return the table of a file, with its names of columns and types.

    Raises
    ------
    InvalidCandles
        The file is missing, of another kind, or damaged.
    """
    if not path.is_file():
        raise InvalidCandles("there is no such file", str(path))
    name = path.name.lower()
    try:
        if name.endswith((".parquet", ".pq")):
            return read_parquet(path).to_pandas(use_threads=False)
        if name.endswith((".feather", ".arrow")):
            return _read_feather(path)
        if name.endswith((".json", ".json.gz")):
            return _read_json(path)
        if ".csv" in name or name.endswith(".tsv"):
            return _read_csv(path)
    except InvalidCandles:
        raise
    except Exception as error:
        # pandas and pyarrow raise many types of errors here; the user needs the file and the reason.
        raise InvalidCandles(f"the file cannot be read: {error}", str(path)) from error
    raise InvalidCandles(
        "candles are read from .csv and .parquet files, and from .feather and .json files as freqtrade writes them",
        str(path),
    )


def _read_feather(path: Path) -> pd.DataFrame:
    content = pa.BufferReader(path.read_bytes())
    return feather.read_table(content, use_threads=False).to_pandas(use_threads=False)


# --- JSON


def _read_json(path: Path) -> pd.DataFrame:
    content = path.read_bytes()
    rows = orjson.loads(gzip.decompress(content) if path.name.lower().endswith(".gz") else content)
    if isinstance(rows, Mapping) and rows and all(isinstance(column, list) for column in rows.values()):
        return pd.DataFrame(rows)
    if not isinstance(rows, list):
        raise InvalidCandles("the JSON has no list of candles", str(path))
    if not rows:
        return pd.DataFrame(columns=pd.Index(_JSON_COLUMNS))
    return _make_table(rows, str(path))


def _make_table(rows: list[Any], source: str) -> pd.DataFrame:
    kind = type(rows[0])
    for number, row in enumerate(rows, 1):
        if not isinstance(row, (list, dict)) or type(row) is not kind:
            raise InvalidCandles("this is not a candle in the form of the first one", source, number)
        if isinstance(row, list) and (len(row) != len(rows[0]) or len(row) < len(_JSON_COLUMNS) - 1):
            raise InvalidCandles(
                f"a candle has {len(row)} values; expected time, open, high, low, close, and volume", source, number
            )
    if kind is dict:
        return pd.DataFrame(rows)
    table = pd.DataFrame(rows)
    names = [*_JSON_COLUMNS[: table.shape[1]], *(f"column {n}" for n in range(len(_JSON_COLUMNS), table.shape[1]))]
    return table.set_axis(names, axis=1)


# --- CSV


def _read_csv(path: Path) -> pd.DataFrame:
    separator, skipped = _find_header(path)

    def read(**options: Any) -> pd.DataFrame:
        return pd.read_csv(
            path,
            sep=separator,
            skiprows=skipped,
            skipinitialspace=True,
            encoding="utf-8-sig",
            low_memory=False,
            **options,
        )

    frame = read()
    if not isinstance(frame.index, pd.RangeIndex):
        # pandas uses surplus fields of a row as its index, and shifts all columns.
        raise InvalidCandles(
            "the rows have more fields than the header has names; a decimal comma needs another separator or quotes",
            str(path),
        )
    columns = {str(column).strip().strip("<>").lower(): column for column in frame.columns}
    prices = [frame[columns[name]] for name in (*_NAMES, "volume") if name in columns]
    if any(not pd.api.types.is_numeric_dtype(column) for column in prices):
        # A comma in one column decides the meaning of a point in another, so all are read as text.
        return read(dtype=str)
    return frame


def _find_header(path: Path) -> tuple[str, int]:
    """Return the separator, and the number of lines before the line with the names of the columns."""
    # No file contains this separator, so every line is one field.
    lines = pd.read_csv(
        path,
        sep="\x01",
        header=None,
        nrows=_MOST_HEADER_LINES,
        dtype=str,
        encoding="utf-8-sig",
        skip_blank_lines=False,
        quoting=3,
        keep_default_na=False,
    )[0].tolist()
    for number, line in enumerate(lines):
        for separator in _SEPARATORS:
            if {field.strip().strip("\"'<>").lower() for field in line.split(separator)} >= _NAMES:
                return separator, number
    return ",", 0
