"""How large shorts become; the numbers are those of the reference."""

from decimal import Decimal
from typing import Any

import pytest

from tests.kit.trader import CREDIT, SHORT, WETH_USDC
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.utils.leverage_calculations import (
    LeverageEstimate,
    calculate_liquidation_price,
    calculate_sizes_for_leverage,
)

D = Decimal
NAN, INFINITY = float("nan"), float("inf")


def test_opening_at_twice_the_reserve():
    estimate = LeverageEstimate.open_short(D(1000), 2, 2000.0, SHORT, fee=0.003)
    assert (estimate.starting_reserve, estimate.leverage) == (1000, 2)
    assert estimate.borrowed_quantity == estimate.total_borrowed_quantity == 1
    assert estimate.borrowed_value == 2000.0
    assert estimate.additional_collateral_quantity == D("1993.99999999999999987509991")
    assert estimate.total_collateral_quantity == D("2993.99999999999999987509991")
    assert (estimate.borrowed_asset_price, estimate.fee_tier, estimate.lp_fees) == (2000.0, 0.003, 6.0)
    assert estimate.liquidation_price == D("2549.999999999999933386618522")


def test_opening_at_three_times_the_reserve():
    estimate = LeverageEstimate.open_short(1000.0, 3.0, 1500.0, SHORT, fee=0.0005)
    assert estimate.borrowed_quantity == 2
    assert float(estimate.additional_collateral_quantity) == 2998.5
    assert estimate.additional_collateral_quantity < D("2998.5"), "the fee is the float, a little more than 0.05 %"
    assert estimate.lp_fees == 1.5
    assert estimate.liquidation_price is not None
    assert float(estimate.liquidation_price) == pytest.approx(1700.0)
    assert estimate.liquidation_price < 1700


def test_without_a_fee_the_collateral_is_reserve_and_debt():
    estimate = LeverageEstimate.open_short(D(1000), 1.0, 2000.0, SHORT, fee=None)
    assert (estimate.borrowed_quantity, estimate.total_collateral_quantity) == (D("0.5"), 2000)
    assert (estimate.fee_tier, estimate.lp_fees) == (0, 0.0)


def test_closing_a_part():
    estimate = LeverageEstimate.close_short(D(3000), D(1), D("0.4"), 2000.0, fee=0.003)
    assert (estimate.starting_reserve, estimate.liquidation_price) == (0, None)
    assert (estimate.borrowed_quantity, estimate.borrowed_value) == (D("-0.4"), 800.0)
    assert str(estimate.additional_collateral_quantity) == "-802.4072216649949850051257444"
    assert estimate.lp_fees == 2.407221664994985
    assert str(estimate.total_collateral_quantity) == "2197.592778335005014994874256"
    assert estimate.total_borrowed_quantity == D("0.6")
    assert estimate.leverage == 2.2028956364367587, "collateral by net asset value, not debt by net asset value"


@pytest.mark.parametrize("left", ["1000", "0"])
def test_closing_all_leaves_a_leverage_of_one(left: str):
    """Even when nothing is left at all: the reference divides zero by zero."""
    estimate = LeverageEstimate.close_short(D(2000) + D(left), D(1), D(1), 2000.0)
    assert (estimate.leverage, estimate.total_borrowed_quantity) == (1.0, 0)
    assert estimate.total_collateral_quantity == D(left)


def test_the_highest_leverage():
    """5.67 for a liquidation threshold of 0.85: at that leverage a short is liquidated at once."""
    assert SHORT.get_max_leverage_at_open(side="long") == 6.666666666666666
    assert SHORT.get_max_leverage_at_open(side="short") == 5.666666666666666
    liquidation_price = LeverageEstimate.open_short(D(1000), 5.66, 2000.0, SHORT).liquidation_price
    assert liquidation_price is not None
    assert 2000 < liquidation_price < D("2000.36")


@pytest.mark.parametrize(
    "changes",
    [
        {"leverage": 0},
        {"leverage": -1.0},
        {"leverage": 5.666666666666666},
        {"leverage": NAN},
        {"starting_reserve": D(0)},
        {"starting_reserve": D(-1)},
        {"starting_reserve": D("NaN")},
        {"starting_reserve": D("Infinity")},
        {"starting_reserve": NAN},
        {"borrowed_asset_price": 0.0},
        {"borrowed_asset_price": -1.0},
        {"borrowed_asset_price": NAN},
        {"borrowed_asset_price": INFINITY},
        {"fee": 1},
        {"fee": -0.1},
        {"fee": NAN},
        {"shorting_pair": WETH_USDC},
        {"shorting_pair": CREDIT},
    ],
    ids=str,
)
def test_an_opening_that_makes_no_sense_is_refused(changes: dict[str, Any]):
    arguments: dict[str, Any] = {"starting_reserve": D(1000), "leverage": 2, "borrowed_asset_price": 2000.0}
    arguments["shorting_pair"] = SHORT
    with pytest.raises(InvalidValue):
        LeverageEstimate.open_short(**(arguments | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"close_size": D(0)},
        {"close_size": D(-1)},
        {"close_size": D("NaN")},
        {"close_size": D("Infinity")},
        {"borrowed_asset_price": 0.0},
        {"borrowed_asset_price": NAN},
        {"borrowed_asset_price": INFINITY},
        {"fee": 1.0},
        {"fee": -0.1},
    ],
    ids=str,
)
def test_a_closing_that_makes_no_sense_is_refused(changes: dict[str, Any]):
    arguments: dict[str, Any] = {"start_collateral": D(3000), "start_borrowed": D(1), "close_size": D(1)}
    arguments["borrowed_asset_price"] = 2000.0
    with pytest.raises(InvalidValue):
        LeverageEstimate.close_short(**(arguments | changes))


def test_the_liquidation_price_of_a_loan():
    assert calculate_liquidation_price(D(3000), D(1), SHORT) == D("2549.999999999999933386618522")
    assert calculate_liquidation_price(D(3000), D(2), SHORT) == D("1274.999999999999966693309261")


def test_sizes_for_a_leverage():
    """The reference adds where it should multiply and returns 5 and 1005."""
    assert calculate_sizes_for_leverage(1000, 4) == (4000, 5000)
