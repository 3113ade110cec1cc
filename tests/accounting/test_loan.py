"""Loan maths: leverage, loan to value and health factor are three views of the same ratio."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.accounting.loan import (
    calculate_collateral_for_leverage,
    calculate_collateral_for_loan_to_value,
    calculate_health_factor,
    calculate_leverage,
    calculate_loan_to_value,
    calculate_side_value,
)

D = Decimal
USD = st.floats(1, 1e9)


@given(USD, st.floats(0.05, 0.95))
def test_the_collateral_for_a_target_has_the_target(debt: float, target: float):
    collateral = float(calculate_collateral_for_loan_to_value(debt, target, 1.0))
    assert calculate_loan_to_value(debt, collateral) == pytest.approx(target)
    assert calculate_health_factor(0.85, collateral, debt) == pytest.approx(0.85 / target)


@given(USD, st.floats(0.1, 20), st.floats(0.1, 10))
def test_the_collateral_for_a_leverage_has_the_leverage(debt: float, leverage: float, price: float):
    collateral = float(calculate_collateral_for_leverage(debt, leverage, price)) * price
    assert calculate_leverage(debt, collateral - debt) == pytest.approx(leverage, rel=1e-6)


def test_the_health_factor_is_one_at_the_liquidation_threshold():
    assert calculate_health_factor(0.85, 2000.0, 1700.0) == 1.0


def test_edges():
    assert calculate_loan_to_value(0.0, 100.0) == 0.0
    assert calculate_loan_to_value(100.0, 0.0) == math.inf
    assert calculate_leverage(100.0, 0.0) == 0.0
    assert calculate_leverage(0.0, 100.0) == 0.0


def test_interest_is_worth_as_much_as_principal():
    assert calculate_side_value(D("0.5"), D("0.01"), 2000.0) == 1020.0
    assert calculate_side_value(D(0), D(0), 2000.0) == 0.0
