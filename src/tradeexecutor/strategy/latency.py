"""Orders that reach their market some time after the decision: at which price they fill.

A decision at `T` with a latency `L` reaches the market at `T + L`. If a candle starts then, the order fills at its
open. Inside a candle the price of a moment is not known; it is on one of the two paths of
`tradeexecutor.strategy.candle_path`, open - low - high - close or open - high - low - close, whose three legs are taken
to last a third of the candle each. The path with the worse price for the order counts: a purchase meets the rise first,
a sale the fall, and a latency close to zero gives a price close to the open.
"""

import datetime

from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.predicates import ARRIVES_KEY
from tradeexecutor.state.types import USDollarPrice
from tradeexecutor.strategy.candle_path import PriceRange

__all__ = ["find_share", "get_arrival", "get_rest_after_buy", "price_moment"]

#: Legs of the path of a candle.
_LEGS = 3


def get_arrival(trade: TradeExecution) -> datetime.datetime | None:
    """Return when a queued order reaches its market, naive UTC; None for one that was there at once."""
    text = (trade.other_data or {}).get(ARRIVES_KEY)
    return None if text is None else datetime.datetime.fromisoformat(text)


def find_share(trade: TradeExecution, start: datetime.datetime, end: datetime.datetime) -> float | None:
    """Return how far into a candle an order reaches its market, 0-1; None if it does not fill inside this candle.

    An order of a decision that was made inside the candle does not: nothing tells how far its price had moved by then.
    """
    arrives_at = get_arrival(trade)
    if arrives_at is None or not start < arrives_at < end or trade.opened_at > start:
        return None
    return (arrives_at - start) / (end - start)


def price_moment(prices: PriceRange, share: float, *, is_buy: bool) -> USDollarPrice:
    """Return the price of an order that reaches its market inside a candle.

    Parameters
    ----------
    prices
        The candle.
    share
        How far into it, 0-1.
    is_buy
        Whether the higher of the two possible prices is the worse one.

    Examples
    --------
    >>> candle = PriceRange(100.0, 130.0, 70.0, 110.0, datetime.datetime(2024, 1, 1))
    >>> price_moment(candle, 0.1, is_buy=True), price_moment(candle, 0.1, is_buy=False)
    (109.0, 91.0)
    """
    leg, rest = divmod(share * _LEGS, 1)
    found = [path[int(leg)] + (path[int(leg) + 1] - path[int(leg)]) * rest for path in prices.get_paths()]
    price = max(found) if is_buy else min(found)
    return min(max(price, prices.low), prices.high)  # not beyond them by rounding


def get_rest_after_buy(prices: PriceRange, price: USDollarPrice, share: float, end: datetime.datetime) -> PriceRange:
    """Return the rest of a candle after a purchase at a price inside it, for the levels of the position.

    In the first leg of the paths both extremes are still to come. Later the low counts and the high does not, because
    it may have come before.
    """
    high = prices.high if share * _LEGS < 1 else prices.close
    return PriceRange(price, max(price, high), min(price, prices.low), prices.close, end)
