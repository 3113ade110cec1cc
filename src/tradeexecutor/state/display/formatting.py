"""Numbers and times as text for people: on a terminal, in a notebook, in a report.

Missing figures (None, NaN and infinity) are shown as ``-``.
"""

import datetime
import math
import re
from decimal import Decimal

__all__ = [
    "NOTHING",
    "append_line",
    "format_count",
    "format_percent",
    "format_price",
    "format_quantity",
    "format_quantity_change",
    "format_ratio",
    "format_span",
    "format_time",
    "format_usd",
    "round_decimals",
]

#: A token amount closer to zero than this is shown with an exponent: its zeros would hide the digits.
_SMALLEST_PLAIN = Decimal("1e-12")

#: A decimal with more than eight digits after the point, that is not a part of a word or a path.
_LONG_DECIMAL = re.compile(r"(?<![\w.,/\\])\d+\.\d{9,}(?:[eE][+-]?\d+)?(?![\w/\\])")

#: Text for a missing figure.
NOTHING = "-"


def format_usd(value: float | None) -> str:
    """Return a dollar amount as text; small amounts keep three significant digits.

    >>> format_usd(1234.5), format_usd(-0.00123), format_usd(None)
    ('1,234.50', '-0.00123', '-')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    if value and abs(value) < 0.01:
        return f"{value:.3g}"
    return f"{value:,.2f}"


def format_price(value: float | None) -> str:
    """Return a price with about six significant digits, never with an exponent.

    >>> format_price(61234.5678), format_price(0.00001234567)
    ('61,234.57', '0.0000123457')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.2f}" if abs(value) >= 1000 else _plain(Decimal(f"{value:.6g}"))


def format_quantity(value: Decimal | None) -> str:
    """Return a token amount with at most eight significant digits; an exponent only for what is left by rounding.

    >>> format_quantity(Decimal("1234.5000")), format_quantity(Decimal("0.000001234567891"))
    ('1,234.5', '0.0000012345679')
    >>> format_quantity(Decimal("-0.00000000000000088817842"))
    '-8.88e-16'
    """
    if value is None or not value.is_finite():
        return NOTHING
    if value and abs(value) < _SMALLEST_PLAIN:
        return f"{value:.3g}"
    return _plain(Decimal(f"{value:.8g}"))


def format_quantity_change(value: Decimal | None) -> str:
    """Return a token amount with its sign.

    >>> format_quantity_change(Decimal("1234.50")), format_quantity_change(Decimal("-0.5"))
    ('+1,234.5', '-0.5')
    """
    text = format_quantity(value)
    return f"+{text}" if value is not None and value > 0 else text


def round_decimals(text: str) -> str:
    """Return a text, such as the notes of a trade, whose decimals with many digits have eight significant ones.

    >>> round_decimals("Stoploss:4729.399198713055 mid-price:4703.73, 1.5e-7 of 0.0000000000000000000000123456789123")
    'Stoploss:4729.3992 mid-price:4703.73, 1.5e-7 of 1.23e-23'
    >>> round_decimals("at the limit 1.00000000000000003643219731549774E-10, see runs/1.123456789012/state.json")
    'at the limit 0.0000000001, see runs/1.123456789012/state.json'
    """
    return _LONG_DECIMAL.sub(lambda found: format_quantity(Decimal(found[0])).replace(",", ""), text)


def _plain(value: Decimal) -> str:
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_percent(value: float | None) -> str:
    """Return a fraction in percent.

    >>> format_percent(0.1234), format_percent(230.0), format_percent(-0.00001)
    ('12.34 %', '23,000 %', '0.00 %')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value * 100:,.0f}" if abs(value) >= 100 else f"{value * 100:,.2f}"
    return f"{'0.00' if text == '-0.00' else text} %"


def format_ratio(value: float | None) -> str:
    """Return a number without a unit as text."""
    return NOTHING if value is None or not math.isfinite(value) else f"{value:,.2f}"


def format_count(value: int | None) -> str:
    """Return a whole number as text with separators of thousands."""
    return NOTHING if value is None else f"{value:,}"


def format_time(value: datetime.datetime | None, *, seconds: bool = False) -> str:
    """Format a UTC time."""
    if value is None:
        return NOTHING
    return f"{value:%Y-%m-%d %H:%M:%S}" if seconds else f"{value:%Y-%m-%d %H:%M}"


def format_span(span: datetime.timedelta | None, *, sign: bool = False) -> str:
    """Format a length of time: its two largest units, days at most.

    >>> format_span(datetime.timedelta(seconds=3725)), format_span(datetime.timedelta(seconds=-0.5), sign=True)
    ('1 h 2 min', '-0.5 s')
    """
    if span is None:
        return NOTHING
    seconds = abs(span.total_seconds())
    mark = "-" if span < datetime.timedelta(0) else "+" if sign and span else ""
    if seconds < 59.5:
        return f"{mark}{seconds:.3g} s"
    if seconds < 3570:
        minutes, rest = divmod(round(seconds), 60)
        return f"{mark}{minutes} min" + (f" {rest} s" if rest else "")
    if seconds < 86_370:
        hours, rest = divmod(round(seconds / 60), 60)
        return f"{mark}{hours} h" + (f" {rest} min" if rest else "")
    days, rest = divmod(round(seconds / 3600), 24)
    return f"{mark}{days:,} d" + (f" {rest} h" if rest else "")


def append_line(notes: str | None, line: str) -> str:
    r"""Return notes with an additional line; each line ends with a newline, which is added to old notes if missing.

    >>> append_line("Breakout", "Repaired")
    'Breakout\nRepaired\n'
    """
    notes = notes or ""
    return f"{notes}\n{line}\n" if notes and not notes.endswith("\n") else f"{notes}{line}\n"
