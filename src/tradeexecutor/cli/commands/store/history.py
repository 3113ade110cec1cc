"""``tradeexecutor store``: list, history, show, diff; for databases."""

import dataclasses
import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.state_file import StatePlace, parse_place
from tradeexecutor.database.address import DatabaseAddress, parse_as_of

if TYPE_CHECKING:
    from tradeexecutor.database.address import AsOf
    from tradeexecutor.database.revisions import Revision
    from tradeexecutor.database.store import SQLStateStore

__all__ = ["EXAMPLES", "AddressArgument", "diff", "history", "list_", "require_address", "show"]

EXAMPLES = {
    "list": (
        "tradeexecutor store list sqlite:///trading.db",
        "tradeexecutor store list postgresql://user@host/trading --json | jq '.[].strategy'",
    ),
    "history": (
        "tradeexecutor store history sqlite:///trading.db#demo",
        "tradeexecutor store history sqlite:///trading.db#demo --limit 500 | grep closed",
    ),
    "show": (
        "tradeexecutor store show sqlite:///trading.db#demo --at 120",
        "tradeexecutor store show sqlite:///trading.db#demo --at 2026-03-01T12:30",
        "tradeexecutor store show sqlite:///trading.db#demo --at cycle:15 --json > then.json",
    ),
    "diff": (
        "tradeexecutor store diff sqlite:///trading.db#demo",
        "tradeexecutor store diff sqlite:///trading.db#demo 118 120",
        "tradeexecutor store diff sqlite:///trading.db#demo 2026-03-01 120 --json",
    ),
}

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

_MOMENT = "a save (120), a time in UTC (2026-03-01T12:30: the last save before), or a cycle (cycle:15)"


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
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the strategies in a database.

    Nothing is changed.
    """
    address = require_address(database)
    from tradeexecutor.cli.output import NOTHING, Column, format_time, format_usd, print_json, print_line, print_table
    from tradeexecutor.database.connection import Database
    from tradeexecutor.database.reading import list_strategies, read_revision

    with Database(address).reading() as connection:
        found = [(item, read_revision(connection, address, item)) for item in list_strategies(connection, address)]
    if json_:
        print_json(
            [
                {"strategy": item.name, "oldest": item.oldest, "newest": item.newest, **describe_revision(revision)}
                for item, revision in found
            ]
        )
        return
    if not found:
        print_line("Nothing was saved in this database yet.")
        return
    columns = (
        Column("Strategy", is_text=True),
        Column("Saves", right=True),
        Column("Newest", right=True),
        Column("Saved at (UTC)"),
        Column("Cycle", right=True, priority=2),
        Column("Open", right=True, priority=3),
        Column("Value USD", right=True, priority=1),
        Column("Size", right=True, priority=4),
    )
    rows = [
        (
            item.name,
            f"{item.newest - item.oldest + 1:,}",
            str(item.newest),
            format_time(revision.saved_at, seconds=True),
            NOTHING if revision.cycle is None else f"{revision.cycle:,}",
            f"{revision.summary.open_positions:,}",
            format_usd(revision.summary.net_asset_value),
            f"{revision.size:,}",
        )
        for item, revision in found
    ]
    print_table(columns, rows)


def history(
    address: AddressArgument,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Only the N latest saves.")] = 30,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the saves of a strategy, oldest first, and what happened in each.

    Cash and net asset value are those of the state when it was saved.

    Nothing is changed.
    """
    from tradeexecutor.cli.output import NOTHING, Column, format_time, format_usd, print_json, print_line, print_table

    store, _, _ = _open(address)
    records = store.history()
    texts = [
        record.summary.describe_since(before and before.summary)
        for before, record in zip([None, *records], records, strict=False)
    ]
    if len(records) and records[0].number > 1:
        texts[0] = "(the saves before are not kept)"
    shown = list(zip(records, texts, strict=True))[-limit:]
    if json_:
        print_json([{**describe_revision(record), "what": text} for record, text in shown])
        return
    columns = (
        Column("Save", right=True),
        Column("Saved at (UTC)"),
        Column("Cycle", right=True, priority=1),
        Column("What happened", is_text=True),
        Column("Cash USD", right=True, priority=2),
        Column("Value USD", right=True),
        Column("Parts written", right=True, priority=3),
    )
    rows = [
        (
            str(record.number),
            format_time(record.saved_at, seconds=True),
            NOTHING if record.cycle is None else f"{record.cycle:,}",
            text,
            format_usd(record.summary.cash),
            format_usd(record.summary.net_asset_value),
            f"{record.parts_added:,}",
        )
        for record, text in shown
    ]
    print_table(columns, rows)
    if len(shown) < len(records):
        print_line(f"{len(records) - len(shown):,} earlier saves are not shown; --limit shows more", "dim")


