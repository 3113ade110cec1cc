"""A state belongs to one thread at a time; what another thread tries is refused and changes nothing."""

import copy
import os
import pickle
import re
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from tests.kit.trader import CREDIT, SHORT, T0, USDC, WBTC_USDC, WETH, WETH_USDC, Trader, new_state
from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_correction, book_reserve_flow
from tradeexecutor.state.booking.waiting_orders import discard_planned
from tradeexecutor.state.correct_history import prune_history
from tradeexecutor.state.errors import ChangedMeanwhile, WrongThread
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.prune import archive_closed_positions, prune_closed_positions
from tradeexecutor.state.repair import repair_trades
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.state.trade.fill import Fill
from tradeexecutor.state.trade.request import TradeRequest
from tradeexecutor.statistics.core import update_statistics
from tradeexecutor.strategy.execution_context import ExecutionMode
from tradeexecutor.strategy.valuation import revalue_state

T = TypeVar("T")


def run_in_thread(function: Callable[[], T], name: str = "other") -> T:
    """Return what a function returns in a thread of its own, or raise its error."""
    result: list[Any] = []

    def run() -> None:
        try:
            result.append((function(), None))
        except BaseException as error:
            result.append((None, error))

    thread = threading.Thread(target=run, name=name)
    thread.start()
    thread.join()
    value, error = result[0]
    if error is not None:
        raise error
    return value


@pytest.fixture
def state() -> State:
    """A state that was traded in the thread of the test."""
    state = new_state()
    Trader(state).buy(WETH_USDC, "1", 2000.0)
    return state


def get_trade(state: State) -> TradeExecution:
    return next(iter(state.portfolio.get_all_trades()))


def get_position(state: State) -> Any:
    return state.portfolio.open_positions[1]


def make_request() -> TradeRequest:
    return TradeRequest(
        strategy_cycle_at=T0,
        pair=WBTC_USDC,
        quantity=Decimal(1),
        reserve=None,
        assumed_price=100.0,
        trade_type=TradeType.rebalance,
        reserve_currency=USDC,
        reserve_currency_price=1.0,
    )


def plan(owner: State | Portfolio) -> Any:
    return owner.create_trade(T0, WBTC_USDC, Decimal(1), None, 100.0, TradeType.rebalance, USDC, 1.0)


ORIGIN = EventOrigin(T0, T0)
#: Is not reached.
NO_VALUATION: Any = None
FILL = Fill(executed_at=T0, price=1.0, quantity=Decimal(1), reserve=Decimal(0))

#: Methods of `State` that change it.
STATE_METHODS: dict[str, Callable[[State], object]] = {
    "blacklist_asset": lambda s: s.blacklist_asset(WETH),
    "create_trade": plan,
    "mark_bridge_in_transit": lambda s: s.mark_bridge_in_transit(T0, get_trade(s)),
    "mark_broadcasted": lambda s: s.mark_broadcasted(T0, get_trade(s)),
    "mark_ready": lambda s: s.mark_ready(T0),
    "mark_trade_failed": lambda s: s.mark_trade_failed(T0, get_trade(s)),
    "mark_trade_success": lambda s: s.mark_trade_success(T0, get_trade(s), 1.0, Decimal(1), Decimal(0), 0.0, 1.0),
    "mark_vault_settlement_pending": lambda s: s.mark_vault_settlement_pending(T0, get_trade(s)),
    "record_cycle_end": lambda s: s.record_cycle_end(1, T0),
    "record_fill": lambda s: s.record_fill(get_trade(s), FILL),
    "request_credit": lambda s: s.request_credit(make_request()),
    "request_long": lambda s: s.request_long(make_request()),
    "request_short": lambda s: s.request_short(make_request()),
    "request_trade": lambda s: s.request_trade(make_request()),
    "resume_bridge_transfer": lambda s: s.resume_bridge_transfer(get_trade(s)),
    "resume_vault_settlement": lambda s: s.resume_vault_settlement(get_trade(s)),
    "start_execution": lambda s: s.start_execution(T0, get_trade(s)),
    "start_execution_all": lambda s: s.start_execution_all(T0, [get_trade(s)]),
    "supply_credit": lambda s: s.supply_credit(T0, CREDIT, TradeType.rebalance, USDC, 1.0, Decimal(1)),
    "trade_short": lambda s: s.trade_short(T0, SHORT, 1.0, TradeType.rebalance, USDC, 1.0, Decimal(-1), Decimal(1)),
    "unblacklist_asset": lambda s: s.unblacklist_asset(WETH),
    "update_reserves": lambda s: s.update_reserves([]),
    "hand_over": lambda s: s.hand_over(),
    "to_dict": lambda s: s.to_dict(),
    "to_json": lambda s: s.to_json(),
    "to_json_bytes": lambda s: s.to_json_bytes(),
    "to_json_safe": lambda s: s.to_json_safe(),
    "write_json_file": lambda s: s.write_json_file(os.devnull),
}

