"""How large a leveraged short becomes: debt, collateral, fees and the price at which it is liquidated.

A short borrows a token, sells it, and keeps the proceeds as collateral together with the trader's own reserve.  With
leverage 2 and a reserve of 1000 the debt is worth 2000 and the collateral 3000, before the fee of the sale.

Token amounts are `Decimal`, prices enter them as the exact binary value of the float.
"""

from decimal import Decimal
from typing import NamedTuple

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL


class ShortOpening(NamedTuple):
    """Amounts of a short that is opened."""

    #: What is borrowed, reserve token units.
    debt_value: Decimal
    #: What is borrowed, base token units.
    borrowed_quantity: Decimal
    #: What selling it adds to the collateral, reserve token units, fee taken out.
    additional_collateral: Decimal
    #: The trader's reserve and the proceeds, reserve token units.
    total_collateral: Decimal
    #: Fee of the sale, USD.
    lp_fees: float


class ShortClosing(NamedTuple):
    """Amounts of a short that is closed or made smaller."""

    #: What the bought back tokens cost without fee, reserve token units.
    cost: Decimal
    #: The same with fee; taken out of the collateral.
    cost_with_fee: Decimal
    #: Collateral that is left, reserve token units.
    remaining_collateral: Decimal
    #: Debt that is left, base token units.
    remaining_debt: Decimal
    #: Fee of the purchase, USD.
    lp_fees: float
    #: Collateral divided by net asset value afterwards; 1.0 when nothing is left.
    leverage: float


def size_short_opening(reserve: Decimal, leverage: float, price: float, fee: float = 0) -> ShortOpening:
    """Return what to borrow to be short `leverage` times the reserve.

    ``debt = reserve * (leverage + 1) - reserve``, computed in this order, which fixes the rounding.

    >>> opening = size_short_opening(Decimal(1000), 2.0, 2000.0, 0.003)
    >>> opening.borrowed_quantity, opening.lp_fees
    (Decimal('1'), 6.0)
    >>> opening.additional_collateral
    Decimal('1993.999999999999999875099910')
    >>> size_short_opening(Decimal(1000), 3.0, 1500.0, 0.0005).lp_fees
    1.5

    Parameters
    ----------
    reserve
        The trader's own capital, reserve token units, > 0.
    leverage
        Debt divided by reserve, > 0.
    price
        Reserve token units per borrowed token.
    fee
        Fee fraction of the market where the borrowed tokens are sold.
    """
    debt_value = get_gross_collateral(reserve, leverage) - reserve
    additional = debt_value * (1 - Decimal(fee))
    return ShortOpening(
        debt_value=debt_value,
        borrowed_quantity=debt_value / Decimal(price),
        additional_collateral=additional,
        total_collateral=reserve + additional,
        lp_fees=float(debt_value) * fee,
    )


def get_gross_collateral(reserve: Decimal, leverage: float) -> Decimal:
    """Return the collateral of a short without fees, ``reserve * (leverage + 1)``, reserve token units.

    >>> get_gross_collateral(Decimal(1000), 2.0)
    Decimal('3000')
    """
    return reserve * (Decimal(leverage) + 1)


def size_short_closing(
    collateral: Decimal, debt: Decimal, close_size: Decimal, price: float, fee: float | None = 0
) -> ShortClosing:
    """Return what buying back `close_size` tokens out of the collateral costs and leaves.

    The fee comes on top: ``cost / (1 - fee)`` buys ``cost`` worth of tokens.

    >>> closing = size_short_closing(Decimal(3000), Decimal(1), Decimal("0.4"), 2000.0, 0.003)
    >>> closing.cost_with_fee, closing.lp_fees
    (Decimal('802.4072216649949850051257444'), 2.407221664994985)
    >>> closing.remaining_collateral, closing.leverage
    (Decimal('2197.592778335005014994874256'), 2.2028956364367587)

    Parameters
    ----------
    collateral
        Reserve token units.
    debt, close_size
        Base token units; `close_size` > 0.
    price
        Reserve token units per base token.
    fee
        Fee fraction; None is 0.
    """
    exact_fee = Decimal(fee or 0)
    cost = Decimal(price) * close_size
    cost_with_fee = cost / (1 - exact_fee)
    remaining_collateral = collateral - cost_with_fee
    remaining_debt = debt - close_size
    equity = remaining_collateral - remaining_debt * Decimal(price)
    return ShortClosing(
        cost=cost,
        cost_with_fee=cost_with_fee,
        remaining_collateral=remaining_collateral,
        remaining_debt=remaining_debt,
        lp_fees=float(cost_with_fee * exact_fee),
        leverage=float(remaining_collateral / equity) if equity != ZERO_DECIMAL else 1.0,
    )


def calculate_short_liquidation_price(
    collateral: Decimal, borrowed_quantity: Decimal, liquidation_threshold: float
) -> Decimal:
    """Return the price of the borrowed token at which the loan can be liquidated, ``collateral * threshold / debt``.

    >>> calculate_short_liquidation_price(Decimal(3000), Decimal(1), 0.85)
    Decimal('2549.999999999999933386618522')

    Parameters
    ----------
    collateral
        Reserve token units.
    borrowed_quantity
        Base token units, > 0.
    liquidation_threshold
        Fraction of the collateral that counts.
    """
    return collateral * Decimal(liquidation_threshold) / borrowed_quantity
