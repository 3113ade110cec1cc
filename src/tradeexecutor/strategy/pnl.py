"""Profit of positions: the import path that strategies use."""

from tradeexecutor.state.position.annual_profit import calculate_pnl_generic
from tradeexecutor.state.position.pnl import ProfitData, calculate_pnl, calculate_share_price_pnl

__all__ = ["ProfitData", "calculate_pnl", "calculate_pnl_generic", "calculate_share_price_pnl"]
