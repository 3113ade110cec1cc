"""``tradeexecutor correct-accounts``."""

import datetime
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradeexecutor.cli.commands.check_accounts import HolderOption, ToleranceOption, read_balances, read_tolerance
from tradeexecutor.cli.failure import EXIT_FAILURE, CommandFailed
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.state_change import DryRunOption, JsonOption, YesOption, mend

if TYPE_CHECKING:
    from tradeexecutor.state.balance_update import BalanceUpdate
    from tradeexecutor.state.state import State
    from tradeexecutor.state.trade import TradeExecution
    from tradeexecutor.strategy.accounts.account_check import AccountComparison, AccountingBalanceCheck

EXAMPLES = (
    "tradeexecutor correct-accounts state.json --balances balances.csv --dry-run",
    "tradeexecutor correct-accounts state.json --balances balances.csv",
    "tradeexecutor correct-accounts state.json --balances balances.csv --open-missing --yes",
)


@dataclass(slots=True)
class Correction:
    """What was corrected.

    Attributes
    ----------
    booked
        Differences with their entries.
    opened
        Tokens that got a position, with its first trade.
    left_alone
        Differences that stay, and why.
    after
        The accounts as they are now.
    equity_before, equity_after
        USD; None for a state that cannot be valued.
    """

    booked: "list[tuple[AccountingBalanceCheck, BalanceUpdate]]" = field(default_factory=list)
    opened: "list[tuple[AccountingBalanceCheck, TradeExecution]]" = field(default_factory=list)
    left_alone: "list[tuple[AccountingBalanceCheck, str]]" = field(default_factory=list)
    after: "AccountComparison | None" = None
    equity_before: float | None = None
    equity_after: float | None = None


