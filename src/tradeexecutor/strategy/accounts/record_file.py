"""Records in files of users and other programs: rows of a CSV file, or objects of a JSON file.

Both are read into the same rows of text, so that both formats have the same rules. Every error names the file, the
number of the record and the problem. Texts in CSV are escaped by the rule of
:mod:`tradeexecutor.state.files.spreadsheet_cell`.
"""

import csv
import datetime
import io
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn, cast

from tradeexecutor.state.errors import RecordFileError
from tradeexecutor.state.files.spreadsheet_cell import from_cell, to_cell

__all__ = ["Record", "read_records", "to_naive_utc", "write_records"]


#: Largest absolute exponent, to base 10, of an amount of tokens.
_MAX_EXPONENT = 80


def to_naive_utc(text: str) -> datetime.datetime:
    """Return the time of an ISO 8601 text, or of epoch seconds, as naive UTC.

    A time without a zone is UTC.

    Raises
    ------
    ValueError
        The text is neither.

    >>> to_naive_utc("2024-05-01 14:00+02:00"), to_naive_utc("1714564800")
    (datetime.datetime(2024, 5, 1, 12, 0), datetime.datetime(2024, 5, 1, 12, 0))
    """
    try:
        # Fewer digits than 9 are not epoch seconds: 20240501 is a date, not a time in 1970.
        if len(text.partition(".")[0]) >= 9:
            return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        pass
    value = datetime.datetime.fromisoformat(text)
    return value if value.tzinfo is None else value.astimezone(datetime.UTC).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a CSV file, or object of a JSON file.

    Attributes
    ----------
    path
        Path of the file.
    row
        Number from 1, without the heading.
    values
        Texts by lower-case name, without empty ones.
    """

    path: Path
    row: int
    values: dict[str, str]

    def refuse(self, message: str) -> NoReturn:
        """Raise `RecordFileError` about this record."""
        raise RecordFileError(self.path, message, self.row)

    def find_text(self, name: str) -> str | None:
        """Return a value; None when it is missing or empty."""
        return self.values.get(name)

    def get_text(self, name: str) -> str:
        """Return a value; raises `RecordFileError` when it is missing."""
        value = self.values.get(name)
        if value is None:
            self.refuse(f"{name} is missing")
        return value

    def get_number(self, name: str) -> int:
        """Return an integer, decimal or hexadecimal; raises `RecordFileError` when it is missing or invalid."""
        text = self.get_text(name)
        try:
            return int(text, 16 if text.lower().startswith("0x") else 10)
        except ValueError:
            self.refuse(f"{name} must be an integer, got {text!r}")

    def find_number(self, name: str) -> int | None:
        """Return an integer; None when it is missing."""
        return self.get_number(name) if name in self.values else None

    def get_amount(self, name: str) -> Decimal:
        """Return an amount, in the unit of the column, with all digits of the text; raises `RecordFileError`."""
        text = self.get_text(name)
        try:
            amount = Decimal(text.replace("_", "x"))  # Decimal accepts underscores, other programs do not
        except InvalidOperation:
            self.refuse(f"{name} must be a number such as 1234.5, got {text!r}")
        if not amount.is_finite() or abs(amount.adjusted()) > _MAX_EXPONENT:
            self.refuse(f"{name} must be an amount of tokens, got {text!r}")
        return amount

    def find_amount(self, name: str) -> Decimal | None:
        """Return a finite amount, in the unit of the column; None when it is missing."""
        return self.get_amount(name) if name in self.values else None

    def find_time(self, name: str) -> datetime.datetime | None:
        """Return a time as naive UTC; None when it is missing."""
        text = self.values.get(name)
        if text is None:
            return None
        try:
            return to_naive_utc(text)
        except ValueError:
            self.refuse(f"{name} must be a time such as 2024-05-01T12:00:00 (UTC), got {text!r}")

    def get_time(self, name: str) -> datetime.datetime:
        """Return a time as naive UTC; raises `RecordFileError` when it is missing or invalid."""
        self.get_text(name)
        value = self.find_time(name)
        assert value is not None
        return value


def read_records(path: Path, required: Collection[str], optional: Collection[str]) -> list[Record]:
    """Return the records of a ``.csv`` or ``.json`` file.

    A CSV file has a heading line with the names. A JSON file is a list of objects, or an object with one list.
    The order of names does not matter, nor does their case.

    Parameters
    ----------
    required, optional
        Allowed names; any other name is an error, because it may be misspelt.

    Raises
    ------
    RecordFileError
        The format does not match the suffix, a name is missing or unknown, or there are no records.
    OSError
        The file cannot be read.
    """
    readers = {".csv": _read_csv, ".json": _read_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise RecordFileError(path, f"the name must end with .csv or .json, it ends with {path.suffix or 'neither'}")
    try:
        text = path.read_bytes().decode("utf-8-sig")  # bytes, because texts may contain line breaks
    except UnicodeDecodeError as error:
        raise RecordFileError(path, f"this is not UTF-8 text ({error.reason} at byte {error.start:,})") from error
    known = {*required, *optional}
    records: list[Record] = []
    for row, values in enumerate(reader(path, text), start=1):
        values = {name.strip().lower(): value for name, value in values.items()}
        unknown = sorted(set(values) - known)
        if unknown:
            raise RecordFileError(
                path, f"unknown name {unknown[0]!r}; known are {', '.join([*required, *optional])}", row
            )
        record = Record(path, row, {name: value for name, value in values.items() if value})
        for name in required:
            record.get_text(name)
        records.append(record)
    if not records:
        raise RecordFileError(path, "there are no records in it")
    return records


def _read_csv(path: Path, text: str) -> Iterator[dict[str, str]]:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        heading = next(lines, None)
        if heading is None:
            raise RecordFileError(path, "the file is empty")
        names = [name.strip().lower() for name in heading]
        if len(set(names)) != len(names):
            raise RecordFileError(path, f"a name occurs twice in the heading: {', '.join(heading)}")
        for number, cells in enumerate((line for line in lines if any(cell.strip() for cell in line)), start=1):
            if len(cells) != len(names):
                raise RecordFileError(path, f"{len(cells)} cells, the heading has {len(names)}", number)
            yield dict(zip(names, map(from_cell, cells), strict=True))
    except csv.Error as error:
        raise RecordFileError(path, f"this is not CSV: {error}") from error


def _read_json(path: Path, text: str) -> Iterator[dict[str, str]]:
    try:
        # Numbers are read as text, so that all digits are kept.
        data: Any = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (json.JSONDecodeError, RecursionError) as error:
        raise RecordFileError(path, f"this is not JSON: {error}") from error
    if isinstance(data, dict):
        lists: list[Any] = [value for value in cast("dict[str, Any]", data).values() if isinstance(value, list)]
        data = cast("Any", lists[0] if len(lists) == 1 else None)
    if not isinstance(data, list):
        raise RecordFileError(path, "expected a list of objects, such as written by --write-balances")
    for row, item in enumerate(cast("list[Any]", data), start=1):
        if not isinstance(item, dict):
            raise RecordFileError(path, f"expected an object with names and values, got {item!r}", row)
        values: dict[str, str] = {}
        for name, value in cast("dict[str, Any]", item).items():
            if value is not None and not isinstance(value, str):
                raise RecordFileError(path, f"{name} must be text or a number, got {value!r}", row)
            values[name] = (value or "").strip()
        yield values


def write_records(path: Path, names: Sequence[str], rows: Sequence[Sequence[str | int | None]]) -> None:
    """Write a ``.csv`` or ``.json`` file in the format of `read_records`.

    Raises
    ------
    RecordFileError
        The name has neither suffix.
    OSError
        The file cannot be written.
    """
    if path.suffix.lower() == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(names)
            writer.writerows([to_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    elif path.suffix.lower() == ".json":
        objects = [dict(zip(names, row, strict=True)) for row in rows]
        path.write_text(json.dumps(objects, indent=1) + "\n", encoding="utf-8")
    else:
        raise RecordFileError(path, "the name must end with .csv or .json")
