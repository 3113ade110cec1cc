"""What is a value: times that are naive UTC, amounts and numbers that are finite.

Checked where a value comes in, because NaN, infinity and a time with a zone would be found only when the state cannot
be saved any more.  `is_...` tells, `require_...` raises the caller's own error.
"""

import datetime
import math
from collections.abc import Callable
from decimal import Decimal
from typing import TypeGuard

__all__ = [
    "is_finite_decimal",
    "is_finite_number",
    "is_naive_utc",
    "is_pandas_object",
    "require_finite_decimal",
    "require_naive_utc",
    "require_standard_utc",
]

#: Makes an error of its text.
MakeError = Callable[[str], Exception]


def is_naive_utc(when: object) -> TypeGuard[datetime.datetime]:
    """Tell whether a value is a time without a time zone; a `pandas.Timestamp` may be one, `pandas.NaT` is none."""
    if type(when) is datetime.datetime:
        return when.tzinfo is None
    return isinstance(when, datetime.datetime) and when.tzinfo is None and when == when


def is_pandas_object(value: object) -> bool:
    """Tell whether a value comes from pandas, without importing it."""
    return type(value) is not datetime.datetime and type(value).__module__.startswith("pandas")


def is_finite_decimal(amount: object) -> TypeGuard[Decimal]:
    """Tell whether a value is a Decimal that is neither NaN nor infinite."""
    return isinstance(amount, Decimal) and amount.is_finite()


def is_finite_number(number: object) -> TypeGuard[float | Decimal]:
    """Tell whether a value is an int, a float or a Decimal that is neither NaN nor infinite; a bool is no number."""
    if isinstance(number, Decimal):
        return number.is_finite()  # `math.isfinite` raises for a signalling NaN
    return isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)


def require_naive_utc(when: object, what: str, error: MakeError) -> datetime.datetime:
    """Return a naive UTC time.

    Parameters
    ----------
    when
        The value.
    what
        Its name, for the error.
    error
        Class of the error that is raised for anything else.
    """
    if not is_naive_utc(when):
        raise error(f"{what} must be a naive UTC datetime, got {when!r}")
    return when


def require_standard_utc(when: object, what: str, error: MakeError) -> datetime.datetime:
    """Return a naive UTC time of the standard library; like `require_naive_utc`, but a `pandas.Timestamp` is refused.

    A `Timestamp` neither compares nor adds like a datetime, and nanoseconds do not survive a file.
    """
    if not is_naive_utc(when) or is_pandas_object(when):
        raise error(f"{what} must be a naive UTC datetime of the standard library, got {when!r}")
    return when


def require_finite_decimal(amount: object, what: str, error: MakeError) -> Decimal:
    """Return an amount that is a Decimal and neither NaN nor infinite; parameters as of `require_naive_utc`."""
    if not is_finite_decimal(amount):
        raise error(f"{what} must be a finite Decimal, got {amount!r}")
    return amount
