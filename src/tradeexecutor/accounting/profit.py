"""What was earned: realised and unrealised profit, as dollars, as a fraction of what was put in, and per year.

USD amounts are floats and fractions are floats (0.05 is 5 %).  Quantities are `Decimal` token units and enter a
product as the nearest float.  The order of the operations is part of each definition: recorded figures have its
rounding.

The examples are one spot position: 2 bought at 1500 and 1 at 1800 (4800 USD, 1600 on average), 1.2 sold at 2000, and
1.8 left when the price is 2100.

>>> realised = calculate_realised_profit(1600.0, 2000.0, Decimal("1.2"))
>>> unrealised = calculate_unrealised_profit(2100.0, 1600.0, Decimal("1.8"))
>>> realised, unrealised, get_fraction(realised + unrealised, 4800.0)
(480.0, 900.0, 0.2875)
"""

import datetime
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

#: Profit per year means 365 days.
YEAR = datetime.timedelta(days=365)


# --- USD


def calculate_realised_profit(average_buy: float, average_sell: float, closed: Decimal) -> float:
    """Return the profit of what was bought and sold, ``(average sell - average buy) * closed``, USD.

    The order of buying and selling does not matter, so the formula is also that of a short, which sells first.  A
    short of 1 at 2000 that was bought back at 1800:

    >>> calculate_realised_profit(1800.0, 2000.0, Decimal(1))
    200.0
    >>> calculate_realised_profit(1500.0, 0.0, Decimal(0))
    0

    Parameters
    ----------
    average_buy, average_sell
        USD per token, over all buys and all sells.
    closed
        Tokens that were both bought and sold: sold by a long, bought back by a short.
    """
    return (average_sell - average_buy) * float(closed) if closed else 0


def get_closed_short_quantity(bought_back: Decimal, repaid_interest: Iterable[Decimal]) -> Decimal:
    """Return how much of a short was closed: what was bought back, less the tokens that paid interest.

    Interest tokens were never sold short, so they have no price gain; what they cost is deducted as repaid interest.
    A short of 1 at 2000 that owes 0.002 interest is closed by buying 1.002 at 1800, and earns 200 - 3.6:

    >>> closed = get_closed_short_quantity(Decimal("1.002"), [Decimal("0.002")])
    >>> calculate_realised_profit(1800.0, 2000.0, closed) - 0.002 * 1800.0
    196.4
    """
    return bought_back - sum(repaid_interest)


def calculate_unrealised_profit(price: float, entry_price: float, quantity: Decimal) -> float:
    """Return the profit of what is held, ``(price - entry price) * quantity``, USD.

    >>> calculate_unrealised_profit(1800.0, 2000.0, Decimal(-1))
    200.0

    Parameters
    ----------
    price, entry_price
        USD per token now, and on average at entry.
    quantity
        Tokens, negative for a short.
    """
    return (price - entry_price) * float(quantity)


def calculate_net_profit(put_in: float, taken_out: float, value: float, flows: float = 0.0) -> float:
    """Return what is there and what came out, less what went in, USD.

    400 tokens bought at 15, of which investors redeemed 100, and 300 sold at 18.  The 100 left at their cost:

    >>> calculate_net_profit(put_in=6000.0, taken_out=5400.0, value=0.0, flows=-1500.0)
    900.0

    The same when the 100 were found to be missing instead, which is a loss:

    >>> calculate_net_profit(put_in=6000.0, taken_out=5400.0, value=0.0)
    -600.0

    Parameters
    ----------
    put_in, taken_out
        Paid for what was bought or supplied, and received for what was sold or recalled, fees included.
    value
        Present value, debt deducted.
    flows
        Cost of what came in (+) or went out (-) in kind and is no profit.
    """
    return taken_out + value - put_in - flows


# --- Fractions


def get_fraction(profit: float, invested: float) -> float:
    """Return profit as a fraction of what was put in; 0 when nothing was.

    >>> get_fraction(1380.0, 4800.0), get_fraction(0.0, 0.0)
    (0.2875, 0)
    """
    return profit / invested if invested else 0


def get_adjusted_cost(bought: Decimal, buy_value: float, redeemed: Decimal) -> float:
    """Return the cost of what was bought, less that of what was redeemed in kind, at the average buy price, USD.

    >>> get_adjusted_cost(Decimal(400), 6000.0, Decimal(-100))
    4500.0

    Parameters
    ----------
    bought
        Tokens, > 0.
    buy_value
        USD paid for them.
    redeemed
        Tokens, negative when redeemed, positive when they came in.
    """
    return buy_value + (buy_value / float(bought)) * float(redeemed)


def calculate_cost_adjusted_profit(
    bought: Decimal, buy_value: float, sell_value: float, redeemed: Decimal, held_value: float
) -> float:
    """Return total profit as a fraction of the adjusted cost, ``(sold + held - cost) / cost``.

    400 bought at 15, 100 redeemed, 300 sold at 18:

    >>> calculate_cost_adjusted_profit(Decimal(400), 6000.0, 5400.0, Decimal(-100), 0)
    0.2
    >>> calculate_cost_adjusted_profit(Decimal(3), 4800.0, 2400.0, Decimal(0), 1.8 * 2100.0)
    0.2875

    Parameters
    ----------
    bought
        Tokens.
    buy_value, sell_value
        USD paid and received.
    redeemed
        Tokens, negative when redeemed.
    held_value
        What is left, USD.
    """
    if not bought:
        return 0
    cost = get_adjusted_cost(bought, buy_value, redeemed)
    return (sell_value + held_value - cost) / cost if cost else 0


