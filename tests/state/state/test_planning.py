"""Planning by request: the objects and the long lists of arguments of the contract say the same."""

import datetime
import inspect
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.kit.trader import CREDIT, SHORT, T0, USDC, WETH_USDC, Trader, new_state
from tradeexecutor.state.errors import InvalidTrade, PositionNotFound
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeFlag, TradeType
from tradeexecutor.state.trade.request import TradeRequest

D = Decimal

COMMON: dict[str, Any] = {
    "strategy_cycle_at": T0,
    "trade_type": TradeType.rebalance,
    "reserve_currency": USDC,
}


def make_request(**changes: Any) -> TradeRequest:
    arguments = {"pair": WETH_USDC, "quantity": D(1), "assumed_price": 2000.0, "reserve_currency_price": 1.0}
    return TradeRequest(**(COMMON | arguments | changes))


def as_dict(result: Any) -> tuple[Any, ...]:
    position, trade, created = result
    return position.to_dict(), trade.to_dict(), created


def buy(state: State) -> Any:
    return state.create_trade(
        T0, WETH_USDC, D(1), None, 2000.0, TradeType.rebalance, USDC, 1.0,
        "note", 0.003, 6.0, 1994.0, slippage_tolerance=0.01, flags={TradeFlag.open},
    )  # fmt: skip


def request_buy(state: State) -> Any:
    return state.request_trade(
        make_request(
            notes="note",
            pair_fee=0.003,
            lp_fees_estimated=6.0,
            planned_mid_price=1994.0,
            slippage_tolerance=0.01,
            flags={TradeFlag.open},
        )
    )


def lend(state: State) -> Any:
    return state.supply_credit(T0, CREDIT, TradeType.rebalance, USDC, 1.0, D(500))


def request_credit(state: State) -> Any:
    return state.request_credit(make_request(pair=CREDIT, quantity=D(500), assumed_price=1.0))


def open_short(state: State) -> Any:
    return state.trade_short(T0, SHORT, 2000.0, TradeType.rebalance, USDC, 1.0, D(-1), D(3000))


def request_short(state: State) -> Any:
    return state.request_short(make_request(pair=SHORT, quantity=D(-1), reserve=D(3000)))


@pytest.mark.parametrize(
    ("by_arguments", "by_request"), [(buy, request_buy), (lend, request_credit), (open_short, request_short)]
)
def test_a_request_plans_what_the_arguments_of_the_contract_plan(
    by_arguments: Callable[[State], Any], by_request: Callable[[State], Any]
):
    assert as_dict(by_request(new_state())) == as_dict(by_arguments(new_state()))


def test_create_trade_gives_every_argument_to_the_field_of_its_name(monkeypatch: pytest.MonkeyPatch):
    names = [
        name for name in inspect.signature(State.create_trade).parameters if name in TradeRequest.__struct_fields__
    ]
    assert set(TradeRequest.__struct_fields__) - set(names) == {"exchange_name"}
    special = {"strategy_cycle_at": T0, "notes": "note", "pair_fee": 0.003, "price_structure": None, "flags": set()}
    arguments = {name: special.get(name, object()) for name in names}
    state, requests = new_state(), list[TradeRequest]()

    def request_trade(portfolio: Portfolio, request: TradeRequest, position: object) -> None:
        requests.append(request)

    monkeypatch.setattr(Portfolio, "request_trade", request_trade)
    state.create_trade(**arguments)  # pyright: ignore[reportArgumentType]
    assert {name: getattr(requests[0], name) for name in names} == arguments


def test_the_same_request_can_be_made_twice():
    state, request = new_state(), make_request()
    position, first, _ = state.request_trade(request)
    same_position, second, created = state.request_trade(request)
    assert same_position is position
    assert not created
    assert (first.trade_id, second.trade_id) == (1, 2)
    assert first.planned_quantity == second.planned_quantity


def test_planning_does_not_change_the_flags_of_a_request():
    flags = {TradeFlag.reduce}
    _, trade, _ = new_state().request_trade(make_request(flags=flags, closing=True))
    assert trade.flags == {TradeFlag.reduce, TradeFlag.close}
    assert flags == {TradeFlag.reduce}


def test_a_request_cannot_be_changed():
    with pytest.raises(AttributeError):
        make_request().quantity = D(2)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "change",
    [
        {"strategy_cycle_at": None},
        {"strategy_cycle_at": T0.replace(tzinfo=datetime.UTC)},
        {"pair_fee": 1},
        {"notes": 5},
        {"price_structure": 2000.0},
        {"flags": [TradeFlag.close]},
        {"flags": {"close"}},
    ],
    ids=str,
)
def test_a_request_that_is_wrong_for_any_position_cannot_be_made(change: dict[str, Any]):
    with pytest.raises(InvalidTrade):
        make_request(**change)
    with pytest.raises(InvalidTrade):
        msgspec.structs.replace(make_request(), **change)


def test_a_request_for_a_position_of_another_state_is_refused():
    position, _, _ = new_state().request_trade(make_request())
    state = new_state()
    before = state.to_json()
    with pytest.raises(PositionNotFound):
        state.request_trade(make_request(), position)
    assert state.to_json() == before


def test_pending_has_no_effect_and_is_reported_to_the_caller():
    trader = Trader(new_state())
    with pytest.warns(UserWarning, match="pending of create_trade has no effect") as caught:
        position, _, _ = trader.state.create_trade(
            T0, WETH_USDC, D(1), None, 2000.0, TradeType.rebalance, USDC, 1.0, pending=True
        )
    assert caught[0].filename == __file__
    assert not position.is_pending()
    with pytest.warns(UserWarning, match="pending of create_trade has no effect"):
        trader.state.portfolio.create_trade(
            T0, WETH_USDC, D(1), None, 2000.0, TradeType.rebalance, USDC, 1.0, pending=True
        )
