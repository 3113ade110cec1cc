"""Every kind of event is booked, and after each the state holds what its entries say: trades and flows of cash."""

import pytest

from tests.kit.every_kind_trader import (
    ACCOUNT,
    CREDIT,
    D,
    Driver,
    assert_balanced,
    balance,
    find,
    load_copy,
)
from tests.kit.trader import BRIDGE, FAR_USDC, FAR_WETH, FAR_WETH_USDC, SHARES, USDC, VAULT, WETH, WETH_USDC
from tradeexecutor.ledger.entry import AccountKind, EntryKind
from tradeexecutor.ledger.journal import derive
from tradeexecutor.ledger.proof import Verdict, prove
from tradeexecutor.state.booking.treasury import (
    book_position_correction,
    book_vault_flow,
    book_vault_settlement,
    redeem_in_kind,
)
from tradeexecutor.state.repair import close_position_with_empty_trade, repair_trades, repair_tx_missing
from tradeexecutor.state.trade import TradeFlag

CASH, IN_FLIGHT, HOLDING = AccountKind.cash, AccountKind.in_flight, AccountKind.holding


def kinds(driver: Driver) -> list[EntryKind]:
    return [entry.kind for entry in derive(driver.state).entries]


# --- Cash


def test_deposits_redemptions_and_corrections_of_cash():
    driver = Driver(10_000)
    driver.deposit("500.5")
    driver.redeem(2_000)
    driver.correct_cash("-0.25")
    assert kinds(driver) == [EntryKind.deposit, EntryKind.deposit, EntryKind.redemption, EntryKind.correction]
    proof = assert_balanced(driver.state)
    (item,) = proof.conservation
    assert item.came_in == {AccountKind.external: D("8500.5"), AccountKind.correction: D("-0.25")}
    assert item.derived == item.recorded == D("8500.25")


def test_a_settlement_of_a_vault_books_the_net_flow():
    driver = Driver()
    book_vault_settlement(driver.state, USDC, D(-300), driver.tick(), share_count=D(100))
    book_vault_settlement(driver.state, USDC, D(0), driver.tick(), share_count=D(100))
    assert kinds(driver) == [EntryKind.deposit, EntryKind.deposit_and_redemption]
    assert balance(driver.state, CASH, USDC) == 9_700
    assert_balanced(driver.state)


# --- Spot


def test_a_purchase_goes_through_capital_in_flight():
    driver = Driver()
    trade = driver.start(driver.plan(WETH_USDC, 2_000.0, reserve=1_000))
    assert balance(driver.state, IN_FLIGHT, USDC, trade.position_id) == 1_000
    proof = assert_balanced(driver.state)
    assert find(proof, "capital in flight for position #1").recorded == 1_000
    driver.state.mark_broadcasted(driver.tick().happened_at, trade)
    driver.succeed(trade)
    assert balance(driver.state, IN_FLIGHT, USDC, trade.position_id) == 0
    proof = assert_balanced(driver.state)
    assert not [item for item in proof.findings if "in flight" in item.name]


def test_what_a_purchase_did_not_spend_comes_back():
    driver = Driver()
    driver.buy(1_000, reserve="990.123456")
    assert balance(driver.state, CASH, USDC) == D("9009.876544")
    assert_balanced(driver.state)


def test_a_purchase_may_spend_more_than_it_had_set_aside():
    driver = Driver()
    driver.buy(1_000, reserve="1000.000001")
    assert balance(driver.state, CASH, USDC) == D("8999.999999")
    assert_balanced(driver.state)


def test_a_purchase_that_does_not_report_what_it_spent_spent_everything():
    driver = Driver()
    driver.buy(1_000, reserve=0)
    assert balance(driver.state, CASH, USDC) == 9_000
    assert_balanced(driver.state)


