"""Candles are what their stamps say: no candle ends before its period is over, in any calendar and zone."""

import datetime
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.kit.candle_tables import read_times
from tests.kit.markets import DAY, HOUR
from tradeexecutor.strategy.market_data import MONTH, QUARTER, YEAR, InvalidCandles


@pytest.mark.parametrize(
    ("times", "bucket", "last_end"),
    [
        (["2023-01-01", "2023-04-01", "2023-07-01"], QUARTER, "2023-10-01"),
        (["2021-01-01", "2022-01-01", "2023-01-01"], YEAR, "2024-01-01"),
        (["2021-12-31", "2022-12-31", "2023-12-31"], YEAR, "2024-01-01"),
        (["2023-03-31", "2023-06-30", "2023-09-30"], QUARTER, "2023-10-01"),
        (["2023-06-30", "2023-09-30", "2023-12-31"], QUARTER, "2024-01-01"),
        (["2023-01-01", "2023-02-01", "2023-04-01"], MONTH, "2023-05-01"),
        (["2023-01-02", "2023-02-01", "2023-03-01", "2023-04-03"], MONTH, "2023-05-01"),
        (["2023-01-31", "2023-02-28", "2023-03-31", "2023-04-28"], MONTH, "2023-05-01"),
        (["2023-01-31 23:59:59", "2023-02-28 23:59:59", "2023-03-31 23:59:59"], MONTH, "2023-04-01"),
        (["2023-01-15", "2023-02-15", "2023-03-15"], MONTH, "2023-04-15"),
        (["2024-01-30", "2024-02-29", "2024-03-30", "2024-04-30"], MONTH, "2024-05-31"),
        (["2023-01-01", "2023-01-29", "2023-02-26", "2023-03-26"], 28 * DAY, "2023-04-23"),
        (["2023-01-01", "2023-01-31", "2023-03-02", "2023-05-01"], 30 * DAY, "2023-05-31"),
        (["2023-01-01", "2023-02-01", "2023-03-04", "2023-04-04"], 31 * DAY, "2023-05-05"),
        (["2023-01-02", "2023-01-09", "2023-01-17", "2023-01-23", "2023-01-30"], 7 * DAY, "2023-02-06"),
        (["2023-01-01 07:59:59.999", "2023-01-01 15:59:59.999"], 8 * HOUR, "2023-01-01 16:00"),
    ],
)
def test_no_candle_ends_before_its_period_is_over(times: list[str], bucket: object, last_end: str):
    candles = read_times(times)
    assert candles.bucket == bucket
    assert candles.last_end_at == pd.Timestamp(last_end)
    assert (candles.ends[:-1] <= candles.starts[1:]).all()


@pytest.mark.parametrize(
    ("freq", "periods", "zone", "length"),
    [
        ("W-MON", 60, "America/New_York", 7 * DAY),
        ("MS", 24, "America/New_York", MONTH),
        ("MS", 24, "Asia/Tokyo", MONTH),
        ("ME", 24, "Europe/Berlin", MONTH),
        ("QS", 12, "Europe/London", QUARTER),
        ("YS", 6, "Australia/Sydney", YEAR),
        ("D", 400, "Europe/Berlin", DAY),
        ("D", 400, "Africa/Casablanca", DAY),
        ("B", 300, "Europe/London", DAY),
        ("4h", 2500, "Europe/Berlin", 4 * HOUR),
        ("h", 9000, "America/New_York", HOUR),
    ],
)
@pytest.mark.parametrize("form", ["zone", "offsets", "naive UTC"])
def test_zones_with_daylight_saving(freq: str, periods: int, zone: str, length: object, form: str):
    start = pd.Timestamp("2019-01-01")
    zoned = pd.date_range(start, periods=periods, freq=freq, tz=zone)
    if freq in ("4h",):
        # Four-hour candles start at the hours 0, 4, 8 ... of the clock, whatever the clock does.
        zoned = pd.date_range(start, periods=periods, freq=freq).tz_localize(
            zone, ambiguous=np.zeros(periods, dtype=bool), nonexistent="shift_forward"
        )
    times: Any = zoned
    if form == "offsets":
        times = [stamp.isoformat() for stamp in zoned]
    elif form == "naive UTC":
        times = zoned.tz_convert("UTC").tz_localize(None)
    if form == "naive UTC" and freq in ("MS", "QS", "YS") and zone != "America/New_York":
        # Midnight there is the evening before in UTC: without its zone a stamp can be the end of the old month.
        with pytest.raises(InvalidCandles):
            read_times(times)
        return
    candles = read_times(times)
    assert candles.bucket == length
    assert len(candles) == periods
    if freq in ("W-MON", "MS", "QS", "YS", "D", "h"):
        # No hole: every candle but the last ends when the next one starts.
        assert (candles.ends[:-1] == candles.starts[1:]).all()
    if form == "zone" and freq != "h":
        last_end = pd.Timestamp(candles.last_end_at).tz_localize("UTC").tz_convert(zoneinfo.ZoneInfo(zone))
        assert (last_end.hour % 4, last_end.minute) == (0, 0), (
            "the end is a midnight there, or another hour of the grid"
        )


