"""Checks of values: times must be naive UTC, amounts and numbers must be finite and of a usable size.

Values are checked where they enter the state: otherwise NaN, infinity or a time with a zone would be found only when
the state can no longer be saved. The bounds are far beyond any token amount or price, and so narrow that the product
of three accepted values is still a finite float.

Functions `is_...` return a bool, functions `require_...` raise the error class of the
caller.
"""

import datetime
import functools
from collections.abc import Callable
from decimal import (
    Clamped,
    Context,
    Decimal,
    Inexact,
    InvalidOperation,
    Overflow,
    Rounded,
    Subnormal,
    Underflow,
)
from typing import TypeGuard

__all__ = [
    "MAX_DIGITS",
    "MAX_MAGNITUDE",
    "MAX_NUMBER",
    "abbreviate",
    "are_finite_decimals",
    "is_finite_decimal",
    "is_finite_number",
    "is_naive_utc",
    "is_pandas_object",
    "require_bounded",
    "require_finite_decimal",
    "require_finite_numbers",
    "require_naive_utc",
    "require_standard_utc",
    "to_exact_price",
]

#: Largest number of digits of a Decimal in a state; a `uint256` has 78.
MAX_DIGITS = 256
#: Decimals other than zero are at least ``10 ** -MAX_MAGNITUDE`` and less than ``10 ** (MAX_MAGNITUDE + 1)``.
MAX_MAGNITUDE = 90
#: Largest price, value or other float that an operation accepts.
MAX_NUMBER = 1e90
_LEAST_NUMBER = -MAX_NUMBER

#: Returns a Decimal, and raises `ArithmeticError` for one outside the bounds. Quiet NaN and infinity are returned.
require_bounded = Context(
    prec=MAX_DIGITS,
    Emin=-MAX_MAGNITUDE,
    Emax=MAX_MAGNITUDE,
    traps=[Clamped, Inexact, InvalidOperation, Overflow, Rounded, Subnormal, Underflow],
).plus

#: Returns a price as the exact Decimal of its float. It is kept, because each trade converts its price several times.
to_exact_price: Callable[[float], Decimal] = functools.lru_cache(maxsize=1024)(Decimal)

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
    """Return whether a value is a Decimal that is neither NaN nor infinite, with digits and exponent in bounds."""
    if not isinstance(amount, Decimal):
        return False
    try:
        return require_bounded(amount).is_finite()
    except ArithmeticError:
        return False


def are_finite_decimals(amount: object, other: object) -> bool:
    """Return whether `is_finite_decimal` is true for two values, in less time than two calls."""
    if not isinstance(amount, Decimal) or not isinstance(other, Decimal):
        return False
    try:
        return require_bounded(amount).is_finite() and require_bounded(other).is_finite()
    except ArithmeticError:
        return False


def is_finite_number(number: object) -> TypeGuard[float | Decimal]:
    """Return whether a value is a finite int, float or Decimal of at most `MAX_NUMBER`; a bool is no number."""
    if isinstance(number, Decimal):
        return is_finite_decimal(number)
    return isinstance(number, (int, float)) and not isinstance(number, bool) and _LEAST_NUMBER <= number <= MAX_NUMBER


def abbreviate(value: object) -> str:
    """Return the `repr` of a value for a message: at most 100 characters, and for any value."""
    try:
        text = repr(value)
    except Exception:  # an int of too many digits, or an object with a field of the wrong type
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 100 else f"{text[:97]}..."


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
        raise error(f"{what} must be a naive UTC datetime, got {abbreviate(when)}")
    return when


def require_standard_utc(when: object, what: str, error: MakeError) -> datetime.datetime:
    """Return `when` like `require_naive_utc`, but also refuse a `pandas.Timestamp`.

    A `Timestamp` neither compares nor adds like a datetime, and a file does not keep nanoseconds.
    """
    if not is_naive_utc(when) or is_pandas_object(when):
        raise error(f"{what} must be a naive UTC datetime of the standard library, got {abbreviate(when)}")
    return when


def require_finite_decimal(amount: object, what: str, error: MakeError) -> Decimal:
    """Return `amount`, in its unit, if it is a finite Decimal, else raise `error`, see `require_naive_utc`."""
    if not is_finite_decimal(amount):
        bounds = ""
        if isinstance(amount, Decimal) and amount.is_finite():
            bounds = f" of at most {MAX_DIGITS} digits between 1E-{MAX_MAGNITUDE} and 1E+{MAX_MAGNITUDE}"
        raise error(f"{what} must be a finite Decimal{bounds}, got {abbreviate(amount)}")
    return amount


def require_finite_numbers(
    kind: str, number_of_owner: int, error: MakeError, *numbers: float | Decimal | list[float | None] | None
) -> None:
    """Raise `error` unless each number is finite and at most `MAX_NUMBER`; None and lists (fees) are accepted.

    Parameters
    ----------
    kind, number_of_owner
        Object with the numbers, for the message: ``"trade", 3`` is trade #3.
    error
        Class of the error to raise.
    """
    for number in numbers:
        if number is None or (type(number) is float and _LEAST_NUMBER <= number <= MAX_NUMBER):
            continue
        if not isinstance(number, list) and not is_finite_number(number):
            raise error(
                f"{kind} #{number_of_owner} was given {abbreviate(number)}, "
                f"a finite number up to {MAX_NUMBER:g} is expected"
            )
