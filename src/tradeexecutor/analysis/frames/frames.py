"""A state as tables: positions, trades, balance updates, valuations, and the recorded history of the portfolio.

Every function takes a state and returns a ``pandas.DataFrame``, or with ``as_arrow=True`` a ``pyarrow.Table`` of the
same columns. The names and types of columns are the same for every state, including an empty one:

============  ===================  ================  =============================================================
Kind          pandas               Arrow             Meaning
============  ===================  ================  =============================================================
``number``    ``Int64``            int64             ids, counts, blocks
``text``      ``string``           string
``flag``      ``boolean``          bool
``time``      ``datetime64[us]``   timestamp(us)     naive UTC
``real``      ``float64``          float64           USD, USD per token, fractions (0.05 is 5 %)
``tokens``    object (`Decimal`)   decimal256(76,38) token units, exact; Arrow rounds beyond 38 decimals
============  ===================  ================  =============================================================

Unknown values are missing: NA, NaT, NaN, None, or null. The unit of each column is in ``frame.attrs["units"]`` and in
the metadata of the Arrow fields, under ``unit``; columns without a unit are left out. No column has the name of an
attribute of a frame, so that ``frame.value`` reads a column.

Each table is built in one pass, columns in the order below; the order of rows is given with each function.
"""

# pyarrow has no type stubs.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import pyarrow as pa

from tradeexecutor.analysis.adjusted.positions import Excursion, get_net_result, measure_excursion
from tradeexecutor.analysis.times import to_time_index
from tradeexecutor.state.balance_update import BalanceUpdate, read_log_index
from tradeexecutor.state.errors import UnsupportedPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.amounts import sum_fees
from tradeexecutor.state.valuation import ValuationUpdate

__all__ = [
    "balance_updates_to_frame",
    "portfolio_to_frame",
    "positions_to_frame",
    "trades_to_frame",
    "valuations_to_frame",
]

Kind = Literal["number", "text", "flag", "time", "real", "tokens"]

_USD, _PRICE, _FRACTION, _TOKENS = "USD", "USD per token", "fraction", "token units"

#: Digits after the point in Arrow.
_SCALE = 38
_WIDE = Context(prec=76, rounding=ROUND_HALF_EVEN)

