"""Rules of the markets of a simulation: sizes of orders, fees of resting orders, taxes of tokens, funding.

A strategy sets them as a parameter, for all pairs or by pair::

    class Parameters:
        market_terms = {
            "DOGE-USD": MarketTerms(buy_tax=0.01, sell_tax=0.02),
            "BTC-USD": MarketTerms(minimum_order=10.0, lot_size=Decimal("0.001"), tick_size=0.5, maker_fee=0.0),
        }
"""

import dataclasses
import math
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from tradeexecutor.accounting.raw_units import round_up_to_units, size_buy
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice
from tradeexecutor.strategy.funding import FundingRates

__all__ = ["MarketTerms"]


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """Rules of one market; the defaults are no rules at all.

    Attributes
    ----------
    minimum_order
        Smallest value of an order, reserve currency. What closes a position may be smaller.
    lot_size
        Quantities are multiples of it, base units; 0 for whole units of the token.
    tick_size
        Levels of resting orders are multiples of it, reserve currency; 0 for any price.
    maker_fee
        Fee of limit orders that rest in the market, a fraction; None for the fee of the pair, which all others pay.
    buy_tax, sell_tax
        What the token takes of each transfer out of and into the market, fractions.
    funding
        Rates that shorts and leveraged longs pay each other, see :mod:`tradeexecutor.strategy.funding`; None for none.

    Raises
    ------
    InvalidValue
        A figure is out of range.
    """

    minimum_order: USDollarAmount = 0.0
    lot_size: Decimal = Decimal(0)
    tick_size: USDollarPrice = 0.0
    maker_fee: Percent | None = None
    buy_tax: Percent = 0.0
    sell_tax: Percent = 0.0
    funding: FundingRates | None = None

    def __post_init__(self) -> None:
        for name in ("minimum_order", "lot_size", "tick_size"):
            size = getattr(self, name)
            if not math.isfinite(size) or size < 0:
                raise InvalidValue(f"{name} must not be negative nor endless, it is {size}")
        for name in ("maker_fee", "buy_tax", "sell_tax"):
            fraction = getattr(self, name)
            if fraction is not None and not 0 <= fraction < 1:
                raise InvalidValue(f"{name} is a fraction from 0 to 1, not {fraction}")

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """Return the largest multiple of the lot size that is not more than a positive quantity.

        >>> MarketTerms(lot_size=Decimal("0.05")).round_quantity(Decimal("0.17"))
        Decimal('0.15')
        """
        if not self.lot_size:
            return quantity
        return (quantity / self.lot_size).to_integral_value(ROUND_FLOOR) * self.lot_size

    def size_buy(
        self, budget: Decimal, price: Decimal, base_decimals: int, reserve_decimals: int
    ) -> tuple[Decimal, Decimal]:
        """Return how many base tokens a budget buys in whole lots, and their cost in reserve tokens."""
        quantity, cost = size_buy(budget, price, base_decimals, reserve_decimals)
        rounded = self.round_quantity(quantity)
        if rounded == quantity:
            return quantity, cost
        return rounded, min(round_up_to_units(rounded * price, reserve_decimals), budget)

    def round_price(self, price: USDollarPrice) -> USDollarPrice:
        """Return the multiple of the tick size that is nearest to a price.

        >>> MarketTerms(tick_size=0.25).round_price(10.1)
        10.0
        """
        if not self.tick_size:
            return price
        tick = Decimal(str(self.tick_size))
        return float((Decimal(str(price)) / tick).to_integral_value() * tick)

    def tax_buy(self, pricing: TradePricing, reserve: Decimal | None) -> TradePricing:
        """Return the price of a purchase for an amount of reserve currency with the tax on top."""
        if not self.buy_tax:
            return pricing
        fee = sum(rate or 0.0 for rate in pricing.pair_fee or ())
        tax = float(reserve or 0) / (1 + fee) * self.buy_tax
        return self._add_tax(pricing, pricing.price / (1 - self.buy_tax), tax, self.buy_tax)

    def tax_sell(self, pricing: TradePricing, quantity: Decimal | None) -> TradePricing:
        """Return the price of a sale of a quantity less the tax."""
        if not self.sell_tax:
            return pricing
        tax = float(quantity or 0) * pricing.mid_price * self.sell_tax
        return self._add_tax(pricing, pricing.price * (1 - self.sell_tax), tax, self.sell_tax)

    @staticmethod
    def _add_tax(pricing: TradePricing, price: float, tax: USDollarAmount, percent: Percent) -> TradePricing:
        """Return a price with a tax, which is part of the fees."""
        paid = (pricing.get_total_lp_fees()) * (1 - percent) + tax
        return dataclasses.replace(pricing, price=price, lp_fee=[paid], token_tax=tax, token_tax_percent=percent)

    def make_maker(self, pricing: TradePricing) -> TradePricing:
        """Return the price of a limit order that rested in the market."""
        fee = sum(rate or 0.0 for rate in pricing.pair_fee or ())
        if self.maker_fee is None or self.maker_fee == fee:
            return pricing
        own, tax = self.maker_fee, pricing.token_tax or 0.0
        keep = 1 - (pricing.token_tax_percent or 0.0)
        if pricing.side:
            price = pricing.mid_price * (1 + own) / keep
            share = own / fee * (1 + fee) / (1 + own) if fee else 0.0
        else:
            price = pricing.mid_price * (1 - own) * keep
            share = own / fee if fee else 0.0
        fees = (pricing.get_total_lp_fees() - tax) * share + tax
        return dataclasses.replace(pricing, price=price, lp_fee=[fees], pair_fee=[own])
