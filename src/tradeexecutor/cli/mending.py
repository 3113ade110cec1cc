"""The one way in which a command changes a state file.

1. The writer lock is taken: a strategy that runs keeps its state to itself.  A dry run needs no lock.
2. The change is made on a copy, and everything that is different is shown.
3. ``--dry-run`` ends here, and so does a change that changes nothing.  Otherwise the user is asked, unless ``--yes``.
4. The file is copied to ``STEM.SUFFIX-N.json`` beside it.
5. The copy of 2 is saved, so what was shown is what happens.
6. The command that brings the backup back is printed.
"""

import datetime
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tradeexecutor.cli.state_file import require_state_file

if TYPE_CHECKING:
    from tradeexecutor.state.backups import StateBackup
    from tradeexecutor.state.json_patch import Change
    from tradeexecutor.state.preview import Move, Preview
    from tradeexecutor.state.state import State
    from tradeexecutor.state.store import JSONFileStore

__all__ = ["DryRunOption", "JsonOption", "YesOption", "mend", "print_differences"]

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the file is changed.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON; needs --yes or --dry-run.")]

T = TypeVar("T")

#: So many differences are printed; ``--json`` has all of them.
_MAX_ROWS = 40

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
    from tradeexecutor.state.preview import preview_change
    from tradeexecutor.state.store import JSONFileStore

    require_state_file(file)
    now = utc_now()
    compressed = file.resolve().with_name(f"{file.resolve().name}.br").exists()
    with JSONFileStore(file, compressed=compressed) as store:
        state = store.load()
        if not dry_run:
            store.acquire_writer_lock()
        preview = preview_change(state, lambda copy: change(copy, now))
        backup = None
        if not json_:
            print_result(preview.result)
            print_differences(preview)
            if dry_run and not preview.is_empty:
                print_line("Dry run: nothing was changed.", "bold")
        if not preview.is_empty and not dry_run:
            if not yes and not typer.confirm("Change the file?"):
                print_line("Nothing was changed.")
                raise typer.Exit(1)
            if before_save is not None:
                before_save(preview.result)
            backup = _save(store, preview.state, backup_suffix)
            if not json_:
                _print_backup(file, backup)
    if json_:
        print_json(
            {
                "command": command,
                "file": file,
                "changed": backup is not None,
                "result": to_json(preview.result),
                "patch": preview.patch,
                "backup": backup and backup.path,
                "undo": backup and backup.restore_command,
            }
        )
    return preview.result


def _save(store: "JSONFileStore", state: "State", backup_suffix: str) -> "StateBackup":
    from tradeexecutor.state.backups import backup_state

    backup = backup_state(store.path, backup_suffix)
    store.sync(state)
    return backup


def _print_backup(file: Path, backup: "StateBackup") -> None:
    from tradeexecutor.cli.output import print_line, print_next_steps, shorten_path

    print_line()
    print_line(f"{file} was changed. What it was is in {shorten_path(backup.path)}.", "bold green")
    print_next_steps(
        {
            "Undo it": backup.restore_command,
            "Check what it says now": shlex.join(["tradeexecutor", "validate", str(file)]),
        }
    )


# --- Differences


def print_differences(preview: "Preview[Any]", title: str = "What changes in the file") -> None:
    """Print a table of what is different, or that nothing is."""
    from tradeexecutor.cli.output import Column, print_heading, print_line, print_table

    if preview.is_empty:
        print_line("Nothing to change.", "bold green")
        return
    items = list(preview.describe())
    rows = list(_fold(_describe_all(items)))
    if len(rows) > _MAX_ROWS:
        rows = list(_fold_places(rows))
    print_heading(f"{title} ({len(items):,} difference{'' if len(items) == 1 else 's'})")
    columns = (Column("Where", is_text=True), Column("Before", is_text=True), Column("After", is_text=True))
    print_table(columns, rows[:_MAX_ROWS])
    if len(rows) > _MAX_ROWS:
        print_line(f"... and {len(rows) - _MAX_ROWS:,} more; --dry-run --json has all of them", "dim")


def _describe_all(items: Iterable["Change | Move"]) -> Iterator[tuple[str, str, str]]:
    from tradeexecutor.state.preview import Move

    for item in items:
        if isinstance(item, Move):
            yield f"{_join(item.source)} → {item.target[-2]}", "", "moved"
        elif item.op == "add":
            yield _join(item.path), "", _shorten(item.after)
        elif item.op == "remove":
            yield _join(item.path), _shorten(item.before), "removed"
        else:
            before, after = _to_line(item.before), _to_line(item.after)
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
        yield place, f"e.g. {group[0][1]}" if group[0][1] else "", f"{len(group):,} times {after}"


def _join(path: Iterable[str | int]) -> str:
    return ".".join(map(str, path))


def _shorten(value: Any) -> str:
    text = _to_line(value)
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[: _MAX_VALUE_LENGTH - 1]}…"


def _to_line(value: Any) -> str:
    """Return JSON in one line; a text without its quotes."""
    from tradeexecutor.state.serialisation import dump

    return " ".join((value if isinstance(value, str) else dump(value).decode()).split())
