"""From a request to the planned amounts of a trade that is exchanged at a price."""

from decimal import Decimal
from typing import Any

import pytest

from tests.kit.trader import T0, USDC, WETH_USDC
from tradeexecutor.state.errors import InvalidTrade, UnsupportedPairKind
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.trade import TradeRequest, TradeType
from tradeexecutor.state.trade.planned_amounts import plan_exchange

SPOT = TradingPairKind.spot_market_hold


def make_request(quantity: str | None, reserve: str | None, price: Any = 2400.0) -> TradeRequest:
    return TradeRequest(
        strategy_cycle_at=T0,
        pair=WETH_USDC,
        quantity=None if quantity is None else Decimal(quantity),
        reserve=None if reserve is None else Decimal(reserve),
        assumed_price=price,
        trade_type=TradeType.rebalance,
        reserve_currency=USDC,
        reserve_currency_price=1.0,
    )


def test_a_quantity_follows_from_a_reserve():
    assert plan_exchange(SPOT, make_request(None, "600")) == (Decimal("0.25"), Decimal(600))


def test_a_reserve_follows_from_a_quantity():
    assert plan_exchange(SPOT, make_request("-0.25", None)) == (Decimal("-0.25"), Decimal("600.00"))


@pytest.mark.parametrize(
    ("quantity", "reserve", "price"),
    [
        (None, None, 1.0),
        ("1", "1", 1.0),
        ("NaN", None, 1.0),
        (None, "Infinity", 1.0),
        ("1", None, 0.0),
        ("1", None, "1"),
    ],
)
def test_amounts_that_make_no_sense_are_refused(quantity: str | None, reserve: str | None, price: Any):
    with pytest.raises(InvalidTrade):
        plan_exchange(SPOT, make_request(quantity, reserve, price))


def test_a_kind_without_a_price_is_not_exchanged():
    with pytest.raises(UnsupportedPairKind):
        plan_exchange(TradingPairKind.lending_protocol_long, make_request("1", None))
