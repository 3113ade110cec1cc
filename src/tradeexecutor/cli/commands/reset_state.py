"""``tradeexecutor reset-state``."""

import dataclasses

from tradeexecutor.cli.output import format_time, format_usd, print_facts, print_heading, print_line
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption, run_change
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations import reset

EXAMPLES = (
    "tradeexecutor reset-state state.json --dry-run",
    "tradeexecutor reset-state state.json",
)


def reset_state(
    state_file: StateFile, *, yes: YesOption = False, dry_run: DryRunOption = False, json_: JsonOption = False
) -> None:
    """Start a strategy again: an empty state with the same name and reserve currency.

    Positions, trades, cash, statistics and the blacklist are removed from the
    file; a backup with everything is made first. The assets of the strategy do
    not change, but the new state does not include them: sell or withdraw first,
    or sync the treasury and correct the accounts afterwards.

    The name, the reserve currencies and the deployment are kept.
    """
    run_change(
        state_file,
        reset.reset_state,
        command="reset-state",
        print_result=_print,
        to_json=dataclasses.asdict,
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="reset-backup",
    )


def _print(loss: reset.Loss) -> None:
    print_heading("What is removed from the state")
    facts = {
        "Positions": (
            f"{loss.open_positions:,} open, {loss.frozen_positions:,} frozen, "
            f"{loss.pending_positions:,} pending, {loss.closed_positions:,} closed"
        ),
        "Trades": f"{loss.trades:,}",
        "Cash": f"{format_usd(loss.cash_usd)} USD",
        "Net asset value": f"{format_usd(loss.net_asset_value_usd)} USD",
        "History": f"{loss.samples:,} samples of the portfolio",
        "Blacklisted": f"{loss.blacklisted_assets:,}",
    }
    if loss.first is not None:
        facts["History"] += f", {format_time(loss.first)} to {format_time(loss.last)}"
    print_facts(facts)
    held = loss.open_positions + loss.frozen_positions + loss.pending_positions
    if held:
        which = "One position is" if held == 1 else f"{held:,} positions are"
        print_line(f"{which} not closed: their assets will no longer be managed.", "bold yellow")
