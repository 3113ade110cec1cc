"""The equity is recorded at least daily, so that figures tell apart strategies and not their clocks."""

import datetime

import numpy as np
import pytest

from tests.kit.markets import DAY, HOUR, START, Bar, buy, flat, make_candles, random_walk, run
from tradeexecutor.analysis.adjusted.periods import read_observations
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.backtest.backtest_runner import BacktestResult
from tradeexecutor.state.cycle_duration import CycleDuration


def get_times(result: BacktestResult) -> list[datetime.datetime]:
    return [sample.calculated_at for sample in result.state.stats.portfolio]


def get_values(result: BacktestResult) -> list[float]:
    return [sample.get_value() for sample in result.state.stats.portfolio]


def make_daily(bars: list[Bar]):
    return make_candles(bars, bucket=DAY)


def test_a_weekly_strategy_has_a_sample_at_each_midnight():
    result = run(
        make_daily([flat(100 + day) for day in range(28)]), {1: buy(10_000)}, cycle_duration=CycleDuration.cycle_7d
    )
    assert get_times(result) == [START + day * DAY for day in range(29)]
    # The price at midnight is that of the candle that begins.
    assert get_values(result)[:4] == pytest.approx([10_000, 10_100, 10_200, 10_300])


def test_nothing_is_added_where_the_strategy_decides_at_each_midnight():
    result = run(make_daily([flat(100)] * 5), {1: buy(1_000)})
    assert get_times(result) == [START + day * DAY for day in range(6)]


def test_days_without_a_position_are_sampled_too():
    result = run(make_daily([flat(100)] * 14), {}, cycle_duration=CycleDuration.cycle_7d)
    assert len(get_times(result)) == 15


def test_on_request_the_equity_is_recorded_whenever_a_candle_ends():
    bars = [flat(100 + hour) for hour in range(48)]
    result = run(bars, {1: buy(10_000)}, cycle_duration=CycleDuration.cycle_1d, equity_sampling="candle")
    assert get_times(result) == [START + hour * HOUR for hour in range(49)]


def test_on_request_the_equity_is_recorded_at_decisions_only():
    bars = make_daily([flat(100 + day) for day in range(28)])
    result = run(bars, {1: buy(10_000)}, cycle_duration=CycleDuration.cycle_7d, equity_sampling="decision")
    assert get_times(result) == [START + day * DAY for day in range(0, 29, 7)]


def test_a_sample_sees_what_filled_at_its_moment():
    # The stop at 90 fires in the third candle, whose end is a midnight between two decisions.
    bars: list[Bar] = [flat(100), flat(100), (100, 100, 80, 85), flat(85), flat(85), flat(85), flat(85), flat(85)]
    plans = {1: buy(10_000, stop_loss_usd=90.0)}
    result = run(make_daily(bars), plans, cycle_duration=CycleDuration.cycle_7d)
    values = dict(zip(get_times(result), get_values(result), strict=True))
    assert values[START + 2 * DAY] == pytest.approx(10_000)
    assert values[START + 3 * DAY] == pytest.approx(9_000)
    assert len(set(get_times(result))) == len(get_times(result))


@pytest.mark.parametrize("cycle", [CycleDuration.cycle_1d, CycleDuration.cycle_7d])
@pytest.mark.parametrize("seed", range(3))
def test_holding_the_same_has_the_same_figures_however_often_one_decides(cycle: CycleDuration, seed: int):
    bars = random_walk(seed, 24 * 30)
    every_hour = summarise_performance(run(bars, {1: buy(9_000)}, fee=0.001).state)
    slower = summarise_performance(run(bars, {1: buy(9_000)}, fee=0.001, cycle_duration=cycle).state)
    for name in ("total_return", "cagr", "max_drawdown", "max_runup", "sharpe", "sortino"):
        assert getattr(slower, name) == pytest.approx(getattr(every_hour, name)), name


def test_figures_are_those_of_the_recorded_days():
    result = run(make_daily(random_walk(4, 60)), {1: buy(10_000)}, cycle_duration=CycleDuration.cycle_7d)
    values = np.array(get_values(result))
    returns = values[1:] / values[:-1] - 1
    summary = summarise_performance(result.state)
    assert read_observations(result.state).returns == pytest.approx(returns)
    assert summary.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * 365**0.5)
    assert summary.max_drawdown == pytest.approx((values / np.maximum.accumulate(values) - 1).min())


@pytest.mark.parametrize("deposit", [10.0, 9_999.0, 10_001.0, 1e6])
@pytest.mark.parametrize("fee", [0.0, 0.01])
def test_a_deposit_of_any_size_leaves_the_time_weighted_return(deposit: float, fee: float):
    # 10,000 are invested at 100 and rise to 110; the deposit comes and stays in cash; then the price rises to 121.
    bars = [flat(100), flat(110), flat(121), flat(121)]
    result = run(make_daily(bars), {1: buy(10_000)}, fee=fee, funding=[(START + DAY, deposit)])
    quantity = 10_000 / (100 * (1 + fee))
    before, after = quantity * 110 * (1 - fee), quantity * 121 * (1 - fee)
    expected = before / 10_000 * (after + deposit) / (before + deposit) - 1
    assert summarise_performance(result.state).total_return == pytest.approx(expected)


def test_the_cost_of_investing_a_deposit_is_that_of_all_the_money():
    # 1000 are there in cash; 99,000 come and everything is invested: 1 % down and 1 % at its valuation.
    bars = [flat(100)] * 4
    funding = [(START + DAY, 99_000)]
    result = run(make_daily(bars), {2: buy(100_000)}, fee=0.01, initial_deposit=1_000, funding=funding)
    expected = 0.99 / 1.01 - 1
    assert summarise_performance(result.state).total_return == pytest.approx(expected)
