"""``tradeexecutor show-trades``."""

import enum
from typing import Annotated

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.output import print_heading, print_json, print_line, print_table
from tradeexecutor.cli.printers.trade_rows import (
    TRADE_COLUMNS,
    TRADE_FLAGS,
    format_legend,
    format_trade_row,
    make_trade_row,
)
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.state_location import describe_state, load_state

EXAMPLES = (
    "tradeexecutor show-trades state.json --limit 20",
    "tradeexecutor show-trades state.json --position 3",
    "tradeexecutor show-trades state.json --status failed --status repaired",
    "tradeexecutor show-trades state.json --json | jq 'map(.fees) | add'",
)


class Status(enum.StrEnum):
    """Status of a trade: the values of `TradeStatus`, repeated here so that ``--help`` does not import the state."""

    planned = "planned"
    started = "started"
    broadcasted = "broadcasted"
    success = "success"
    failed = "failed"
    repaired = "repaired"
    expired = "expired"
    cctp_in_transit = "cctp_in_transit"
    vault_settlement_pending = "vault_settlement_pending"


def show_trades(
    state_file: StateFile,
    *,
    position: Annotated[
        int | None, typer.Option("--position", "--position-id", metavar="ID", help="Only trades of this position.")
    ] = None,
    status: Annotated[list[Status] | None, typer.Option(help="Only trades with this status; may be repeated.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the N latest trades.", show_default="all")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List trades, oldest decision first."""
    state = load_state(state_file)

    positions = {item.position_id: item for table in state.portfolio.get_position_tables() for item in table.values()}
    if position is not None and position not in positions:
        known = f"the positions are {min(positions)} to {max(positions)}" if positions else "there are no positions"
        raise CommandFailed(f"there is no position #{position}; {known}")
    chosen = [positions[position]] if position is not None else positions.values()
    trades = {
        trade.trade_id: trade
        for item in chosen
        for table in (item.trades, item.pending_trades, item.expired_trades)
        for trade in table.values()
    }
    wanted = {item.value for item in status or ()}
    rows = [
        make_trade_row(trade)
        for trade in sorted(trades.values(), key=lambda trade: (trade.opened_at, trade.trade_id))
        if not wanted or trade.get_status().value in wanted
    ]
    shown = rows[-limit:] if limit else rows
    if json_:
        print_json(shown)
        return
    print_line(describe_state(state, state_file), "bold")
    which = f"{len(shown)} of {len(rows)}" if len(shown) < len(rows) else str(len(rows))
    print_heading(f"Trades: {which}" + (f" with status {', '.join(sorted(wanted))}" if wanted else ""))
    if not rows:
        print_line("None.")
        return
    styles = ["red" if "F" in row.flags else "" for row in shown]
    print_table(TRADE_COLUMNS, [format_trade_row(row) for row in shown], styles)
    print_line()
    print_line(f"Flags: {format_legend(TRADE_FLAGS)}. Slippage is positive when a fill was worse than planned.", "dim")
