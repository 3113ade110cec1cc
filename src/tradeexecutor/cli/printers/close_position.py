"""What ``tradeexecutor close-position`` prints."""

from typing import Any

from tradeexecutor.cli.output import (
    Column,
    format_quantity,
    format_usd,
    format_usd_change,
    print_facts,
    print_line,
    print_table,
)
from tradeexecutor.operations.close_position import CloseReport

__all__ = ["closing_to_json", "print_closing"]


def closing_to_json(report: CloseReport) -> dict[str, Any]:
    """Return a report as plain data."""
    changes = {"cash": report.cash, "net_asset_value": report.net_asset_value}
    return {
        "positions": report.items,
        "blacklisted": report.blacklisted,
        **{name: {"before": before, "after": after} for name, (before, after) in changes.items()},
    }


_COLUMNS = (
    Column("Position"),
    Column("Quantity", right=True, priority=1),
    Column("Value before, USD", right=True),
    Column("Brings in", right=True),
    Column("Trade", right=True, priority=2),
    Column("What", is_text=True),
)


def print_closing(report: CloseReport) -> None:
    """Print what was, or would be, closed."""
    if not report.items:
        print_line("There is no position to close.")
        return
    rows = [
        (
            f"#{item.position_id} {item.ticker}",
            format_quantity(item.quantity),
            format_usd(item.value_before),
            "" if item.proceeds is None else format_quantity(item.proceeds),
            "" if item.trade_id is None else f"#{item.trade_id}",
            item.how,
        )
        for item in report.items
    ]
    print_table(_COLUMNS, rows, ["" if item.is_closed else "red" for item in report.items])
    print_line()
    changes = {"Cash": report.cash, "Net asset value": report.net_asset_value}
    print_facts({name: format_usd_change(old, new) for name, (old, new) in changes.items()})
    if report.blacklisted:
        print_line(f"Blacklisted: {', '.join(report.blacklisted)}")
