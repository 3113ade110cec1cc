"""Profit of a position, measured like that of a fund: the position issues shares, and their price shows the profit.

A purchase issues shares at the present share price, so the price does not change. A sale sets the share price and
redeems shares in proportion. All figures are floats: this is a performance measure, not bookkeeping.

In the example 2 tokens are bought at 1500 and 1 at 1800, and 1.2 are sold at 2000:

>>> bought = buy_shares(SharePrice.open(value=3000.0, quantity=2.0), value=1800.0, quantity=1.0)
>>> bought.total_supply, bought.current_share_price
(4800.0, 1.0)
>>> sold = sell_shares(bought, quantity=1.2, price=2000.0)
>>> sold.total_supply, sold.current_share_price, sold.cumulative_quantity
(2880.0, 1.25, 1.8)
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

#: Largest relative error of sums of floats.
_ROUNDING = 1e-12


class SharePrice(NamedTuple):
    """Shares of a position."""

    #: Assets divided by supply, USD per share, at the latest sale.
    current_share_price: float
    #: Number of shares that exist.
    total_supply: float
    #: Tokens held.
    cumulative_quantity: float
    #: All money ever invested, USD.
    total_invested: float
    #: Highest supply ever.
    peak_total_supply: float
    initial_share_price: float = 1.0

    @classmethod
    def open(cls, value: float, quantity: float, initial_share_price: float = 1.0) -> "SharePrice":
        """Issue the first shares for tokens worth `value` USD, at `initial_share_price` USD each.

        >>> SharePrice.open(value=3000.0, quantity=2.0).total_supply
        3000.0
        """
        supply = value / initial_share_price
        return make_share_price((initial_share_price, supply, quantity, value, supply, initial_share_price))


#: Makes a `SharePrice` from the tuple of its values. The constructor takes four times as long, and every trade makes
#: two of them.
make_share_price: Callable[[tuple[float, float, float, float, float, float]], SharePrice] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]
    SharePrice,
)


def buy_shares(shares: SharePrice, value: float, quantity: float) -> SharePrice:
    """Issue shares for tokens bought for `value` USD; the share price does not change.

    When the share price has fallen to zero, shares are issued at the initial price.
    """
    share_price, supply, held, invested, peak, initial = shares
    supply += value / (share_price or initial)
    return make_share_price((share_price, supply, held + quantity, invested + value, max(peak, supply), initial))


def sell_shares(shares: SharePrice, quantity: float, price: float) -> SharePrice:
    """Redeem shares for `quantity` tokens (positive) sold at `price`; the sale sets the share price.

    A remainder within the rounding error is set to exactly zero: a tiny number of remaining shares would make a closed
    position look like a total loss.
    """
    share_price, supply, held, invested, peak, initial = shares
    if held <= 0:
        return shares
    if supply > 0:
        share_price = held * price / supply
    left = held - quantity
    if left <= held * _ROUNDING:
        return make_share_price((share_price, 0.0, min(left, 0.0), invested, peak, initial))
    return make_share_price((share_price, supply - supply * quantity / held, left, invested, peak, initial))


def change_assets(shares: SharePrice, quantity: float) -> SharePrice:
    """Add a gain or loss (tokens, signed) that nobody paid for; the supply of shares does not change.

    Example: an account of 1000 dollars gains 50:

    >>> change_assets(SharePrice.open(1000.0, 1000.0), 50.0).current_share_price
    1.05
    """
    held = shares.cumulative_quantity + quantity
    share_price = held / shares.total_supply if shares.total_supply else shares.current_share_price
    return shares._replace(current_share_price=share_price, cumulative_quantity=held)


class SharePriceProfit(NamedTuple):
    """Result of `calculate_profit`."""

    current_share_price: float
    #: Value of the position, USD.
    total_assets: float
    #: Profit as a fraction.
    profit_pct: float
    profit_usd: float


def calculate_profit(
    current_share_price: float,
    total_supply: float,
    total_invested: float,
    initial_share_price: float,
    *,
    quantity: float,
    mark_price: float,
    total_sold: float,
) -> SharePriceProfit:
    """Return the profit of a position from its shares.

    While there are shares, ``profit = assets - supply * initial price``; afterwards it is `total_sold` less
    `total_invested`. Example: 1.8 tokens of the position above at 2100:

    >>> calculate_profit(1.25, 2880.0, 4800.0, 1.0, quantity=1.8, mark_price=2100.0, total_sold=2400.0)
    SharePriceProfit(current_share_price=1.3125, total_assets=3780.0, profit_pct=0.3125, profit_usd=900.0)

    Parameters
    ----------
    quantity, mark_price
        Tokens held now and their price, USD.
    total_sold
        USD received in all sales; used when no shares are left.
    """
    assets = quantity * mark_price
    if total_supply > 0:
        share_price = assets / total_supply
        profit_usd = assets - total_supply * initial_share_price
    else:
        share_price = current_share_price
        profit_usd = total_sold - total_invested
    return SharePriceProfit(share_price, assets, share_price / initial_share_price - 1, profit_usd)
