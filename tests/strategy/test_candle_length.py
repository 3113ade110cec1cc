"""The length of candles is told from their starts, and no candle ends before its prices are known."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.markets import DAY, HOUR, flat, make_candles
from tradeexecutor.strategy.candle_length import calculate_ends, describe_length, detect_length, get_typical_length
from tradeexecutor.strategy.market_data import HALF_YEAR, MONTH, QUARTER, YEAR, Candles, InvalidCandles

WEEK = 7 * DAY


def to_us(times: object) -> np.ndarray:
    return np.asarray(pd.DatetimeIndex(times).as_unit("us").asi8)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("times", "length"),
    [
        (pd.date_range("2024-01-01", periods=9, freq="h"), HOUR),
        (pd.date_range("2024-01-01", periods=30, freq="B"), DAY),
        (pd.date_range("2024-01-01", periods=9, freq="W"), WEEK),
        (pd.date_range("2024-01-01", periods=9, freq="28D"), 4 * WEEK),
        (pd.date_range("2024-01-01", periods=9, freq="30D"), 30 * DAY),
        (pd.date_range("2024-01-01", periods=9, freq="MS"), MONTH),
        (pd.date_range("2024-01-01", periods=9, freq="2MS"), "2 months"),
        (pd.date_range("2024-01-01", periods=9, freq="QS"), QUARTER),
        (pd.date_range("2024-01-01", periods=9, freq="4MS"), "4 months"),
        (pd.date_range("2024-01-01", periods=9, freq="6MS"), HALF_YEAR),
        (pd.date_range("2014-01-01", periods=9, freq="YS"), YEAR),
        (pd.date_range("2014-01-01", periods=9, freq="YS-JUL"), YEAR),
        (pd.date_range("2024-01-01", periods=9, freq="BMS"), MONTH),
        (pd.date_range("2024-01-01", periods=9, freq="BQS"), QUARTER),
        (pd.date_range("2014-01-01", periods=9, freq="BYS"), YEAR),
        (pd.date_range("2024-01-01", periods=9, freq="MS") + 14 * DAY, MONTH),
        (pd.to_datetime(["2021-03-15", "2022-03-15", "2023-03-15"]), YEAR),
    ],
)
def test_lengths(times: pd.DatetimeIndex, length: object):
    assert detect_length(to_us(times)) == length


@pytest.mark.parametrize(
    ("times", "length", "ends"),
    [
        (["2024-01-01", "2024-02-01"], MONTH, ["2024-02-01", "2024-03-01"]),
        (["2024-01-01", "2024-03-01"], MONTH, ["2024-02-01", "2024-04-01"]),
        (["2023-10-01", "2024-01-01"], QUARTER, ["2024-01-01", "2024-04-01"]),
        (["2023-01-01", "2023-07-01"], HALF_YEAR, ["2023-07-01", "2024-01-01"]),
        (["2023-01-01", "2024-01-01"], YEAR, ["2024-01-01", "2025-01-01"]),
        # First trading days: the month is over when it is over, not a month after the stamp.
        (["2023-06-01", "2023-07-03", "2023-09-01"], MONTH, ["2023-07-01", "2023-08-01", "2023-10-01"]),
        # Months from the 15th, and from the 31st: the latest day that the stamps allow.
        (["2023-01-15", "2023-02-15"], MONTH, ["2023-02-15", "2023-03-15"]),
        (["2024-01-31", "2024-02-29"], MONTH, ["2024-02-29", "2024-03-31"]),
        # Midnight in New York, in UTC: 05:00 in winter, 04:00 in summer; the later of them ends a month.
        (["2024-03-01 05:00", "2024-04-01 04:00"], MONTH, ["2024-04-01 04:00", "2024-05-01 05:00"]),
        # Days in Berlin, in UTC: a Friday may end at either midnight.
        (
            ["2024-03-29 23:00", "2024-03-30 23:00", "2024-03-31 22:00"],
            DAY,
            ["2024-03-30 23:00", "2024-03-31 22:00", "2024-04-01 23:00"],
        ),
        # A day of 25 hours.
        (
            ["2023-10-27 22:00", "2023-10-28 22:00", "2023-10-29 23:00"],
            DAY,
            ["2023-10-28 22:00", "2023-10-29 23:00", "2023-10-30 23:00"],
        ),
        # Days in London: an hour before midnight in summer.
        (
            ["2024-03-30 00:00", "2024-03-31 00:00", "2024-03-31 23:00"],
            DAY,
            ["2024-03-31 00:00", "2024-03-31 23:00", "2024-04-02 00:00"],
        ),
        # Weeks by their first trading day.
        (["2024-01-08", "2024-01-16", "2024-01-22"], WEEK, ["2024-01-15", "2024-01-22", "2024-01-29"]),
    ],
)
def test_ends(times: list[str], length: object, ends: list[str]):
    calculated = calculate_ends(to_us(times), length)  # pyright: ignore[reportArgumentType]
    assert pd.to_datetime(calculated, unit="us").tolist() == pd.to_datetime(ends).tolist()


@pytest.mark.parametrize(
    ("times", "length", "message"),
    [
        (pd.date_range("2024-01-01", periods=5, freq="h"), 2 * HOUR, "candles of 2 hours must not overlap"),
        (["2024-01-01", "2024-01-20"], MONTH, "candles of 1 month must not overlap"),
        (["2024-01-01", "2024-02-01"], QUARTER, "candles of 1 quarter must not overlap"),
        (["2024-01-01"], "fortnight", "unknown candle length 'fortnight'"),
        (["2024-01-01"], datetime.timedelta(0), "must be positive"),
        # Half an hour too early is no clock that was changed, nor is a clock that changes each day.
        (["2024-01-01 00:00", "2024-01-01 04:00", "2024-01-01 06:00"], 4 * HOUR, "must not overlap"),
        (["2024-01-01 00:00", "2024-01-01 23:00", "2024-01-03 00:00", "2024-01-03 23:00"], DAY, "must not overlap"),
    ],
)
def test_lengths_that_the_starts_contradict(times: object, length: object, message: str):
    with pytest.raises(InvalidCandles, match=message):
        calculate_ends(to_us(times), length)  # pyright: ignore[reportArgumentType]


@given(
    freq=st.sampled_from(["7min", "h", "4h", "D", "B", "W", "28D", "30D", "MS", "BMS", "QS", "BQS", "YS"]),
    start=st.dates(datetime.date(1990, 1, 1), datetime.date(2020, 1, 1)),
    count=st.integers(4, 40),
    data=st.data(),
)
@settings(max_examples=200, deadline=None)
def test_ends_lie_between_the_next_grid_point_and_the_next_candle(
    freq: str, start: datetime.date, count: int, data: st.DataObject
):
    """A candle is over at the next point of its grid at the earliest, whatever candles are missing."""
    grid = pd.date_range(start, periods=count + 1, freq=freq)
    holes = data.draw(st.sets(st.integers(2, count - 2), max_size=count // 8)) if count > 8 else set()
    kept = np.array([number for number in range(count) if number not in holes])
    starts = to_us(grid[kept])
    try:
        ends = calculate_ends(starts, detect_length(starts))
    except InvalidCandles:
        assert holes, "a whole series has a length"
        return
    true_ends = to_us(grid[kept + 1])
    if freq == "B":
        true_ends = starts + 86_400_000_000
    elif freq.startswith("B"):
        # A month ends with its last day, not with the first trading day of the next.
        true_ends = to_us((grid[kept].to_period("M") + {"BMS": 1, "BQS": 3}[freq]).to_timestamp())
    assert (ends >= true_ends).all()
    assert (ends[:-1] <= starts[1:]).all()


def test_descriptions():
    lengths = [
        HOUR,
        4 * HOUR,
        DAY,
        WEEK,
        2 * WEEK,
        datetime.timedelta(minutes=15),
        datetime.timedelta(seconds=1),
        MONTH,
    ]
    described = ["1 hour", "4 hours", "1 day", "1 week", "2 weeks", "15 minutes", "0:00:01", "1 month"]
    assert [describe_length(length) for length in lengths] == described


def test_typical_lengths_are_not_too_short():
    assert [get_typical_length(length).days for length in (MONTH, QUARTER, HALF_YEAR, YEAR, WEEK)] == [
        31,
        92,
        184,
        366,
        7,
    ]


# --- Candles


def test_candles_can_have_ends_of_their_own():
    candles = make_candles([flat(1.0)] * 3)
    columns = (candles.open, candles.high, candles.low, candles.close)
    short = candles.starts + 1_800_000_000
    own = Candles(candles.starts, *columns, bucket=HOUR, ends=short)
    assert own.ends.tolist() == short.tolist()
    assert own.between(None, datetime.datetime(2024, 1, 1, 1)).ends.tolist() == short[:1].tolist()
    for ends, message in (
        (candles.starts, "before its start or after the start of the next"),
        (candles.starts + 2 * 3_600_000_000, "before its start or after the start of the next"),
        (short[:2], "2 ends for 3 candles"),
    ):
        with pytest.raises(InvalidCandles, match=message):
            Candles(candles.starts, *columns, bucket=HOUR, ends=ends)


def test_merged_candles_end_with_their_last_one():
    # The week from 29 January ends on 5 February, so January, whose last week it is, does too.
    weeks = make_candles([flat(float(n)) for n in range(1, 9)], bucket=WEEK)
    months = weeks.resample(MONTH)
    assert months.close.tolist() == [5.0, 8.0]
    assert months.get_index().tolist() == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-05")]
    assert pd.to_datetime(months.ends, unit="us").tolist() == [pd.Timestamp("2024-02-05"), pd.Timestamp("2024-03-01")]


def test_candles_are_merged_to_quarters_and_years():
    months = Candles(
        to_us(pd.date_range("2023-01-01", periods=12, freq="MS")),
        *(np.arange(1.0, 13.0) for _ in range(4)),
        volume=np.ones(12),
    )
    assert months.resample(QUARTER).close.tolist() == [3.0, 6.0, 9.0, 12.0]
    assert months.resample(QUARTER).last_end_at == datetime.datetime(2024, 1, 1)
    assert months.resample(YEAR).get_column("volume").tolist() == [12.0]


@pytest.mark.parametrize("length", [HOUR / 2, 12 * HOUR / 24])
def test_candles_are_not_made_shorter(length: datetime.timedelta):
    with pytest.raises(InvalidCandles, match="candles of 1 hour cannot be made shorter, 30 minutes"):
        make_candles([flat(1.0)] * 3).resample(length)


@given(
    length=st.sampled_from([DAY, 3 * DAY, WEEK, MONTH, QUARTER, YEAR]),
    bucket=st.sampled_from([HOUR, 6 * HOUR, DAY]),
    offset=st.integers(0, 200),
    count=st.integers(2, 300),
)
@settings(max_examples=100, deadline=None)
def test_merged_candles_never_end_before_what_they_are_made_of(
    length: object, bucket: datetime.timedelta, offset: int, count: int
):
    bars = [flat(float(n)) for n in range(1, count + 1)]
    candles = make_candles(bars, start=datetime.datetime(2023, 1, 1) + offset * HOUR, bucket=bucket)
    merged = candles.resample(length)  # pyright: ignore[reportArgumentType]
    # The price of a candle is its number, so the close of a merged candle tells its last one.
    assert (merged.ends >= candles.ends[merged.close.astype(int) - 1]).all()
    assert (merged.ends[:-1] <= merged.starts[1:]).all()
    assert merged.close[-1] == count
