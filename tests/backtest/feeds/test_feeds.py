"""Market data that grows: files and exchanges, gaps, revisions, late candles, clocks."""

import datetime
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kit.exchange import Exchange, make_rows, serve
from tests.kit.markets import DAY, HOUR, START, flat, make_candles, random_walk
from tradeexecutor.backtest.feeds.download import download, read_provenance
from tradeexecutor.backtest.feeds.files import FileFeed
from tradeexecutor.backtest.feeds.http import HttpFeed, HttpSource
from tradeexecutor.backtest.feeds.interface import CandleFeed, FeedNotValid, FeedUnavailable
from tradeexecutor.backtest.feeds.market import GapPolicy, GrowingMarket, MarketDataGap
from tradeexecutor.backtest.feeds.series import cut, find_gaps, join
from tradeexecutor.backtest.feeds.sources import read_source
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.strategy.market_data import Candles


class Given(CandleFeed):
    """What a test gives it."""

    def __init__(self, **candles: Candles):
        self.candles = {name.replace("_", "-"): value for name, value in candles.items()}

    def read(self, now: datetime.datetime) -> dict[str, Candles]:
        found = {name: cut(candles, now) for name, candles in self.candles.items()}
        return {name: candles for name, candles in found.items() if candles is not None}


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with serve(Exchange({"BTCUSDT": make_rows(START, 50, HOUR), "ETHUSDT": make_rows(START, 30, HOUR, 7.0)})) as served:
        yield served


def make_feed(exchange: Exchange, waits: list[float] | None = None, **settings: Any) -> HttpFeed:
    source = HttpSource(
        exchange.template, {"BTC-USD": "BTCUSDT"}, HOUR, interval="1h", limit=settings.pop("limit", 10), **settings
    )
    return HttpFeed(source, START, wait=(waits if waits is not None else []).append)


# --- Series


def test_gaps_are_found_with_their_number_of_candles():
    candles = make_candles([flat(100)] * 4, skip=(2, 3, 5))
    assert [(gap.start_at, gap.end_at, gap.missing) for gap in find_gaps(candles)] == [
        (START + 2 * HOUR, START + 4 * HOUR, 2),
        (START + 5 * HOUR, START + 6 * HOUR, 1),
    ]


def test_joining_prefers_the_newer_series():
    bars = random_walk(1, 20)
    older = make_candles([flat(1.0)] * 12)
    newer = make_candles(bars[:10], start=START + 8 * HOUR)
    joined = join(older, newer)
    assert len(joined) == 18
    assert joined.close[7] == 1.0
    assert joined.close[8] == newer.close[0]
    assert np.all(np.diff(joined.starts) > 0)


# --- The market


def test_gaps_are_kept_filled_or_refused():
    feed = Given(BTC_USD=make_candles([flat(100), flat(101), flat(102)], skip=(1,)))
    now = START + 4 * HOUR
    pair = GrowingMarket(feed).load(now).get_single_pair()
    assert len(GrowingMarket(feed).load(now).get_candles(pair)) == 3
    filled = GrowingMarket(feed, gaps=GapPolicy.fill).load(now).get_candles(pair)
    assert filled.close.tolist() == [100, 100, 101, 102]
    assert filled.volume is not None
    assert filled.volume.tolist() == [1000, 0, 1000, 1000]
    assert len(GrowingMarket(feed, gaps=GapPolicy.fill, longest_gap=0).load(now).get_candles(pair)) == 3
    with pytest.raises(MarketDataGap, match="BTC-USD lacks 1 candles"):
        GrowingMarket(feed, gaps=GapPolicy.refuse).load(now)


def test_history_warms_up_and_the_source_counts_where_both_have_a_candle():
    history = {"BTC-USD": make_candles([flat(50.0)] * 10)}
    feed = Given(BTC_USD=make_candles([flat(60.0)] * 5, start=START + 8 * HOUR))
    universe = GrowingMarket(feed, history).load(START + 9 * HOUR)
    assert universe.get_candles(universe.get_single_pair()).close.tolist() == [50.0] * 8 + [60.0] * 2