_ARROW_TYPES: dict[Kind, pa.DataType] = {
    "number": pa.int64(),
    "text": pa.string(),
    "flag": pa.bool_(),
    "time": pa.timestamp("us"),
    "real": pa.float64(),
    "tokens": pa.decimal256(76, _SCALE),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and the function that reads its value from a row object."""

    name: str
    kind: Kind
    read: Callable[[Any], Any]
    unit: str | None = None


def make_table(columns: Iterable[Column], rows: Iterable[Any], *, as_arrow: bool) -> "pd.DataFrame | pa.Table":
    """Return rows as a table with the given columns, see the top of this module."""
    rows = list(rows)
    content = [(column, [column.read(row) for row in rows]) for column in columns]
    if as_arrow:
        return pa.table([_to_arrow(*item) for item in content], schema=pa.schema([_make_field(c) for c, _ in content]))
    frame = pd.DataFrame({column.name: _to_pandas(column.kind, values) for column, values in content})
    frame.attrs["units"] = {column.name: column.unit for column, _ in content if column.unit is not None}
    return frame


def _make_field(column: Column) -> "pa.Field[Any]":
    metadata = None if column.unit is None else {"unit": column.unit}
    return pa.field(column.name, _ARROW_TYPES[column.kind], metadata=metadata)


def _to_arrow(column: Column, values: list[Any]) -> "pa.Array[Any]":
    if column.kind == "tokens":
        values = [None if value is None else _fit(value) for value in values]
    return pa.array(values, type=_ARROW_TYPES[column.kind])


def _fit(amount: Decimal) -> Decimal:
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_SCALE:
        return amount.quantize(Decimal(1).scaleb(-_SCALE), context=_WIDE)
    return amount


def _to_pandas(kind: Kind, values: list[Any]) -> Any:
    if kind == "time":
        return pd.Series(to_time_index(values))
    if kind == "real":
        return np.array(values, dtype=np.float64)  # None becomes NaN
    dtypes: Mapping[Kind, Any] = {"number": "Int64", "text": "string", "flag": "boolean", "tokens": object}
    return pd.Series(values, dtype=dtypes[kind])


def _read(name: str) -> Callable[[Any], Any]:
    """Return a reader of a field of the row object."""
    return lambda row: getattr(row, name)


def _enum(name: str) -> Callable[[Any], Any]:
    """Return a reader of the value of an enum field."""
    return lambda row: getattr(row, name).value


# --- Positions


@dataclass(frozen=True, slots=True)
class _PositionRow:
    """A position, with values that several columns use."""

    position: TradingPosition
    status: str
    profit_usd: float
    profit_pct: float
    realised_usd: float | None
    unrealised_usd: float | None
    excursion: Excursion | None


def _of_position(read: Callable[[TradingPosition], Any]) -> Callable[[_PositionRow], Any]:
    return lambda row: read(row.position)


_POSITION_COLUMNS = (
    Column("position_id", "number", _of_position(_read("position_id"))),
    Column("status", "text", _read("status")),
    Column("pair", "text", _of_position(lambda p: p.pair.get_ticker())),
    Column("kind", "text", _of_position(lambda p: p.pair.kind.value)),
    Column("chain_id", "number", _of_position(lambda p: p.pair.chain_id)),
    Column("base_address", "text", _of_position(lambda p: p.pair.base.address)),
    Column("reserve", "text", _of_position(lambda p: p.reserve_currency.token_symbol)),
    Column("opened_at", "time", _of_position(_read("opened_at"))),
    Column("entered_at", "time", _of_position(TradingPosition.get_entered_at)),
    Column("closed_at", "time", _of_position(_read("closed_at"))),
    Column("frozen_at", "time", _of_position(_read("frozen_at"))),
    Column("valued_at", "time", _of_position(_read("last_pricing_at"))),
    Column("trade_count", "number", _of_position(TradingPosition.get_trade_count)),
    Column("quantity", "tokens", _of_position(TradingPosition.get_quantity), _TOKENS),
    Column("price", "real", _of_position(_read("last_token_price")), _PRICE),
    Column("value", "real", _of_position(TradingPosition.get_value), _USD),
    Column("bought", "real", _of_position(TradingPosition.get_total_bought_usd), _USD),
    Column("sold", "real", _of_position(TradingPosition.get_total_sold_usd), _USD),
    Column("realised_profit", "real", _read("realised_usd"), _USD),
    Column("unrealised_profit", "real", _read("unrealised_usd"), _USD),
    Column("profit", "real", _read("profit_usd"), _USD),
    Column("profit_fraction", "real", _read("profit_pct"), _FRACTION),
    Column("claimed_interest", "real", _of_position(TradingPosition.get_claimed_interest), _USD),
    Column("repaid_interest", "real", _of_position(TradingPosition.get_repaid_interest), _USD),
    Column("lp_fees", "real", _of_position(TradingPosition.get_total_lp_fees_paid), _USD),
    Column("portfolio_value_at_open", "real", _of_position(_read("portfolio_value_at_open")), _USD),
    Column("stop_loss", "real", _of_position(_read("stop_loss")), _PRICE),
    Column("take_profit", "real", _of_position(_read("take_profit")), _PRICE),
    Column("closed_by_stop_loss", "flag", _of_position(TradingPosition.closed_by_stop_loss)),
    Column("closed_by_take_profit", "flag", _of_position(TradingPosition.closed_by_take_profit)),
    Column("notes", "text", _of_position(_read("notes"))),
    Column("adverse_excursion", "real", lambda row: row.excursion and row.excursion.adverse, _FRACTION),
    Column("favourable_excursion", "real", lambda row: row.excursion and row.excursion.favourable, _FRACTION),
)


def _iterate_positions(state: State) -> Iterator[tuple[str, TradingPosition]]:
    portfolio = state.portfolio
    for status, table in (
        ("open", portfolio.open_positions),
        ("closed", portfolio.closed_positions),
        ("frozen", portfolio.frozen_positions),
        ("pending", portfolio.pending_positions),
        ("expired", portfolio.expired_positions),
    ):
        for position in table.values():
            yield status, position


def _split_profit(position: TradingPosition) -> tuple[float | None, float | None]:
    """Return realised and unrealised profit; None where this kind of position does not have them."""
    try:
        return position.get_average_cost_profit_usd()
    except UnsupportedPairKind:
        return None, None


@overload
def positions_to_frame(state: State, *, as_arrow: Literal[False] = False) -> pd.DataFrame: ...
@overload
def positions_to_frame(state: State, *, as_arrow: Literal[True]) -> pa.Table: ...
def positions_to_frame(state: State, *, as_arrow: bool = False) -> "pd.DataFrame | pa.Table":
    """Return a row per position: open, closed, frozen, pending and expired ones, each in the order of its table.

    Profits have the definitions of :py:class:`~tradeexecutor.state.position.TradingPosition`, excursions those of
    :py:func:`~tradeexecutor.analysis.adjusted.positions.measure_excursion`.
    """
    rows = (
        _PositionRow(
            position,
            status,
            *get_net_result(position),
            *_split_profit(position),
            measure_excursion(state, position),
        )
        for status, position in _iterate_positions(state)
    )
    return make_table(_POSITION_COLUMNS, rows, as_arrow=as_arrow)


# --- Trades


def _read_flags(trade: TradeExecution) -> str | None:
    return " ".join(sorted(flag.value for flag in trade.flags)) if trade.flags else None


def _read_hashes(trade: TradeExecution) -> str | None:
    return " ".join(tx.tx_hash for tx in trade.blockchain_transactions if tx.tx_hash) or None


def _read_log_index(event: BalanceUpdate) -> str | None:
    number = read_log_index(event.log_index)
    return None if event.log_index is None else str(event.log_index if number is None else number)


_TRADE_COLUMNS = (
    Column("trade_id", "number", _read("trade_id")),
    Column("position_id", "number", _read("position_id")),
    Column("pair", "text", lambda trade: trade.pair.get_ticker()),
    Column("kind", "text", lambda trade: trade.pair.kind.value),
    Column("type", "text", _enum("trade_type")),
    Column("status", "text", lambda trade: trade.get_status().value),
    Column("trade_flags", "text", _read_flags),
    Column("reserve", "text", lambda trade: trade.reserve_currency.token_symbol),
    Column("opened_at", "time", _read("opened_at")),
    Column("started_at", "time", _read("started_at")),
    Column("broadcasted_at", "time", _read("broadcasted_at")),
    Column("executed_at", "time", _read("executed_at")),
    Column("failed_at", "time", _read("failed_at")),
    Column("repaired_at", "time", _read("repaired_at")),
    Column("expired_at", "time", _read("expired_at")),
    Column("planned_quantity", "tokens", _read("planned_quantity"), _TOKENS),
    Column("planned_reserve", "tokens", _read("planned_reserve"), _TOKENS),
    Column("planned_price", "real", _read("planned_price"), _PRICE),
    Column("planned_mid_price", "real", _read("planned_mid_price"), _PRICE),
    Column("executed_quantity", "tokens", _read("executed_quantity"), _TOKENS),
    Column("executed_reserve", "tokens", _read("executed_reserve"), _TOKENS),
    Column("executed_price", "real", _read("executed_price"), _PRICE),
    Column("value", "real", TradeExecution.get_value, _USD),
    Column("lp_fees", "real", lambda trade: sum_fees(trade.lp_fees_paid), _USD),
    Column("claimed_interest", "tokens", _read("claimed_interest"), _TOKENS),
    Column("paid_interest", "tokens", _read("paid_interest"), _TOKENS),
    Column("slippage_tolerance", "real", _read("slippage_tolerance"), _FRACTION),
    Column("retry_of", "number", _read("retry_of")),
    Column("repaired_trade_id", "number", _read("repaired_trade_id")),
    Column("tx_hashes", "text", _read_hashes),
    Column("notes", "text", _read("notes")),
)


@overload
def trades_to_frame(state: State, *, as_arrow: Literal[False] = False) -> pd.DataFrame: ...
@overload
def trades_to_frame(state: State, *, as_arrow: Literal[True]) -> pa.Table: ...
def trades_to_frame(state: State, *, as_arrow: bool = False) -> "pd.DataFrame | pa.Table":
    """Return a row per trade, whatever its status, by trade id.

    Resting orders and orders that lapsed are included, each once.
    """
    trades: dict[int, TradeExecution] = {}
    for _, position in _iterate_positions(state):
        for table in (position.trades, position.pending_trades, position.expired_trades):
            trades.update(table)
    return make_table(_TRADE_COLUMNS, (trades[trade_id] for trade_id in sorted(trades)), as_arrow=as_arrow)


# --- Balance updates

_BALANCE_UPDATE_COLUMNS = (
    Column("balance_update_id", "number", _read("balance_update_id")),
    Column("cause", "text", _enum("cause")),
    Column("position_type", "text", _enum("position_type")),
    Column("position_id", "number", _read("position_id")),
    Column("asset", "text", lambda event: event.asset.token_symbol),
    Column("asset_address", "text", lambda event: event.asset.address),
    Column("chain_id", "number", _read("chain_id")),
    Column("block_mined_at", "time", _read("block_mined_at")),
    Column("strategy_cycle_included_at", "time", _read("strategy_cycle_included_at")),
    Column("quantity", "tokens", _read("quantity"), _TOKENS),
    Column("old_balance", "tokens", _read("old_balance"), _TOKENS),
    Column("value", "real", _read("usd_value"), _USD),
    Column("block_number", "number", _read("block_number")),
    Column("tx_hash", "text", _read("tx_hash")),
    Column("log_index", "text", _read_log_index),
    Column("owner_address", "text", _read("owner_address")),
    Column("notes", "text", _read("notes")),
)


def _iterate_balance_updates(state: State) -> Iterator[BalanceUpdate]:
    for reserve in state.portfolio.reserves.values():
        yield from reserve.balance_updates.values()
    for _, position in _iterate_positions(state):
        yield from position.balance_updates.values()


@overload
def balance_updates_to_frame(state: State, *, as_arrow: Literal[False] = False) -> pd.DataFrame: ...
@overload
def balance_updates_to_frame(state: State, *, as_arrow: Literal[True]) -> pa.Table: ...
def balance_updates_to_frame(state: State, *, as_arrow: bool = False) -> "pd.DataFrame | pa.Table":
    """Return a row per deposit, redemption, interest payment and correction: those of the reserves, then by position.

    `quantity` is signed, `value` as it was recorded.
    """
    return make_table(_BALANCE_UPDATE_COLUMNS, _iterate_balance_updates(state), as_arrow=as_arrow)


# --- Valuations

_VALUATION_COLUMNS = (
    Column("position_id", "number", _read("position_id")),
    Column("valued_at", "time", _read("valued_at")),
    Column("created_at", "time", _read("created_at")),
    Column("new_price", "real", _read("new_price"), _PRICE),
    Column("new_value", "real", _read("new_value"), _USD),
    Column("old_price", "real", _read("old_price"), _PRICE),
    Column("old_value", "real", _read("old_value"), _USD),
    Column("quantity", "tokens", _read("quantity"), _TOKENS),
    Column("block_number", "number", _read("block_number")),
    Column("marked_down", "flag", _read("mark_down_to_zero")),
)


def _iterate_valuations(state: State) -> Iterator[ValuationUpdate]:
    for _, position in _iterate_positions(state):
        yield from position.valuation_updates


@overload
def valuations_to_frame(state: State, *, as_arrow: Literal[False] = False) -> pd.DataFrame: ...
@overload
def valuations_to_frame(state: State, *, as_arrow: Literal[True]) -> pa.Table: ...
def valuations_to_frame(state: State, *, as_arrow: bool = False) -> "pd.DataFrame | pa.Table":
    """Return a row per recorded revaluation, by position, oldest first."""
    return make_table(_VALUATION_COLUMNS, _iterate_valuations(state), as_arrow=as_arrow)


# --- Portfolio history

_PORTFOLIO_COLUMNS = (
    Column("calculated_at", "time", _read("calculated_at")),
    Column("total_equity", "real", _read("total_equity"), _USD),
    Column("net_asset_value", "real", _read("net_asset_value"), _USD),
    Column("free_cash", "real", _read("free_cash"), _USD),
    Column("open_position_equity", "real", _read("open_position_equity"), _USD),
    Column("frozen_position_equity", "real", _read("frozen_position_equity"), _USD),
    Column("open_position_count", "number", _read("open_position_count")),
    Column("frozen_position_count", "number", _read("frozen_position_count")),
    Column("closed_position_count", "number", _read("closed_position_count")),
    Column("unrealised_profit", "real", _read("unrealised_profit_usd"), _USD),
    Column("realised_profit", "real", _read("realised_profit_usd"), _USD),
    Column("profitability", "real", _read("unrealised_profitability"), _FRACTION),
    Column("share_count", "tokens", _read("share_count"), "vault shares"),
    Column("share_price", "real", _read("share_price_usd"), "USD per share"),
    Column("first_trade_at", "time", _read("first_trade_at")),
    Column("last_trade_at", "time", _read("last_trade_at")),
)


@overload
def portfolio_to_frame(state: State, *, as_arrow: Literal[False] = False) -> pd.DataFrame: ...
@overload
def portfolio_to_frame(state: State, *, as_arrow: Literal[True]) -> pa.Table: ...
def portfolio_to_frame(state: State, *, as_arrow: bool = False) -> "pd.DataFrame | pa.Table":
    """Return a row per recorded sample of the portfolio, in the order of recording; a time can occur twice."""
    samples: list[PortfolioStatistics] = state.stats.portfolio
    return make_table(_PORTFOLIO_COLUMNS, samples, as_arrow=as_arrow)
