"""What ``tradeexecutor retry`` prints."""

from typing import Any

from tradeexecutor.cli.output import (
    Column,
    format_price,
    format_quantity,
    format_usd,
    print_heading,
    print_line,
    print_table,
)
from tradeexecutor.operations.retry import RetryReport
from tradeexecutor.state.trade import TradeStatus

__all__ = ["print_retry", "retry_to_json"]


def retry_to_json(report: RetryReport) -> dict[str, Any]:
    """Return a report as plain data."""
    return {
        "at": report.at,
        "tried": [
            {
                "trade_id": trade.trade_id,
                "position_id": trade.position_id,
                "status": trade.get_status().value,
                "market_price": report.prices[trade.trade_id],
                "executed_price": trade.executed_price,
                "executed_quantity": trade.executed_quantity,
                "executed_reserve": trade.executed_reserve,
                "failure": trade.get_revert_reason() if trade.is_failed() else None,
            }
            for trade in report.result.new_trades
        ],
        "unfrozen_positions": [position.position_id for position in report.result.unfrozen_positions],
        "left_alone": report.result.left_alone,
    }


_COLUMNS = (
    Column("Trade", right=True),
    Column("Position"),
    Column("Result"),
    Column("Quantity", right=True),
    Column("Planned price", right=True, priority=1),
    Column("Price", right=True),
    Column("Value USD", right=True, priority=2),
    Column("Why", is_text=True, priority=3),
)


def print_retry(report: RetryReport) -> None:
    """Print the trades that were tried again, and the result of each."""
    result = report.result
    if not result.trades_needing_repair:
        print_line("No trade has failed.")
        return
    print_line(f"Failed trades tried again at {report.at:%Y-%m-%d %H:%M} UTC", "bold")
    rows = [
        (
            f"#{trade.trade_id}",
            f"#{trade.position_id} {trade.pair.get_ticker()}",
            "failed again" if trade.is_failed() else trade.get_status().value,
            format_quantity(trade.planned_quantity if trade.is_failed() else trade.executed_quantity),
            format_price(trade.planned_price),
            "" if trade.is_failed() else format_price(trade.executed_price),
            "" if trade.is_failed() else format_usd(trade.get_value()),
            (trade.get_revert_reason() or "") if trade.get_status() is TradeStatus.failed else "",
        )
        for trade in result.new_trades
    ]
    print_table(_COLUMNS, rows, ["red" if trade.is_failed() else "" for trade in result.new_trades])
    for position in result.unfrozen_positions:
        print_line(f"{position} is unfrozen." if position.is_open() else f"{position} is closed.")
    if result.left_alone:
        print_heading("Not tried")
        for number, reason in result.left_alone.items():
            print_line(f"  trade #{number}: {reason}", "yellow")
