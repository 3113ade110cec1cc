"""Market data of exchanges through ccxt, whose class for one of them asks a stand-in on loopback."""

import datetime
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.exchange import Exchange, make_rows, serve
from tests.kit.markets import HOUR, START
from tradeexecutor.backtest.feeds.download import download, read_provenance
from tradeexecutor.backtest.feeds.exchanges import ExchangeFeed, ExchangeSource, name_pairs
from tradeexecutor.backtest.feeds.interface import FeedNotValid, FeedUnavailable
from tradeexecutor.backtest.feeds.market import GrowingMarket
from tradeexecutor.backtest.feeds.paged import SymbolNotFound
from tradeexecutor.backtest.feeds.series import find_gaps
from tradeexecutor.backtest.feeds.sources import describe_exchange, open_feed, read_source
from tradeexecutor.state.errors import MissingDependency, OperationRefused
from tradeexecutor.strategy.market_data import InvalidCandles

pytest.importorskip("ccxt")


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with serve(Exchange({"BTCUSDT": make_rows(START, 50, HOUR), "ETHUSDT": make_rows(START, 30, HOUR, 7.0)})) as served:
        yield served


def make_source(exchange: Exchange, *pairs: str, **options: Any) -> ExchangeSource:
    settings = {
        "urls": {"api": {"public": f"{exchange.url}/api/v3"}},
        "options": {"fetchMarkets": {"types": ["spot"]}},
        "rateLimit": options.pop("rate_limit", 0),
    }
    symbols = name_pairs(list(pairs or ["BTC/USDT"]))
    return ExchangeSource("binance", symbols, HOUR, options.pop("limit", 10), settings, **options)


def make_feed(exchange: Exchange, waits: list[float] | None = None, **options: Any) -> ExchangeFeed:
    return ExchangeFeed(make_source(exchange, **options), START, wait=(waits if waits is not None else []).append)


def count_candle_requests(exchange: Exchange) -> int:
    return sum("/klines" in path for path in exchange.requests)


# --- Reading


def test_candles_come_in_pages_and_later_only_what_is_new(exchange: Exchange):
    feed = make_feed(exchange)
    now = START + 24.5 * HOUR
    candles = feed.read(now)["BTC-USDT"]
    assert candles.close.tolist() == [101.0 + number for number in range(25)]
    assert candles.volume is not None
    assert candles.volume.tolist() == [10.0] * 25
    assert count_candle_requests(exchange) == 3
    assert len(feed.read(now + HOUR)["BTC-USDT"]) == 26
    assert count_candle_requests(exchange) == 4
    assert len(exchange.requests) == 5  # the markets are asked for once


def test_a_candle_that_is_late_or_revised_is_read_again(exchange: Exchange):
    late = exchange.rows["BTCUSDT"].pop(9)
    feed = make_feed(exchange)
    market = GrowingMarket(feed)
    market.load(START + 10 * HOUR)
    exchange.rows["BTCUSDT"].insert(9, late)
    exchange.rows["BTCUSDT"][8][4] = 108.5
    universe = market.load(START + 11 * HOUR)
    assert universe.get_candles(universe.get_single_pair()).close[8:10].tolist() == [108.5, 110.0]
    assert [(revision.at, revision.close_after) for revision in market.revisions] == [(START + 8 * HOUR, 108.5)]


def test_a_hole_of_more_than_a_page_is_no_end(exchange: Exchange):
    del exchange.rows["BTCUSDT"][5:35]
    candles = make_feed(exchange).read(START + 49 * HOUR)["BTC-USDT"]
    assert len(candles) == 20
    assert find_gaps(candles)[0].missing == 30


def test_an_exchange_that_answers_with_fewer_candles_loses_none(exchange: Exchange):
    exchange.most_rows = 4
    assert len(make_feed(exchange).read(START + 24.5 * HOUR)["BTC-USDT"]) == 25


def test_the_number_of_candles_of_a_page_is_known(exchange: Exchange):
    make_feed(exchange, limit=None).read(START + 5 * HOUR)
    assert "limit=1000" in exchange.requests[-1]


