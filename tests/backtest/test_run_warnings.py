"""What a run says at its end, because its author may not have meant it."""

from typing import Any

import pandas as pd
import pytest

from tests.kit import look_ahead
from tests.kit.markets import DAY, HOUR, buy, flat, make_candles, random_walk, run, sell
from tradeexecutor.backtest import run_warnings
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource

BARS = [flat(100)] * 6


def get_warnings(result: Any) -> list[str]:
    return result.diagnostics_data["warnings"]


def test_a_run_as_it_was_meant_says_nothing():
    assert get_warnings(run(BARS, {1: buy(1_000, stop_loss_pct=0.95)})) == []


def test_a_run_without_a_trade_says_so():
    assert get_warnings(run(BARS, {})) == ["the strategy never traded: it decided 6 times, no trade was made"]


def test_a_run_in_which_nothing_succeeded_says_what_became_of_it():
    (warning,) = get_warnings(run(BARS, {1: buy(1_000)}, failures=lambda trade: True))
    assert warning == "the strategy never traded: it decided 6 times, 1 trades were tried and failed"

    def wait(input: Any) -> Any:
        manager = input.get_position_manager()
        return manager.limit_buy(input.get_default_pair(), 1_000, 90.0, good_till_time=HOUR)

    (warning,) = get_warnings(run(BARS, {1: wait}))
    assert warning == "the strategy never traded: it decided 6 times, no trade was made, 1 orders lapsed"


def test_a_stop_loss_of_95_percent_is_told_with_what_was_probably_meant():
    (warning,) = get_warnings(run(BARS, {1: buy(1_000, stop_loss_pct=0.05)}))
    assert warning == (
        "1 positions had a stop loss 95.00 % below the price: stop_loss_pct=0.05 means a stop at 5.00 % of the price, "
        "a stop 5.00 % below it is stop_loss_pct=0.95"
    )


def move_stop(price: float) -> Any:
    def plan(input: Any) -> list[Any]:
        manager = input.get_position_manager()
        manager.update_stop_loss(manager.get_current_position(), price)
        return []

    return plan


def test_a_stop_loss_that_is_moved_far_down_is_told_too():
    (warning,) = get_warnings(run(BARS, {1: buy(1_000, stop_loss_pct=0.95), 3: move_stop(5.0)}))
    assert warning.startswith("1 positions had a stop loss 95.00 % below the price")


def test_a_stop_loss_at_the_entry_may_be_far_below_the_price():
    bars = [flat(100), (100, 300, 100, 300), *[flat(300)] * 4]
    assert get_warnings(run(bars, {1: buy(1_000), 4: move_stop(100.0)})) == []


@pytest.mark.parametrize("stop", [0.5, 0.8])
def test_a_wide_stop_loss_may_be_meant(stop: float):
    assert get_warnings(run(BARS, {1: buy(1_000, stop_loss_pct=stop)})) == []


def mean(close: pd.Series, length: int) -> pd.Series:
    return close.rolling(length).mean()


def bands(close: pd.Series, length: int) -> pd.DataFrame:
    return pd.DataFrame({"middle": close, "top": close.rolling(length).max()})


def test_an_indicator_without_any_value_is_named():
    def create_indicators(timestamp: Any, parameters: Any, strategy_universe: Any, execution_context: Any) -> Any:
        indicators = IndicatorSet()
        indicators.add("fast", mean, {"length": 2}, IndicatorSource.close_price)
        indicators.add("slow", mean, {"length": 60}, IndicatorSource.close_price)
        indicators.add("bands", bands, {"length": 60}, IndicatorSource.close_price)
        return indicators

    warnings = get_warnings(run(BARS, {1: buy(1_000)}, create_indicators=create_indicators))
    assert [warning.split(" has no value")[0] for warning in warnings] == [
        "indicator 'slow' of BTC-USD",
        "indicator 'bands', column 'top', of BTC-USD",
    ]


def resample(*arguments: Any, **settings: Any) -> Any:
    def signal(close: pd.Series) -> pd.Series:
        return close.resample(*arguments, **settings).last()

    return look_ahead.create_one(signal)


@pytest.mark.parametrize(
    ("rule", "settings", "last"),
    [
        ("ME", {}, "2024-04-30"),
        ("QE", {}, "2024-06-30"),
        ("YE", {}, "2024-12-31"),
        ("BME", {}, "2024-04-30"),
        ("W", {}, "2024-05-05"),  # the last candle is of Tuesday, the 30th
        ("W-MON", {}, "2024-05-06"),
        ("7D", {"label": "right"}, "2024-05-06"),
        ("MS", {"label": "right"}, "2024-05-01"),
    ],
)
def test_periods_that_are_labelled_by_their_ends_are_told(rule: str, settings: Any, last: str):
    bars = make_candles(random_walk(1, 121), bucket=DAY)
    warnings = get_warnings(run(bars, {1: buy(1_000)}, create_indicators=resample(rule, **settings)))
    assert warnings == [
        f"indicator 'signal' of BTC-USD is labelled by the ends of its periods, the last one {last} 00:00:00: a time "
        'is taken for the start of a period, so each value was visible one period late; resample with "MS", "QS", '
        '"YS", or label="left", closed="left"'
    ]


def moved(close: pd.Series) -> pd.Series:
    return close.shift(26, freq="D")


@pytest.mark.parametrize(
    "create",
    [
        resample("MS"),
        resample("QS"),
        resample("W-MON", label="left", closed="left"),
        resample("7D"),
        look_ahead.create_one(moved),
    ],
)
def test_periods_that_are_labelled_by_their_starts_are_not(create: Any):
    bars = make_candles(random_walk(1, 121), bucket=DAY)
    assert get_warnings(run(bars, {1: buy(1_000)}, create_indicators=create)) == []


def test_slippage_above_the_tolerance_is_told_once():
    def plan(input: Any) -> Any:
        manager, pair = input.get_position_manager(), input.get_default_pair()
        return [] if manager.is_problematic_pair(pair) else manager.open_spot(pair, 100)

    warnings = get_warnings(run(BARS, plan, slippage=0.05))
    assert warnings[1].startswith(
        "1 trades failed because the simulated slippage is above their tolerance, e.g. slippage 5.0000% exceeds the "
        "tolerance of 1.7000%"
    )


def test_warnings_are_logged(caplog: pytest.LogCaptureFixture):
    run(BARS, {})
    assert "never traded" in caplog.text


@pytest.mark.parametrize(("value", "expected"), [(10_000, 1), (9_000, 0)])
def test_a_strategy_that_is_its_own_benchmark_is_told_once(value: float, expected: int):
    bars = make_candles(random_walk(1, 30), bucket=DAY)
    warnings = get_warnings(run(bars, {1: buy(value)}, fee=0.003))
    assert (
        warnings
        == [
            "the equity moves exactly like its benchmark, BTC-USD bought and held: alpha, beta and the figures "
            "beside it compare the strategy with itself"
        ]
        * expected
    )


@pytest.mark.parametrize("sold_at", [3, 14, 15, 16, 25, 30, 40])
def test_a_strategy_that_leaves_its_benchmark_late_is_not_told(sold_at: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_warnings, "_FIRST_SAMPLES", 15)
    bars = make_candles(random_walk(1, 30), bucket=DAY)
    warnings = get_warnings(run(bars, {1: buy(10_000), sold_at: sell}, fee=0.003))
    assert len(warnings) == (sold_at > 30)


def test_a_few_days_do_not_make_a_strategy_its_own_benchmark():
    assert get_warnings(run(make_candles(random_walk(1, 6), bucket=DAY), {1: buy(10_000)})) == []
