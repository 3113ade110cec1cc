"""The one way in which a command changes a state file.

1. The writer lock is taken: a strategy that runs keeps its state to itself.  A dry run needs no lock.
2. The change is made on a copy, and everything that is different is shown.
3. ``--dry-run`` ends here, and so does a change that changes nothing.  Otherwise the user is asked, unless ``--yes``.
4. The file is copied to ``STEM.SUFFIX-N.json`` beside it; a database keeps every save anyway.
5. The copy of 2 is saved, so what was shown is what happens.
6. The command that brings the backup back is printed.
"""

import datetime
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.state_file import DatabaseAddress, open_address, require_state_file

if TYPE_CHECKING:
    from tradeexecutor.database.store import SQLStateStore
    from tradeexecutor.state.codec.json_patch import Change
    from tradeexecutor.state.repair.preview import Move, Preview
    from tradeexecutor.state.state import State
    from tradeexecutor.state.store import JSONFileStore

__all__ = ["DryRunOption", "JsonOption", "YesOption", "mend", "print_differences"]

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the file is changed.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON; needs --yes or --dry-run.")]

T = TypeVar("T")

#: So many differences are printed; ``--json`` has all of them.
_MAX_ROWS = 40

#: With more rows than this, the same field of several objects is one row.
_FOLD_ROWS = 20

#: A place is shortened in the middle: its end tells which field it is.
_MIN_PLACE_WIDTH, _MAX_PLACE_WIDTH = 30, 100

_MAX_VALUE_LENGTH = 60


def mend(
    file: Path,
    change: Callable[["State", datetime.datetime], T],
    *,
    command: str,
    print_result: Callable[[T], None],
    to_json: Callable[[T], Any],
    yes: bool,
    dry_run: bool,
    json_: bool,
    backup_suffix: str,
    before_save: Callable[[T], object] | None = None,
) -> T:
    """Change a state file, in the way described at the top of this module.

    Parameters
    ----------
    change
        Changes the state it is given and returns what it did; the time is the one to record, naive UTC.  It must not
        print and not ask; it is called once.
    command
        Name of the command.
    print_result
        Tells people what was, or would be, done; not called with ``--json``.
    to_json
        The same as plain data.
    yes, dry_run, json_
        The options of the command.
    backup_suffix
        Of the copy of the original, e.g. ``repair-backup``.
    before_save
        Given the result, writes what has to be on the disk before the state that refers to it; not called when nothing
        is saved.

    Returns
    -------
    What `change` returned.

    Raises
    ------
    typer.BadParameter
        ``--json`` without ``--yes`` or ``--dry-run``: there is no asking in between.
    typer.Exit
        The user said no; exit code 1, because what was asked for is not done.
    CommandFailed, StateFileError, OSError
        The file cannot be read or written.
    """
    if json_ and not (yes or dry_run):
        raise typer.BadParameter("--json needs --yes or --dry-run: it cannot ask")
    from tradeexecutor.cli.output import print_json, print_line
    from tradeexecutor.state.clock import utc_now
    from tradeexecutor.state.repair.preview import preview_change

    now = utc_now()
    with _open_store(file) as store:
        state = store.load()
        if not dry_run:
            store.acquire_writer_lock()
        preview = preview_change(state, lambda copy: change(copy, now))
        undo = None
        if not json_:
            print_result(preview.result)
            print_differences(preview)
            if dry_run and not preview.is_empty:
                print_line("Dry run: nothing was changed.", "bold")
        if not preview.is_empty and not dry_run:
            if not yes and not _confirm():
                print_line("Nothing was changed.")
                raise typer.Exit(1)
            if before_save is not None:
                before_save(preview.result)
            undo = _save(store, preview.state, backup_suffix)
            if not json_:
                _print_undo(file, undo)
    if json_:
        print_json(
            {
                "command": command,
                "file": file,
                "changed": undo is not None,
                "result": to_json(preview.result),
                "patch": preview.patch,
                "backup": undo and undo.backup,
                "undo": undo and undo.command,
            }
        )
    return preview.result


def _confirm() -> bool:
    """Ask; no answer, because the input has ended or was interrupted, is no."""
    try:
        return typer.confirm("Change the file?")
    except typer.Abort:
        typer.echo()
        return False


