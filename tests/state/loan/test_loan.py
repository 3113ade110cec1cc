"""Loans: 2000 USDC of collateral and 0.5 ETH of debt at 2000 USD in most examples."""

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.samples import AUSDC, PAIR, SHORT, USDC, VWETH, credit, interest, loan, tracker
from tradeexecutor.state.errors import InvalidStateFile, InvalidValue, LiquidationRisked, NotAvailable
from tradeexecutor.state.loan import Loan, LoanSide

D = Decimal


def test_health_and_leverage_of_the_example():
    value = loan()
    assert value.get_collateral_value() == 2000
    assert value.get_borrow_value() == 1000
    assert value.get_net_asset_value() == 1000
    assert value.get_leverage() == 1.0
    assert value.get_loan_to_value() == 0.5
    assert value.get_health_factor() == 1.7


def test_unpaid_interest_counts_as_value_and_as_debt():
    value = loan(collateral="10", claimed="4", debt="0.01", repaid="0.004")
    assert value.get_collateral_interest() == 6
    assert value.get_borrow_interest() == pytest.approx(12)
    assert value.get_net_interest() == pytest.approx(-6)
    assert value.get_net_asset_value() == pytest.approx(994)
    assert value.get_net_asset_value(include_interest=False) == 1000
    assert value.get_collateral_quantity() == D("2006")
    assert value.get_borrowed_quantity() == D("0.506")


def test_repaid_interest_is_not_outstanding_debt():
    value = loan(debt="0.01", repaid="0.004")
    assert value.get_borrowed_principal_and_interest_quantity() == D("0.506")


def test_closed_loan_has_no_debt_and_unlimited_health():
    value = loan(debt="0.01", repaid="0.01")
    assert value.borrowed is not None
    value.borrowed.quantity = D(0)
    assert value.get_borrowed_principal_and_interest_quantity() == 0
    assert value.get_health_factor() == math.inf
    assert value.get_loan_to_value() == 0
    value.check_health()


def test_when_only_interest_is_left_it_is_the_debt():
    value = loan(debt="0.1")
    assert value.borrowed is not None
    value.borrowed.quantity = D(0)
    assert value.get_health_factor() == pytest.approx(0.85 * 2000 / 200)


def test_supplied_credit_has_no_debt():
    value = credit()
    assert value.get_borrow_value() == value.get_borrow_interest() == value.get_borrowed_quantity() == 0
    assert value.get_borrowed_principal_and_interest_quantity() == 0
    assert value.get_net_asset_value() == 1000
    assert value.get_leverage() == 0
    assert value.get_loan_to_value() == 0
    assert value.get_health_factor() == math.inf
    assert value.get_tracked_asset(VWETH) == (None, None)
    assert value.repay_interest() == 0
    value.check_health(1_000_000)


def test_nothing_can_be_repaid_without_debt():
    with pytest.raises(InvalidValue):
        credit().repay_interest(D(1))


def test_loan_to_value_without_collateral_is_infinite():
    value = loan()
    value.collateral.quantity = D(0)
    assert value.get_loan_to_value() == math.inf


def test_worthless_loan_has_no_leverage():
    value = loan()
    value.collateral.quantity = D("1000")
    assert value.get_net_asset_value() == 0
    assert value.get_leverage() == 0


def test_health_needs_a_liquidation_threshold():
    value = Loan(SHORT, tracker(USDC, "1", 1.0), interest("1"), tracker(VWETH, "1", 1.0), interest("1"))
    with pytest.raises(InvalidValue, match="liquidation threshold"):
        value.get_health_factor()


def test_tracked_asset_by_side():
    value = loan()
    assert value.get_tracked_asset(AUSDC) == (LoanSide.collateral, value.collateral)
    assert value.get_tracked_asset(VWETH) == (LoanSide.borrowed, value.borrowed)
    assert value.get_tracked_asset(USDC) == (None, None)


def test_health_must_be_above_the_desired_one():
    loan().check_health(1.69)
    with pytest.raises(LiquidationRisked) as error:
        loan().check_health(1.7)
    assert (error.value.health_factor, error.value.desired_health_factor) == (1.7, 1.7)


