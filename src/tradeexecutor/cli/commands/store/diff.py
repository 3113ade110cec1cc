"""``tradeexecutor store diff``."""

from typing import Annotated, cast

import typer

from tradeexecutor.cli.database_argument import WHICH_SAVE, AddressArgument, open_history
from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.output import format_time, print_json, print_line
from tradeexecutor.cli.printers.differences import print_differences
from tradeexecutor.database.address import parse_as_of
from tradeexecutor.state.codec.codec import parse
from tradeexecutor.state.codec.json_patch import make_patch
from tradeexecutor.state.repair.preview import Preview
from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor store diff sqlite:///trading.db#demo",
    "tradeexecutor store diff sqlite:///trading.db#demo 118 120",
    "tradeexecutor store diff sqlite:///trading.db#demo 2026-03-01 120 --json",
)


def diff(
    address: AddressArgument,
    first: Annotated[
        str,
        typer.Argument(metavar="A", help=f"{WHICH_SAVE[0].upper()}{WHICH_SAVE[1:]}.", show_default="the save before B"),
    ] = "",
    second: Annotated[str, typer.Argument(metavar="B", help="The same.", show_default="the newest save")] = "",
    *,
    json_: Annotated[bool, typer.Option("--json", help="Print a JSON Patch (RFC 6902) from A to B.")] = False,
) -> None:
    """Show the differences between two saves.

    Nothing is changed. The exit code is 0 whether there are differences or not.
    """
    store, moment, cycle = open_history(address)
    if second:
        moment, cycle = parse_as_of(second)
    new, new_text = store.read(moment, cycle=cycle)
    if first:
        moment, cycle = parse_as_of(first)
    elif new.number == 1:
        raise CommandFailed("there is no save before the first one")
    else:
        moment, cycle = new.number - 1, None
    old, old_text = store.read(moment, cycle=cycle)
    before, after = parse(old_text), parse(new_text)
    if json_:
        print_json(make_patch(before, after))
        return
    for word, revision in (("from", old), ("to", new)):
        print_line(f"{word:>4} save {revision.number:,} of {format_time(revision.saved_at, seconds=True)}")
    if old_text == new_text:
        print_line("There is no difference.", "bold green")
        return
    print_differences(Preview(cast(State, None), None, before, after), "What is different")
