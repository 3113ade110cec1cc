"""Key metrics: where they come from, and what they say when there is too little."""

import datetime
import math
from pathlib import Path
from typing import Any

import pytest

from tests.kit.portfolios import DAY, START, add_closed, make_state, record_equity
from tradeexecutor.analysis.recorded.metrics import (
    KeyMetric,
    KeyMetricCalculationMethod,
    KeyMetricKind,
    KeyMetricSource,
)
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.state import BacktestData, State
from tradeexecutor.statistics.key_metric import (
    calculate_key_metrics,
    calculate_trades_last_week,
    calculate_trades_per_month,
)
from tradeexecutor.strategy import summary as strategy_summary

NOW = START + 10 * DAY
AT_ONCE = datetime.timedelta(0)

RATIOS = ["all_time_returns", "sharpe", "sortino", "max_drawdown", "profitability", "cagr", "trades_per_month"]
PRESENT = ["started_at", "last_trade", "trades_last_week", "decision_cycle_duration"]


def make_traded(won_first: bool = True) -> State:
    """10 % of a tenth won on the first day, and about as much lost on the third."""
    state = make_state()
    state.last_updated_at = NOW
    prices = (110.0, 90.0) if won_first else (90.0, 110.0)
    add_closed(state, 100.0, prices[0], START, 1)
    add_closed(state, 100.0, prices[1], START + 2 * DAY, 1)
    return state


def calculate(state: State, **options: Any) -> dict[str, KeyMetric]:
    options.setdefault("now_", NOW)
    return {metric.kind.value: metric for metric in calculate_key_metrics(state, **options)}


def test_a_strategy_that_traded_long_enough_speaks_for_itself():
    metrics = calculate(make_traded(), required_history=AT_ONCE, cycle_duration=CycleDuration.cycle_1h)
    assert list(metrics) == [*RATIOS, "total_equity", *PRESENT]
    for kind in RATIOS:
        metric = metrics[kind]
        assert metric.source is KeyMetricSource.live_trading
        assert metric.calculation_method is KeyMetricCalculationMethod.historical_data
        assert (metric.calculation_window_start_at, metric.calculation_window_end_at) == (START, NOW)
    # Days of +1 %, 0 and -10/1010.
    lost = 10 / 1010
    assert metrics["all_time_returns"].value == pytest.approx(1.01 * (1 - lost) - 1, abs=1e-12)
    assert metrics["max_drawdown"].value == pytest.approx(lost)
    mean = (0.01 - lost) / 3
    deviation = math.sqrt(sum((r - mean) ** 2 for r in (0.01, 0.0, -lost)) / 2)
    assert metrics["sharpe"].value == pytest.approx(mean / deviation * math.sqrt(365))
    assert metrics["sortino"].value == pytest.approx(mean / math.sqrt(lost**2 / 3) * math.sqrt(365))
    assert metrics["trades_per_month"].value == pytest.approx(12.0)
    assert metrics["total_equity"].value == pytest.approx(1000.0)
    assert metrics["last_trade"].value == START + 3 * DAY
    assert metrics["decision_cycle_duration"].value is CycleDuration.cycle_1h
    assert metrics["decision_cycle_duration"].unavailability_reason is None


def test_too_short_a_history_gives_metrics_without_a_value():
    metrics = calculate(make_traded())
    assert list(metrics)[:7] == [
        "cagr", "sharpe", "sortino", "max_drawdown", "profitability", "trades_per_month", "total_equity",
    ]  # fmt: skip
    assert metrics["sharpe"].value is None
    assert metrics["sharpe"].source is KeyMetricSource.missing
    assert metrics["sharpe"].unavailability_reason == "Not enough live trading or backtesting data available"
    assert metrics["started_at"].value == START


def test_a_backtest_speaks_until_there_is_enough_live_history():
    backtest = make_traded()
    record_equity(backtest, {0: 1000, 1: 1010, 2: 1010, 3: 1000})
    backtest.backtest_data = BacktestData(START, START + 3 * DAY, CycleDuration.cycle_1d)
    live = make_state()
    metrics = calculate(live, backtested_state=backtest)
    assert metrics["max_drawdown"].source is KeyMetricSource.backtesting
    assert metrics["max_drawdown"].value == pytest.approx(10 / 1010)
    assert metrics["max_drawdown"].calculation_window_start_at == START
    assert metrics["max_drawdown"].calculation_window_end_at == START + 3 * DAY
    assert metrics["total_equity"].source is KeyMetricSource.live_trading
    assert metrics["total_equity"].value == 1000.0
    assert "last_trade" not in metrics


def test_the_share_price_is_a_history_of_its_own():
    state = make_state()
    record_equity(state, {0: 100, 1: 110, 2: 220})  # the second rise is a deposit
    for sample, price in zip(state.stats.portfolio, (1.0, 1.1, 1.1), strict=True):
        sample.share_price_usd, sample.net_asset_value = price, sample.total_equity
    metrics = calculate(state, share_price_based=True)
    assert next(iter(metrics)) == "share_price_entries"
    assert metrics["share_price_entries"].value == 3
    assert metrics["all_time_returns"].value == pytest.approx(0.1)
    assert metrics["sortino"].value == 99.0  # nothing was ever lost
    assert metrics["max_drawdown"].value == 0.0


