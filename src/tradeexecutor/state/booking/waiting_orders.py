"""Orders that wait for a trigger, and their expiry."""

import datetime
from collections.abc import Iterable

from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trigger import Trigger

__all__ = ["add_expired_triggers", "discard_planned", "expire_order", "expire_waiting_orders", "is_waiting"]


def is_waiting(position: TradingPosition, trade: TradeExecution) -> bool:
    """Return True if a planned trade of a position waits for a trigger."""
    return trade.trade_id in position.pending_trades


def expire_waiting_orders(position: TradingPosition, ts: datetime.datetime) -> None:
    """Expire all waiting orders of a position that closes."""
    for trade in list(position.pending_trades.values()):
        if not trade.is_planned():
            continue
        triggers = trade.triggers or []
        for trigger in triggers:
            trigger.expired_at = ts
        add_expired_triggers(trade, triggers)
        trade.triggers = []
        expire_order(position, trade, ts)


def add_expired_triggers(trade: TradeExecution, triggers: Iterable[Trigger]) -> None:
    """Record triggers of a trade that can no longer fire."""
    trade.expired_triggers = [*(trade.expired_triggers or ()), *triggers]


def expire_order(position: TradingPosition, trade: TradeExecution, ts: datetime.datetime) -> None:
    """Move a planned trade, waiting for a trigger or not, to the expired trades of its position."""
    trade.mark_expired(ts)
    position.pending_trades.pop(trade.trade_id, None)
    # Partial take profits are also in the table of trades.
    position.trades.pop(trade.trade_id, None)
    position.expired_trades[trade.trade_id] = trade


def discard_planned(portfolio: Portfolio, trade: TradeExecution, ts: datetime.datetime) -> None:
    """Expire a planned trade, and its open position if that has no other trade."""
    portfolio.owner.claim()
    position = portfolio.find_position_for_trade(trade, pending=True)
    expire_order(position, trade, ts)
    if not position.trades and portfolio.open_positions.get(position.position_id) is position:
        del portfolio.open_positions[position.position_id]
        portfolio.expired_positions[position.position_id] = position
