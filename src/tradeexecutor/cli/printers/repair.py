"""What ``tradeexecutor repair`` prints."""

from typing import Any

from tradeexecutor.cli.output import (
    Column,
    format_quantity,
    format_usd_change,
    print_facts,
    print_heading,
    print_line,
    print_table,
)
from tradeexecutor.cli.remedies import describe_remedy
from tradeexecutor.operations.repair import LeftAlone, RepairReport

__all__ = ["print_repair", "repair_to_json"]


def repair_to_json(report: RepairReport) -> dict[str, Any]:
    """Return a report as plain data."""
    changes = {"cash": report.cash, "total_equity": report.equity, "net_asset_value": report.net_asset_value}
    return {
        "done": report.done,
        "left_alone": [_describe(item) for item in report.left_alone],
        **{name: {"before": before, "after": after} for name, (before, after) in changes.items()},
    }


_COLUMNS = (
    Column("Repair"),
    Column("Position"),
    Column("Trade", right=True),
    Column("New trade", right=True, priority=1),
    Column("Goes back", right=True, priority=2),
    Column("What", is_text=True),
)


def print_repair(report: RepairReport) -> None:
    """Print the repairs that were, or would be, made."""
    if report.done:
        rows = [
            (
                item.kind,
                f"#{item.position_id} {item.ticker}",
                "" if item.trade_id is None else f"#{item.trade_id}",
                "" if item.new_trade_id is None else f"#{item.new_trade_id}",
                f"{format_quantity(item.refund)} {item.symbol}" if item.refund else "",
                item.text,
            )
            for item in report.done
        ]
        print_table(_COLUMNS, rows)
        print_line()
        changes = {"Cash": report.cash, "Total equity": report.equity, "Net asset value": report.net_asset_value}
        print_facts({name: format_usd_change(before, after) for name, (before, after) in changes.items()})
    elif not report.left_alone:
        print_line("No trade and no position needs repair.")
    if report.left_alone:
        print_heading("Left alone")
        for item in report.left_alone:
            print_line(f"  {_describe(item)}", "yellow")


def _describe(item: LeftAlone) -> str:
    return item.text if item.remedy is None else f"{item.text}: {describe_remedy(item.remedy)}"
