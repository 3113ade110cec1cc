"""The start page: recorded figures, and beside them the ones adjusted for deposits."""

import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.kit.portfolios import DAY, START, add_closed, add_open, make_state, record_equity, record_flow
from tradeexecutor.state.cycle_duration import CycleDuration, TimeBucket
from tradeexecutor.state.state import State
from tradeexecutor.state.types import EPOCH
from tradeexecutor.statistics.summary import StrategySummaryStatistics, calculate_summary_statistics

NOW = START + 100 * DAY


def make_traded() -> State:
    state = make_state()
    state.last_updated_at = NOW
    add_closed(state, 100.0, 110.0, START, 1)
    add_closed(state, 101.0, 90.9, START + 50 * DAY, 1)
    return state


def summarise(state: State, **options: Any) -> StrategySummaryStatistics:
    options.setdefault("now_", NOW)
    return calculate_summary_statistics(state, **options)


def get_days(points: list[tuple[float, float]] | None) -> list[float]:
    return [] if points is None else [(EPOCH + datetime.timedelta(seconds=time) - START) / DAY for time, _ in points]


def test_a_summary_of_nothing():
    summary = StrategySummaryStatistics()
    assert summary.calculated_at <= datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    assert (summary.launched_at, summary.current_value, summary.enough_data, summary.key_metrics) == (
        None,
        None,
        False,
        {},
    )
    assert (summary.performance.final_equity, summary.performance.positions_closed) == (0, 0)


def test_a_cycle_may_be_given_as_the_length_of_a_candle():
    summary = summarise(make_state(), cycle_duration=TimeBucket.h4)
    assert summary.cycle_duration is CycleDuration.cycle_4h
    assert summary.key_metrics["decision_cycle_duration"].value is CycleDuration.cycle_4h


def test_an_empty_strategy_has_an_empty_summary():
    summary = summarise(make_state())
    assert summary.launched_at == START
    assert summary.calculated_at == NOW
    assert summary.current_value == 1000.0
    assert summary.enough_data is False
    assert summary.first_trade_at is summary.last_trade_at is summary.return_all_time is None
    assert summary.compounding_unrealised_trading_profitability is None
    assert summary.performance.total_return is None


def test_one_position_is_too_little_for_a_chart():
    state = make_state()
    add_open(state, 100.0, START, price_now=120.0)
    summary = summarise(state)
    assert summary.first_trade_at == summary.last_trade_at == START
    assert summary.enough_data is False
    assert summary.performance_chart_90_days is None
    assert summary.current_value == pytest.approx(1020.0)


def test_profit_of_positions_is_charted_within_the_window():
    state = make_traded()
    record_equity(state, {0: 1000})
    summary = summarise(state)
    assert summary.compounding_unrealised_trading_profitability == []
    assert summary.enough_data is True
    assert get_days(summary.performance_chart_90_days) == list(range(10, 52))
    want = 1.01 * 0.99 - 1
    assert summary.profitability_90_days == summary.return_all_time == pytest.approx(want)
    assert summary.return_annualised == pytest.approx(want * 365 / 100)


def test_without_samples_the_profit_of_positions_stays_empty():
    """A strategy that has traded and not completed a cycle has nothing to show yet; the reference does the same."""
    summary = summarise(make_traded())
    assert summary.enough_data is False
    assert summary.performance_chart_90_days is summary.profitability_90_days is summary.return_all_time is None
    assert summary.compounding_unrealised_trading_profitability is None
    assert summary.first_trade_at is not None


def test_an_empty_window_leaves_the_recorded_return_out_and_the_adjusted_one_in():
    state = make_traded()
    record_equity(state, {0: 1000, 1: 1010, 51: 999.9})
    summary = summarise(state, now_=START + 500 * DAY)
    assert summary.return_all_time is None
    assert summary.performance_chart_90_days is None
    assert summary.performance.total_return == pytest.approx(-0.0001)


def test_a_deposit_in_the_middle_is_no_profit():
    state = make_state()
    record_equity(state, {0: 1000, 1: 1100, 2: 2100, 3: 2100})
    record_flow(state, 2, 1000)
    assert summarise(state).performance.total_return == pytest.approx(0.1)


def test_the_recorded_profit_is_passed_on_as_points():
    state = make_state()
    record_equity(state, {0: 1000, 1: 1100})
    state.stats.portfolio[1].unrealised_profitability = 0.1
    points = summarise(state).compounding_unrealised_trading_profitability
    assert points is not None
    ((time, value),) = points
    assert (EPOCH + datetime.timedelta(seconds=time), value) == (START + DAY, 0.1)


def test_a_vault_shows_its_share_price():
    state = make_state()
    state.last_updated_at = START + 73 * DAY
    record_equity(state, {0: 100, 80: 110, 80.5: 115, 99: 240})
    for sample, price in zip(state.stats.portfolio, (1.0, 1.1, 1.15, 1.2), strict=True):
        sample.share_price_usd, sample.net_asset_value = price, sample.total_equity
    summary = summarise(state, share_price=True)
    assert summary.share_price_returns_90_days is not None
    assert get_days(summary.share_price_returns_90_days) == [80, 99]
    assert [value for _, value in summary.share_price_returns_90_days] == pytest.approx([0.15, 0.2])
    assert summary.nav_90_days is not None
    assert [value for _, value in summary.nav_90_days] == [115, 240]
    assert summary.profitability_90_days == pytest.approx(0.2)
    assert summary.return_annualised == pytest.approx(0.2 * 5)


def test_a_vault_without_share_prices_shows_none():
    summary = summarise(make_state(), share_price=True)
    assert summary.share_price_returns_90_days is None
    assert summary.return_annualised is None


def test_an_old_file_without_portfolio_values_has_a_summary():
    state = make_traded()
    for position in state.portfolio.closed_positions.values():
        position.portfolio_value_at_open = None
    summary = summarise(state)
    assert summary.return_all_time is None
    assert summary.current_value == pytest.approx(999.9)


def test_key_metrics_are_found_by_name_and_the_cycle_is_passed_on():
    summary = summarise(make_traded(), cycle_duration=CycleDuration.cycle_1d)
    assert summary.key_metrics["total_equity"].value is None  # 50 days are not enough
    assert summary.cycle_duration is CycleDuration.cycle_1d
    assert summary.backtest_metrics_cut_off_period == datetime.timedelta(days=90)


def test_a_pandas_timestamp_is_as_good_as_a_datetime():
    summary = summarise(make_state(), now_=pd.Timestamp(NOW))
    assert type(summary.calculated_at) is datetime.datetime


@pytest.mark.golden
def test_every_real_file_has_a_summary(state_file: Path):
    state = State.read_json_file(state_file)
    summary = calculate_summary_statistics(state, now_=state.last_updated_at)
    assert summary.key_metrics["started_at"].value == state.created_at


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "annualised"),
    [
        ("arbitrum-btc-usd-sls-binance-data-1h.json", 0.08864852562727546),
        ("legacy--legacy-repair-dump.json", 2.109914205057436),
        ("cli--show-positions-long.json", -0.33044192084391616),
    ],
)
def test_the_yearly_return_agrees_with_the_recorded_one(name: str, annualised: float, shared_dir: Path):
    state = State.read_json_file(shared_dir / "states" / name)
    summary = calculate_summary_statistics(state, now_=state.last_updated_at, time_window=datetime.timedelta(days=999))
    assert summary.return_annualised == pytest.approx(annualised)
