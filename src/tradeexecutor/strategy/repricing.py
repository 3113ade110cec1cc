"""Planning a waiting trade again, at the price at which it fills."""

from decimal import Decimal

from tradeexecutor.accounting.raw_units import size_sale
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import USDollarPrice
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager

__all__ = ["reprice"]


def reprice(
    manager: PositionManager, trade: TradeExecution, mid_price: USDollarPrice | None, *, is_maker: bool = False
) -> bool:
    """Plan a resting or queued trade again, at the price at which it fills now.

    Parameters
    ----------
    manager
        Position manager for the time of the fill.
    trade
        A planned trade; a buy keeps its reserve amount, a sell its quantity.
    mid_price
        Price of the fill; None for the market price.
    is_maker
        Whether it pays the fee of resting limit orders.

    Returns
    -------
    bool
        False when the reserve amount buys less than a unit of the token or a lot; then nothing has changed.
    """
    ts, decimals = manager.timestamp, trade.reserve_currency.decimals
    terms = manager.strategy_universe.get_terms(trade.pair)
    if trade.is_buy():
        pricing = manager.pricing_model.get_buy_price(ts, trade.pair, trade.planned_reserve, mid_price=mid_price)
        pricing = terms.make_maker(pricing) if is_maker else pricing
        price = Decimal(pricing.price)
        quantity, cost = terms.size_buy(trade.planned_reserve, price, trade.pair.base.decimals, decimals)
        if not quantity:
            return False
        trade.planned_quantity, trade.planned_reserve = quantity, cost
    else:
        quantity = -trade.planned_quantity
        pricing = manager.pricing_model.get_sell_price(ts, trade.pair, quantity, mid_price=mid_price)
        pricing = terms.make_maker(pricing) if is_maker else pricing
        trade.planned_reserve = size_sale(quantity, Decimal(pricing.price), decimals)
    trade.planned_price = pricing.price
    trade.planned_mid_price = pricing.mid_price
    trade.price_structure = pricing
    trade.lp_fees_estimated = float(pricing.get_total_lp_fees())
    return True
