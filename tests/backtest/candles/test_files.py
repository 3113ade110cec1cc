"""Candle files as programs write them: separators, decimal commas, odd headers, JSON and Feather."""

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradeexecutor.backtest.candles import load_candle_file, read_dataframe
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.strategy.market_data import Candles, InvalidCandles

HEADER = "date,open,high,low,close,volume"
ROWS = ["2024-01-01,10.5,12,9.25,11,1.5", "2024-01-02,11,13,10,12.75,2", "2024-01-03,12.75,14,11,13,3.25"]
STARTS = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]).tolist()


def load(tmp_path: Path, content: str | bytes, name: str = "BTC-USD.csv") -> Candles:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (candles,) = load_candle_file(path).values()
    return candles


def check(candles: Candles) -> None:
    assert candles.get_index().tolist() == STARTS
    assert candles.open.tolist() == [10.5, 11, 12.75]
    assert candles.low.tolist() == [9.25, 10, 11]
    assert candles.close.tolist() == [11, 12.75, 13]
    assert candles.get_column("volume").tolist() == [1.5, 2, 3.25]


def join(*lines: str, end: str = "\n") -> str:
    return end.join(lines) + end


COMMAS = [row.replace(",", ";").replace(".", ",") for row in ROWS]


@pytest.mark.parametrize(
    "content",
    [
        join(HEADER, *ROWS),
        join(HEADER, *ROWS, end="\r\n"),
        join(HEADER, *ROWS).rstrip(),
        join(HEADER, *ROWS, "", ""),
        b"\xef\xbb\xbf" + join(HEADER, *ROWS).encode(),
        join(HEADER.upper(), *ROWS),
        join("Date, Open ,High,LOW,cLoSe, Volume ", *ROWS),
        join(HEADER, *(row.replace(",", ", ") for row in ROWS)),
        join('"date","open","high","low","close","volume"', *ROWS),
        join("<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOLUME>", *ROWS),
        join(HEADER.replace(",", ";"), *(row.replace(",", ";") for row in ROWS)),
        join(HEADER.replace(",", "\t"), *(row.replace(",", "\t") for row in ROWS)),
        join(HEADER.replace(",", "|"), *(row.replace(",", "|") for row in ROWS)),
        join(HEADER.replace(",", ";"), *COMMAS),
        join(HEADER.replace(",", "\t"), *(row.replace(";", "\t") for row in COMMAS)),
        join("https://www.example.com", HEADER, *ROWS),
        join("Prices of BTC", "from somewhere", HEADER, *ROWS),
        join(HEADER, *reversed(ROWS)),
        join("volume,close,low,high,open,date", *(",".join(reversed(row.split(","))) for row in ROWS)),
        join(HEADER + ",trades", *(f"{row},7" for row in ROWS)),
    ],
)
def test_csv(tmp_path: Path, content: str | bytes):
    check(load(tmp_path, content))


@pytest.mark.parametrize(
    ("rows", "opens"),
    [
        # Decimal commas, with points between thousands in other rows and columns.
        (["1.234,5;1.300;1.200;1.250;7"], [1234.5]),
        (["999;1.300,25;900;1.250;7"], [999]),
        (["1.234.567;1.300.000;1.200.000;1.250.000;7"], None),
        # Decimal points, with commas between thousands.
        (["1,234.5;1,300;1,200;1,250;7"], [1234.5]),
        (["1,234;1,300;1,200;1,250.5;7"], [1234]),
        (["1,234;1,300;1,200;1,250;1.5"], [1234]),
        (["42,345,678;50,000,000;40,000,000;41,000,000;1"], [42345678]),
    ],
)
def test_thousands_are_told_from_decimals_by_any_value_of_the_file(
    tmp_path: Path, rows: list[str], opens: list[float] | None
):
    lines = [f"2024-01-0{day};{rows[0]}" for day in (1, 2)]
    content = join(HEADER.replace(",", ";"), *lines)
    if opens is None:
        opens = [1234567]
    assert load(tmp_path, content).open.tolist() == opens * 2


