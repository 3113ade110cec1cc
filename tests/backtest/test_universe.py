"""Pairs and addresses are invented from file names, the same ones every time."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.kit.markets import flat, make_candles
from tradeexecutor.backtest.universe import create_universe, parse_pair_symbol
from tradeexecutor.strategy.trading_strategy_universe import PairNotFound, UniverseNotValid

CANDLES = make_candles([flat(1.0)] * 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BTC-USD", ("BTC", "USD")),
        ("eth/usdc", ("ETH", "USDC")),
        ("BTCUSDT", ("BTC", "USDT")),
        ("binance-BTCUSDT-1h", ("BTC", "USDT")),
        ("Coinbase_ETHUSD_daily", ("ETH", "USD")),
        ("EURUSD", ("EUR", "USD")),
        ("eur-usd-hourly", ("EUR", "USD")),
        ("GOOG", ("GOOG", "USD")),
        ("AAPL_1d", ("AAPL", "USD")),
        ("USDC-USD", ("USDC", "USD")),
        ("prices", ("PRICES", "USD")),
        # The longest quote that a word ends with.
        ("BTCFDUSD", ("BTC", "FDUSD")),
        ("ethbtc", ("ETH", "BTC")),
        ("WBTCETH", ("WBTC", "ETH")),
        ("ETHWBTC", ("ETH", "WBTC")),
        ("EURUSDT", ("EUR", "USDT")),
        ("SUSDT", ("S", "USDT")),
        ("BNBUSDT", ("BNB", "USDT")),
        # A quote alone is not split.
        ("TUSD", ("TUSD", "USD")),
        ("WBTC", ("WBTC", "USD")),
        # A dash or slash wins over any quote inside the names.
        ("STETH-PEPE", ("STETH", "PEPE")),
        ("STETH/WBTC", ("STETH", "WBTC")),
        ("SHIB-USD", ("SHIB", "USD")),
        ("BNB/USD", ("BNB", "USD")),
        ("USDT-USD", ("USDT", "USD")),
        ("BRK-B", ("BRK", "B")),
        ("kraken-STETH-PEPE-1h", ("STETH", "PEPE")),
        # What is no name of an asset is left out.
        ("AAPL-1d", ("AAPL", "USD")),
        ("AAPL-daily", ("AAPL", "USD")),
        ("BTCUSDT-1M", ("BTC", "USDT")),
        ("spot-BTC-USDT", ("BTC", "USDT")),
        ("BTC_USDT-5m", ("BTC", "USDT")),
        ("BTC_USDT_USDT-1h-futures", ("BTC", "USDT")),
        ("BTC/USDT:USDT", ("BTC", "USDT")),
    ],
)
def test_symbols(text: str, expected: tuple[str, str]):
    assert parse_pair_symbol(text) == expected


@pytest.mark.slow
@given(
    base=st.from_regex(r"[A-Z0-9]{1,8}", fullmatch=True),
    quote=st.from_regex(r"[A-Z0-9]{1,8}", fullmatch=True),
    separator=st.sampled_from("-/"),
)
def test_a_dash_or_slash_always_wins(base: str, quote: str, separator: str):
    noise = re.compile(
        r"\d+(S|M|MIN|H|D|W|MO)|HOURLY|DAILY|WEEKLY|MONTHLY|MINUTE|HOUR|DAY|WEEK|MONTH|PRICES?|CANDLES?|OHLCV?|DATA|OKX|BYBIT|KRAKEN|GEMINI"
    )
    assume(not noise.fullmatch(base) and not noise.fullmatch(quote))
    assert parse_pair_symbol(f"{base}{separator}{quote}") == (base, quote)


def test_a_name_without_letters_is_refused():
    with pytest.raises(UniverseNotValid, match="name it BASE-QUOTE"):
        parse_pair_symbol("--")


def test_addresses_depend_on_the_symbol_only():
    one = create_universe({"BTC-USD": CANDLES, "ETH-USD": CANDLES})
    other = create_universe({"ETH-USD": CANDLES, "BTC-USD": CANDLES})
    assert one.get_pair_by_ticker("BTC").base.address == other.get_pair_by_ticker("BTC").base.address
    addresses = {pair.pool_address for pair in one.iterate_pairs()} | {
        pair.base.address for pair in one.iterate_pairs()
    }
    assert len(addresses) == 4


def test_dollar_currencies_are_one_reserve_currency():
    universe = create_universe({"BTC-USDT": CANDLES, "ETH-USDC": CANDLES})
    assert universe.reserve_asset.token_symbol == "USDT"
    assert universe.reserve_asset.decimals == 6
    assert {pair.quote.token_symbol for pair in universe.iterate_pairs()} == {"USDT"}


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"ETH-BTC": CANDLES}, "only pairs quoted in dollars"),
        ({"BTC-USD": CANDLES, "BTC-USDT": CANDLES}, "are both BTC"),
        ({}, "at least one pair"),
    ],
)
def test_pairs_that_do_not_fit_together(sources: dict, message: str):
    with pytest.raises(UniverseNotValid, match=message):
        create_universe(sources)


def test_fees_may_differ_by_pair():
    universe = create_universe({"BTC-USD": CANDLES, "ETH-USD": CANDLES}, fee={"BTC-USD": 0.002, "ETH": 0.003})
    assert [pair.fee for pair in universe.iterate_pairs()] == [0.002, 0.003]
    with pytest.raises(UniverseNotValid, match="fraction"):
        create_universe({"BTC-USD": CANDLES}, fee=30)


def test_pairs_are_found_by_ticker_base_and_description():
    universe = create_universe({"BTC-USD": CANDLES, "ETH-USD": CANDLES})
    eth = universe.pairs[1]
    assert universe.get_pair_by_ticker("eth/usd") is eth
    assert universe.get_pair_by_human_description(("chain", "exchange", "ETH", "USD")) is eth
    assert universe.get_pair_by_id(2) is eth
    for ask in (
        lambda: universe.get_pair_by_ticker("DOGE"),
        universe.get_single_pair,
        lambda: universe.get_pair_by_id(9),
    ):
        with pytest.raises(PairNotFound, match="BTC-USD, ETH-USD"):
            ask()
