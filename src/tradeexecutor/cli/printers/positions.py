"""Positions with their trades and transactions, as ``show-positions`` prints them."""

import datetime
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from tradeexecutor.cli.output import (
    Column,
    format_line,
    format_percent,
    format_price,
    format_quantity,
    format_time,
    format_usd,
    print_heading,
    print_line,
    print_table,
)
from tradeexecutor.cli.printers.trade_rows import (
    TRADE_FLAGS,
    TRANSACTION_COLUMNS,
    TRANSACTION_FLAGS,
    TradeRow,
    TransactionRow,
    format_legend,
    format_transaction_row,
    make_trade_row,
    make_transaction_rows,
)
from tradeexecutor.operations.state_location import StateLocation, describe_state
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State

T = TypeVar("T")


class PositionType(enum.StrEnum):
    """Which positions to show."""

    open = "open"
    open_and_frozen = "open_and_frozen"
    all = "all"


def select_positions(state: State, position_type: PositionType) -> list[TradingPosition]:
    """Return the positions of a type, sorted by id within each table of the portfolio."""
    portfolio = state.portfolio
    tables = [portfolio.open_positions]
    if position_type is not PositionType.open:
        tables.append(portfolio.frozen_positions)
    if position_type is PositionType.all:
        tables += [portfolio.pending_positions, portfolio.closed_positions, portfolio.expired_positions]
    return [table[position_id] for table in tables for position_id in sorted(table)]


#: Flag -> meaning, in the order in which they are shown.
POSITION_FLAGS = {
    "F": "frozen",
    "R": "contains repairs",
    "UE": "has unexecuted trades",
    "SL": "closed by stop loss",
    "TP": "closed by take profit",
}

_POSITION_COLUMNS = (
    Column("Id"),
    Column("Flags"),
    Column("Ticker"),
    Column("Status", priority=5),
    Column("Value USD", right=True),
    Column("Profit USD", right=True, priority=3),
    Column("Profit", right=True, priority=2),
    Column("Realised USD", right=True, priority=9),
    Column("Quantity", right=True, priority=1),
    Column("Price", right=True, priority=6),
    Column("Opened", priority=4),
    Column("Closed/Executed", priority=7),
    Column("Notes", priority=8, is_text=True),
)


@dataclass(frozen=True, slots=True)
class PositionRow:
    """A position for display; `quantity` in tokens, `price` and amounts in USD, `profit_pct` a fraction.

    A figure that the position does not have is None; `trades` is None when they were not requested.
    """

    position_id: int
    ticker: str
    kind: str
    status: str
    flags: tuple[str, ...]
    value_usd: float | None
    profit_usd: float | None
    profit_pct: float | None
    realised_usd: float | None
    unrealised_usd: float | None
    quantity: Decimal | None
    price: float
    opened_at: datetime.datetime
    entered_at: datetime.datetime
    closed_at: datetime.datetime | None
    notes: str | None
    trades: list[TradeRow] | None


@dataclass(frozen=True, slots=True)
class PositionReport:
    """Data of ``show-positions``; `transactions` is None when they were not requested."""

    name: str | None
    last_updated_at: datetime.datetime | None
    cash_usd: float
    net_asset_value_usd: float
    positions: list[PositionRow]
    transactions: list[TransactionRow] | None


def collect_positions(
    state: State,
    positions: Sequence[TradingPosition],
    *,
    with_trades: bool,
    with_transactions: bool,
    failed_transactions_only: bool,
) -> PositionReport:
    """Return the data of ``show-positions``."""
    trades = [trade for position in positions for trade in position.trades.values()]
    return PositionReport(
        name=state.name,
        last_updated_at=state.last_updated_at,
        cash_usd=state.portfolio.get_cash(),
        net_asset_value_usd=state.portfolio.get_net_asset_value(),
        positions=[_make_position_row(state, position, with_trades=with_trades) for position in positions],
        transactions=make_transaction_rows(trades, failed_only=failed_transactions_only) if with_transactions else None,
    )


def _make_position_row(state: State, position: TradingPosition, *, with_trades: bool) -> PositionRow:
    profit_usd, profit_pct = get_figure(position.get_net_result) or (None, None)
    realised, unrealised = get_figure(position.get_average_cost_profit_usd) or (None, None)
    return PositionRow(
        position_id=position.position_id,
        ticker=position.pair.get_ticker(),
        kind=position.pair.kind.value,
        status=get_status(state, position),
        flags=_get_flags(position),
        value_usd=get_figure(position.get_value),
        profit_usd=profit_usd,
        profit_pct=profit_pct,
        realised_usd=realised,
        unrealised_usd=unrealised,
        quantity=get_figure(position.get_quantity),
        price=position.last_token_price,
        opened_at=position.opened_at,
        entered_at=position.get_entered_at(),
        closed_at=position.closed_at,
        notes=position.notes,
        trades=[make_trade_row(trade) for trade in position.trades.values()] if with_trades else None,
    )


