"""The cheap check for look-ahead that each backtest makes."""

import datetime
import re
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from tests.kit import look_ahead
from tests.kit.markets import DAY, START, buy, make_candles, random_walk
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.backtest.look_ahead_check import Spent, check_indicators, cut_universe, find_changes
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.strategy.execution_context import ExecutionContext, ExecutionMode
from tradeexecutor.strategy.market_data import Candles, from_us
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorCalculationFailed, IndicatorSet, IndicatorSource
from tradeexecutor.strategy.pandas_trader.indicator_results import IndicatorResults, calculate_indicators
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse, UniverseNotValid


def get_warnings(create_indicators: Any, pairs: tuple[str, ...] = ("BTC-USD",)) -> list[str]:
    universe = look_ahead.make_universe(pairs=pairs)

    def decide_trades(input: Any) -> list[Any]:
        return buy(1_000, universe.pairs[0])(input) if input.cycle == 1 else []

    result = run_backtest_inline(
        decide_trades=decide_trades, create_indicators=create_indicators, universe=universe, initial_deposit=10_000,
        progress=False,
    )  # fmt: skip
    return [warning for warning in result.diagnostics_data["warnings"] if "later candles" in warning]


#: What shows at the beginning of the data only, or one day a week: the cheap check may miss it.
NOT_EVERYWHERE = {"filled backwards", "week that begins a day early"}


@pytest.mark.parametrize("kind", [kind for kind in look_ahead.DISHONEST if kind not in NOT_EVERYWHERE])
def test_a_run_warns_of_an_indicator_that_depends_on_later_candles(kind: str):
    func, options = look_ahead.DISHONEST[kind]
    (warning,) = get_warnings(look_ahead.create_one(func, **options))
    assert warning.startswith("indicator 'signal'")
    assert "tradeexecutor lookahead" in warning


def test_the_warning_tells_both_values():
    (warning,) = get_warnings(look_ahead.create_one(look_ahead.tomorrow))
    candles = look_ahead.make_universe().get_candles(look_ahead.make_universe().pairs[0])
    closes = dict(zip(map(from_us, candles.starts.tolist()), candles.close, strict=True))
    found = re.search(r"at the decision of (\S+ \S+) its value for (\S+ \S+) was ([\d.]+), with", warning)
    assert found is not None
    at, stamp = (datetime.datetime.fromisoformat(text) for text in found.groups()[:2])
    assert at == stamp + DAY
    assert found[3] == f"{closes[at]:.6g}"
    assert "with the data known at that time it is no value" in warning


def test_pairs_share_one_sentence():
    (warning,) = get_warnings(look_ahead.create_one(look_ahead.tomorrow), ("BTC-USD", "ETH-USD", "SOL-USD"))
    assert "of BTC-USD (and of 2 more pairs) depends" in warning


@pytest.mark.parametrize("func", look_ahead.HONEST, ids=lambda func: func.__name__)
def test_honest_indicators_are_not_warned_of(func: Any):
    create = look_ahead.create_one(func, parameters={"length": 5}, source=look_ahead.HONEST[func])
    assert get_warnings(create, ("BTC-USD", "ETH-USD")) == []


def test_what_is_not_the_same_twice_is_no_look_ahead():
    random = np.random.default_rng(1)

    def noise(close: pd.Series) -> pd.Series:
        return close + random.normal(size=len(close))

    assert get_warnings(look_ahead.create_one(noise)) == []


def test_an_indicator_that_needs_all_the_data_does_not_break_the_run():
    def demanding(close: pd.Series) -> pd.Series:
        if len(close) < 120:
            raise ValueError("too short")
        return close

    assert get_warnings(look_ahead.create_one(demanding)) == []


def test_what_an_indicator_prints_is_printed_once(capsys: pytest.CaptureFixture[str]):
    def talkative(close: pd.Series) -> pd.Series:
        print("calculating")
        return close

    get_warnings(look_ahead.create_one(talkative))
    assert capsys.readouterr().out == "calculating\n"


# --- The cost


def test_slow_indicators_are_checked_on_little_data():
    universe = look_ahead.make_universe(1000)
    lengths: list[int] = []

    def calculate(some: TradingStrategyUniverse) -> IndicatorResults:
        candles = some.get_candles(universe.pairs[0])
        lengths.append(len(candles))
        time.sleep(0.0002 * len(candles))
        return calculate_one(look_ahead.tomorrow, some)

    full = calculate(universe)
    times = [START + number * DAY for number in range(1000)]
    began = time.perf_counter()
    found = check_indicators(calculate, full, times, Spent(indicators=0.2, decisions=0.8))
    assert [change.name for change in found] == ["signal"]
    # Three per cent of a second; the last calculation confirms what was found, on all data.
    assert sum(lengths[1:-1]) * 0.0002 < 0.05
    assert lengths[-1] == 1000
    assert time.perf_counter() - began < 0.6


