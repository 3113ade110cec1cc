"""Access to the trades of a position, and sums over them."""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import contextlib
import contextvars
import datetime
from collections.abc import Generator, Iterable, Iterator
from decimal import Decimal
from typing import TypeAlias

from tradeexecutor.state.errors import NotAvailable
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.totals import FEW_TRADES, TradeTotals, add_up, split_trades

#: By the identity of a table of trades: the table, so that no other one gets its identity, and its totals.
_SharedTotals: TypeAlias = dict[int, tuple[dict[int, TradeExecution], TradeTotals]]

_shared_totals: contextvars.ContextVar[_SharedTotals | None] = contextvars.ContextVar("shared_totals", default=None)

# --- Trades


def get_first_trade(position: PositionFields) -> TradeExecution:
    """Return the opening trade, even if it is pending; raises `NotAvailable` without trades."""
    for trade in position._trades.values():
        return trade
    for trade in position.pending_trades.values():
        return trade
    raise NotAvailable(f"position #{position.position_id} has no trades")


def get_last_trade(position: PositionFields) -> TradeExecution:
    """Return the trade that was created last; raises `NotAvailable` without trades."""
    for trade in reversed(position.trades.values()):
        return trade
    raise NotAvailable(f"position #{position.position_id} has no trades")


def get_executed_trades(position: PositionFields) -> Iterator[TradeExecution]:
    """Yield the trades that succeeded, repaired ones included."""
    return (trade for trade in position._trades.values() if trade._executed_at is not None)


def get_successful_trades(position: PositionFields) -> list[TradeExecution]:
    """Return the trades that succeeded, repaired ones included."""
    return list(get_executed_trades(position))


def get_failed_trades(position: PositionFields) -> list[TradeExecution]:
    """Return the trades that failed and were not repaired."""
    return [trade for trade in position.trades.values() if trade.is_failed()]


def get_trades_by_strategy_cycle(position: PositionFields, timestamp: datetime.datetime) -> Iterator[TradeExecution]:
    """Yield the trades that were decided at `timestamp`."""
    return (trade for trade in position.trades.values() if trade.opened_at == timestamp)


def get_trade_count(position: PositionFields) -> int:
    """Return the number of trades, whatever their status."""
    return len(position.trades)


def get_unexecuted_reserve(position: PositionFields) -> Decimal | int:
    """Return the planned reserve of all trades that were not executed, failed and planned ones included, in tokens."""
    return sum(trade.planned_reserve for trade in position.trades.values() if trade.executed_at is None)


# --- Quantities


def get_trade_totals(position: PositionFields) -> TradeTotals:
    """Return the sums over all trades; the caller must not change them."""
    trades, shared = position._trades, _shared_totals.get()
    if shared is None:
        return add_up(trades)
    found = shared.get(id(trades))
    if found is None:
        found = shared[id(trades)] = trades, add_up(trades)
    return found[1]


@contextlib.contextmanager
def sharing_totals(*, is_sharing: bool = True) -> Generator[None]:
    """Let all calls of `get_trade_totals` in the block add up the trades of a position once.

    A report asks for them a dozen times for each position. No trade may change in the block.

    Parameters
    ----------
    is_sharing
        False: share nothing in this block, because trades change in it, although the caller may share.
    """
    token = _shared_totals.set({} if is_sharing else None)
    try:
        yield
    finally:
        _shared_totals.reset(token)


def get_unsettled_trades(position: PositionFields) -> Iterable[TradeExecution]:
    """Return the planned trades, those in flight, and the settled trades that are not in the running totals yet."""
    trades = position._trades
    if len(trades) <= FEW_TRADES:
        return trades.values()
    settled, rest = split_trades(trades)
    return (*settled.waiting, *rest) if settled.waiting else rest


# --- Labels


def get_last_tx_hash(position: PositionFields) -> str | None:
    """Return the hash of the last transaction of the last trade."""
    transactions = get_last_trade(position).blockchain_transactions if position.trades else []
    return transactions[-1].tx_hash if transactions else None