def test_a_revised_candle_is_noted_once_and_used():
    feed = Given(BTC_USD=make_candles([flat(100.0)] * 5))
    market = GrowingMarket(feed)
    market.load(START + 4 * HOUR)
    bars = [flat(100.0), flat(99.0), flat(100.0), flat(100.0), flat(105.0)]
    feed.candles["BTC-USD"] = make_candles(bars)
    universe = market.load(START + 5 * HOUR)
    market.load(START + 5 * HOUR)
    # The last candle was in progress at the first reading, so that it may change.
    (revision,) = market.revisions
    assert (revision.pair, revision.at) == ("BTC-USD", START + HOUR)
    assert (revision.close_before, revision.close_after) == (100.0, 99.0)
    assert universe.get_candles(universe.get_single_pair()).close[1] == 99.0


@pytest.mark.parametrize(("count", "is_late"), [(3, True), (4, False), (5, False)])
def test_a_candle_that_should_have_ended_is_late(count: int, is_late: bool):
    universe = GrowingMarket(Given(BTC_USD=make_candles([flat(1.0)] * count))).load(START + 5 * HOUR)
    assert GrowingMarket.list_late(universe, START + 4 * HOUR, DAY) == (["BTC-USD"] if is_late else [])
    half_past = START + 4.5 * HOUR
    assert GrowingMarket.list_late(universe, half_past, DAY) == (["BTC-USD"] if is_late else [])


def test_a_market_that_closes_at_night_is_not_late():
    hours = [hour for hour in range(24 * 20) if 9 <= hour % 24 < 17]
    night = [hour for hour in range(24 * 20) if hour not in hours][:-8]
    candles = make_candles([flat(1.0)] * (len(hours) - 1), skip=night)
    universe = GrowingMarket(Given(BTC_USD=candles)).load(START + 480 * HOUR)
    assert GrowingMarket.list_late(universe, candles.last_end_at + 5 * HOUR, DAY) == []


def test_a_market_that_is_gone_keeps_nobody_waiting_and_is_not_late_for_ever():
    pairs = {"BTC_USD": make_candles([flat(1.0)] * 24 * 12), "ETH_USD": make_candles([flat(1.0)] * 24)}
    universe = GrowingMarket(Given(**pairs)).load(START + 12 * DAY)
    silent = {days: START + (1 + days) * DAY for days in (1, 7, 8, 10)}
    assert [GrowingMarket.list_awaited(universe, silent[days]) for days in (1, 7, 8)] == [["ETH-USD"], ["ETH-USD"], []]
    late = [GrowingMarket.list_late(universe, silent[days], 10 * DAY) for days in (8, 10)]
    assert late == [["ETH-USD"], []]


# --- Files


def write_csv(path: Path, count: int) -> None:
    lines = [
        f"{START + number * HOUR:%Y-%m-%d %H:%M},{100 + number},102000,1,{101 + number},5" for number in range(count)
    ]
    path.write_text("\n".join(["time,open,high,low,close,volume", *lines, ""]))


def test_a_file_grows(tmp_path: Path):
    path = tmp_path / "BTC-USD.csv"
    feed = FileFeed([tmp_path])
    with pytest.raises(FeedUnavailable, match="no candle files"):
        feed.read(START)
    write_csv(path, 5)
    assert len(feed.read(START + 100 * HOUR)["BTC-USD"]) == 5
    assert len(feed.read(START + 2 * HOUR)["BTC-USD"]) == 3
    assert feed.read(START - HOUR) == {}
    write_csv(path, 7)
    assert len(feed.read(START + 100 * HOUR)["BTC-USD"]) == 7


def test_a_line_that_is_being_written_does_not_stop_the_strategy(tmp_path: Path):
    path = tmp_path / "BTC-USD.csv"
    write_csv(path, 5)
    feed = FileFeed([path])
    feed.read(START)
    path.write_text(path.read_text() + "2024-01-01 05:00,105")
    assert len(feed.read(START + 100 * HOUR)["BTC-USD"]) == 5
    with pytest.raises(FeedUnavailable):
        FileFeed([path]).read(START)
    os.unlink(path)
    assert len(feed.read(START + 100 * HOUR)["BTC-USD"]) == 5
    with pytest.raises(FeedNotValid):
        FileFeed([])


