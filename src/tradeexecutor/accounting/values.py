"""Checks of values: times must be naive UTC, amounts and numbers must be finite.

Values are checked where they enter the state: otherwise NaN, infinity or a time with a zone would be found only when
the state can no longer be saved. Functions `is_...` return a bool, functions `require_...` raise the error class of the
caller.
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
    "require_finite_numbers",
    "require_naive_utc",
    "require_standard_utc",
]

#: Returns an error with the given text.
MakeError = Callable[[str], Exception]


def is_naive_utc(when: object) -> TypeGuard[datetime.datetime]:
    """Return whether a value is a datetime without a time zone (also a `pandas.Timestamp`, but not `pandas.NaT`)."""
    if type(when) is datetime.datetime:
        return when.tzinfo is None
    return isinstance(when, datetime.datetime) and when.tzinfo is None and when == when


def is_pandas_object(value: object) -> bool:
    """Return whether a value comes from pandas, without importing it."""
    return type(value) is not datetime.datetime and type(value).__module__.startswith("pandas")


def is_finite_decimal(amount: object) -> TypeGuard[Decimal]:
    """Return whether a value is a Decimal that is neither NaN nor infinite."""
    return isinstance(amount, Decimal) and amount.is_finite()


def is_finite_number(number: object) -> TypeGuard[float | Decimal]:
    """Return whether a value is an int, a float or a Decimal that is neither NaN nor infinite; a bool is no number."""
    if isinstance(number, Decimal):
        return number.is_finite()  # `math.isfinite` raises for a signalling NaN
    return isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)


def require_naive_utc(when: object, what: str, error: MakeError) -> datetime.datetime:
    """Return `when` if it is a naive UTC time, otherwise raise `error`.

    Parameters
    ----------
    when
        The value to check.
    what
        Name of the value in the message.
    error
        Class of the error to raise when the value is anything else.
    """
    if type(when) is datetime.datetime and when.tzinfo is None:  # nearly always: saves a call
        return when
    if not is_naive_utc(when):
        raise error(f"{what} must be a naive UTC datetime, got {when!r}")
    return when


def require_standard_utc(when: object, what: str, error: MakeError) -> datetime.datetime:
    """Return `when` like `require_naive_utc`, but also refuse a `pandas.Timestamp`.

    A `Timestamp` neither compares nor adds like a datetime, and a file does not keep nanoseconds.
    """
    if not is_naive_utc(when) or is_pandas_object(when):
        raise error(f"{what} must be a naive UTC datetime of the standard library, got {when!r}")
    return when


def require_finite_decimal(amount: object, what: str, error: MakeError) -> Decimal:
    """Return `amount` if it is a finite Decimal, otherwise raise `error`; parameters as in `require_naive_utc`."""
    if not is_finite_decimal(amount):
        raise error(f"{what} must be a finite Decimal, got {amount!r}")
    return amount


def require_finite_numbers(owner: str, error: MakeError, *numbers: float | Decimal | list[float | None] | None) -> None:
    """Raise `error` if a number is NaN, infinite or not a number; None and lists, one fee per hop, are accepted.

    Parameters
    ----------
    owner
        Object with the numbers, for the message.
    error
        Class of the error to raise.
    """
    for number in numbers:
        if number is None or (type(number) is float and math.isfinite(number)) or isinstance(number, list):
            continue
        if not is_finite_number(number):
            raise error(f"{owner} was given {number!r} where a number is expected")
