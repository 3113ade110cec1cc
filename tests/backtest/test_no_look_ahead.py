"""A decision depends on the past only: whatever the future holds, the decisions up to now are the same."""

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.markets import HOUR, START, Bar, get_trades, random_walk, run
from tradeexecutor.backtest.backtest_pricing import FuturePrice
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

COUNT = 60


def mean(close: pd.Series, length: int) -> pd.Series:
    return close.rolling(length).mean()


def channel(high: pd.Series, low: pd.Series, length: int) -> pd.DataFrame:
    return pd.DataFrame({"top": high.rolling(length).max(), "bottom": low.rolling(length).min()})


def create_indicators(timestamp: Any, parameters: Any, strategy_universe: Any, execution_context: Any) -> IndicatorSet:
    indicators = IndicatorSet()
    indicators.add("fast", mean, {"length": 3})
    indicators.add("slow", mean, {"length": 8})
    indicators.add("channel", channel, {"length": 5}, IndicatorSource.ohlcv)
    return indicators


def record_run(bars: list[Bar]) -> tuple[list[Any], Any]:
    """Run a strategy that uses everything it can see, and note what it saw."""
    seen: list[Any] = []

    def decide_trades(input: StrategyInput) -> list[Any]:
        indicators = input.indicators
        values = [
            indicators.get_indicator_value("fast"),
            indicators.get_indicator_value("slow", index=-2),
            indicators.get_indicator_value("channel", column="top"),
            indicators.get_price(),
            indicators.get_price(column="high", index=-3),
            indicators.get_price_series().sum(),
            indicators.get_indicator_series("fast").count(),
            len(indicators.get_ohlcv()),
            input.pricing_model.get_mid_price(input.timestamp, input.get_default_pair()),
        ]
        seen.append((input.timestamp, values))
        manager = input.get_position_manager()
        fast, slow = indicators.get_indicator_value("fast"), indicators.get_indicator_value("slow")
        if fast is None or slow is None:
            return []
        if fast > slow and not manager.is_any_open():
            return manager.open_spot(input.get_default_pair(), 1_000, trailing_stop_loss_pct=0.97, take_profit_pct=1.06)
        return manager.close_all() if fast < slow and manager.is_any_open() else []

    result = run(bars, decide_trades, create_indicators=create_indicators, fee=0.001)
    trades = [
        (trade.executed_at, trade.executed_price, trade.executed_quantity, trade.trade_type)
        for trade in get_trades(result)
    ]
    return seen, trades


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), now=st.integers(1, COUNT - 1), other=st.integers(10_001, 20_000))
@settings(max_examples=25, deadline=None)
def test_another_future_does_not_change_the_past(seed: int, now: int, other: int):
    bars = random_walk(seed, COUNT)
    # The candle at `now` keeps its open: that is the price at the moment of the decision. All else is another world.
    open_now = bars[now][0]
    future = [(open_now, open_now * 2, open_now / 2, open_now * 1.5), *random_walk(other, COUNT, open_now * 1.5)]
    changed = (bars[:now] + future)[:COUNT]
    moment = START + now * HOUR
    seen, trades = record_run(bars)
    seen_in_other_world, trades_in_other_world = record_run(changed)
    assert [entry for entry in seen if entry[0] <= moment] == [
        entry for entry in seen_in_other_world if entry[0] <= moment
    ]
    assert [trade for trade in trades if trade[0] <= moment] == [
        trade for trade in trades_in_other_world if trade[0] <= moment
    ]


def test_future_prices_cannot_be_asked_for():
    def peek(input: StrategyInput) -> list[Any]:
        input.pricing_model.get_mid_price(input.timestamp - HOUR, input.get_default_pair())
        with pytest.raises(
            FuturePrice, match="the price at 2024-01-01 03:00:00 is not known yet at 2024-01-01 02:00:00"
        ):
            input.pricing_model.get_mid_price(input.timestamp + HOUR, input.get_default_pair())
        return []

    run(random_walk(1, 5), {3: peek})


def test_a_decision_sees_the_candle_that_ended_and_not_the_one_that_begins():
    bars: list[Bar] = [(10.0 * n, 10.0 * n + 5, 10.0 * n - 5, 10.0 * n + 1) for n in range(1, 6)]
    seen, _ = record_run(bars)
    assert seen[0][1][3] is None
    assert seen[1][1][3] == 11.0
    assert seen[1][1][-1] == 20.0, "the price at the decision is the open of the candle that begins"
    assert [entry[1][-2] for entry in seen] == [0, 1, 2, 3, 4]
    assert seen[4][1][4] == 25.0
