"""Making the books match what is there: the ledger still adds up, and equity moves by exactly the difference."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.every_kind_trader import Driver, assert_balanced
from tests.kit.lending_positions import FixedPricing
from tests.kit.lending_trader import earn, loan_of, shorted, supplied
from tests.kit.trader import (
    A_USDC,
    CREDIT,
    DAY,
    LINK,
    LINK_USDC,
    SHARES,
    T0,
    USDC,
    VAULT,
    WBTC,
    WBTC_USDC,
    WETH,
    WETH_USDC,
    Trader,
    asset,
    new_state,
    pair,
)
from tradeexecutor.ledger.divergence import WalletBooks, find_divergence
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause
from tradeexecutor.state.errors import (
    AccountingCorrectionAborted,
    InvalidTrade,
    InvalidValue,
    TradeExecutorError,
    UncleanState,
    UnexecutedTrades,
    UnexpectedAccountingCorrectionIssue,
    WrongPositionStatus,
)
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeFlag, TradeType
from tradeexecutor.strategy.accounts.account_check import AccountingBalanceCheck, compare_accounts
from tradeexecutor.strategy.accounts.account_correction import (
    CorrectionOptions,
    UnknownTokenPositionFix,
    apply_account_corrections,
    apply_accounting_correction,
    check_state_internal_coherence,
    correct_accounts,
    is_accounting_correction_confirmation_yes,
    open_missing_credit_position,
    open_missing_position,
    open_missing_spot_position_direct,
    preflight_state_for_account_correction,
)
from tradeexecutor.strategy.accounts.balance_source import RecordedBalance, RecordedBalances
from tradeexecutor.strategy.asset import build_expected_asset_map
from tradeexecutor.strategy.pricing_model import PricingModel

D = Decimal
NOW = T0 + 10 * DAY
Amounts = Mapping[AssetIdentifier, str | int | Decimal]


def read(balances: Amounts) -> RecordedBalances:
    return RecordedBalances(RecordedBalance(NOW, asset, D(amount), 7) for asset, amount in balances.items())


def find(state: State, balances: Amounts, **more: Any) -> list[AccountingBalanceCheck]:
    """All differences between the state and some balances; what is not given is as expected."""
    expected = {item.asset: item.quantity for item in build_expected_asset_map(state.portfolio).values()}
    source = read({**expected, **balances})
    checks = compare_accounts(state, source, assets=source.get_assets(), **more).checks
    return [check for check in checks if check.mismatch]


def correct(state: State, balances: Amounts, **more: Any) -> list[BalanceUpdate]:
    return list(correct_accounts(state, find(state, balances), NOW, **more))


def is_refused(state: State, error: type[TradeExecutorError], balances: Amounts, **more: Any) -> None:
    before = state.to_json()
    with pytest.raises(error):
        correct(state, balances, **more)
    assert state.to_json() == before


class Universe:
    def __init__(self, *pairs: Any):
        self.pairs = pairs

    def iterate_pairs(self):
        return self.pairs


@pytest.fixture
def state() -> State:
    """8,000 USDC of cash and 0.5 WETH at 2,000."""
    trader = Trader(new_state(9_000), lp_fees=0.0, price_impact=1.0)
    trader.buy(WETH_USDC, "0.5", 2000.0)
    return trader.state


# --- Cash and positions


def test_cash_and_position_get_what_is_there(state: State):
    events = correct(state, {USDC: 8_100, WETH: "0.45"})
    position = state.portfolio.open_positions[1]
    assert [(event.balance_update_id, event.quantity) for event in events] == [(1, 100), (2, D("-0.05"))]
    assert [event.cause for event in events] == [BalanceUpdateCause.correction] * 2
    assert (events[1].old_balance, events[1].usd_value, events[1].position_id) == (D("0.5"), -100.0, 1)
    assert (events[0].block_number, events[0].block_mined_at) == (7, NOW)
    assert state.portfolio.get_default_reserve_position().quantity == 8_100
    assert (position.get_quantity(), position.get_value()) == (D("0.45"), 900.0)
    assert len(position.trades) == 1


def test_a_correction_is_registered(state: State):
    correct(state, {USDC: 8_100})
    assert not state.sync.treasury.balance_update_refs
    (reference,) = state.sync.accounting.balance_update_refs
    assert (reference.balance_event_id, reference.usd_value) == (1, 100.0)
    assert (state.sync.accounting.last_updated_at, state.sync.accounting.last_block_scanned) == (NOW, 7)


def test_a_position_of_which_nothing_is_left_is_closed(state: State):
    correct(state, {WETH: 0})
    position = state.portfolio.closed_positions[1]
    assert [trade.trade_type for trade in position.trades.values()] == [TradeType.rebalance, TradeType.repair]
    assert position.trades[2].repaired_trade_id == 1
    assert (position.get_realised_profit_usd(), position.closed_at) == (0.0, NOW)
    assert state.portfolio.calculate_total_equity() == 8_000
    assert not find(state, {})


def test_credit_is_corrected_and_keeps_its_interest():
    lender, position = supplied("4000")
    earn(lender, position, "4010")
    (event,) = correct(lender.state, {A_USDC: 3_500})
    assert (event.usd_value, event.quantity) == (pytest.approx(-510.0), -510)
    assert position.get_quantity() == 3_500
    assert loan_of(position).get_collateral_quantity() == 3_500
    assert (loan_of(position).collateral.quantity, loan_of(position).get_collateral_interest()) == (3_490, 10)
    # The next interest starts from here.
    earn(lender, position, "3510")
    assert position.get_quantity() == position.get_value() == 3_510


def test_the_block_of_the_balances_is_remembered(state: State):
    checks = find(state, {USDC: 8_100})
    list(correct_accounts(state, checks, NOW, block_identifier=99, block_timestamp=NOW))
    assert (state.sync.treasury.last_block_scanned, state.sync.treasury.last_updated_at) == (99, NOW)


def test_accounts_are_corrected_whether_the_entries_are_looked_at_or_not(state: State):
    entries = correct_accounts(state, find(state, {USDC: 8_100}), NOW)
    assert state.portfolio.get_cash() == 8_100
    assert [entry.quantity for entry in entries] == [100]
    assert not find(state, {USDC: 8_100})


def test_what_cannot_be_corrected_is_refused_by_the_call_itself(state: State):
    checks = find(state, {USDC: 8_100, LINK: 50})
    before = state.to_json()
    with pytest.raises(UnexpectedAccountingCorrectionIssue):
        correct_accounts(state, checks, NOW, token_fix_method=UnknownTokenPositionFix.transfer_away)
    assert state.to_json() == before


def test_who_declines_changes_nothing(state: State):
    before = state.to_json()
    with pytest.raises(AccountingCorrectionAborted):
        apply_account_corrections(state, find(state, {USDC: 8_100}), NOW, CorrectionOptions(confirm=lambda _: False))
    assert state.to_json() == before


def test_there_is_nothing_to_correct_where_nothing_differs(state: State):
    (check,) = (item for item in compare_accounts(state, read({USDC: 8_000, WETH: "0.5"})).checks if item.asset == WETH)
    with pytest.raises(UnexpectedAccountingCorrectionIssue, match="no difference"):
        apply_accounting_correction(state, check, NOW)


# --- What cannot be corrected


def test_a_short_is_refused_with_its_numbers():
    lender, _ = shorted()
    before = lender.state.to_json()
    with pytest.raises(UnexpectedAccountingCorrectionIssue) as caught:
        correct(lender.state, {A_USDC: 1_000})
    assert (caught.value.asset, caught.value.expected, caught.value.actual) == (A_USDC.get_identifier(), 2_000, 1_000)
    assert lender.state.to_json() == before


def test_several_positions_with_one_token_are_refused():
    lender, _ = supplied("4000")
    _, trade = lender.short("-0.5", "1000")
    lender.run(trade)
    is_refused(lender.state, UnexpectedAccountingCorrectionIssue, {A_USDC: 1})


def test_nothing_is_corrected_when_one_difference_cannot_be(state: State):
    is_refused(state, UnexpectedAccountingCorrectionIssue, {USDC: 8_100, asset("SCAM", 18, 77): 5})


def test_frozen_positions_have_to_be_repaired_first(state: State):
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    trader.time_travel(T0 + DAY)
    failed = trader.start_and_fail(WETH_USDC, "-0.1", 2000.0)
    freeze_position_on_failed_trade(trader.ts, state, [failed])
    is_refused(state, WrongPositionStatus, {USDC: 8_100})


def test_trades_have_to_be_finished_first(state: State):
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    trader.time_travel(T0 + DAY)
    _, trade = trader.plan(LINK_USDC, "10", 15.0)
    with pytest.raises(UnexecutedTrades, match="planned"):
        check_state_internal_coherence(state)
    is_refused(state, UnexecutedTrades, {USDC: 8_100})
    state.start_execution(trader.ts, trade)
    with pytest.raises(UnexecutedTrades, match="has started and has no transaction"):
        check_state_internal_coherence(state)
    state.mark_broadcasted(trader.ts, trade)
    with pytest.raises(UncleanState):
        preflight_state_for_account_correction(state)


def test_whoever_is_asked_may_say_no(state: State):
    is_refused(state, AccountingCorrectionAborted, {USDC: 8_100}, confirm=lambda checks: False)
    asked: list[Decimal] = []
    correct(state, {USDC: 8_100}, confirm=lambda checks: bool(asked.extend(check.quantity for check in checks)) or True)
    assert asked == [100]


def test_nobody_is_asked_without_a_function_to_ask(state: State):
    is_refused(state, InvalidValue, {USDC: 8_100}, interactive=True)


@pytest.mark.parametrize(
    ("answer", "is_yes"),
    [("y", True), ("Y", True), (" y\r\n", False), ("yes", False), ("", False), (None, False), ("n", False)],
)
def test_only_y_means_yes(answer: str | None, is_yes: bool):
    assert is_accounting_correction_confirmation_yes(answer) is is_yes


# --- Missing positions


def test_found_tokens_become_a_position_that_starts_without_profit(state: State):
    """The reference plans a purchase at the buying price and books the whole value as profit."""
    before = state.portfolio.calculate_total_equity()
    pricing: PricingModel = FixedPricing(2.0)
    position, trade = open_missing_spot_position_direct(Universe(LINK_USDC), state, pricing, NOW, LINK, D(50))
    assert (position.get_quantity(), position.get_value()) == (50, 100.0)
    assert (trade.planned_reserve, trade.planned_quantity) == (100, 50)
    assert (trade.executed_quantity, trade.executed_reserve, trade.executed_price) == (50, 100, 2.0)
    assert trade.flags == {TradeFlag.missing_position_repair, TradeFlag.open}
    assert trade.executed_at == NOW
    assert position.get_total_profit_usd() == 0
    assert state.portfolio.get_cash() == 8_000
    assert state.portfolio.calculate_total_equity() == before + 100


def test_correcting_opens_missing_positions(state: State):
    checks = find(state, {LINK: 50})
    assert not list(
        correct_accounts(state, checks, NOW, strategy_universe=Universe(LINK_USDC), pricing_model=FixedPricing(2.0))
    )
    assert state.portfolio.open_positions[2].get_quantity() == 50
    assert not find(state, {LINK: 50})


def test_found_tokens_of_an_earlier_position_get_a_new_one_at_the_last_price(state: State):
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    trader.time_travel(T0 + DAY)
    trader.sell(WETH_USDC, "0.5", 2000.0)
    assert correct(state, {WETH: "0.25"}) == []
    position = state.portfolio.open_positions[2]
    assert (position.get_quantity(), position.get_value()) == (D("0.25"), 500.0)
    assert 1 in state.portfolio.closed_positions


def test_found_collateral_becomes_a_credit_supply(state: State):
    (check,) = find(state, {A_USDC: 250})
    position, trade = open_missing_credit_position(Universe(CREDIT), state, None, check)
    assert (position.get_quantity(), position.get_value()) == (250, 250.0)
    assert loan_of(position).collateral.quantity == 250
    assert trade.executed_loan_update is not None
    assert trade.executed_loan_update is not position.loan
    assert state.portfolio.get_cash() == 8_000
    assert not find(state, {A_USDC: 250})


def test_unknown_tokens_are_refused(state: State):
    (check,) = find(state, {LINK: 50})
    with pytest.raises(UnexpectedAccountingCorrectionIssue, match="no pair"):
        open_missing_position(None, state, None, check)
    with pytest.raises(UnexpectedAccountingCorrectionIssue, match="price"):
        open_missing_position(Universe(LINK_USDC), state, None, check)


def test_dust_becomes_no_position(state: State):
    before = state.to_json()
    with pytest.raises(InvalidTrade):
        open_missing_spot_position_direct(Universe(LINK_USDC), state, FixedPricing(2.0), NOW, LINK, D("1e-11"))
    assert state.to_json() == before


def test_the_cheapest_pair_is_chosen(state: State):
    cheap = pair(LINK, USDC, 0.0005, 900)
    position, _ = open_missing_spot_position_direct(
        Universe(LINK_USDC, cheap), state, FixedPricing(2.0), NOW, LINK, D(50)
    )
    assert position.pair is cheap


def test_tokens_are_not_sent_away(state: State):
    is_refused(
        state,
        UnexpectedAccountingCorrectionIssue,
        {LINK: 50},
        token_fix_method=UnknownTokenPositionFix.transfer_away,
    )
    assert UnknownTokenPositionFix.transfer_away.value == "tranfer_away"


# --- Whatever differs


AMOUNTS = st.decimals("0", "20000", places=6)


def portfolio_of_many_kinds() -> State:
    driver = Driver(50_000)
    driver.buy(1_000)
    driver.buy(800, LINK_USDC, 15.0)
    driver.buy(700, VAULT, 1.25)
    driver.sell("10", LINK_USDC, 16.0)
    position = driver.position_of(driver.supply(4_000))
    driver.accrue(position, position.pair.base, "10.5")
    driver.buy(500, WBTC_USDC, 30_000.0)
    driver.sell(str(driver.state.portfolio.open_positions[5].get_quantity()), WBTC_USDC, 30_000.0)
    return driver.state


TEXT = portfolio_of_many_kinds().to_json()


def list_correctable() -> list[AssetIdentifier]:
    return [a for a in build_expected_asset_map(State.read_json_blob(TEXT).portfolio) if a != WBTC]


@pytest.mark.slow
@given(amounts=st.dictionaries(st.sampled_from(list_correctable()), AMOUNTS), found=AMOUNTS)
def test_whatever_is_corrected_the_accounts_are_clean_and_the_ledger_adds_up(
    amounts: dict[AssetIdentifier, Decimal], found: Decimal
):
    state = State.read_json_blob(TEXT)
    balances = {**amounts, WBTC: found}
    checks = find(state, balances, as_of=True)
    equity = state.portfolio.calculate_total_equity()
    worth = sum(check.usd_value or 0.0 for check in checks if check.positions or not check.is_usd_low_value_diff())
    dust = sum(  # what is left in a position that is closed because only dust remains
        float(position.get_value())
        for check in checks
        for position in check.positions
        if check.actual_amount <= D("0.003") and check.actual_amount
    )
    list(correct_accounts(state, checks, NOW + DAY))
    assert_balanced(state)
    assert state.portfolio.calculate_total_equity() == pytest.approx(equity + worth, abs=0.01 + abs(dust))
    state.perform_integrity_check()
    # What is as it should be now is as it should be for balances of that time, too.
    again = find(state, balances, as_of=True)
    assert not [check for check in again if check.is_unclean()]
    before = state.to_json()
    list(correct_accounts(state, [check for check in again if check.is_unclean()], NOW + DAY))
    assert state.to_json() == before
    books = WalletBooks(state)
    for item, amount in balances.items():
        if item in (USDC, LINK, SHARES) and state.portfolio.open_positions:
            observation = read({item: amount}).get_observations(item)
            found_divergence = find_divergence(books, item, observation)
            assert found_divergence is None or abs(found_divergence.difference) < D("0.1")
