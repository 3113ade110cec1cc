"""The full analysis: every indicator and decision that knows the future, its first date, and nothing else."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit import look_ahead
from tests.kit.markets import DAY, START
from tradeexecutor.backtest.backtest_options import BacktestOptions
from tradeexecutor.research.look_ahead import (
    ChangedIndicator,
    LookAheadNotPossible,
    LookAheadReport,
    analyse_look_ahead,
)
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.strategy_module import StrategyModule
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

pytestmark = pytest.mark.slow

OPTIONS = BacktestOptions(initial_deposit=10_000, progress=False)


def follow(column: str | None = None) -> Any:
    """A strategy that is in the market while the signal is above the last close."""

    def decide_trades(input: Any) -> list[Any]:
        pair = input.strategy_universe.pairs[0]
        signal = input.indicators.get_indicator_value("signal", column, None if input.indicators.results.get_columns(
            "signal", 0) else pair)  # fmt: skip
        price = input.indicators.get_price(pair)
        manager = input.get_position_manager()
        if signal is None or price is None:
            return []
        if signal > price and not manager.is_any_open():
            return manager.open_spot(pair, 1_000, stop_loss_pct=0.9)
        return manager.close_all() if signal <= price and manager.is_any_open() else []

    return decide_trades


def make_module(create_indicators: Any, decide_trades: Any = None) -> StrategyModule:
    return StrategyModule(
        path=None,
        engine_version="0.5",
        parameters=StrategyParameters(),
        decide_trades=decide_trades or follow(),
        create_indicators=create_indicators,
    )


def analyse(
    create_indicators: Any, decide_trades: Any = None, universe: TradingStrategyUniverse | None = None, **how: Any
) -> LookAheadReport:
    module = make_module(create_indicators, decide_trades)
    return analyse_look_ahead(module, universe or look_ahead.make_universe(), OPTIONS, **how)


def get_only(report: LookAheadReport) -> ChangedIndicator:
    (indicator,) = report.indicators
    return indicator


@pytest.mark.parametrize("kind", look_ahead.DISHONEST)
def test_what_depends_on_later_candles_is_found(kind: str):
    func, options = look_ahead.DISHONEST[kind]
    column = "next" if kind == "one column" else None
    report = analyse(look_ahead.create_one(func, **options), follow(column))
    indicator = get_only(report)
    assert not report.is_clean
    assert (indicator.name, indicator.column) == ("signal", column)
    assert indicator.value != indicator.known_value
    assert indicator.stamp < indicator.first_at
    assert indicator.cuts >= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "first"),
    [
        # Number of the first decision that could see such a value.
        ("shift", 1),
        ("shift without the end", 2),
        ("centred", 3),
        ("week seen on all its days", 1),
        ("week that begins a day early", 6),
        ("maximum of all data", 1),
        ("mean of all data", 1),
        ("filled backwards", 1),
        ("one column", 1),
        ("next open", 1),
        ("whole market", 1),
    ],
)
def test_the_first_date_is_the_first_decision_that_saw_it(kind: str, first: int):
    func, options = look_ahead.DISHONEST[kind]
    column = "next" if kind == "one column" else None
    exact = analyse(look_ahead.create_one(func, **options), follow(column), every_decision=True)
    assert exact.is_exact
    assert get_only(exact).first_at == START + first * DAY
    assert get_only(analyse(look_ahead.create_one(func, **options), follow(column))).first_at == START + first * DAY


def test_the_values_are_what_the_run_saw_and_what_was_known():
    indicator = get_only(analyse(look_ahead.create_one(look_ahead.tomorrow)))
    universe = look_ahead.make_universe()
    assert (indicator.tickers, indicator.ticker, indicator.stamp) == (("BTC-USD",), "BTC-USD", START)
    assert indicator.value == universe.get_candles(universe.pairs[0]).close[1]
    assert indicator.known_value is None


@pytest.mark.slow
def test_a_decision_that_changes_is_told_with_both_sides():
    report = analyse(look_ahead.create_one(look_ahead.tomorrow), every_decision=True)
    closes = look_ahead.make_universe().get_candles(look_ahead.make_universe().pairs[0]).close
    first_rise = int(np.flatnonzero(np.diff(closes) > 0)[0])
    first = report.decisions[0]
    assert first.at == START + (first_rise + 1) * DAY
    assert first.cut_at == first.at
    assert first.with_future[0].startswith("buy BTC-USD, quantity ")
    assert first.without_future == ()
    # Without tomorrow there is no signal: each trade of the run is one that changes.
    assert {decision.at for decision in report.decisions} >= {first.at}
    assert len(report.decisions) > 20


def test_only_the_pairs_that_know_the_future_are_named():
    def one_of_two(close: pd.Series, pair: Any) -> pd.Series:
        return close.shift(-1) if pair.base.token_symbol == "ETH" else close.shift(1)

    universe = look_ahead.make_universe(pairs=("BTC-USD", "ETH-USD"))
    assert get_only(analyse(look_ahead.create_one(one_of_two), universe=universe)).tickers == ("ETH-USD",)


def create_dependent(timestamp: Any, parameters: Any, strategy_universe: Any, execution_context: Any) -> IndicatorSet:
    def smooth(pair: Any, dependency_resolver: Any) -> pd.Series:
        return dependency_resolver.get_indicator_data("base").rolling(2).mean()

    def apart(close: pd.Series) -> pd.Series:
        return close.rolling(2).mean()

    indicators = IndicatorSet()
    indicators.add("base", look_ahead.tomorrow)
    indicators.add("signal", smooth, source=IndicatorSource.dependencies_only_per_pair, order=2, dependencies=("base",))
    indicators.add("apart", apart, order=2)
    return indicators


def test_an_indicator_that_hands_on_the_fault_of_another_says_so():
    first, second = analyse(create_dependent).indicators
    assert (first.name, first.reads) == ("base", ())
    assert (second.name, second.reads) == ("signal", ("base",))


def test_a_decision_that_looks_into_the_candles_itself_is_found():
    def peek(input: Any) -> list[Any]:
        pair, manager = input.get_default_pair(), input.get_position_manager()
        candles = input.strategy_universe.get_candles(pair)
        number = int(np.searchsorted(candles.starts, np.datetime64(input.timestamp, "us").astype(np.int64)))
        if candles.close[number] > candles.open[number] and not manager.is_any_open():
            return manager.open_spot(pair, 100)
        return manager.close_all() if manager.is_any_open() else []

    report = analyse(None, peek)
    assert report.indicators == ()
    assert report.decisions
    assert report.decisions[0].with_future[0].startswith("buy BTC-USD")


def test_a_decision_that_fails_without_the_future_is_found():
    def peek(input: Any) -> list[Any]:
        candles = input.strategy_universe.get_candles(input.get_default_pair())
        assert len(candles) == 120
        return []

    report = analyse(None, peek)
    assert report.decisions[0].with_future == ()
    assert "AssertionError" in report.decisions[0].without_future[0]


def test_levels_are_part_of_a_decision():
    def decide_trades(input: Any) -> list[Any]:
        manager = input.get_position_manager()
        signal = input.indicators.get_indicator_value("signal")
        if input.cycle == 60:
            return manager.open_spot(input.get_default_pair(), 100, stop_loss_pct=0.5 if signal is None else 0.6)
        return []

    report = analyse(look_ahead.create_one(look_ahead.tomorrow), decide_trades)
    (decision,) = report.decisions
    (run,) = decision.with_future
    assert run.startswith("levels of BTC-USD, stop loss ")
    assert decision.without_future[0].startswith("levels of BTC-USD, stop loss ")


# --- Honest strategies


@given(
    funcs=st.lists(st.sampled_from(list(look_ahead.HONEST)), min_size=1, max_size=4, unique=True),
    length=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
@settings(max_examples=15, deadline=None)
def test_honest_strategies_are_clean(funcs: list[Any], length: int, seed: int):
    def create_indicators(timestamp: Any, parameters: Any, strategy_universe: Any, execution_context: Any) -> Any:
        indicators = IndicatorSet()
        indicators.add("signal", look_ahead.mean, {"length": length})
        for func in funcs:
            indicators.add(func.__name__, func, {"length": length}, look_ahead.HONEST[func])
        return indicators

    universe = look_ahead.make_universe(60, seed, ("BTC-USD", "ETH-USD"))
    report = analyse(create_indicators, universe=universe, cuts=8)
    assert report.is_clean, (report.indicators, report.decisions)
    assert report.cuts > 0


# --- What cannot be compared


def test_what_is_not_the_same_twice_is_told_apart():
    random = np.random.default_rng(1)

    def noise(close: pd.Series) -> pd.Series:
        return close + random.normal(size=len(close))

    report = analyse(look_ahead.create_one(noise))
    assert report.is_clean
    assert report.unstable_indicators == ("signal",)
    assert report.has_unstable_decisions


def test_a_strategy_that_remembers_the_last_run_is_not_compared():
    calls = itertools.count()

    def decide_trades(input: Any) -> list[Any]:
        return input.get_position_manager().open_spot(input.get_default_pair(), 100) if next(calls) == 5 else []

    report = analyse(None, decide_trades)
    assert report.has_unstable_decisions
    assert report.decisions == ()


def test_cuts_with_too_little_data_are_told():
    def demanding(close: pd.Series) -> pd.Series:
        if len(close) < 50:
            raise ValueError("too short")
        return close.shift(1)

    report = analyse(look_ahead.create_one(demanding))
    assert report.is_clean
    assert report.cuts + len(report.skipped) == 40
    assert "too short" in report.skipped[0].reason


def test_an_analysis_that_compared_nothing_does_not_call_it_clean():
    def demanding(close: pd.Series) -> pd.Series:
        if len(close) < 120:
            raise ValueError("too short")
        return close

    with pytest.raises(LookAheadNotPossible, match=r"cannot be calculated from less data, .*too short"):
        analyse(look_ahead.create_one(demanding))
    options = dataclasses.replace(OPTIONS, end_at=START + DAY)
    module = make_module(None, lambda input: [])
    with pytest.raises(LookAheadNotPossible, match="no decision after the first candle has ended"):
        analyse_look_ahead(module, look_ahead.make_universe(), options)
    with pytest.raises(LookAheadNotPossible, match="2 decisions at least, not 1"):
        analyse_look_ahead(module, look_ahead.make_universe(), OPTIONS, cuts=1)
