"""Did the capital of a failed trade come back?  The balances recorded afterwards tell."""

import pytest

from tests.kit.every_kind_trader import D, Driver
from tests.kit.trader import BRIDGE, FAR_WETH_USDC, WETH_USDC
from tradeexecutor.ledger.proof import prove
from tradeexecutor.ledger.refunds import RefundAnswer, RefundReason, find_refund
from tradeexecutor.state.repair import repair_trade, repair_tx_missing

YES, NO, UNKNOWN = RefundAnswer.yes, RefundAnswer.no, RefundAnswer.unknown


def keep_capital(driver: Driver, amount: int = 750) -> int:
    """Fail a purchase the way old programs did, without giving its capital back; return its number."""
    trade = driver.fail_to_buy(amount)
    driver.reserve.quantity -= amount
    return trade.trade_id


def repair_with_credit(driver: Driver, number: int) -> None:
    """Repair a trade the way old programs did: its plan goes to the cash and is set to zero."""
    trade = driver.state.portfolio.get_trade_by_id(number)
    assert trade is not None
    driver.reserve.quantity += trade.planned_reserve
    trade.repaired_at = trade.executed_at = driver.tick().happened_at
    trade.executed_quantity = trade.executed_reserve = trade.planned_reserve = D(0)


def test_capital_of_a_trade_that_failed_today_came_back():
    driver = Driver()
    trade = driver.fail_to_buy(750)
    refund = find_refund(driver.state, trade.trade_id)
    assert (refund.answer, refund.amount, refund.times) == (YES, 750, 1)
    assert refund.evidence == "the balance as it is now contains it"
    assert refund.reason is RefundReason.contained


def test_the_first_balance_after_the_failure_is_the_evidence():
    driver = Driver()
    trade = driver.fail_to_buy(750)
    sample = driver.sample()
    refund = find_refund(driver.state, trade.trade_id, prove(driver.state))
    assert refund.evidence == f"the sample of the cash of {sample.calculated_at} contains it"


def test_capital_that_old_programs_kept_did_not():
    driver = Driver()
    number = keep_capital(driver)
    driver.sample()
    driver.buy(100)
    refund = find_refund(driver.state, number)
    assert (refund.answer, refund.times) == (NO, 0)
    assert refund.evidence.endswith("lacks it, and nothing gave it back since")
    assert refund.reason is RefundReason.missing


def test_capital_that_a_later_sync_put_right_came_back():
    driver = Driver()
    number = keep_capital(driver)
    driver.sample()
    driver.reserve.quantity += 750
    driver.sample()
    refund = find_refund(driver.state, number)
    assert (refund.answer, refund.times) == (YES, 1)
    assert " lacks it, the sample of the cash of " in refund.evidence
    assert refund.reason is RefundReason.contained_later


def test_a_repair_may_have_given_it_back():
    driver = Driver()
    number = keep_capital(driver)
    driver.sample()
    repair_with_credit(driver, number)
    refund = find_refund(driver.state, number)
    assert (refund.answer, refund.amount, refund.times) == (YES, 750, 1)
    assert prove(driver.state).is_balanced


def test_a_repair_may_have_given_it_back_a_second_time():
    driver = Driver()
    number = driver.fail_to_buy(750).trade_id
    driver.sample()
    repair_with_credit(driver, number)
    refund = find_refund(driver.state, number)
    assert (refund.answer, refund.times) == (YES, 2)
    assert refund.evidence.endswith("contains it, and it was given back once more")


def test_our_own_repair_gives_it_back_only_when_it_is_missing():
    driver = Driver()
    portfolio = driver.state.portfolio
    missing, returned = keep_capital(driver), driver.fail_to_buy(500).trade_id
    driver.sample()
    for number in (missing, returned):
        trade = portfolio.get_trade_by_id(number)
        assert trade is not None
        answer = find_refund(driver.state, number).answer
        repair_trade(portfolio, trade, driver.tick().happened_at, allocation_returned=answer is YES)
    assert driver.reserve.quantity == 10_000
    assert prove(driver.state).is_balanced
    assert [find_refund(driver.state, number).times for number in (missing, returned)] == [1, 1]


