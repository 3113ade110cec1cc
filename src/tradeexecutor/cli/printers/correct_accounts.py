"""What ``tradeexecutor correct-accounts`` prints."""

from typing import Any

from tradeexecutor.cli.output import (
    Column,
    format_quantity,
    format_quantity_change,
    format_usd,
    print_facts,
    print_heading,
    print_line,
    print_table,
)
from tradeexecutor.cli.printers.accounts import (
    account_comparison_to_json,
    check_to_json,
    describe_holder,
)
from tradeexecutor.cli.remedies import describe_remedy
from tradeexecutor.operations.correct_accounts import AccountCorrection, UncorrectedDifference

__all__ = ["account_correction_to_json", "print_account_correction"]


def print_account_correction(result: AccountCorrection) -> None:
    """Print the corrections, and whether the accounts are clean afterwards."""
    columns = (
        Column("Asset"),
        Column("Held by", is_text=True),
        Column("Expected", right=True),
        Column("Actual", right=True),
        Column("Correction", right=True),
        Column("USD", right=True),
        Column("Action", is_text=True),
    )
    rows = [(check, f"balance update #{event.balance_update_id}") for check, event in result.booked]
    rows += [(check, f"position #{trade.position_id} is opened") for check, trade in result.opened]
    rows += [(item.check, f"left alone: {_describe_reason(item)}") for item in result.left_alone]
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
                    format_quantity_change(check.quantity),
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


def account_correction_to_json(result: AccountCorrection) -> dict[str, Any]:
    """Return a correction as plain data."""
    return {
        "booked": [
            {**check_to_json(check), "balance_update_id": event.balance_update_id} for check, event in result.booked
        ],
        "opened": [
            {**check_to_json(check), "position_id": trade.position_id, "trade_id": trade.trade_id}
            for check, trade in result.opened
        ],
        "left_alone": [{**check_to_json(item.check), "reason": _describe_reason(item)} for item in result.left_alone],
        "equity_before": result.equity_before,
        "equity_after": result.equity_after,
        "after": account_comparison_to_json(result.after),
    }


def _describe_reason(item: UncorrectedDifference) -> str:
    return item.reason if item.remedy is None else f"{item.reason}; {describe_remedy(item.remedy)}"
