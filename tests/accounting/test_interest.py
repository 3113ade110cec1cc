"""Interest maths: no token is lost in a distribution, and rates mean what they say."""

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.accounting.interest import (
    calculate_accrual_multiplier,
    calculate_interest_gain_usd,
    calculate_simple_interest,
    calculate_weighted_yield,
    calculate_yearly_yield,
    distribute_interest,
    estimate_interest,
)

D = Decimal
DAY = datetime.timedelta(days=1)
BALANCES = st.lists(st.decimals("0.000001", "10000000000", places=6), min_size=1, max_size=8)


@given(BALANCES, st.decimals("0.000001", "100000", places=18, allow_nan=False))
def test_shares_add_up_exactly(balances: list[Decimal], accrued: Decimal):
    shares = distribute_interest(accrued, balances)
    assert sum(shares) == accrued
    assert all(share >= 0 for share in shares)


@given(BALANCES, st.decimals("0.000001", "100000", places=6))
def test_shares_fit_into_their_balances_without_rounding(balances: list[Decimal], accrued: Decimal):
    for balance, share in zip(balances, distribute_interest(accrued, balances), strict=True):
        assert balance + share - share == balance
        assert balance + share - balance == share


@given(BALANCES, st.decimals("1", "100000", places=6))
def test_shares_are_in_proportion(balances: list[Decimal], accrued: Decimal):
    total = sum(balances)
    for balance, share in zip(balances, distribute_interest(accrued, balances), strict=True):
        assert float(share) == pytest.approx(float(accrued * balance / total), rel=1e-9, abs=1e-12)


@given(BALANCES, st.decimals("0.000001", "1000", places=6))
def test_a_loss_is_shared_like_a_gain(balances: list[Decimal], lost: Decimal):
    assert sum(distribute_interest(-lost, balances)) == -lost


def test_the_last_one_takes_the_remainder():
    first, second, last = distribute_interest(D(1), [D(1), D(1), D(1)])
    assert first == second == D("0.333333333333333333333333333")
    assert last == D("0.333333333333333333333333334")


def test_weights_replace_the_balances():
    assert distribute_interest(D(10), [D(1000), D(1000)], [D(1), D(4)]) == [2, 8]


@pytest.mark.parametrize("balances", [[], [D(0)], [D(0), D(0)]])
def test_interest_that_nobody_holds_is_refused(balances: list[Decimal]):
    with pytest.raises(ValueError, match="nobody holds"):
        distribute_interest(D(1), balances)


def test_only_shares_that_need_it_are_rounded():
    assert [str(share) for share in distribute_interest(D(20), [D(2000), D(3000)])] == ["8", "12"]


@given(st.floats(0, 2), st.integers(1, 10_000))
def test_a_multiplier_and_its_rate_agree(rate: float, days: int):
    multiplier = calculate_accrual_multiplier(rate, days * DAY)
    assert float(multiplier) == pytest.approx(1 + calculate_simple_interest(rate, days * DAY))
    assert calculate_yearly_yield(multiplier - 1, D(1), days * DAY) == pytest.approx(rate, abs=1e-12)


def test_fractions_of_a_second_earn_interest():
    year = datetime.timedelta(days=365)
    assert calculate_accrual_multiplier(1.0, year / 2 + datetime.timedelta(microseconds=1)) > D("1.5")


def test_a_weighted_yield_does_not_depend_on_how_time_is_cut():
    """Twice ten days at the same rate are the rate; the mean of a short and a long period would not be."""
    gains = [(D(1), D(1000), DAY), (D(29), D(1000), 29 * DAY)]
    assert calculate_weighted_yield(gains) == pytest.approx(calculate_yearly_yield(D(30), D(1000), 30 * DAY))
    assert calculate_weighted_yield([(D(1), D(1000), 0 * DAY)]) is None


@given(st.floats(1, 3), st.integers(1, 2000), st.integers(1, 2000))
def test_compounding_in_two_steps_is_compounding_in_one(rate: float, first: int, second: int):
    start = datetime.datetime(2020, 1, 1)
    half = start + first * DAY
    end = half + second * DAY
    two_steps = estimate_interest(half, end, estimate_interest(start, half, D(1000), rate), rate)
    assert float(two_steps) == pytest.approx(float(estimate_interest(start, end, D(1000), rate)))


def test_the_value_of_a_gain_is_its_part_of_the_balance():
    assert calculate_interest_gain_usd(D(10), D(4000), 4010.0) == pytest.approx(10.0)
    assert calculate_interest_gain_usd(D(-10), D(4000), 3990.0 * 2) == pytest.approx(-20.0)
    assert calculate_interest_gain_usd(D(-5), D(5), 0.0) == 0.0