# --- An exchange


def test_candles_come_in_pages_and_later_only_what_is_new(exchange: Exchange):
    feed = make_feed(exchange)
    now = START + 24.5 * HOUR
    candles = feed.read(now)["BTC-USD"]
    assert len(candles) == 25
    assert candles.close.tolist() == [101.0 + number for number in range(25)]
    assert len(exchange.requests) == 3
    assert len(feed.read(now + HOUR)["BTC-USD"]) == 26
    assert len(exchange.requests) == 4


def test_a_candle_that_the_exchange_revised_is_read_again(exchange: Exchange):
    feed = make_feed(exchange)
    feed.read(START + 10 * HOUR)
    exchange.rows["BTCUSDT"][9][4] = 109.5
    assert feed.read(START + 11 * HOUR)["BTC-USD"].close[9] == 109.5


def test_a_hole_of_more_than_a_page_is_no_end(exchange: Exchange):
    del exchange.rows["BTCUSDT"][5:35]
    candles = make_feed(exchange).read(START + 49 * HOUR)["BTC-USD"]
    assert len(candles) == 20
    assert find_gaps(candles)[0].missing == 30


def make_feed_of_two(exchange: Exchange, **settings: Any) -> HttpFeed:
    symbols = {"ETH-USD": "ETHUSDT", "BTC-USD": "BTCUSDT"}
    source = HttpSource(exchange.template, symbols, HOUR, interval="1h", limit=100, pause=0.0)
    return HttpFeed(source, START, wait=lambda seconds: None, **settings)


def test_a_pair_that_the_exchange_has_delisted_keeps_its_candles_and_the_others_go_on(exchange: Exchange):
    feed = make_feed_of_two(exchange)
    feed.read(START + 10 * HOUR)
    exchange.delisted = {"ETHUSDT"}
    found = feed.read(START + 20 * HOUR)
    assert {pair: len(candles) for pair, candles in found.items()} == {"ETH-USD": 11, "BTC-USD": 21}
    assert list(found) == ["ETH-USD", "BTC-USD"]  # the order numbers the pairs
    exchange.delisted = {"ETHUSDT", "BTCUSDT"}
    with pytest.raises(FeedUnavailable, match="answered 400"):
        feed.read(START + 21 * HOUR)


@pytest.mark.parametrize("is_empty", [False, True])
def test_after_a_restart_a_delisted_pair_needs_candles_of_another_source(exchange: Exchange, is_empty: bool):
    older = {"ETH-USD": make_candles([flat(7.0)] * 5), "BTC-USD": make_candles([flat(100.0)] * 5)}
    if is_empty:
        exchange.rows["ETHUSDT"] = []
    else:
        exchange.delisted = {"ETHUSDT"}
    with pytest.raises(FeedUnavailable, match="has no candle from" if is_empty else "answered 400"):
        make_feed_of_two(exchange).read(START + 20 * HOUR)
    feed = make_feed_of_two(exchange, known_elsewhere=older.keys())
    universe = GrowingMarket(feed, older).load(START + 20 * HOUR)
    lengths = {pair.get_ticker(): len(universe.get_candles(pair)) for pair in universe.iterate_pairs()}
    assert lengths == {"ETH-USD": 5, "BTC-USD": 21}


def test_an_exchange_that_asks_to_wait_gets_time(exchange: Exchange):
    waits: list[float] = []
    exchange.refusals = [429, 503]
    assert len(make_feed(exchange, waits, pause=0.0).read(START + 5 * HOUR)["BTC-USD"]) == 6
    assert waits == [7.0, 2.0, 7.0, 4.0]


