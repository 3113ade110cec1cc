"""Rounding rules of exact token arithmetic.

Some constants are made from floats and contain the binary error of the float on purpose: recorded results depend on it.
The decimal context is Python's default (28 digits, half even) and is never changed.
"""

from collections.abc import Iterable
from decimal import Decimal

ZERO_DECIMAL = Decimal(0)

#: A sum of token amounts closer to zero than this is zero, token units.
SUM_EPSILON = Decimal(10**-18)

#: A position quantity up to this counts as zero; a new trade must be larger. Token units.
QUANTITY_EPSILON = Decimal(10**-18)

#: A calculated amount that exceeds the available one by less than this means the available one, token units.
SNAP_EPSILON = Decimal(10**-8)

#: Negative interest corrections smaller than this are ignored, token units.
INTEREST_QUANTITY_EPSILON = Decimal("0.002")

#: Remaining collateral below this counts as nothing, token units.
COLLATERAL_EPSILON = Decimal("0.003")

#: Remaining collateral that is written off when a short is closed, as a fraction of the change of the collateral.
CLOSE_POSITION_COLLATERAL_EPSILON = Decimal(0.02)  # noqa: RUF032 - the binary error is part of recorded results

#: Interest below this is not distributed, token units.
INTEREST_EPSILON = Decimal(0.00003)  # noqa: RUF032


def sum_decimal(numbers: Iterable[Decimal], epsilon: Decimal = SUM_EPSILON) -> Decimal:
    """Add token amounts left to right; a total closer to zero than `epsilon` is exactly zero.

    >>> sum_decimal([Decimal("1.5"), Decimal("-1.5")])
    Decimal('0')
    >>> sum_decimal([])
    Decimal('0')
    """
    total = sum(numbers, ZERO_DECIMAL)
    return ZERO_DECIMAL if abs(total) < epsilon else total


def ensure_exact_zero(quantity: Decimal, epsilon: Decimal = SUM_EPSILON) -> Decimal:
    """Return zero when `quantity` is closer to zero than `epsilon`, else `quantity`.

    >>> ensure_exact_zero(Decimal("0.0019"), Decimal("0.002"))
    Decimal('0')
    """
    return ZERO_DECIMAL if abs(quantity) < epsilon else quantity


def snap_to_epsilon(
    available_token_quantity: Decimal, calculated_token_quantity: Decimal, epsilon: Decimal = SNAP_EPSILON
) -> Decimal:
    """Return the available amount when the calculated one exceeds it by less than `epsilon`.

    A smaller calculated amount is returned unchanged: it is the requested amount.

    >>> snap_to_epsilon(Decimal("10"), Decimal("10.000000001"))
    Decimal('10')
    >>> snap_to_epsilon(Decimal("10"), Decimal("3"))
    Decimal('3')
    """
    excess = abs(calculated_token_quantity) - abs(available_token_quantity)
    return available_token_quantity if 0 < excess < epsilon else calculated_token_quantity


def setup_decimal_accuracy() -> None:
    """Do nothing: the default decimal context is already the right one."""
