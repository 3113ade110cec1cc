"""Checks of values for trades, which raise `InvalidTrade`.

A wrong value is refused in the call that passes it. Otherwise it would be found only when the state is saved, much
later.
"""

import datetime
from decimal import Decimal
from math import isfinite

from tradeexecutor.accounting.values import is_finite_number, require_naive_utc
from tradeexecutor.state.errors import InvalidTrade

__all__ = ["check_finite", "check_naive_utc"]


def check_naive_utc(when: datetime.datetime, what: str) -> None:
    """Raise `InvalidTrade`, naming `what`, unless `when` is a datetime without a time zone."""
    if type(when) is not datetime.datetime or when.tzinfo is not None:  # rarely true
        require_naive_utc(when, what, InvalidTrade)


def check_finite(trade_id: int, *numbers: float | Decimal | list[float | None] | None) -> None:
    """Raise `InvalidTrade` if a value of a trade is NaN, infinite or not a number; None and lists are accepted."""
    for number in numbers:
        if number is None or (type(number) is float and isfinite(number)) or isinstance(number, list):
            continue
        if not is_finite_number(number):
            raise InvalidTrade(f"trade #{trade_id} was given {number!r} where a number is expected")