@pytest.mark.parametrize(
    ("content", "message", "row"),
    [
        # 1,234 can be 1.234 or 1234, and nothing else in the file decides.
        (
            join("date;open;high;low;close", "2024-01-01;1,234;1,300;1,200;1,250"),
            "open is '1,234', and no value shows",
            1,
        ),
        (
            join("date;open;high;low;close", "2024-01-01;1,5;2;1;1", "2024-01-02;1;2;1;1.5"),
            "with a decimal comma, and close in row 2",
            1,
        ),
        # Unquoted decimal commas: pandas would shift the columns.
        (join("date,open,high,low,close", "2024-01-01,1,5,2,5,0,5,1,5"), "more fields than the header has names", None),
        (join(HEADER, *(row + "," for row in ROWS)), "more fields than the header has names", None),
        (join(HEADER, *ROWS, "Total,,,,,6.75"), "'Total' is not a time", 4),
        (join(HEADER, *ROWS, ",,,,,"), "the time is missing", 4),
        (join(HEADER, *ROWS, "2024-01-04,1,2,1,x,1"), "close is 'x', not a price", 4),
        (join(HEADER, *ROWS[:2], "2024-01-03,1,2,1,1,1.2K"), "volume is '1.2K', not a number", 3),
        (join(HEADER, *ROWS, ROWS[1]), "duplicate time 2024-01-02 00:00:00, also in row 2", 4),
        (join("Date,Open,High,Low,Close,open", *(row for row in ROWS)), "the column 'open' occurs twice", None),
        (join(",open,high,low,close", "0,1,1,1,1", "1,1,1,1,1"), "no time column", None),
        (join(",open,high,low,close", "1800,1,1,1,1", "1801,1,1,1,1"), "no time column", None),
        (join(*ROWS), "missing column", None),
        (join(HEADER, "2024-01-01,1,2"), "low is missing", 1),
        (join(HEADER, *ROWS).encode("utf-16"), "the file cannot be read", None),
        (b"\x00\x01\x02", "missing column|the file cannot be read", None),
    ],
)
def test_csv_that_is_refused(tmp_path: Path, content: str | bytes, message: str, row: int | None):
    with pytest.raises(InvalidCandles, match=message) as caught:
        load(tmp_path, content)
    assert caught.value.row == row
    assert "BTC-USD.csv" in str(caught.value)


def test_date_and_clock_in_two_columns(tmp_path: Path):
    rows = [f"2024.01.02\t0{hour}:00:00\t1\t2\t1\t1.5" for hour in range(3)]
    candles = load(tmp_path, join("<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>", *rows))
    assert candles.get_index().tolist() == pd.date_range("2024-01-02", periods=3, freq="h").tolist()
    rows = [f"20240102,0{hour}:30,1,2,1,1.5" for hour in range(3)]
    candles = load(tmp_path, join("date,time,open,high,low,close", *rows))
    assert candles.first_start_at == pd.Timestamp("2024-01-02 00:30")


def test_a_column_of_epoch_times_beside_dates_does_not_disturb(tmp_path: Path):
    rows = [f"{row},{1704067200 + 86400 * number}" for number, row in enumerate(ROWS)]
    check(load(tmp_path, join(HEADER + ",time", *rows)))


def test_a_bad_row_of_a_sorted_layout_is_numbered_as_in_the_file(tmp_path: Path):
    # The candle of 5:30 overlaps; the file has the newest first.
    rows = [f"2024-01-01 {clock},1,1,1,1,1" for clock in ("06:00", "05:30", "05:00", "04:00", "03:00", "02:00")]
    with pytest.raises(InvalidCandles, match="must not overlap") as caught:
        load(tmp_path, join(HEADER, *rows))
    assert caught.value.row == 2


# --- freqtrade


def make_freqtrade_rows(count: int = 5) -> list[list[float]]:
    return [[1704067200000 + n * 300_000, 10.0 + n, 11.0 + n, 9.0 + n, 10.5 + n, 100.0 * n] for n in range(count)]


@pytest.mark.parametrize("name", ["BTC_USDT-5m.json", "BTC_USDT-5m.json.gz", "BTC_USDT_USDT-5m-futures.json"])
def test_json_of_freqtrade(tmp_path: Path, name: str):
    content = json.dumps(make_freqtrade_rows()).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    universe = create_universe(path)
    pair = universe.get_single_pair()
    assert pair.get_ticker() == "BTC-USDT"
    candles = universe.get_candles(pair)
    assert candles.get_index().tolist() == pd.date_range("2024-01-01", periods=5, freq="5min").tolist()
    assert candles.close.tolist() == [10.5, 11.5, 12.5, 13.5, 14.5]
    assert candles.get_column("volume").tolist() == [0, 100, 200, 300, 400]


