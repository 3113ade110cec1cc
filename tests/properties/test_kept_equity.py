"""Whatever is done to a portfolio, a trade that is planned records the equity that adding up all positions gives."""

import contextlib
import copy
import datetime
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.trader import CREDIT, SECOND, T0, USDC, asset, new_state, pair
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.portfolio.opening import calculate_equity_for_plan
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.balance_totals import BalanceUpdatesById
from tradeexecutor.state.position.grouping import SCANNED_POSITIONS, PositionsById
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.state.trade.totals import TradesById
from tradeexecutor.strategy.valuation import ValuationModel, revalue_portfolio

PAIRS = [pair(asset(f"T{number}", 18, 200 + number), USDC, 0.003, 300 + number) for number in range(40)]
#: More requests than those that keep nothing.
MANY = 6
#: Long binary expansions, so that the order of the additions shows in the last digit.
PRICES = st.floats(0.5, 5.0)
QUANTITIES = st.floats(0.1, 3.0).map(lambda value: round(Decimal(value), 18))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "executed_quantity": st.one_of(st.none(), QUANTITIES),
    "executed_price": PRICES,
    "planned_quantity": QUANTITIES,
    "started_at": st.sampled_from([None, T0]),
    "broadcasted_at": st.sampled_from([None, T0]),
    "executed_at": st.sampled_from([None, T0]),
    "failed_at": st.sampled_from([None, T0]),
    "expired_at": st.sampled_from([None, T0]),
    "repaired_at": st.sampled_from([None, T0]),
    "repaired_trade_id": st.sampled_from([None, 1]),
    "notes": st.just("a note"),
}


class Repricing(ValuationModel):
    """Values all positions at one price, and changes nothing else."""

    changes_only_price = True

    def __init__(self, price: float):
        self.price = price

    def get_price(self, ts: datetime.datetime, position: TradingPosition) -> float:
        return self.price

    def __call__(self, ts: datetime.datetime, position: TradingPosition) -> Any:
        raise AssertionError("not needed, because it changes only the price")


def plan(state: State, number: int, quantity: Decimal, price: float = 2.0) -> TradeExecution:
    _, trade, _ = state.create_trade(T0, PAIRS[number], quantity, None, price, TradeType.rebalance, USDC, 1.0)
    return trade


def execute(state: State, trade: TradeExecution, price: float = 2.0) -> None:
    state.start_execution(T0, trade, underflow_check=False)
    state.mark_broadcasted(T0, trade)
    reserve = abs(trade.planned_quantity) * Decimal(price)
    state.mark_trade_success(T0, trade, price, trade.planned_quantity, reserve, 0.0, 1.0)


def make_state(count: int) -> State:
    state = new_state(1_000)
    for number in range(count):
        execute(state, plan(state, number, Decimal(number + 1) / 7))
    return state


def add_up(portfolio: Portfolio) -> float:
    """Add up cash and positions without anything that is kept."""
    total = portfolio.get_cash()
    for position in portfolio.open_positions.values():
        plain = TradingPosition(position.position_id, position.pair, T0, T0, position.last_token_price, 1.0, USDC)
        plain.trades = dict(position.trades)  # a plain dictionary keeps no totals
        plain.balance_updates = dict(position.balance_updates)
        total += plain.get_equity()
    return total


def assert_equity_is_true(portfolio: Portfolio, asked_at: datetime.datetime = T0) -> None:
    expected = add_up(portfolio)
    assert [calculate_equity_for_plan(portfolio, asked_at) for _ in range(MANY)] == [expected] * MANY


def make_event(event_id: int, position: TradingPosition, quantity: Decimal) -> BalanceUpdate:
    return BalanceUpdate(
        balance_update_id=event_id,
        cause=BalanceUpdateCause.correction,
        position_type=BalanceUpdatePositionType.open_position,
        asset=position.pair.base,
        block_mined_at=T0,
        strategy_cycle_included_at=T0,
        chain_id=1,
        quantity=quantity,
        old_balance=Decimal(0),
        usd_value=0.0,
        position_id=position.position_id,
    )


# --- What can happen to a portfolio: functions of the state and of a source of random values


def open_another(state: State, data: st.DataObject) -> None:
    plan(state, data.draw(st.integers(0, len(PAIRS) - 1)), data.draw(QUANTITIES), data.draw(PRICES))


def sell(state: State, data: st.DataObject) -> None:
    position = choose_position(state, data)
    quantity = position.get_available_trading_quantity() * Decimal("0.3")
    if quantity > Decimal("0.01"):
        state.create_trade(T0, position.pair, -quantity, None, 2.0, TradeType.rebalance, USDC, 1.0, position=position)


