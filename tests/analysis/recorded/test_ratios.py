"""Ratios of recorded figures, against textbook formulas and against their own habits."""

import datetime
import math
import statistics

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.analysis.recorded.ratios import (
    calculate_annualised_return,
    calculate_cagr,
    calculate_max_drawdown,
    calculate_max_runup,
    calculate_profit_factor,
    calculate_profitability,
    calculate_sharpe,
    calculate_sortino,
    prepare_prices,
    prepare_returns,
)

START = "2024-01-01"
INFINITE = float("inf")


def make_series(*values: float, freq: str = "D") -> "pd.Series[float]":
    return pd.Series(values, index=pd.date_range(START, periods=len(values), freq=freq), dtype="float64")


#: With a loss, so that nothing is taken for prices, and without NaN.
lists_of_returns = st.lists(st.floats(-0.5, 0.9), min_size=3, max_size=40).map(lambda values: [*values, -0.1, 0.2])


@given(lists_of_returns)
def test_the_sharpe_ratio_is_the_one_of_the_textbook(values: list[float]):
    want = statistics.fmean(values) / statistics.stdev(values) * math.sqrt(252)
    assert calculate_sharpe(make_series(*values), periods=252) == pytest.approx(want, rel=1e-9, abs=1e-9)


@given(lists_of_returns)
def test_the_sortino_ratio_is_the_one_of_the_textbook(values: list[float]):
    downside = math.sqrt(math.fsum(min(value, 0.0) ** 2 for value in values) / len(values))
    want = math.fsum(values) / len(values) / downside * math.sqrt(365)
    assert calculate_sortino(make_series(*values)) == pytest.approx(want, rel=1e-9, abs=1e-9)


@given(lists_of_returns)
def test_the_profit_factor_is_gains_over_losses(values: list[float]):
    want = math.fsum(v for v in values if v > 0) / -math.fsum(v for v in values if v < 0)
    assert calculate_profit_factor(make_series(*values)) == pytest.approx(want, rel=1e-9)


@given(lists_of_returns)
def test_drawdown_and_runup_look_at_every_pair_of_points(values: list[float]):
    wealth = [math.prod(1 + value for value in values[: count + 1]) for count in range(len(values))]
    pairs = [(wealth[i], wealth[j]) for i in range(len(wealth)) for j in range(i, len(wealth))]
    series = make_series(*values)
    assert calculate_max_drawdown(series) == pytest.approx(min(after / before - 1 for before, after in pairs), abs=1e-9)
    assert calculate_max_runup(series) == pytest.approx(max(after / before - 1 for before, after in pairs), rel=1e-9)


@given(lists_of_returns)
def test_the_growth_rate_compounds_over_the_days_between_first_and_last(values: list[float]):
    want = math.prod(1 + value for value in values) ** (365 / (len(values) - 1)) - 1
    assert calculate_cagr(make_series(*values)) == pytest.approx(want, rel=1e-8, abs=1e-9)


def test_profitability_is_compounded():
    assert calculate_profitability(make_series(0.1, -0.1)) == pytest.approx(-0.01)
    assert calculate_profitability(make_series()) == 0


def test_an_unknown_return_does_not_spoil_the_others():
    assert calculate_profitability(make_series(math.nan, 0.5)) == pytest.approx(0.5)
    assert prepare_returns(make_series(math.nan, 0.1, INFINITE, -0.1)).tolist() == [0.0, 0.1, 0.0, -0.1]


def test_a_series_without_losses_and_above_one_is_taken_for_prices():
    assert prepare_returns(make_series(1.0, 2.0, 1.0)).tolist() == [0.0, 1.0, -0.5]
    assert prepare_prices(make_series(1.0, 2.0, 1.0)).tolist() == [1.0, 2.0, 1.0]


def test_returns_become_prices_that_start_after_the_first_period():
    assert prepare_prices(make_series(-0.5, 0.5)).tolist() == [0.5, 0.75]


def test_a_loss_in_the_first_period_is_no_drawdown():
    assert calculate_max_drawdown(make_series(-0.5, 0.1)) == 0


def test_a_rise_from_nothing_is_no_runup():
    assert calculate_max_runup(make_series(0.0, 3.0)) == 0.0


def test_equity_from_nothing_is_a_total_drawdown():
    assert calculate_max_drawdown(make_series(-0.1, INFINITE, 0.1)) == -1.0


def test_without_a_loss_the_sortino_ratio_is_infinite():
    assert calculate_sortino(make_series(0.1, 0.2)) == INFINITE


@pytest.mark.parametrize("calculate", [calculate_sharpe, calculate_sortino, calculate_profit_factor])
@pytest.mark.parametrize("values", [(), (0.0,), (0.0, 0.0)])
def test_ratios_of_nothing_are_not_a_number(calculate, values):
    assert math.isnan(calculate(make_series(*values)))


@pytest.mark.parametrize("values", [(), (0.5,)])
def test_no_growth_rate_without_a_whole_day(values):
    assert calculate_cagr(make_series(*values)) == 0


def test_the_argument_is_left_alone():
    series = make_series(math.nan, 0.1, -0.1)
    before = series.copy()
    for calculate in (calculate_sharpe, calculate_sortino, calculate_max_drawdown, calculate_max_runup, calculate_cagr):
        calculate(series)
    pd.testing.assert_series_equal(series, before)


def test_annualisation_is_linear():
    assert calculate_annualised_return(0.05, datetime.timedelta(days=73)) == pytest.approx(0.25)
    assert calculate_annualised_return(0.0, datetime.timedelta(days=73)) is None
    assert calculate_annualised_return(None, datetime.timedelta(days=73)) is None
    assert calculate_annualised_return(0.05, datetime.timedelta(0)) is None
