"""How a command changes a state: it shows the changes, asks, saves, and prints how to undo them."""

import contextlib
import datetime
import shlex
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar

import typer

from tradeexecutor.cli.output import OutputFailed, print_json, print_line, print_next_steps, shorten_path
from tradeexecutor.cli.printers.differences import print_differences
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.operations.state_change import Undo, prepare_change
from tradeexecutor.operations.state_location import StateLocation
from tradeexecutor.state.state import State

__all__ = ["DryRunOption", "JsonOption", "YesOption", "run_change"]

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the file is changed.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON; needs --yes or --dry-run.")]

T = TypeVar("T")


def run_change(
    place: StateLocation,
    change: Callable[[State, datetime.datetime], T],
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
    """Run an operation that changes a state, in the way of :mod:`tradeexecutor.operations.state_change`.

    Parameters
    ----------
    change
        Function that changes a state and returns its result; the second argument is the time to record, naive UTC. It
        is called once, and must neither print nor ask.
    command
        Name of the command.
    print_result
        Prints the result; not called with ``--json``.
    to_json
        Returns the result as plain data.
    yes, dry_run, json_
        The options of the command.
    backup_suffix
        Suffix in the name of the backup, e.g. ``repair-backup``.
    before_save
        Function that writes files which the state refers to, such as archives, before the state is saved; it gets the
        result, and is not called when nothing is saved.

    Returns
    -------
    What `change` returned.

    Raises
    ------
    typer.BadParameter
        ``--json`` was given without ``--yes`` or ``--dry-run``, so the command cannot ask.
    typer.Exit
        The user answered no; exit code 1, because the change was not made.
    OperationRefused, StateFileError, OSError
        The file cannot be read or written.
    """
    if json_ and not (yes or dry_run):
        raise typer.BadParameter("--json needs --yes or --dry-run: it cannot ask")
    with prepare_change(place, change, preview_only=dry_run) as prepared:
        undo = None
        if not json_:
            print_result(prepared.result)
            print_differences(prepared.preview)
            if dry_run and not prepared.is_empty:
                print_line("Dry run: nothing was changed.", "bold")
        if not prepared.is_empty and not dry_run:
            if not yes and not _confirm():
                print_line("Nothing was changed.")
                raise typer.Exit(1)
            undo = prepared.save(backup_suffix, before_save)
            if not json_:
                with _telling(place, undo):
                    _print_undo(place, undo)
    if json_:
        what = {"command": command, "file": str(place), "changed": undo is not None}
        way_back = {"backup": undo and undo.backup, "undo": undo and make_undo_command(undo)}
        with _telling(place, undo):
            print_json({**what, "result": to_json(prepared.result), "patch": prepared.preview.patch, **way_back})
    return prepared.result


@contextlib.contextmanager
def _telling(place: StateLocation, undo: Undo | None) -> Iterator[None]:
    """Raise `OutputFailed` with the change and its undo command when standard output cannot be written."""
    try:
        yield
    except OutputFailed as error:
        if undo is None:
            raise
        message = f"{place} was changed, but the output could not be written: {error}"
        raise OutputFailed(message, f"To undo it: {make_undo_command(undo)}") from error


def _confirm() -> bool:
    """Return True if the user confirms; False if the input has ended or was interrupted."""
    try:
        return typer.confirm("Change the file?")
    except typer.Abort:
        typer.echo()
        return False


def make_undo_command(undo: Undo) -> str:
    """Return the command line that undoes a change."""
    words = ["tradeexecutor", "store", "recover", str(undo.place)]
    words += ["--at", str(undo.save)] if undo.backup is None else ["--from", str(undo.backup), "--exact"]
    return shlex.join(words)


def _print_undo(place: StateLocation, undo: Undo) -> None:
    kept = f"save {undo.save:,}" if undo.backup is None else shorten_path(undo.backup)
    print_line()
    print_line(f"{place} was changed. The previous version is kept as {kept}.", "bold green")
    print_next_steps(
        {
            "Undo it": make_undo_command(undo),
            "Check its contents now": shlex.join(["tradeexecutor", "validate", str(place)]),
        }
    )
    if isinstance(place, DatabaseAddress) and place.is_hiding:
        print_line("Set PGPASSWORD first, or put the password into ~/.pgpass: commands do not show it.", "dim")