def test_an_exchange_that_asks_to_wait_gets_time(exchange: Exchange):
    waits: list[float] = []
    exchange.refusals = [429, 503]
    assert len(make_feed(exchange, waits).read(START + 5 * HOUR)["BTC-USDT"]) == 6
    assert waits == [7.0, 4.0]  # as the header says, and after an error that says nothing


def test_requests_keep_the_distance_that_ccxt_knows(exchange: Exchange):
    feed = make_feed(exchange, rate_limit=100)
    feed.read(START)
    begin = time.monotonic()
    feed.read(START + 24.5 * HOUR)
    # Three requests; ccxt counts each of them as 0.4.
    assert time.monotonic() - begin > 2 * 0.04


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"refusals": [500] * 9}, "binance gave no candles of BTC-USDT"),
        ({"refusals": [418] * 9}, "binance gave no candles of BTC-USDT"),
        ({"date": "Mon, 01 Jan 2024 09:00:00 GMT"}, "differ by 14400 seconds"),
        (
            {"broken": '{"code": -1003, "msg": "' + "x" * 5_000 + '"}'},
            r"binance gave no candles of BTC-USDT: .{1,210}$",
        ),
        ({"broken": "<html>"}, "binance gave no candles of BTC-USDT: it answered with no markets"),
    ],
)
def test_what_an_exchange_may_answer_instead(exchange: Exchange, change: dict[str, Any], message: str):
    for name, value in change.items():
        setattr(exchange, name, value)
    with pytest.raises(FeedUnavailable, match=message):
        make_feed(exchange).read(START + 5 * HOUR)


@pytest.mark.parametrize("answer", ['{"code": -1003, "msg": "Banned"}', "[[1704088800000]]", "<html>", "17"])
def test_an_answer_without_candles_is_none(exchange: Exchange, answer: str):
    feed = make_feed(exchange)
    feed.read(START + 5 * HOUR)
    exchange.broken = answer
    with pytest.raises(FeedUnavailable):
        feed.read(START + 6 * HOUR)
    exchange.broken = None
    assert len(feed.read(START + 6 * HOUR)["BTC-USDT"]) == 7


def test_a_pair_that_the_exchange_has_delisted_keeps_its_candles_and_the_others_go_on(exchange: Exchange):
    source = make_source(exchange, "ETH/USDT", "BTC/USDT")
    feed = ExchangeFeed(source, START, wait=lambda seconds: None)
    feed.read(START + 10 * HOUR)
    exchange.delisted = {"ETHUSDT"}
    found = feed.read(START + 20 * HOUR)
    assert {pair: len(candles) for pair, candles in found.items()} == {"ETH-USDT": 11, "BTC-USDT": 21}
    # After a restart the exchange does not list it any more.
    del exchange.rows["ETHUSDT"]
    again = ExchangeFeed(source, START, known_elsewhere=("ETH-USDT",), wait=lambda seconds: None)
    assert list(again.read(START + 20 * HOUR)) == ["BTC-USDT"]


# --- Mistakes of a user


def test_a_symbol_that_does_not_exist_is_refused_with_those_that_do(exchange: Exchange):
    for symbol, message in (
        ("BTC/USDC", "binance does not have BTC/USDC: it has BTC/USDT"),
        ("ETH/EUR", "it has ETH/USDT"),
        ("NONE/OTHER", "it has 2 others, e.g. BTC/USDT, ETH/USDT"),
    ):
        feed = ExchangeFeed(make_source(exchange, symbol), START)
        with pytest.raises(SymbolNotFound, match=message):
            feed.read(START + 5 * HOUR)


