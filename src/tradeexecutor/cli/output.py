"""How commands print: tables, numbers, JSON.

On a terminal a table is fitted to its width: long texts are shortened first, then the least important columns are left
out and named below the table. In a pipe or a file tables have their full width and no colours, and each row is one
line, so that `grep` and `less -S` work; only long texts are shortened. ``--json`` has the full texts.

Texts come from tokens, nodes and people, so they are not trusted. Control characters, invisible characters and
characters that the terminal cannot show are printed as escapes (:mod:`tradeexecutor.state.display.visible`). Output
that cannot be written raises `OutputFailed`, because a command whose output is lost has not succeeded.
"""

import contextlib
import dataclasses
import datetime
import enum
import errno
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.operations.error_text import shorten_path
from tradeexecutor.state.display.formatting import (
    NOTHING,
    format_percent,
    format_price,
    format_quantity,
    format_quantity_change,
    format_ratio,
    format_time,
    format_usd,
    round_decimals,
)
from tradeexecutor.state.display.visible import escape_json, make_visible
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.files.links import resolve_links

__all__ = [
    "NOTHING",
    "PROGRAM",
    "Column",
    "OutputFailed",
    "format_line",
    "format_percent",
    "format_price",
    "format_quantity",
    "format_quantity_change",
    "format_ratio",
    "format_time",
    "format_usd",
    "format_usd_change",
    "get_program",
    "make_console",
    "print_command",
    "print_facts",
    "print_heading",
    "print_json",
    "print_json_text",
    "print_line",
    "print_next_steps",
    "print_problem",
    "print_table",
    "print_text",
    "round_decimals",
    "shorten_path",
    "show_text",
]

PROGRAM = "tradeexecutor"

#: Width of the console in a pipe, characters: wide enough that no line is folded.
_UNLIMITED = 10_000

#: Limits of the width of a text column, characters.
_MIN_TEXT_WIDTH = 16
_MAX_TEXT_WIDTH = 100

#: Characters between two columns.
_GAP = 2

#: ASCII replacements of the same width for characters that this program and rich draw with.
_ASCII = str.maketrans({"…": "~", "─": "-", "–": "-", "•": "*"})


class OutputFailed(TradeExecutorError):
    """The output of a command could not be written.

    Attributes
    ----------
    reader_left
        Whether the reader of a pipe has closed it, as ``head`` does.
    hint
        Advice for the user.
    """

    def __init__(self, reason: str, hint: str = "", *, reader_left: bool = False):
        super().__init__(reason)
        self.reader_left = reader_left
        self.hint = hint


@contextlib.contextmanager
def _writing(name: str) -> Iterator[None]:
    """Raise `OutputFailed` for an error of the operating system."""
    try:
        yield
    except OSError as error:
        raise OutputFailed(
            f"{name}: {error.strerror or error}",
            "The output is incomplete. Changes that the command had made before are kept.",
            reader_left=error.errno == errno.EPIPE,
        ) from error


