"""Orders that wait for a trigger, and their expiry."""

import datetime
from collections.abc import Iterable

from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trigger import Trigger

__all__ = [
    "add_expired_triggers",
    "discard_planned",
    "expire_if_never_opened",
    "expire_order",
    "expire_waiting_orders",
    "is_waiting",
    "wait_again",
]


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
    """Expire a planned trade, and its position if that never opened and has nothing else to open it."""
    portfolio.owner.claim()
    position = portfolio.find_position_for_trade(trade, pending=True)
    expire_order(position, trade, ts)
    expire_if_never_opened(portfolio, position, ts)


def expire_if_never_opened(portfolio: Portfolio, position: TradingPosition, ts: datetime.datetime) -> bool:
    """Move an open or pending position to the expired ones if it never traded and no entry of it is left.

    Its waiting exits, which have nothing to sell, expire with it. An entry of a pending position that has failed counts
    as over, and so does a failed transfer over a bridge: its capital is back, and the position holds nothing.

    Returns
    -------
    bool
        Whether the position has moved.
    """
    is_pending = portfolio.pending_positions.get(position.position_id) is position
    table = portfolio.pending_positions if is_pending else portfolio.open_positions
    if table.get(position.position_id) is not position:
        return False
    if any(is_pending or not _is_exit(trade) for trade in position.pending_trades.values()):
        return False
    is_back = is_pending or position.pair.is_cctp_bridge()
    for trade in position.trades.values():
        is_over = trade.expired_at is not None or (is_back and trade.is_failed())
        if not is_over and not is_waiting(position, trade):
            return False
    expire_waiting_orders(position, ts)
    del table[position.position_id]
    portfolio.expired_positions[position.position_id] = position
    return True


def _is_exit(trade: TradeExecution) -> bool:
    return trade.is_reduce() if trade.is_leverage() else trade.is_spot() and trade.is_sell()


def wait_again(position: TradingPosition, trade: TradeExecution) -> None:
    """Make a planned exit whose trigger has fired wait for the trigger again, because it was not sent."""
    fired = trade.activated_trigger
    assert fired is not None, "the trigger of the trade has fired"
    others = [trigger for trigger in trade.expired_triggers or () if trigger.expired_at == fired.triggered_at]
    for trigger in others:
        trigger.expired_at = None
    trade.expired_triggers = [trigger for trigger in trade.expired_triggers or () if trigger.expired_at is not None]
    fired.triggered_at = None
    trade.activated_trigger = None
    trade.triggers = [fired, *others]
    position.pending_trades[trade.trade_id] = trade