def calculate_cost_adjusted_realised_profit(
    bought: Decimal, sold: Decimal, buy_value: float, sell_value: float, redeemed: Decimal
) -> float:
    """Return the profit of what was sold as a fraction of its part of the adjusted cost.

    400 bought at 15 and 150 sold at 18, before and after 100 are redeemed:

    >>> calculate_cost_adjusted_realised_profit(Decimal(400), Decimal(150), 6000.0, 2700.0, Decimal(0))
    0.19999999999999996
    >>> calculate_cost_adjusted_realised_profit(Decimal(400), Decimal(150), 6000.0, 2700.0, Decimal(-100))
    0.19999999999999996

    Parameters
    ----------
    bought, sold
        Tokens.
    buy_value, sell_value
        USD paid and received.
    redeemed
        Tokens, negative when redeemed.
    """
    if not bought:
        return 0
    cost = get_adjusted_cost(bought, buy_value, redeemed)
    if not cost or not bought + redeemed:
        return 0
    closed_fraction = float(sold / (bought + redeemed))
    return sell_value / (cost * closed_fraction) - 1 if closed_fraction else 0


# --- Per year


def annualise_simple(profit: float, duration: datetime.timedelta) -> float:
    """Return the linear yearly profit, ``profit * year / duration``.

    >>> annualise_simple(0.2875, datetime.timedelta(days=73))
    1.4375

    Parameters
    ----------
    profit
        Fraction.
    duration
        Time in which it was made, not zero.
    """
    return profit * (YEAR / duration)


def annualise_compounded(profit: float, duration: datetime.timedelta, maximum: float = 100) -> float:
    """Return the yearly profit when all of it is invested again, ``(1 + profit) ** (year / duration) - 1``.

    A total loss stays one.  A profit of seconds may be too large for a number:

    >>> annualise_compounded(0.2875, datetime.timedelta(days=73))
    2.5378237130737316
    >>> annualise_compounded(0.06666666666666667, datetime.timedelta(seconds=6))
    100.0
    >>> annualise_compounded(-1.5, datetime.timedelta(days=1))
    -1.0

    Parameters
    ----------
    profit
        Fraction; a leveraged position can lose more than was put in.
    duration
        Time in which it was made, > 0.
    maximum
        Returned, with the sign of the profit, when the result is too large for a float.
    """
    if profit <= -1:
        return -1.0
    try:
        return (1 + profit) ** (YEAR / duration) - 1
    except OverflowError:
        return math.copysign(maximum, profit)


# --- Average cost


class AverageCost(NamedTuple):
    """Where a walk over fills has arrived."""

    #: Cost of what is still held, USD.
    cost: float = 0.0
    #: Paid for all buys, USD.
    bought: float = 0.0
    #: Tokens held.
    holding: float = 0.0
    #: Profit of all sells, USD.
    realised: float = 0.0


def walk_average_cost(fills: Iterable[tuple[float, float, float]]) -> AverageCost:
    """Follow the cost of a holding through its fills, oldest first.

    A buy adds to cost and holding.  A sell realises ``(price - cost / holding) * quantity`` and takes that share of
    the cost out; it leaves the average cost of the rest as it was.  A sell of what is not held is passed over.

    >>> walk_average_cost([(2.0, 1500.0, 3000.0), (1.0, 1800.0, 1800.0), (-1.2, 2000.0, 2400.0)])
    AverageCost(cost=2880.0, bought=4800.0, holding=1.8, realised=480.0)

    Parameters
    ----------
    fills
        Quantity in tokens (+ buy, - sell), price in USD per token, and value in USD, >= 0.
    """
    cost = bought = holding = realised = 0.0
    for quantity, price, value in fills:
        if quantity > 0:
            cost += value
            bought += value
            holding += quantity
        elif quantity < 0 and holding > 0:
            average = cost / holding
            cost -= average * abs(quantity)
            holding += quantity
            realised += (price - average) * abs(quantity)
    return AverageCost(cost, bought, holding, realised)


class AverageCostProfit(NamedTuple):
    """Profit of a holding whose fills were walked; USD and a fraction of what was bought."""

    realised: float
    unrealised: float
    profit: float
    fraction: float


def calculate_average_cost_profit(
    walked: AverageCost, quantity: Decimal, price: float, epsilon: float = 1e-6
) -> AverageCostProfit:
    """Return the profit of a holding from the walk over its fills.

    >>> walked = AverageCost(cost=2880.0, bought=4800.0, holding=1.8, realised=480.0)
    >>> calculate_average_cost_profit(walked, Decimal("1.8"), 2100.0)
    AverageCostProfit(realised=480.0, unrealised=900.0, profit=1380.0, fraction=0.2875)

    Parameters
    ----------
    quantity
        Tokens held now; less than the walk says when some were redeemed.
    price
        USD per token now.
    epsilon
        A cost closer to 0 than this is 0, USD.
    """
    cost = 0.0 if abs(walked.cost) < epsilon else walked.cost
    unrealised = price * float(quantity) - cost
    profit = walked.realised + unrealised
    return AverageCostProfit(walked.realised, unrealised, profit, profit / walked.bought if walked.bought else 0.0)
