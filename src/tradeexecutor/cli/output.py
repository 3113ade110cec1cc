"""How commands print: tables, numbers, JSON.

On a terminal a table is fitted to its width: long texts are shortened first, then the least important columns are left
out and named below the table. Into a pipe or a file tables are written in full width and without colours, one row a
line, so that `grep` and `less -S` work; only long texts are shortened, ``--json`` has all of them.

Texts come from tokens, nodes and people. Whatever is printed here shows characters that a terminal would obey, or not
show, as escapes (:mod:`tradeexecutor.state.display.visible`), and so it does with characters that the terminal does not
have. What cannot be written is an error, `OutputFailed`: a command whose output is lost has not succeeded.
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
    format_ratio,
    format_time,
    format_usd,
)
from tradeexecutor.state.display.visible import escape_json, make_visible
from tradeexecutor.state.errors import TradeExecutorError

__all__ = [
    "NOTHING",
    "PROGRAM",
    "Column",
    "OutputFailed",
    "format_line",
    "format_percent",
    "format_price",
    "format_quantity",
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
    "shorten_path",
    "show_text",
]

PROGRAM = "tradeexecutor"

#: Wide enough for any line: what goes into a pipe is never folded.
_UNLIMITED = 10_000

#: A text column is never made narrower than this, nor wider.
_MIN_TEXT_WIDTH = 16
_MAX_TEXT_WIDTH = 100

#: Between two columns.
_GAP = 2

#: What we and rich draw with, by what a terminal has that knows ASCII only; of the same width.
_ASCII = str.maketrans({"…": "~", "─": "-", "–": "-", "•": "*"})


class OutputFailed(TradeExecutorError):
    """What a command has to say could not be written.

    Attributes
    ----------
    reader_left
        The reader of a pipe has had enough, as ``head`` has.
    hint
        What the user has to know.
    """

    def __init__(self, reason: str, hint: str = "", *, reader_left: bool = False):
        super().__init__(reason)
        self.reader_left = reader_left
        self.hint = hint


@contextlib.contextmanager
def _writing(name: str) -> Iterator[None]:
    """Turn an error of the system into `OutputFailed`."""
    try:
        yield
    except OSError as error:
        raise OutputFailed(
            f"{name}: {error.strerror or error}",
            "Not everything was told. What the command had done before stays done.",
            reader_left=error.errno == errno.EPIPE,
        ) from error


class _Console(Console):
    """A console that shows what it is given, whatever that is."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render an object; only rich itself controls the terminal."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else show_text(segment.text, self.encoding, keep_newlines=True)
            yield segment if text == segment.text else Segment(text, segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; raises `OutputFailed`."""
        with _writing("standard error" if self.stderr else "standard output"):
            super().print(*objects, **options)

    def on_broken_pipe(self) -> NoReturn:
        """Let the error through: rich would end the program wherever it is."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def show_text(text: str, encoding: str | None, *, keep_newlines: bool = False) -> str:
    r"""Return a text as it can be shown: what is not seen, or not in the encoding, stands as its escape.

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
    """Return a console for standard output or standard error, as it is now.

    Colours appear on terminals only, and not when the environment variable ``NO_COLOR`` is set.
    """
    console = _Console(stderr=stderr, highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = _Console(stderr=stderr, highlight=False, emoji=False, width=_UNLIMITED)
    return console


def print_line(text: str = "", style: str = "") -> None:
    """Print a text to standard output, folded between words on a terminal; markup is not interpreted."""
    console = make_console()
    console.print(_make_text(text, style, console))


def print_command(text: str) -> None:
    """Print a line to be copied: never folded."""
    console = make_console()
    console.print(_make_text(text, "cyan", console), soft_wrap=True)


def print_text(text: str) -> None:
    """Print a text that has its own lines and columns to standard output: never folded, without style."""
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
    """Print a text to standard error; when that is not possible, there is nobody to tell."""
    console = make_console(stderr=True)
    with contextlib.suppress(OutputFailed):
        console.print(_make_text(text, style, console))


def print_next_steps(steps: Mapping[str, str]) -> None:
    """Print commands to try next, by what they do; ``tradeexecutor`` is written so that it can be copied."""
    program = get_program(sys.argv[0])
    print_heading("What to look at next")
    for purpose, command in steps.items():
        print_line(f"  {purpose}:")
        name, space, rest = command.partition(" ")
        print_command(f"    {program if name == PROGRAM else name}{space}{rest}")


def get_program(started_as: str) -> str:
    """Return how to call this program: by its path where the shell does not find it, as in a fresh environment.

    Parameters
    ----------
    started_as
        ``sys.argv[0]``.
    """
    path = Path(started_as)
    if path.name != PROGRAM:
        return PROGRAM
    found = shutil.which(PROGRAM)
    if found is not None and Path(found).resolve() == path.resolve():
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
        Align numbers.
    priority
        What does not fit is left out, the highest number first; 0 stays.
    is_text
        May be shortened.
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
        print_line(f"Not shown for want of width: {names}", "dim")


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
    """Return what an amount was and is, or that it is as before."""
    old, new = format_usd(before), format_usd(after)
    return f"{old} USD, as before" if old == new else f"{old} -> {new} USD"


def format_line(text: str | None) -> str:
    """Put a text of several lines into one."""
    return " | ".join(line.strip() for line in (text or "").splitlines() if line.strip())


# --- JSON


def print_json(data: Any) -> None:
    """Print JSON to standard output: times as ISO text, exact amounts as text, ASCII only."""
    print_json_text(json.dumps(data, indent=2, default=_to_json, allow_nan=False))


def print_json_text(text: str) -> None:
    """Print a JSON document to standard output, with the escapes of JSON for characters that are not seen."""
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
