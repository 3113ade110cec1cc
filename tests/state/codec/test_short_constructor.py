"""A short constructor makes the same record as the constructor of the class, and refuses the same values."""

import dataclasses
import datetime
from decimal import Decimal
from typing import Any

import pytest

from tradeexecutor.state.codec.short_constructor import make_short_constructor
from tradeexecutor.state.errors import InvalidTrade, InvalidValue
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.balance_totals import BalanceUpdatesById
from tradeexecutor.state.position_internal_share_price import PositionInternalSharePriceState
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.trade.totals import TradesById

AT = datetime.datetime(2024, 1, 1)
USDC = AssetIdentifier(1, "0x01", "USDC", 6)
PAIR = TradingPairIdentifier(AssetIdentifier(1, "0x02", "WETH", 18), USDC, "0x03", "0x04", fee=0.003)

TRADE: dict[str, Any] = {
    "trade_id": 1,
    "position_id": 2,
    "trade_type": TradeType.rebalance,
    "pair": PAIR,
    "opened_at": AT,
    "planned_quantity": Decimal("0.25"),
    "planned_reserve": Decimal(600),
    "planned_price": 2400.0,
    "reserve_currency": USDC,
    "flags": {TradeFlag.open},
    "slippage_tolerance": 0.01,
}
POSITION: dict[str, Any] = {
    "position_id": 1,
    "pair": PAIR,
    "opened_at": AT,
    "last_pricing_at": AT,
    "last_token_price": 2400.0,
    "last_reserve_price": 1.0,
    "reserve_currency": USDC,
}
PRICING: dict[str, Any] = {"price": 101.0, "mid_price": 100.0, "lp_fee": [1.0], "pair_fee": [0.01], "side": True}
SHARES: dict[str, Any] = {
    "current_share_price": 1.0,
    "total_supply": 2.0,
    "cumulative_quantity": 3.0,
    "total_invested": 4.0,
    "peak_total_supply": 5.0,
    "last_updated_at": AT,
}


@pytest.mark.parametrize(
    ("cls", "values"),
    [
        (TradeExecution, TRADE),
        (TradingPosition, POSITION),
        (PositionInternalSharePriceState, SHARES),
        (TradePricing, PRICING),
    ],
)
def test_every_field_is_that_of_the_constructor(cls: Any, values: dict[str, Any]) -> None:
    make = make_short_constructor(cls, list(values), InvalidValue)
    made, expected = make(*values.values()), cls(**values)
    assert type(made) is cls
    for field in dataclasses.fields(cls):
        assert getattr(made, field.name) == getattr(expected, field.name), field.name
        assert type(getattr(made, field.name)) is type(getattr(expected, field.name)), field.name


def test_containers_are_not_shared() -> None:
    make = make_short_constructor(TradingPosition, list(POSITION), InvalidValue)
    first, second = make(*POSITION.values()), make(*POSITION.values())
    assert type(first.trades) is TradesById
    assert type(first.balance_updates) is BalanceUpdatesById
    for field in dataclasses.fields(TradingPosition):
        if isinstance(getattr(first, field.name), (list, dict)):
            assert getattr(first, field.name) is not getattr(second, field.name), field.name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("planned_quantity", Decimal("NaN")),
        ("planned_quantity", Decimal("sNaN")),
        ("planned_quantity", Decimal("1E+200")),
        ("planned_quantity", Decimal(0)),
        ("planned_reserve", Decimal("Infinity")),
        ("planned_reserve", Decimal(-1)),
        ("planned_reserve", "600"),
        ("planned_price", 0.0),
        ("trade_id", 0),
        ("opened_at", datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)),
        ("slippage_tolerance", 0.5),
    ],
)
def test_values_that_the_constructor_refuses_are_refused(name: str, value: Any) -> None:
    wrong = TRADE | {name: value}
    make = make_short_constructor(TradeExecution, list(wrong), InvalidTrade)
    with pytest.raises(InvalidTrade) as expected:
        TradeExecution(**wrong)
    with pytest.raises(InvalidTrade) as refused:
        make(*wrong.values())
    assert str(refused.value) == str(expected.value)


def test_a_frozen_record_is_frozen_and_equal() -> None:
    make = make_short_constructor(TradePricing, list(PRICING), InvalidValue)
    made = make(*PRICING.values())
    assert made == TradePricing(**PRICING)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.price = 1.0  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(InvalidValue, match="below the mid price"):
        make(*(PRICING | {"price": 99.0}).values())
