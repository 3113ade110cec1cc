"""Repair of trades that were never sent, and of open positions that hold nothing."""

import datetime
from collections.abc import Callable, Iterator, Sequence

from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.booking.waiting_orders import expire_waiting_orders
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import InvalidTrade, RepairAborted
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair.counter_trade import (
    apply_repair,
    close_position_with_empty_trade,
    holds_value_beyond_quantity,
    plan_repair_of_unsent,
)
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.state.trade.capital_at_risk import has_capital_at_risk

__all__ = [
    "Confirm",
    "find_trades_without_transactions",
    "find_zero_quantity_positions",
    "is_unsent",
    "repair_tx_not_generated",
    "repair_zero_quantity",
]

#: Called with the trades to repair; returns whether to continue.
Confirm = Callable[[Sequence[TradeExecution]], bool]

_UNSENT = (TradeStatus.planned, TradeStatus.started)


# --- Trades without transactions


def find_trades_without_transactions(state: State) -> list[TradeExecution]:
    """Return the trades that were planned or started and never sent, sorted by id.

    A program that dies between its decision and its transactions leaves such trades. Orders that wait for a trigger are
    planned on purpose and left out. Positions with capital at risk elsewhere are left out, too.
    """
    return sorted(_iterate_unsent(state.portfolio), key=lambda trade: trade.trade_id)


def _iterate_unsent(portfolio: Portfolio) -> Iterator[TradeExecution]:
    for position in portfolio.get_all_positions(pending=True):
        unsent = [trade for trade in position.trades.values() if is_unsent(position, trade)]
        if unsent and not has_capital_at_risk(position):
            yield from unsent


def is_unsent(position: TradingPosition, trade: TradeExecution) -> bool:
    """Return True if a trade was planned or started, has no transactions, and does not wait for a trigger."""
    return (
        trade.get_status() in _UNSENT
        and not trade.blockchain_transactions
        and not (trade.is_planned() and trade.trade_id in position.pending_trades)
    )


def repair_tx_not_generated(
    state: State, now: datetime.datetime | None = None, confirm: Confirm | None = None
) -> list[TradeExecution]:
    """Repair all trades that were planned or started but never sent.

    Their allocated capital is given back. A position that holds nothing and has no other trade is closed, and a
    position that waited for a trigger is no longer pending.

    Parameters
    ----------
    now
        Time of the repair, naive UTC.
    confirm
        Called with the trades to repair before anything changes.

    Returns
    -------
    list
        Counter trades, in the order of the ids of the repaired trades.

    Raises
    ------
    RepairAborted
        `confirm` returned False.
    ReserveMissing, PositionNotFound
        The reserve or bridge position for the capital does not exist.
    """
    state.portfolio.owner.claim()
    now = utc_now() if now is None else now
    require_naive_utc(now, "repaired_at", InvalidTrade)
    portfolio = state.portfolio
    trades = find_trades_without_transactions(state)
    repairs = [plan_repair_of_unsent(portfolio, trade) for trade in trades]
    if repairs and confirm is not None and not confirm(trades):
        raise RepairAborted([trade.trade_id for trade in trades])
    counters = [apply_repair(portfolio, repair, now) for repair in repairs]
    for position in {repair.position.position_id: repair.position for repair in repairs}.values():
        _move_to_correct_table(portfolio, position, now)
    return counters


def _move_to_correct_table(portfolio: Portfolio, position: TradingPosition, now: datetime.datetime) -> None:
    """Move a position, some of whose trades were repaired as not sent, to its correct table."""
    position_id = position.position_id
    if position_id in portfolio.pending_positions and not position.pending_trades:
        # The entry was triggered, so the position no longer waits.
        portfolio.open_positions[position_id] = portfolio.pending_positions.pop(position_id)
        position.pending_since_at = None
    if position_id in portfolio.open_positions and _never_traded(position):
        expire_waiting_orders(position, now)
        portfolio.move_to_closed(position, now)


def _never_traded(position: TradingPosition) -> bool:
    is_over = all(trade.is_repaired() or trade.is_repair_trade() for trade in position.trades.values())
    return is_over and position.get_quantity() == 0 and not holds_value_beyond_quantity(position)


# --- Positions without tokens


def find_zero_quantity_positions(portfolio: Portfolio) -> list[TradingPosition]:
    """Return the open positions that hold nothing and can be closed, in the order of the table.

    Positions with planned or failed trades, trades in flight or capital at risk elsewhere are left out.
    """
    return [
        position
        for position in portfolio.open_positions.values()
        if position.get_quantity() == 0
        and position.can_be_closed()
        and can_be_emptied(position)
        and not has_capital_at_risk(position)
    ]


def can_be_emptied(position: TradingPosition) -> bool:
    """Return True if `close_position_with_empty_trade` accepts the position and would not hide money."""
    kind = position.pair.kind
    return (
        (position.is_spot() or kind.is_credit_supply() or kind.is_cctp_bridge())
        and position.is_properly_opened()
        and not position.has_trades_in_flight()
        and not position.has_planned_trades()
        and not any(trade.is_failed() for trade in position.trades.values())
        and not holds_value_beyond_quantity(position)
    )


def repair_zero_quantity(
    state: State,
    now: datetime.datetime | None = None,
    confirm: Callable[[Sequence[TradingPosition]], bool] | None = None,
) -> list[TradeExecution]:
    """Close each open position that holds nothing with an empty trade.

    Parameters
    ----------
    now
        Time of the repair, naive UTC.
    confirm
        Called with the positions to close before anything changes.

    Returns
    -------
    list
        The empty trades, in the order of the positions; empty when there was nothing to close.

    Raises
    ------
    RepairAborted
        `confirm` returned False.
    """
    state.portfolio.owner.claim()
    now = utc_now() if now is None else now
    require_naive_utc(now, "closed_at", InvalidTrade)
    positions = find_zero_quantity_positions(state.portfolio)
    if positions and confirm is not None and not confirm(positions):
        raise RepairAborted([position.get_first_trade().trade_id for position in positions])
    return [close_position_with_empty_trade(state.portfolio, position, now) for position in positions]
