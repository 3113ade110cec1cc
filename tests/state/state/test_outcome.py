"""Booking a fill: the object and the arguments of the contract say the same, and a refused one changes nothing."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.kit.trader import CREDIT, SHORT, T0, USDC, WETH_USDC, Trader, cash_of, new_state
from tradeexecutor.state.errors import InvalidTrade, NotEnoughMoney, TradeExecutorError, WrongTradeStatus
from tradeexecutor.state.trade import Fill, TradeExecution, TradeType

D = Decimal
LATER = T0 + datetime.timedelta(minutes=5)


def buy(trader: Trader) -> TradeExecution:
    _, trade = trader.plan(WETH_USDC, "1", 2000.0)
    return trade


def lend(trader: Trader) -> TradeExecution:
    _, trade, _ = trader.state.supply_credit(T0, CREDIT, TradeType.rebalance, USDC, 1.0, D(500))
    return trade


def short(trader: Trader) -> TradeExecution:
    _, trade, _ = trader.state.trade_short(T0, SHORT, 2000.0, TradeType.rebalance, USDC, 1.0, D(-1), D(3000))
    return trade


def broadcast(plan: Callable[[Trader], TradeExecution]) -> tuple[Trader, TradeExecution]:
    trader = Trader(new_state())
    trade = plan(trader)
    trader.send(trade)
    return trader, trade


def make_fill(trade: TradeExecution, **changes: Any) -> Fill:
    arguments: dict[str, Any] = {
        "executed_at": LATER,
        "price": float(trade.planned_price),
        "quantity": trade.planned_quantity,
        "reserve": trade.planned_reserve,
        "lp_fees": 6.0,
        "native_token_price": 1900.0,
        "cost_of_gas": D("0.01"),
        "collateral_consumption": trade.planned_collateral_consumption,
        "collateral_allocation": trade.planned_collateral_allocation,
    }
    return Fill(**(arguments | changes))


@pytest.mark.parametrize("plan", [buy, lend, short])
def test_a_fill_books_what_the_arguments_of_the_contract_book(plan: Callable[[Trader], TradeExecution]):
    trader, trade = broadcast(plan)
    trader.state.record_fill(trade, make_fill(trade))
    other, same = broadcast(plan)
    other.state.mark_trade_success(
        LATER, same, float(same.planned_price), same.planned_quantity, same.planned_reserve, 6.0, 1900.0, D("0.01"),
        same.planned_collateral_consumption, same.planned_collateral_allocation,
    )  # fmt: skip
    other.state.created_at = trader.state.created_at
    assert trader.state.to_dict() == other.state.to_dict()
    assert trade.is_success()


@pytest.mark.parametrize("plan", [buy, lend, short])
@pytest.mark.parametrize(
    "change",
    [
        {"price": 2000},
        {"price": float("nan")},
        {"quantity": D("NaN")},
        {"quantity": 1.0},
        {"quantity": D(0)},
        {"reserve": D(-1)},
        {"reserve": D("Infinity")},
        {"executed_at": T0.replace(tzinfo=datetime.UTC)},
        {"lp_fees": float("inf")},
        {"cost_of_gas": D("NaN")},
    ],
    ids=str,
)
def test_a_refused_fill_changes_nothing(plan: Callable[[Trader], TradeExecution], change: dict[str, Any]):
    trader, trade = broadcast(plan)
    before = trader.state.to_json()
    with pytest.raises(InvalidTrade):
        trader.state.record_fill(trade, make_fill(trade, **change))
    assert trader.state.to_json() == before


@pytest.mark.parametrize("plan", [buy, lend, short])
def test_a_fill_without_an_account_for_its_capital_changes_nothing(plan: Callable[[Trader], TradeExecution]):
    trader, trade = broadcast(plan)
    trader.state.portfolio.reserves.clear()
    before = trader.state.to_json()
    with pytest.raises(TradeExecutorError):
        trader.state.record_fill(trade, make_fill(trade, reserve=trade.planned_reserve - 1))
    assert trader.state.to_json() == before


def test_a_fill_is_booked_once():
    trader, trade = broadcast(buy)
    trader.state.record_fill(trade, make_fill(trade))
    before = trader.state.to_json()
    with pytest.raises(WrongTradeStatus):
        trader.state.record_fill(trade, make_fill(trade))
    with pytest.raises(WrongTradeStatus):
        trade.record_fill(make_fill(trade), force=True)
    assert trader.state.to_json() == before


def test_a_fill_cannot_be_changed():
    _, trade = broadcast(buy)
    fill = make_fill(trade)
    with pytest.raises(AttributeError):
        fill.quantity = D(2)  # pyright: ignore[reportAttributeAccessIssue]
    assert msgspec.structs.replace(fill, quantity=D(2)).quantity == 2


def test_a_trade_that_costs_more_than_there_is_does_not_start():
    trader = Trader(new_state(cash=1000))
    trade = buy(trader)
    before = trader.state.to_json()
    with pytest.raises(NotEnoughMoney):
        trader.state.start_execution(T0, trade)
    with pytest.raises(NotEnoughMoney):
        trader.state.start_execution_all(T0, [trade])
    with pytest.raises(NotEnoughMoney):
        trader.state.portfolio.move_capital_from_reserves_to_spot_trade(trade)
    assert trader.state.to_json() == before


def test_a_batch_whose_sells_pay_for_its_buys_may_overdraw_the_cash():
    trader = Trader(new_state(cash=1000))
    trader.state.start_execution_all(T0, [buy(trader)], underflow_check=False)
    assert cash_of(trader.state) == -1000


def test_rebroadcast_has_no_effect_and_is_reported_to_the_caller():
    trader = Trader(new_state())
    trade = buy(trader)
    with pytest.warns(UserWarning, match="rebroadcast of start_execution_all has no effect") as caught:
        trader.state.start_execution_all(T0, [trade], rebroadcast=True)
    assert caught[0].filename == __file__
    assert trade.is_started()


def test_returning_capital_without_a_check_is_reported_to_the_caller():
    trader, trade = broadcast(buy)
    trader.state.record_fill(trade, make_fill(trade))
    _, sale = trader.plan(WETH_USDC, "-1", 2000.0)
    sale.executed_reserve = D(2000)
    with pytest.warns(UserWarning, match="underflow_check of return_capital_to_reserves has no effect") as caught:
        trader.state.portfolio.return_capital_to_reserves(sale, underflow_check=False)
    assert caught[0].filename == __file__
    assert cash_of(trader.state) == 10_000