def get_figure(accessor: Callable[[], T]) -> T | None:
    """Return the value of an accessor; None when this kind of position does not have the figure."""
    try:
        return accessor()
    except TradeExecutorError:
        return None


def get_status(state: State, position: TradingPosition) -> str:
    """Return the name of the portfolio table that has the position."""
    portfolio = state.portfolio
    for name, table in (
        ("open", portfolio.open_positions),
        ("frozen", portfolio.frozen_positions),
        ("pending", portfolio.pending_positions),
        ("expired", portfolio.expired_positions),
    ):
        if position.position_id in table:
            return name
    return "closed"


def _get_flags(position: TradingPosition) -> tuple[str, ...]:
    present = {
        "F": position.is_frozen(),
        "R": position.is_repaired(),
        "UE": any(trade.is_planned() or trade.is_pending() for trade in position.trades.values()),
        "SL": position.closed_by_stop_loss(),
        "TP": position.closed_by_take_profit(),
    }
    return tuple(flag for flag in POSITION_FLAGS if present[flag])


# --- Text


def print_positions(report: PositionReport, state: State, path: StateLocation, which: str) -> None:
    """Print the report as text."""
    portfolio = state.portfolio
    print_line(describe_state(state, path), "bold")
    updated = report.last_updated_at
    print_line(
        f"Last updated {f'{format_time(updated)} UTC' if updated else 'at an unknown time'}. "
        f"Cash {format_usd(report.cash_usd)} USD, net asset value {format_usd(report.net_asset_value_usd)} USD."
    )
    counts = [
        f"{len(table)} {name}"
        for name, table in (
            ("open", portfolio.open_positions),
            ("frozen", portfolio.frozen_positions),
            ("pending", portfolio.pending_positions),
            ("closed", portfolio.closed_positions),
            ("expired", portfolio.expired_positions),
        )
        if table or name in ("open", "frozen", "closed")
    ]
    print_line(f"Positions: {', '.join(counts)}.")
    print_heading(f"Positions: {which.replace('_', ' ')}")
    if report.positions:
        _print_positions(report)
        print_line()
        print_line(f"Position flags: {format_legend(POSITION_FLAGS)}", "dim")
        if any(position.trades for position in report.positions):
            print_line(f"Trade flags: {format_legend(TRADE_FLAGS)}", "dim")
    else:
        print_line("None.")
        if which != "all" and portfolio.closed_positions:
            print_line("Closed positions are shown with --position-type all.")
    if report.transactions is not None:
        print_heading("Transactions")
        if report.transactions:
            print_table(TRANSACTION_COLUMNS, [format_transaction_row(row) for row in report.transactions])
            print_line()
            print_line(f"Transaction flags: {format_legend(TRANSACTION_FLAGS)}", "dim")
        else:
            print_line("None.")


def _print_positions(report: PositionReport) -> None:
    rows: list[tuple[str, ...]] = []
    styles: list[str] = []
    for position in report.positions:
        rows.append(
            (
                f"#{position.position_id}",
                " ".join(position.flags),
                position.ticker,
                position.status,
                format_usd(position.value_usd),
                format_usd(position.profit_usd),
                format_percent(position.profit_pct),
                format_usd(position.realised_usd),
                format_quantity(position.quantity),
                format_price(position.price),
                format_time(position.opened_at),
                format_time(position.closed_at) if position.closed_at else "",
                format_line(position.notes),
            )
        )
        styles.append("bold" if position.trades else "")
        for trade in position.trades or ():
            rows.append(
                (
                    f"  {trade.trade_id}",
                    " ".join(trade.flags),
                    f"  {trade.action}",
                    trade.status,
                    format_usd(trade.value),
                    "",
                    "",
                    "",
                    format_quantity(trade.quantity),
                    format_price(trade.executed_price or trade.planned_price),
                    format_time(trade.opened_at),
                    format_time(trade.executed_at) if trade.executed_at else "",
                    format_line(trade.failure or trade.notes),
                )
            )
            styles.append("red" if "F" in trade.flags else "")
    print_table(_POSITION_COLUMNS, rows, styles)