# --- Honest indicators, by property


def calculate_one(func: Any, universe: TradingStrategyUniverse, **options: Any) -> IndicatorResults:
    indicators = IndicatorSet()
    indicators.add("signal", func, **options)
    return calculate_indicators(indicators, universe, ExecutionContext(ExecutionMode.backtesting))


@pytest.mark.slow
@given(
    func=st.sampled_from(list(look_ahead.HONEST)),
    length=st.integers(1, 30),
    seed=st.integers(0, 1000),
    skip=st.sets(st.integers(1, 79), max_size=20),
    hours=st.sampled_from([1, 4, 24]),
    cut=st.integers(1, 100),
)
@settings(max_examples=80, deadline=None)
def test_honest_indicators_are_never_reported(func: Any, length: int, seed: int, skip: set[int], hours: int, cut: int):
    bucket = datetime.timedelta(hours=hours)
    candles = {
        "BTC-USD": make_candles(random_walk(seed, 80), bucket=bucket, skip=sorted(skip)),
        "ETH-USD": make_candles(random_walk(seed + 1, 90), bucket=bucket),
    }
    universe = create_universe(candles)
    options: dict[str, Any] = {"parameters": {"length": length}, "source": look_ahead.HONEST[func]}
    at = START + cut * bucket
    full = calculate_one(func, universe, **options)
    try:
        known = calculate_one(func, cut_universe(universe, at), **options)
    except IndicatorCalculationFailed:
        reject()  # Not a single value yet.
    assert find_changes(full, known, at) == []


@given(
    kind=st.sampled_from(["shift", "shift without the end", "centred", "one column", "next open", "mean of all data"]),
    seed=st.integers(0, 1000),
    cut=st.integers(6, 70),
)
@settings(max_examples=50, deadline=None)
def test_what_needs_the_next_candle_is_reported_at_every_cut(kind: str, seed: int, cut: int):
    func, options = look_ahead.DISHONEST[kind]
    universe = look_ahead.make_universe(80, seed)
    at = START + cut * DAY
    full = calculate_one(func, universe, **options)
    (change,) = find_changes(full, calculate_one(func, cut_universe(universe, at), **options), at)
    assert (change.name, change.at, change.ticker) == ("signal", at, "BTC-USD")
    assert change.stamp < at


# --- What was known


def test_what_was_known_is_what_had_ended():
    universe = look_ahead.make_universe(10)
    known = cut_universe(universe, START + 4 * DAY)
    assert known.get_time_range() == (START, START + 4 * DAY)
    in_between = cut_universe(universe, START + 4 * DAY + datetime.timedelta(hours=1))
    assert in_between.get_time_range() == known.get_time_range()


def test_a_candle_that_has_begun_shows_its_open_and_nothing_else():
    universe = look_ahead.make_universe(10)
    pair = universe.pairs[0]
    candles, known = universe.get_candles(pair), cut_universe(universe, START + 4 * DAY, with_open=True)
    cut: Candles = known.get_candles(pair)
    assert len(cut) == 5
    assert {cut.open[4], cut.high[4], cut.low[4], cut.close[4]} == {candles.open[4]}
    assert cut.volume is not None
    assert cut.volume[4] == 0
    assert cut.close[:4].tolist() == candles.close[:4].tolist()
    assert candles.close[4] != candles.open[4], "the original is as it was"


def test_a_pair_without_a_candle_is_left_out_and_no_pair_is_refused():
    late = make_candles(random_walk(1, 5), START + 5 * DAY, DAY)
    universe = create_universe({"BTC-USD": make_candles(random_walk(1, 10), bucket=DAY), "ETH-USD": late})
    assert [pair.get_ticker() for pair in cut_universe(universe, START + 5 * DAY).pairs] == ["BTC-USD"]
    assert cut_universe(universe, START + 5 * DAY, with_open=True).get_pair_count() == 2
    with pytest.raises(UniverseNotValid, match="no candle has ended by 2024-01-01"):
        cut_universe(universe, START)


def test_indicators_of_the_market_are_compared_before_all_pairs_are_listed():
    late = make_candles(random_walk(1, 5), START + 5 * DAY, DAY)
    universe = create_universe({"BTC-USD": make_candles(random_walk(1, 10), bucket=DAY), "ETH-USD": late})
    options: dict[str, Any] = {"parameters": {"length": 2}, "source": IndicatorSource.strategy_universe}
    full = calculate_one(look_ahead.market_mean, universe, **options)
    at = START + 3 * DAY
    assert find_changes(full, calculate_one(look_ahead.market_mean, cut_universe(universe, at), **options), at) == []
