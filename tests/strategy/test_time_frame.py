"""Lengths of candles as exchanges, ccxt, pandas and people write them; what has two meanings is refused."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.strategy.candle_length import MONTHS, describe_length
from tradeexecutor.strategy.market_data import HALF_YEAR, MONTH, QUARTER, YEAR, InvalidCandles
from tradeexecutor.strategy.time_frame import parse_time_frame

SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("1s 1S 1sec 60s", None),
        ("1m 1min 1Min 1MIN 1minute 1T 60s M1 m1", MINUTE),
        ("5m 5min 5MIN M5 m5 5T", 5 * MINUTE),
        ("15m 15min 15MIN 15T M15", 15 * MINUTE),
        ("90m 90min", 90 * MINUTE),
        ("1h 1H 60m 60min H1 h1 1hour 1HR hourly", HOUR),
        ("4h 4H H4 240m 240min 4hours", 4 * HOUR),
        ("1d 1D 24h 1440m D1 d1 1day daily Daily", DAY),
        ("1w 1W 7d 7D 1wk 1week W1 weekly", 7 * DAY),
        ("30d 30D", 30 * DAY),
        ("1M 1mo 1MO 1Mo 1mon 1month 1MS 1ME MN1 month monthly", MONTH),
        ("2mo 2months", "2 months"),
        ("4mo 4months", "4 months"),
        ("3M 3mo 3months 1q 1Q 1QS 1QE quarter quarterly", QUARTER),
        ("6M 6mo half-year", HALF_YEAR),
        ("12M 12mo 1y 1Y 1YS 1YE 1year 1A year yearly annual", YEAR),
    ],
)
def test_all_spellings(texts: str, expected: object):
    for text in texts.split():
        assert parse_time_frame(text) == (expected or parse_time_frame(text.lower()))
        assert parse_time_frame(f" {text} ") == parse_time_frame(text)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("min T", MINUTE),
        ("h H hour", HOUR),
        ("D d", DAY),
        ("W W-SUN W-MON 1W-FRI", 7 * DAY),
        ("M MS ME", MONTH),
        ("QS QE QS-JAN 1QE-DEC", QUARTER),
        ("YS YE A AS YS-JAN YE-DEC", YEAR),
    ],
)
def test_frequencies_of_pandas(texts: str, expected: object):
    for text in texts.split():
        assert parse_time_frame(text) == expected


def test_an_m_alone_has_two_meanings():
    with pytest.raises(InvalidCandles, match="'m' can be a minute or a month; write 1min or 1mo"):
        parse_time_frame("m")


def test_a_blank_may_stand_before_the_unit():
    assert parse_time_frame("4 hours") == 4 * HOUR
    assert parse_time_frame("1 month") == MONTH


@pytest.mark.parametrize("text", ["15M", "5M", "30M", "45M", "2M", "60M"])
def test_months_that_candles_do_not_last_may_be_meant_as_minutes(text: str):
    with pytest.raises(InvalidCandles, match=f"'{text}' can be months or minutes; write {text[:-1]}min for minutes"):
        parse_time_frame(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1 2h",
        *"m 1 60 0m 0M -1h 1.5h 1x 1ms 1us 1ns 1me 1a 9999d W- W-MONDAY -MON h4h 1mm ٣m 5mo 5q 2y 1e3s".split(),
        *"M0 MN5 1mn none unknown".split(),
    ],
)
def test_nonsense(text: str):
    with pytest.raises(InvalidCandles):
        parse_time_frame(text)


@given(st.integers(1, 366 * 24 * 3600))
def test_what_is_described_is_read(seconds: int):
    length = seconds * SECOND
    described = describe_length(length)
    if described[-1].isalpha():
        assert parse_time_frame(described) == length


@pytest.mark.parametrize("length", list(MONTHS))
def test_calendar_lengths_are_read_by_their_names(length: str):
    assert parse_time_frame(length) == length
