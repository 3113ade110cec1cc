"""Realised and unrealised profit: in USD, as a fraction of the invested money, and per year.

USD amounts are floats and fractions are floats (0.05 is 5 %). Quantities are `Decimal` token units and are converted to
the nearest float before a multiplication. The order of the operations is part of each definition, because recorded
figures have the rounding of this order.

The examples are about one spot position: 2 tokens are bought at 1500 and 1 at 1800 (4800 USD, 1600 on average), 1.2 are
sold at 2000, and 1.8 are left when the price is 2100.

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

#: Length of the year to which yearly profits refer.
YEAR = datetime.timedelta(days=365)


# --- USD


def calculate_realised_profit(average_buy: float, average_sell: float, closed: Decimal) -> float:
    """Return the profit of closed tokens, ``(average sell - average buy) * closed``, USD.

    The order of buying and selling does not matter, so the formula also holds for a short, which sells first. Example:
    a short of 1 at 2000 that was bought back at 1800:

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


def get_quantity_without_interest(closed: Decimal, interest: Iterable[Decimal]) -> Decimal:
    """Return how many tokens of a leveraged position were closed: those traded less those that were interest.

    Tokens that pay the interest of a short were never sold, so they have no price gain; their cost is deducted as
    repaid interest. Example: a short of 1 at 2000 that owes 0.002 interest is closed by buying 1.002 at 1800, and earns
    200 - 3.6:

    >>> closed = get_quantity_without_interest(Decimal("1.002"), [Decimal("0.002")])
    >>> calculate_realised_profit(1800.0, 2000.0, closed) - 0.002 * 1800.0
    196.4

    Tokens that the collateral of a leveraged long has earned were never bought; what they bring is claimed interest. A
    long of 1 at 2000 with 0.002 interest sells 1.002 at 2200, and earns 200 + 4.4:

    >>> calculate_realised_profit(2000.0, 2200.0, closed) + 0.002 * 2200.0
    204.4
    """
    return closed - sum(interest)


def calculate_unrealised_profit(price: float, entry_price: float, quantity: Decimal) -> float:
    """Return the profit of the tokens held, ``(price - entry price) * quantity``, USD.

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
    """Return value plus receipts, less payments and flows, USD.

    Example: 400 tokens are bought at 15, investors redeem 100 of them at cost, and 300 are sold at 18:

    >>> calculate_net_profit(put_in=6000.0, taken_out=5400.0, value=0.0, flows=-1500.0)
    900.0

    If the 100 tokens were found to be missing instead, the cost of them is a loss:

    >>> calculate_net_profit(put_in=6000.0, taken_out=5400.0, value=0.0)
    -600.0

    Parameters
    ----------
    put_in, taken_out
        USD paid for purchases or supplied, and USD received from sales or recalled, including fees.
    value
        Present value less debt, USD.
    flows
        Cost of tokens that came in (+) or went out (-) in kind, USD; they are no profit.
    """
    return taken_out + value - put_in - flows


# --- Fractions


def get_fraction(profit: float, invested: float) -> float:
    """Return profit as a fraction of the invested money; 0 when nothing was invested.

    >>> get_fraction(1380.0, 4800.0), get_fraction(0.0, 0.0)
    (0.2875, 0)
    """
    return profit / invested if invested else 0


def get_adjusted_cost(bought: Decimal, buy_value: float, redeemed: Decimal) -> float:
    """Return the cost of bought tokens, less that of tokens redeemed in kind at the average buy price, USD.

    >>> get_adjusted_cost(Decimal(400), 6000.0, Decimal(-100))
    4500.0

    Parameters
    ----------
    bought
        Tokens bought, > 0.
    buy_value
        USD paid for them.
    redeemed
        Tokens moved in kind, negative when redeemed, positive when they came in.
    """
    return buy_value + (buy_value / float(bought)) * float(redeemed)


def calculate_cost_adjusted_profit(
    bought: Decimal, buy_value: float, sell_value: float, redeemed: Decimal, held_value: float
) -> float:
    """Return total profit as a fraction of the adjusted cost, ``(sold + held - cost) / cost``.

    Example: 400 bought at 15, 100 redeemed, 300 sold at 18:

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
        Value of the remaining tokens, USD.
    """
    if not bought:
        return 0
    cost = get_adjusted_cost(bought, buy_value, redeemed)
    return (sell_value + held_value - cost) / cost if cost else 0


def calculate_cost_adjusted_realised_profit(
    bought: Decimal, sold: Decimal, buy_value: float, sell_value: float, redeemed: Decimal
) -> float:
    """Return the profit of sold tokens as a fraction of their part of the adjusted cost.

    Example: 400 bought at 15 and 150 sold at 18, before and after 100 are redeemed:

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
    """Return the yearly profit when all profit is reinvested, ``(1 + profit) ** (year / duration) - 1``.

    A total loss stays a total loss. The profit of a few seconds may exceed the range of floats in a year:

    >>> annualise_compounded(0.2875, datetime.timedelta(days=73))
    2.5378237130737316
    >>> annualise_compounded(0.06666666666666667, datetime.timedelta(seconds=6))
    100.0
    >>> annualise_compounded(-1.5, datetime.timedelta(days=1))
    -1.0

    Parameters
    ----------
    profit
        Fraction; below -1 when a leveraged position loses more than was invested.
    duration
        Time in which it was made, > 0.
    maximum
        Result when the yearly profit is too large for a float.
    """
    if profit <= -1:
        return -1.0
    try:
        return (1 + profit) ** (YEAR / duration) - 1
    except OverflowError:
        return math.copysign(maximum, profit)


