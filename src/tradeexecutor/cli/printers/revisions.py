"""Printing the saves of strategies in a database."""

import dataclasses
import shlex
from collections.abc import Sequence
from typing import Any

from tradeexecutor.cli.output import (
    NOTHING,
    Column,
    format_time,
    format_usd,
    print_facts,
    print_line,
    print_next_steps,
    print_table,
)
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.reading import Strategy
from tradeexecutor.database.revisions import Revision

__all__ = ["print_history", "print_revision", "print_strategies", "revision_to_json"]


def revision_to_json(revision: Revision) -> dict[str, Any]:
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


def print_strategies(found: Sequence[tuple[Strategy, Revision]]) -> None:
    """Print the strategies of a database, each with its newest save."""
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


def print_history(shown: Sequence[tuple[Revision, str]], left_out: int) -> None:
    """Print saves with the changes of each, and how many earlier ones are not shown."""
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
    if left_out:
        print_line(f"{left_out:,} earlier saves are not shown; --limit shows more", "dim")


def print_revision(revision: Revision, address: DatabaseAddress, name: str | None) -> None:
    """Print the summary of a save, and commands that show more of it."""
    summary = revision.summary
    print_line(name or str(address.strategy), "bold")
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
    strategy = shlex.quote(str(address))
    past = shlex.quote(f"{address}@{revision.number}")
    steps = {"See its positions": f"tradeexecutor show-positions {past}"}
    if revision.number > 1:
        saves = f"{revision.number - 1} {revision.number}"
        steps["See what this save changed"] = f"tradeexecutor store diff {strategy} {saves}"
    print_next_steps(steps)
