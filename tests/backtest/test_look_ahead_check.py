"""The cheap check for look-ahead that each backtest makes."""

import datetime
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from tests.kit import look_ahead
from tests.kit.markets import DAY, START, buy, make_candles, random_walk
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.backtest.look_ahead_check import check_indicators, choose_cuts, cut_universe, find_changes
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


@pytest.mark.parametrize("kind", look_ahead.DISHONEST)
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


def check_cost(count: int, pairs: tuple[str, ...], length: int = 1) -> list[int]:
    """Return how many candles each calculation of the check had, all pairs together."""
    universe = look_ahead.make_universe(count, pairs=pairs)
    lengths: list[int] = []

    def calculate(some: TradingStrategyUniverse) -> IndicatorResults:
        lengths.append(sum(len(some.get_candles(pair)) for pair in some.iterate_pairs()))
        return calculate_one(look_ahead.mean, some, parameters={"length": length})

    full = calculate(universe)
    assert check_indicators(calculate, full, [START + number * DAY for number in range(count)]) == []
    return lengths[1:]


def test_the_cost_is_bounded_by_a_number_of_candles():
    assert check_cost(100, ("BTC-USD",)) == [47, 70, 5]
    # 2,000 candles of all pairs together, and at least 250 of each.
    assert check_cost(20_000, ("BTC-USD",)) == [941, 1401, 5]
    many = tuple(f"A{number}-USD" for number in range(10))
    assert check_cost(400, many) == [10 * 118, 10 * 176, 10]


def test_the_window_of_an_indicator_does_not_count():
    # The first value of a mean over 3,000 candles is visible at decision 3,000; 0.47 and 0.7 of 2,001 decisions follow.
    assert check_cost(20_000, ("BTC-USD",), length=3_000) == [3_940, 4_400, 5]


def test_the_cuts_are_the_same_in_every_run():
    universe = look_ahead.make_universe(300)
    times = [START + number * DAY for number in range(300)]
    month = calculate_one(look_ahead.month, universe, parameters={"length": 1})
    # The day of the last cut is in August; the value of July has become visible on the 1st, day 213.
    assert choose_cuts(month, times) == [31 + int(0.47 * 269), 31 + int(0.7 * 269), 213, 5]


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
