"""Amounts in whole units of a token."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.accounting.raw_units import round_down_to_units, round_up_to_units, size_buy, size_sale

amounts = st.decimals("0.000000000001", "1e12", allow_nan=False, places=12)
prices = st.floats(1e-9, 1e6)
decimals = st.integers(0, 18)


def is_whole(amount: Decimal, places: int) -> bool:
    return amount == amount.quantize(Decimal(1).scaleb(-places))


@pytest.mark.parametrize(
    ("budget", "price", "base", "quantity", "cost"),
    [
        (1000, 300.0, 0, "3", "900"),
        # 128.7001... units; 128.70 x 7.77 (the float, a little more than 7.77) = 999.999000...
        (1000, 7.77, 2, "128.7", "999.999"),
        (1000, 64123.37, 8, "0.01559493", "999.999467"),
        (10, 11.0, 0, "0", "0"),
        (0, 11.0, 2, "0", "0"),
    ],
)
def test_a_budget_buys_whole_units_and_keeps_the_rest(budget: int, price: float, base: int, quantity: str, cost: str):
    assert size_buy(Decimal(budget), Decimal(price), base, 6) == (Decimal(quantity), Decimal(cost))


def test_an_amount_with_more_digits_than_the_context_is_cut():
    quantity, cost = size_buy(Decimal(10**6), Decimal("1e-9"), 18, 6)
    assert len(quantity.as_tuple().digits) <= 28
    assert quantity == +quantity, "an addition does not change it"
    assert cost == 10**6


@given(amounts, prices, decimals, decimals)
def test_a_buy_is_never_below_the_price_and_never_above_the_budget(
    budget: Decimal, price: float, base: int, reserve: int
):
    budget = round_down_to_units(budget, reserve)
    quantity, cost = size_buy(budget, Decimal(price), base, reserve)
    assert is_whole(cost, reserve)
    assert 0 <= cost <= budget
    assert quantity * Decimal(price) <= budget * (1 + Decimal("1e-27"))
    # What is left does not pay for one more unit, as far as 28 digits tell units apart.
    unit = max(Decimal(1).scaleb(-base), quantity * Decimal("1e-27"))
    assert (quantity + 2 * unit) * Decimal(price) > budget


@given(amounts, prices, decimals)
def test_a_sale_is_never_above_the_price(quantity: Decimal, price: float, reserve: int):
    proceeds = size_sale(quantity, Decimal(price), reserve)
    assert proceeds <= quantity * Decimal(price) * (1 + Decimal("1e-27"))
    assert proceeds + Decimal(1).scaleb(-reserve) * 2 + proceeds * Decimal("1e-26") > quantity * Decimal(price)


@given(amounts, decimals)
def test_rounding_stays_within_a_unit(amount: Decimal, places: int):
    down, up = round_down_to_units(amount, places), round_up_to_units(amount, places)
    unit = max(Decimal(1).scaleb(-places), amount * Decimal("1e-27"))
    assert down <= amount <= up
    assert up - down <= unit


def test_amounts_are_written_plainly():
    assert str(round_down_to_units(Decimal("1E+3"), 6)) == "1000"
    assert str(round_down_to_units(Decimal("0.300000"), 18)) == "0.3"
    assert str(round_down_to_units(Decimal(0), 6)) == "0"
