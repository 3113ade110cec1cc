"""The differences between two states, as a table that fits on a screen."""

import datetime
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from tradeexecutor.cli.output import (
    Column,
    format_time,
    make_console,
    print_heading,
    print_line,
    print_table,
    round_decimals,
)
from tradeexecutor.state.codec.codec import dump
from tradeexecutor.state.codec.json_patch import Change
from tradeexecutor.state.repair.preview import Move, Preview

__all__ = ["print_differences"]

#: Number of rows that are printed; ``--json`` has all of them.
_MAX_ROWS = 40

#: Number of rows above which the same field of several objects is combined into one row.
_MAX_UNFOLDED_ROWS = 20

#: Width of the first column in characters: a path is shortened in the middle, because its end names the field.
_MIN_PLACE_WIDTH, _MAX_PLACE_WIDTH = 30, 100

#: Number of characters of a value that are shown.
_MAX_VALUE_LENGTH = 60


def print_differences(preview: Preview[Any], title: str = "What changes in the file") -> None:
    """Print a table of the differences, or that there are none."""
    if preview.is_empty:
        print_line("Nothing to change.", "bold green")
        return
    items = list(preview.describe())
    rows = list(_fold(_describe_all(items)))
    if len(rows) > _MAX_UNFOLDED_ROWS:
        rows = list(_fold_places(rows))
    width = min(max(make_console().width // 2, _MIN_PLACE_WIDTH), _MAX_PLACE_WIDTH)
    rows = [(_shorten_place(place, width), before, after) for place, before, after in rows]
    print_heading(f"{title} ({len(items):,} difference{'' if len(items) == 1 else 's'})")
    columns = (Column("Where", is_text=True), Column("Before", is_text=True), Column("After", is_text=True))
    print_table(columns, rows[:_MAX_ROWS])
    if len(rows) > _MAX_ROWS:
        print_line(f"... and {len(rows) - _MAX_ROWS:,} more; --dry-run --json has all of them", "dim")


def _describe_all(items: Iterable[Change | Move]) -> Iterator[tuple[str, str, str]]:
    for item in items:
        if isinstance(item, Move):
            yield f"{_join(item.source)} → {item.target[-2]}", "", "moved"
        elif item.op == "add":
            yield _join(item.path), "", _shorten(round_decimals(_to_text(item.path, item.after)))
        elif item.op == "remove":
            yield _join(item.path), _shorten(round_decimals(_to_text(item.path, item.before))), "removed"
        else:
            exact = _to_text(item.path, item.before), _to_text(item.path, item.after)
            before, after = map(round_decimals, exact)
            if before == after:
                before, after = exact
            if len(after) > _MAX_VALUE_LENGTH and after.startswith(before):  # a line was added to notes
                after = f"…{after[len(before) :]}"
            yield _join(item.path), _shorten(before), _shorten(after)


def _fold(rows: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield rows, with many entries that were removed from, or added to, one list or table combined into one."""
    group: list[tuple[str, str, str]] = []
    key: tuple[str, bool] | None = None
    for row in rows:
        parent, _, last = row[0].rpartition(".")
        kind = (parent, row[2] == "removed") if last.isdigit() and (row[2] == "removed" or not row[1]) else None
        if kind != key or kind is None:
            yield from _fold_group(group)
            group, key = [], kind
        group.append(row)
    yield from _fold_group(group)


def _fold_group(group: list[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    if len(group) <= 3:
        yield from group
        return
    parent = group[0][0].rpartition(".")[0]
    is_removal = group[0][2] == "removed"
    text = f"{len(group):,} entries {'removed' if is_removal else 'added'}"
    yield parent, group[0][1], text if is_removal else f"{text}: {group[0][2]}"


def _fold_places(rows: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield rows, with those of the same field of several objects combined into one; ``*`` stands for their ids."""
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for row in rows:
        groups.setdefault(_join("*" if part.isdigit() else part for part in row[0].split(".")), []).append(row)
    for place, group in groups.items():
        if len(group) <= 3:
            yield from group
            continue
        after = group[0][2] if len({row[2] for row in group}) == 1 else f"e.g. {group[0][2]}"
        before = group[0][1] if len({row[1] for row in group}) == 1 else f"e.g. {group[0][1]}"
        yield place, before, f"{len(group):,} times {after}"


def _join(path: Iterable[str | int]) -> str:
    return ".".join(map(str, path))


def _shorten_place(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    head = width // 3
    return f"{text[:head]}…{text[head + 1 - width :]}"


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[: _MAX_VALUE_LENGTH - 1]}…"


def _to_text(path: Sequence[str | int], value: Any) -> str:
    """Return a value as text: a time formatted, a text without its quotes, any other value as JSON in one line."""
    if str(path[-1]).endswith(("_at", "timestamp")) and type(value) in (int, float):
        with suppress(ValueError, OverflowError, OSError):  # a number that is not a time
            return format_time(datetime.datetime.fromtimestamp(value, datetime.UTC), seconds=True)
    return " ".join((value if isinstance(value, str) else dump(value).decode()).split())
