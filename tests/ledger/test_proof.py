"""What was changed behind the ledger's back is found, at the right place."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.every_kind_trader import (
    A_USDC,
    ACCOUNT,
    RAW_UNIT,
    V_WETH,
    D,
    Driver,
    assert_balanced,
    find,
    load_copy,
)
from tests.kit.trader import BRIDGE, FAR_WETH_USDC, USDC, VAULT, WETH, WETH_USDC
from tradeexecutor.ledger.entry import EntryKind
from tradeexecutor.ledger.explanation import CauseKind
from tradeexecutor.ledger.journal import derive
from tradeexecutor.ledger.proof import Finding, Verdict, prove
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.booking.treasury import book_vault_flow, redeem_in_kind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution


def busy() -> Driver:
    """A deposit, four trades and a redemption, with a sample after each."""
    driver = Driver()
    driver.sample()
    for event in (
        lambda: driver.buy(1_000),
        lambda: driver.fail_to_buy(700),
        lambda: driver.sell("0.2", price=2_100.0),
        lambda: driver.redeem(50),
        lambda: driver.buy(300, reserve="299.5"),
    ):
        event()
        driver.sample()
    assert_balanced(driver.state)
    return driver


def cash(state: State) -> Finding:
    return find(prove(state), "USDC cash")


def get_trade(state: State, number: int) -> TradeExecution:
    trade = state.portfolio.get_trade_by_id(number)
    assert trade is not None
    return trade


def get_kinds(finding: Finding) -> list[CauseKind]:
    return [cause.kind for item in finding.breaks for cause in item.causes]


# --- One raw unit


@pytest.mark.parametrize("amount", [RAW_UNIT, -RAW_UNIT])
def test_one_raw_unit_of_cash_is_found(amount: Decimal):
    state = load_copy(busy().state)
    state.portfolio.get_default_reserve_position().quantity += amount
    finding = cash(state)
    assert (finding.verdict, finding.difference) == (Verdict.mismatch, amount)
    (item,) = finding.breaks
    assert item.change.amount == amount
    assert not item.is_explained
    assert item.change.before is not None
    assert item.change.before.source == "sample of the cash"
    assert item.change.after.source == "the balance as it is now"
    assert item.first_entry is None  # nothing happened after the last sample
    assert not prove(state).is_balanced
    (conservation,) = [item for item in prove(state).conservation if item.symbol == "USDC"]
    assert conservation.difference == amount


Change = Callable[[TradingPosition], Any]


def change_loan(side: str, part: str, attribute: str) -> Change:
    def change(position: TradingPosition) -> None:
        assert position.loan is not None
        tracker = getattr(position.loan, side if part == "tracker" else f"{side}_interest")
        setattr(tracker, attribute, getattr(tracker, attribute) + Decimal("1E-6"))

    return change


@pytest.mark.parametrize(
    ("side", "part", "attribute", "name"),
    [
        ("collateral", "tracker", "quantity", "aPolUSDC collateral of position #1: principal"),
        ("collateral", "interest", "last_token_amount", "aPolUSDC collateral of position #1: tokens"),
        ("collateral", "interest", "last_accrued_interest", "aPolUSDC collateral of position #1: interest"),
        ("collateral", "interest", "interest_payments", "aPolUSDC collateral of position #1: interest claimed"),
        ("borrowed", "tracker", "quantity", "variableDebtPolWETH debt of position #1: principal"),
        ("borrowed", "interest", "last_token_amount", "variableDebtPolWETH debt of position #1: tokens"),
        ("borrowed", "interest", "last_accrued_interest", "variableDebtPolWETH debt of position #1: interest"),
        ("borrowed", "interest", "interest_payments", "variableDebtPolWETH debt of position #1: interest repaid"),
    ],
)
def test_every_figure_of_a_loan_is_checked(side: str, part: str, attribute: str, name: str):
    driver = Driver()
    position = driver.position_of(driver.short("-1", 1_000, "2000"))
    driver.accrue(position, A_USDC, "3")
    driver.accrue(position, V_WETH, "0.002")
    assert_balanced(driver.state)
    change_loan(side, part, attribute)(position)
    proof = prove(driver.state)
    (finding,) = proof.get_findings(Verdict.mismatch)
    assert (finding.name, finding.difference) == (name, D("1E-6"))


def test_capital_lent_to_the_far_chain_is_checked():
    driver = Driver()
    driver.buy(2_000, BRIDGE, 1.0)
    driver.buy(1_500, FAR_WETH_USDC, 1_000.0)
    driver.state.portfolio.open_positions[1].bridge_capital_allocated -= RAW_UNIT
    (finding,) = prove(driver.state).get_findings(Verdict.mismatch)
    assert finding.name == "USDC of position #1: capital lent to trades on the far chain"
    assert finding.difference == -RAW_UNIT


def test_capital_in_flight_is_checked():
    driver = Driver()
    trade = driver.send(driver.plan(WETH_USDC, 2_000.0, reserve=1_000))
    trade.reserve_currency_allocated = D("999.999999")
    (finding,) = prove(driver.state).get_findings(Verdict.mismatch)
    assert finding.name == "capital in flight for position #1"
    assert finding.difference == -RAW_UNIT
    trade.reserve_currency_allocated = None
    (finding,) = prove(driver.state).get_findings(Verdict.mismatch)
    assert finding.recorded == 0


def test_capital_waiting_elsewhere_is_checked():
    driver = Driver()
    vault = driver.send(driver.plan(VAULT, 1.25, reserve=1_000))
    driver.state.mark_vault_settlement_pending(driver.tick().happened_at, vault, {})
    bridge = driver.send(driver.plan(BRIDGE, 1.0, reserve=500))
    driver.state.mark_bridge_in_transit(driver.tick().happened_at, bridge)
    vault.reserve_currency_allocated = D(1_001)
    bridge.reserve_currency_allocated = D(499)
    wrong = prove(driver.state).get_findings(Verdict.mismatch)
    assert {item.name: item.difference for item in wrong} == {
        "capital that waits for the vault to settle for position #1": 1,
        "capital in transit between chains for position #2": -1,
    }


# --- Trades and events that are not there


@pytest.mark.parametrize("number", [1, 3, 4])
def test_a_trade_that_was_deleted_is_found(number: int):
    state = load_copy(busy().state)
    position = next(item for item in state.portfolio.open_positions.values() if number in item.trades)
    trade = position.trades.pop(number)
    proof = prove(state)
    finding = find(proof, "USDC cash")
    assert finding.verdict is Verdict.mismatch
    moved = trade.executed_reserve
    assert moved is not None
    assert finding.difference == (-moved if trade.is_buy() else moved)
    (item,) = finding.breaks
    before, after = item.change.before, item.change.after
    assert before is not None
    assert before.time is not None
    assert after.time is not None
    assert trade.executed_at is not None
    assert before.time < trade.executed_at < after.time
    assert proof.remarks == [f"the file lacks trade #{number}"]


def test_a_position_whose_purchase_was_deleted_cannot_be_proven():
    driver = busy()
    driver.sell(str(driver.state.portfolio.open_positions[1].get_quantity()))
    state = load_copy(driver.state)
    del state.portfolio.closed_positions[1].trades[1]
    proof = prove(state)
    assert find(proof, "USDC cash").verdict is Verdict.mismatch
    finding = find(proof, "WETH of position #1")
    assert (finding.verdict, finding.difference) == (Verdict.unprovable, 0)
    assert finding.reason == (
        "0.5 WETH more left position #1 than had come in, after: trade #5 sells WETH, and the file does not have all "
        "entries: the file lacks trade #1"
    )


def test_a_closed_position_whose_sale_was_deleted_cannot_be_proven():
    driver = Driver()
    driver.buy(1_000)
    sale = driver.sell("0.5")
    state = load_copy(driver.state)
    del state.portfolio.closed_positions[1].trades[sale.trade_id]
    state.portfolio.next_trade_id += 1
    finding = find(prove(state), "WETH of position #1")
    assert finding.verdict is Verdict.unprovable
    assert finding.reason.startswith("position #1 is closed, but its trades and events leave 0.5 WETH, and the file ")
    assert finding.reason.endswith("the file lacks trades #2, #3")


def test_selling_more_than_there_was_is_remarked():
    """All entries are there, and the balance is their sum: it is only odd."""
    driver = Driver()
    driver.buy(1_000)
    sale = driver.send(driver.plan(WETH_USDC, 2_000.0, quantity="-0.5"))
    sale.blockchain_transactions = [BlockchainTransaction(tx_hash="0x01", status=True)]
    driver.succeed(sale, quantity=D("-0.75"))
    assert [str(item) for item in prove(driver.state).impossible] == [
        "the holding of position #1 is -0.25 WETH, and cannot be less than nothing"
    ]
    finding = find(assert_balanced(driver.state), "WETH of position #1")
    assert finding.recorded == D("-0.25")
    assert finding.remarks == ["0.25 WETH more left position #1 than had come in, after: trade #2 sells WETH"]


def test_a_position_that_was_written_off_keeps_its_tokens():
    driver = Driver()
    position = driver.position_of(driver.buy(1_000))
    driver.state.portfolio.mark_down_position(position)
    assert find(assert_balanced(driver.state), "WETH of position #1").remarks == []


def test_a_balance_update_that_was_deleted_is_found():
    state = load_copy(busy().state)
    reserve = state.portfolio.get_default_reserve_position()
    del reserve.balance_updates[2]
    proof = prove(state)
    finding = find(proof, "USDC cash")
    assert (finding.verdict, finding.difference) == (Verdict.mismatch, -50)
    assert proof.remarks == ["the file lacks balance update #2"]


def test_a_flow_whose_number_was_used_twice_is_found():
    """The second event with the number took the place of the first, which is lost."""
    driver = Driver()
    position = driver.position_of(driver.buy(500, ACCOUNT, 1.0))
    for gained in ("1", "0.0324", "2", "3"):
        book_vault_flow(driver.state, position, D(gained), driver.tick())
    events = list(position.balance_updates.values())
    lost, later = events[1], events[3]
    del position.balance_updates[later.balance_update_id]
    later.balance_update_id = lost.balance_update_id
    later.block_mined_at = later.strategy_cycle_included_at = later.created_at = driver.ts + datetime.timedelta(days=9)
    position.balance_updates[lost.balance_update_id] = later
    driver.state.portfolio.next_balance_update_id -= 1
    finding = find(prove(driver.state), "ACCOUNT of position #1")
    assert finding.verdict is Verdict.recovered
    missing, settled = finding.breaks
    assert missing.change.amount == D("0.0324")
    assert "the number was used twice, and the first event that had it is lost" in missing.notes[0]
    assert get_kinds(finding) == [CauseKind.unexplained, CauseKind.restored]
    assert settled.change.is_recovery


# --- What old programs did


def test_unspent_capital_that_was_kept_is_named():
    state = load_copy(busy().state)
    state.portfolio.get_default_reserve_position().quantity -= D("0.5")
    state.stats.portfolio[-1].free_cash -= 0.5  # type: ignore[operator]
    finding = cash(state)
    (cause,) = finding.breaks[0].causes
    assert (cause.kind, cause.amount, cause.trade_id) == (CauseKind.unspent_kept, D("-0.5"), 4)
    entry = finding.breaks[0].first_entry
    assert entry is not None
    assert derive(state).entries[entry].description == "trade #4 buys WETH"
    assert cause.text == "what trade #4 had set aside and did not spend was not given back"


def test_unspent_capital_that_a_sync_put_right_is_recovered():
    driver = Driver()
    driver.buy(1_000, reserve="999.25")
    driver.buy(1_000, reserve="999.5")
    driver.reserve.quantity -= D("1.25")
    driver.sample()
    driver.reserve.quantity += D("1.25")
    driver.sample()
    finding = cash(driver.state)
    assert finding.verdict is Verdict.recovered
    assert finding.difference == 0
    assert get_kinds(finding) == [CauseKind.unspent_kept, CauseKind.unspent_kept, CauseKind.restored]
    assert prove(driver.state).is_balanced


def test_a_sync_that_books_unspent_capital_as_a_deposit_is_seen():
    driver = Driver()
    driver.buy(1_000, reserve="999.25")
    driver.reserve.quantity -= D("0.75")
    driver.deposit("0.75")
    finding = cash(driver.state)
    assert (finding.verdict, finding.difference) == (Verdict.mismatch, D("-0.75"))
    (item,) = finding.breaks
    assert [cause.kind for cause in item.causes] == [CauseKind.unspent_kept]
    assert item.notes == ["balance update #2 then books this amount as a deposit"]


def test_capital_of_a_failed_trade_that_did_not_come_back_is_named():
    driver = Driver()
    driver.fail_to_buy(750)
    driver.reserve.quantity -= 750
    driver.sample()
    finding = cash(driver.state)
    (cause,) = finding.breaks[0].causes
    assert (cause.kind, cause.amount, cause.trade_id) == (CauseKind.refund_missing, -750, 1)
    assert cause.text == "the capital of failed trade #1 was not given back"


def test_a_refund_that_was_given_twice_is_named():
    driver = Driver()
    trade = driver.fail_to_buy(750)
    driver.sample()
    trade.repaired_at = trade.executed_at = driver.tick().happened_at
    trade.executed_quantity = trade.executed_reserve = trade.planned_reserve = D(0)
    driver.reserve.quantity += 750
    finding = cash(driver.state)
    (cause,) = finding.breaks[0].causes
    assert (cause.kind, cause.amount, cause.trade_id) == (CauseKind.refund_repeated, 750, 1)
    assert cause.text.startswith("the repair of failed trade #1 gave its capital back")


def test_a_refund_given_twice_at_once_is_named():
    driver = Driver()
    driver.fail_to_buy(750)
    driver.reserve.quantity += 750
    (cause,) = cash(driver.state).breaks[0].causes
    assert cause.text == "the capital of failed trade #1 was given back twice"


def test_an_event_that_was_recorded_and_not_applied_is_named():
    state = load_copy(busy().state)
    state.portfolio.get_default_reserve_position().quantity += 50
    for sample in state.stats.portfolio[4:]:
        assert sample.free_cash is not None
        sample.free_cash += 50
    finding = cash(state)
    (cause,) = finding.breaks[0].causes
    assert (cause.kind, cause.balance_update_id) == (CauseKind.not_booked, 2)
    assert cause.text == "the recorded balance was not changed by: balance update #2: redemption of USDC cash"


def test_debt_that_was_booked_as_planned_is_named():
    driver = Driver()
    driver.short("-0.5", 1_000, "1000")
    trade = driver.short("0.2", 0, "-400", "0")
    position = driver.position_of(trade)
    state = load_copy(driver.state)
    trade = get_trade(state, trade.trade_id)
    trade.executed_quantity = D("0.1")
    for finding in prove(state).get_findings(Verdict.mismatch):
        (cause,) = finding.breaks[0].causes
        assert cause.kind is CauseKind.plan_booked
        assert finding.difference == D("-0.1")
    assert prove(state).has_mismatch
    assert position.position_id == 1


def test_a_tracker_that_a_recall_did_not_lower_is_named():
    driver = Driver()
    driver.supply(100)
    closing = driver.supply(-100)
    position = driver.state.portfolio.closed_positions[1]
    for loan in (position.loan, closing.executed_loan_update):
        assert loan is not None
        loan.collateral_interest.last_token_amount = D(100)
    (finding,) = prove(driver.state).get_findings(Verdict.mismatch)
    assert finding.name == "aPolUSDC collateral of position #1: tokens"
    (cause,) = finding.breaks[0].causes
    assert (cause.kind, cause.trade_id) == (CauseKind.not_booked, closing.trade_id)


def test_two_causes_between_two_balances_are_both_named():
    driver = Driver()
    driver.buy(1_000, reserve="999.25")
    driver.fail_to_buy(750)
    driver.reserve.quantity -= D("750.75")
    finding = cash(driver.state)
    assert sorted(get_kinds(finding)) == [CauseKind.refund_missing, CauseKind.unspent_kept]


def test_reserves_set_by_a_sync_are_said_to_be_unexplained():
    driver = Driver()
    driver.buy(500, ACCOUNT, 1.0)
    position = driver.state.portfolio.open_positions[1]
    driver.sample()
    driver.reserve.quantity -= 200
    book_vault_flow(driver.state, position, D(203), driver.tick())
    driver.sample()
    finding = cash(driver.state)
    assert finding.verdict is Verdict.mismatch
    (item,) = finding.breaks
    assert [cause.kind for cause in item.causes] == [CauseKind.unexplained]
    assert "the vault flows of position #1 add up to 203" in item.notes[0]


# --- What cannot be proven


def test_an_opening_balance_that_nothing_records_cannot_be_proven():
    driver = Driver()
    reserve = driver.reserve
    reserve.balance_updates.clear()
    reserve.initial_deposit = None
    driver.state.portfolio.next_balance_update_id = 1
    driver.buy(1_000)
    proof = prove(driver.state)
    finding = find(proof, "USDC cash")
    assert (finding.verdict, finding.difference) == (Verdict.unprovable, 10_000)
    assert "value of the portfolio when trade #1 was planned of 2022-01-01 00:00:02: 10000)" in finding.reason
    assert finding.reason.endswith("from there on everything adds up")
    assert not proof.is_balanced
    assert not proof.has_mismatch
    reserve.quantity -= RAW_UNIT
    finding = cash(driver.state)
    assert finding.verdict is Verdict.mismatch
    assert finding.breaks[0].change.amount == -RAW_UNIT


def test_an_opening_balance_without_anything_to_compare_it_with_cannot_be_proven():
    driver = Driver()
    driver.reserve.balance_updates.clear()
    driver.reserve.initial_deposit = None
    assert cash(driver.state).reason.endswith("there is no earlier balance to compare with")


def test_an_initial_deposit_without_an_event_is_an_entry():
    driver = Driver()
    driver.reserve.balance_updates.clear()
    driver.sample()
    driver.buy(1_000)
    driver.state.portfolio.next_balance_update_id = 1
    (entry, *_) = derive(driver.state).entries
    assert entry.kind is EntryKind.opening
    assert entry.time == driver.state.stats.portfolio[0].calculated_at
    assert_balanced(driver.state)


def test_balances_whose_events_were_pruned_cannot_be_proven():
    driver = Driver()
    credit = driver.position_of(driver.supply(4_000))
    driver.accrue(credit, A_USDC, "10")
    driver.supply(-4_010)
    bought = driver.position_of(driver.buy(1_000))
    redeem_in_kind(driver.state, bought, D("0.1"), driver.tick())
    driver.sell("0.4")
    plain = driver.position_of(driver.buy(500))
    driver.sell("0.25")
    assert_balanced(driver.state)
    for position in driver.state.portfolio.closed_positions.values():
        position.balance_updates.clear()
    proof = prove(driver.state)
    assert not proof.has_mismatch
    assert not proof.is_balanced
    unprovable = {item.name for item in proof.get_findings(Verdict.unprovable)}
    assert f"WETH of position #{bought.position_id}" in unprovable
    assert "aPolUSDC collateral of position #1: interest" in unprovable
    assert f"WETH of position #{plain.position_id}" not in unprovable  # its trades say it all
    assert find(proof, "USDC cash").verdict is Verdict.balanced
    assert all("which were pruned" in item.reason for item in proof.get_findings(Verdict.unprovable))
    assert proof.remarks == ["the file lacks balance updates #2, #3"]


def test_tokens_that_a_position_keeps_no_balance_of_cannot_be_proven():
    driver = Driver()
    position = driver.position_of(driver.buy(1_000))
    event = redeem_in_kind(driver.state, position, D("0.1"), driver.tick())
    event.asset = USDC
    finding = find(prove(driver.state), "USDC of position #1")
    assert finding.verdict is Verdict.unprovable
    assert finding.derived == D("-0.1")


# --- Order


def test_events_of_one_second_are_taken_in_any_order_that_agrees():
    """Files keep whole seconds: a deposit and the outcome of a trade may have come in either order."""
    driver = Driver()
    trade = driver.send(driver.plan(WETH_USDC, 2_000.0, reserve=1_000))
    driver.fail(trade)
    driver.ts -= datetime.timedelta(seconds=1)
    event = driver.deposit(5)  # after the failure, and with its time
    assert event.created_at == trade.failed_at
    assert event.old_balance == 10_000
    assert_balanced(driver.state)


def test_a_sample_may_be_taken_a_while_after_the_time_it_carries():
    driver = Driver()
    sample = driver.sample()
    driver.buy(1_000)
    sample.free_cash = 9_000.0
    assert_balanced(driver.state)
    sample.free_cash = 9_000.5
    finding = cash(driver.state)
    assert finding.verdict is Verdict.recovered


def test_samples_of_the_cash_do_not_count_when_it_is_not_worth_a_dollar():
    driver = Driver()
    driver.sample().free_cash = 9_990.0
    driver.reserve.reserve_token_price = 0.999
    assert_balanced(driver.state)
    driver.reserve.reserve_token_price = 1.0
    assert cash(driver.state).verdict is Verdict.recovered


def test_a_block_time_before_the_start_of_the_trade_changes_nothing():
    driver = Driver()
    trade = driver.buy(1_000)
    assert trade.started_at is not None
    trade.executed_at = trade.started_at - datetime.timedelta(seconds=5)
    assert_balanced(driver.state)
    assert [entry.kind for entry in derive(driver.state).entries][1:] == [
        EntryKind.trade_started,
        EntryKind.trade_succeeded,
    ]


def test_what_is_found_names_the_first_entry_of_all():
    driver = busy()
    assert prove(driver.state).get_first_entry() is None
    driver.state.stats.portfolio.clear()
    driver.reserve.quantity += D("12.5")
    driver.state.portfolio.open_positions[1].trades[1].executed_quantity = D(1)
    driver.reserve.quantity -= D("12.5")
    assert prove(driver.state).is_balanced  # the position's own figure follows the trade
    driver.fail_to_buy(100)
    driver.reserve.quantity -= 100
    entry = prove(driver.state).get_first_entry()
    assert entry is not None
    assert entry.kind is EntryKind.trade_failed
    assert WETH.token_symbol == "WETH"
