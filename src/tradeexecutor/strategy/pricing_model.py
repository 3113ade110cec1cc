"""The price of a trade before it is made."""

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
    """Tells what a trade would cost now.

    Prices are in reserve currency per unit of the base asset. A buy price is at or above the mid price, a sell
    price at or below it: fees and expected price impact are part of it.
    """

    @abstractmethod
    def get_mid_price(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float:
        """Return the price without fees.

        Raises
        ------
        PriceUnavailable
            No price at this time.
        """

    @abstractmethod
    def get_buy_price(
        self,
        ts: datetime.datetime,
        pair: TradingPairIdentifier,
        reserve: Decimal | None,
        mid_price: float | None = None,
    ) -> TradePricing:
        """Return the price of buying for `reserve` of the reserve currency; None asks for a negligible amount.

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
        """Return the price of selling `quantity` (positive) of the base asset; None asks for a negligible amount.

        `mid_price` replaces the market price for an order that rests in the market at that level.
        """

    @abstractmethod
    def get_pair_fee(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float | None:
        """Return the trading fee as a fraction (0.003 is 30 basis points), None when it is not known."""

    def can_trade(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> bool:
        """Return True if an order of `ts` finds a price of `ts`, the default; otherwise it waits for the next one."""
        return True

    def get_valuation_price(self, ts: datetime.datetime, pair: TradingPairIdentifier, quantity: Decimal) -> float:
        """Return the price a holding is valued at: what selling `quantity` would bring per unit."""
        return self.get_sell_price(ts, pair, quantity).price
