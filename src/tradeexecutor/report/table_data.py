"""The tables of the report: columns of plain values, which the page sorts, searches and formats.

Data is stored by column, so that 100,000 rows stay small. Values are numbers, texts or None; times are milliseconds
since 1970, UTC. Token amounts become floats, because they are only displayed.
"""

import datetime
import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeVar

from tradeexecutor.analysis.adjusted.positions import (
    get_entry_note,
    get_exit_reason,
    get_net_result,
    measure_excursion,
)
from tradeexecutor.state.balance_update import ACCRUALS, BalanceUpdateCause
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.files.spreadsheet_cell import to_cell
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.amounts import sum_fees
from tradeexecutor.state.types import EPOCH

__all__ = [
    "ColumnData",
    "TableData",
    "make_closed_positions",
    "make_flows",
    "make_open_positions",
    "make_position_trades",
    "make_trades",
]

#: Format of a column: ``id`` and ``count`` are whole numbers; ``profit`` (USD) and ``gain`` (a fraction) have the
#: colour of their sign.
Kind = Literal["id", "text", "time", "span", "quantity", "price", "usd", "profit", "fraction", "gain", "count"]

#: A minor column with only these values is left out.
_USUAL_VALUES = frozenset({"", "spot market hold", "decision", None})

_MILLISECOND = datetime.timedelta(milliseconds=1)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class ColumnData:
    """A column; `is_minor` ones are hidden on narrow screens."""

    name: str
    kind: Kind
    values: list[Any]
    is_minor: bool = False


