"""Ratios against an independent implementation, empyrical: equal where the definitions are, and where not, why.

What differs on purpose:

- `ratios.calculate_max_drawdown` has no starting wealth, so that a loss in the first period is no drawdown.
- `ratios.calculate_cagr` counts the days between the first and the last return, one fewer than there are daily returns.
- `ratios` counts a missing return as 0, empyrical leaves it out.
- `ratios` takes a series without a negative value and with one above 1 for prices.
- Where a ratio divides by zero `performance` says None, `ratios` and empyrical infinity or NaN.
- Key metrics show the drawdown as a positive fraction.
"""

import datetime
import itertools
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.kit.portfolios import DAY, START, add_closed, make_state, record_equity
from tradeexecutor.analysis.adjusted import benchmark, distribution, drawdown
from tradeexecutor.analysis.adjusted import ratios as adjusted_ratios
from tradeexecutor.analysis.adjusted import returns as adjusted_returns
from tradeexecutor.analysis.adjusted.periods import read_observations
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.analysis.recorded import ratios
from tradeexecutor.analysis.recorded.equity_series import calculate_daily_returns
from tradeexecutor.state.state import BacktestData, State
from tradeexecutor.statistics.key_metric import calculate_key_metrics

pytestmark = pytest.mark.slow

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a dependency of it complains about folders of the machine
    empyrical: Any = pytest.importorskip("empyrical")

Returns = NDArray[np.float64]

#: Daily returns that lose in some periods and win in others, never all.
returns_arrays = (
    st.lists(st.floats(-0.5, 0.5).map(lambda value: round(value, 6)), min_size=3, max_size=200)
    .map(np.array)
    .filter(lambda values: values.min() < 0 < values.max() and values.std() > 1e-6)
)

YEAR = 365


def as_series(returns: Returns) -> "pd.Series[float]":
    return pd.Series(returns, index=pd.date_range("2024-01-01", periods=len(returns), freq="D"))


def near(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-12)


@given(returns_arrays)
def test_sharpe(returns: Returns):
    expected = empyrical.sharpe_ratio(returns, annualization=YEAR)
    assert adjusted_ratios.calculate_sharpe(returns, YEAR) == near(expected)
    assert ratios.calculate_sharpe(as_series(returns)) == near(expected)


@given(returns_arrays)
def test_sortino(returns: Returns):
    expected = empyrical.sortino_ratio(returns, annualization=YEAR)
    assert adjusted_ratios.calculate_sortino(returns, YEAR) == near(expected)
    assert ratios.calculate_sortino(as_series(returns)) == near(expected)


@given(returns_arrays)
def test_max_drawdown_with_the_starting_wealth(returns: Returns):
    assert drawdown.calculate_max_drawdown(returns) == near(empyrical.max_drawdown(returns))


@given(returns_arrays)
def test_every_drawdown(returns: Returns):
    wealth = empyrical.cum_returns(np.concatenate(([0.0], returns)), starting_value=1.0)
    expected = wealth / np.maximum.accumulate(wealth) - 1
    assert drawdown.calculate_drawdowns(returns) == pytest.approx(expected[1:], rel=1e-9, abs=1e-12)


@given(returns_arrays)
def test_recorded_max_drawdown_is_that_of_the_time_after_the_first_period(returns: Returns):
    # The wealth after the first period is the first point, as if nothing had been lost or won before.
    expected = empyrical.max_drawdown(returns[1:])
    assert ratios.calculate_max_drawdown(as_series(returns)) == near(expected)


@given(returns_arrays)
def test_total_return(returns: Returns):
    expected = empyrical.cum_returns_final(returns)
    assert adjusted_returns.calculate_total_return(returns) == near(expected)
    assert ratios.calculate_profitability(as_series(returns)) == near(expected)


@given(returns_arrays)
def test_cagr(returns: Returns):
    expected = empyrical.cagr(returns, annualization=YEAR)
    assume(math.isfinite(expected) and expected < 1e6)
    total = adjusted_returns.calculate_total_return(returns)
    assert adjusted_returns.calculate_cagr(total, len(returns) / YEAR) == near(expected)
    assert empyrical.annual_return(returns, annualization=YEAR) == near(expected)


