"""``tradeexecutor store generations``."""

from typing import Annotated

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE, CommandFailed
from tradeexecutor.cli.output import print_json
from tradeexecutor.cli.printers.saves import generation_to_json, print_generations
from tradeexecutor.cli.state_file import StatePlace, parse_place, require_no_folder
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.state.store.copies import CopyKind, list_copies

EXAMPLES = (
    "tradeexecutor store generations state.json",
    "tradeexecutor store generations state.json --json | jq '.[] | select(.verdict == \"good\") | .path'",
)


_File = Annotated[
    StatePlace,
    typer.Argument(metavar="STATE_FILE", help="State file (JSON).", show_default=False, parser=parse_place),
]


def generations(
    file: _File,
    *,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the existing saves of a file, and whether each is intact.

    current: the last save.
    compressed: the last save, compressed.
    backup: an earlier save; several recent ones, and one for each recent day.
    kept: the file as it was before a repair, migration or recovery.
    temporary: a save that was not finished when its process ended.

    Nothing is changed. The exit code is 1 when the current file is not intact.
    """
    if isinstance(file, DatabaseAddress):
        raise CommandFailed("a database keeps every save", f"`tradeexecutor store history {file}` lists them")
    require_no_folder(file)
    found = list_copies(file)
    if not found:
        raise CommandFailed(f"there is no file {file}, and no copy of it")
    if json_:
        print_json([generation_to_json(item) for item in found])
    else:
        print_generations(file, found)
    if not any(item.is_good for item in found if item.kind is CopyKind.current):
        raise typer.Exit(EXIT_FAILURE)
