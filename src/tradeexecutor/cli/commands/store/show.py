"""``tradeexecutor store show``."""

from typing import Annotated

import typer

from tradeexecutor.cli.database_argument import WHICH_SAVE, AddressArgument, open_history
from tradeexecutor.cli.output import print_json_text
from tradeexecutor.cli.printers.revisions import print_revision
from tradeexecutor.database.address import parse_as_of
from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor store show sqlite:///trading.db#demo --at 120",
    "tradeexecutor store show sqlite:///trading.db#demo --at 2026-03-01T12:30",
    "tradeexecutor store show sqlite:///trading.db#demo --at cycle:15 --json > then.json",
)


def show(
    address: AddressArgument,
    *,
    at: Annotated[str, typer.Option(metavar="MOMENT", help=f"{WHICH_SAVE}.", show_default="the newest save")] = "",
    json_: Annotated[bool, typer.Option("--json", help="Print the whole state as it was saved.")] = False,
) -> None:
    """Show a strategy as it was when it was saved.

    Other commands read the same state by its address: the number after the @ of
    sqlite:///trading.db#demo@120 is the save.
    """
    store, moment, cycle = open_history(address)
    if at:
        moment, cycle = parse_as_of(at)
    revision, text = store.read(moment, cycle=cycle)
    if json_:
        print_json_text(text.decode())
        return
    state = State.read_json_blob(text)
    print_revision(revision, store.address, state.name)