@given(returns_arrays)
def test_recorded_cagr_has_one_day_fewer(returns: Returns):
    days = len(returns) - 1
    expected = empyrical.cagr(returns, annualization=YEAR * len(returns) / days)
    assume(math.isfinite(expected) and expected < 1e6)
    assert ratios.calculate_cagr(as_series(returns)) == near(expected)


@given(returns_arrays)
def test_recorded_profit_factor_is_the_omega_ratio(returns: Returns):
    expected = empyrical.omega_ratio(returns, risk_free=0.0, required_return=0.0, annualization=YEAR)
    assert ratios.calculate_profit_factor(as_series(returns)) == near(expected)


@given(returns_arrays, st.data())
def test_recorded_ratios_count_a_missing_return_as_zero(returns: Returns, data: st.DataObject):
    index = data.draw(st.integers(0, len(returns) - 1))
    missing, zero = returns.copy(), returns.copy()
    missing[index], zero[index] = np.nan, 0.0
    assume(zero.std() > 1e-6 and zero.min() < 0)
    assert ratios.calculate_sharpe(as_series(missing)) == near(empyrical.sharpe_ratio(zero, annualization=YEAR))
    without = np.delete(returns, index)
    assume(len(without) > 2 and without.std() > 1e-6)
    assert empyrical.sharpe_ratio(missing, annualization=YEAR) == near(
        empyrical.sharpe_ratio(without, annualization=YEAR)
    )


def test_recorded_ratios_take_a_gain_above_100_percent_without_losses_for_prices():
    returns = np.array([0.5, 1.5, 0.5])
    expected = empyrical.sharpe_ratio(returns, annualization=YEAR)
    assert adjusted_ratios.calculate_sharpe(returns, YEAR) == near(expected)
    assert ratios.calculate_sharpe(as_series(returns)) != near(expected)


def test_what_divides_by_zero_is_none_or_infinite():
    gains, flat = np.array([0.01, 0.02, 0.03]), np.zeros(3)
    assert adjusted_ratios.calculate_sortino(gains, YEAR) is None
    assert math.isinf(ratios.calculate_sortino(as_series(gains)))
    assert math.isinf(empyrical.sortino_ratio(gains, annualization=YEAR))
    assert adjusted_ratios.calculate_sharpe(flat, YEAR) is None
    assert math.isnan(ratios.calculate_sharpe(as_series(flat)))
    assert math.isnan(empyrical.sharpe_ratio(flat, annualization=YEAR))


# --- Whole states


def check_summary(state: State) -> None:
    """Compare the summary with empyrical on the returns that it was calculated from."""
    observations = read_observations(state)
    returns, periods = observations.returns, observations.periods_per_year
    summary = summarise_performance(state)
    if len(returns) < 2 or returns.std() < 1e-12:
        return
    assert summary.sharpe == near(empyrical.sharpe_ratio(returns, annualization=periods))
    assert summary.total_return == near(empyrical.cum_returns_final(observations.path))
    assert summary.max_drawdown == near(empyrical.max_drawdown(observations.path))
    if summary.sortino is not None:
        assert summary.sortino == near(empyrical.sortino_ratio(returns, annualization=periods))


def test_the_summary_of_every_real_state(state_file: Path):
    check_summary(State.read_json_file(state_file))


def test_key_metrics_of_a_real_backtest(shared_dir: Path):
    state = State.read_json_file(shared_dir / "states" / "arbitrum-btc-usd-sls-binance-data-1h.json")
    check_key_metrics(state)


def make_backtest() -> State:
    state = make_state()
    state.backtest_data = BacktestData(START, START + 6 * DAY, None)  # pyright: ignore[reportArgumentType]
    add_closed(state, 100.0, 110.0, START, 1)
    record_equity(state, {0: 1000, 1: 990, 2: 1010, 3: 1005, 4: 1030, 5: 1020})
    return state


def test_key_metrics_of_a_backtest():
    check_key_metrics(make_backtest())


