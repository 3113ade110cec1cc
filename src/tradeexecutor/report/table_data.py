"""The tables of the report: columns of plain values, which the page sorts, searches and formats.

Data is stored by column, so that 100,000 rows stay small. Values are numbers, texts or None; times are milliseconds
since 1970, UTC. Token amounts become floats, because they are only displayed.
"""

import datetime
import enum
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeVar

from tradeexecutor.analysis.adjusted.positions import (
    find_excursion,
    get_entry_note,
    get_net_result,
)
from tradeexecutor.analysis.exit_reason import ExitReason, get_exit_reason
from tradeexecutor.analysis.position_figures import measure_plain
from tradeexecutor.analysis.times import to_time_index
from tradeexecutor.state.balance_update import ACCRUALS, BalanceUpdateCause
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.files.spreadsheet_cell import to_cell
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.trades import get_last_trade
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PositionStatistics
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.amounts import get_value, sum_fees
from tradeexecutor.state.trade.lifecycle import get_status
from tradeexecutor.state.trade.predicates import is_buy
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
    numbers: list[int] = (to_time_index(values).asi8 // 1000).tolist()
    if None in values:
        return [None if when is None else number for when, number in zip(values, numbers, strict=True)]
    return [*numbers]


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
    return _make_table_of_columns(name, specs, columns, sort)


def _make_table_of_columns(
    name: str, specs: Sequence[tuple[str, Kind, bool]], columns: Sequence[Sequence[Any]], sort: int | None
) -> TableData:
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
        _name_kind(position.pair),
        status,
        position.get_entered_at(),
        _get(position.get_quantity),
        position.last_token_price,
        _get(position.get_value),
        profit_usd,
        profit_pct,
        len(position.trades),
    )


def _name_kind(pair: TradingPairIdentifier) -> str:
    return pair.kind.value.replace("_", " ")


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
    name_pair, samples = _PairNames(), state.stats.positions
    rows = (
        _make_closed(position, name_pair, samples.get(position.position_id, ()))
        for position in state.portfolio.closed_positions.values()
    )
    return _make_table("closed", _CLOSED, rows, sort=4)


class _PairNames:
    """Tickers of pairs, and names of their kinds; positions share their pairs, so there are few."""

    def __init__(self) -> None:
        self._names: dict[int, tuple[TradingPairIdentifier, str, str]] = {}

    def __call__(self, pair: TradingPairIdentifier) -> tuple[str, str]:
        found = self._names.get(id(pair))
        if found is None:
            found = self._names[id(pair)] = pair, pair.get_ticker(), _name_kind(pair)
        return found[1:]


class _Words(dict[enum.Enum, str]):
    """Members of an enum in words."""

    def __missing__(self, member: enum.Enum) -> str:
        self[member] = words = member.value.replace("_", " ")
        return words


def _make_closed(
    position: TradingPosition, name_pair: _PairNames, samples: Sequence[PositionStatistics]
) -> tuple[Any, ...]:
    figures = measure_plain(position)
    if figures is not None:  # nearly always
        entered_at, net_result, exit_reason = figures.entered_at, figures.net_result, figures.exit_reason
        bought, fees = figures.bought_usd, figures.lp_fees
    else:
        entered_at, exit_reason = position.get_entered_at(), get_exit_reason(position)
        net_result = _get(lambda: get_net_result(position)) or (None, None)
        bought = _get(position.get_total_bought_usd if position.is_long() else position.get_total_sold_usd)
        fees = _get(position.get_total_lp_fees_paid)
    closed_at = position.closed_at
    excursion = _get(lambda: find_excursion(position, samples))
    return (
        position.position_id,
        *name_pair(position.pair),
        entered_at,
        closed_at,
        None if closed_at is None else (closed_at - entered_at) // _MILLISECOND,
        *net_result,
        get_entry_note(position),
        _describe_exit(position, exit_reason),
        None if excursion is None else excursion.adverse,
        None if excursion is None else excursion.favourable,
        bought,
        fees,
        len(position.trades),
    )


def _describe_exit(position: TradingPosition, reason: ExitReason | None) -> str:
    """Return why the position was closed, and what was noted about its last trade."""
    name = reason.value if reason else ""
    note = get_last_trade(position).notes if len(position.trades) > 1 else None
    return ": ".join(text for text in (name, _to_line(note)) if text) if note else name


def _to_line(note: str | None) -> str:
    return " ".join(note.split()) if note else ""


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
    owners = [*positions]
    table: dict[int, TradeExecution] = {}
    for position in owners:
        for own in (position.trades, position.pending_trades, position.expired_trades):
            if own:
                table.update(own)
    numbers = sorted(table)
    if last is not None:
        numbers = numbers[-last:] if last > 0 else []
        wanted = frozenset(numbers)
        owners = [position for position in owners if not wanted.isdisjoint(position.trades)]
    trades = [*map(table.__getitem__, numbers)]
    profits: dict[int, float] = {}
    for position in owners:
        profits.update(_get(position.get_trade_profits_usd) or {})
    name_pair, words = _PairNames(), _Words()
    columns: tuple[list[Any], ...] = (
        [trade.trade_id for trade in trades],
        [trade.position_id for trade in trades],
        [name_pair(trade.pair)[0] for trade in trades],
        ["buy" if is_buy(trade) else "sell" for trade in trades],
        [words[trade.trade_type] for trade in trades],
        [words[get_status(trade)] for trade in trades],
        [trade.opened_at for trade in trades],
        [trade.executed_price or trade.planned_price for trade in trades],
        [*map(get_value, trades)],
        [*map(profits.get, numbers)],
        [_to_line(trade.notes) for trade in trades],
        [trade.planned_quantity if trade.executed_quantity is None else trade.executed_quantity for trade in trades],
        [trade.executed_at for trade in trades],
        [sum_fees(trade.lp_fees_paid) for trade in trades],
        [_get(trade.get_execution_cost) if trade.executed_price else None for trade in trades],
    )
    return _make_table_of_columns("trades", _TRADES, columns, sort=0)


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
