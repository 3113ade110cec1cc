"""Prices on chain: the present price of a trade of a given size, including fees and impact."""

import datetime
from collections.abc import Sequence
from decimal import Decimal

from tradeexecutor.ethereum.errors import ChainError, NotTradeable
from tradeexecutor.ethereum.venues.interface import Quote, Venue
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.strategy.pricing_model import PriceUnavailable, PricingModel

__all__ = ["EthereumPricing", "find_venue"]


def find_venue(venues: Sequence[Venue], pair: TradingPairIdentifier) -> Venue:
    """Return the venue that trades a pair; raises `NotTradeable` when none does."""
    for venue in venues:
        if venue.is_traded(pair):
            return venue
    raise NotTradeable(f"none of the configured venues trades {pair}")


class EthereumPricing(PricingModel):
    """Prices of the venues.

    Prices are those of the newest block; the requested time is ignored. A short has the prices of the token that it
    borrows. There are no resting orders on these venues, so the price of an order at `mid_price` is the market price,
    too.

    Parameters
    ----------
    venues
        Venues in order of preference: the first one that trades a pair is used.
    """

    def __init__(self, venues: Sequence[Venue]):
        self.venues = list(venues)

    def get_mid_price(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float:
        """Return the price without fees and impact, quote tokens per base token."""
        try:
            pair = pair.get_pricing_pair()
            return find_venue(self.venues, pair).get_mid_price(pair)
        except ChainError as error:
            raise PriceUnavailable(f"{pair.get_ticker()} has no price at {ts}: {error}") from error

    def get_buy_price(
        self,
        ts: datetime.datetime,
        pair: TradingPairIdentifier,
        reserve: Decimal | None,
        mid_price: float | None = None,
    ) -> TradePricing:
        """Return the price of a purchase for `reserve` quote tokens."""
        quote = self._quote(ts, pair, reserve, is_buy=True)
        price = max(float(quote.given / quote.taken), quote.mid_price)
        return _make(ts, pair, quote, price, float(quote.given) * quote.fee, is_buy=True)

    def get_sell_price(
        self,
        ts: datetime.datetime,
        pair: TradingPairIdentifier,
        quantity: Decimal | None,
        mid_price: float | None = None,
    ) -> TradePricing:
        """Return the price of a sale of `quantity` (positive) base tokens."""
        quote = self._quote(ts, pair, quantity, is_buy=False)
        price = min(float(quote.taken / quote.given), quote.mid_price)
        return _make(ts, pair, quote, price, float(quote.taken) * quote.fee, is_buy=False)

    def get_pair_fee(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float | None:
        """Return the fee of the pair, a fraction; None when unknown."""
        del ts
        return None if pair.fee is None else float(pair.fee)

    def _quote(
        self, ts: datetime.datetime, pair: TradingPairIdentifier, amount: Decimal | None, *, is_buy: bool
    ) -> Quote:
        if amount is not None and amount < 0:
            raise InvalidValue(f"ask for the price of a positive amount, not {amount}")
        try:
            pair = pair.get_pricing_pair()
            venue = find_venue(self.venues, pair)
            # The price of an amount of zero is the price of a negligible amount.
            quote = venue.quote_buy(pair, amount or None) if is_buy else venue.quote_sell(pair, amount or None)
        except ChainError as error:
            raise PriceUnavailable(f"{pair.get_ticker()} has no price at {ts}: {error}") from error
        if not quote.given or not quote.taken:
            raise PriceUnavailable(f"{pair.get_ticker()} has no price for {amount}: nothing would come of it")
        return quote


def _make(
    ts: datetime.datetime, pair: TradingPairIdentifier, quote: Quote, price: float, lp_fee: float, *, is_buy: bool
) -> TradePricing:
    return TradePricing(
        price=price,
        mid_price=quote.mid_price,
        lp_fee=[lp_fee],
        pair_fee=[quote.fee],
        side=is_buy,
        path=[pair],
        read_at=ts,
        block_number=quote.block_number,
        token_in=quote.given,
        token_out=quote.taken,
    )
