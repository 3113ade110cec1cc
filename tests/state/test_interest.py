"""Interest counts what a rebasing balance gained and what of it was paid out."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.samples import T0, T1, interest
from tradeexecutor.state.errors import InvalidStateFile, InvalidTrade, InvalidValue
from tradeexecutor.state.interest import Interest

D = Decimal


def test_opens_without_interest():
    new = Interest.open_new(D("5000"), T0)
    assert new.get_principal_and_interest_quantity() == new.opening_amount == D("5000")
    assert new.get_remaining_interest() == 0
    assert (new.last_updated_at, new.last_event_at) == (T0, T0)


@pytest.mark.parametrize("amount", [D(0), D(-1), 5, 1.5])
def test_opening_amount_must_be_a_positive_decimal(amount):
    with pytest.raises(InvalidValue):
        Interest.open_new(amount, T0)


def test_remaining_interest_is_accrued_less_paid():
    value = interest("100", "5", "2")
    assert value.get_remaining_interest() == 3
    value.claim_interest(D(1))
    value.repay_interest(D(2))
    assert value.get_remaining_interest() == 0
    assert value.last_accrued_interest == 5


@pytest.mark.parametrize("pay", [Interest.claim_interest, Interest.repay_interest])
def test_payment_must_be_a_decimal(pay):
    value = interest("100", "5")
    with pytest.raises(InvalidValue):
        pay(value, 1.0)
    assert value.get_remaining_interest() == 5


@pytest.mark.parametrize(
    ("delta", "result"),
    [("5", "110"), ("-0.001", "105"), ("-0.002", "104.998"), ("-104.998", "0.002"), ("-104.999", "0")],
)
def test_adjust_ignores_dust_and_snaps_to_zero(delta, result):
    value = interest("100", "5")
    value.adjust(D(delta))
    assert value.last_token_amount == D(result)


def test_adjust_below_zero_changes_nothing():
    value = interest("100", "5")
    with pytest.raises(InvalidTrade):
        value.adjust(D(-200))
    assert value == interest("100", "5")


def test_an_event_adds_to_the_interest_so_far():
    value = interest("100", "5", "2")
    value.accrue(D(3), D(106), T1, 9)
    assert (value.last_token_amount, value.last_accrued_interest, value.get_remaining_interest()) == (106, 8, 6)
    assert value.last_event_at == value.last_updated_at == T1
    assert value.last_updated_block_number == 9
    value.reset(D(90), T1, 55)
    value.accrue(D(1), D(91), T1)
    assert (value.last_accrued_interest, value.last_updated_block_number) == (1, None)


def test_ignored_dust_still_snaps_a_dust_balance_to_zero():
    value = interest("0.001")
    value.adjust(D("-0.001"))
    assert value.last_token_amount == 0


def test_reset_makes_the_corrected_balance_principal():
    value = interest("100", "5", "2")
    value.reset(D("90"), T1, 55)
    assert value.get_principal_and_interest_quantity() == 90
    assert value.get_remaining_interest() == value.interest_payments == 0
    assert (value.last_event_at, value.last_updated_block_number) == (T1, 55)
    assert value.reset_at is not None
    assert value.opening_amount == 100


def test_reset_to_a_negative_balance_changes_nothing():
    value = interest("100", "5", "2")
    with pytest.raises(InvalidValue):
        value.reset(D(-1), T1, 55)
    assert value == interest("100", "5", "2")


@pytest.mark.parametrize("change", [{"opening_amount": 1.0}, {"last_accrued_interest": 0}])
def test_constructor_refuses(change: dict[str, Any]):
    fields: dict[str, Any] = {
        "opening_amount": D(1),
        "last_token_amount": D(1),
        "last_updated_at": T0,
        "last_event_at": T0,
        "last_accrued_interest": D(0),
    }
    with pytest.raises(InvalidValue):
        Interest(**fields | change)


@pytest.mark.parametrize("name", ["opening_amount", "last_accrued_interest"])
@pytest.mark.parametrize("value", [None, "x", []])
def test_file_is_refused(name: str, value: Any):
    with pytest.raises(InvalidStateFile):
        Interest.from_dict(interest("1").to_dict() | {name: value})


@given(st.lists(st.decimals("-50", "50", places=3), max_size=8))
def test_adjusting_follows_the_sum_within_the_ignored_dust(deltas: list[Decimal]):
    value = interest("1000")
    for delta in deltas:
        value.adjust(delta)
    expected = 1000 + sum(deltas, D(0))
    assert abs(value.last_token_amount - expected) <= D("0.002") * len(deltas)
