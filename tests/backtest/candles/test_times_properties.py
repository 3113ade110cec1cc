"""Times written in any form, unit and zone are read back equal, or refused where they are ambiguous."""

import datetime
import zoneinfo
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.candle_tables import make_table, read_times
from tradeexecutor.backtest.candles import load_candle_file
from tradeexecutor.strategy.market_data import Candles, InvalidCandles

FIRST = datetime.datetime(1980, 1, 2)
LAST = datetime.datetime(2025, 1, 1)

SECONDS = {"min": 60, "5min": 300, "15min": 900, "h": 3600, "4h": 14400, "D": 86400, "7D": 604800}
ZONES = (
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Africa/Cairo",
)

#: Forms that always say which number is the year, the month and the day.
CLEAR_FORMS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y.%m.%d %H:%M",
    "%Y%m%d %H%M%S",
    "%Y%m%dT%H%M%SZ",
    "%Y%m%d%H%M%S",
    "%Y%m%d%H%M",
    "%d %b %Y %H:%M",
    "%d-%b-%Y %H:%M:%S",
    "%b %d, %Y %I:%M %p",
    "%A, %d %B %Y %H:%M",
)
#: Forms that say it only when a day is after the 12th.
OPEN_FORMS = {
    "%d/%m/%Y %H:%M": "day-first",
    "%d.%m.%Y %H:%M:%S": "day-first",
    "%d-%m-%Y, %H:%M": "day-first",
    "%m/%d/%Y %I:%M %p": "month-first",
    "%m-%d-%Y %H:%M": "month-first",
}
UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}


