"""Repairs without a command line: what is asked for is data, and so is the answer."""

import datetime

import pytest

from tests.kit.every_kind_trader import Driver
from tests.kit.funded_trader import fail, fund
from tests.kit.trader import WETH_USDC, cash_of
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.operations.repair import RepairKind, RepairRequest, find_unknown_refunds, repair_state
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.repair import ReportedOutcome
from tradeexecutor.state.repair.issues import find_issues
from tradeexecutor.state.state import State

NOW = datetime.datetime(2030, 1, 1)
ALL = frozenset(RepairKind)


def test_a_clean_state_is_left_as_it_is():
    trader = fund()
    trader.buy(WETH_USDC, "1", 2000.0)
    before = trader.state.to_json()
    report = repair_state(trader.state, NOW, RepairRequest(ALL))
    assert (report.done, report.left_alone) == ([], [])
    assert trader.state.to_json() == before


def test_the_report_says_what_was_done_and_what_it_changed():
    trader = fund()
    fail(trader, WETH_USDC, "1", 2000.0)
    trader.start(trader.plan(WETH_USDC, "2", 2000.0)[1])
    report = repair_state(trader.state, NOW, RepairRequest(ALL))
    assert [item.kind for item in report.done] == [RepairKind.unsent, RepairKind.failed, "unfrozen"]
    assert report.done[0].refund == 4000
    assert report.cash == (6000.0, cash_of(trader.state)) == (6000.0, 10_000.0)


def test_a_position_whose_only_trade_failed_is_closed_at_once():
    trader = fund()
    trader.start_and_fail(WETH_USDC, "1", 2000.0)
    assert trader.state.portfolio.open_positions, "not frozen: the program died before"
    report = repair_state(trader.state, NOW, RepairRequest(ALL))
    assert [item.kind for item in report.done] == [RepairKind.failed, RepairKind.empty]
    assert not trader.state.portfolio.open_positions
    assert not find_issues(trader.state, NOW)
    assert not repair_state(trader.state, NOW, RepairRequest(ALL)).done


def test_only_what_was_asked_for_is_repaired():
    trader = fund()
    fail(trader, WETH_USDC, "1", 2000.0)
    trader.start(trader.plan(WETH_USDC, "2", 2000.0)[1])
    report = repair_state(trader.state, NOW, RepairRequest(frozenset({RepairKind.unsent})))
    assert [item.kind for item in report.done] == [RepairKind.unsent]
    assert trader.state.portfolio.frozen_positions


@pytest.mark.parametrize(
    "request_",
    [
        RepairRequest(ALL, failed=frozenset({99})),
        RepairRequest(ALL, failed=frozenset({1}), filled={1: ReportedOutcome()}),
    ],
    ids=["no such trade", "both outcomes"],
)
def test_a_report_about_no_trade_or_of_two_outcomes_is_refused(request_: RepairRequest):
    trader = fund()
    fail(trader, WETH_USDC, "1", 2000.0)
    before = trader.state.to_json()
    with pytest.raises(OperationRefused):
        repair_state(trader.state, NOW, request_)
    assert trader.state.to_json() == before


def make_state_of_unknown_refund() -> State:
    """A state that does not tell what the cash was before the failure."""
    driver = Driver()
    trade = driver.fail_to_buy(700)
    driver.reserve.balance_updates.clear()
    driver.reserve.initial_deposit = None
    trade.portfolio_value_at_creation = None
    return driver.state


def test_what_the_state_does_not_tell_has_to_be_said():
    state = make_state_of_unknown_refund()
    ((trade, _),) = find_unknown_refunds(state)
    report = repair_state(state, NOW, RepairRequest(ALL))
    assert report.left_alone[0].remedy is Remedy.report_refund
    answered = repair_state(state, NOW, RepairRequest(ALL, answers={trade.trade_id: True}))
    assert [item.trade_id for item in answered.done if item.kind == RepairKind.failed] == [trade.trade_id]
