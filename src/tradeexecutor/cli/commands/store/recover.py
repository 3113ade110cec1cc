"""``tradeexecutor store recover``."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE, CommandFailed
from tradeexecutor.cli.output import print_json, print_line, print_next_steps
from tradeexecutor.cli.printers import databases as database_printer
from tradeexecutor.cli.printers.saves import print_plan, print_recovery, recovery_to_json
from tradeexecutor.cli.state_file import StatePlace, parse_place, require_existing_file, require_no_folder
from tradeexecutor.database import recovery as database_recovery
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.operations.databases import open_address
from tradeexecutor.state.store import copies

EXAMPLES = (
    "tradeexecutor store recover state.json --dry-run",
    "tradeexecutor store recover state.json",
    "tradeexecutor store recover state.json --from state.backup-1.json",
    "tradeexecutor store recover sqlite:///trading.db#demo --at 118",
)


_Place = Annotated[
    StatePlace,
    typer.Argument(
        metavar="STATE_FILE",
        help="State file (JSON), or strategy in a database: sqlite:///trading.db#my-strategy.",
        show_default=False,
        parser=parse_place,
    ),
]


def recover(
    file: _Place,
    *,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="COPY",
            help="Use this copy, even when the file is intact.",
            readable=False,
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="In a database: go back to this save, even when the newest is intact."),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Restore COPY to the byte, with its save number; this undoes a change."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON; needs --yes or --dry-run.")] = False,
) -> None:
    """Replace a damaged or missing state by its newest intact save.

    The damaged file is kept beside it under another name; in a database the
    earlier save is saved again as the newest, and nothing is removed. An intact
    state is not replaced, unless you name a copy with --from, or a save of a
    database with --at. The strategy must not be running.

    Events after that save are not in it: compare it with the chain or the exchange
    before you continue trading.
    """
    if json_ and not (yes or dry_run):
        raise typer.BadParameter("--json needs --yes or --dry-run: it cannot ask")
    if isinstance(file, DatabaseAddress):
        if source is not None:
            raise typer.BadParameter("--from is for files; --at names a save of a database")
        _recover_database(file, at, yes=yes, dry_run=dry_run, json_=json_)
        return
    if at is not None:
        raise typer.BadParameter("--at is for databases; --from names a copy of a file")
    _recover_file(file, source, exact=exact, yes=yes, dry_run=dry_run, json_=json_)


def _recover_file(file: Path, source: Path | None, *, exact: bool, yes: bool, dry_run: bool, json_: bool) -> None:
    """Go back to an earlier save of a file."""
    require_no_folder(file)
    if source is not None:
        require_existing_file(source)
    plan = copies.plan_recovery(file, source)
    if not json_:
        print_plan(plan)
    if plan.chosen is None or dry_run:
        if json_:
            print_json(recovery_to_json(plan))
        return
    if not yes and not typer.confirm("Do it?"):
        print_line("Nothing was changed.")
        raise typer.Exit(EXIT_FAILURE)
    done = copies.recover(file, source, exact=exact)
    if json_:
        print_json(recovery_to_json(done))
    else:
        print_recovery(done)


def _recover_database(place: DatabaseAddress, at: int | None, *, yes: bool, dry_run: bool, json_: bool) -> None:
    """Go back to an earlier save of a strategy in a database."""
    address = open_address(place)
    if address != address.newest:
        raise CommandFailed("leave out the part after the @, and use --at NUMBER")
    plan = database_recovery.plan_recovery(address, at)
    if not json_:
        database_printer.print_recovery_plan(plan)
    if plan.chosen is None or dry_run:
        if json_:
            print_json(database_printer.recovery_to_json(plan))
        return
    if not yes and not typer.confirm("Do it?"):
        print_line("Nothing was changed.")
        raise typer.Exit(EXIT_FAILURE)
    done = database_recovery.recover(address, at)
    if json_:
        print_json(database_printer.recovery_to_json(done))
        return
    assert done.chosen is not None
    print_line(f"Went back to save {done.chosen.number:,}; it is now the newest save.", "bold green")
    if done.kept_as is not None:
        print_line(f"The damaged file is now {done.kept_as}.")
    print_next_steps({"Look into it": f"tradeexecutor show-positions {shlex.quote(str(address))}"})