@st.composite
def candle_times(draw: st.DrawFn) -> pd.DatetimeIndex:
    """Times of candles with holes, in any order: at least four, so that the common distance is that of the candles."""
    freq = draw(st.sampled_from(sorted(SECONDS)))
    start = pd.Timestamp(draw(st.datetimes(FIRST, LAST - datetime.timedelta(days=800)))).floor("D")
    start += pd.Timedelta(seconds=SECONDS[freq] * draw(st.integers(0, 20)))
    count = draw(st.integers(4, 60))
    index = pd.date_range(start, periods=count, freq=freq)
    holes = draw(st.sets(st.integers(3, count), max_size=count // 10))
    index = index.delete(sorted(hole for hole in holes if hole < count))
    order = draw(st.permutations(range(len(index))))
    return index[list(order)]


def check_equal(candles: Candles, times: pd.DatetimeIndex) -> None:
    assert candles.get_index().equals(times.sort_values().astype("datetime64[us]").rename("timestamp"))


@pytest.mark.slow
@given(times=candle_times(), form=st.sampled_from(CLEAR_FORMS))
@settings(max_examples=150, deadline=None)
def test_clear_text_is_read_back(times: pd.DatetimeIndex, form: str):
    check_equal(read_times(times.strftime(form)), times)


@pytest.mark.slow
@given(times=candle_times(), form=st.sampled_from(sorted(OPEN_FORMS)))
@settings(max_examples=150, deadline=None)
def test_an_order_of_day_and_month_is_read_back_or_refused(times: pd.DatetimeIndex, form: str):
    texts = times.strftime(form)
    can_be_swapped = (times.day <= 12).all() and (times.day != times.month).any()
    if can_be_swapped:
        with pytest.raises(InvalidCandles, match="no row decides; set the format with --date-format"):
            read_times(texts)
    else:
        check_equal(read_times(texts), times)
    for named in (OPEN_FORMS[form], form):
        check_equal(read_times(texts, date_format=named), times)


@given(times=candle_times(), form=st.sampled_from(sorted(OPEN_FORMS)))
@settings(max_examples=60, deadline=None)
def test_the_wrong_order_is_never_read_from_a_column_that_decides(times: pd.DatetimeIndex, form: str):
    if (times.day <= 12).all():
        return
    wrong = {"day-first": "month-first", "month-first": "day-first"}[OPEN_FORMS[form]]
    with pytest.raises(InvalidCandles, match="there is no month"):
        read_times(times.strftime(form), date_format=wrong)


@pytest.mark.slow
@given(
    times=candle_times(),
    unit=st.sampled_from([*UNITS, "ns"]),
    kind=st.sampled_from(["int", "float", "text", "Int64", "object"]),
    is_named=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_epoch_numbers_are_read_back(times: pd.DatetimeIndex, unit: str, kind: str, is_named: bool):
    microseconds = times.astype("datetime64[us]").astype("int64").to_numpy()
    numbers: Any = microseconds * 1_000 if unit == "ns" else microseconds // UNITS[unit]
    if kind == "float":
        numbers = numbers.astype(np.float64)
    elif kind == "text":
        numbers = [str(number) for number in numbers]
    elif kind == "Int64":
        numbers = pd.array(numbers, dtype="Int64")
    elif kind == "object":
        numbers = numbers.astype(object)
    check_equal(read_times(numbers, date_format=unit if is_named else None), times)


@given(times=candle_times(), first=st.sampled_from([*UNITS]), second=st.sampled_from([*UNITS]), at=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_two_units_in_a_column_are_refused(times: pd.DatetimeIndex, first: str, second: str, at: int):
    if first == second:
        return
    microseconds = times.astype("datetime64[us]").astype("int64").to_numpy()
    numbers = np.r_[microseconds[:at] // UNITS[first], microseconds[at:] // UNITS[second]]
    with pytest.raises(InvalidCandles, match=r"is in .*seconds, row") as caught:
        read_times(numbers)
    assert caught.value.row in (1, at + 1)


@pytest.mark.slow
@given(times=candle_times(), zone=st.sampled_from(ZONES), form=st.sampled_from(["zone", "text", "objects"]))
@settings(max_examples=200, deadline=None)
def test_zones_are_converted_to_utc(times: pd.DatetimeIndex, zone: str, form: str):
    zoned = times.tz_localize("UTC").tz_convert(zoneinfo.ZoneInfo(zone))
    column: Any = zoned
    if form == "text":
        column = [stamp.isoformat(sep=" ") for stamp in zoned]
    elif form == "objects":
        column = np.array(zoned.to_pydatetime(), dtype=object)
    candles = read_times(column)
    check_equal(candles, times)
    assert (candles.ends > candles.starts).all()


@pytest.mark.slow
@given(
    zone=st.sampled_from(ZONES),
    freq=st.sampled_from(["D", "W-MON", "MS", "QS", "YS"]),
    start=st.dates(datetime.date(1990, 1, 1), datetime.date(2010, 1, 1)),
    count=st.integers(5, 14),
    keeps_zone=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_days_and_longer_candles_of_a_zone_follow_one_another(
    zone: str, freq: str, start: datetime.date, count: int, keeps_zone: bool
):
    local = pd.date_range(start, periods=count, freq=freq)
    zoned = local.tz_localize(zone, ambiguous=np.ones(count, dtype=bool), nonexistent="shift_forward")
    candles = read_times(zoned if keeps_zone else [stamp.isoformat() for stamp in zoned])
    check_equal(candles, zoned.tz_convert("UTC").tz_localize(None))
    assert (candles.ends[:-1] == candles.starts[1:]).all()
    following = pd.date_range(local[-1], periods=2, freq=freq)[-1:]
    true_end = following.tz_localize(zone, ambiguous=np.zeros(1, dtype=bool), nonexistent="shift_forward")
    last_end = pd.Timestamp(candles.last_end_at)
    late = last_end - true_end.tz_convert("UTC").tz_localize(None)[0]
    # Only offsets, no zone: the end may be late by as much as they differ, never early.
    assert pd.Timedelta(0) <= late <= pd.Timedelta(hours=0 if keeps_zone else 1)


@pytest.mark.slow
@given(times=candle_times(), zone=st.sampled_from(ZONES), unit=st.sampled_from(["s", "ms", "us", "ns"]))
@settings(max_examples=60, deadline=None)
def test_parquet_and_feather_keep_times(
    tmp_path_factory: pytest.TempPathFactory, times: pd.DatetimeIndex, zone: str, unit: str
):
    folder: Path = tmp_path_factory.mktemp("files")
    frame = make_table(pd.DatetimeIndex(times.astype(f"datetime64[{unit}]"), tz="UTC").tz_convert(zone))
    frame.to_parquet(folder / "BTC-USD.parquet")
    frame.to_feather(folder / "BTC-USD.feather")
    frame.set_index("date").to_parquet(folder / "ETH-USD.parquet")
    for name in ("BTC-USD.parquet", "BTC-USD.feather", "ETH-USD.parquet"):
        (candles,) = load_candle_file(folder / name).values()
        check_equal(candles, times)


@given(
    times=candle_times(),
    row=st.integers(0, 3),
    junk=st.sampled_from(["", "x", "2024-13-01", "n/a", "12", "99/99/9999"]),
)
@settings(max_examples=60, deadline=None)
def test_one_row_that_is_no_time_is_named(times: pd.DatetimeIndex, row: int, junk: str):
    texts = times.strftime("%Y-%m-%d %H:%M:%S").tolist()
    texts[row] = junk
    with pytest.raises(InvalidCandles) as caught:
        read_times(texts)
    assert caught.value.row == row + 1
