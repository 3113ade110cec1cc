"""A preview shows what an operation does, and does nothing."""

import pytest

from tests.kit.trader import T0, WETH_USDC, Trader, new_state
from tradeexecutor.state.codec.json_patch import Change, apply_patch
from tradeexecutor.state.errors import PositionNotFound
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.repair.preview import Move, preview_change
from tradeexecutor.state.state import State


@pytest.fixture
def state() -> State:
    trader = Trader(new_state(20_000), 0.0, 1.0)
    trader.buy(WETH_USDC, "2", 2000.0)
    trader.start_and_fail(WETH_USDC, "-1", 2000.0)
    return trader.state


def freeze(state: State) -> int:
    trades = list(state.portfolio.get_all_trades())
    return len(freeze_position_on_failed_trade(T0, state, trades)[1])


def test_the_state_stays_and_the_copy_is_what_the_operation_would_make_of_it(state: State):
    before = state.to_json_bytes()
    preview = preview_change(state, freeze)
    assert preview.result == 1
    assert state.to_json_bytes() == before
    assert apply_patch(preview.before, preview.patch) == preview.after
    freeze(state)
    assert preview.state.to_json_bytes() == state.to_json_bytes()


def test_a_position_that_changes_its_table_is_shown_as_a_move(state: State):
    described = list(preview_change(state, freeze).describe())
    source, target = ("portfolio", "open_positions", "1"), ("portfolio", "frozen_positions", "1")
    assert described[0] == Move(source, target)
    assert {item.path for item in described[1:] if isinstance(item, Change)} == {
        (*target, "frozen_at"),
        (*target, "notes"),
    }


def test_an_operation_that_changes_nothing_is_empty(state: State):
    preview = preview_change(state, lambda copy: copy.portfolio.get_cash())
    assert preview.is_empty
    assert preview.result == state.portfolio.get_cash()


def test_what_the_operation_raises_is_raised(state: State):
    before = state.to_json_bytes()
    with pytest.raises(PositionNotFound):
        preview_change(state, lambda copy: copy.portfolio.get_position_by_id(99))
    assert state.to_json_bytes() == before
