"""Slippage model that fills a trade at the current price instead of its planned price."""

import datetime
from decimal import Decimal
from typing import Protocol

from tradeexecutor.execution.slippage import MarketTooThin, SlippageModel
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.trade import TradeExecution

__all__ = ["CurrentPriceSlippage", "PriceSource"]


class PriceSource(Protocol):
    """Source of the price of buying or selling at a time."""

    def __call__(self, ts: datetime.datetime, pair: TradingPairIdentifier, /, *, is_buy: bool) -> float | None:
        """Return the price including fees, reserve currency per base token; None when there is none."""
        ...


class CurrentPriceSlippage(SlippageModel):
    """Slippage model that fills trades at the current price, not the planned one; used when trades are tried again.

    Parameters
    ----------
    prices
        Source of current prices.
    extra
        Fraction by which trades fill at a worse price than the current one.

    Notes
    -----
    The slippage is negative when the market has moved in favour of the trade.
    """

    def __init__(self, prices: PriceSource, extra: float = 0.0):
        self.prices = prices
        self.extra = extra

    def get_slippage(self, ts: datetime.datetime, trade: TradeExecution) -> float:
        """Return the fraction by which the current price is worse than planned; `MarketTooThin` without a price."""
        is_buy = trade.is_buy()
        price = self.prices(ts, trade.pair, is_buy=is_buy)
        if price is None:
            raise MarketTooThin(f"{trade.pair.get_ticker()} has no price at {ts}")
        planned, current = Decimal(trade.planned_price), Decimal(price)
        ratio = planned / current if is_buy else current / planned
        return float(1 - ratio * (1 - Decimal(self.extra)))
