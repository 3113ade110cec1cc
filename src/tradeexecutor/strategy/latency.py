"""Orders that reach their market some time after the decision: at which price they fill.

A decision at `T` with a latency `L` reaches the market at `T + L`. If a candle starts then, the order fills at its
open. Inside a candle the price of a moment is not known; it is on one of the two paths of
`tradeexecutor.strategy.candle_path`, open - low - high - close or open - high - low - close, whose three legs are taken
to last a third of the candle each. The path with the worse price for the order counts: a purchase meets the rise first,
a sale the fall, and a latency close to zero gives a price close to the open.

What is in the market already, a stop loss or a loan that can be liquidated, meets the candle until the order arrives,
on the path that is worse for the position. After the arrival the position meets the rest of the candle.
"""

import datetime
import math
from typing import Any

from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.predicates import ARRIVES_KEY
from tradeexecutor.state.types import USDollarPrice
from tradeexecutor.strategy.candle_path import PriceRange

__all__ = [
    "find_share",
    "get_arrival",
    "get_range_before",
    "is_early",
    "price_moment",
    "read_latency",
    "share_of_candle",
]

#: Legs of the path of a candle.
_LEGS = 3

_NONE = datetime.timedelta(0)
#: A longer latency is a mistake in its unit.
_LONGEST = datetime.timedelta(days=365)


def read_latency(value: Any) -> datetime.timedelta:
    """Return a latency that is given as a duration, as a number of seconds, or as None for none.

    Raises
    ------
    InvalidValue
        It is something else, negative, or longer than a year.
    """
    found = value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        seconds = _LONGEST.total_seconds()
        found = datetime.timedelta(seconds=value) if 0 <= value <= seconds else None
    elif value is None:
        return _NONE
    if not isinstance(found, datetime.timedelta) or not _NONE <= found <= _LONGEST:
        text = str(value) if isinstance(value, datetime.timedelta) else repr(value)
        raise InvalidValue(f"latency must be a timedelta or a number of seconds, from 0 to a year, not {text}")
    return found


def get_arrival(trade: TradeExecution) -> datetime.datetime | None:
    """Return when a queued order reaches its market, naive UTC; None for one that was there at once."""
    text = (trade.other_data or {}).get(ARRIVES_KEY)
    return None if text is None else datetime.datetime.fromisoformat(text)


def find_share(trade: TradeExecution, start: datetime.datetime, end: datetime.datetime) -> float | None:
    """Return how far into a candle an order reaches its market, a fraction; None if it does not fill inside it."""
    arrives_at = get_arrival(trade)
    return None if arrives_at is None else share_of_candle(trade.opened_at, arrives_at, start, end)


def share_of_candle(
    decided_at: datetime.datetime, arrives_at: datetime.datetime, start: datetime.datetime, end: datetime.datetime
) -> float | None:
    """Return how far into a candle something arrives, 0-1; None if it does not arrive inside, or was decided inside.

    Nothing tells how far the price had moved by the time of a decision inside the candle.
    """
    if not start < arrives_at < end or decided_at > start:
        return None
    return (arrives_at - start) / (end - start)


def is_early(share: float) -> bool:
    """Return True if both extremes of a candle are still to come on both paths."""
    return share * _LEGS < 1


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


def get_range_before(prices: PriceRange, share: float, *, is_short: bool) -> PriceRange:
    """Return what an open position has met of a candle before something arrives inside it, at worst.

    In the first leg of the paths it is the way from the open towards the worse extreme: the low, and the high for a
    short. In the second one that extreme has been reached; in the third one the other extreme, too.

    Examples
    --------
    >>> candle = PriceRange(100.0, 130.0, 70.0, 110.0, datetime.datetime(2024, 1, 1))
    >>> before = get_range_before(candle, 0.1, is_short=False)
    >>> before.high, before.low, before.close
    (100.0, 91.0, 91.0)
    """
    price = price_moment(prices, share, is_buy=is_short)
    met = [prices.open, price]
    if not is_early(share):
        met.append(prices.high if is_short else prices.low)
    if share * _LEGS >= _LEGS - 1:
        met += [prices.high, prices.low]
    return PriceRange(prices.open, max(met), min(met), price, prices.start)
