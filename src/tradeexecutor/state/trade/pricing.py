"""Price quote of a trade: price, mid price, fees and taxes."""

# The checks below exist for callers without a type checker.
# pyright: reportUnnecessaryIsInstance=false

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from tradeexecutor.state.codec.bounds import check_values
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import InvalidValue, PriceImpactToleranceExceeded
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.types import BlockNumber, Duration, Percent, USDollarAmount, UTCDatetime

__all__ = ["PriceImpactToleranceExceeded", "TradePricing", "format_fees_dollars", "format_fees_percentage"]


@dataclass(slots=True, frozen=True)
class TradePricing(Serialisable):
    """Price estimate of one trade.

    Prices and fees are decoded without conversion: an integer is refused.

    Raises
    ------
    InvalidValue
        A price or fee is not exactly a float, or the fill price is on the wrong side of the mid price.
    """

    #: Expected fill price with fees, USD.
    price: int | float
    #: Mid price, USD.
    mid_price: int | float
    #: Fee per hop, USD. A scalar is put into a list, None becomes ``[None]``.
    lp_fee: list[int | float | None] | None = None
    #: Transfer tax of the token, USD; contained in `lp_fee`.
    token_tax: USDollarAmount | None = None
    #: Transfer tax of the token, a fraction.
    token_tax_percent: Percent | None = None
    #: Fraction per hop, 0.003 is 30 basis points. Scalars as for `lp_fee`.
    pair_fee: list[int | float | None] | None = None
    #: Age of the price data.
    market_feed_delay: Duration | None = None
    #: True for a buy, False for a sell.
    side: bool | None = None
    #: Pairs the trade is routed through.
    path: list[TradingPairIdentifier] | None = None
    #: Time at which the price was read; None if it was computed from candles.
    read_at: UTCDatetime | None = None
    #: Block at which the price was read; only live.
    block_number: BlockNumber | None = None
    #: Amount that goes into the trade, token units.
    token_in: Decimal | None = None
    #: Amount that comes out of it, token units.
    token_out: Decimal | None = None

    def __post_init__(self) -> None:
        if type(self.lp_fee) is not list:
            object.__setattr__(self, "lp_fee", _as_list(self.lp_fee))
        if type(self.pair_fee) is not list:
            object.__setattr__(self, "pair_fee", _as_list(self.pair_fee))
        check_values(self)
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        price, mid_price = self.price, self.mid_price
        if type(price) is not float:
            raise InvalidValue(f"price must be exactly a float, got {price!r}")
        if type(mid_price) is not float:
            raise InvalidValue(f"mid_price must be exactly a float, got {mid_price!r}")
        _check_fees("lp_fee", self.lp_fee)
        _check_fees("pair_fee", self.pair_fee)
        delay, side = self.market_feed_delay, self.side
        if delay is not None and not isinstance(delay, datetime.timedelta):
            raise InvalidValue(f"market_feed_delay must be a timedelta, got {delay!r}")
        if side is not None:
            if side and price < mid_price:
                raise InvalidValue(f"buy price {price} is below the mid price {mid_price}")
            if not side and price > mid_price:
                raise InvalidValue(f"sell price {price} is above the mid price {mid_price}")
        for pair in self.path or ():
            if type(pair) is not TradingPairIdentifier:
                raise InvalidValue(f"path must consist of trading pairs, got {pair!r}")

    def get_total_lp_fees(self) -> USDollarAmount:
        """Return the sum of the fees of all hops, USD; unknown fees count as zero."""
        return sum(fee for fee in self.lp_fee or () if fee)

    def get_fee_percentage(self) -> Percent | None:
        """Return the combined fee fraction of one or two hops; None if the fee of a hop is unknown or zero.

        >>> TradePricing(1.0, 1.0, pair_fee=[0.003, 0.01]).get_fee_percentage()
        0.012970000000000037
        """
        fees = [fee for fee in self.pair_fee or () if fee]
        if not fees or len(fees) != len(self.pair_fee or ()):
            return None
        if len(fees) == 1:
            return fees[0]
        if len(fees) == 2:
            return 1 - (1 - fees[0]) * (1 - fees[1])
        raise InvalidValue(f"cannot combine the fees of {len(fees)} hops")

    def get_price_impact(self) -> Percent:
        """Return the distance between fill price and mid price as a fraction of the mid price."""
        return abs((self.price - self.mid_price) / self.mid_price)


def _as_list(fees: Any) -> list[float | None]:
    return cast(list[float | None], fees if isinstance(fees, list) else [fees])


def _check_fees(name: str, fees: Any) -> None:
    if type(fees) is list and len(fees) == 1 and type(fees[0]) is float:  # pyright: ignore[reportUnknownArgumentType]
        return  # nearly always
    for fee in _as_list(fees):
        if fee is not None and type(fee) is not float:
            raise InvalidValue(f"{name} must consist of floats, got {fee!r}")


def format_fees_percentage(fees: Iterable[Percent | None]) -> str:
    """Return the text of fees, which are given in per cent; skips unknown fees.

    >>> format_fees_percentage([0.03, 0.5])
    '0.0300% 0.5000% '
    """
    return "".join(f"{fee:.4f}% " for fee in fees if fee is not None)


def format_fees_dollars(fees: Iterable[USDollarAmount | None] | USDollarAmount) -> str:
    """Return the text of one fee, or of the fee of each hop, in dollars; skips unknown fees.

    >>> format_fees_dollars(3.14159)
    '$3.14'
    >>> format_fees_dollars([30, 50])
    '$30.00 $50.00 '
    """
    if isinstance(fees, Iterable):
        return "".join(f"${fee:,.2f} " for fee in fees if fee is not None)
    return f"${fees:,.2f}"
