"""Prices of trades before they are executed."""

import datetime
from abc import ABC, abstractmethod
from decimal import Decimal

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.trade.pricing import TradePricing

__all__ = ["PriceUnavailable", "PricingModel"]


class PriceUnavailable(TradeExecutorError, LookupError):
    """The market has no price for the pair at this time, or only one that is too old."""


class PricingModel(ABC):
    """Model of the current prices of trades.

    Prices are in reserve currency per unit of the base asset. A buy price is at or above the mid price, a sell price at
    or below it, because they include fees and the expected price impact.
    """

    @abstractmethod
    def get_mid_price(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float:
        """Return the price without fees.

        Raises
        ------
        PriceUnavailable
            There is no price at this time.
        """

    @abstractmethod
    def get_buy_price(
        self,
        ts: datetime.datetime,
        pair: TradingPairIdentifier,
        reserve: Decimal | None,
        mid_price: float | None = None,
    ) -> TradePricing:
        """Return the price of buying for `reserve` of the reserve currency; None means a negligible amount.

        `mid_price` replaces the market price for an order that rests in the market at that level.
        """

    @abstractmethod
    def get_sell_price(
        self,
        ts: datetime.datetime,
        pair: TradingPairIdentifier,
        quantity: Decimal | None,
        mid_price: float | None = None,
    ) -> TradePricing:
        """Return the price of selling `quantity` (positive) of the base asset; None means a negligible amount.

        `mid_price` replaces the market price for an order that rests in the market at that level.
        """

    @abstractmethod
    def get_pair_fee(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float | None:
        """Return the trading fee as a fraction (0.003 is 30 basis points); None if it is unknown."""

    def can_trade(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> bool:
        """Return True if there is a price at `ts`; otherwise orders are queued until the next one. By default True."""
        return True

    def get_valuation_price(self, ts: datetime.datetime, pair: TradingPairIdentifier, quantity: Decimal) -> float:
        """Return the price for valuation: the proceeds per unit of selling `quantity`."""
        return self.get_sell_price(ts, pair, quantity).price
