"""Amounts of leveraged shorts and longs: debt, collateral, fees and liquidation price.

A short borrows a token, sells it, and keeps the proceeds as collateral together with the trader's own reserve. With
leverage 2 and a reserve of 1000 the debt is worth 2000 and the collateral 3000, before the fee of the sale.

A leveraged long is the mirror image: it borrows the reserve currency, and buys a token with it and the trader's own
reserve, which is the collateral. With leverage 2 and a reserve of 1000 it buys for 2000, and owes 1000. The leverage of
both is the value of what rises and falls with the price, divided by the trader's own money.

Token amounts are `Decimal`; prices are floats and are converted with their exact binary value.
"""

from decimal import Decimal
from typing import NamedTuple

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL


class ShortOpening(NamedTuple):
    """Amounts of a short that is opened."""

    #: Value of the borrowed tokens, reserve token units.
    debt_value: Decimal
    #: Amount of borrowed tokens, base token units.
    borrowed_quantity: Decimal
    #: Proceeds of their sale after the fee, which are added to the collateral, reserve token units.
    additional_collateral: Decimal
    #: The trader's reserve plus the proceeds, reserve token units.
    total_collateral: Decimal
    #: Fee of the sale, USD.
    lp_fees: float


class ShortClosing(NamedTuple):
    """Amounts of a short that is closed or made smaller."""

    #: Cost of the tokens that are bought back, without the fee, reserve token units.
    cost: Decimal
    #: Cost with the fee, which is taken out of the collateral, reserve token units.
    cost_with_fee: Decimal
    #: Collateral afterwards, reserve token units.
    remaining_collateral: Decimal
    #: Debt afterwards, base token units.
    remaining_debt: Decimal
    #: Fee of the purchase, USD.
    lp_fees: float
    #: Collateral divided by net asset value afterwards; 1.0 when nothing is left.
    leverage: float


def size_short_opening(reserve: Decimal, leverage: float, price: float, fee: float = 0) -> ShortOpening:
    """Return the amounts of a short whose debt is `leverage` times the reserve.

    The debt is ``reserve * (leverage + 1) - reserve``. The order of the operations determines the rounding.

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
    """Return the amounts when `close_size` tokens of the debt are bought back with collateral.

    The fee is added to the cost: ``cost / (1 - fee)`` buys tokens worth ``cost``.

    >>> closing = size_short_closing(Decimal(3000), Decimal(1), Decimal("0.4"), 2000.0, 0.003)
    >>> closing.cost_with_fee, closing.lp_fees
    (Decimal('802.4072216649949850051257444'), 2.407221664994985)
    >>> closing.remaining_collateral, closing.leverage
    (Decimal('2197.592778335005014994874256'), 2.2028956364367587)

    Parameters
    ----------
    collateral
        Collateral before, reserve token units.
    debt, close_size
        Debt before, and the part of it that is bought back (> 0), base token units.
    price
        Reserve token units per base token.
    fee
        Fee fraction; None means 0.
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
        Collateral, reserve token units.
    borrowed_quantity
        Debt, base token units, > 0.
    liquidation_threshold
        Fraction of the value of the collateral up to which the debt may grow.
    """
    return collateral * Decimal(liquidation_threshold) / borrowed_quantity


class LongOpening(NamedTuple):
    """Amounts of a leveraged long that is opened."""

    #: What the purchase costs, reserve token units.
    spent: Decimal
    #: The part of it that is borrowed, reserve token units.
    debt: Decimal
    #: Tokens that it buys, which become the collateral, base token units.
    quantity: Decimal


def size_long_opening(reserve: Decimal, leverage: float, price: float) -> LongOpening:
    """Return the amounts of a long that spends `leverage` times the reserve.

    >>> size_long_opening(Decimal(1000), 2.0, 2000.0)
    LongOpening(spent=Decimal('2000'), debt=Decimal('1000'), quantity=Decimal('1'))

    Parameters
    ----------
    reserve
        The trader's own capital, reserve token units, > 0.
    leverage
        Cost of the purchase divided by reserve, > 1.
    price
        Reserve token units per token, with the fee of the purchase.
    """
    spent = reserve * Decimal(leverage)
    return LongOpening(spent, spent - reserve, spent / Decimal(price))


def calculate_long_liquidation_price(collateral: Decimal, debt: Decimal, liquidation_threshold: float) -> Decimal:
    """Return the price of the base token at which a long can be liquidated, ``debt / (collateral * threshold)``.

    >>> calculate_long_liquidation_price(Decimal(1), Decimal(1000), 0.8).quantize(Decimal("1.00"))
    Decimal('1250.00')

    Parameters
    ----------
    collateral
        Collateral, base token units, > 0.
    debt
        Debt, reserve token units.
    liquidation_threshold
        Fraction of the value of the collateral up to which the debt may grow.
    """
    return debt / (collateral * Decimal(liquidation_threshold))