#: Methods of `Portfolio` that change it.
PORTFOLIO_METHODS: dict[str, Callable[[Portfolio], object]] = {
    "adjust_reserves": lambda p: p.adjust_reserves(USDC, Decimal(1)),
    "allocate_balance_update_id": lambda p: p.allocate_balance_update_id(),
    "close_position": lambda p: p.close_position(p.open_positions[1], T0),
    "create_trade": plan,
    "initialise_reserves": lambda p: p.initialise_reserves(USDC),
    "mark_down_position": lambda p: p.mark_down_position(p.open_positions[1], T0),
    "move_capital_from_bridge_to_spot_trade": lambda p: p.move_capital_from_bridge_to_spot_trade(first_trade(p)),
    "move_capital_from_reserves_to_spot_trade": lambda p: p.move_capital_from_reserves_to_spot_trade(first_trade(p)),
    "move_to_closed": lambda p: p.move_to_closed(p.open_positions[1], T0),
    "open_new_position": lambda p: p.open_new_position(T0, WBTC_USDC, 1.0, USDC, 1.0),
    "reopen_closed_bridge_position_for_chain": lambda p: p.reopen_closed_bridge_position_for_chain(5, T0),
    "request_trade": lambda p: p.request_trade(make_request()),
    "return_capital_to_bridge": lambda p: p.return_capital_to_bridge(first_trade(p)),
    "return_capital_to_reserves": lambda p: p.return_capital_to_reserves(first_trade(p)),
    "update_reserves": lambda p: p.update_reserves([]),
}

#: Functions that change a state.
FUNCTIONS: dict[str, Callable[[State], object]] = {
    "archive_closed_positions": lambda s: archive_closed_positions(s, T0),
    "book_reserve_correction": lambda s: book_reserve_correction(s, USDC, Decimal(1), ORIGIN),
    "book_reserve_flow": lambda s: book_reserve_flow(s, USDC, Decimal(1), ORIGIN),
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    "discard_planned": lambda s: discard_planned(s.portfolio, get_trade(s), T0),
    "freeze_position_on_failed_trade": lambda s: freeze_position_on_failed_trade(T0, s, [get_trade(s)]),
    "prune_closed_positions": prune_closed_positions,
    "prune_history": lambda s: prune_history(s, T0),
    "repair_trades": lambda s: repair_trades(s, now=T0),
    "revalue_state": lambda s: revalue_state(s, T0, NO_VALUATION),
    "update_statistics": lambda s: update_statistics(T0, s.stats, s.portfolio, ExecutionMode.backtesting),
}

READING = re.compile(
    "get_|is_|has_|add_up_closed|find_|iterate_|calculate_|compute_|check_|read_|from_|perform_integrity_check|"
    "maybe_set_vault_lockup_expiry|correct_open_position_balance|to_dict|to_json|unknown_keys"
)


def first_trade(portfolio: Portfolio) -> TradeExecution:
    return next(iter(portfolio.get_all_trades()))


def test_the_tables_of_this_test_are_complete():
    for cls, methods in ((State, STATE_METHODS), (Portfolio, PORTFOLIO_METHODS)):
        names = {name for name in dir(cls) if not name.startswith("_") and callable(getattr(cls, name))}
        gone = {"revalue_positions"}  # raises `MethodRemoved`
        assert {name for name in names if not READING.match(name)} - methods.keys() - gone == set()


