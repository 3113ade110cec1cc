"""``tradeexecutor store verify``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE, CommandFailed
from tradeexecutor.cli.output import print_json, print_line
from tradeexecutor.cli.printers.databases import check_to_json, print_check
from tradeexecutor.cli.printers.saves import generation_to_json, print_generation
from tradeexecutor.cli.progress import showing_progress
from tradeexecutor.cli.state_file import StatePlace, parse_place, require_existing_file
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.verification import verify_database
from tradeexecutor.state.errors import DamagedStateFile, NewerStateFile
from tradeexecutor.state.store.copies import CopyKind, StateCopy, examine

EXAMPLES = (
    "tradeexecutor store verify state.json",
    "tradeexecutor store verify state.json.backups/* state.json.br",
    "tradeexecutor store verify sqlite:///trading.db",
)


def verify(
    files: Annotated[
        list[StatePlace],
        typer.Argument(
            metavar="STATE_FILE...",
            help="State files, backups or compressed copies (.br), databases (sqlite:///trading.db) or"
            " strategies in them (sqlite:///trading.db#my-strategy).",
            show_default=False,
            parser=parse_place,
        ),
    ],
    *,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check whether a file or a database is what was saved, bit for bit.

    A file saved by a strategy has a checksum of all its bytes. Files of other
    programs have none: only their format can be checked. In a database every save
    is checked, not only the newest.

    Nothing is changed. The exit code is 1 when something is damaged or cannot be
    read. `tradeexecutor validate` also checks whether the content of the state is
    consistent.
    """
    databases = [file for file in files if isinstance(file, DatabaseAddress)]
    if databases:
        if len(databases) < len(files):
            raise CommandFailed("name either files or databases, not both")
        _verify_databases(databases, json_=json_)
        return
    found: list[StateCopy] = []
    for file in files:
        assert isinstance(file, Path)
        require_existing_file(file)
        kind = CopyKind.compressed if file.suffix == ".br" else CopyKind.current
        found.append(examine(file, kind))
    if json_:
        print_json([generation_to_json(item) for item in found])
    else:
        for index, item in enumerate(found):
            if index:
                print_line()
            print_generation(item)
    if not all(item.is_good for item in found):
        raise typer.Exit(EXIT_FAILURE)


def _verify_databases(places: Sequence[DatabaseAddress], *, json_: bool) -> None:
    """Check every save; exit code 1 when one is damaged."""
    is_good = True
    described: list[dict[str, Any]] = []
    for number, place in enumerate(places):
        address = place.newest
        if number and not json_:
            print_line()
        try:
            with showing_progress("Checking") as progress:
                checks = verify_database(address, progress)
        except (DamagedStateFile, NewerStateFile) as error:
            is_good = False
            reason = error.reason if isinstance(error, DamagedStateFile) else str(error)
            described.append({"address": str(address), "verdict": "damaged", "reason": reason})
            if not json_:
                print_line(str(address), "bold")
                print_line(f"  DAMAGED: {reason}", "red")
            continue
        for check in checks:
            is_good = is_good and check.is_good
            described.append(check_to_json(address.with_strategy(check.strategy.name), check))
            if not json_:
                print_check(address.with_strategy(check.strategy.name), check)
    if json_:
        print_json(described)
    if not is_good:
        raise typer.Exit(EXIT_FAILURE)
