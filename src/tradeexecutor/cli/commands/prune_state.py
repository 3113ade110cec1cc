"""``tradeexecutor prune-state``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tradeexecutor.cli.output import (
    format_percent,
    get_program,
    print_command,
    print_facts,
    print_heading,
    print_line,
    shorten_path,
)
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption, run_change
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.prune import Pruning, archive_detail, discard_detail, require_archives_path
from tradeexecutor.operations.state_location import StateLocation, get_stored_file
from tradeexecutor.state.store.archive import get_archive_path

EXAMPLES = (
    "tradeexecutor prune-state state.json --dry-run",
    "tradeexecutor prune-state state.json",
    "tradeexecutor unprune-state state.json",
)


def prune_state(
    state_file: StateFile,
    *,
    discard: Annotated[
        bool, typer.Option("--discard", help="Delete the details, and the balance updates of closed positions.")
    ] = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Make a state file smaller: move details of closed positions into an archive.

    Arguments, signed bytes and data of their transactions, and old valuations,
    are moved into a file in STATE_FILE.archives. No figure changes: balance
    updates stay where the quantity or profit of a position depends on them.

    The archive belongs to the state: keep both together. `tradeexecutor audit`
    reads it, so every balance can be proven as before. `tradeexecutor
    unprune-state` restores everything exactly.

    --discard deletes the same details of transactions instead, and all balance
    updates of closed positions. The quantity and profit of these positions may
    then be wrong, and can no longer be proven.
    """
    archives = None if discard else require_archives_path(state_file)

    def write_archive(result: Pruning) -> None:
        if result.taken_out is not None and archives is not None:
            result.taken_out.write(archives, get_stored_file(state_file))

    result = run_change(
        state_file,
        discard_detail if discard else archive_detail,
        command="prune-state",
        print_result=lambda result: _print(result, state_file, archives),
        to_json=lambda result: _to_json(result, archives),
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="prune-backup",
        before_save=write_archive,
    )
    if result.taken_out is not None and not dry_run and not json_:
        _print_next(state_file)


def _to_json(result: Pruning, archives: Path | None) -> dict[str, Any]:
    out = result.taken_out
    return {
        "positions": result.positions,
        "transactions": result.transactions,
        "balance_updates": result.balance_updates,
        "valuation_updates": result.valuation_updates,
        "balance_updates_kept": result.balance_updates_kept,
        "positions_with_other_figures": result.positions_changed,
        "size_before": result.size_before,
        "size_after": result.size_after,
        "archive": out and archives and get_archive_path(archives, out.ref),
        "archive_size": out and out.ref.size,
    }


def _print(result: Pruning, place: StateLocation, archives: Path | None) -> None:
    print_heading("Details of closed positions")
    facts = {
        "Positions": f"{result.positions:,}",
        "Transactions": f"{result.transactions:,}",
        "Balance updates": f"{result.balance_updates:,}",
    }
    if result.balance_updates_kept:
        facts["Balance updates"] += f", {result.balance_updates_kept:,} stay: figures of their positions depend on them"
    if result.valuation_updates:
        facts["Valuation updates"] = f"{result.valuation_updates:,}"
    saved = (result.size_before - result.size_after) / result.size_before
    facts["State"] = f"{result.size_before:,} bytes"
    if saved:
        facts["State"] += f" before, {result.size_after:,} after, {format_percent(saved)} smaller"
    if result.taken_out is not None and archives is not None:
        ref = result.taken_out.ref
        facts["Archive"] = f"{ref.size:,} bytes in {shorten_path(get_archive_path(archives, ref))}"
    print_facts(facts)
    if saved and isinstance(place, Path) and place.stat().st_size < result.size_before:
        print_line("An older program wrote the file without empty fields; from now on they are written, too.")
    if result.positions_changed:
        print_line(
            f"Positions whose quantity, profit or interest will change: {result.positions_changed:,}. "
            "Their balance can no longer be proven. Without --discard this does not happen.",
            "bold yellow",
        )


def _print_next(place: StateLocation) -> None:
    print_line("  Restore the details at any time, without losing later changes:")
    print_command(f"    {get_program(sys.argv[0])} {shlex.join(['unprune-state', str(place)])}")
