"""Costs of a trade: fees, taxes, gas and slippage."""

from decimal import Decimal

from tradeexecutor.state.errors import WrongTradeStatus
from tradeexecutor.state.trade.fields import TradeFields, TradeStatus
from tradeexecutor.state.trade.lifecycle import get_status
from tradeexecutor.state.trade.predicates import is_buy, is_spot
from tradeexecutor.state.types import BPS, USDollarAmount


def get_fees_paid(trade: TradeFields) -> USDollarAmount | list[USDollarAmount | None]:
    """Return the LP fees of a finished trade, USD; 0 for a failed one.

    Raises
    ------
    WrongTradeStatus
        The trade has no outcome yet.
    """
    status = get_status(trade)
    if status is TradeStatus.success:
        return trade.lp_fees_paid or 0
    if status is TradeStatus.failed:
        return 0
    raise WrongTradeStatus(f"trade #{trade.trade_id} is {status.value}, its fees are unknown", trade.trade_id, status)


def get_token_tax_paid(trade: TradeFields) -> USDollarAmount:
    """Return the transfer tax of the token, USD; 0 if unknown."""
    if not is_spot(trade) or trade.price_structure is None:
        return 0
    return trade.price_structure.token_tax or 0


def get_cost_of_gas_usd(trade: TradeFields) -> USDollarAmount | None:
    """Return gas cost times the price of the gas token, USD; None if either is unknown."""
    if trade.cost_of_gas is None or trade.native_token_price is None or trade.native_token_price <= 0:
        return None
    return float(Decimal(str(trade.cost_of_gas)) * Decimal(str(trade.native_token_price)))


def get_slippage(trade: TradeFields) -> BPS:
    """Return ``(executed price - planned price) / planned price``, a fraction.

    The sign differs by direction: for a buy a positive result is worse, for a sell a negative one. `get_execution_cost`
    has the same sign for both.

    Raises
    ------
    WrongTradeStatus
        The trade is not executed.
    """
    if trade.executed_price is None:
        raise WrongTradeStatus(f"trade #{trade.trade_id} is not executed", trade.trade_id, get_status(trade))
    return (trade.executed_price - trade.planned_price) / trade.planned_price


def get_execution_cost(trade: TradeFields) -> BPS:
    """Return how much worse than planned the fill was, as a fraction; negative if it was better."""
    slippage = get_slippage(trade)
    return slippage if is_buy(trade) else -slippage
