"""``tradeexecutor store list``."""

from typing import Annotated

import typer

from tradeexecutor.cli.database_argument import require_address
from tradeexecutor.cli.output import print_json
from tradeexecutor.cli.printers.revisions import print_strategies, revision_to_json
from tradeexecutor.cli.state_file import StatePlace, parse_place
from tradeexecutor.database.connection import Database
from tradeexecutor.database.reading import list_strategies, read_revision

EXAMPLES = (
    "tradeexecutor store list sqlite:///trading.db",
    "tradeexecutor store list postgresql://user@host/trading --json | jq '.[].strategy'",
)


def list_(
    database: Annotated[
        StatePlace,
        typer.Argument(
            metavar="DATABASE",
            help="sqlite:///trading.db or postgresql://user@host/trading.",
            show_default=False,
            parser=parse_place,
        ),
    ],
    *,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the strategies in a database.

    Nothing is changed.
    """
    address = require_address(database)

    with Database(address).reading() as connection:
        found = [(item, read_revision(connection, address, item)) for item in list_strategies(connection, address)]
    if json_:
        print_json(
            [
                {"strategy": item.name, "oldest": item.oldest, "newest": item.newest, **revision_to_json(revision)}
                for item, revision in found
            ]
        )
        return
    print_strategies(found)
