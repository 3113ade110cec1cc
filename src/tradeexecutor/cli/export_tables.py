"""The tables that ``export`` writes, and their file formats.

Token amounts are exact whatever the format, see `AmountFormat`. Times are naive UTC. The unit of a column is in the
metadata of its field, in Parquet and Arrow files.
"""

import csv
import datetime
import enum
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.state.files.spreadsheet_cell import from_cell, to_cell

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from tradeexecutor.state.state import State

__all__ = [
    "TABLES",
    "AmountFormat",
    "FileFormat",
    "TableKind",
    "make_frame",
    "read_csv_rows",
    "to_arrow",
    "write_table",
]


class FileFormat(enum.StrEnum):
    """How tables are written."""

    csv = "csv"
    parquet = "parquet"
    #: Arrow IPC, which is also Feather version 2.
    arrow = "arrow"
    feather = "feather"


class AmountFormat(enum.StrEnum):
    """How token amounts are written."""

    #: All digits, as text.
    text = "text"
    #: 38 digits, 18 of them after the point; an amount that does not fit is an error, never rounded.
    decimal = "decimal"
    #: Rounded to about 16 digits.
    real = "float"


@dataclass(frozen=True, slots=True)
class TableKind:
    """A table.

    Attributes
    ----------
    description
        What a row is.
    make
        Returns the data frame of a state.
    """

    description: str
    make: "Callable[[State], pd.DataFrame]"


def _make(module: str, function: str) -> "Callable[[State], pd.DataFrame]":
    def make(state: "State") -> "pd.DataFrame":
        return getattr(importlib.import_module(f"tradeexecutor.analysis.{module}"), function)(state)

    return make


#: By name, in the order in which they are written.
TABLES = {
    "positions": TableKind("a position, whatever its status", _make("frames", "positions_to_frame")),
    "trades": TableKind("a trade, whatever its status", _make("frames", "trades_to_frame")),
    "balance-updates": TableKind(
        "a deposit, redemption, interest payment or correction", _make("frames", "balance_updates_to_frame")
    ),
    "valuations": TableKind("a revaluation of a position", _make("frames", "valuations_to_frame")),
    "portfolio": TableKind("a recorded sample of the portfolio", _make("frames", "portfolio_to_frame")),
    "position-statistics": TableKind(
        "a recorded sample of a position", _make("frames.history", "position_statistics_to_frame")
    ),
    "ledger": TableKind("a posting of the double-entry ledger", _make("frames.history", "ledger_to_frame")),
}

#: Digits of `AmountFormat.decimal`, and how many of them are after the point.
_PRECISION, _SCALE = 38, 18


def make_frame(state: "State", table: str) -> "pd.DataFrame":
    """Return a table of `TABLES` as a data frame; amounts are exact `Decimal` objects."""
    return TABLES[table].make(state)


def to_arrow(frame: "pd.DataFrame", table: str, amounts: AmountFormat) -> "pa.Table":
    """Return a data frame of `make_frame` as an Arrow table.

    Raises
    ------
    CommandFailed
        An amount does not fit into `AmountFormat.decimal`.
    """
    import pyarrow as pa

    units: dict[str, str] = frame.attrs["units"]
    columns: list[Any] = []
    fields: list[Any] = []
    for name in frame.columns:
        series = cast("pd.Series[Any]", frame[name])
        if series.dtype == object:
            column = _write_amounts(list(series), f"{name} of {table}", amounts)
        else:
            column = pa.array(series, from_pandas=True)
            if pa.types.is_large_string(column.type):
                column = column.cast(pa.string())
        columns.append(column)
        fields.append(pa.field(name, column.type, metadata={"unit": units[name]} if name in units else None))
    return pa.table(columns, schema=pa.schema(fields))


def _write_amounts(values: list[Decimal | None], where: str, amounts: AmountFormat) -> "pa.Array[Any]":
    import pyarrow as pa

    if amounts is AmountFormat.text:
        return pa.array([None if value is None else f"{value:f}" for value in values], type=pa.string())
    if amounts is AmountFormat.real:
        return pa.array([None if value is None else float(value) for value in values], type=pa.float64())
    for value in values:
        if value is not None and not _fits(value):
            raise CommandFailed(
                f"an amount of {len(value.as_tuple().digits)} digits ({where}: {value:f}) does not fit into a decimal "
                f"of {_PRECISION} digits with {_SCALE} after the point",
                "Text is exact whatever the amount: --amounts text",
            )
    return pa.array(values, type=pa.decimal128(_PRECISION, _SCALE))


def _fits(value: Decimal) -> bool:
    _, digits, exponent = value.normalize().as_tuple() if len(value.as_tuple().digits) <= 28 else value.as_tuple()
    assert isinstance(exponent, int), "amounts are finite"
    return exponent >= -_SCALE and len(digits) + exponent <= _PRECISION - _SCALE


def write_table(table: "pa.Table", path: Path, file_format: FileFormat) -> None:
    """Write a table to a file; when that fails, no file is left.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if file_format is FileFormat.csv:
            _write_csv(table, partial)
        elif file_format is FileFormat.parquet:
            import pyarrow.parquet as pq

            pq.write_table(table, partial, compression="zstd")
        else:
            import pyarrow.feather as feather

            feather.write_feather(table, str(partial), compression="uncompressed")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_csv(table: "pa.Table", path: Path) -> None:
    """Write CSV: times as ISO text, numbers with all digits that reading needs, missing values as empty cells.

    Texts are escaped by the rule of :mod:`tradeexecutor.state.files.spreadsheet_cell`.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.column_names)
        for batch in table.to_batches(max_chunksize=10_000):
            columns = [column.to_pylist() for column in batch.columns]
            for row in zip(*columns, strict=True):
                writer.writerow(
                    cell.isoformat()
                    if isinstance(cell, datetime.datetime)
                    else to_cell(cell)
                    if isinstance(cell, str)
                    else cell
                    for cell in row
                )


def read_csv_rows(path: Path) -> "list[dict[str, str]]":
    """Return the rows of a CSV file of `write_table`: texts exactly as in the state, numbers and times as in the file.

    Missing values are empty texts.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: from_cell(cell) for name, cell in row.items()} for row in csv.DictReader(file, strict=True)]