def test_share_price_metrics_without_a_share_price_have_no_value():
    metrics = calculate(make_traded(), share_price_based=True)
    assert metrics["sharpe"].value is None
    enough = calculate(make_traded(), share_price_based=True, required_history=AT_ONCE)
    assert enough["share_price_entries"].value == 0
    assert enough["sharpe"].value is None
    assert enough["sharpe"].unavailability_reason == "The history gives no finite number: nan"


def test_a_loss_in_the_first_period_is_no_recorded_drawdown():
    """`test_performance` has the figure that sees it."""
    assert calculate(make_traded(won_first=False), required_history=AT_ONCE)["max_drawdown"].value == 0.0


def test_an_empty_strategy_has_metrics_without_values():
    metrics = calculate(make_state(), required_history=AT_ONCE)
    assert metrics["sharpe"].value is None
    assert metrics["trades_last_week"].value == 0
    assert metrics["decision_cycle_duration"].value is None
    assert metrics["decision_cycle_duration"].unavailability_reason


def test_an_old_file_without_portfolio_values_is_no_history():
    state = make_traded()
    for position in state.portfolio.closed_positions.values():
        position.portfolio_value_at_open = None
    assert calculate(state, required_history=AT_ONCE)["sharpe"].value is None


def test_trades_are_counted_per_month_and_in_the_last_week():
    state = make_traded()
    assert calculate_trades_per_month(state) == pytest.approx(4 * 30 / 10)
    assert calculate_trades_per_month(make_state()) == 0
    # Executed on days 0, 1, 2 and 3; both ends of the week count.
    assert calculate_trades_last_week(state.portfolio, now_=START + 8 * DAY) == 3
    assert calculate_trades_last_week(state.portfolio, cut_off_date=START, now_=START + 2 * DAY) == 3
    assert calculate_trades_last_week(state.portfolio) == 0


def test_a_metric_survives_json():
    metric = calculate(make_traded(), required_history=AT_ONCE)["sharpe"]
    assert KeyMetric.from_json(metric.to_json()) == metric


def test_values_that_json_does_not_have_become_missing():
    method = KeyMetricCalculationMethod.historical_data
    for value in (math.nan, math.inf):
        metric = KeyMetric.create_metric(KeyMetricKind.cagr, KeyMetricSource.backtesting, value, START, NOW, method)
        assert metric.value is None
        assert metric.unavailability_reason


def test_eleven_kinds_have_a_page_of_explanation():
    assert KeyMetricKind.cagr.get_help_link().endswith("/compound-annual-growth-rate-cagr")
    assert sum(_has_help(kind) for kind in KeyMetricKind) == 11


def _has_help(kind: KeyMetricKind) -> bool:
    try:
        return bool(kind.get_help_link())
    except KeyError:
        return False


def test_strategies_import_the_names_from_where_they_expect_them():
    assert strategy_summary.KeyMetric is KeyMetric


# --- Against recorded values


@pytest.fixture(scope="module")
def long_backtest(shared_dir: Path) -> State:
    return State.read_json_file(shared_dir / "states" / "arbitrum-btc-usd-sls-binance-data-1h.json")


def check(metrics: dict[str, KeyMetric], want: dict[str, float]) -> None:
    assert {kind: metrics[kind].value for kind in want} == pytest.approx(want, rel=1e-9)


@pytest.mark.golden
def test_live_metrics_agree_with_recorded_ones(long_backtest: State):
    check(
        calculate(long_backtest, now_=None),
        {
            "all_time_returns": 0.05780369616244152,
            "sharpe": 0.9080764337482095,
            "sortino": 1.4892827000219546,
            "max_drawdown": 0.05846314953857623,
            "cagr": 0.09589061204707283,
            "trades_per_month": 19.66386554621849,
        },
    )


@pytest.mark.golden
def test_backtested_metrics_agree_with_recorded_ones(long_backtest: State):
    check(
        calculate(State(), backtested_state=long_backtest),
        {
            "all_time_returns": 0.05780369616244285,
            "sharpe": 0.9687463223558925,
            "sortino": 1.40578866449136,
            "max_drawdown": 0.05634931231317075,
            "cagr": 0.09000366729174059,
        },
    )


@pytest.mark.golden
def test_metrics_of_short_histories_agree_with_recorded_ones(shared_dir: Path):
    losing = State.read_json_file(shared_dir / "states" / "legacy--legacy-repair-dump.json")
    check(
        calculate(losing, required_history=AT_ONCE),
        {
            "all_time_returns": -0.23738201770163736,
            "sharpe": -16.944828148797825,
            "sortino": -13.400534752099725,
            "max_drawdown": 0.2279048111798594,
            "cagr": -0.970772732076853,
            "trades_per_month": 83.35914671239145,
        },
    )
    short = State.read_json_file(shared_dir / "states" / "cli--show-positions-long.json")
    check(
        calculate(short, required_history=AT_ONCE),
        {
            "profitability": -0.009331222730066036,
            "sharpe": -13.509256086106296,
            "max_drawdown": 0.0,
            "cagr": -0.9673492167534171,
        },
    )
