"""Why a position was closed."""

import enum

from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.state.trigger import TriggerCondition

__all__ = ["ExitReason", "get_exit_reason"]

# Reading a member from its enum class is slow in Python 3.11, and this runs for every position.
_REBALANCE = TradeType.rebalance
_TIMED = (TriggerCondition.timed_absolute, TriggerCondition.timed_relative_to_open)


class ExitReason(enum.StrEnum):
    """Why a position was closed."""

    stop_loss = "stop loss"
    trailing_stop_loss = "trailing stop loss"
    take_profit = "take profit"
    #: A timed trigger.
    time = "time"
    #: A repair, not a decision of the strategy.
    repair = "repair"
    written_off = "written off"
    #: The lending pool sold the collateral.
    liquidation = "liquidation"
    decision = "decision"


_DECISION = ExitReason.decision


def get_exit_reason(position: TradingPosition) -> ExitReason | None:
    """Return why a position was closed; None while it is open.

    The trigger decides, not the result: a stop with a profit is a stop, and a timed exit is neither stop nor take
    profit, whatever trade type an older program recorded.
    """
    if not position.is_closed():
        return None
    if position.is_marked_down():
        return ExitReason.written_off
    last = next(reversed(position.trades.values()), None)
    if last is not None and last.executed_at is not None and _is_decided(last):  # nearly always
        return _DECISION
    last = next((trade for trade in reversed(position.trades.values()) if trade.executed_at is not None), None)
    if last is None or last.is_repair_trade():
        return ExitReason.repair
    if last.is_liquidation():
        return ExitReason.liquidation
    trigger = last.activated_trigger
    if trigger is not None and trigger.condition in _TIMED:
        return ExitReason.time
    if last.is_stop_loss():
        is_trailing = position.is_trailing_stop_loss()
        return ExitReason.trailing_stop_loss if is_trailing else ExitReason.stop_loss
    return ExitReason.take_profit if last.is_take_profit() else ExitReason.decision


def _is_decided(trade: TradeExecution) -> bool:
    """Return True if the strategy decided a trade, without a trigger, and nothing else is noted about it."""
    return (
        trade.trade_type is _REBALANCE
        and trade.activated_trigger is None
        and trade.repaired_trade_id is None
        and not trade.flags
        and not trade.other_data
    )
