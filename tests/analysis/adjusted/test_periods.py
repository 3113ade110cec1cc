"""Periods belong where they were earned, and figures do not depend on how often equity was sampled."""

import datetime
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.kit.portfolios import DAY, START, make_state, record_equity, record_flow
from tradeexecutor.analysis.adjusted.periods import (
    calculate_time_weighted_returns,
    compound_by_period,
    group_by_calendar,
    observe,
    read_observations,
)
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.state.state import BacktestData


def to_us(*days: str) -> NDArray[np.int64]:
    return np.array(days, dtype="datetime64[us]").view(np.int64)


def test_what_ends_at_midnight_of_the_first_day_belongs_to_the_month_and_year_before():
    ends = to_us("2022-12-31", "2023-01-01", "2023-01-02", "2023-02-01")
    start = int(to_us("2022-12-30")[0])
    returns = np.array([0.0, 0.1, 0.2, 0.5])
    months = group_by_calendar(start, ends, returns, "M")
    assert months == {datetime.date(2022, 12, 1): pytest.approx(0.1), datetime.date(2023, 1, 1): pytest.approx(0.8)}
    years = group_by_calendar(start, ends, returns, "Y")
    assert {day.year: round(value, 9) for day, value in years.items()} == {2022: 0.1, 2023: 0.8}


def test_the_entry_belongs_to_the_period_that_it_begins():
    start = int(to_us("2023-01-01")[0])
    days = group_by_calendar(start, to_us("2023-01-01", "2023-01-02"), np.array([-0.01, 0.1]), "D")
    assert days == {datetime.date(2023, 1, 1): pytest.approx(0.99 * 1.1 - 1)}


@pytest.mark.parametrize(
    ("freq", "labels"),
    [("D", ["2023-01-31", "2023-02-01"]), ("MS", ["2023-01-01", "2023-02-01"]), ("ME", ["2023-01-31", "2023-02-28"])],
)
def test_a_pandas_period_holds_what_was_earned_in_it(freq: str, labels: list[str]):
    ends = to_us("2023-02-01", "2023-02-02")
    compounded = compound_by_period(int(to_us("2023-01-31")[0]), ends, np.array([0.1, 0.2]), freq)
    assert compounded.round(9).to_dict() == dict(zip(map(pd.Timestamp, labels), [0.1, 0.2], strict=True))


def test_time_weighted_returns_of_a_period_are_those_earned_in_it():
    state = make_state()
    record_equity(state, {0: 100, 30: 110, 31: 121, 59: 133.1})
    monthly = calculate_time_weighted_returns(state, "MS")
    # The sample of day 31 is of midnight of 1 February: its return is of January.
    assert monthly.round(9).to_dict() == {pd.Timestamp(START): 0.21, pd.Timestamp(2024, 2, 1): 0.1}


def test_the_first_sample_is_no_observation():
    state = make_state()
    record_equity(state, {0: 100, 1: 101, 2: 102.01})
    observations = read_observations(state)
    assert observations.returns.round(9).tolist() == [0.01, 0.01]
    summary = summarise_performance(state)
    assert summary.sharpe is None
    assert summary.total_return == pytest.approx(0.0201)


def test_what_the_first_trades_cost_is_in_the_return_and_the_drawdown_and_in_no_ratio():
    state = make_state()
    record_flow(state, 0, 100)
    record_equity(state, {0: 99, 1: 99.99, 2: 100.9899})
    state.backtest_data = BacktestData(START, START + 2 * DAY, None)  # pyright: ignore[reportArgumentType]
    summary = summarise_performance(state)
    assert summary.total_return == pytest.approx(0.009899)
    assert summary.max_drawdown == pytest.approx(-0.01)
    assert summary.sharpe is None


def sample(hours: int, every: int) -> dict[float, float]:
    """Return the samples, by days, of one and the same price path, every so many hours and at each midnight."""
    growth = np.random.default_rng(5).normal(0.0002, 0.01, hours)
    path = 1000 * np.concatenate(([1.0], np.cumprod(1 + growth)))
    return {hour / 24: float(path[hour]) for hour in range(hours + 1) if hour % every == 0 or hour % 24 == 0}


@pytest.mark.parametrize("every", [2, 4, 12, 24, 168])
def test_drawdown_and_ratios_do_not_depend_on_how_often_the_strategy_decides(every: int):
    summaries = []
    for hours in (1, every):
        state = make_state()
        record_equity(state, sample(24 * 40, hours))
        summaries.append(summarise_performance(state))
    for name in ("total_return", "cagr", "max_drawdown", "max_runup", "sharpe", "sortino"):
        assert getattr(summaries[0], name) == pytest.approx(getattr(summaries[1], name)), name
    for name in ("volatility", "calmar", "omega", "ulcer_index", "value_at_risk", "skew", "kurtosis"):
        assert getattr(summaries[0].risk, name) == pytest.approx(getattr(summaries[1].risk, name)), name
    assert summaries[0].risk.longest_drawdown == summaries[1].risk.longest_drawdown


def test_a_short_history_is_measured_from_sample_to_sample():
    state = make_state()
    record_equity(state, sample(24 * 5, 1))
    observations = read_observations(state)
    assert not observations.is_daily
    assert len(observations) == 24 * 5
    assert observations.periods_per_year == pytest.approx(365 * 24)


def test_a_market_that_closes_at_weekends_has_as_many_periods_a_year_as_were_measured():
    state = make_state()
    weekdays = [day for day in range(365) if (START + day * DAY).weekday() < 5]
    record_equity(state, {day + 0.9: 100.0 + day % 3 for day in weekdays})
    observations = read_observations(state)
    assert observations.is_daily
    assert observations.periods_per_year == pytest.approx((len(weekdays) - 1) / ((weekdays[-1] - weekdays[0]) / 365))


@given(
    st.lists(st.integers(1, 3 * 86_400), min_size=1, max_size=60),
    st.data(),
)
def test_observations_compound_to_all_returns_whatever_the_spacing(steps: list[int], data: st.DataObject):
    values = data.draw(st.lists(st.floats(-0.5, 0.5), min_size=len(steps), max_size=len(steps)))
    start = int(to_us("2024-01-01T05:00")[0])
    ends = start + np.cumsum(np.array(steps, dtype=np.int64)) * 1_000_000
    observed = observe(start, ends, np.array(values))
    assert math.prod(1 + observed.path) == pytest.approx(math.prod(1 + value for value in values))
    assert (np.diff(observed.ends) > 0).all()
    assert observed.ends[-1] == ends[-1]
    for calendar in ("D", "M", "Y"):
        grouped = group_by_calendar(start, ends, np.array(values), calendar)
        assert math.prod(1 + value for value in grouped.values()) == pytest.approx(math.prod(1 + np.array(values)))
