"""Formats of numbers and time spans in charts."""

import datetime
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["count", "format_duration", "format_price", "format_profit", "get_price_tick_format", "get_tick_format"]

#: Numbers in any form that becomes an array.
Numbers: TypeAlias = Union[Sequence[float], NDArray[np.float64], "pd.Series[float]"]


def format_profit(value: float) -> str:
    """Return a profit in USD as text with its sign.

    >>> format_profit(-3.5), format_profit(1234.0)
    ('−$3.50', '+$1,234.00')
    """
    return f"{'−' if value < 0 else '+'}${abs(value):,.2f}"


def format_price(value: float) -> str:
    """Return a price as text: four decimals, or six significant digits for small prices; never an exponent.

    >>> format_price(1234.5), format_price(0.00001234567)
    ('1,234.5000', '0.0000123457')
    """
    if value == 0 or abs(value) >= 0.1:
        return f"{value:,.4f}"
    return f"{Decimal(f'{value:.6g}'):,f}"


def get_tick_format(values: Numbers) -> str:
    """Return the plotly format of the numbers on an axis in USD: 20k for large ones, 0.00000012 for small ones.

    >>> get_tick_format([20_000.0]), get_tick_format([3.5, float("nan")]), get_tick_format([0.00000012])
    ('~s', ',.4~f', ',.10~f')
    """
    numbers = np.abs(np.asarray(values, dtype=np.float64))
    largest = float(numbers.max(initial=0.0, where=np.isfinite(numbers)))
    if largest >= 1_000:
        return "~s"
    decimals = 4 if largest >= 0.1 or not largest else 3 - math.floor(math.log10(largest))
    return f",.{decimals}~f"


def get_price_tick_format(prices: Numbers) -> str:
    """Return the plotly format of prices on an axis: all digits, never an exponent.

    >>> get_price_tick_format([61_000.0]), get_price_tick_format([0.00000012])
    (',~f', ',.10~f')
    """
    text = get_tick_format(prices)
    return ",~f" if text == "~s" else text


def format_duration(duration: datetime.timedelta) -> str:
    """Return a time span as text in its two largest units.

    >>> format_duration(datetime.timedelta(hours=50, minutes=3)), format_duration(datetime.timedelta(seconds=30))
    ('2 d 2 h', '0 min')
    """
    minutes = max(int(duration.total_seconds() // 60), 0)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days:,} d {hours} h" if hours and days < 30 else f"{days:,} d"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def count(number: int, what: str) -> str:
    """Return a number with its noun in the singular or plural.

    >>> count(1, "deposit"), count(2000, "deposit")
    ('1 deposit', '2,000 deposits')
    """
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
