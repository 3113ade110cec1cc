"""Profit of a position, measured like that of a fund: the position issues shares, and their price shows the profit.

A purchase issues shares at the present share price, so the price does not change. A sale sets the share price and
redeems shares in proportion. All figures are floats: this is a performance measure, not bookkeeping.

In the example 2 tokens are bought at 1500 and 1 at 1800, and 1.2 are sold at 2000:

>>> bought = buy_shares(open_shares(value=3000.0, quantity=2.0), value=1800.0, quantity=1.0)
>>> share_price, total_supply, *_ = bought
>>> total_supply, share_price
(4800.0, 1.0)
>>> share_price, total_supply, cumulative_quantity, *_ = sell_shares(bought, quantity=1.2, price=2000.0)
>>> total_supply, share_price, cumulative_quantity
(2880.0, 1.25, 1.8)
"""

from typing import NamedTuple, TypeAlias

#: Largest relative error of sums of floats.
_ROUNDING = 1e-12

#: Shares of a position: assets divided by supply at the latest sale, USD per share; number of shares that exist; tokens
#: held; all money ever invested, USD; highest supply ever; share price at the opening, USD per share. A plain tuple,
#: because each trade unpacks two of them, which takes five times as long with names.
Shares: TypeAlias = tuple[float, float, float, float, float, float]


def open_shares(value: float, quantity: float, initial_share_price: float = 1.0) -> Shares:
    """Issue the first shares for tokens worth `value` USD, at `initial_share_price` USD each.

    >>> open_shares(value=3000.0, quantity=2.0)
    (1.0, 3000.0, 2.0, 3000.0, 3000.0, 1.0)
    """
    supply = value / initial_share_price
    return initial_share_price, supply, quantity, value, supply, initial_share_price


def buy_shares(shares: Shares, value: float, quantity: float) -> Shares:
    """Issue shares for tokens bought for `value` USD; the share price does not change.

    When the share price has fallen to zero, shares are issued at the initial price.
    """
    share_price, supply, held, invested, peak, initial = shares
    supply += value / (share_price or initial)
    return share_price, supply, held + quantity, invested + value, supply if supply > peak else peak, initial


def sell_shares(shares: Shares, quantity: float, price: float) -> Shares:
    """Redeem shares for `quantity` tokens (positive) sold at `price`; the sale sets the share price.

    A remainder within the rounding error is set to exactly zero: a tiny number of remaining shares would make a closed
    position look like a total loss.
    """
    share_price, supply, held, invested, peak, initial = shares
    if held <= 0.0:
        return shares
    if supply > 0.0:
        share_price = held * price / supply
    left = held - quantity
    if left <= held * _ROUNDING:
        return share_price, 0.0, min(left, 0.0), invested, peak, initial
    return share_price, supply - supply * quantity / held, left, invested, peak, initial


def change_assets(shares: Shares, quantity: float) -> Shares:
    """Add a gain or loss (tokens, signed) that nobody paid for; the supply of shares does not change.

    Example: an account of 1000 dollars gains 50:

    >>> change_assets(open_shares(1000.0, 1000.0), 50.0)[0]
    1.05
    """
    share_price, supply, held, invested, peak, initial = shares
    held += quantity
    return held / supply if supply else share_price, supply, held, invested, peak, initial


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