@pytest.mark.parametrize(
    ("exchange_name", "pairs", "time_frame", "error", "message"),
    [
        ("binnance", ["BTC/USD"], "1h", FeedNotValid, "no exchange 'binnance': did you mean .*binance"),
        ("no such thing", ["BTC/USD"], "1h", FeedNotValid, "names are those of the classes of ccxt"),
        ("kraken", ["BTC/USD"], "7h", FeedNotValid, "kraken has no candles of 7:00:00: it has 1m, .*1h"),
        ("kraken", ["BTCUSD"], "1h", FeedNotValid, "write base and quote, as in BTC/USD"),
        ("kraken", ["BTC/USD", "BTC/USD:USD"], "1h", FeedNotValid, "are both BTC-USD"),
        ("kraken", [], "1h", FeedNotValid, "pairs is empty"),
        ("kraken", ["BTC/USD"], "1M", FeedNotValid, "fixed length"),
        ("kraken", ["BTC/USD"], "soon", InvalidCandles, "soon"),
    ],
)
def test_mistakes_are_named(exchange_name: str, pairs: list[str], time_frame: str, error: type, message: str):
    with pytest.raises(error, match=message):
        open_feed(describe_exchange(exchange_name, pairs, time_frame), START)


def test_without_ccxt_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(MissingDependency, match=r"pip install 'tradeexecutor\[ccxt\]'"):
        open_feed(describe_exchange("kraken", ["BTC/USD"], "1h"), START)


# --- Files


def test_a_file_describes_an_exchange(exchange: Exchange, tmp_path: Path):
    path = tmp_path / "exchange.toml"
    text = (
        'exchange = "binance"\ntime_frame = "1h"\nlimit = 20\n[pairs]\n"BTC-USD" = "BTC/USDT"\n'
        f'[settings.urls.api]\npublic = "{exchange.url}/api/v3"\n[settings.options.fetchMarkets]\ntypes = ["spot"]\n'
    )
    path.write_text(text)
    feed = open_feed(read_source(path), START)
    assert len(feed.read(START + 5 * HOUR)["BTC-USD"]) == 6
    for wrong, message in (
        (text.replace("limit = 20", "limit = 1"), "limit must be at least 2"),
        (text.replace("limit", "url"), "unexpected keyword argument 'url'"),
        (text.replace('"BTC-USD" = "BTC/USDT"', ""), "pairs is empty"),
    ):
        path.write_text(wrong)
        with pytest.raises(FeedNotValid, match=f"exchange.toml: .*{message}"):
            read_source(path)


def test_a_download_continues_and_knows_where_it_came_from(exchange: Exchange, tmp_path: Path):
    now = START + 24.5 * HOUR
    del exchange.rows["BTCUSDT"][12:14]
    exchange.refusals = [200, 200, 500]
    with pytest.raises(FeedUnavailable):
        download(make_feed(exchange, attempts=1), tmp_path, now)
    (first,) = download(make_feed(exchange), tmp_path, now)
    # The candle in progress is not saved, and what had arrived before the failure is not asked for again.
    assert (first.added, first.candles, first.end_at) == (12, 22, START + 24 * HOUR)
    assert [(gap.start_at, gap.missing) for gap in first.gaps] == [(START + 12 * HOUR, 2)]
    (second,) = download(make_feed(exchange), tmp_path, now + 2 * HOUR)
    assert (second.added, second.candles) == (2, 24)
    record = read_provenance(tmp_path / "BTC-USDT.parquet")
    assert record is not None
    assert {name: record[name] for name in ("exchange", "symbol", "interval")} == {
        "exchange": "binance",
        "symbol": "BTC/USDT",
        "interval": "1h",
    }
    other = ExchangeFeed(ExchangeSource("kraken", {"BTC-USDT": "BTC/USDT"}, HOUR), START)
    with pytest.raises(OperationRefused, match="another source: its exchange is binance, not kraken"):
        download(other, tmp_path, now)


def test_a_download_that_takes_long_does_not_doubt_the_clock(exchange: Exchange, tmp_path: Path):
    feed, passed = make_feed(exchange), [0.0]

    def let_time_pass() -> float:
        moment = datetime.datetime(2024, 1, 2, 0, 30) + datetime.timedelta(seconds=passed[0])
        exchange.date = f"{moment:%a, %d %b %Y %H:%M:%S} GMT"
        return passed[0]

    feed.clock = let_time_pass
    pages: list[str] = []

    def on_page(pair: str, reached: datetime.datetime) -> None:
        pages.append(pair)
        passed[0] += 60.0
        let_time_pass()

    (found,) = download(feed, tmp_path, START + 24.5 * HOUR, on_page=on_page)
    assert (found.candles, len(pages)) == (24, 3)
