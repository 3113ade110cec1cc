"""Checks of values that callers hand in: times and numbers that could not be saved, or would mean something else.

A wrong value is refused where it comes in.  Otherwise it would be found when the state is saved, long after the call
that brought it.
"""

# The checks exist for callers without a type checker.
# pyright: reportUnnecessaryIsInstance=false

import datetime
from decimal import Decimal
from math import isfinite

from tradeexecutor.state.errors import InvalidTrade

__all__ = ["check_finite", "check_naive_utc"]


def check_naive_utc(when: datetime.datetime, what: str) -> None:
    """Raise `InvalidTrade`, naming `what`, unless `when` is a datetime without a time zone."""
    if not isinstance(when, datetime.datetime) or when.tzinfo is not None:
        raise InvalidTrade(f"{what} must be a naive UTC datetime, got {when!r}")


def check_finite(trade_id: int, *numbers: float | Decimal | list[float | None] | None) -> None:
    """Raise `InvalidTrade` if one of the numbers of a trade is no number, NaN or infinite; None and lists pass."""
    for number in numbers:
        if number is None or (type(number) is float and isfinite(number)) or isinstance(number, list):
            continue
        if not isinstance(number, (int, float, Decimal)) or not isfinite(number):
            raise InvalidTrade(f"trade #{trade_id} was given {number!r} where a number is expected")
