"""Profit maths: the ways to measure a profit agree where they must."""

import datetime
import math
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradeexecutor.accounting.profit import (
    AverageCost,
    annualise_compounded,
    annualise_simple,
    calculate_average_cost_profit,
    calculate_cost_adjusted_profit,
    calculate_cost_adjusted_realised_profit,
    calculate_net_profit,
    calculate_realised_profit,
    calculate_unrealised_profit,
    get_fraction,
    get_quantity_without_interest,
    walk_average_cost,
)

D = Decimal
PRICES = st.floats(0.01, 1e5)
QUANTITIES = st.decimals("0.01", "1000", places=4)
DAYS = st.integers(1, 5000)


@given(QUANTITIES, PRICES, st.floats(0, 1), PRICES, PRICES)
def test_realised_and_unrealised_profit_are_the_net_profit(
    bought: Decimal, paid: float, part: float, received: float, price: float
):
    sold = (bought * D(part)).quantize(D("0.0001"))
    left = bought - sold
    parts = calculate_realised_profit(paid, received, sold) + calculate_unrealised_profit(price, paid, left)
    net = calculate_net_profit(paid * float(bought), received * float(sold), price * float(left))
    assert parts == pytest.approx(net, rel=1e-6, abs=1e-4)


@given(st.lists(st.tuples(QUANTITIES, PRICES), min_size=1, max_size=6), PRICES, PRICES)
def test_one_sale_after_all_buys_is_the_same_by_average_cost_and_by_totals(
    buys: list[tuple[Decimal, float]], received: float, price: float
):
    quantity, value = sum(q for q, _ in buys), sum(float(q) * p for q, p in buys)
    sold = D(quantity) / 2
    fills = [(float(q), p, float(q) * p) for q, p in buys] + [(-float(sold), received, float(sold) * received)]
    profit = calculate_average_cost_profit(walk_average_cost(fills), D(quantity) - sold, price)
    average = value / float(quantity)
    assert profit.realised == pytest.approx(calculate_realised_profit(average, received, sold), rel=1e-6, abs=1e-4)
    total = calculate_cost_adjusted_profit(D(quantity), value, float(sold) * received, D(0), float(sold) * price)
    assert profit.fraction == pytest.approx(total, rel=1e-6, abs=1e-9)


def test_a_buy_after_a_sale_does_not_change_what_was_realised():
    """That is what sets the walk apart from the averages over all trades."""
    fills = [(1.0, 1000.0, 1000.0), (-1.0, 1500.0, 1500.0), (1.0, 3000.0, 3000.0)]
    assert walk_average_cost(fills) == AverageCost(cost=3000.0, bought=4000.0, holding=1.0, realised=500.0)
    assert calculate_realised_profit(2000.0, 1500.0, D(1)) == -500.0


def test_a_sale_of_what_is_not_held_and_an_empty_fill_are_passed_over():
    assert walk_average_cost([(-1.0, 1500.0, 1500.0), (0.0, 1.0, 0.0)]) == AverageCost()


def test_a_cost_that_is_only_rounding_is_nothing():
    assert calculate_average_cost_profit(AverageCost(cost=1e-7, bought=10.0), D(0), 5.0) == (0.0, 0.0, 0.0, 0.0)
    assert calculate_average_cost_profit(AverageCost(), D(0), 5.0).fraction == 0.0


@given(QUANTITIES, PRICES, PRICES, st.floats(0.01, 0.9))
def test_a_redemption_in_kind_changes_no_fraction(bought: Decimal, paid: float, price: float, part: float):
    redeemed = (bought * D(part)).quantize(D("0.0001"))
    value = paid * float(bought)
    before = calculate_cost_adjusted_profit(bought, value, 0.0, D(0), price * float(bought))
    after = calculate_cost_adjusted_profit(bought, value, 0.0, -redeemed, price * float(bought - redeemed))
    assert after == pytest.approx(before, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    ("bought", "sold", "buy_value", "redeemed"), [("0", "0", 0.0, "0"), ("4", "0", 60.0, "0"), ("4", "1", 60.0, "-4")]
)
def test_nothing_realised_is_no_profit(bought: str, sold: str, buy_value: float, redeemed: str):
    assert calculate_cost_adjusted_realised_profit(D(bought), D(sold), buy_value, 18.0, D(redeemed)) == 0


def test_no_cost_is_no_profit():
    assert calculate_cost_adjusted_profit(D(0), 0.0, 5.0, D(0), 5.0) == 0
    assert calculate_cost_adjusted_profit(D(4), 60.0, 18.0, D(-4), 0.0) == 0
    assert get_fraction(5.0, 0.0) == 0


def test_interest_of_a_short_has_no_price_gain():
    """Worked example: short 1 at 2000, closed with 0.002 interest at 1800: 200 and not 200.4."""
    closed = get_quantity_without_interest(D("1.002"), [D("0.0015"), D("0.0005")])
    assert (closed, calculate_realised_profit(1800.0, 2000.0, closed)) == (1, 200.0)


@given(st.floats(-0.99, 5), DAYS)
def test_annualising_a_year_changes_nothing(profit: float, days: int):
    year = datetime.timedelta(days=365)
    assert annualise_compounded(profit, year) == pytest.approx(profit)
    assert annualise_simple(profit, year) == pytest.approx(profit)
    duration = datetime.timedelta(days=days)
    assert annualise_simple(profit, duration) == pytest.approx(profit * 365 / days)


@given(st.floats(-0.5, 1), DAYS)
@example(-0.09375, 1)
def test_compounding_back_gives_the_profit(profit: float, days: int):
    yearly = annualise_compounded(profit, datetime.timedelta(days=days), maximum=math.inf)
    if -1 < yearly < 1e100:
        # The yearly factor is stored as its distance from 1, which rounds it by 2**-53; of a factor near 0 that is a
        # large part, and compounding back takes the root of what is left.
        lost_digits = 2**-53 / (1 + yearly) * days / 365
        assert (1 + yearly) ** (days / 365) - 1 == pytest.approx(profit, rel=1e-9, abs=1e-12 + 2 * lost_digits)


@pytest.mark.parametrize(("profit", "yearly"), [(0.07, 100.0), (-0.07, -1.0), (-1.0, -1.0), (-3.0, -1.0), (0.0, 0.0)])
def test_annualising_seconds(profit: float, yearly: float):
    assert annualise_compounded(profit, datetime.timedelta(seconds=6)) == pytest.approx(yearly)
