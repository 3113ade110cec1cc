"""Market data in the shapes of the framework's data client, from objects that only look like its own."""

import datetime
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest

from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.state.cycle_duration import TimeBucket
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.strategy.data_client import DataNotRecognised, translate_token, translate_trading_pair
from tradeexecutor.strategy.data_universe import DataUniverse, GroupedCandles, NotEnoughCandles, PairList, PairNotFound
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse, UniverseNotValid
from tradeexecutor.testing.synthetic_exchange_data import generate_exchange
from tradeexecutor.testing.synthetic_lending_data import generate_lending_reserve, generate_lending_universe
from tradeexecutor.testing.synthetic_price_data import (
    generate_fixed_price_candles,
    generate_multi_pair_candles,
    generate_ohlcv_candles,
    generate_tvl_candles,
)
from tradeexecutor.testing.synthetic_universe_data import create_synthetic_single_pair_universe

START, END = datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 21)
DAY = datetime.timedelta(days=1)


class ChainId(enum.IntEnum):
    polygon = 137


@dataclass
class DEXPair:
    """The attributes of the client's class of this name."""

    pair_id: int
    base_token_symbol: str
    base_token_address: str
    chain_id: Any = ChainId.polygon
    address: str = "0x" + "ab" * 20
    exchange_id: int = 7
    exchange_slug: str = "quickswap"
    exchange_address: str = "0x" + "cd" * 20
    base_token_decimals: int = 18
    quote_token_symbol: str = "USDC"
    quote_token_address: str = "0x" + "EF" * 20
    quote_token_decimals: int = 6
    fee: int | None = 30


@dataclass
class PandasPairUniverse:
    """The methods of the client's class of this name."""

    pairs: list[DEXPair]

    def iterate_pairs(self) -> Iterator[DEXPair]:
        return iter(self.pairs)


@dataclass
class GroupedCandleUniverse:
    """The methods of the client's class of this name."""

    df: pd.DataFrame

    def get_candles_by_pair(self, pair_id: int) -> pd.DataFrame | None:
        frame = self.df[self.df["pair_id"] == pair_id]
        return None if frame.empty else frame


@dataclass
class Universe:
    """The attributes of the client's class of this name."""

    pairs: Any
    candles: Any
    lending_candles: Any = None
    lending_reserves: Any = None


USDC = AssetIdentifier(137, "0x" + "ef" * 20, "USDC", 6)
WETH = DEXPair(11, "WETH", "0x" + "11" * 20)
WMATIC = DEXPair(12, "WMATIC", "0x" + "12" * 20)


def make_pairs() -> list[TradingPairIdentifier]:
    return [translate_trading_pair(pair) for pair in (WETH, WMATIC)]


def make_candles() -> pd.DataFrame:
    return generate_fixed_price_candles(TimeBucket.d1, START, END, dict(zip(make_pairs(), (2000.0, 0.5), strict=True)))


def test_a_pair_and_a_token_are_translated():
    pair = translate_trading_pair(WETH)
    assert (pair.base.token_symbol, pair.base.decimals, pair.base.chain_id) == ("WETH", 18, 137)
    assert type(pair.chain_id) is int
    assert pair.quote == USDC
    assert (pair.fee, pair.internal_id, pair.internal_exchange_id) == (pytest.approx(0.003), 11, 7)
    assert (pair.exchange_name, pair.pool_address) == ("quickswap", WETH.address)
    assert translate_trading_pair(pair) is pair
    assert translate_token(USDC) is USDC

    @dataclass
    class Token:
        chain_id: int = 137
        address: str = USDC.address
        symbol: str = "USDC"
        decimals: int | None = 6

    assert translate_token(Token()) == USDC
    with pytest.raises(DataNotRecognised, match="decimals of USDC are not known"):
        translate_token(Token(decimals=None))
    assert translate_token(Token(decimals=None), require_decimals=False).decimals == 18
    with pytest.raises(DataNotRecognised, match="object has no chain_id"):
        translate_trading_pair(object())


