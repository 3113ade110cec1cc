"""Parsing the length of a candle in the notations of exchanges, ccxt, pandas and users."""

import datetime
import re

from tradeexecutor.strategy.candle_length import (
    HALF_YEAR,
    MONTH,
    MONTHS,
    QUARTER,
    YEAR,
    CandleLength,
    InvalidCandles,
)

__all__ = ["parse_time_frame"]

_SECOND = datetime.timedelta(seconds=1)
_MINUTE = datetime.timedelta(minutes=1)
_HOUR = datetime.timedelta(hours=1)
_DAY = datetime.timedelta(days=1)
_WEEK = datetime.timedelta(days=7)

#: Units in upper or lower case.
_FIXED_WORDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), _SECOND),
    **dict.fromkeys(("min", "mins", "minute", "minutes", "t"), _MINUTE),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), _HOUR),
    **dict.fromkeys(("d", "day", "days"), _DAY),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), _WEEK),
}
_MONTH_WORDS = {
    **dict.fromkeys(("mo", "mos", "mon", "mth", "month", "months"), 1),
    **dict.fromkeys(("q", "quarter", "quarters"), 3),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), 12),
}

#: Case-sensitive units: "1m" is a minute and "1M" a month, "1MS" a month of pandas and "1ms" a millisecond.
_CASED_MONTHS = {"M": 1, "MS": 1, "ME": 1, "QS": 3, "QE": 3, "YS": 12, "YE": 12, "A": 12, "AS": 12}

_WHOLE_WORDS: dict[str, CandleLength] = {
    "hourly": _HOUR,
    "daily": _DAY,
    "weekly": _WEEK,
    "month": MONTH,
    "monthly": MONTH,
    "quarter": QUARTER,
    "quarterly": QUARTER,
    "half-year": HALF_YEAR,
    "year": YEAR,
    "yearly": YEAR,
    "annual": YEAR,
}

#: Notation of MetaTrader and some brokers: M15, H4, D1, W1, MN1.
_LETTER_FIRST = {"S": _SECOND, "M": _MINUTE, "H": _HOUR, "D": _DAY, "W": _WEEK}

_NAMES = {count: name for name, count in MONTHS.items()}

#: Numbers before an M that mean months; with other numbers M often means minutes.
_COUNTS_OF_M = (1, 3, 6, 12)
_LONGEST = datetime.timedelta(days=366)
_EXAMPLES = "write 15m, 1h, 1d, 7d, month, quarter or year"


def parse_time_frame(text: str) -> CandleLength:
    """Return the length of a candle.

    Parameters
    ----------
    text
        A number and a unit: ``1m`` and ``1min`` are a minute, ``1M`` and ``1mo`` a month, ``4h`` or ``4H`` four hours,
        ``1w`` a week, ``3M`` or ``1q`` a quarter, ``1y`` a year; or a word: ``month``, ``daily``; or ``H4``; or as
        pandas names frequencies: ``D``, ``W-MON``, ``MS``.

    Returns
    -------
    timedelta or str
        A fixed time, or the name of a calendar period: ``month``, ``quarter`` ...

    Raises
    ------
    InvalidCandles
        The text is invalid or ambiguous: ``15M`` is neither a length in months nor the notation of minutes.

    >>> str(parse_time_frame("1m")), parse_time_frame("1M")
    ('0:01:00', 'month')
    """
    cleaned = text.strip()
    whole = _WHOLE_WORDS.get(cleaned.lower())
    if whole is not None:
        return whole
    if cleaned == "m":
        raise InvalidCandles(f"{text!r} can be a minute or a month; write 1min or 1mo")
    # pandas names the first or last day of its weeks, quarters and years, and leaves out a one: W-MON, QS-JAN, D.
    found = re.fullmatch(r"([0-9]{0,6})\s*([A-Za-z]+)(?:-[A-Z]{3})?", cleaned)
    if found is not None:
        return _read(int(found[1] or 1), found[2], text)
    found = re.fullmatch(r"([SMHDW]|MN)([0-9]{1,4})", cleaned.upper())
    if found is not None and found[1] == "MN":
        return _make_months(int(found[2]), text)
    if found is not None:
        return _make_fixed(int(found[2]), _LETTER_FIRST[found[1]], text)
    raise _refuse(text)


def _read(number: int, unit: str, text: str) -> CandleLength:
    if unit == "m":
        return _make_fixed(number, _MINUTE, text)
    if unit in _CASED_MONTHS:
        if unit == "M" and number not in _COUNTS_OF_M:
            raise InvalidCandles(
                f"{text!r} can be months or minutes; write {number}min for minutes, "
                "and 1mo, 2mo, 3mo, 4mo, 6mo or 12mo for months"
            )
        return _make_months(number * _CASED_MONTHS[unit], text)
    word = unit.lower()
    if word in _FIXED_WORDS:
        return _make_fixed(number, _FIXED_WORDS[word], text)
    if word in _MONTH_WORDS:
        return _make_months(number * _MONTH_WORDS[word], text)
    raise _refuse(text)


def _make_fixed(number: int, unit: datetime.timedelta, text: str) -> datetime.timedelta:
    if not number or number * unit > _LONGEST:
        raise _refuse(text)
    return number * unit


def _make_months(number: int, text: str) -> str:
    if number not in _NAMES:
        raise InvalidCandles(f"{text!r} is not the length of a candle: candles last 1, 2, 3, 4, 6 or 12 months")
    return _NAMES[number]


def _refuse(text: str) -> InvalidCandles:
    return InvalidCandles(f"{text!r} is not the length of a candle; {_EXAMPLES}")