def test_the_week_in_which_clocks_go_forward_has_167_hours():
    candles = read_times(pd.date_range("2024-02-26", periods=4, freq="W-MON", tz="America/New_York"))
    hours = ((candles.ends - candles.starts) // 3_600_000_000).tolist()
    assert hours == [168, 167, 168, 168]


def test_a_month_that_is_stamped_with_its_last_day_ends_when_clocks_have_not_changed_yet():
    # Clocks went forward on 3 April, so March ended at 05:00 UTC although April is stamped with -04:00.
    days = ("1994-01-31", "1994-02-28", "1994-03-31")
    candles = read_times([*(f"{day}T00:00:00-05:00" for day in days), "1994-04-30T00:00:00-04:00"])
    assert candles.bucket == MONTH
    assert pd.Timestamp(int(candles.ends[2]), unit="us") == pd.Timestamp("1994-04-01 05:00")


# --- Lengths that are not known, or contradict the stamps


@pytest.mark.parametrize(
    ("times", "options", "message"),
    [
        (pd.date_range("2023-01-01", periods=6), {"bucket": "1h"}, "said to last 1 hour, but they are 1 day apart"),
        (pd.date_range("2023-01-01", periods=6), {"bucket": "1M"}, "candles of 1 month must not overlap"),
        (pd.date_range("2023-01-01", periods=6, freq="QS"), {"bucket": "month"}, "said to last 1 month"),
        (pd.date_range("2023-01-01", periods=6, freq="5MS"), {}, "5 months apart.*--time-frame"),
        (
            pd.to_datetime(["2023-01-01", "2023-01-03", "2023-01-08", "2023-01-20"]),
            {},
            "irregular distances.*--time-frame",
        ),
        (pd.date_range("2023-01-01", periods=6, freq="ms"), {}, "not a length of a candle"),
        (pd.to_datetime(["2013-01-01", "2023-01-02"]), {}, "not a length of a candle"),
        (
            [*pd.date_range("2023-01-01", periods=10, freq="W"), *pd.date_range("2023-04-01", periods=50)],
            {},
            "from 2023-01-01 to 2023-04-01 the candles are 1 week apart, elsewhere 1 day: two lengths",
        ),
        (
            [*pd.bdate_range("2023-01-02", periods=40), *pd.date_range("2023-03-01", periods=500, freq="h")],
            {},
            "the candles are 1 day apart, elsewhere 1 hour: two lengths",
        ),
        (
            [*pd.date_range("2019-01-01", periods=3, freq="YS"), *pd.date_range("2022-01-01", periods=12, freq="MS")],
            {},
            "12 months apart, elsewhere 1: two lengths",
        ),
    ],
)
def test_lengths_that_are_refused(times: Any, options: dict[str, Any], message: str):
    with pytest.raises(InvalidCandles, match=message):
        read_times(times, **options)


def test_a_thin_market_is_no_market_of_two_lengths():
    random = np.random.default_rng(5)
    hours = np.unique(np.r_[random.choice(2_000, 300), np.arange(2_000, 4_000)])
    candles = read_times(pd.Timestamp("2023-01-01") + pd.to_timedelta(hours, unit="h"))
    assert candles.bucket == HOUR


def test_a_length_can_be_given_as_text_or_time():
    days = pd.to_datetime(["2023-01-01"])
    for bucket in ("1d", "1D", "daily", DAY):
        assert read_times(days, bucket=bucket).last_end_at == datetime.datetime(2023, 1, 2)