def start(state: State, data: st.DataObject) -> None:
    for trade in find_planned(state, data):
        state.start_execution(T0, trade, underflow_check=False)


def execute_some(state: State, data: st.DataObject) -> None:
    for trade in find_planned(state, data):
        execute(state, trade, data.draw(PRICES))


def edit_trade(state: State, data: st.DataObject) -> None:
    trades = choose_position(state, data).trades
    if trades:
        name = data.draw(st.sampled_from(sorted(FIELDS)))
        setattr(trades[data.draw(st.sampled_from(list(trades)))], name, data.draw(FIELDS[name]))


def edit_price(state: State, data: st.DataObject) -> None:
    choose_position(state, data).last_token_price = data.draw(PRICES)


def revalue(state: State, data: st.DataObject) -> None:
    revalue_portfolio(Repricing(data.draw(PRICES)), T0 + SECOND, state.portfolio)


def edit_cash(state: State, data: st.DataObject) -> None:
    reserve = state.portfolio.get_default_reserve_position()
    reserve.quantity += data.draw(QUANTITIES)
    reserve.reserve_token_price = data.draw(st.sampled_from([1.0, 0.99]))


def add_event(state: State, data: st.DataObject) -> None:
    position = choose_position(state, data)
    event_id = len(position.balance_updates) + 1
    position.balance_updates[event_id] = make_event(event_id, position, data.draw(QUANTITIES))


def edit_trades_table(state: State, data: st.DataObject) -> None:
    position = choose_position(state, data)
    key = data.draw(st.sampled_from([*position.trades, 0]))
    way = data.draw(st.sampled_from(["delete", "replace", "dict", "TradesById", "of another"]))
    if way in ("delete", "replace") and key:
        trade = position.trades.pop(key)
        if way == "replace":
            position.trades[key] = copy.copy(trade)
    elif way == "of another":
        position.trades.update(choose_position(state, data).trades)
    else:
        position.trades = (dict if way == "dict" else TradesById)(position.trades)


def edit_events_table(state: State, data: st.DataObject) -> None:
    position = choose_position(state, data)
    kind: Callable[[Any], Any] = data.draw(st.sampled_from([dict, BalanceUpdatesById]))
    event = make_event(1, position, data.draw(QUANTITIES))
    position.balance_updates = kind(data.draw(st.sampled_from([{}, {1: event}, position.balance_updates])))


def edit_positions_table(state: State, data: st.DataObject) -> None:
    portfolio, position = state.portfolio, choose_position(state, data)
    way = data.draw(st.sampled_from(["delete", "add again", "adopt", "replace", "dict", "PositionsById"]))
    if way == "adopt":
        adopt(portfolio, position)
    elif way in ("delete", "add again"):
        del portfolio.open_positions[position.position_id]
        if way == "add again":
            portfolio.open_positions[position.position_id] = position
    elif way == "replace":
        portfolio.open_positions[position.position_id] = copy.copy(position)
    else:
        portfolio.open_positions = (dict if way == "dict" else PositionsById)(portfolio.open_positions)


def adopt(portfolio: Portfolio, position: TradingPosition) -> None:
    """Add a copy of a position that holds tokens."""
    twin = copy.deepcopy(position)
    twin.position_id = portfolio.next_position_id
    portfolio.next_position_id += 1
    portfolio.open_positions[twin.position_id] = twin


def choose_position(state: State, data: st.DataObject) -> TradingPosition:
    positions = state.portfolio.open_positions
    return positions[data.draw(st.sampled_from(list(positions)), "position")]


def find_planned(state: State, data: st.DataObject) -> list[TradeExecution]:
    portfolio = state.portfolio
    trades = [
        trade
        for position in portfolio.open_positions.values()
        for trade in position.trades.values()
        if trade.is_planned() and trade.trade_id in position.trades and trade.position_id == position.position_id
    ]
    return data.draw(st.lists(st.sampled_from(trades), unique_by=id, max_size=3)) if trades else []


CHANGES = [
    open_another, open_another, sell, sell, start, execute_some, execute_some, edit_trade, edit_trade, edit_price,
    revalue, edit_cash, add_event, edit_trades_table, edit_events_table, edit_positions_table,
]  # fmt: skip


@pytest.mark.slow
@given(st.data())
def test_the_equity_follows_every_change(data: st.DataObject):
    state = make_state(SCANNED_POSITIONS + 3)
    asked_at = T0
    assert_equity_is_true(state.portfolio)
    for _ in range(data.draw(st.integers(3, 12), "steps")):
        with contextlib.suppress(ValueError):  # refused: an edit has made it impossible
            data.draw(st.sampled_from(CHANGES), "change")(state, data)
        if data.draw(st.integers(0, 5)) == 0:
            asked_at += SECOND
        assert_equity_is_true(state.portfolio, asked_at)


