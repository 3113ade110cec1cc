"""The argument of commands that work on a strategy in a database."""

from typing import Annotated

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.state_file import StatePlace, parse_place
from tradeexecutor.database.address import AsOf, DatabaseAddress
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.operations.databases import open_address
from tradeexecutor.operations.state_location import StateLocation

__all__ = ["WHICH_SAVE", "AddressArgument", "open_history", "require_address"]

AddressArgument = Annotated[
    StatePlace,
    typer.Argument(
        metavar="ADDRESS",
        help="Strategy in a database: sqlite:///trading.db#my-strategy or postgresql://user@host/trading#my-strategy;"
        " #my-strategy may be left out when there is only one.",
        show_default=False,
        parser=parse_place,
    ),
]


#: How a user names a save.
WHICH_SAVE = "a save (120), a time in UTC (2026-03-01T12:30: the last save before), or a cycle (cycle:15)"


def require_address(place: StateLocation) -> DatabaseAddress:
    """Return the address of a database; raises `CommandFailed` for a file."""
    if not isinstance(place, DatabaseAddress):
        raise CommandFailed(
            f"{place} is not the address of a database",
            "A file keeps only its last saves: `tradeexecutor store generations FILE` lists them;"
            " `tradeexecutor store convert FILE sqlite:///trading.db#my-strategy` starts a history.",
        )

    return place


def open_history(place: StateLocation) -> tuple[SQLStateStore, AsOf | None, int | None]:
    """Return the store of a strategy, and the save that the address names: a number or time, or a cycle."""
    address = open_address(require_address(place))
    return SQLStateStore(address.newest), address.at, address.cycle
