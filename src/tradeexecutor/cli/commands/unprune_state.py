"""``tradeexecutor unprune-state``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tradeexecutor.cli.output import Column, format_time, print_heading, print_line, print_table
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption, run_change
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.prune import Restoration, restore_detail
from tradeexecutor.operations.state_location import get_archives_path
from tradeexecutor.state.archive_ref import ArchiveRef
from tradeexecutor.state.store.archive import find_archive

EXAMPLES = (
    "tradeexecutor unprune-state state.json --dry-run",
    "tradeexecutor unprune-state state.json",
)


def unprune_state(
    state_file: StateFile,
    *,
    give_up: Annotated[
        bool,
        typer.Option("--give-up", help="Skip and forget archives that are missing or damaged; restore the others."),
    ] = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Put back what prune-state moved into archives.

    Everything is restored exactly, and later changes are kept. All archives that
    the state refers to must be present and intact: when one is missing, damaged or
    does not match, nothing is changed.

    The archives are not removed: backups of the state may still refer to them.
    """
    archives = get_archives_path(state_file)
    run_change(
        state_file,
        lambda state, now: restore_detail(state, state_file, give_up=give_up),
        command="unprune-state",
        print_result=_print,
        to_json=lambda result: {
            "restored": [_describe(ref, archives) for ref in result.restored],
            "given_up": [_describe(ref, archives) for ref in result.given_up],
        },
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="unprune-backup",
    )


def _describe(ref: ArchiveRef, archives: Path | None) -> dict[str, Any]:
    return {
        "archive": archives and find_archive(archives, ref),
        "created_at": ref.created_at,
        "positions": ref.positions,
        "transactions": ref.transactions,
        "balance_updates": ref.balance_updates,
        "valuation_updates": ref.valuation_updates,
    }


def _print(result: Restoration) -> None:
    print_heading("Archives")
    if not result.restored and not result.given_up:
        print_line("None: nothing was pruned from this state, or pruned details were discarded.")
        return
    columns = (
        Column("Pruned at (UTC)"),
        Column("Positions", right=True),
        Column("Transactions", right=True),
        Column("Balance updates", right=True),
        Column("Valuation updates", right=True),
        Column("Archive", is_text=True, priority=1),
        Column("Action"),
    )
    outcomes = [(ref, "put back") for ref in result.restored] + [(ref, "given up: lost") for ref in result.given_up]
    rows = [
        (
            format_time(ref.created_at, seconds=True),
            f"{ref.positions:,}",
            f"{ref.transactions:,}",
            f"{ref.balance_updates:,}",
            f"{ref.valuation_updates:,}",
            ref.sha256[:16],
            outcome,
        )
        for ref, outcome in outcomes
    ]
    print_table(columns, rows, ["red" if "lost" in outcome else "" for _, outcome in outcomes])
