"""What is recorded of trades right after their execution: the price of the market, for comparison with their fills."""

import datetime
from collections.abc import Iterable

from tradeexecutor.state.booking.waiting_orders import expire_waiting_orders
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.latency import get_arrival
from tradeexecutor.strategy.pricing_model import PricingModel

__all__ = ["record_post_execution"]


def record_post_execution(
    pricing: PricingModel, ts: datetime.datetime, portfolio: Portfolio, trades: Iterable[TradeExecution]
) -> None:
    """Set `post_execution_price_structure` of the spot and vault trades among those that have filled at `ts`.

    The orders that still wait in a position that is closed now expire.
    """
    for trade in filter(TradeExecution.is_spot, trades):
        if trade.executed_at is None:
            continue  # a request to a vault
        # Resting orders, those with a latency, and exits from delisted markets do not fill at the current price.
        plan = trade.price_structure
        rested = trade.is_triggered() or trade.activated_trigger is not None or get_arrival(trade) is not None
        is_old = plan is not None and bool(plan.market_feed_delay)
        mid_price = trade.planned_mid_price if rested or is_old else None
        if trade.is_buy():
            after = pricing.get_buy_price(ts, trade.pair, trade.executed_reserve, mid_price=mid_price)
        else:
            after = pricing.get_sell_price(ts, trade.pair, abs(trade.get_position_quantity()), mid_price=mid_price)
        trade.post_execution_price_structure = after
        closed = portfolio.closed_positions.get(trade.position_id)
        if closed is not None and closed.pending_trades:
            expire_waiting_orders(closed, ts)