def test_sales_move_nothing_until_they_succeed():
    driver = Driver()
    driver.buy()
    trade = driver.send(driver.plan(WETH_USDC, 2_100.0, quantity="-0.2"))
    assert kinds(driver)[-1] is EntryKind.trade_succeeded  # that of the purchase
    assert balance(driver.state, HOLDING, WETH, 1) == D("0.5")
    assert_balanced(driver.state)
    driver.succeed(trade, reserve="419.5")
    assert balance(driver.state, HOLDING, WETH, 1) == D("0.3")
    assert balance(driver.state, CASH, USDC) == D("9419.5")
    driver.sell("0.3")
    assert driver.state.portfolio.closed_positions
    assert_balanced(driver.state)


def test_fees_and_gas_are_recorded_and_move_nothing():
    driver = Driver()
    plain = Driver()
    plain.buy()
    trade = driver.send(driver.plan(WETH_USDC, 2_000.0, reserve=1_000))
    driver.state.mark_trade_success(driver.ts, trade, 2_000.0, D("0.5"), D(1_000), 3.5, 1_900.0, cost_of_gas=D("0.01"))
    assert derive(driver.state).balances == derive(plain.state).balances


def test_the_capital_of_a_failed_purchase_comes_back_once():
    driver = Driver()
    trade = driver.fail_to_buy()
    assert kinds(driver)[1:] == [EntryKind.trade_started, EntryKind.trade_failed]
    assert trade.reserve_currency_allocated == 1_000  # kept as evidence
    assert balance(driver.state, CASH, USDC) == 10_000
    assert_balanced(driver.state)


def test_a_failed_sale_moves_nothing():
    driver = Driver()
    driver.buy()
    driver.fail(driver.send(driver.plan(WETH_USDC, 2_000.0, quantity="-0.5")))
    assert len(derive(driver.state).entries) == 3
    assert_balanced(driver.state)


def test_a_repair_moves_nothing():
    driver = Driver()
    driver.fail_to_buy()
    before = derive(driver.state).balances
    result = repair_trades(driver.state, now=driver.tick().happened_at)
    assert len(result.new_trades) == 1
    assert derive(driver.state).balances == before
    assert_balanced(driver.state)


def test_the_repair_of_a_trade_that_was_never_sent_gives_its_capital_back():
    driver = Driver()
    trade = driver.start(driver.plan(WETH_USDC, 2_000.0, reserve=1_000))
    planned = driver.plan(WETH_USDC, 2_000.0, reserve=500)
    for item in (trade, planned):
        repair_tx_missing(driver.state.portfolio, item, driver.tick().happened_at)
    assert kinds(driver)[1:] == [EntryKind.trade_started, EntryKind.trade_repaired]
    assert balance(driver.state, CASH, USDC) == 10_000
    assert_balanced(driver.state)


def test_capital_marked_as_stuck_is_in_an_account_of_its_own():
    driver = Driver()
    trade = driver.send(driver.plan(WETH_USDC, 2_000.0, reserve=1_000))
    trade.other_data = {"retain_reserve_allocation_on_failure": True}
    driver.fail(trade)
    assert balance(driver.state, AccountKind.stuck, USDC, 1) == 1_000
    proof = assert_balanced(driver.state)
    assert find(proof, "capital stuck by failed trades for position #1").recorded == 1_000


def test_tokens_that_were_found_come_from_the_corrections():
    driver = Driver()
    trade = driver.plan(WETH_USDC, 2_000.0, reserve=100)
    assert trade.flags is not None
    trade.flags.add(TradeFlag.missing_position_repair)
    trade.executed_at, trade.executed_quantity, trade.executed_reserve = driver.ts, D("0.05"), D(100)
    assert kinds(driver)[-1] is EntryKind.tokens_found
    assert balance(driver.state, AccountKind.correction, WETH) == D("-0.05")
    assert balance(driver.state, CASH, USDC) == 10_000
    assert_balanced(driver.state)


# --- Flows of positions


def test_a_redemption_in_kind_takes_tokens_and_cash():
    driver = Driver()
    position = driver.position_of(driver.buy())
    driver.redeem(900)
    redeem_in_kind(driver.state, position, D("0.05"), driver.tick())
    assert balance(driver.state, AccountKind.external, WETH) == D("0.05")
    assert balance(driver.state, HOLDING, WETH, 1) == D("0.45")
    assert_balanced(driver.state)