def correct_accounts(
    state_file: StateFile,
    balances: Annotated[
        Path,
        typer.Option(
            "--balances", metavar="FILE", help="Balances that were read: a .csv or .json file.", show_default=False
        ),
    ],
    address: HolderOption = None,
    tolerance: ToleranceOption = None,
    open_missing: Annotated[
        bool, typer.Option("--open-missing", help="Open positions for tokens that no position holds.")
    ] = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Make the books match balances that were read outside.

    Each difference is booked as an entry of its own, so the ledger still adds up:
    cash and positions get what is really there, and the value of the strategy
    moves by exactly the difference. A position of which nothing is left is closed.
    No profit or loss is booked for it.

    Find out first where the difference comes from: tradeexecutor check-accounts
    --find-first-divergence. The format of the file is explained there, too.

    Tokens that no position holds are listed and left alone. With --open-missing
    they become a position if the strategy has traded them before, at the last
    price that is known. Differences of shorts, and of tokens that several
    positions hold, are left alone: nobody can tell which amount is wrong.

    The exit code is 1 when the accounts are not clean afterwards.
    """
    fraction = read_tolerance(tolerance)
    result = mend(
        state_file,
        lambda state, now: _correct(state, now, state_file, balances, address, fraction, open_missing),
        command="correct-accounts",
        print_result=_print,
        to_json=_to_json,
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="accounts-backup",
    )
    if result.after is None or not result.after.is_clean:
        raise typer.Exit(EXIT_FAILURE)


def _correct(
    state: "State",
    now: datetime.datetime,
    state_file: Path,
    path: Path,
    address: str | None,
    tolerance: float | None,
    open_missing: bool,
) -> Correction:
    from tradeexecutor.state.errors import (
        InvalidTrade,
        UncleanState,
        UnexecutedTrades,
        UnexpectedAccountingCorrectionIssue,
        WrongPositionStatus,
    )
    from tradeexecutor.strategy.accounts.account_check import compare_accounts
    from tradeexecutor.strategy.accounts.account_correction import (
        apply_accounting_correction,
        apply_missing_position,
        find_correction_obstacle,
        find_missing_position,
        is_token_without_position,
        preflight_state_for_account_correction,
    )

    recorded = read_balances(state, path, address)
    try:
        preflight_state_for_account_correction(state)
    except (UncleanState, UnexecutedTrades, WrongPositionStatus) as error:
        raise CommandFailed(str(error), f"To see how: tradeexecutor repair {state_file} --dry-run") from error
    result = Correction(equity_before=_get_equity(state))

    def compare() -> "AccountComparison":
        assets = recorded.get_assets()
        return compare_accounts(state, recorded, assets=assets, relative_epsilon=tolerance, as_of=True)

    for check in compare().checks:
        if not check.mismatch:
            continue
        if is_token_without_position(check):
            if not check.is_unclean():
                continue
            if not open_missing:
                result.left_alone.append((check, "no position holds it; --open-missing opens one"))
                continue
            try:
                missing = find_missing_position(state, check)
                _, trade = apply_missing_position(state, missing, check.timestamp)
            except UnexpectedAccountingCorrectionIssue as error:
                result.left_alone.append((check, error.reason))
            except InvalidTrade as error:
                result.left_alone.append((check, str(error)))
            else:
                result.opened.append((check, trade))
            continue
        obstacle = find_correction_obstacle(check)
        if obstacle is not None:
            result.left_alone.append((check, obstacle))
        else:
            result.booked.append((check, apply_accounting_correction(state, check, now)))
    result.after = compare()
    result.equity_after = _get_equity(state)
    return result


def _get_equity(state: "State") -> float | None:
    from tradeexecutor.state.errors import TradeExecutorError

    try:
        return state.portfolio.calculate_total_equity()
    except TradeExecutorError:
        return None


def _print(result: Correction) -> None:
    from tradeexecutor.cli.output import (
        Column,
        format_quantity,
        format_usd,
        print_facts,
        print_heading,
        print_line,
        print_table,
    )
    from tradeexecutor.cli.printers.accounts import describe_holder, format_difference

    columns = (
        Column("Asset"),
        Column("Held by", is_text=True),
        Column("Expected", right=True),
        Column("Actual", right=True),
        Column("Correction", right=True),
        Column("USD", right=True),
        Column("What is done", is_text=True),
    )
    assert result.after is not None
    rows = [(check, f"balance update #{event.balance_update_id}") for check, event in result.booked]
    rows += [(check, f"position #{trade.position_id} is opened") for check, trade in result.opened]
    rows += [(check, f"left alone: {reason}") for check, reason in result.left_alone]
    print_heading("Corrections")
    if rows:
        print_table(
            columns,
            [
                [
                    check.asset.token_symbol,
                    describe_holder(check.positions),
                    format_quantity(check.expected_amount),
                    format_quantity(check.actual_amount),
                    format_difference(check.quantity),
                    format_usd(check.usd_value),
                    text,
                ]
                for check, text in rows
            ],
            ["yellow" if text.startswith("left") else "" for _, text in rows],
        )
    else:
        print_line("All balances that were read match.")
    if result.equity_before is not None and result.equity_after is not None:
        print_facts(
            {
                "Equity before": f"{format_usd(result.equity_before)} USD",
                "Equity after": f"{format_usd(result.equity_after)} USD",
            }
        )
    unread = [mapping.asset.token_symbol for mapping in result.after.unread]
    if unread:
        print_line(f"Not read, so not corrected: {', '.join(unread)}", "yellow")
    if result.after.is_clean:
        print_line("Afterwards the accounts are clean.", "bold green")
    else:
        print_line("Afterwards the accounts are still not clean.", "bold red")


def _to_json(result: Correction) -> dict[str, Any]:
    from tradeexecutor.cli.printers.accounts import check_to_json, comparison_to_json

    return {
        "booked": [
            {**check_to_json(check), "balance_update_id": event.balance_update_id} for check, event in result.booked
        ],
        "opened": [
            {**check_to_json(check), "position_id": trade.position_id, "trade_id": trade.trade_id}
            for check, trade in result.opened
        ],
        "left_alone": [{**check_to_json(check), "reason": reason} for check, reason in result.left_alone],
        "equity_before": result.equity_before,
        "equity_after": result.equity_after,
        "after": result.after and comparison_to_json(result.after),
    }