def check_key_metrics(state: State) -> None:
    metrics = {
        metric.kind.value: metric.value
        for metric in calculate_key_metrics(state, state, required_history=datetime.timedelta.max)
    }
    returns = calculate_daily_returns(state)
    known = returns.fillna(0.0).replace([np.inf, -np.inf], 0.0).to_numpy()
    assert metrics["sharpe"] == near(empyrical.sharpe_ratio(known, annualization=YEAR))
    assert metrics["sortino"] == near(empyrical.sortino_ratio(known, annualization=YEAR))
    assert metrics["profitability"] == near(empyrical.cum_returns_final(known))
    assert metrics["max_drawdown"] == near(-empyrical.max_drawdown(known[1:]))
    days = len(known) - 1
    assert metrics["cagr"] == near(empyrical.cagr(known, annualization=YEAR * len(known) / days))


# --- More figures of risk


@given(returns_arrays)
def test_value_at_risk_and_expected_shortfall(returns: Returns):
    assert distribution.calculate_value_at_risk(returns) == near(empyrical.value_at_risk(returns, cutoff=0.05))
    # empyrical takes the worst int(0.05 * (n - 1)) + 1 returns; ours are those at or below the interpolated quantile.
    expected = empyrical.conditional_value_at_risk(returns, cutoff=0.05)
    if len(np.unique(returns)) == len(returns):
        assert distribution.calculate_conditional_value_at_risk(returns) == near(expected)


@given(returns_arrays)
def test_omega(returns: Returns):
    assert adjusted_ratios.calculate_omega(returns) == near(empyrical.omega_ratio(returns))


@given(returns_arrays)
def test_calmar(returns: Returns):
    expected = empyrical.calmar_ratio(returns, annualization=YEAR)
    total = adjusted_returns.calculate_total_return(returns)
    cagr = adjusted_returns.calculate_cagr(total, len(returns) / YEAR)
    calmar = adjusted_ratios.calculate_calmar(cagr, drawdown.calculate_max_drawdown(returns))
    assume(math.isfinite(expected) and calmar is not None and abs(expected) < 1e6)
    assert calmar == near(expected)


@given(returns_arrays)
def test_volatility(returns: Returns):
    expected = empyrical.annual_volatility(returns, annualization=YEAR)
    assert adjusted_ratios.calculate_volatility(returns, YEAR) == near(expected)


@given(returns_arrays.filter(lambda values: len(values) > 3))
def test_skew_and_kurtosis_are_those_of_pandas(returns: Returns):
    series = as_series(returns)
    skew, kurtosis = distribution.calculate_skew(returns), distribution.calculate_kurtosis(returns)
    assert skew == pytest.approx(series.skew(), rel=1e-6, abs=1e-6)
    assert kurtosis == pytest.approx(series.kurtosis(), rel=1e-6, abs=1e-6)


@pytest.mark.slow
@given(returns_arrays, st.data())
def test_alpha_and_beta(returns: Returns, data: st.DataObject):
    values = data.draw(st.lists(st.floats(-0.2, 0.2), min_size=len(returns), max_size=len(returns)))
    other = np.array(values).round(6)
    assume(other.std() > 1e-4)
    found = benchmark.calculate_alpha_beta(returns, other, YEAR)
    assert found is not None
    assert found.beta == pytest.approx(empyrical.beta(returns, other), rel=1e-6, abs=1e-9)
    expected = empyrical.alpha(returns, other, annualization=YEAR)
    assume(math.isfinite(expected) and abs(expected) < 1e6)
    assert found.alpha == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(returns_arrays)
def test_the_ulcer_index_is_the_root_of_the_mean_squared_drawdown(returns: Returns):
    wealth = np.concatenate(([1.0], np.cumprod(1 + returns)))
    falls = np.array([wealth[i] / wealth[: i + 1].max() - 1 for i in range(1, len(wealth))])
    assert drawdown.calculate_ulcer_index(returns) == near(math.sqrt((falls**2).mean()))


@given(returns_arrays)
def test_the_worst_drawdowns_are_found_by_looking_at_every_high(returns: Returns):
    times = np.arange(1, len(returns) + 1) * 86_400_000_000
    found = drawdown.find_worst_drawdowns(times, returns, count=len(returns))
    assert min((item.depth for item in found), default=0.0) == near(drawdown.calculate_max_drawdown(returns))
    assert [item.depth for item in found] == sorted(item.depth for item in found)
    spans = sorted((item.started_at, item.recovered_at or datetime.datetime.max) for item in found)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
