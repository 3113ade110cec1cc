"""Filling a trade at the price of today instead of the one it was planned at."""

import datetime
from decimal import Decimal
from typing import Protocol

from tradeexecutor.execution.slippage import MarketTooThin, SlippageModel
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.trade import TradeExecution

__all__ = ["CurrentPriceSlippage", "PriceSource"]


class PriceSource(Protocol):
    """Tells the price of buying or selling at a time."""

    def __call__(self, ts: datetime.datetime, pair: TradingPairIdentifier, /, *, is_buy: bool) -> float | None:
        """Return reserve currency per base token, with fees; None where there is no price."""
        ...


class CurrentPriceSlippage(SlippageModel):
    """Trades fill at the current price, whatever they were planned at: for trades that are tried again later.

    Parameters
    ----------
    prices
        Current prices.
    extra
        How much worse than the current price trades fill, a fraction.

    Notes
    -----
    The slippage is negative when the market has moved in favour of the trade.
    """

    def __init__(self, prices: PriceSource, extra: float = 0.0):
        self.prices = prices
        self.extra = extra

    def get_slippage(self, ts: datetime.datetime, trade: TradeExecution) -> float:
        """Return how much worse than planned the current price is; raise `MarketTooThin` without a price."""
        is_buy = trade.is_buy()
        price = self.prices(ts, trade.pair, is_buy=is_buy)
        if price is None:
            raise MarketTooThin(f"{trade.pair.get_ticker()} has no price at {ts}")
        planned, current = Decimal(trade.planned_price), Decimal(price)
        ratio = planned / current if is_buy else current / planned
        return float(1 - ratio * (1 - Decimal(self.extra)))