class _Console(Console):
    """A console that prints untrusted text safely."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render an object; control codes in its text are escaped."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else show_text(segment.text, self.encoding, keep_newlines=True)
            yield segment if text == segment.text else Segment(text, segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; raises `OutputFailed`."""
        with _writing("standard error" if self.stderr else "standard output"):
            super().print(*objects, **options)

    def on_broken_pipe(self) -> NoReturn:
        """Re-raise the error; rich would exit the program here."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def show_text(text: str, encoding: str | None, *, keep_newlines: bool = False) -> str:
    r"""Return a text with escapes for characters that are invisible or missing from the encoding.

    >>> print(show_text("USD₮0\x07 …", "ascii"))
    USD\u20ae0\x07 ~
    """
    text = make_visible(text, keep_newlines=keep_newlines)
    if text.isascii() or not encoding or encoding.lower().startswith("utf"):
        return text
    return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)


def _make_text(text: str, style: str, console: Console) -> Text:
    return Text(show_text(text, console.encoding, keep_newlines=True), style=style)


def make_console(*, stderr: bool = False) -> Console:
    """Return a console for the current standard output or standard error.

    Colours appear on terminals only, and not when the environment variable ``NO_COLOR`` is set.
    """
    console = _Console(stderr=stderr, highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = _Console(stderr=stderr, highlight=False, emoji=False, width=_UNLIMITED)
    return console


def print_line(text: str = "", style: str = "") -> None:
    """Print a text to standard output; a terminal folds it between words, and markup is not interpreted."""
    console = make_console()
    console.print(_make_text(text, style, console))


def print_command(text: str) -> None:
    """Print a command line for copying to standard output; it is never folded."""
    console = make_console()
    console.print(_make_text(text, "cyan", console), soft_wrap=True)


def print_text(text: str) -> None:
    """Print a formatted text to standard output, never folded and without style."""
    _write(show_text(text, sys.stdout.encoding, keep_newlines=True) + "\n")


def _write(text: str) -> None:
    with _writing("standard output"):
        sys.stdout.write(text)
        sys.stdout.flush()


def print_heading(text: str) -> None:
    """Print a heading after an empty line."""
    print_line()
    print_line(text, "bold")


def print_problem(text: str, style: str = "red") -> None:
    """Print a text to standard error; an error while writing is ignored."""
    console = make_console(stderr=True)
    with contextlib.suppress(OutputFailed):
        console.print(_make_text(text, style, console))


def print_next_steps(steps: Mapping[str, str]) -> None:
    """Print commands to try next, by purpose; ``tradeexecutor`` is replaced by how this program can be called."""
    program = get_program(sys.argv[0])
    print_heading("What to look at next")
    for purpose, command in steps.items():
        print_line(f"  {purpose}:")
        name, space, rest = command.partition(" ")
        print_command(f"    {program if name == PROGRAM else name}{space}{rest}")


def get_program(started_as: str) -> str:
    """Return the command that starts this program: its path if the shell does not find its name.

    Parameters
    ----------
    started_as
        ``sys.argv[0]``.
    """
    path = Path(started_as)
    if path.name != PROGRAM:
        return PROGRAM
    found = shutil.which(PROGRAM)
    if found is not None and resolve_links(Path(found)) == resolve_links(path):
        return PROGRAM
    return shlex.quote(shorten_path(path))


# --- Tables


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name
        Heading.
    right
        Whether to align the cells to the right, as numbers are.
    priority
        Columns with the highest number are left out first when the table is too wide; 0 is never left out.
    is_text
        Whether cells may be shortened.
    """

    name: str
    right: bool = False
    priority: int = 0
    is_text: bool = False


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], styles: Sequence[str] | None = None) -> None:
    """Print a table to standard output; columns without any content are left out silently.

    Parameters
    ----------
    rows
        A cell for each column.
    styles
        One for each row.
    """
    console = make_console()
    rows = [[show_text(cell, console.encoding) for cell in row] for row in rows]
    used = [index for index, column in enumerate(columns) if not column.priority or any(row[index] for row in rows)]
    widths = {index: _measure(columns[index], [row[index] for row in rows]) for index in used}
    shown, hidden = _fit(columns, widths, console.width)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    spare = console.width - sum(_get_min_width(columns[index], widths[index]) + _GAP for index in shown)
    for index in shown:
        column = columns[index]
        width = _get_min_width(column, widths[index])
        if column.is_text:
            extra = max(min(widths[index] - width, spare), 0)
            width += extra
            spare -= extra
        table.add_column(
            column.name, justify="right" if column.right else "left", no_wrap=True, overflow="ellipsis", width=width
        )
    for number, row in enumerate(rows):
        table.add_row(*(Text(row[index]) for index in shown), style=styles[number] if styles else None)
    if console.is_terminal:
        console.print(table)
    else:
        with console.capture() as capture:
            console.print(table)
        _write("".join(f"{line.rstrip()}\n" for line in capture.get().split("\n")[:-1]))
    if hidden:
        names = ", ".join(columns[index].name for index in hidden)
        print_line(f"Columns that do not fit: {names}", "dim")


def _measure(column: Column, cells: Sequence[str]) -> int:
    width = max(map(cell_len, (column.name, *cells)))
    return min(width, _MAX_TEXT_WIDTH) if column.is_text else width


def _get_min_width(column: Column, width: int) -> int:
    return min(width, max(_MIN_TEXT_WIDTH, cell_len(column.name))) if column.is_text else width


def _fit(columns: Sequence[Column], widths: Mapping[int, int], limit: int) -> tuple[list[int], list[int]]:
    """Return indexes of the columns to show and to hide."""
    shown = list(widths)

    def is_too_wide() -> bool:
        return sum(_get_min_width(columns[index], widths[index]) + _GAP for index in shown) - _GAP > limit

    while is_too_wide():
        least = max(shown, key=lambda index: columns[index].priority)
        if not columns[least].priority:
            break
        shown.remove(least)
    return shown, [index for index in widths if index not in shown]


def print_facts(facts: Mapping[str, str]) -> None:
    """Print names and values below each other."""
    width = max(cell_len(name) for name in facts)
    for name, value in facts.items():
        print_line(f"  {name:<{width}}  {value}")


# --- Texts


def format_usd_change(before: float | None, after: float | None) -> str:
    """Return an amount in USD before and after a change, or that it did not change."""
    old, new = format_usd(before), format_usd(after)
    return f"{old} USD, unchanged" if old == new else f"{old} -> {new} USD"


def format_line(text: str | None) -> str:
    """Return a text of several lines in one line, with its decimals rounded."""
    return round_decimals(" | ".join(line.strip() for line in (text or "").splitlines() if line.strip()))


# --- JSON


def print_json(data: Any) -> None:
    """Print JSON to standard output: times as ISO text, exact amounts as text, ASCII only."""
    print_json_text(json.dumps(data, indent=2, default=_to_json, allow_nan=False))


def print_json_text(text: str) -> None:
    """Print a JSON document to standard output, with JSON escapes for invisible characters."""
    _write(escape_json(text) + "\n")


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal | os.PathLike | DatabaseAddress):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON form")
