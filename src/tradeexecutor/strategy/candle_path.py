"""The path of the price through a candle, and the resting orders that it fills.

A candle has four prices: open, high, low and close. The order of high and low is not known. So there are two possible
paths::

    open - low - high - close
    open - high - low - close

Both are simulated, level by level, and the worse result is used, measured by the value of the positions of the pair at
the close, before fees. A level that both paths cross fills in any case; of two levels in unknown order the worse one
fills first. Prices after the close of the candle are never used.

These rules apply on a path, in order of priority:

1. An order that the current price already satisfies fills at that price. At the open this is a gap over the level;
   after an entry it is an exit level on the wrong side of it.
2. Otherwise the next level in the direction of the move fills, at the level.
3. At one price stop losses fill before other sells, sells before buys.
4. A trailing stop loss follows each new high at once.
5. An order that was placed, or a level that was moved, while the candle was in progress is compared with the close
   only, because high and low may have been before that.
6. An order that lapses inside the candle may or may not fill: both cases are simulated, and the worse one is used.

A single price, as in live trading, is a path of one point.
"""

import datetime
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.state.trigger import Trigger
from tradeexecutor.state.types import USDollarPrice

__all__ = ["Book", "Condition", "Hit", "PriceRange", "RestingOrder", "Walk", "get_rest", "walk_candle", "walk_path"]

#: Share of a position below which a remainder counts as zero.
_EMPTY = 1e-9


@dataclass(frozen=True, slots=True)
class PriceRange:
    """Range of the mid price since the last check.

    Attributes
    ----------
    open, high, low, close
        Prices; all equal for a single moment.
    start
        Start of the range, naive UTC; None for a single moment.
    """

    open: USDollarPrice
    high: USDollarPrice
    low: USDollarPrice
    close: USDollarPrice
    start: datetime.datetime | None = None

    @staticmethod
    def at(price: USDollarPrice) -> "PriceRange":
        """Return the range of a single moment."""
        return PriceRange(price, price, price, price)

    def get_paths(self) -> tuple[tuple[USDollarPrice, ...], ...]:
        """Return the possible paths of the price; a single moment has one path of one point."""
        if self.start is None:
            return ((self.open,),)
        return (
            (self.open, self.low, self.high, self.close),
            (self.open, self.high, self.low, self.close),
        )


def get_rest(
    prices: PriceRange,
    price: USDollarPrice,
    start: datetime.datetime | None,
    *,
    is_short: bool = False,
    counts_best: bool = False,
) -> PriceRange:
    """Return the rest of a candle from a price inside it, for the levels of a position.

    The worse extreme of the candle counts, which is the low, and the high for a short. The better one may have come
    before.

    Parameters
    ----------
    prices
        The candle.
    price
        Price at which the rest begins.
    start
        Since when the rest lasts, naive UTC, for rule 5 of this module.
    is_short
        Whether the position gains when the price falls.
    counts_best
        Whether the better extreme counts, too, because it is certainly still to come.
    """
    low = prices.low if counts_best or not is_short else prices.close
    high = prices.high if counts_best or is_short else prices.close
    return PriceRange(price, max(price, high), min(price, low), prices.close, start)


@dataclass(frozen=True, slots=True)
class Condition:
    """One level of a resting order.

    Attributes
    ----------
    level
        Mid price; minus infinity, which any price satisfies, for a time that has passed.
    rising
        Whether prices at or above the level satisfy the condition; otherwise those at or below it.
    trigger
        Trigger that is recorded in the trade.
    """

    level: USDollarPrice
    rising: bool
    trigger: Trigger | None = None

    def is_met(self, price: USDollarPrice) -> bool:
        """Return True if a price satisfies the condition."""
        return price >= self.level if self.rising else price <= self.level


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """A resting trade; the first of its conditions that is met fills it.

    Attributes
    ----------
    trade
        The resting trade.
    conditions
        Conditions, at least one.
    amount
        Base units to sell, or reserve currency to spend.
    sells_rest
        Whether the order sells the whole remaining quantity.
    meets_close_only, may_expire
        See rules 5 and 6 of this module.
    """

    trade: TradeExecution
    conditions: tuple[Condition, ...]
    amount: float
    sells_rest: bool = False
    meets_close_only: bool = False
    may_expire: bool = False

    @property
    def opens(self) -> bool:
        """Whether it adds to its position: a buy, or a sale of a short."""
        return self.trade.is_buy() is not self.trade.is_short()


@dataclass(slots=True)
class Book:
    """Levels and resting orders of one position.

    Attributes
    ----------
    position
        The position; not changed.
    held
        Quantity, base units.
    stop_loss, take_profit
        Levels that close the position, mid prices.
    trailing
        Fraction of the highest price that the stop loss follows.
    orders
        Resting orders.
    levels_meet_close_only
        See rule 5 of this module.
    trailed_to
        Price that last moved the trailing stop loss; None if it has not moved.
    liquidation
        Level at which the loan of a leveraged position is liquidated, mid price; None without one.
    penalty
        What a liquidation costs, a fraction of the price.
    """

    position: TradingPosition
    held: float
    stop_loss: float | None
    take_profit: float | None
    trailing: float | None
    orders: list[RestingOrder] = field(default_factory=list[RestingOrder])
    levels_meet_close_only: bool = False
    trailed_to: float | None = None
    liquidation: float | None = None
    penalty: float = 0.0

    def trail(self, price: USDollarPrice) -> None:
        """Raise the trailing stop loss for a new highest price."""
        if self.trailing is None or not self.held:
            return
        level = price * self.trailing
        if self.stop_loss is None or level > self.stop_loss:
            self.stop_loss = level
            self.trailed_to = price