def test_the_correction_of_a_position():
    driver = Driver()
    position = driver.position_of(driver.buy())
    book_position_correction(driver.state, position, D("-0.5"), driver.tick())
    assert balance(driver.state, AccountKind.correction, WETH) == D("0.5")
    close_position_with_empty_trade(driver.state.portfolio, position, driver.tick().happened_at)
    assert_balanced(driver.state)


def test_flows_of_an_exchange_account():
    driver = Driver()
    position = driver.position_of(driver.buy(500, ACCOUNT, 1.0))
    book_vault_flow(driver.state, position, D("20.5"), driver.tick())
    book_vault_flow(driver.state, position, D("-3.25"), driver.tick())
    driver.sell("517.25", ACCOUNT, 1.0)
    assert balance(driver.state, AccountKind.vault_flow, ACCOUNT.base) == D("-17.25")
    assert balance(driver.state, CASH, USDC) == D("10017.25")
    assert_balanced(driver.state)


# --- Vaults


def test_a_deposit_into_an_asynchronous_vault_waits_for_its_settlement():
    driver = Driver()
    trade = driver.send(driver.plan(VAULT, 1.25, reserve=1_000))
    driver.state.mark_vault_settlement_pending(driver.tick().happened_at, trade, {})
    assert balance(driver.state, AccountKind.settlement, USDC, 1) == 1_000
    assert balance(driver.state, IN_FLIGHT, USDC, 1) == 0
    proof = assert_balanced(driver.state)
    assert find(proof, "capital that waits for the vault to settle").recorded == 1_000
    driver.state.resume_vault_settlement(trade)
    assert_balanced(driver.state)
    driver.succeed(trade, quantity=790, reserve=1_000)
    assert balance(driver.state, HOLDING, SHARES, 1) == 790
    assert_balanced(driver.state)


def test_shares_asked_back_stay_in_the_position_until_they_are_settled():
    driver = Driver()
    driver.buy(1_000, VAULT, 1.25)
    trade = driver.send(driver.plan(VAULT, 1.5, quantity=-300))
    driver.state.mark_vault_settlement_pending(driver.tick().happened_at, trade, {})
    assert balance(driver.state, HOLDING, SHARES, 1) == 800
    assert_balanced(driver.state)
    driver.state.resume_vault_settlement(trade)
    driver.succeed(trade, reserve=450)
    assert balance(driver.state, HOLDING, SHARES, 1) == 500
    assert balance(driver.state, CASH, USDC) == 9_450
    assert_balanced(driver.state)


def test_a_request_that_a_vault_gives_up_returns_its_capital():
    driver = Driver()
    trade = driver.send(driver.plan(VAULT, 1.25, reserve=1_000))
    driver.state.mark_vault_settlement_pending(driver.tick().happened_at, trade, {})
    driver.state.resume_vault_settlement(trade)
    driver.fail(trade)
    assert balance(driver.state, CASH, USDC) == 10_000
    assert_balanced(driver.state)


def test_a_success_whose_waiting_time_is_still_noted_is_the_same():
    driver = Driver()
    trade = driver.send(driver.plan(VAULT, 1.25, reserve=1_000))
    driver.state.mark_vault_settlement_pending(driver.tick().happened_at, trade, {})
    waited_since = trade.vault_settlement_pending_at
    driver.state.resume_vault_settlement(trade)
    driver.succeed(trade)
    trade.vault_settlement_pending_at = waited_since
    assert EntryKind.settlement_pending in kinds(driver)
    assert balance(driver.state, AccountKind.settlement, USDC, 1) == 0
    assert_balanced(driver.state)


# --- Bridges