@pytest.mark.parametrize("has_method", [True, False])
def test_a_universe_of_the_client_is_traded(has_method: bool):
    frame = make_candles()
    candles = GroupedCandleUniverse(frame) if has_method else type("Frames", (), {"df": frame})()
    unknown = DEXPair(13, "NEW", "0x" + "13" * 20)
    universe = TradingStrategyUniverse(
        data_universe=Universe(PandasPairUniverse([WETH, WMATIC, unknown]), candles), reserve_assets=[USDC]
    )
    assert [pair.get_ticker() for pair in universe.iterate_pairs()] == ["WETH-USDC", "WMATIC-USDC"]
    assert universe.get_reserve_asset() == USDC
    assert universe.get_time_range() == (START, END)

    def decide_trades(input: StrategyInput):
        manager = input.get_position_manager()
        pair = input.strategy_universe.get_pair_by_human_description((ChainId.polygon, "quickswap", "WETH", "USDC"))
        return manager.open_spot(pair, 1000.0) if input.cycle == 1 else []

    state = run_backtest_inline(decide_trades=decide_trades, universe=universe, initial_deposit=10_000).state
    position = state.portfolio.open_positions[1]
    assert position.pair.chain_id == 137
    assert float(position.get_quantity()) == pytest.approx(1000 / 2006)


def test_recorded_rates_of_lending_are_used():
    """The supply rate of 3.65 % and the borrow rate of 7.3 % are in percent, as the client has them."""
    pair = make_pairs()[0]
    reserves = [generate_lending_reserve(USDC, 137, 1), generate_lending_reserve(pair.base, ChainId.polygon, 2)]
    tokens, rates = generate_lending_universe(TimeBucket.d1, START, END, reserves, {"supply": 3.65, "variable": 7.3})
    data = Universe(PandasPairUniverse([WETH]), GroupedCandleUniverse(make_candles()), rates, tokens)
    universe = TradingStrategyUniverse(data_universe=data, reserve_assets=[USDC])
    short = universe.get_shorting_pair(next(universe.iterate_pairs()))
    later = START + 10 * DAY
    assert universe.lending.get_yearly_rate(short.quote, later) == pytest.approx(0.0365)
    assert universe.lending.get_yearly_rate(short.base, later) == pytest.approx(0.073)

    def decide_trades(input: StrategyInput):
        manager = input.get_position_manager()
        plans = {
            1: lambda: manager.open_short(input.get_default_pair(), 1000.0, leverage=2.0),
            11: manager.close_all,
        }
        return plans.get(input.cycle, list)()

    state = run_backtest_inline(decide_trades=decide_trades, universe=universe, initial_deposit=10_000).state
    position = state.portfolio.closed_positions[1]
    assert position.get_claimed_interest() == pytest.approx(2994 * (1.0001**10 - 1))
    with pytest.raises(DataNotRecognised, match="lending reserves have a mapping"):
        TradingStrategyUniverse(
            data_universe=Universe(data.pairs, data.candles, rates, object()), reserve_assets=[USDC]
        )


def test_what_has_another_shape_is_named():
    pairs, candles = PandasPairUniverse([WETH]), GroupedCandleUniverse(make_candles())
    with pytest.raises(UniverseNotValid, match="exactly one reserve currency, got 0"):
        TradingStrategyUniverse(data_universe=Universe(pairs, candles))
    with pytest.raises(DataNotRecognised, match="pairs have iterate_pairs"):
        TradingStrategyUniverse(data_universe=Universe(object(), candles), reserve_assets=[USDC])
    with pytest.raises(DataNotRecognised, match="candles have get_candles_by_pair"):
        TradingStrategyUniverse(data_universe=Universe(pairs, object()), reserve_assets=[USDC])
    other = PandasPairUniverse([DEXPair(13, "NEW", "0x" + "13" * 20)])
    with pytest.raises(DataNotRecognised, match="no candles of NEW-USDC"):
        TradingStrategyUniverse(data_universe=Universe(other, candles), reserve_assets=[USDC])
    with pytest.raises(UniverseNotValid, match="needs candles and a reserve currency"):
        TradingStrategyUniverse()


