"""Exact arithmetic, and the largest rounding error of a recorded balance.

The state adds token amounts with 28 digits; many amounts of old files have more (a float written out as a decimal has
up to 55). The ledger adds without rounding, so its balances are exact and the recorded ones are rounded.
`get_rounding_limit` computes the largest rounding error from the number and the size of the additions.
"""

import functools
from contextlib import AbstractContextManager
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal, localcontext

from tradeexecutor.accounting.accuracy import QUANTITY_EPSILON

__all__ = ["EXACT", "ZERO", "exact_arithmetic", "get_rounding_limit", "is_snapped_to_zero", "write_amount"]

ZERO = Decimal(0)

#: Digits of the default decimal context, with which the state adds amounts.
STATE_DIGITS = 28

#: More digits than any sum of amounts in a state file needs. The cost of a number depends on its own length, not on
#: this.
EXACT = Context(prec=2_000, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX)


def exact_arithmetic() -> AbstractContextManager[Context]:
    """Do decimal arithmetic without rounding inside the `with` block.

    Methods of the state must not be called inside: some of them keep sums for later calls, and these sums have to be
    rounded as the state rounds.
    """
    return localcontext(EXACT)


def get_rounding_limit(additions: int, largest: Decimal) -> Decimal:
    """Return the largest rounding error of a balance that was added up with 28 digits, token units.

    An addition rounds by at most half a unit in the 28th digit of its result, which is less than 1e-27 of the largest
    amount that occurs. The amounts are rounded once more when they are read.

    Parameters
    ----------
    additions
        Number of amounts that were added.
    largest
        Largest absolute value of an amount or an intermediate balance.

    Returns
    -------
    Decimal
        >= 0. For a thousand movements of up to a million tokens it is about 2e-18.
    """
    return _get_error_of_one(additions) * largest


@functools.cache
def _get_error_of_one(additions: int) -> Decimal:
    """Return `get_rounding_limit` for a largest amount of one token."""
    return Decimal(2 * additions + 2).scaleb(1 - STATE_DIGITS)


def write_amount(amount: Decimal) -> str:
    """Return all digits of an amount, without an exponent and without zeros at the end.

    >>> write_amount(Decimal("0.50")), write_amount(Decimal("1E+3")), write_amount(Decimal("-1E-7"))
    ('0.5', '1000', '-0.0000001')
    """
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def is_snapped_to_zero(recorded: Decimal, derived: Decimal) -> bool:
    """Return whether the state contains zero because it rounds such a small balance to zero."""
    return recorded == 0 and abs(derived) <= QUANTITY_EPSILON
