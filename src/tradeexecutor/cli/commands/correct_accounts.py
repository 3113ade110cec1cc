"""``tradeexecutor correct-accounts``."""

from typing import Annotated

import typer

from tradeexecutor.cli.chain_options import OptionalChainOption, RpcOption
from tradeexecutor.cli.commands.check_accounts import (
    BalancesOption,
    HolderOption,
    ToleranceOption,
    obtain_balances,
    read_tolerance,
)
from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.printers.correct_accounts import account_correction_to_json, print_account_correction
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption, run_change
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.correct_accounts import correct_state_accounts

EXAMPLES = (
    "tradeexecutor correct-accounts state.json --balances balances.csv --dry-run",
    "tradeexecutor correct-accounts state.json --balances balances.csv",
    "tradeexecutor correct-accounts state.json --chain base.json --rpc https://mainnet.base.org --dry-run",
    "tradeexecutor correct-accounts state.json --balances balances.csv --open-missing --yes",
)


def correct_accounts(
    state_file: StateFile,
    *,
    balances: BalancesOption = None,
    chain: OptionalChainOption = None,
    rpc: RpcOption = None,
    address: HolderOption = None,
    tolerance: ToleranceOption = None,
    open_missing: Annotated[
        bool, typer.Option("--open-missing", help="Open positions for tokens that no position holds.")
    ] = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Correct the state so that it matches balances of its wallet, or of a file.

    The balances are given with --chain or --balances, as for check-accounts.

    Each difference is booked as an entry of its own, so the ledger still adds up:
    cash and positions get the actual amounts, and the value of the strategy
    changes by exactly the difference. A position that holds nothing afterwards is
    closed. No profit or loss is booked for a correction.

    Find out first where the difference comes from: tradeexecutor check-accounts
    --find-first-divergence. Its help also explains the format of the file.

    Tokens that no position holds are listed and not changed. With --open-missing
    a position is opened for those that the strategy has traded before, at the
    last known price. Differences of shorts, and of tokens that several positions
    hold, are not corrected, because it is not known which amount is wrong.

    The exit code is 1 when the accounts are not clean afterwards.
    """
    fraction = read_tolerance(tolerance)
    result = run_change(
        state_file,
        lambda state, now: correct_state_accounts(
            state,
            obtain_balances(state, balances, address, chain, rpc),
            now,
            tolerance=fraction,
            open_missing=open_missing,
        ),
        command="correct-accounts",
        print_result=print_account_correction,
        to_json=account_correction_to_json,
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="accounts-backup",
    )
    if not result.after.is_clean:
        raise typer.Exit(EXIT_FAILURE)