def test_plans_of_a_decision_record_the_same_equity():
    state = make_state(30)
    expected = add_up(state.portfolio)
    trades = [plan(state, number, Decimal(1)) for number in range(40)]
    assert [trade.portfolio_value_at_creation for trade in trades] == [expected] * 40
    execute(state, trades[0], price=2.5)
    assert plan(state, 1, Decimal(1)).portfolio_value_at_creation == add_up(state.portfolio) != expected
    revalue_portfolio(Repricing(3.0), T0, state.portfolio)
    assert plan(state, 1, Decimal(1)).portfolio_value_at_creation == add_up(state.portfolio) > expected


EDITS: dict[str, Callable[[Portfolio, TradingPosition, TradeExecution], Any]] = {
    "a plan starts": lambda portfolio, position, trade: (
        setattr(trade, "reserve_currency_allocated", Decimal(4)),
        setattr(trade, "started_at", T0),
    ),
    "a plan executes": lambda portfolio, position, trade: (
        setattr(trade, "executed_quantity", Decimal(3)),
        setattr(trade, "executed_at", T0),
    ),
    "a trade gets a quantity": lambda portfolio, position, trade: setattr(
        position.get_first_trade(), "executed_quantity", Decimal(3)
    ),
    "a price": lambda portfolio, position, trade: setattr(position, "last_token_price", 7.0),
    "another table of trades": lambda portfolio, position, trade: setattr(position, "trades", {}),
    "another table of events": lambda portfolio, position, trade: setattr(
        position, "balance_updates", {1: make_event(1, position, Decimal(3))}
    ),
    "an event": lambda portfolio, position, trade: position.add_balance_update_event(
        make_event(1, position, Decimal(3))
    ),
    "one more position": lambda portfolio, position, trade: adopt(portfolio, position),
    "one position less": lambda portfolio, position, trade: portfolio.open_positions.pop(position.position_id),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_is_noticed(edit: Callable[[Portfolio, TradingPosition, TradeExecution], Any]):
    state = make_state(12)
    portfolio = state.portfolio
    position = portfolio.open_positions[5]
    trade = plan(state, 4, Decimal(2))
    assert_equity_is_true(portfolio)
    before = add_up(portfolio)
    edit(portfolio, position, trade)
    assert_equity_is_true(portfolio)
    assert add_up(portfolio) != before


def test_a_plan_that_starts_is_added_up_with_what_it_locks():
    state = make_state(12)
    trade = plan(state, 4, Decimal(2))
    assert_equity_is_true(state.portfolio)
    state.start_execution(T0, trade)
    for _ in range(MANY):
        assert plan(state, 3, Decimal(1)).portfolio_value_at_creation == add_up(state.portfolio)


def test_positions_of_other_kinds_are_added_up_every_time():
    state = make_state(10)
    state.supply_credit(T0, CREDIT, TradeType.rebalance, USDC, 1.0, collateral_quantity=Decimal(100))
    expected = add_up(state.portfolio)
    (position,) = [item for item in state.portfolio.open_positions.values() if item.is_credit_supply()]
    for _ in range(MANY):
        assert calculate_equity_for_plan(state.portfolio, T0) == expected
    execute_credit(state, position)
    for _ in range(MANY):
        assert calculate_equity_for_plan(state.portfolio, T0) == pytest.approx(expected)


def execute_credit(state: State, position: TradingPosition) -> None:
    trade = position.get_first_trade()
    state.start_execution(T0, trade)
    state.mark_broadcasted(T0, trade)
    state.mark_trade_success(T0, trade, 1.0, trade.planned_quantity, trade.planned_reserve, 0.0, 1.0)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_of_a_portfolio_is_independent(duplicate: Any):
    state = make_state(12)
    assert_equity_is_true(state.portfolio)
    twin = duplicate(state.portfolio)
    assert_equity_is_true(twin)
    twin.open_positions[1].last_token_price = 7.0
    assert_equity_is_true(twin)
    assert_equity_is_true(state.portfolio)


def test_a_position_in_two_portfolios_counts_in_both():
    one, other = make_state(12), make_state(12)
    shared = one.portfolio.open_positions[3]
    other.portfolio.open_positions[3] = shared
    for change in (lambda: setattr(shared, "last_token_price", 7.0), lambda: plan(one, 2, Decimal(1))):
        assert_equity_is_true(one.portfolio)
        assert_equity_is_true(other.portfolio)
        change()
        assert_equity_is_true(other.portfolio)
        assert_equity_is_true(one.portfolio)
    trade = shared.get_last_trade()
    trade.started_at, trade.executed_quantity = T0, Decimal(5)
    assert_equity_is_true(other.portfolio)
    assert_equity_is_true(one.portfolio)
