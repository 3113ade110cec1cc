"""Entries balance by construction; the journal adds them up without rounding."""

import datetime
from decimal import Decimal

import pytest

from tests.kit.every_kind_trader import D, Driver, balance
from tests.kit.trader import USDC, WETH
from tradeexecutor.ledger.entry import Account, AccountKind, Entry, EntryKind, Posting, UnbalancedEntry
from tradeexecutor.ledger.exact import exact_arithmetic, get_rounding_limit, is_snapped_to_zero
from tradeexecutor.ledger.journal import derive
from tradeexecutor.state.errors import AccountingError

T = datetime.datetime(2024, 1, 1)
CASH = Account(AccountKind.cash, "1-0xa")
MARKET = Account(AccountKind.market, "1-0xa")
HOLDING = Account(AccountKind.holding, "1-0xb", 1)
MARKET_B = Account(AccountKind.market, "1-0xb")


def make(*postings: tuple[Account, str]) -> Entry:
    made = tuple(Posting(account, D(amount)) for account, amount in postings)
    return Entry(T, EntryKind.trade_succeeded, "an exchange", made)


def test_an_exchange_balances_in_each_asset():
    entry = make((CASH, "-10"), (MARKET, "10"), (HOLDING, "0.5"), (MARKET_B, "-0.5"))
    assert entry.get_change([CASH]) == -10
    assert entry.get_change([CASH, HOLDING]) == D("-9.5")
    assert entry.get_change([Account(AccountKind.cash, "1-0xc")]) == 0


@pytest.mark.parametrize(
    ("postings", "asset", "amount"),
    [
        (((CASH, "-10"), (MARKET, "9.999999")), "1-0xa", "-0.000001"),
        (((CASH, "-10"), (HOLDING, "10")), "1-0xa", "-10"),
        (((CASH, "-1"), (MARKET, "1"), (HOLDING, "1")), "1-0xb", "1"),
        (((CASH, "1"),), "1-0xa", "1"),
        # Beyond the 28 digits of the default context, in which the sum would be zero.
        (((CASH, "-1"), (MARKET, "1.00000000000000000000000000000000001")), "1-0xa", "1E-35"),
    ],
)
def test_an_entry_that_does_not_balance_is_refused(postings: tuple[tuple[Account, str], ...], asset: str, amount: str):
    with pytest.raises(UnbalancedEntry) as caught:
        make(*postings)
    assert isinstance(caught.value, AccountingError)
    assert (caught.value.asset, caught.value.amount) == (asset, D(amount))


@pytest.mark.parametrize("amount", ["NaN", "Infinity"])
def test_amounts_are_finite(amount: str):
    with pytest.raises(UnbalancedEntry):
        make((CASH, amount), (MARKET, f"-{amount}"))


def test_owned_and_counter_accounts_make_up_all():
    counter = {AccountKind.external, AccountKind.vault_flow, AccountKind.market, AccountKind.interest}
    counter |= {AccountKind.funding, AccountKind.correction, AccountKind.unbooked_interest, AccountKind.loan_dust}
    assert {kind for kind in AccountKind if not kind.is_owned} == counter


def test_entries_name_their_cause():
    driver = Driver()
    trade = driver.buy()
    entries = derive(driver.state).entries
    assert [entry.get_cause() for entry in entries] == ["balance update #1", "trade #1", "trade #1"]
    assert [entry.kind for entry in entries] == [
        EntryKind.deposit,
        EntryKind.trade_started,
        EntryKind.trade_succeeded,
    ]
    assert entries[2].trade_id == trade.trade_id
    assert entries[2].position_id == trade.position_id
    assert entries[2].time == trade.executed_at


def test_amounts_of_more_than_28_digits_are_added_exactly():
    reserve = "69.505733499999990954165696166455745697021484375"  # what a float becomes
    driver = Driver()
    driver.buy(reserve, reserve="69.505733")
    assert balance(driver.state, AccountKind.cash, USDC) == 10_000 - D("69.505733")
    driver.send(driver.plan(driver.state.portfolio.open_positions[1].pair, 2_000.0, reserve=reserve))
    with exact_arithmetic():
        expected = D("9930.494267") - D(reserve)
    assert balance(driver.state, AccountKind.cash, USDC) == expected
    assert str(expected) == "9860.988533500000009045834303833544254302978515625"
    assert balance(driver.state, AccountKind.in_flight, USDC, 1) == D(reserve)


def test_the_journal_knows_balances_and_assets():
    driver = Driver()
    driver.buy()
    journal = derive(driver.state)
    assert journal.get_symbol(WETH.get_identifier()) == "WETH"
    assert journal.get_symbol("1-0xunknown") == "1-0xunknown"
    assert balance(driver.state, AccountKind.holding, WETH, 1) == D("0.5")
    assert balance(driver.state, AccountKind.market, WETH) == D("-0.5")
    assert balance(driver.state, AccountKind.market, USDC) == 1_000
    assert balance(driver.state, AccountKind.external, USDC) == -10_000
    assert journal.get_balance(Account(AccountKind.stuck, USDC.get_identifier(), 1)) == 0


def test_deriving_changes_nothing():
    driver = Driver()
    driver.buy()
    driver.sell("0.2")
    before = driver.state.to_json()
    derive(driver.state)
    assert driver.state.to_json() == before


def test_the_rounding_limit_grows_with_additions_and_size():
    assert get_rounding_limit(1, Decimal(1)) == D("4E-27")
    assert get_rounding_limit(999, Decimal(1_000_000)) == D("2E-18")
    assert get_rounding_limit(10, Decimal(0)) == 0
    # A raw unit of an 18-decimal token is found in a balance of a hundred million.
    assert get_rounding_limit(3, Decimal(10**8)) < D("1E-18")


def test_what_the_state_shows_as_zero_may_be_a_little_more():
    assert is_snapped_to_zero(D(0), D("1E-18"))
    assert not is_snapped_to_zero(D(0), D("1.1E-18"))
    assert not is_snapped_to_zero(D("1E-18"), D(0))
