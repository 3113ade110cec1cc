"""Orders that wait for a trigger, and how they lapse."""

import datetime
from collections.abc import Iterable

from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trigger import Trigger

__all__ = ["add_expired_triggers", "expire_order", "expire_waiting_orders"]


def expire_waiting_orders(position: TradingPosition, ts: datetime.datetime) -> None:
    """Let the waiting orders of a position lapse, because it closes."""
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
    """Remember triggers of a trade that can fire no more."""
    trade.expired_triggers = [*(trade.expired_triggers or ()), *triggers]


def expire_order(position: TradingPosition, trade: TradeExecution, ts: datetime.datetime) -> None:
    """Move a waiting trade to the expired ones of its position."""
    trade.mark_expired(ts)
    del position.pending_trades[trade.trade_id]
    # Partial take profits are listed among the trades as well.
    position.trades.pop(trade.trade_id, None)
    position.expired_trades[trade.trade_id] = trade
