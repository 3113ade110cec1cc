"""Tables by column: made from records, for the page, and as files for a spreadsheet or a data frame."""

import csv
import datetime
import io
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tradeexecutor.report.table_data import ColumnData, TableData
from tradeexecutor.state.files.spreadsheet_cell import to_cell
from tradeexecutor.state.types import EPOCH
from tradeexecutor.web.views.records import ColumnKind, ColumnView, TableView

__all__ = ["Column", "from_table_view", "tabulate", "to_csv", "to_parquet", "to_table_view"]

#: Name of a column, its kind, and the attribute of the records that it has.
Column = tuple[str, ColumnKind, str]

_ARROW_TYPES = {
    "id": pa.int64(),
    "count": pa.int64(),
    "text": pa.string(),
    "time": pa.timestamp("ms"),
    "span": pa.int64(),
}


def tabulate(name: str, records: Iterable[Any], columns: Sequence[Column]) -> TableData:
    """Return records as a table; times of records are epoch seconds, those of tables are milliseconds."""
    rows = list(records)
    made: list[ColumnData] = []
    for title, kind, attribute in columns:
        values = [getattr(row, attribute) for row in rows]
        if kind == "time":
            values = [None if value is None else round(value * 1000) for value in values]
        made.append(ColumnData(title, kind, values))
    return TableData(name, tuple(made))


def to_table_view(table: TableData) -> TableView:
    """Return a table for the page."""
    return TableView(
        name=table.name,
        sort=table.sort,
        columns=[
            ColumnView(name=column.name, kind=column.kind, minor=column.is_minor, values=column.values)
            for column in table.columns
        ],
    )


def from_table_view(view: TableView) -> TableData:
    """Return a table of the page for a file."""
    columns = tuple(ColumnData(column.name, column.kind, column.values, column.minor) for column in view.columns)
    return TableData(view.name, columns, view.sort)


# --- Files


def to_csv(table: TableData) -> bytes:
    """Return a table as CSV: times as ISO text, and texts in a form that a spreadsheet does not run as a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(column.name for column in table.columns)
    for row in zip(*(_show(column) for column in table.columns), strict=True):
        writer.writerow(row)
    return text.getvalue().encode()


def _show(column: ColumnData) -> list[Any]:
    if column.kind == "time":
        return [None if value is None else _to_time(value).isoformat() for value in column.values]
    if column.kind == "text":
        return [to_cell(value) if isinstance(value, str) else value for value in column.values]
    return column.values


def _to_time(milliseconds: int) -> datetime.datetime:
    return EPOCH + datetime.timedelta(milliseconds=milliseconds)


def to_parquet(table: TableData) -> bytes:
    """Return a table as Parquet."""
    columns = {
        column.name: pa.array(column.values, type=_ARROW_TYPES.get(column.kind, pa.float64()))
        for column in table.columns
    }
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target, compression="zstd")
    return target.getvalue()