@pytest.mark.parametrize("name", [*STATE_METHODS, *FUNCTIONS])
def test_another_thread_cannot_change_encode_or_copy_a_state(state: State, name: str):
    operation = (STATE_METHODS | FUNCTIONS)[name]
    before = state.to_json()
    with pytest.raises(WrongThread, match=r"thread 'other' .* belongs to thread 'MainThread'") as refusal:
        run_in_thread(lambda: operation(state))
    assert (refusal.value.owner, refusal.value.caller) == ("MainThread", "other")
    assert state.to_json() == before


@pytest.mark.parametrize("name", PORTFOLIO_METHODS)
def test_another_thread_cannot_change_a_portfolio(state: State, name: str):
    before = state.to_json()
    with pytest.raises(WrongThread):
        run_in_thread(lambda: PORTFOLIO_METHODS[name](state.portfolio))
    assert state.to_json() == before


def test_the_first_thread_that_changes_a_state_owns_it():
    state = new_state()
    ready, done = threading.Event(), threading.Event()

    def trade() -> None:
        Trader(state).buy(WETH_USDC, "1", 2000.0)
        ready.set()
        done.wait(60)

    thread = threading.Thread(target=trade, name="strategy")
    thread.start()
    ready.wait(60)
    try:
        with pytest.raises(WrongThread, match="'strategy'"):
            state.to_json()
        with pytest.raises(WrongThread, match="'strategy'"):
            plan(state)
    finally:
        done.set()
        thread.join()
    state.record_cycle_end(1, T0)  # a thread that has ended owns nothing


def test_reading_a_state_takes_it_from_nobody():
    state = new_state()
    text = state.to_json()
    assert run_in_thread(state.to_json) == text
    assert run_in_thread(lambda: plan(state)) is not None


def test_a_state_that_was_handed_over_belongs_to_the_next_thread(state: State):
    state.hand_over()
    ready, done = threading.Event(), threading.Event()

    def trade() -> None:
        Trader(state).buy(WBTC_USDC, "0.01", 20_000.0)
        ready.set()
        done.wait(60)
        state.hand_over()

    thread = threading.Thread(target=trade, name="strategy")
    thread.start()
    ready.wait(60)
    with pytest.raises(WrongThread, match="'strategy'"):
        state.record_cycle_end(1, T0)
    done.set()
    thread.join()
    state.record_cycle_end(1, T0)


def test_a_copy_belongs_to_nobody(state: State):
    for duplicate in (copy.deepcopy(state), pickle.loads(pickle.dumps(state)), State.from_json(state.to_json())):
        assert duplicate.to_json() == state.to_json()
        assert run_in_thread(lambda duplicate=duplicate: plan(duplicate)) is not None
    with pytest.raises(WrongThread):
        run_in_thread(lambda: plan(state))


def test_a_thread_that_takes_a_state_over_while_it_is_encoded_is_noticed(monkeypatch: pytest.MonkeyPatch):
    state = new_state()

    def trade_and_hand_over() -> None:
        plan(state)
        state.hand_over()

    monkeypatch.setattr(
        "tradeexecutor.state.state.state.check_ids", lambda portfolio: run_in_thread(trade_and_hand_over)
    )
    with pytest.raises(ChangedMeanwhile, match="another thread changed the state while it was encoded"):
        state.to_json()


def test_a_dictionary_that_grows_while_it_is_encoded_is_our_error(state: State):
    """As when another thread assigns to the fields without any operation of the state."""

    class Grows(dict[str, Any]):
        def items(self) -> Any:
            for item in super().items():
                yield item
                run_in_thread(lambda: self.update({f"{len(self)}": 1}))

    assert state.other_data is not None
    state.other_data.data[1] = Grows(a=1)
    with pytest.raises(ChangedMeanwhile) as failure:
        state.to_json()
    assert "changed size during iteration" in str(failure.value.__cause__)


def test_a_forked_child_owns_the_state_of_the_thread_that_forked(state: State):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            plan(state)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
