"""The sums over the trades of a spot position that its samples contain, for as long as they are certain to be the same.

With the sums, a sample follows from the price of the position alone.
"""

# Reads the running totals of the trades, and the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import dataclasses
import datetime
from collections.abc import Iterable
from typing import TypeAlias

from tradeexecutor.accounting.values import MAX_NUMBER
from tradeexecutor.state.codec.short_constructor import make_short_constructor
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.profit import get_realised_profit_usd
from tradeexecutor.state.position.quantity import sum_quantities
from tradeexecutor.state.position.value import get_average_entry_price
from tradeexecutor.state.position_internal_share_price import PositionInternalSharePriceState
from tradeexecutor.state.statistics import PositionStatistics
from tradeexecutor.state.trade.totals import TradesById, TradeTotals
from tradeexecutor.state.types import USDollarAmount, USDollarPrice

__all__ = ["FIGURES", "Figures", "SpotHolding", "make_holding"]

_SPOT = TradingPairKind.spot_market_hold

_FIELDS = [field.name for field in dataclasses.fields(PositionStatistics)]
_make_sample = make_short_constructor(PositionStatistics, _FIELDS, InvalidValue)

#: The fields of a sample that follow from the price: all after the two times.
FIGURES = _FIELDS[2:]
#: Their values.
Figures: TypeAlias = tuple[float, ...]


class SpotHolding:
    """The sums, and how to see that they still hold.

    Attributes
    ----------
    position
        The position.
    tokens, quantity
        What counts as equity and what the trades add up to, base token units.
    realised, invested
        Realised profit and value of the buys, USD.
    entry_price
        Average price of the buys, USD.
    share_supply, initial_share_price
        Number of the internal shares, and their price at the opening, USD.
    """

    __slots__ = (
        "_count",
        "_pair",
        "_shares",
        "_totals",
        "_trades",
        "entry_price",
        "initial_share_price",
        "invested",
        "position",
        "quantity",
        "realised",
        "share_supply",
        "tokens",
    )

    def __init__(
        self,
        position: TradingPosition,
        trades: TradesById,
        totals: TradeTotals,
        shares: PositionInternalSharePriceState,
    ) -> None:
        self.position, self._pair = position, position.pair
        self._trades, self._totals, self._count = trades, totals, len(trades)
        self._shares = shares
        self.share_supply, self.initial_share_price = shares.total_supply, shares.initial_share_price
        self.tokens = float(totals.tokens)
        self.quantity = float(sum_quantities(position, totals, ()))
        self.realised: USDollarAmount = get_realised_profit_usd(position) or 0 if totals.has_sells else 0
        self.entry_price: USDollarPrice = get_average_entry_price(position, totals)
        self.invested: USDollarAmount = totals.bought_usd

    def is_same(self, position: TradingPosition) -> bool:
        """Return True if this is the position, the sums are still those of its trades, and its price is usual."""
        trades, shares, price = self._trades, self._shares, position._last_token_price
        return (
            position is self.position
            and position._trades is trades
            and trades._settled is self._totals
            and len(trades) == self._count  # a change of the others makes new totals
            and position.share_price_state is shares
            and shares.total_supply is self.share_supply
            and shares.initial_share_price is self.initial_share_price
            and type(price) is float
            and 0 <= price <= MAX_NUMBER
            and position.pair is self._pair
            and position.closed_at is None
            and position.frozen_at is None
            and position.loan is None
            and not position._balance_updates
        )

    def is_moderate(self) -> bool:
        """Return True if tokens are held, and no product of a sum with a price is too large, so that nothing is NaN."""
        return (
            0 < self.tokens <= MAX_NUMBER
            and abs(self.quantity) <= MAX_NUMBER
            and abs(self.realised) <= MAX_NUMBER
            and abs(self.invested) <= MAX_NUMBER
            and abs(self.entry_price) <= MAX_NUMBER
        )

    def calculate(self, price: USDollarPrice) -> Figures:
        """Return the figures of a sample at a price, USD, with the formulas of `calculate_position_statistics`."""
        profit = self.realised + ((price - self.entry_price) * self.quantity + 0.0)
        assets = self.quantity * price
        supply, initial_price = self.share_supply, self.initial_share_price
        share_price = assets / supply
        return (
            profit / self.invested if self.invested else 0,
            profit,
            self.quantity,
            self.tokens * price,
            share_price,
            supply,
            share_price / initial_price - 1,
            assets - supply * initial_price,
            price,
        )

    def make_sample(
        self, ts: datetime.datetime, valued_at: datetime.datetime, price: USDollarPrice
    ) -> PositionStatistics:
        """Return the sample of the position at a price, USD, and the time of the price, naive UTC."""
        return _make_sample(ts, valued_at, *self.calculate(price))

    def get_values(self, prices: Iterable[USDollarPrice]) -> list[USDollarAmount]:
        """Return the values in the samples at these prices, USD."""
        tokens = self.tokens
        return [tokens * price for price in prices]


def make_holding(position: TradingPosition) -> SpotHolding | None:
    """Return the sums of a position; None if they do not determine its samples together with the price."""
    trades, shares = position._trades, position.share_price_state
    if position.pair.kind is not _SPOT or not isinstance(trades, TradesById):
        return None
    if shares is None or not shares.total_supply > 0 or not shares.initial_share_price > 0:
        return None
    totals, rest = trades.count_settled()
    if rest or totals.waiting or totals.locked_reserve or not trades:
        return None
    holding = SpotHolding(position, trades, totals, shares)
    return holding if holding.is_moderate() and holding.is_same(position) else None
