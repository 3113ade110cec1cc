"""``tradeexecutor prune-state``."""

import datetime
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.state_file import DatabaseAddress, StateFile
from tradeexecutor.operations.state_change import DryRunOption, JsonOption, YesOption, mend

if TYPE_CHECKING:
    from tradeexecutor.state.prune import TakenOut
    from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor prune-state state.json --dry-run",
    "tradeexecutor prune-state state.json",
    "tradeexecutor unprune-state state.json",
)


@dataclass(frozen=True, slots=True)
class Pruning:
    """What was pruned.

    Attributes
    ----------
    positions, transactions, balance_updates, valuation_updates
        How many had something taken out of them, or were taken out.
    balance_updates_kept
        How many balance updates of closed positions stay, because figures depend on them.
    positions_changed
        How many positions show other figures than before.
    size_before, size_after
        Of the JSON text of the state, bytes.
    taken_out
        What goes into an archive; None when it is discarded, and when there is nothing.
    """

    positions: int
    transactions: int
    balance_updates: int
    valuation_updates: int
    balance_updates_kept: int
    positions_changed: int
    size_before: int
    size_after: int
    taken_out: "TakenOut | None" = None


def prune_state(
    state_file: StateFile,
    discard: Annotated[
        bool, typer.Option("--discard", help="Throw the detail away; balance updates of closed positions, too.")
    ] = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Make a state file smaller: move detail of closed positions into an archive.

    Arguments, signed bytes and data of their transactions, and old valuations,
    go into a file in STATE_FILE.archives. No figure changes: balance updates stay
    where the quantity or profit of a position depends on them.

    The archive belongs to the state: keep both together. `tradeexecutor audit`
    reads it, so everything that could be proven still can be. `tradeexecutor
    unprune-state` puts everything back exactly as it was.

    --discard throws the same detail of transactions away instead, and all balance
    updates of closed positions. Their quantity and profit may then be shown wrong,
    and cannot be proven any more.
    """
    if not discard and isinstance(state_file, DatabaseAddress) and not state_file.has_archives():
        raise CommandFailed("archives stand beside a file, and a database server has none", "only --discard works here")
    result = mend(
        state_file,
        _discard if discard else _archive,
        command="prune-state",
        print_result=lambda result: _print(result, state_file),
        to_json=lambda result: _to_json(result, state_file),
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="prune-backup",
        before_save=lambda result: result.taken_out and result.taken_out.write(state_file),
    )
    if result.taken_out is not None and not dry_run and not json_:
        _print_next(state_file)


def _archive(state: "State", now: datetime.datetime) -> Pruning:
    from tradeexecutor.state.prune import archive_closed_positions

    before = len(state.to_json_bytes())
    out = archive_closed_positions(state, now)
    after = len(state.to_json_bytes())
    kept = sum(len(position.balance_updates) for position in state.portfolio.closed_positions.values())
    if out is None:
        return Pruning(0, 0, 0, 0, kept, 0, before, after)
    ref = out.ref
    return Pruning(
        ref.positions, ref.transactions, ref.balance_updates, ref.valuation_updates, kept, 0, before, after, out
    )


def _discard(state: "State", now: datetime.datetime) -> Pruning:
    from tradeexecutor.state.prune import needs_balance_updates, prune_closed_positions

    before = len(state.to_json_bytes())
    changed = sum(
        needs_balance_updates(position)
        for position in state.portfolio.closed_positions.values()
        if position.balance_updates
    )
    done = prune_closed_positions(state)
    return Pruning(
        done["positions_processed"],
        done["blockchain_transactions_processed"],
        done["balance_updates_removed"],
        0,
        0,
        changed,
        before,
        len(state.to_json_bytes()),
    )


def _to_json(result: Pruning, state_file: Path) -> dict[str, Any]:
    from tradeexecutor.state.store.archive import get_archive_path

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
        "archive": out and get_archive_path(state_file, out.ref),
        "archive_size": out and out.ref.size,
    }


def _print(result: Pruning, state_file: Path) -> None:
    from tradeexecutor.cli.output import format_percent, print_facts, print_heading, print_line, shorten_path
    from tradeexecutor.state.store.archive import get_archive_path

    print_heading("Detail of closed positions")
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
    if result.taken_out is not None:
        ref = result.taken_out.ref
        facts["Archive"] = f"{ref.size:,} bytes in {shorten_path(get_archive_path(state_file, ref))}"
    print_facts(facts)
    if saved and not isinstance(state_file, DatabaseAddress) and state_file.stat().st_size < result.size_before:
        print_line("An older program wrote the file and left out what is empty; from now on everything is written.")
    if result.positions_changed:
        print_line(
            f"Positions that will show another quantity, profit or interest than before: {result.positions_changed:,}. "
            "Their balance cannot be proven any more. Without --discard nothing of that happens.",
            "bold yellow",
        )


def _print_next(state_file: Path) -> None:
    import shlex

    from tradeexecutor.cli.output import get_program, print_command, print_line

    print_line("  Put the detail back, whenever you want, without losing what happened since:")
    print_command(f"    {get_program(sys.argv[0])} {shlex.join(['unprune-state', str(state_file)])}")
