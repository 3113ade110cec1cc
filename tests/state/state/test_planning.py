"""Planning by request: the objects and the long lists of arguments of the contract say the same."""

import datetime
import inspect
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.kit.every_kind_trader import Driver
from tests.kit.trader import CREDIT, SHORT, T0, USDC, WETH_USDC, Trader, new_state
from tradeexecutor.state.errors import InvalidTrade, InvalidValue, PositionNotFound
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trade.request import TradeRequest
from tradeexecutor.state.types import accept_unknown_enum_values

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
    assert trade.flags == {TradeFlag.reduce, TradeFlag.open, TradeFlag.close}
    assert flags == {TradeFlag.reduce}


def get_flags(trader: Trader, pair: Any, *quantities: str) -> list[set[TradeFlag] | None]:
    """Plan and execute trades of one pair, and return their flags."""
    trades: list[TradeExecution] = []
    for quantity in map(D, quantities):
        trade = trader.buy if quantity > 0 else trader.sell
        trades.append(trade(pair, abs(quantity), 100.0)[1])
    return [trade.flags for trade in trades]


def test_the_first_trade_opens_and_the_last_closes():
    flags = get_flags(Trader(new_state(), price_impact=1.0), WETH_USDC, "2", "1", "-1", "-2", "3")
    assert flags == [{TradeFlag.open}, set(), set(), {TradeFlag.close}, {TradeFlag.open}]


def test_credit_is_opened_and_closed():
    driver = Driver(10_000)
    trades = [driver.supply(amount) for amount in (4_000, -500, -3_500)]
    assert [trade.flags for trade in trades] == [{TradeFlag.open}, set(), {TradeFlag.close}]


def test_a_short_is_opened_and_only_closed_by_a_request_that_says_so():
    driver = Driver(10_000)
    opened = driver.short("-1", 1_000, "2000")
    reduced = driver.short("0.25", 0, "-500", "-250")
    assert (opened.flags, reduced.flags) == ({TradeFlag.open}, set())


def test_what_is_planned_already_counts_for_closing():
    trader = Trader(new_state(), price_impact=1.0)
    trader.buy(WETH_USDC, "2", 100.0)
    _, first, _ = trader.state.request_trade(make_request(quantity=D(-1)))
    _, second, _ = trader.state.request_trade(make_request(quantity=D(-1)))
    assert (first.flags, second.flags) == (set(), {TradeFlag.close})


def test_an_order_with_a_trigger_has_the_flags_of_its_request():
    trader = Trader(new_state())
    trader.buy(WETH_USDC, "2", 100.0)
    _, order, _ = trader.state.request_trade(make_request(quantity=D(-2), flags={TradeFlag.triggered}))
    assert order.flags == {TradeFlag.triggered}


def test_a_repair_neither_opens_nor_closes():
    trader = Trader(new_state())
    position, _ = trader.buy(WETH_USDC, "2", 100.0)
    request = make_request(quantity=D(-2), trade_type=TradeType.repair)
    _, repair, _ = trader.state.request_trade(request, position)
    assert repair.flags == set()


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantity": None, "reserve": D(-5)}, "trade #1 planned reserve is negative: -5"),
        ({"quantity": D(10**-19)}, "trade #1 has no quantity"),
        ({"quantity": D(-(10**-19))}, "trade #1 has no quantity"),
        ({"quantity": D(0)}, "trade #1 has no quantity"),
        ({"quantity": D("NaN")}, "the amount of a trade must be a finite Decimal, got Decimal"),
        ({"quantity": D("1E+80"), "assumed_price": 1e80}, "TradeExecution.planned_reserve is "),
        ({"quantity": None, "reserve": D("1E+80"), "assumed_price": 1e-80}, "TradeExecution.planned_quantity is "),
        ({"assumed_price": math.inf}, "the price of a trade must be a positive float"),
        ({"slippage_tolerance": 0.5}, "slippage tolerance of trade #1 must be below"),
        ({"pair_fee": math.nan}, "trade #1 was given nan"),
        ({"lp_fees_estimated": math.nan}, "trade #1 was given nan"),
        ({"lp_fees_estimated": 1e91}, "trade #1 was given 1e[+]91"),
        ({"planned_mid_price": True}, "trade #1 was given True"),
    ],
)
def test_a_plan_is_refused_for_every_value_that_its_trade_would_refuse(changes: dict[str, Any], message: str):
    state = new_state()
    with pytest.raises(InvalidTrade, match=message):
        state.request_trade(make_request(**changes))
    assert state.portfolio.open_positions == {}
    assert state.portfolio.next_trade_id == 1


@pytest.mark.parametrize("name", ["assumed_price", "reserve_currency_price"])
def test_a_new_position_with_a_negative_price_is_refused(name: str):
    state = new_state()
    with pytest.raises(InvalidValue, match="position #1 prices must not be negative"):
        state.request_trade(make_request(**{name: -1.0}))


def test_a_position_refuses_a_trade_without_an_id():
    state = new_state()
    position, _, _ = state.request_trade(make_request())
    with pytest.raises(InvalidTrade, match="trade id must be positive, got 0"):
        position.plan_trade(make_request(), 0)


def test_a_flag_that_only_a_newer_version_knows_can_be_planned_again():
    with accept_unknown_enum_values():
        flag = TradeFlag("of_the_future")
    _, trade, _ = new_state().request_trade(make_request(flags={flag}))
    assert trade.flags == {flag, TradeFlag.open}
    with pytest.raises(InvalidTrade, match="flags must be a set of TradeFlag"):
        make_request(flags={"open"})
