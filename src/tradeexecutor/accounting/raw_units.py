"""Rounding to amounts that a token can represent: whole multiples of its smallest unit.

A token with 6 decimals cannot pay 0.0000005 of itself. A buy gets the units for which its budget is sufficient and
spends their cost; the rest of the budget stays in cash. All amounts are rounded against the trader, so that nothing is
bought below the price or sold above it.
"""

from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal

__all__ = ["round_down_to_units", "round_up_to_units", "size_buy", "size_sale"]

#: Digits of the decimal context: a longer amount would be changed by the next addition.
_MAX_DIGITS = 28

_WIDE = Context(prec=60)
_ONE = Decimal(1)
#: The smallest unit of a token, by its number of decimals.
_UNITS = tuple(_ONE.scaleb(-decimals) for decimals in range(40))


def _round(amount: Decimal, decimals: int, rounding: str) -> Decimal:
    unit = _UNITS[decimals] if decimals < len(_UNITS) else _ONE.scaleb(-decimals)
    digits = amount.adjusted() + 1
    if digits + decimals > _MAX_DIGITS:
        unit = _ONE.scaleb(digits - _MAX_DIGITS)
    rounded = amount.quantize(unit, rounding, _WIDE).normalize(_WIDE)
    # Remove zeros at the end, but not by means of an exponent.
    if rounded.adjusted() > 0 and rounded == rounded.to_integral_value():
        return rounded.quantize(_ONE, context=_WIDE)
    return rounded


def round_down_to_units(amount: Decimal, decimals: int) -> Decimal:
    """Return the largest whole number of units that does not exceed `amount` (>= 0), token units.

    >>> round_down_to_units(Decimal("128.7001287"), 2)
    Decimal('128.7')
    """
    return _round(amount, decimals, ROUND_DOWN)


def round_up_to_units(amount: Decimal, decimals: int) -> Decimal:
    """Return the smallest whole number of units that is at least `amount` (>= 0), token units.

    >>> round_up_to_units(Decimal("999.9995"), 2)
    Decimal('1000')
    """
    return _round(amount, decimals, ROUND_UP)


def size_buy(budget: Decimal, price: Decimal, base_decimals: int, reserve_decimals: int) -> tuple[Decimal, Decimal]:
    """Return how many base tokens a budget buys, and their cost.

    >>> size_buy(Decimal(1000), Decimal(300), 0, 6)
    (Decimal('3'), Decimal('900'))

    Parameters
    ----------
    budget
        Reserve tokens to spend at most.
    price
        Reserve tokens per base token.

    Returns
    -------
    tuple
        Base tokens (zero when the budget is too small for a single unit), and their cost in reserve tokens.
    """
    quantity = _round(_WIDE.divide(budget, price), base_decimals, ROUND_DOWN)
    # The last digit of the quotient may have been rounded up, which would make the cost exceed the budget.
    return quantity, min(_round(_WIDE.multiply(quantity, price), reserve_decimals, ROUND_UP), budget)


def size_sale(quantity: Decimal, price: Decimal, reserve_decimals: int) -> Decimal:
    """Return the reserve tokens received for `quantity` (>= 0) base tokens at `price`.

    >>> size_sale(Decimal(3), Decimal("0.3333333"), 6)
    Decimal('0.999999')
    """
    return _round(_WIDE.multiply(quantity, price), reserve_decimals, ROUND_DOWN)
