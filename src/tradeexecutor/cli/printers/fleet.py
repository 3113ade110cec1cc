"""What ``tradeexecutor fleet --status`` prints."""

from typing import Any

from tradeexecutor.cli.fleet_status import FleetStatus, StrategyStatus
from tradeexecutor.cli.output import Column, format_time, format_usd, print_line, print_table
from tradeexecutor.operations.fleet import MemberStatus

__all__ = ["print_fleet", "status_to_json"]

_COLUMNS = (
    Column("Strategy", is_text=True),
    Column("Status"),
    Column("Since", priority=2),
    Column("Process", right=True, priority=4),
    Column("Restarts", right=True),
    Column("Cycle", right=True, priority=1),
    Column("Last decision"),
    Column("Value USD", right=True),
    Column("MB", right=True, priority=3),
    Column("Last line", is_text=True, priority=5),
)

_STYLES = {MemberStatus.waiting: "yellow", MemberStatus.failed: "red"}


def status_to_json(status: FleetStatus) -> dict[str, Any]:
    """Return the status of a fleet as plain data."""
    return {"is_running": status.is_running, "strategies": [_to_json(item) for item in status.strategies]}


def _to_json(item: StrategyStatus) -> dict[str, Any]:
    report = item.report
    return {
        "name": item.name,
        "status": None if report is None else report.status.value,
        "pid": report and report.pid,
        "since": report and report.since,
        "restarts": report and report.restarts,
        "exit_code": report and report.exit_code,
        "next_start_at": report and report.next_start_at,
        "memory": report and report.memory,
        "last_line": report and report.last_line,
        "cycle": item.cycle,
        "last_decision_at": item.last_decision_at,
        "net_asset_value": item.net_asset_value,
        "problem": item.problem,
    }


def print_fleet(status: FleetStatus) -> None:
    """Print the strategies of a fleet, one in each line."""
    if not status.is_running:
        print_line("The fleet does not run.", "bold")
    rows = [_make_row(item) for item in status.strategies]
    print_table(_COLUMNS, rows, [_get_style(item) for item in status.strategies])


def _make_row(item: StrategyStatus) -> tuple[str, ...]:
    report = item.report
    return (
        item.name,
        "" if report is None else report.status.value,
        "" if report is None else format_time(report.since),
        "" if report is None or report.pid is None else str(report.pid),
        "" if report is None else str(report.restarts),
        "" if item.cycle is None else str(item.cycle),
        "" if item.last_decision_at is None else format_time(item.last_decision_at),
        "" if item.net_asset_value is None else format_usd(item.net_asset_value),
        "" if report is None or report.memory is None else f"{report.memory / 1_000_000:.0f}",
        item.problem or ("" if report is None else report.last_line),
    )


def _get_style(item: StrategyStatus) -> str:
    return "" if item.report is None else _STYLES.get(item.report.status, "")
