"""What we write is accepted by JavaScript clients, which check more than types."""

import copy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.client_rules import find_refused
from tests.kit.every_kind_trader import everything
from tests.kit.trader import DAY, T0, USDC
from tests.support import REPOSITORY
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.operations.create_state import NewStrategy, create_state_file
from tradeexecutor.operations.reset import reset_state
from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_flow
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag

ORIGIN = EventOrigin(T0 + DAY, T0 + DAY, 7, "0x" + "ab" * 32, 17, "0x" + "1" * 40)


def make_state_on_a_chain() -> State:
    state = everything()
    book_reserve_flow(state, USDC, Decimal(5), ORIGIN)
    return state


def get_unflagged(state: State) -> list[TradeExecution]:
    """First trades without the flag `open`, and last trades of closed positions without `close`."""
    positions = state.portfolio.get_all_positions()
    first = [next(iter(position.trades.values())) for position in positions]
    last = [position.get_last_trade() for position in state.portfolio.closed_positions.values()]
    return [trade for trade in first if TradeFlag.open not in (trade.flags or ())] + [
        trade for trade in last if TradeFlag.close not in (trade.flags or ())
    ]


@pytest.mark.parametrize("name", ["trend_following", "rebalancing"])
def test_the_result_of_a_demo_is_accepted(name: str):
    state = run_backtest_for_module(REPOSITORY / "examples" / f"{name}.py", progress=False).state
    assert list(find_refused(state.to_dict())) == []
    assert get_unflagged(state) == []


def test_a_state_with_every_kind_of_position_is_accepted():
    state = make_state_on_a_chain()
    assert list(find_refused(state.to_dict())) == []
    assert get_unflagged(state) == []


def test_a_new_state_file_is_accepted(tmp_path: Path):
    state = create_state_file(tmp_path / "state.json", NewStrategy("new", USDC, None))
    assert state.portfolio.get_default_reserve_position().last_sync_at == state.created_at
    assert list(find_refused(state.to_dict())) == []


def test_a_state_that_was_reset_is_accepted():
    state = make_state_on_a_chain()
    reset_state(state, T0 + 9 * DAY)
    assert state.portfolio.get_default_reserve_position().last_sync_at == state.created_at == T0 + 9 * DAY
    assert list(find_refused(state.to_dict())) == []


def _first(table: dict[str, Any]) -> Any:
    return next(iter(table.values()))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda tree: tree.update(cycle=0), ".cycle = 0"),
        (lambda tree: _first(tree["portfolio"]["reserves"])["asset"].update(chain_id=-1), ".chain_id = -1"),
        (lambda tree: _first(tree["portfolio"]["reserves"])["asset"].update(info_url=""), ".info_url = ''"),
        (lambda tree: _first(tree["portfolio"]["reserves"]).update(last_sync_at=None), ".last_sync_at = None"),
        (lambda tree: _first(tree["portfolio"]["open_positions"])["pair"].update(internal_id=0), ".internal_id = 0"),
        (lambda tree: _first(tree["portfolio"]["open_positions"])["pair"].update(pool_address="x"), "_address = 'x'"),
        (lambda tree: _first(_first(tree["portfolio"]["reserves"])["balance_updates"]).update(log_index=3), " = 3"),
    ],
)
def test_the_check_finds_what_clients_refuse(change: Any, found: str):
    tree = copy.deepcopy(make_state_on_a_chain().to_dict())
    change(tree)
    (refused,) = find_refused(tree)
    assert refused.endswith(found)


def test_events_with_a_log_index_as_number_and_as_text_are_the_same_event():
    state = make_state_on_a_chain()
    tree = state.to_dict()
    (key,) = (k for k, e in _first(tree["portfolio"]["reserves"])["balance_updates"].items() if e["log_index"])
    events = _first(tree["portfolio"]["reserves"])["balance_updates"]
    assert events[key]["log_index"] == "0x11"
    events[key]["log_index"] = 17
    old = State.from_dict(tree)
    assert _first(old.to_dict()["portfolio"]["reserves"])["balance_updates"][key]["log_index"] == 17
    events_of = [_first(each.portfolio.reserves).balance_updates[int(key)] for each in (state, old)]
    assert events_of[0] == events_of[1]


def test_flags_of_loaded_trades_stay_as_they_are():
    tree = everything().to_dict()
    for position in tree["portfolio"]["open_positions"].values():
        for trade in position["trades"].values():
            trade["flags"] = None
    assert State.from_dict(tree).to_dict() == tree