def test_requests_keep_their_distance(exchange: Exchange):
    waits: list[float] = []
    feed = make_feed(exchange, waits, pause=5.0)
    feed.clock = lambda: 100.0
    feed.read(START + 24 * HOUR)
    assert waits == [5.0, 5.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"broken": "<html>"}, "gave no candles"),
        ({"broken": '{"code": -1}'}, "no list of candles"),
        ({"broken": "[[1]]"}, "is no candle"),
        ({"refusals": [500] * 9}, "it answered 500"),
        ({"refusals": [429] * 9}, "it answered 429"),
        ({"date": "Mon, 01 Jan 2024 09:00:00 GMT"}, "differ by 14400 seconds"),
    ],
)
def test_what_an_exchange_may_answer_instead(exchange: Exchange, change: dict[str, Any], message: str):
    for name, value in change.items():
        setattr(exchange, name, value)
    with pytest.raises(FeedUnavailable, match=message):
        make_feed(exchange).read(START + 5 * HOUR)


def test_a_clock_that_agrees_is_accepted(exchange: Exchange):
    exchange.date = "Mon, 01 Jan 2024 05:00:03 GMT"
    assert make_feed(exchange).read(START + 5 * HOUR)


def test_a_source_is_read_from_a_file_and_its_mistakes_are_named(tmp_path: Path):
    path = tmp_path / "exchange.toml"
    text = 'url = "https://x/{start_ms}"\ntime_frame = "4h"\n[pairs]\n"BTC-USD" = "BTCUSDT"\n'
    path.write_text(text)
    assert read_source(path).time_frame == 4 * HOUR
    for wrong, message in (
        (text.replace("4h", "1M"), "fixed length"),
        (text.replace("{start_ms}", ""), "needs {start_ms}"),
        (text.replace("https", "ftp"), "must begin with http"),
        (text.replace('"BTC-USD" = "BTCUSDT"', ""), "pairs is empty"),
        ("colour = 1\n" + text, "colour"),
        ("url", "exchange.toml"),
    ):
        path.write_text(wrong)
        with pytest.raises(FeedNotValid, match=message):
            read_source(path)
    with pytest.raises(FeedNotValid, match="cannot be read"):
        read_source(tmp_path / "missing.toml")


# --- Downloads


def test_a_download_continues_and_knows_where_it_came_from(exchange: Exchange, tmp_path: Path):
    now = START + 24.5 * HOUR
    exchange.refusals = [200, 500]
    with pytest.raises(FeedUnavailable):
        download(make_feed(exchange, attempts=1), tmp_path, now)
    (first,) = download(make_feed(exchange), tmp_path, now)
    exchange.date = "Tue, 02 Jan 2024 02:30:00 GMT"  # the pages of a download are older than the clock
    assert (first.candles, first.end_at, first.gaps) == (24, START + 24 * HOUR, ())
    assert 0 < first.added < 24  # the page before the failure was kept, and the candle in progress is not saved
    (second,) = download(make_feed(exchange), tmp_path, now + 2 * HOUR)
    assert (second.added, second.candles) == (2, 26)
    record = read_provenance(tmp_path / "BTC-USD.parquet")
    assert record is not None
    assert record["symbol"] == "BTCUSDT"
    assert record["url"] == exchange.template
    candles = FileFeed([tmp_path]).read(now + 9 * HOUR)["BTC-USD"]
    assert candles.close.tolist() == [101.0 + number for number in range(26)]


def test_an_earlier_start_is_downloaded_as_well(exchange: Exchange, tmp_path: Path):
    late = make_feed(exchange)
    late.start_at = START + 10 * HOUR
    assert download(late, tmp_path, START + 20 * HOUR)[0].candles == 10
    found = download(make_feed(exchange), tmp_path, START + 20 * HOUR)[0]
    assert (found.added, found.candles, found.start_at, found.gaps) == (10, 20, START, ())


def test_a_download_does_not_mix_sources_or_replace_other_files(exchange: Exchange, tmp_path: Path):
    download(make_feed(exchange), tmp_path, START + 5 * HOUR)
    other = HttpSource(exchange.template, {"BTC-USD": "ETHUSDT"}, HOUR, interval="1h")
    with pytest.raises(OperationRefused, match="another source: its symbol is BTCUSDT, not ETHUSDT"):
        download(HttpFeed(other, START), tmp_path, START + 9 * HOUR)
    (tmp_path / "BTC-USD.parquet").write_bytes(b"something else")
    with pytest.raises(OperationRefused, match="cannot be read"):
        download(make_feed(exchange), tmp_path, START + 5 * HOUR)
