"""Tables by column: for the page, and as files for a spreadsheet or a data frame."""

import csv
import datetime
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tradeexecutor.report.table_data import (
    ColumnData,
    TableData,
    make_closed_positions,
    make_flows,
    make_open_positions,
    make_trades,
)
from tradeexecutor.state.files.spreadsheet_cell import to_cell
from tradeexecutor.state.state import State
from tradeexecutor.state.types import EPOCH
from tradeexecutor.web.caching import Body
from tradeexecutor.web.endpoints import Question, encode
from tradeexecutor.web.views.records import ColumnView, TableView

__all__ = ["TABLES", "make_table_file", "make_table_view", "to_table_view"]

TABLES: dict[str, Callable[[State], TableData]] = {
    "open": make_open_positions,
    "closed": make_closed_positions,
    "trades": make_trades,
    "deposits": make_flows,
}

_ARROW_TYPES = {
    "id": pa.int64(),
    "count": pa.int64(),
    "text": pa.string(),
    "time": pa.timestamp("ms"),
    "span": pa.int64(),
}


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


def make_table_view(question: Question) -> Body:
    """Return a table by column: open or closed positions, trades, or deposits."""
    return encode(to_table_view(TABLES[question["table"]](question.saved.state)))


def make_table_file(question: Question) -> Body:
    """Return a table as a CSV or Parquet file; times are UTC, a span of time is milliseconds."""
    table = TABLES[question["table"]](question.saved.state)
    kind = question["format"]
    name = f"{question.strategy.id}-{question['table']}.{kind}"
    headers = (("Content-Disposition", f'attachment; filename="{name}"'),)
    if kind == "csv":
        return Body(_to_csv(table), "text/csv; charset=utf-8", headers)
    return Body(_to_parquet(table), "application/vnd.apache.parquet", headers)


def _to_csv(table: TableData) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(column.name for column in table.columns)
    for row in zip(*(_show(column) for column in table.columns), strict=True):
        writer.writerow(row)
    return text.getvalue().encode()


def _show(column: ColumnData) -> list[Any]:
    """Return the cells: times as ISO text, and texts in a form that a spreadsheet does not run as a formula."""
    if column.kind == "time":
        return [None if value is None else _to_time(value).isoformat() for value in column.values]
    if column.kind == "text":
        return [to_cell(value) if isinstance(value, str) else value for value in column.values]
    return column.values


def _to_time(milliseconds: int) -> datetime.datetime:
    return EPOCH + datetime.timedelta(milliseconds=milliseconds)


def _to_parquet(table: TableData) -> bytes:
    columns = {
        column.name: pa.array(column.values, type=_ARROW_TYPES.get(column.kind, pa.float64()))
        for column in table.columns
    }
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target, compression="zstd")
    return target.getvalue()
