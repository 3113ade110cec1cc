"""The door to TA-Lib: names, sources and results, and no function that looks ahead."""

import inspect
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.markets import flat, make_candles, random_walk
from tradeexecutor.backtest.dataset import load_dataset
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.strategy.execution_context import ExecutionContext, ExecutionMode
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorNotValid, IndicatorSet, IndicatorSource
from tradeexecutor.strategy.pandas_trader.indicator_results import calculate_indicators
from tradeexecutor.strategy.pandas_trader.longer_candles import on_longer_candles
from tradeexecutor.strategy.pandas_trader.ta_lib import list_ta_lib_indicators, ta_lib_indicator

GOOG = load_dataset("goog-daily")["GOOG-USD"].to_dataframe()


def call(name: str, frame: pd.DataFrame, **parameters: Any) -> Any:
    function = ta_lib_indicator(name)
    columns = {name: frame[name] for name in inspect.signature(function).parameters if name in frame}
    return function(**columns, **parameters)


def test_an_average_is_the_average():
    found = call("SMA", GOOG, timeperiod=20)
    expected = GOOG["close"].rolling(20).mean()
    pd.testing.assert_series_equal(found, expected, check_names=False)


def test_the_index_of_wilder_by_hand():
    close = pd.Series([44.0, 45.0, 43.0, 46.0])
    # Gains 1, 0, 3 and losses 0, 2, 0: the averages of three are 4/3 and 2/3.
    found = call("RSI", pd.DataFrame({"close": close}), timeperiod=3)
    assert found.iloc[-1] == pytest.approx(100 * (4 / 3) / (4 / 3 + 2 / 3))


def test_several_outputs_are_columns():
    frame = call("MACD", GOOG)
    assert list(frame.columns) == ["macd", "macdsignal", "macdhist"]
    assert np.allclose((frame["macd"] - frame["macdsignal"]).dropna(), frame["macdhist"].dropna())


@pytest.mark.parametrize("name", list_ta_lib_indicators())
def test_no_function_looks_ahead(name: str):
    whole = np.asarray(call(name, GOOG.iloc[:400]))
    for count in (1, 3, 60, 250):
        assert np.array_equal(whole[:count], np.asarray(call(name, GOOG.iloc[:count])), equal_nan=True)


@given(seed=st.integers(0, 10_000), count=st.integers(1, 80), length=st.integers(2, 20))
def test_random_prices_without_the_future(seed: int, count: int, length: int):
    frame = make_candles(random_walk(seed, 81)).to_dataframe()
    for name in ("RSI", "EMA", "ATR", "ADX", "WILLR"):
        whole = call(name, frame, timeperiod=length)
        pd.testing.assert_series_equal(whole.iloc[:count], call(name, frame.iloc[:count], timeperiod=length))


def test_it_is_declared_like_any_function():
    indicators = IndicatorSet()
    indicators.add("rsi", ta_lib_indicator("RSI"), {"timeperiod": 5}, IndicatorSource.close_price)
    indicators.add("stochastic", ta_lib_indicator("STOCH"), {}, IndicatorSource.ohlcv)
    longer = on_longer_candles("4h", ta_lib_indicator("SMA"))
    indicators.add("slow", longer, {"timeperiod": 2}, IndicatorSource.close_price)
    universe = create_universe({"BTC-USD": make_candles(random_walk(1, 40))})
    results = calculate_indicators(indicators, universe, ExecutionContext(ExecutionMode.backtesting))
    pair = universe.get_single_pair()
    assert results.get_raw("rsi", pair).notna().sum() == 35
    assert list(results.get_raw("stochastic", pair).columns) == ["slowk", "slowd"]
    assert results.get_raw("slow", pair).notna().sum() == 33


def test_mistakes_are_explained(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(IndicatorNotValid, match="TA-Lib has no function 'rsi'; it has RSI"):
        ta_lib_indicator("rsi")
    with pytest.raises(IndicatorNotValid, match="MAVP needs periods"):
        ta_lib_indicator("MAVP")
    with pytest.raises(IndicatorNotValid, match="no argument 'length'"):
        IndicatorSet().add("rsi", ta_lib_indicator("RSI"), {"length": 14})
    with pytest.raises(IndicatorNotValid, match="nothing supplies the argument 'high'"):
        IndicatorSet().add("atr", ta_lib_indicator("ATR"), {}, IndicatorSource.close_price)
    monkeypatch.setitem(sys.modules, "talib", None)
    with pytest.raises(IndicatorNotValid, match=r"pip install 'tradeexecutor\[indicators\]'"):
        ta_lib_indicator("RSI")


def test_a_short_history_has_no_value():
    assert call("SMA", make_candles([flat(1)] * 3).to_dataframe(), timeperiod=30).isna().all()