def _open_store(file: Path) -> "JSONFileStore | SQLStateStore":
    if isinstance(file, DatabaseAddress):
        from tradeexecutor.database.store import SQLStateStore

        address, at, cycle = open_address(file.text)
        if at is not None or cycle is not None:
            raise CommandFailed(f"only the newest save can be changed; leave out what stands after @ in {file}")
        return SQLStateStore(address)
    from tradeexecutor.state.files.compressed_copy import get_compressed_path
    from tradeexecutor.state.store import JSONFileStore

    require_state_file(file)
    return JSONFileStore(file, compressed=get_compressed_path(file.resolve()).exists())


class _Undo(NamedTuple):
    """The way back: where the state is as it was before, for people and as a path, and the command that restores it."""

    place: str
    backup: Path | None
    command: str


def _save(store: "JSONFileStore | SQLStateStore", state: "State", backup_suffix: str) -> _Undo:
    from tradeexecutor.cli.output import shorten_path
    from tradeexecutor.state.store import JSONFileStore
    from tradeexecutor.state.store.backups import backup_state

    if isinstance(store, JSONFileStore):
        backup = backup_state(store.path, backup_suffix)
        store.sync(state)
        return _Undo(shorten_path(backup.path), backup.path, backup.restore_command)
    before = store.read()[0].number
    store.sync(state)
    command = shlex.join(["tradeexecutor", "store", "recover", str(store.address), "--at", str(before)])
    return _Undo(f"save {before:,}", None, command)


def _print_undo(file: Path, undo: _Undo) -> None:
    from tradeexecutor.cli.output import print_line, print_next_steps

    print_line()
    print_line(f"{file} was changed. As it was before, it is kept as {undo.place}.", "bold green")
    print_next_steps(
        {
            "Undo it": undo.command,
            "Check what it says now": shlex.join(["tradeexecutor", "validate", str(file)]),
        }
    )


# --- Differences


def print_differences(preview: "Preview[Any]", title: str = "What changes in the file") -> None:
    """Print a table of what is different, or that nothing is."""
    from tradeexecutor.cli.output import Column, make_console, print_heading, print_line, print_table

    if preview.is_empty:
        print_line("Nothing to change.", "bold green")
        return
    items = list(preview.describe())
    rows = list(_fold(_describe_all(items)))
    if len(rows) > _FOLD_ROWS:
        rows = list(_fold_places(rows))
    width = min(max(make_console().width // 2, _MIN_PLACE_WIDTH), _MAX_PLACE_WIDTH)
    rows = [(_shorten_place(place, width), before, after) for place, before, after in rows]
    print_heading(f"{title} ({len(items):,} difference{'' if len(items) == 1 else 's'})")
    columns = (Column("Where", is_text=True), Column("Before", is_text=True), Column("After", is_text=True))
    print_table(columns, rows[:_MAX_ROWS])
    if len(rows) > _MAX_ROWS:
        print_line(f"... and {len(rows) - _MAX_ROWS:,} more; --dry-run --json has all of them", "dim")


def _describe_all(items: Iterable["Change | Move"]) -> Iterator[tuple[str, str, str]]:
    from tradeexecutor.state.repair.preview import Move

    for item in items:
        if isinstance(item, Move):
            yield f"{_join(item.source)} → {item.target[-2]}", "", "moved"
        elif item.op == "add":
            yield _join(item.path), "", _shorten(_to_text(item.path, item.after))
        elif item.op == "remove":
            yield _join(item.path), _shorten(_to_text(item.path, item.before)), "removed"
        else:
            before, after = _to_text(item.path, item.before), _to_text(item.path, item.after)
            if len(after) > _MAX_VALUE_LENGTH and after.startswith(before):  # a line was added to notes
                after = f"…{after[len(before) :]}"
            yield _join(item.path), _shorten(before), _shorten(after)


def _fold(rows: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """Put entries that were removed from one list or table, or added to it, into one row when they are many."""
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
    """Put rows about the same field of several objects into one, with a ``*`` for the ids of the objects."""
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
    """Return a value for people: a time as such, else its JSON in one line, a text without its quotes."""
    from tradeexecutor.cli.output import format_time
    from tradeexecutor.state.codec.codec import dump

    if str(path[-1]).endswith(("_at", "timestamp")) and type(value) in (int, float):
        with suppress(ValueError, OverflowError, OSError):  # a number that is no time
            return format_time(datetime.datetime.fromtimestamp(value, datetime.UTC), seconds=True)
    return " ".join((value if isinstance(value, str) else dump(value).decode()).split())