@dataclass(frozen=True, slots=True)
class TableData:
    """A table.

    Attributes
    ----------
    name
        Key in the page.
    columns
        Columns of the same length.
    sort
        Index of the column by which the rows are sorted initially, the highest value first; None for the given order.
    """

    name: str
    columns: tuple[ColumnData, ...]
    sort: int | None = None

    def __len__(self) -> int:
        return len(self.columns[0].values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for the page."""
        return {
            "name": self.name,
            "sort": self.sort,
            "columns": [
                {"name": column.name, "kind": column.kind, "minor": column.is_minor, "values": _show(column)}
                for column in self.columns
            ],
        }


def _show(column: ColumnData) -> list[Any]:
    """Return the values, with texts in a form that a spreadsheet does not run as a formula if they are pasted there."""
    if column.kind != "text":
        return column.values
    return [to_cell(value.strip()) if isinstance(value, str) else value for value in column.values]


def to_milliseconds(when: datetime.datetime | None) -> int | None:
    """Return milliseconds since 1970 of a naive UTC time."""
    return None if when is None else (when - EPOCH) // _MILLISECOND


def _get(accessor: Callable[[], T]) -> T | None:
    try:
        return accessor()
    except TradeExecutorError:
        return None


def _to_times(values: Sequence[datetime.datetime | None]) -> list[int | None]:
    """Return `to_milliseconds` of each time."""
    return [None if when is None else (when - EPOCH) // _MILLISECOND for when in values]


def _to_numbers(values: Sequence[Decimal | float | None]) -> list[float | None]:
    """Return each number as a float, None instead of one that is not finite."""
    numbers = [None if value is None else float(value) for value in values]
    return [None if number is None or not math.isfinite(number) else number for number in numbers]


#: What makes the values of a column of those in the rows; columns of other kinds have them as they are.
_CONVERSIONS: Mapping[Kind, Callable[[Sequence[Any]], list[Any]]] = {
    "time": _to_times,
    **dict.fromkeys(("quantity", "price", "usd", "profit", "fraction", "gain"), _to_numbers),
}


def _make_table(
    name: str, specs: Sequence[tuple[str, Kind, bool]], rows: Iterable[Sequence[Any]], sort: int | None = None
) -> TableData:
    columns = [*zip(*rows, strict=True)] or [() for _ in specs]
    made = tuple(
        ColumnData(column, kind, _CONVERSIONS.get(kind, list)(values), is_minor)
        for (column, kind, is_minor), values in zip(specs, columns, strict=True)
    )
    first = None if sort is None else made[sort]
    kept = tuple(column for column in made if not (column.is_minor and _USUAL_VALUES.issuperset(column.values)))
    return TableData(name, kept, None if first is None else kept.index(first))


# --- Positions

_OPEN: tuple[tuple[str, Kind, bool], ...] = (
    ("#", "id", False),
    ("Pair", "text", False),
    ("Kind", "text", True),
    ("Status", "text", False),
    ("Opened", "time", True),
    ("Quantity", "quantity", False),
    ("Price", "price", True),
    ("Value, USD", "usd", False),
    ("Profit, USD", "profit", False),
    ("Profit", "gain", False),
    ("Trades", "count", True),
)


def make_open_positions(state: State) -> TableData:
    """Return the open, frozen and pending positions, the most valuable first."""
    portfolio = state.portfolio
    tables = {
        "open": portfolio.open_positions,
        "frozen": portfolio.frozen_positions,
        "pending": portfolio.pending_positions,
    }
    rows = (_make_open(position, status) for status, table in tables.items() for position in table.values())
    return _make_table("open", _OPEN, rows, sort=7)


def _make_open(position: TradingPosition, status: str) -> tuple[Any, ...]:
    profit_usd, profit_pct = _get(lambda: get_net_result(position)) or (None, None)
    return (
        position.position_id,
        position.pair.get_ticker(),
        _name_kind(position),
        status,
        position.get_entered_at(),
        _get(position.get_quantity),
        position.last_token_price,
        _get(position.get_value),
        profit_usd,
        profit_pct,
        len(position.trades),
    )


def _name_kind(position: TradingPosition) -> str:
    return position.pair.kind.value.replace("_", " ")


_CLOSED: tuple[tuple[str, Kind, bool], ...] = (
    ("#", "id", False),
    ("Pair", "text", False),
    ("Kind", "text", True),
    ("Opened", "time", True),
    ("Closed", "time", False),
    ("Held", "span", True),
    ("Profit, USD", "profit", False),
    ("Profit", "gain", False),
    ("Entry note", "text", True),
    ("Exit", "text", True),
    ("Lowest", "gain", True),
    ("Highest", "gain", True),
    ("Bought, USD", "usd", True),
    ("Fees, USD", "usd", True),
    ("Trades", "count", True),
)


def make_closed_positions(state: State) -> TableData:
    """Return the closed positions, the latest first."""
    rows = (_make_closed(state, position) for position in state.portfolio.closed_positions.values())
    return _make_table("closed", _CLOSED, rows, sort=4)


def _make_closed(state: State, position: TradingPosition) -> tuple[Any, ...]:
    profit_usd, profit_pct = _get(lambda: get_net_result(position)) or (None, None)
    closed_at = position.closed_at
    held = None if closed_at is None else (closed_at - position.get_entered_at()) // _MILLISECOND
    excursion = _get(lambda: measure_excursion(state, position))
    entry = position.get_total_bought_usd if position.is_long() else position.get_total_sold_usd
    return (
        position.position_id,
        position.pair.get_ticker(),
        _name_kind(position),
        position.get_entered_at(),
        closed_at,
        held,
        profit_usd,
        profit_pct,
        get_entry_note(position),
        _describe_exit(position),
        None if excursion is None else excursion.adverse,
        None if excursion is None else excursion.favourable,
        _get(entry),
        _get(position.get_total_lp_fees_paid),
        len(position.trades),
    )


def _describe_exit(position: TradingPosition) -> str:
    """Return why the position was closed, and what was noted about its last trade."""
    reason = get_exit_reason(position)
    trades = list(position.trades.values())
    note = _to_line(trades[-1].notes) if len(trades) > 1 else ""
    return ": ".join(text for text in (reason.value if reason else "", note) if text)


def _to_line(note: str | None) -> str:
    return " ".join((note or "").split())


# --- Trades

_TRADES: tuple[tuple[str, Kind, bool], ...] = (
    ("#", "id", False),
    ("Position", "id", True),
    ("Pair", "text", False),
    ("Side", "text", False),
    ("Type", "text", True),
    ("Status", "text", False),
    ("Decided", "time", False),
    ("Price", "price", False),
    ("Value, USD", "usd", False),
    ("Profit, USD", "profit", False),
    ("Note", "text", True),
    ("Quantity", "quantity", True),
    ("Executed", "time", True),
    ("Fees, USD", "usd", True),
    ("Slippage", "fraction", True),
)


def make_trades(state: State, last: int | None = None) -> TableData:
    """Return all trades, including waiting and expired ones, the latest first.

    Parameters
    ----------
    last
        Only so many of the latest ones; None for all.
    """
    tables = state.portfolio.get_position_tables()
    return _collect_trades((position for table in tables for position in table.values()), last)


def make_position_trades(position: TradingPosition) -> TableData:
    """Return the trades of one position, including waiting and expired ones, the latest first."""
    return _collect_trades([position], None)


def _collect_trades(positions: Iterable[TradingPosition], last: int | None) -> TableData:
    trades: dict[int, tuple[TradeExecution, TradingPosition]] = {}
    for position in positions:
        for own in (position.trades, position.pending_trades, position.expired_trades):
            trades.update((number, (trade, position)) for number, trade in own.items())
    numbers = sorted(trades) if last is None else sorted(heapq.nlargest(last, trades))
    profits: dict[int, float] = {}
    for position in {id(position): position for _, position in map(trades.__getitem__, numbers)}.values():
        profits.update(_get(position.get_trade_profits_usd) or {})
    rows = (_make_trade(trades[number][0], profits.get(number)) for number in numbers)
    return _make_table("trades", _TRADES, rows, sort=0)


def _make_trade(trade: TradeExecution, profit: float | None) -> tuple[Any, ...]:
    quantity = trade.planned_quantity if trade.executed_quantity is None else trade.executed_quantity
    return (
        trade.trade_id,
        trade.position_id,
        trade.pair.get_ticker(),
        "buy" if trade.is_buy() else "sell",
        trade.trade_type.value.replace("_", " "),
        trade.get_status().value.replace("_", " "),
        trade.opened_at,
        trade.executed_price or trade.planned_price,
        trade.get_value(),
        profit,
        _to_line(trade.notes),
        quantity,
        trade.executed_at,
        sum_fees(trade.lp_fees_paid),
        _get(trade.get_execution_cost) if trade.executed_price else None,
    )


# --- Deposits

_FLOWS: tuple[tuple[str, Kind, bool], ...] = (
    ("Time", "time", False),
    ("Event", "text", False),
    ("Asset", "text", False),
    ("Quantity", "quantity", False),
    ("USD", "profit", False),
    ("Owner", "text", True),
    ("Notes", "text", True),
)

_FLOW_NAMES: Mapping[BalanceUpdateCause, str] = {
    BalanceUpdateCause.deposit: "deposit",
    BalanceUpdateCause.redemption: "redemption",
    BalanceUpdateCause.deposit_and_redemption: "deposit and redemption",
}


def make_flows(state: State) -> TableData:
    """Return the deposits, redemptions and corrections without interest and funding, the latest first."""
    events = [
        event
        for reserve in state.portfolio.reserves.values()
        for event in reserve.balance_updates.values()
        if event.cause not in ACCRUALS
    ]
    for table in state.portfolio.get_position_tables():
        for position in table.values():
            events += [event for event in position.balance_updates.values() if event.cause not in ACCRUALS]
    rows = (
        (
            event.strategy_cycle_included_at or event.block_mined_at,
            _FLOW_NAMES.get(event.cause, event.cause.value.replace("_", " ")),
            event.asset.token_symbol,
            event.quantity,
            event.usd_value,
            event.owner_address or "",
            event.notes or "",
        )
        for event in events
    )
    return _make_table("flows", _FLOWS, rows, sort=0)