# --- Average cost


class AverageCost(NamedTuple):
    """Cost and profit of a holding after some of its fills."""

    #: Cost of the tokens still held, USD.
    cost: float = 0.0
    #: Money paid for all buys, USD.
    bought: float = 0.0
    #: Tokens held.
    holding: float = 0.0
    #: Profit of all sells, USD.
    realised: float = 0.0


def walk_average_cost(fills: Iterable[tuple[float, float, float]], before: AverageCost | None = None) -> AverageCost:
    """Return cost and profit of a holding after all of its fills.

    A buy adds to cost and holding. A sell realises ``(price - cost / holding) * quantity`` and removes the same share
    of the cost, so the average cost of the remaining tokens does not change. A sell is ignored when nothing is held.

    >>> walk_average_cost([(2.0, 1500.0, 3000.0), (1.0, 1800.0, 1800.0), (-1.2, 2000.0, 2400.0)])
    AverageCost(cost=2880.0, bought=4800.0, holding=1.8, realised=480.0)

    Parameters
    ----------
    fills
        Oldest first: quantity in tokens (+ buy, - sell), price in USD per token, and value in USD, >= 0.
    before
        Result of earlier fills; None: there are none.
    """
    cost, bought, holding, realised = before or AverageCost()
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
    """Profit of a holding in USD, and as a fraction of the money paid for all buys."""

    realised: float
    unrealised: float
    profit: float
    fraction: float


def calculate_average_cost_profit(
    walked: AverageCost, quantity: Decimal, price: float, epsilon: float = 1e-6
) -> AverageCostProfit:
    """Return the profit of a holding from the result of `walk_average_cost`.

    >>> walked = AverageCost(cost=2880.0, bought=4800.0, holding=1.8, realised=480.0)
    >>> calculate_average_cost_profit(walked, Decimal("1.8"), 2100.0)
    AverageCostProfit(realised=480.0, unrealised=900.0, profit=1380.0, fraction=0.2875)

    Parameters
    ----------
    quantity
        Tokens held now; less than `AverageCost.holding` when some were redeemed.
    price
        USD per token now.
    epsilon
        A cost closer to 0 than this is 0, USD.
    """
    cost = 0.0 if abs(walked.cost) < epsilon else walked.cost
    unrealised = price * float(quantity) - cost
    profit = walked.realised + unrealised
    return AverageCostProfit(walked.realised, unrealised, profit, profit / walked.bought if walked.bought else 0.0)
