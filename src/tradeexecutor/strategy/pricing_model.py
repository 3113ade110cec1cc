"""Prices of trades before they are executed."""

import datetime
from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.pricing import TradePricing

__all__ = ["FixedPricing", "PriceUnavailable", "PricingModel"]


class PriceUnavailable(TradeExecutorError, LookupError):
    """The market has no price for the pair at this time, or only one that is too old."""


class PricingModel(ABC):
    """Model of the current prices of trades.

    Prices are in reserve currency per unit of the base asset. A buy price is at or above the mid price, a sell price at
    or below it, because they include fees and the expected price impact.

    Attributes
    ----------
    latency
        Time between a decision and the arrival of its orders in the market. Only simulations have one: real orders take
        the time that they take.
    """

    latency: datetime.timedelta = datetime.timedelta(0)

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

    def find_settlement_price(self, ts: datetime.datetime, trade: TradeExecution) -> float | None:
        """Return the price at which a request to a vault settles now, fees included; None while there is none."""
        try:
            if trade.is_buy():
                return self.get_buy_price(ts, trade.pair, trade.get_vault_settlement_request_reserve()).price
            return self.get_sell_price(ts, trade.pair, -trade.get_vault_settlement_request_quantity()).price
        except PriceUnavailable:
            return None

    def can_trade(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> bool:
        """Return True if there is a price at `ts`; otherwise orders are queued until the next one. By default True."""
        return True

    def get_valuation_price(self, ts: datetime.datetime, pair: TradingPairIdentifier, quantity: Decimal) -> float:
        """Return the price for valuation: the proceeds per unit of selling `quantity`."""
        return self.get_sell_price(ts, pair, quantity).price


class FixedPricing(PricingModel):
    """Prices that do not change, for tests.

    Parameters
    ----------
    pair_prices
        Mid price of each pair, or one price for all.
    fee
        Trading fee of all pairs, a fraction.
    """

    def __init__(self, pair_prices: Mapping[TradingPairIdentifier, float] | float, fee: float = 0.0):
        self.pair_prices = pair_prices
        self.fee = fee

    def get_mid_price(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float:
        """Return the price of the pair; raises `PriceUnavailable`."""
        if not isinstance(self.pair_prices, Mapping):
            return float(self.pair_prices)
        price = self.pair_prices.get(pair)
        if price is None:
            raise PriceUnavailable(f"there is no price of {pair.get_ticker()}")
        return float(price)

    def get_buy_price(
        self,
        ts: datetime.datetime,
        pair: TradingPairIdentifier,
        reserve: Decimal | None,
        mid_price: float | None = None,
    ) -> TradePricing:
        """Return the price with the fee on top."""
        mid = self.get_mid_price(ts, pair) if mid_price is None else mid_price
        lp_fee = float(reserve or 0) * self.fee
        return TradePricing(mid * (1 + self.fee), mid, lp_fee=[lp_fee], pair_fee=[self.fee], side=True)

    def get_sell_price(
        self,
        ts: datetime.datetime,
        pair: TradingPairIdentifier,
        quantity: Decimal | None,
        mid_price: float | None = None,
    ) -> TradePricing:
        """Return the price less the fee."""
        mid = self.get_mid_price(ts, pair) if mid_price is None else mid_price
        lp_fee = float(quantity or 0) * mid * self.fee
        return TradePricing(mid * (1 - self.fee), mid, lp_fee=[lp_fee], pair_fee=[self.fee], side=False)

    def get_pair_fee(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float | None:
        """Return the fee."""
        return self.fee