def test_feather_of_freqtrade(tmp_path: Path):
    frame = pd.DataFrame(make_freqtrade_rows(), columns=["date", "open", "high", "low", "close", "volume"])
    frame["date"] = pd.to_datetime(frame["date"], unit="ms", utc=True).dt.as_unit("ms")
    path = tmp_path / "ETH_USDT-5m.feather"
    frame.to_feather(path, compression="lz4")
    universe = create_universe(path)
    assert universe.get_single_pair().get_ticker() == "ETH-USDT"
    candles = universe.get_candles(universe.get_single_pair())
    assert candles.get_index().tolist() == pd.date_range("2024-01-01", periods=5, freq="5min").tolist()
    assert candles.open.tolist() == [10, 11, 12, 13, 14]


@pytest.mark.parametrize(
    "rows",
    [
        [[str(value) for value in row] + [1, 2, "x"] for row in make_freqtrade_rows()],
        [row[:5] for row in make_freqtrade_rows()],
        [dict(zip(("time", "Open", "high", "low", "close"), row, strict=False)) for row in make_freqtrade_rows()],
        {
            name: [row[n] for row in make_freqtrade_rows()]
            for n, name in enumerate(("t", "open", "high", "low", "close"))
        },
    ],
    ids=["binance klines", "no volume", "objects", "columns"],
)
def test_other_json(tmp_path: Path, rows: Any):
    if isinstance(rows, dict):
        rows["ts"] = rows.pop("t")
    candles = load(tmp_path, json.dumps(rows), "BTC_USDT.json")
    assert candles.first_start_at == pd.Timestamp("2024-01-01")
    assert candles.close.tolist() == [10.5, 11.5, 12.5, 13.5, 14.5]


@pytest.mark.parametrize(
    ("content", "message", "row"),
    [
        ("[]", "no rows", None),
        ("{}", "no list of candles", None),
        ('{"a": 1}', "no list of candles", None),
        ("7", "no list of candles", None),
        ("[1, 2]", "not a candle in the form of the first one", 1),
        ("[[1, 2, 3]]", "a candle has 3 values", 1),
        ("[[1704067200000, 1, 1, 1, 1, 1], [1704067500000, 1, 1, 1, 1]]", "a candle has 5 values", 2),
        ("[[1704067200000, 1, 1, 1, 1, 1], {}]", "not a candle in the form of the first one", 2),
        ("[[1704067200000, 1, 1, 1, 1, 1], [1704067500000, 1, 1, 1, null, 1]]", "close is missing", 2),
        ("[[1704067200000, 1, 1, 1, 1, 1], [1704067500, 1, 1, 1, 1, 1]]", "is in seconds, row 1", 2),
        ('[[1704067200000, 1, 1, 1, 1, 1], [1704067500000, 1, 1, 1, "?", 1]]', r"close is '\?', not a price", 2),
        ("[[", "the file cannot be read", None),
    ],
)
def test_json_that_is_refused(tmp_path: Path, content: str, message: str, row: int | None):
    with pytest.raises(InvalidCandles, match=message) as caught:
        load(tmp_path, content, "BTC_USDT-5m.json")
    assert caught.value.row == row


def test_feather_that_is_damaged(tmp_path: Path):
    with pytest.raises(InvalidCandles, match="the file cannot be read"):
        load(tmp_path, b"ARROW1 but not really", "BTC_USDT-5m.feather")


# --- Numbers


@pytest.mark.slow
@given(
    prices=st.lists(st.decimals("0.0001", "9999999", places=4), min_size=4, max_size=12),
    style=st.sampled_from(["1234.5", "1234,5", "1.234,5", "1,234.5"]),
)
@settings(max_examples=200, deadline=None)
def test_numbers_in_any_convention_are_read_back(prices: list[Any], style: str):
    def write(price: Any) -> str:
        text = f"{price:,.4f}" if style in ("1.234,5", "1,234.5") else f"{price:.4f}"
        return text.translate(str.maketrans(",.", ".,")) if style in ("1234,5", "1.234,5") else text

    texts = [write(price) for price in prices]
    times = pd.date_range("2024-01-01", periods=len(prices))
    frame = pd.DataFrame({"date": times, "open": texts, "high": texts, "low": texts, "close": texts})
    candles = read_dataframe(frame, "BTC-USD")["BTC-USD"]
    assert candles.close.tolist() == [float(price) for price in prices]


@given(prices=st.lists(st.integers(1_000, 999_999), min_size=2, max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_comma_that_nothing_explains_is_refused(prices: list[int]):
    texts = [f"{price:,}" for price in prices]
    frame = pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=len(prices)),
            **dict.fromkeys(("open", "high", "low", "close"), texts),
        }
    )
    with pytest.raises(InvalidCandles, match="no value shows whether the comma"):
        read_dataframe(frame, "BTC-USD")