def test_bridging_out_trading_there_and_bridging_back():
    driver = Driver()
    out = driver.send(driver.plan(BRIDGE, 1.0, reserve=2_000))
    driver.state.mark_bridge_in_transit(driver.tick().happened_at, out)
    assert balance(driver.state, AccountKind.in_transit, USDC, 1) == 2_000
    proof = assert_balanced(driver.state)
    assert find(proof, "capital in transit between chains").recorded == 2_000
    driver.state.resume_bridge_transfer(out)
    driver.succeed(out, quantity="1999.5", reserve=2_000)
    assert balance(driver.state, HOLDING, FAR_USDC, 1) == D("1999.5")
    assert_balanced(driver.state)

    bought = driver.send(driver.plan(FAR_WETH_USDC, 1_000.0, reserve=1_500))
    assert balance(driver.state, AccountKind.bridge_lent, FAR_USDC, 1) == -1_500
    assert balance(driver.state, IN_FLIGHT, FAR_USDC, 2) == 1_500
    assert_balanced(driver.state)
    driver.succeed(bought, quantity="1.5", reserve="1499.25")
    assert balance(driver.state, AccountKind.bridge_lent, FAR_USDC, 1) == D("-1499.25")
    driver.sell("1.5", FAR_WETH_USDC, 1_100.0)
    assert balance(driver.state, HOLDING, FAR_WETH, 2) == 0
    proof = assert_balanced(driver.state)
    lent = find(proof, "USDC of position #1: capital lent")
    assert lent.recorded == lent.derived == D("-150.75")  # more came back than was lent

    back = driver.send(driver.plan(BRIDGE, 1.0, quantity=-2_000))
    driver.state.mark_bridge_in_transit(driver.tick().happened_at, back)
    assert balance(driver.state, AccountKind.in_transit, FAR_USDC, 1) == 2_000
    assert_balanced(driver.state)
    driver.state.resume_bridge_transfer(back)
    driver.succeed(back, reserve="1999.9")
    assert balance(driver.state, CASH, USDC) == D("9999.9")
    assert_balanced(driver.state)


def test_the_capital_of_a_failed_trade_on_the_far_chain_goes_back_there():
    driver = Driver()
    driver.buy(2_000, BRIDGE, 1.0)
    trade = driver.fail(driver.send(driver.plan(FAR_WETH_USDC, 1_000.0, reserve=1_500)))
    assert trade.bridge_currency_allocated == 1_500
    assert balance(driver.state, AccountKind.bridge_lent, FAR_USDC, 1) == 0
    assert_balanced(driver.state)


def test_a_transfer_back_whose_waiting_time_is_still_noted_is_the_same():
    driver = Driver()
    driver.buy(2_000, BRIDGE, 1.0)
    back = driver.send(driver.plan(BRIDGE, 1.0, quantity=-500))
    driver.state.mark_bridge_in_transit(driver.tick().happened_at, back)
    waited_since = back.cctp_in_transit_at
    driver.state.resume_bridge_transfer(back)
    driver.succeed(back)
    back.cctp_in_transit_at = waited_since
    assert kinds(driver).count(EntryKind.bridge_in_transit) == 2
    assert balance(driver.state, AccountKind.in_transit, FAR_USDC, 1) == 0
    assert_balanced(driver.state)


# --- All


def test_a_file_has_the_same_journal_as_the_state_it_was_written_from():
    driver = Driver()
    driver.buy()
    driver.sell("0.1")
    driver.fail_to_buy()
    driver.supply(100)
    assert derive(load_copy(driver.state)).entries == derive(driver.state).entries


def test_an_empty_state_has_nothing_to_prove():
    proof = prove(Driver(cash=0).state)
    assert proof.is_balanced
    assert not proof.has_mismatch
    assert (proof.findings, proof.conservation, proof.journal.entries, proof.remarks) == ([], [], [], [])


@pytest.mark.parametrize("pair", [WETH_USDC, VAULT, ACCOUNT, BRIDGE, CREDIT], ids=lambda pair: pair.kind.value)
def test_planned_and_expired_trades_move_nothing(pair):
    driver = Driver()
    trade = driver.plan(pair, 1.0, **({"quantity": 100} if pair is CREDIT else {}), reserve=100)
    assert len(derive(driver.state).entries) == 1
    trade.mark_expired(driver.ts)
    assert len(derive(driver.state).entries) == 1
    assert {item.verdict for item in assert_balanced(driver.state).findings} == {Verdict.balanced}
