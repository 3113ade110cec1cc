"""Checks of what callers hand in for trades; they bind the checks of values to `InvalidTrade`.

A wrong value is refused where it comes in.  Otherwise it would be found when the state is saved, long after the call
that brought it.
"""

import datetime
from decimal import Decimal
from math import isfinite

from tradeexecutor.accounting.values import is_finite_number, require_naive_utc
from tradeexecutor.state.errors import InvalidTrade

__all__ = ["check_finite", "check_naive_utc"]


def check_naive_utc(when: datetime.datetime, what: str) -> None:
    """Raise `InvalidTrade`, naming `what`, unless `when` is a datetime without a time zone."""
    if type(when) is not datetime.datetime or when.tzinfo is not None:  # nearly never
        require_naive_utc(when, what, InvalidTrade)


def check_finite(trade_id: int, *numbers: float | Decimal | list[float | None] | None) -> None:
    """Raise `InvalidTrade` if one of the numbers of a trade is no number, NaN or infinite; None and lists pass."""
    for number in numbers:
        if number is None or (type(number) is float and isfinite(number)) or isinstance(number, list):
            continue
        if not is_finite_number(number):
            raise InvalidTrade(f"trade #{trade_id} was given {number!r} where a number is expected")
