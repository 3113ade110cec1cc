"""Simulated fills of trades on loans: shorts, leveraged longs and credit supplies."""

import datetime
from decimal import Decimal

import msgspec

from tradeexecutor.state.trade import Fill, TradeExecution, TradeFlag
from tradeexecutor.state.trade.amounts import sum_fees

__all__ = ["calculate_loan_fill", "has_market"]


def has_market(trade: TradeExecution) -> bool:
    """Return True if a trade meets a market, where it can slip: not a supply of credit, and not a liquidation."""
    return not trade.is_credit_supply() and not trade.is_liquidation()


def calculate_loan_fill(ts: datetime.datetime, trade: TradeExecution, slippage: float) -> Fill:
    """Return the fill of a trade on a loan: what was planned, with a swap that is worse by the slippage.

    The collateral of a short pays for the slippage, a leveraged long borrows it. When either closes, less is released.
    """
    fill = Fill(
        executed_at=ts,
        price=float(trade.planned_price),
        quantity=trade.planned_quantity,
        reserve=trade.planned_reserve,
        lp_fees=float(sum_fees(trade.lp_fees_estimated)),
        native_token_price=1.0,
        collateral_consumption=trade.planned_collateral_consumption,
        collateral_allocation=trade.planned_collateral_allocation,
    )
    swapped, allocation = trade.planned_collateral_consumption, trade.planned_collateral_allocation
    if not slippage or not swapped:
        return fill
    keep = 1 - Decimal(slippage)
    factor = keep if swapped > 0 else 1 / keep
    if allocation is not None and TradeFlag.close in (trade.flags or ()):
        allocation = min(allocation - swapped * (factor - 1), Decimal(0))
    return msgspec.structs.replace(
        fill,
        price=fill.price * float(factor),
        collateral_consumption=swapped * factor,
        collateral_allocation=allocation,
    )
