"""Returns and ratios from recorded equity."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.portfolios import DAY, START, USD, add_closed, add_open, make_state, record_equity, record_flow
from tradeexecutor.analysis.adjusted.drawdown import calculate_drawdowns, calculate_max_drawdown, calculate_max_runup
from tradeexecutor.analysis.adjusted.equity import EquityCurve, read_equity_curve
from tradeexecutor.analysis.adjusted.exposure import calculate_exposure
from tradeexecutor.analysis.adjusted.periods import read_observations
from tradeexecutor.analysis.adjusted.positions import calculate_profit_factor
from tradeexecutor.analysis.adjusted.ratios import calculate_sharpe, calculate_sortino
from tradeexecutor.analysis.adjusted.returns import (
    calculate_cagr,
    calculate_returns,
    calculate_total_return,
)
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.state import BacktestData, State

returns_lists = st.lists(st.floats(-0.9, 2.0), min_size=1, max_size=50).map(np.array)


def get_returns(values: dict[float, float], flows: dict[float, float] | None = None) -> list[float]:
    state = make_state()
    record_equity(state, values)
    for day, usd in (flows or {}).items():
        record_flow(state, day, usd)
    return calculate_returns(read_equity_curve(state)).round(9).tolist()


def test_a_deposit_is_no_profit_and_a_redemption_no_loss():
    assert get_returns({0: 100, 1: 110, 2: 165, 3: 145}, {2: 55, 3: -20}) == [0.1, 0.0, 0.0]


def test_a_flow_between_samples_counts_at_the_next_one():
    assert get_returns({0: 100, 1: 150}, {0.5: 50}) == [0.0]


@pytest.mark.parametrize("deposit", [1.0, 99.0, 100.0, 101.0, 1e6])
def test_the_return_does_not_depend_on_the_size_of_a_deposit(deposit: float):
    # 100 became 110, then the deposit came and stayed in cash.
    assert get_returns({0: 100, 1: 110 + deposit}, {1: deposit}) == [pytest.approx(0.1)]


def test_a_deposit_is_a_flow_of_its_own_where_the_value_before_it_is_known():
    # 100 became 110; 1000 came, and putting everything to work cost 11 of 1110.
    state = make_state()
    record_equity(state, {0: 100, 1: 110})
    record_equity(state, {1: 1099})
    record_flow(state, 1, 1000)
    assert calculate_returns(read_equity_curve(state)).tolist() == [pytest.approx(0.1), pytest.approx(-11 / 1110)]


def test_new_money_pays_its_part_of_what_it_cost_to_invest_it():
    # 100 were there and 1000 came; investing 1000 cost 11: all the money lost a hundredth.
    curve = EquityCurve(np.array([0, 1]), np.array([100.0, 1089.0]), np.array([0.0, 1000.0]), np.array([0.0, 11.0]))
    assert calculate_returns(curve).tolist() == [pytest.approx(-0.01)]


def test_a_deposit_of_more_than_is_left_came_before_the_loss():
    # 1000 came to 1, and 2 were lost with it.
    assert get_returns({0: 1, 1: 999}, {1: 1000}) == [pytest.approx(-2 / 1001)]


def test_a_deposit_that_its_sample_does_not_show_yet_belongs_to_the_next_one():
    assert get_returns({0: 50, 1: 50, 2: 1050}, {1: 1000}) == [0.0, 0.0]


def test_an_opening_deposit_that_the_first_sample_already_contains_is_no_loss():
    # A live strategy that decided late: the tick was midnight, the wallet was read in the afternoon.
    assert get_returns({0: 1000, 1: 990, 2: 1089}, {0.6: 1000}) == [pytest.approx(-0.01), pytest.approx(0.1)]


def test_a_first_deposit_that_the_first_sample_does_not_contain_stays_where_it_is():
    assert get_returns({0: 100, 1: 1090}, {0.6: 1000}) == [pytest.approx(-0.1)]
    assert get_returns({0: 1000, 1: 2000}, {0.6: 1000}) == [0.0]


def record_reserve_event(state: State, event_id: int, day: float, usd: float) -> None:
    reserve = next(iter(state.portfolio.reserves.values()))
    reserve.balance_updates[event_id] = BalanceUpdate(
        balance_update_id=event_id,
        cause=BalanceUpdateCause.deposit,
        position_type=BalanceUpdatePositionType.reserve,
        asset=USD,
        block_mined_at=START + day * DAY,
        strategy_cycle_included_at=None,
        chain_id=1,
        quantity=Decimal(str(usd)),
        old_balance=Decimal(0),
        usd_value=usd,
    )


def test_a_deposit_that_only_the_reserve_knows_is_no_profit():
    state = make_state()
    record_equity(state, {0: 100, 1: 110, 2: 165})
    record_reserve_event(state, 7, 2, 55.0)
    assert calculate_returns(read_equity_curve(state)).round(9).tolist() == [0.1, 0.0]


def test_a_deposit_that_treasury_and_reserve_know_counts_once():
    state = make_state()
    record_equity(state, {0: 100, 1: 110, 2: 165})
    record_reserve_event(state, 1, 2, 55.0)
    record_flow(state, 2, 55)
    assert calculate_returns(read_equity_curve(state)).round(9).tolist() == [0.1, 0.0]


def test_the_initial_equity_is_the_first_money():
    state = make_state()
    record_equity(state, {0: 0, 1: 100, 2: 160})
    record_flow(state, 1, 100)
    record_flow(state, 2, 50)
    summary = summarise_performance(state)
    assert summary.initial_equity == 100
    assert summary.net_deposits == 50
    assert summary.total_return == pytest.approx(0.1)


def test_a_period_without_money_has_no_return():
    assert get_returns({0: 0, 1: 0, 2: 100, 3: 110}) == [0.0, 0.0, 0.1]


def test_of_several_samples_of_one_time_the_last_one_counts():
    state = make_state()
    record_equity(state, {0: 100, 1: 100})
    record_equity(state, {1: 120})
    assert calculate_returns(read_equity_curve(state)).tolist() == [pytest.approx(0.2)]


def test_without_samples_there_is_nothing():
    curve = read_equity_curve(make_state())
    assert len(curve) == 0
    assert len(calculate_returns(curve)) == 0
    observations = read_observations(make_state())
    assert (len(observations), observations.years, observations.periods_per_year) == (0, 0.0, 0.0)


def test_ratios_are_annualised_by_the_interval_that_was_measured():
    state = make_state()
    record_equity(state, {day: 100 + day % 2 for day in range(0, 366, 5)})
    assert read_observations(state).periods_per_year == pytest.approx(73)


def test_samples_added_between_cycles_hardly_change_the_sharpe_ratio():
    random = np.random.default_rng(1)
    daily = {float(day): float(value) for day, value in enumerate(100 * np.cumprod(1 + random.normal(0, 0.01, 500)))}
    between = {day + 0.5: value for day, value in daily.items() if day % 3 == 0}
    ratios: list[float] = []
    for samples in (daily, dict(sorted((daily | between).items()))):
        state = make_state()
        record_equity(state, samples)
        ratios.append(summarise_performance(state).sharpe or math.nan)
    assert ratios[0] == pytest.approx(ratios[1], rel=0.01)


def test_sharpe_by_hand():
    # mean 0.01, sample deviation 0.02
    returns = np.array([-0.01, 0.01, 0.03])
    assert calculate_sharpe(returns, 365) == pytest.approx(0.5 * math.sqrt(365))


@pytest.mark.parametrize("returns", [[], [0.1], [0.1, 0.1, 0.1]])
def test_returns_that_do_not_vary_have_no_sharpe_ratio(returns: list[float]):
    assert calculate_sharpe(np.array(returns), 365) is None


def test_cagr_by_hand():
    assert calculate_cagr(0.21, 2.0) == pytest.approx(0.10)
    assert calculate_cagr(-1.0, 2.0) == -1.0
    assert calculate_cagr(0.5, 0.0) is None
    assert calculate_cagr(-1.5, 1.0) is None
    assert calculate_cagr(1000.0, 0.0001) is None


def test_a_loss_in_the_first_period_is_a_drawdown():
    assert calculate_max_drawdown(np.array([-0.25, 0.1])) == pytest.approx(-0.25)
    assert calculate_max_drawdown(np.array([0.1, 0.2])) == 0.0
    assert calculate_max_drawdown(np.zeros(0)) == 0.0


@given(returns_lists)
def test_the_drawdown_is_never_deeper_than_everything_nor_above_zero(returns: np.ndarray):
    drawdowns = calculate_drawdowns(returns)
    assert len(drawdowns) == len(returns)
    assert ((drawdowns <= 0) & (drawdowns >= -1)).all()
    assert calculate_max_drawdown(returns) <= min(0.0, calculate_total_return(returns)) + 1e-12


@given(st.floats(-0.9, 100), st.floats(1, 10))
def test_cagr_compounds_back_to_the_total_return(total: float, years: float):
    yearly = calculate_cagr(total, years)
    assert yearly is not None
    assert (1 + yearly) ** years == pytest.approx(1 + total)


def test_profit_factor():
    assert calculate_profit_factor(np.array([30.0, -10.0, -5.0])) == 2.0
    assert calculate_profit_factor(np.array([30.0])) is None
    assert calculate_profit_factor(np.zeros(0)) is None


def test_overlapping_positions_count_once():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 2)
    add_open(state, 100.0, START + 9 * DAY)
    positions = list(state.portfolio.get_all_positions())
    assert calculate_exposure(positions, START, START + 10 * DAY) == pytest.approx(0.3)
    assert calculate_exposure(positions * 2, START, START + 10 * DAY) == pytest.approx(0.3)
    assert calculate_exposure(positions, START, START) is None


def test_the_summary_of_a_backtest_counts_what_the_first_cycle_cost():
    state = make_state()
    state.backtest_data = BacktestData(START, START + 365 * DAY, CycleDuration.cycle_1d)
    record_flow(state, 0, 1000)
    record_equity(state, {0: 990, 100: 1089, 365: 1210})
    state.portfolio.get_default_reserve_position().quantity += 210
    summary = summarise_performance(state)
    assert summary.initial_equity == 1000
    assert summary.final_equity == 1210
    assert summary.total_return == pytest.approx(0.21)
    assert summary.cagr == pytest.approx(0.21)
    assert summary.max_drawdown == pytest.approx(-0.01)
    assert summary.net_deposits == 0


def test_the_summary_names_the_best_and_the_worst_position():
    state = make_state()
    add_closed(state, 100.0, 130.0, START, 1)
    add_closed(state, 100.0, 80.0, START + 2 * DAY, 1)
    add_open(state, 100.0, START + 4 * DAY)
    summary = summarise_performance(state)
    assert summary.best_position is not None
    assert summary.worst_position is not None
    assert (summary.best_position.position_id, summary.worst_position.position_id) == (1, 2)
    assert summary.profit_factor == pytest.approx(1.5)
    assert (summary.positions_closed, summary.positions_open, summary.win_rate) == (2, 1, 0.5)
    assert summary.total_return is None
    assert summary.exposure is None


def test_every_real_state_has_a_summary(state_file):
    from tradeexecutor.state.state import State

    summary = summarise_performance(State.read_json_file(state_file))
    assert summary.max_drawdown is None or -1 <= summary.max_drawdown <= 0
    assert summary.exposure is None or 0 <= summary.exposure <= 1
    assert summary.total_return is None or summary.total_return >= -1


def test_the_sortino_ratio_divides_by_the_losses_of_all_periods():
    # Mean 0.01; one loss of 0.02 in four periods: sqrt(0.0004 / 4) = 0.01.
    returns = np.array([0.03, -0.02, 0.03, 0.0])
    assert calculate_sortino(returns, 9.0) == pytest.approx(3.0)


@pytest.mark.parametrize("returns", [[], [-0.1], [0.1, 0.2], [0.0, 0.0]])
def test_without_a_loss_there_is_no_sortino_ratio(returns: list[float]):
    assert calculate_sortino(np.array(returns), 365.0) is None


@pytest.mark.parametrize(("returns", "runup"), [([], 0.0), ([-0.1], 0.0), ([0.1], 0.1), ([-1.0, 0.0], 0.0)])
def test_a_runup_starts_from_the_lowest_point(returns: list[float], runup: float):
    assert calculate_max_runup(np.array(returns)) == pytest.approx(runup)


def test_a_deposit_changes_no_ratio():
    plain, paid_in = make_state(), make_state()
    record_equity(plain, {0: 100, 1: 110, 2: 99, 3: 108.9})
    record_equity(paid_in, {0: 100, 1: 110, 2: 199, 3: 218.9})
    record_flow(paid_in, 2, 100)
    want, got = summarise_performance(plain), summarise_performance(paid_in)
    for name in ("total_return", "max_drawdown", "max_runup", "sharpe", "sortino"):
        assert getattr(got, name) == pytest.approx(getattr(want, name)), name


def test_deposits_count_before_anything_is_sampled():
    state = make_state()
    record_flow(state, 1, 500)
    record_flow(state, 2, -100)
    assert summarise_performance(state).net_deposits == 400