def test_claiming_without_a_quantity_claims_what_remains():
    value = loan(collateral="10", claimed="4")
    assert value.claim_interest() == 6
    assert value.get_collateral_interest() == 0
    assert value.claim_interest() == 0


def test_claiming_a_quantity():
    value = loan(collateral="10")
    assert value.claim_interest(D(3)) == 3
    assert value.claim_interest(D(0)) == 0
    assert value.collateral_interest.get_remaining_interest() == 7


def test_repaying_without_a_quantity_repays_what_remains():
    value = loan(debt="0.01", repaid="0.004")
    assert value.repay_interest() == D("0.006")
    assert value.get_borrow_interest() == 0
    assert value.repay_interest(D("0.001")) == D("0.001")


def test_collateral_for_a_target():
    assert loan().calculate_collateral_for_target_ltv(0.5, D("0.5")) == 2000
    assert loan().calculate_collateral_for_target_leverage(3, D("0.5")) == D(
        "1333.333333333333257542108185589313507080078125"
    )


def test_size_adjust_keeps_or_sets_the_leverage():
    assert loan().calculate_size_adjust(D(500)) == D("0.25")
    assert loan().calculate_size_adjust(D(500), borrowed_asset_price=2500.0, leverage=2.0) == D("0.4")


def test_size_adjust_refuses_what_it_cannot_do():
    with pytest.raises(NotImplementedError):
        loan().calculate_size_adjust(D(0))
    with pytest.raises(InvalidValue, match="leverage"):
        loan().calculate_size_adjust(D(500), leverage=5.7)
    with pytest.raises(NotAvailable):
        credit().calculate_size_adjust(D(500), leverage=1.0)
    with pytest.raises(NotAvailable):
        credit().calculate_collateral_for_target_ltv(0.5, D(1))


@pytest.mark.parametrize("method", [Loan.get_free_margin, Loan.get_max_size])
def test_not_calculated(method):
    with pytest.raises(NotImplementedError):
        method(loan())


def test_clone_is_equal_and_independent():
    original = loan(collateral="10", debt="0.01")
    original.remark = "set by a caller"  # type: ignore[attr-defined]
    before = original.to_json()
    copy = original.clone()
    assert copy == original
    assert copy.to_json() == before
    assert copy.remark == "set by a caller"  # type: ignore[attr-defined]
    assert copy.borrowed is not None
    assert copy.borrowed_interest is not None
    copy.claim_interest()
    copy.repay_interest()
    copy.collateral.quantity += 1
    copy.borrowed.last_usd_price = 5.0
    copy.collateral_interest.adjust(D(5))
    copy.pair = PAIR
    assert original.to_json() == before


def test_clone_keeps_keys_of_a_newer_program():
    tree = loan().to_dict()
    tree["rate_mode"] = "stable"
    tree["collateral"]["isolated"] = True
    tree["borrowed_interest"]["index"] = 1.5
    assert Loan.from_dict(tree).clone().to_dict() == tree


def test_clone_of_credit():
    assert credit().clone() == credit()


@pytest.mark.parametrize(
    ("side", "change"),
    [
        ("collateral", {"quantity": "-1"}),
        ("collateral", {"last_usd_price": 0}),
        ("borrowed", {"last_usd_price": None}),
        ("collateral_interest", {"opening_amount": None}),
    ],
)
def test_file_is_refused(side: str, change: dict[str, Any]):
    tree = loan().to_dict()
    tree[side] |= change
    with pytest.raises(InvalidStateFile):
        Loan.from_dict(tree)


@given(st.decimals("1", "1000000", places=6), st.decimals("0.001", "1000", places=6), st.floats(1, 100_000))
def test_leverage_and_loan_to_value_agree(collateral: Decimal, debt: Decimal, price: float):
    value = loan()
    assert value.borrowed is not None
    value.collateral.quantity = collateral
    value.borrowed.quantity = debt
    value.borrowed.last_usd_price = price
    ltv = value.get_loan_to_value()
    if not math.isclose(ltv, 1, rel_tol=1e-3):
        assert value.get_leverage() == pytest.approx(ltv / (1 - ltv), rel=1e-6)
    assert value.get_health_factor() == pytest.approx(0.85 / ltv)