def show(
    address: AddressArgument,
    at: Annotated[str, typer.Option(metavar="MOMENT", help=f"{_MOMENT}.", show_default="the newest save")] = "",
    json_: Annotated[bool, typer.Option("--json", help="Print the whole state as it was saved.")] = False,
) -> None:
    """Show a strategy as it was when it was saved.

    Other commands read the same state by its address: what stands behind the @
    of sqlite:///trading.db#demo@120 is the save.
    """
    from tradeexecutor.cli.output import NOTHING, format_time, format_usd, print_facts, print_line, print_next_steps
    from tradeexecutor.state.state import State

    store, moment, cycle = _open(address)
    if at:
        moment, cycle = parse_as_of(at)
    revision, text = store.read(moment, cycle=cycle)
    if json_:
        sys.stdout.buffer.write(text + b"\n")
        return
    state = State.read_json_blob(text)
    summary = revision.summary
    print_line(state.name or str(store.address.strategy), "bold")
    print_facts(
        {
            "Save": f"{revision.number:,} of {format_time(revision.saved_at, seconds=True)}",
            "Cycle": NOTHING if revision.cycle is None else f"{revision.cycle:,}",
            "Positions": f"{summary.open_positions:,} open, {summary.frozen_positions:,} frozen,"
            f" {summary.closed_positions:,} closed",
            "Cash": f"{format_usd(summary.cash)} USD",
            "Value": f"{format_usd(summary.net_asset_value)} USD",
            "Size": f"{revision.size:,} bytes of JSON, the checksum matches",
        }
    )
    strategy = shlex.quote(str(store.address))
    past = shlex.quote(f"{store.address}@{revision.number}")
    steps = {"See its positions": f"tradeexecutor show-positions {past}"}
    if revision.number > 1:
        saves = f"{revision.number - 1} {revision.number}"
        steps["See what this save changed"] = f"tradeexecutor store diff {strategy} {saves}"
    print_next_steps(steps)


def diff(
    address: AddressArgument,
    first: Annotated[
        str, typer.Argument(metavar="A", help=f"{_MOMENT[0].upper()}{_MOMENT[1:]}.", show_default="the save before B")
    ] = "",
    second: Annotated[str, typer.Argument(metavar="B", help="The same.", show_default="the newest save")] = "",
    json_: Annotated[bool, typer.Option("--json", help="Print a JSON Patch (RFC 6902) from A to B.")] = False,
) -> None:
    """Tell what is different between two saves.

    Nothing is changed. The exit code is 0 whether there are differences or not.
    """
    from typing import cast

    from tradeexecutor.cli.output import format_time, print_json, print_line
    from tradeexecutor.cli.printers.differences import print_differences
    from tradeexecutor.state.codec.codec import parse
    from tradeexecutor.state.codec.json_patch import make_patch
    from tradeexecutor.state.repair.preview import Preview
    from tradeexecutor.state.state import State

    store, moment, cycle = _open(address)
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


def describe_revision(revision: "Revision") -> dict[str, Any]:
    """Return the record of a save as plain data."""
    return {
        "save": revision.number,
        "saved_at": revision.saved_at,
        "cursor": revision.cursor,
        "cycle": revision.cycle,
        "last_updated_at": revision.last_updated_at,
        "schema_version": revision.schema_version,
        "sha256": revision.sha256,
        "size": revision.size,
        "parts_added": revision.parts_added,
        "parts_removed": revision.parts_removed,
        **dataclasses.asdict(revision.summary),
    }


def require_address(place: StatePlace) -> DatabaseAddress:
    """Return the address of a database; raises `CommandFailed` for a file."""
    if not isinstance(place, DatabaseAddress):
        raise CommandFailed(
            f"{place} is no address of a database",
            "A file keeps only its last saves: `tradeexecutor store generations FILE` lists them;"
            " `tradeexecutor store convert FILE sqlite:///trading.db#my-strategy` begins a history.",
        )

    return place


def _open(place: StatePlace) -> "tuple[SQLStateStore, AsOf | None, int | None]":
    from tradeexecutor.database.store import SQLStateStore
    from tradeexecutor.operations.databases import open_address

    address = open_address(require_address(place))
    return SQLStateStore(address.newest), address.at, address.cycle