@dataclass(frozen=True, slots=True)
class Hit:
    """An order that filled on a path.

    Attributes
    ----------
    position
        Position of the order.
    order
        The resting order; None for a level of the position, which closes it.
    trade_type
        `TradeType.stop_loss` or `TradeType.take_profit` of a level; None for a resting order and for a liquidation.
    condition
        The condition that was met.
    price
        Mid price of the fill.
    """

    position: TradingPosition
    order: RestingOrder | None
    trade_type: TradeType | None
    condition: Condition
    price: USDollarPrice


@dataclass(frozen=True, slots=True)
class Walk:
    """The result of one path.

    Attributes
    ----------
    hits
        Fills in order.
    books
        The books at the close.
    value
        Net proceeds in reserve currency plus the value of the positions at the close, before fees.
    """

    hits: list[Hit]
    books: list[Book]
    value: float


class _Candidate(NamedTuple):
    """A possible next fill: a resting order, or a level of the position if the order is None."""

    book: Book
    order: RestingOrder | None
    trade_type: TradeType | None
    condition: Condition

    def is_liquidation(self) -> bool:
        """Return True if it is no fill of the strategy."""
        return self.order is None and self.trade_type is None

    def get_rank(self) -> tuple[int, float]:
        """Return the priority among fills at one price, then by level.

        Liquidations come first, then stop losses, other exits, passed times, entries.
        """
        condition = self.condition
        level = condition.level if condition.rising else -condition.level
        if self.order is not None and self.order.opens:
            return 3, level
        if self.is_liquidation():
            return -1, level
        if condition.level == -math.inf:
            return 2, level
        return (1, level) if condition.rising else (0, level)


def walk_candle(books: Sequence[Book], prices: PriceRange) -> Walk:
    """Return the worst result of the possible paths of the price.

    Parameters
    ----------
    books
        Books of all positions of one pair; they are not changed.
    prices
        Price range of the pair.
    """
    expires = any(order.may_expire for book in books for order in book.orders)
    outcomes = [
        walk_path(books, path, fills_expiring=fills_expiring)
        for path, fills_expiring in itertools.product(prices.get_paths(), (True, False) if expires else (True,))
    ]
    return min(outcomes, key=lambda outcome: outcome.value)


def walk_path(books: Sequence[Book], path: Sequence[USDollarPrice], *, fills_expiring: bool = True) -> Walk:
    """Return the result of one path; `fills_expiring` is whether orders that may expire in the candle fill."""
    copies = [
        replace(book, orders=[order for order in book.orders if fills_expiring or not order.may_expire])
        for book in books
    ]
    walker = _Walker(copies, path[0])
    walker.settle(at_close=len(path) == 1)
    for target in path[1:]:
        walker.move_to(target)
    walker.settle(at_close=True)
    value = walker.cash + sum(book.held for book in copies) * walker.price
    return Walk(walker.hits, copies, value)


@dataclass(slots=True)
class _Walker:
    books: list[Book]
    price: float
    cash: float = 0.0
    hits: list[Hit] = field(default_factory=list[Hit])

    def settle(self, *, at_close: bool = False) -> None:
        """Fill all orders and levels that the current price satisfies, at this price."""
        while True:
            met = [entry for entry in self._iterate_candidates(at_close=at_close) if entry.condition.is_met(self.price)]
            if not met:
                break
            self._fill(min(met, key=_Candidate.get_rank))
        for book in self.books:
            if at_close or not book.levels_meet_close_only:
                book.trail(self.price)

    def move_to(self, target: float) -> None:
        """Move the price to a target, and settle at each level in between."""
        rising = target > self.price
        while self.price != target:
            conditions = [entry.condition for entry in self._iterate_candidates(at_close=False)]
            ahead = [
                condition.level
                for condition in conditions
                if condition.rising is rising and condition.is_met(target) and not condition.is_met(self.price)
            ]
            if not ahead:
                self.price = target
            else:
                self.price = min(ahead) if rising else max(ahead)
            self.settle()

    def _iterate_candidates(self, *, at_close: bool) -> Iterator[_Candidate]:
        for book in self.books:
            if book.held and (at_close or not book.levels_meet_close_only):
                if book.liquidation is not None:
                    yield _Candidate(book, None, None, Condition(book.liquidation, rising=False))
                if book.stop_loss is not None:
                    yield _Candidate(book, None, TradeType.stop_loss, Condition(book.stop_loss, rising=False))
                if book.take_profit is not None:
                    yield _Candidate(book, None, TradeType.take_profit, Condition(book.take_profit, rising=True))
            for order in book.orders:
                if (at_close or not order.meets_close_only) and (book.held or order.opens):
                    for condition in order.conditions:
                        yield _Candidate(book, order, None, condition)

    def _fill(self, candidate: _Candidate) -> None:
        book, order, trade_type, condition = candidate
        self.hits.append(Hit(book.position, order, trade_type, condition, self.price))
        if order is not None:
            book.orders = [other for other in book.orders if other is not order]
            if order.opens:
                book.held += order.amount / self.price
                self.cash -= order.amount
                return
        sold = book.held if order is None or order.sells_rest else min(order.amount, book.held)
        rest = book.held - sold
        price = self.price * (1 - book.penalty) if candidate.is_liquidation() else self.price
        self.cash += sold * price
        book.held = rest if rest > _EMPTY * book.held else 0.0
        if not book.held:
            book.orders = []
