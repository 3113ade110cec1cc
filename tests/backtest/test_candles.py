"""Market data comes in many shapes; what cannot be a price history is refused with file and row."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.kit.markets import HOUR, flat, make_candles
from tradeexecutor.backtest.candles import load_candle_file, load_candles, parse_time_frame, read_dataframe
from tradeexecutor.strategy.market_data import MONTH, CandleCursor, Candles, InvalidCandles, to_us

TIMES = pd.date_range("2024-01-01", periods=4, freq="h")


def make_frame(**changes: object) -> pd.DataFrame:
    columns: dict[str, object] = {
        "timestamp": TIMES,
        "open": [10.0, 11.0, 12.0, 13.0],
        "high": [12.0, 13.0, 14.0, 15.0],
        "low": [9.0, 10.0, 11.0, 12.0],
        "close": [11.0, 12.0, 13.0, 14.0],
        "volume": [1.0, 2.0, 3.0, 4.0],
    }
    columns.update(changes)
    return pd.DataFrame({name: column for name, column in columns.items() if column is not None})


def read(frame: pd.DataFrame) -> Candles:
    return read_dataframe(frame, "BTC-USD")["BTC-USD"]


def check_standard(candles: Candles) -> None:
    assert candles.first_start_at == datetime.datetime(2024, 1, 1)
    assert candles.bucket == HOUR
    assert candles.open.tolist() == [10.0, 11.0, 12.0, 13.0]
    assert candles.close.tolist() == [11.0, 12.0, 13.0, 14.0]


def test_column_names_ignore_case_and_surplus_columns():
    frame = make_frame(trades=[1, 2, 3, 4])
    frame.columns = [str(column).upper() for column in frame.columns]
    check_standard(read(frame))


@pytest.mark.parametrize(
    "times",
    [
        TIMES,
        TIMES.astype("datetime64[s]").astype("int64"),
        TIMES.astype("datetime64[ms]").astype("int64"),
        TIMES.astype("datetime64[us]").astype("int64"),
        TIMES.astype("datetime64[ns]").astype("int64"),
        TIMES.astype("datetime64[s]").astype("int64").astype(float),
        TIMES.strftime("%Y-%m-%d %H:%M:%S"),
        TIMES.strftime("%Y-%m-%dT%H:%M:%SZ"),
        TIMES.tz_localize("UTC").tz_convert("America/New_York"),
    ],
    ids=["datetime", "seconds", "milliseconds", "microseconds", "nanoseconds", "float", "text", "iso", "zone"],
)
def test_times_are_recognised(times: pd.Index):
    check_standard(read(make_frame(timestamp=times)))


@pytest.mark.parametrize("name", ["Date", "open_time", "time", "Unnamed: 0"])
def test_time_column_may_have_another_name(name: str):
    check_standard(read(make_frame(timestamp=None, **{name: TIMES})))


def test_time_may_be_the_index():
    check_standard(read(make_frame().set_index("timestamp")))


def test_rows_are_sorted():
    check_standard(read(make_frame().iloc[[2, 0, 3, 1]]))


def test_volume_is_optional():
    candles = read(make_frame(volume=None))
    assert candles.volume is None
    assert candles.get_column("volume").tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("changes", "message", "row"),
    [
        ({"close": None}, r"missing column close \(there are: timestamp, open, high, low, volume\)", None),
        ({"close": [11.0, np.nan, 13.0, 14.0]}, "close is missing, at 2024-01-01 01:00:00", 2),
        ({"close": [11.0, "?", 13.0, 14.0]}, r"close is '\?', not a price", 2),
        ({"low": [9.0, 10.0, 0.0, 12.0]}, "low must be positive", 3),
        ({"high": [12.0, 13.0, 14.0, 11.0]}, "high 11.0 is below low 12.0 at 2024-01-01 03:00:00", 4),
        ({"timestamp": TIMES[[0, 1, 1, 2]]}, "duplicate time 2024-01-01 01:00:00, also in row 2", 3),
        ({"timestamp": ["2024-01-01", "soon", "2024-01-03", "2024-01-04"]}, "'soon' is not a time", 2),
        ({"timestamp": [*TIMES[:3], None]}, "the time is missing", 4),
        ({"timestamp": None}, "no time column", None),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, changes: dict[str, object], message: str, row: int | None):
    path = tmp_path / "BTC-USD.csv"
    make_frame(**changes).to_csv(path, index=False)
    with pytest.raises(InvalidCandles, match=message) as caught:
        load_candle_file(path)
    assert str(path) in str(caught.value)
    assert caught.value.row == row


def test_a_close_outside_the_range_widens_its_candle(tmp_path: Path):
    """Venues report the last trade and the range from different feeds; the candle is as wide as both."""
    path = tmp_path / "BTC-USD.csv"
    make_frame(close=[11.0, 99.0, 13.0, 2.0]).to_csv(path, index=False)
    candles = load_candle_file(path)["BTC-USD"]
    assert candles.close.tolist() == [11.0, 99.0, 13.0, 2.0]
    assert candles.high.tolist() == [12.0, 99.0, 14.0, 15.0]
    assert candles.low.tolist() == [9.0, 10.0, 11.0, 2.0]
    assert candles.widened == candles.between(None, candles.last_end_at).widened == 2
    assert read(make_frame()).widened == 0
    with pytest.raises(
        InvalidCandles, match=r"close 99.0 is outside low 10.0 - high 13.0 at 2024-01-01 01:00"
    ) as caught:
        load_candle_file(path, strict=True)
    assert caught.value.row == 2
    with pytest.raises(InvalidCandles, match="open or close lies outside"):
        Candles(candles.starts, candles.open, candles.high, candles.low + 3, candles.close, strict=True)


def test_a_bad_row_is_numbered_as_in_the_file_not_as_sorted():
    frame = make_frame(close=[11.0, np.nan, 13.0, 14.0]).iloc[[3, 2, 1, 0]]
    with pytest.raises(InvalidCandles) as caught:
        read(frame)
    assert caught.value.row == 3


@pytest.mark.parametrize("name", ["BTC-USD.csv", "BTC-USD.csv.gz", "BTC-USD.parquet"])
def test_files(tmp_path: Path, name: str):
    path = tmp_path / name
    frame = make_frame()
    frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, index=False)
    loaded = load_candles(path)
    assert list(loaded) == ["BTC-USD"]
    check_standard(loaded["BTC-USD"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "there is no such file"),
        ("prices.xlsx", b"", r"read from \.csv and \.parquet"),
        ("broken.parquet", b"not parquet", "the file cannot be read"),
        ("empty.csv", b"", "the file cannot be read"),
        ("header.csv", b"timestamp,open,high,low,close\n", "no rows"),
        ("single.csv", b"timestamp,open,high,low,close\n2024-01-01,1,1,1,1\n", "at least two candles"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, content: bytes | None, message: str):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidCandles, match=message) as caught:
        load_candle_file(path)
    assert name in str(caught.value)


def test_one_file_with_several_pairs():
    frame = pd.concat([make_frame(symbol=["BTC-USD"] * 4), make_frame(symbol=["ETH-USD"] * 4)])
    loaded = read_dataframe(frame, "markets", source="markets.csv")
    assert list(loaded) == ["BTC-USD", "ETH-USD"]
    check_standard(loaded["ETH-USD"])


def test_the_same_pair_twice_is_refused(tmp_path: Path):
    path = tmp_path / "BTC-USD.csv"
    make_frame().to_csv(path, index=False)
    with pytest.raises(InvalidCandles, match="two sources"):
        load_candles([path, path])


def test_weekend_gaps_do_not_change_the_candle_length():
    candles = make_candles([flat(1.0)] * 6, bucket=datetime.timedelta(days=1), skip=[3, 4])
    detected = Candles(candles.starts, candles.open, candles.high, candles.low, candles.close)
    assert detected.bucket == datetime.timedelta(days=1)


def test_month_end_labels_become_month_starts():
    frame = make_frame(timestamp=pd.to_datetime(["2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29"]))
    candles = read(frame)
    assert candles.bucket == MONTH
    assert candles.first_start_at == datetime.datetime(2023, 11, 1)
    assert candles.last_end_at == datetime.datetime(2024, 3, 1)


def test_overlapping_candles_are_refused():
    candles = make_candles([flat(1.0)] * 3)
    columns = (candles.open, candles.high, candles.low, candles.close)
    with pytest.raises(InvalidCandles, match="must not overlap"):
        Candles(candles.starts, *columns, bucket=2 * HOUR)


def test_a_period_without_data_says_what_there_is():
    candles = make_candles([flat(1.0)] * 3)
    assert len(candles.between(datetime.datetime(2024, 1, 1, 1), None)) == 2
    with pytest.raises(InvalidCandles, match="the data covers 2024-01-01 00:00:00 - 2024-01-01 03:00:00"):
        candles.between(datetime.datetime(2025, 1, 1), None)


def test_resampling_keeps_the_extremes():
    candles = make_candles([(1, 5, 1, 2), (2, 3, 0.5, 3), (3, 4, 3, 4)])
    merged = candles.resample(2 * HOUR)
    assert merged.open.tolist() == [1, 3]
    assert merged.high.tolist() == [5, 4]
    assert merged.low.tolist() == [0.5, 3]
    assert merged.close.tolist() == [3, 4]
    assert merged.volume is not None
    assert merged.volume.tolist() == [2000, 1000]


def test_weeks_start_on_monday():
    week = make_candles([flat(1.0)] * 10, start=datetime.datetime(2024, 1, 3), bucket=datetime.timedelta(days=1))
    starts = week.resample(datetime.timedelta(days=7)).get_index()
    assert [start.weekday() for start in starts] == [0, 0]


def test_arrays_are_read_only():
    candles = make_candles([flat(1.0)] * 3)
    with pytest.raises(ValueError, match="read-only"):
        candles.close[0] = 2.0


def test_the_cursor_finds_what_a_search_finds():
    candles = make_candles([flat(1.0)] * 50, skip=range(10, 20))
    random = np.random.default_rng(1)
    cursor = CandleCursor(candles)
    minutes = [*range(-60, 4000, 7), *random.integers(-100, 4000, 200).tolist()]
    for minute in minutes:
        now = to_us(datetime.datetime(2024, 1, 1)) + minute * 60_000_000
        started = np.flatnonzero(candles.starts <= now)
        ended = np.flatnonzero(candles.ends <= now)
        assert cursor.seek(now) == (started[-1] if len(started) else -1)
        assert cursor.seek_visible(now) == (ended[-1] if len(ended) else -1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("15m", datetime.timedelta(minutes=15)), ("1h", HOUR), ("7d", datetime.timedelta(days=7)), ("month", MONTH)],
)
def test_candle_lengths_are_read(text: str, expected: object):
    assert parse_time_frame(text) == expected


@pytest.mark.parametrize("text", ["", "0h", "1x", "-1h", "hou"])
def test_nonsense_is_not_a_candle_length(text: str):
    with pytest.raises(InvalidCandles):
        parse_time_frame(text)