def test_of_two_equal_failures_with_one_refund_neither_is_certain():
    driver = Driver()
    driver.sample()
    first = keep_capital(driver)
    second = driver.fail_to_buy(750).trade_id
    driver.sample()
    assert [find_refund(driver.state, number).answer for number in (first, second)] == [UNKNOWN, UNKNOWN]


def test_two_different_failures_are_told_apart():
    driver = Driver()
    first = keep_capital(driver, 750)
    second = driver.fail_to_buy(500).trade_id
    driver.sample()
    assert [find_refund(driver.state, number).answer for number in (first, second)] == [NO, YES]


def test_what_else_went_wrong_between_the_same_balances_hides_it():
    driver = Driver()
    driver.sample()
    number = keep_capital(driver)
    driver.reserve.quantity -= D("3.21")
    driver.sample()
    refund = find_refund(driver.state, number)
    assert (refund.answer, refund.times) == (UNKNOWN, None)
    assert refund.reason is RefundReason.other_differences


def test_a_cash_that_nothing_was_recorded_of_before_says_nothing():
    driver = Driver()
    number = driver.fail_to_buy(750).trade_id
    driver.reserve.balance_updates.clear()
    driver.reserve.initial_deposit = None
    trade = driver.state.portfolio.get_trade_by_id(number)
    assert trade is not None
    trade.portfolio_value_at_creation = None
    assert find_refund(driver.state, number).reason is RefundReason.not_recorded_before
    trade.portfolio_value_at_creation = 10_000.0
    assert find_refund(driver.state, number).answer is YES


def test_capital_that_is_stuck_did_not_come_back():
    driver = Driver()
    trade = driver.send(driver.plan(WETH_USDC, 2_000.0, reserve=1_000))
    trade.other_data = {"hypercore_deposit_capital_at_risk": {"amount_raw": 5}}
    driver.fail(trade)
    refund = find_refund(driver.state, trade.trade_id)
    assert (refund.answer, refund.amount) == (NO, 1_000)
    assert refund.reason is RefundReason.stuck_outside


def test_capital_of_the_far_chain_goes_back_there():
    driver = Driver()
    driver.buy(2_000, BRIDGE, 1.0)
    trade = driver.fail(driver.send(driver.plan(FAR_WETH_USDC, 1_000.0, reserve=1_500)))
    assert find_refund(driver.state, trade.trade_id).answer is YES
    driver.state.portfolio.open_positions[1].bridge_capital_allocated += 1_500
    assert find_refund(driver.state, trade.trade_id).answer is NO


def test_a_trade_that_was_repaired_without_an_outcome():
    driver = Driver()
    trade = driver.start(driver.plan(WETH_USDC, 2_000.0, reserve=1_000))
    repair_tx_missing(driver.state.portfolio, trade, driver.tick().happened_at)
    assert find_refund(driver.state, trade.trade_id).times == 1
    driver.reserve.quantity -= 1_000  # what old programs did
    assert find_refund(driver.state, trade.trade_id).answer is NO


@pytest.mark.parametrize("fails", [True, False])
def test_a_trade_without_capital_had_nothing_to_come_back(fails: bool):
    driver = Driver()
    driver.buy(1_000)
    trade = driver.send(driver.plan(WETH_USDC, 2_000.0, quantity="-0.5"))
    if fails:
        driver.fail(trade)
    refund = find_refund(driver.state, trade.trade_id)
    assert (refund.answer, refund.amount, refund.times) == (YES, 0, 0)
    assert refund.reason is RefundReason.nothing_set_aside


def test_every_reason_has_its_answer():
    assert {reason.answer for reason in RefundReason} == {YES, NO, UNKNOWN}
    assert len({reason.value for reason in RefundReason}) == len(RefundReason) == 9