def test_our_own_views_have_the_same_shape():
    universe = TradingStrategyUniverse(
        data_universe=DataUniverse(pairs=PairList(make_pairs()), candles=GroupedCandles(make_candles())),
        reserve_assets=[USDC],
    )
    data = universe.data_universe
    assert data is universe.data_universe
    assert (data.pairs.get_count(), data.candles.get_pair_count(), data.candles.get_pair_ids()) == (2, 2, [11, 12])
    weth = data.pairs.get_by_symbols("WETH", "USDC")
    assert data.pairs.get_pair_by_id(11) == weth
    with pytest.raises(PairNotFound, match="2 pairs are the only pair"):
        data.pairs.get_single()
    with pytest.raises(PairNotFound, match="0 pairs are #99"):
        data.pairs.get_pair_by_id(99)
    with pytest.raises(NotEnoughCandles, match="candles of 2 pairs"):
        data.candles.get_single_pair_data(START)
    # The candle that starts at the time is not finished, and has no price yet.
    seen = data.candles.get_last_entries_by_pair_and_timestamp(weth, START + 3 * DAY)
    assert list(seen.index) == [START, START + DAY, START + 2 * DAY]
    assert list(data.candles.get_last_entries_by_pair_and_timestamp(weth, START + 2.5 * DAY).index) == [
        START,
        START + DAY,
    ]


def test_a_single_candle_of_unknown_length_has_not_ended():
    one = generate_ohlcv_candles(TimeBucket.d1, START, END).iloc[:1]
    assert list(GroupedCandles(one).get_single_pair_data().index) == [START]
    assert GroupedCandles(one).get_single_pair_data(START).empty
    twice = GroupedCandles(pd.concat([one, one, one.rename(index=lambda when: when + DAY)]))
    assert twice.get_single_pair_data(START).empty
    assert list(twice.get_single_pair_data(START + DAY).index) == [START, START]


def test_candles_of_a_single_pair_are_cut_at_the_decision():
    candles = GroupedCandles(generate_ohlcv_candles(TimeBucket.d1, START, END))
    assert list(candles.get_single_pair_data(START + 5 * DAY, 2).index) == [START + 3 * DAY, START + 4 * DAY]
    assert candles.get_single_pair_data(START + 5 * DAY, 2, allow_current=True).index[-1] == START + 5 * DAY
    assert len(candles.get_single_pair_data()) == 20
    with pytest.raises(NotEnoughCandles, match="5 candles have ended at 2024-01-06 00:00:00, 6 are wanted"):
        candles.get_single_pair_data(START + 5 * DAY, 6)
    assert len(candles.get_single_pair_data(START + 5 * DAY, 6, raise_on_not_enough_data=False)) == 5
    assert candles.get_timestamp_range() == (START, END - DAY)


def test_synthetic_candles():
    first, again = (generate_ohlcv_candles(TimeBucket.d1, START, END, random_seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    other = generate_ohlcv_candles(TimeBucket.d1, START, END, random_seed=4)
    assert first["close"].iloc[-1] != other["close"].iloc[-1]
    assert len(first) == 20
    assert first["open"].iloc[0] == 1800
    assert (first["low"] <= first[["open", "close"]].min(axis=1)).all()
    assert (first["high"] >= first[["open", "close"]].max(axis=1)).all()
    assert (first["close"] / first["open"]).between(0.95, 1.05).all()
    many = generate_multi_pair_candles(DAY, START, END, dict.fromkeys(make_pairs(), 100.0))
    assert sorted(many["pair_id"].unique()) == [11, 12]
    ends = many.groupby("pair_id")["close"].last()
    assert ends[11] != ends[12]
    tvl = generate_tvl_candles(TimeBucket.d1, START, END)
    assert tvl["close"].between(8e6, 12.5e6).all()
    exchange = generate_exchange(3, ChainId.polygon, "0x" + "33" * 20)
    assert (exchange.chain_id, exchange.name) == (137, "my-dex")


def test_a_synthetic_universe_of_one_pair():
    pair = make_pairs()[0]
    candles = generate_ohlcv_candles(TimeBucket.d1, START, END, pair_id=pair.internal_id or 0)
    universe = create_synthetic_single_pair_universe(candles, ChainId.polygon, None, TimeBucket.d1, pair)
    assert universe.get_single_pair() is pair
    assert universe.data_universe.candles.get_single_pair_data(START + DAY)["open"].tolist() == [1800.0]
