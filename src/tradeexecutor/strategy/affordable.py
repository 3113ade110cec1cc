"""What a plan can pay, with the orders of earlier decisions that have not filled yet."""

from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.predicates import is_queued
from tradeexecutor.state.types import USDollarAmount
from tradeexecutor.strategy.market_queue import is_increase
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager

__all__ = ["find_affordable_share", "find_queued"]


def find_queued(manager: PositionManager) -> list[TradeExecution]:
    """Return the orders of earlier decisions that have not filled yet."""
    positions = manager.state.portfolio.open_positions.values()
    return [trade for position in positions for trade in position.get_unsettled_trades() if is_queued(trade)]


def find_affordable_share(
    manager: PositionManager, released: list[TradeExecution], queued: list[TradeExecution], cost: USDollarAmount
) -> float:
    """Return the share of a cost that the cash pays, 0-1.

    Parameters
    ----------
    manager
        The manager of the decision.
    released
        Planned reductions; what they bring at once counts.
    queued
        Orders of earlier decisions; what they are going to cost is kept, what they bring does not count.
    cost
        What is wanted, USD.
    """
    if not cost:
        return 1.0
    now = manager.timestamp
    at_once = [trade for trade in released if manager.pricing_model.can_trade(now, trade.pair.get_pricing_pair())]
    kept = [trade for trade in queued if is_increase(trade)]
    cash = max(manager.get_cash_after([*at_once, *kept]), 0.0)
    return 1.0 if cost <= cash * (1 + 1e-9) else cash / cost  # except for rounding
