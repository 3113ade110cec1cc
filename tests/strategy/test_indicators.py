"""Declaring and reading indicators."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.kit.markets import HOUR, START, flat, make_candles, run
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.strategy.execution_context import ExecutionContext, ExecutionMode
from tradeexecutor.strategy.pandas_trader.indicator import (
    IndicatorCalculationFailed,
    IndicatorNotFound,
    IndicatorNotValid,
    IndicatorRegistry,
    IndicatorSet,
    IndicatorSource,
)
from tradeexecutor.strategy.pandas_trader.indicator_results import calculate_indicators
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInputIndicators
from tradeexecutor.strategy.parameters import StrategyParameters

CONTEXT = ExecutionContext(ExecutionMode.unit_testing)
PRICES = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]


def mean(close: pd.Series, length: int) -> pd.Series:
    return close.rolling(length).mean()


def make_universe(count: int = 1):
    names = ["BTC-USD", "ETH-USD"][:count]
    candles = {name: make_candles([flat(price * (n + 1)) for price in PRICES]) for n, name in enumerate(names)}
    return create_universe(candles)


def calculate(universe: Any, *definitions: tuple[Any, ...]) -> StrategyInputIndicators:
    indicators = IndicatorSet()
    for definition in definitions:
        indicators.add(*definition)
    return StrategyInputIndicators(universe, calculate_indicators(indicators, universe, CONTEXT))


def at(indicators: StrategyInputIndicators, hours: float) -> StrategyInputIndicators:
    indicators.prepare_decision_cycle(1, START + hours * HOUR)
    return indicators


def test_values_follow_the_clock():
    indicators = calculate(make_universe(), ("mean", mean, {"length": 2}))
    assert at(indicators, 0).get_indicator_value("mean") is None
    assert at(indicators, 1).get_indicator_value("mean") is None, "one candle is not enough for two"
    assert at(indicators, 2).get_indicator_value("mean") == 10.5
    assert at(indicators, 2.5).get_indicator_value("mean") == 10.5, "a candle in progress is not visible"
    assert at(indicators, 6).get_indicator_value("mean") == 14.5
    assert at(indicators, 6).get_indicator_value("mean", index=-3) == 12.5
    assert at(indicators, 6).get_indicator_value("mean", clock_shift=2 * HOUR) == 12.5
    assert at(indicators, 1).get_indicator_value("mean", index=-9) is None
    assert np.isnan(at(indicators, 1).get_indicator_value("mean", na_conversion=False) or 0.0)


def test_old_values_are_no_values():
    indicators = calculate(make_universe(), ("mean", mean, {"length": 2}))
    late = at(indicators, 24 * 8)
    assert late.get_indicator_value("mean") is None
    assert late.get_price() is None
    assert late.get_indicator_value("mean", data_delay_tolerance=None) == 14.5
    assert late.get_indicator_value("mean", data_delay_tolerance=datetime.timedelta(days=30)) == 14.5


def test_looking_forward_is_refused():
    indicators = at(calculate(make_universe(), ("mean", mean, {"length": 2})), 3)
    forward: list[dict[str, Any]] = [{"index": 0}, {"index": 1}, {"clock_shift": -HOUR}]
    for arguments in forward:
        with pytest.raises(ValueError, match=r"negative|future"):
            indicators.get_indicator_value("mean", **arguments)
    assert indicators.get_price(timestamp=START + 6 * HOUR) == 12.0


def test_prices_are_those_of_the_last_finished_candle():
    indicators = at(calculate(make_universe()), 3)
    assert indicators.get_price() == 12.0
    assert indicators.get_price(index=-2) == 11.0
    assert indicators.get_price(column="volume") == 1000.0
    assert indicators.get_price_series().tolist() == [10.0, 11.0, 12.0]
    assert indicators.get_recent_price_series(length=2).tolist() == [11.0, 12.0]
    assert indicators.get_last_visible_time() == START + 3 * HOUR


def test_every_pair_has_its_own_values():
    universe = make_universe(2)
    indicators = at(calculate(universe, ("mean", mean, {"length": 2})), 4)
    assert [indicators.get_indicator_value("mean", pair=pair) for pair in universe.pairs] == [12.5, 25.0]
    assert len(indicators.get_indicator_data_pairs_combined("mean")) == 8
    with pytest.raises(LookupError, match="name the pair"):
        indicators.get_indicator_value("mean")


def bands(close: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"upper": close + 1, "lower": close - 1})


def test_columns_are_chosen_by_name():
    indicators = at(calculate(make_universe(), ("bands", bands)), 2)
    assert indicators.get_indicator_value("bands", column="upper") == 12.0
    assert indicators.get_indicator_dataframe("bands").shape == (2, 2)
    with pytest.raises(IndicatorNotFound, match=r"several columns, name one.*'upper', 'lower'"):
        indicators.get_indicator_value("bands")
    with pytest.raises(IndicatorNotFound, match="no column 'middle'"):
        indicators.get_indicator_value("bands", column="middle")
    with pytest.raises(IndicatorNotFound, match=r"no indicator 'none' \(known: bands\)"):
        indicators.get_indicator_value("none")


def breadth(strategy_universe: Any) -> pd.Series:
    closes = [strategy_universe.get_candles(pair).get_series("close") for pair in strategy_universe.iterate_pairs()]
    return closes[0] + closes[1]


def test_indicators_of_the_whole_universe():
    indicators = calculate(make_universe(2), ("breadth", breadth, {}, IndicatorSource.strategy_universe))
    assert at(indicators, 1).get_indicator_value("breadth") == 30.0
    assert at(indicators, 1.9).get_indicator_value("breadth") == 30.0
    assert at(indicators, 2).get_indicator_value("breadth") == 33.0
    assert at(indicators, 0.9).get_indicator_value("breadth") is None


def doubled(strategy_universe: Any, pair: Any, dependency_resolver: Any) -> pd.Series:
    return dependency_resolver.get_indicator_data("mean") * 2


def test_indicators_can_read_others():
    definition = ("doubled", doubled, {}, IndicatorSource.dependencies_only_per_pair, 2)
    indicators = calculate(make_universe(), definition, ("mean", mean, {"length": 2}))
    assert at(indicators, 2).get_indicator_value("doubled") == 21.0


def test_an_indicator_with_other_parameters_is_not_returned():
    def tripled(dependency_resolver: Any, length: int) -> pd.Series:
        return dependency_resolver.get_indicator_data("mean", parameters={"length": length}) * 3

    def calculate_with(length: int) -> Any:
        own = ("tripled", tripled, {"length": length}, IndicatorSource.dependencies_only_per_pair, 2)
        return calculate(make_universe(), own, ("mean", mean, {"length": 2}))

    assert at(calculate_with(2), 2).get_indicator_value("tripled") == 31.5
    with pytest.raises(IndicatorCalculationFailed, match=r"calculated with \{'length': 2\}, not with \{'length': 3\}"):
        calculate_with(3)


def test_a_shortened_series_is_found_by_its_times():
    indicators = calculate(make_universe(), ("short", lambda close: close.rolling(3).mean().dropna()))
    assert at(indicators, 2).get_indicator_value("short") is None
    assert at(indicators, 3).get_indicator_value("short") == 11.0
    assert at(indicators, 6).get_indicator_value("short") == 14.0


def test_a_function_cannot_change_the_prices_of_others():
    def vandal(close: pd.Series) -> pd.Series:
        close.iloc[:] = 0
        return close

    universe = make_universe()
    indicators = calculate(universe, ("vandal", vandal), ("mean", mean, {"length": 1}))
    assert at(indicators, 1).get_indicator_value("mean") == 10.0
    assert universe.get_candles(universe.pairs[0]).close[0] == 10.0


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (("", mean, {"length": 1}), "name"),
        (("mean", 5), "not a function"),
        (("mean", mean, {"size": 1}), r"has no argument 'size' \(it has: close, length\)"),
        (("mean", mean), "nothing supplies the argument 'length'"),
        (("mean", mean, {"length": 1}, "close"), "must be an IndicatorSource"),
        (("mean", mean, {"length": 1}, IndicatorSource.tvl), "no TVL"),
    ],
)
def test_impossible_declarations_are_refused(definition: tuple[Any, ...], message: str):
    with pytest.raises(IndicatorNotValid, match=message):
        IndicatorSet().add(*definition)


def test_names_are_unique():
    indicators = IndicatorSet()
    indicators.add("mean", mean, {"length": 1})
    with pytest.raises(IndicatorNotValid, match="declared twice"):
        indicators.add("mean", mean, {"length": 2})


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda close: 1 / 0, "indicator 'x' of BTC-USD failed: ZeroDivisionError"),
        (lambda close: None, "it returned NoneType"),
        (lambda close: [1.0, 2.0], "another length than the candles"),
        (lambda close: pd.Series(["a"] * 6, index=close.index), "not numbers"),
        (lambda close: close.iloc[:0], "returned nothing"),
    ],
)
def test_failing_functions_are_named(function: Any, message: str):
    with pytest.raises(IndicatorCalculationFailed, match=message):
        calculate(make_universe(), ("x", function))


def test_a_registry_collects_decorated_functions():
    registry = IndicatorRegistry()

    @registry.define(source=IndicatorSource.close_price)
    def fast(close: pd.Series, fast_length: int) -> pd.Series:
        return close.rolling(fast_length).mean()

    @registry.define(source=IndicatorSource.dependencies_only_per_pair, dependencies=(fast,))
    def above(dependency_resolver: Any, offset: float = 1.0) -> pd.Series:
        return dependency_resolver.get_indicator_data("fast") + offset

    seen: list[Any] = []

    def decide_trades(input: Any) -> list[Any]:
        seen.append((input.indicators.get_indicator_value("fast"), input.indicators.get_indicator_value("above")))
        return []

    run_backtest_inline(
        decide_trades=decide_trades,
        create_indicators=registry.create_indicators,
        parameters=StrategyParameters({"fast_length": 2, "unused": 1}),
        universe=make_universe(),
        initial_deposit=100,
        progress=False,
    )
    assert seen[2] == (10.5, 11.5)


def test_a_strategy_needs_no_indicators():
    assert len(run([flat(1.0)] * 3, {}).indicators) == 0
