"""What ``tradeexecutor query`` prints."""

import csv
import datetime
import io
import math
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from tradeexecutor.cli.export_tables import FileFormat, write_table
from tradeexecutor.cli.output import Column, print_json, print_line, print_table, print_text
from tradeexecutor.state.files.durable_file import write_atomically
from tradeexecutor.state.files.spreadsheet_cell import to_cell

__all__ = ["print_rows", "write_rows"]

#: Digits of a floating-point number in a table for people.
_DIGITS = 8


def print_rows(table: Any, file_format: str) -> None:
    """Print the rows of a query to standard output as ``table``, ``csv`` or ``json``."""
    if file_format == "json":
        print_json(_list_rows(table))
    elif file_format == "csv":
        print_text(_make_csv(table).removesuffix("\n"))
    elif not table.num_rows:
        print_line("No rows.")
    else:
        columns = [
            Column(field.name, right=_is_number(field.type), is_text=not _is_number(field.type))
            for field in table.schema
        ]
        rows = [[_format(value) for value in row] for row in zip(*_list_columns(table), strict=True)]
        print_table(columns, rows)


def write_rows(table: Any, file_format: str, path: Path) -> None:
    """Write the rows of a query to a file; raises OSError."""
    if file_format == "json":
        write_atomically(path, orjson.dumps(_list_rows(table), default=str, option=orjson.OPT_INDENT_2))
    elif file_format == "csv":
        write_atomically(path, _make_csv(table).encode())
    else:
        write_table(table, path, FileFormat.parquet)


def _list_columns(table: Any) -> list[list[Any]]:
    return [column.to_pylist() for column in table.columns]


def _list_rows(table: Any) -> list[dict[str, Any]]:
    names = table.column_names
    return [dict(zip(names, map(_to_json, row), strict=True)) for row in zip(*_list_columns(table), strict=True)]


def _to_json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    is_plain = value is None or isinstance(value, bool | int | float | str)
    return value if is_plain else str(value)


def _make_csv(table: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in zip(*_list_columns(table), strict=True):
        writer.writerow(to_cell(value) if isinstance(value, str) else _to_json(value) for value in row)
    return text.getvalue()


def _is_number(kind: Any) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _format(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{_DIGITS}g}"
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
    return str(value)
