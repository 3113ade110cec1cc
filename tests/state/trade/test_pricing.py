"""Price estimates are on the right side of the mid price, their fees are per hop."""

import dataclasses
from typing import Any

import pytest

from tests.kit.samples import PAIR, trade_pricing
from tradeexecutor.state.errors import InvalidStateFile, InvalidValue, PriceImpactToleranceExceeded
from tradeexecutor.state.trade.pricing import TradePricing, format_fees_dollars, format_fees_percentage


def test_scalar_fees_become_lists():
    pricing = TradePricing(1.0, 1.0, lp_fee=0.5, pair_fee=0.003)  # type: ignore[arg-type]
    assert (pricing.lp_fee, pricing.pair_fee) == ([0.5], [0.003])


def test_missing_fees_become_one_unknown_hop():
    assert TradePricing(1.0, 1.0).lp_fee == [None]
    assert TradePricing.from_dict({"price": 1.0, "mid_price": 1.0, "lp_fee": None}).lp_fee == [None]


def test_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        trade_pricing().price = 2.0  # type: ignore[misc]


def test_total_fees_skip_unknown_hops():
    assert trade_pricing(lp_fee=[0.5, None, 0.25]).get_total_lp_fees() == 0.75
    assert trade_pricing(lp_fee=None).get_total_lp_fees() == 0


@pytest.mark.parametrize(
    ("fees", "combined"),
    [([0.003], 0.003), ([0.003, 0.01], 1 - 0.997 * 0.99), ([None], None), ([0.003, None], None), ([0.003, 0.0], None)],
)
def test_fee_percentage_combines_hops(fees, combined):
    assert trade_pricing(pair_fee=fees).get_fee_percentage() == combined


def test_fee_percentage_of_three_hops_is_not_known():
    with pytest.raises(ValueError, match="3 hops"):
        trade_pricing(pair_fee=[0.1, 0.1, 0.1]).get_fee_percentage()


def test_price_impact_is_relative_to_the_mid_price():
    assert trade_pricing(price=101.0, mid_price=100.0).get_price_impact() == pytest.approx(0.01)
    assert trade_pricing(price=99.0, mid_price=100.0, side=False).get_price_impact() == pytest.approx(0.01)


@pytest.mark.parametrize(
    "change",
    [
        {"price": 1},
        {"price": "1.0"},
        {"mid_price": 1},
        {"mid_price": None},
        {"lp_fee": [1]},
        {"lp_fee": 1},
        {"pair_fee": ["x"]},
        {"market_feed_delay": 5},
        {"side": True, "price": 99.0},
        {"side": False, "price": 101.0},
        {"path": ["pair"]},
    ],
)
def test_constructor_refuses(change: dict[str, Any]):
    with pytest.raises(InvalidValue):
        trade_pricing(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"price": 1},
        {"mid_price": 100},
        {"lp_fee": 0.5},
        {"lp_fee": [1]},
        {"pair_fee": [0]},
        {"market_feed_delay": "5"},
        {"side": False},
        {"price": 99.5},
    ],
)
def test_file_is_refused(change: dict[str, Any]):
    with pytest.raises(InvalidStateFile):
        TradePricing.from_dict(trade_pricing().to_dict() | change)


def test_side_may_be_unknown():
    assert trade_pricing(side=None, price=1.0).side is None


def test_equal_when_all_fields_are():
    assert trade_pricing() == trade_pricing(path=[PAIR])
    assert trade_pricing() != trade_pricing(block_number=4)


def test_fees_as_text():
    assert format_fees_percentage([0.03, None, 0.5]) == "0.0300% 0.5000% "
    assert format_fees_dollars([30, 50]) == "$30.00 $50.00 "
    assert format_fees_dollars(3.14159) == "$3.14"


def test_exceeded_price_impact_carries_its_numbers():
    error = PriceImpactToleranceExceeded("too much", 0.05, 0.01)
    assert (error.price_impact, error.tolerance) == (0.05, 0.01)
