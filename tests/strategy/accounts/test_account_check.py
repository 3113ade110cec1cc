"""What a state says is held, compared with balances that were read outside."""

import datetime
from collections.abc import Mapping
from decimal import Decimal

import pytest

from tests.kit.balances import read
from tests.kit.lending_trader import shorted, supplied
from tests.kit.trader import (
    A_USDC,
    ACCOUNT,
    BRIDGE,
    DAY,
    LINK,
    LINK_USDC,
    SHORT,
    T0,
    USDC,
    V_WETH,
    WETH,
    WETH_USDC,
    Trader,
    asset,
    new_state,
)
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.state.errors import InvalidValue, UncleanState
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.strategy.accounts.account_check import (
    AccountingBalanceCheck,
    AccountingCorrectionCause,
    calculate_account_corrections,
    compare_accounts,
    is_relative_mismatch,
)
from tradeexecutor.strategy.accounts.account_table import check_accounts
from tradeexecutor.strategy.accounts.balance_source import RecordedBalance, RecordedBalances, WalletBalances
from tradeexecutor.strategy.asset import (
    build_expected_asset_map,
    get_asset_amounts,
    get_onchain_assets,
    get_relevant_assets,
    map_onchain_asset_to_position,
)
from tradeexecutor.strategy.sync_model import BalanceNotReadable

D = Decimal
NOW = T0 + 10 * DAY
UNKNOWN = asset("SCAM", 18, 77)


def check_of(
    state: State, asset: AssetIdentifier, balances: Mapping[AssetIdentifier, str | Decimal | int]
) -> AccountingBalanceCheck:
    (check,) = (check for check in compare_accounts(state, read(balances)).checks if check.asset == asset)
    return check


@pytest.fixture
def state() -> State:
    """8,000 USDC of cash and 0.5 WETH at 2,000."""
    trader = Trader(new_state(9_000), lp_fees=0.0, price_impact=1.0)
    trader.buy(WETH_USDC, "0.5", 2000.0)
    return trader.state


# --- What should be held


def test_the_reserve_and_every_position_are_expected(state: State):
    expected = build_expected_asset_map(state.portfolio)
    assert {item.asset: item.quantity for item in expected.values()} == {USDC: 8_000, WETH: D("0.5")}
    assert expected[USDC].is_for_reserve()
    assert not expected[WETH].is_for_reserve()
    assert expected[WETH].get_only_position() is expected[WETH].get_first_position()
    assert list(build_expected_asset_map(state.portfolio, ignore_reserve=True)) == [WETH]


def test_of_what_a_closed_position_held_nothing_is_left(state: State):
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    trader.time_travel(T0 + DAY)
    trader.sell(WETH_USDC, "0.5", 2000.0)
    mapping = build_expected_asset_map(state.portfolio)[WETH]
    assert mapping.quantity == 0
    assert mapping.get_only_position() is state.portfolio.closed_positions[1]


class Universe:
    def __init__(self, count: int = 1):
        self.pairs = [LINK_USDC] * count

    def iterate_pairs(self):
        return self.pairs


def test_a_small_universe_is_looked_through_a_large_one_is_not(state: State):
    assert build_expected_asset_map(state.portfolio, Universe(19))[LINK].positions == set()
    assert LINK not in build_expected_asset_map(state.portfolio, Universe(20))
    assert get_relevant_assets(Universe(20), [USDC], state) == {USDC, WETH, LINK}


def test_each_kind_of_pair_has_its_tokens():
    assert get_onchain_assets(WETH_USDC) == [WETH]
    assert get_onchain_assets(SHORT) == [A_USDC, V_WETH]
    assert get_onchain_assets(ACCOUNT) == []
    assert get_onchain_assets(BRIDGE) == [BRIDGE.base]


def test_positions_that_share_a_token_are_added_up():
    lender, credit = supplied("4000")
    position, trade = lender.short("-0.5", "1000")
    lender.run(trade)
    mapping = build_expected_asset_map(lender.state.portfolio)[A_USDC]
    assert mapping.positions == {credit, position}
    assert mapping.quantity == 4_000 + sum(amount for item, amount in get_asset_amounts(position) if item == A_USDC)
    with pytest.raises(InvalidValue, match="by 2 positions"):
        mapping.get_only_position()


def test_an_asset_belongs_to_the_reserve_before_a_position(state: State):
    assert map_onchain_asset_to_position(USDC, state) is state.portfolio.get_default_reserve_position()
    assert map_onchain_asset_to_position(WETH, state) is state.portfolio.open_positions[1]
    assert map_onchain_asset_to_position(LINK, state) is None


# --- When balances match


@pytest.mark.parametrize(
    ("actual", "expected", "mismatch"),
    [
        ("100", "100.4", False),
        ("100", "100.6", True),
        ("0.1", "0", True),
        ("0.05", "0", False),
        ("0.05", "0.2", True),
        ("0", "0.05", False),
        ("0", "100", True),
    ],
)
def test_relative_mismatch(actual: str, expected: str, mismatch: bool):
    assert is_relative_mismatch(D(actual), D(expected), 0.005, D("0.1")) is mismatch


def test_balances_that_match_are_clean(state: State):
    clean, table = check_accounts(None, [USDC], state, read({USDC: 8_000, WETH: "0.5"}))
    assert clean
    assert list(table["Misma"]) == ["N", "N"]
    assert list(table.index) == ["USDC", "WETH"]
    assert list(table["Position"]) == ["Reserves", "WETH-USDC"]


def test_surplus_tokens_are_not_clean(state: State):
    clean, table = check_accounts(None, [USDC], state, read({USDC: 8_000, WETH: "0.6"}))
    row = table.loc["WETH"]
    assert not clean
    assert [*row[["Misma", "Lowval", "USD diff", "Diff"]]] == ["20.00%", "N", "200.00", D("0.1")]


def test_missing_tokens_are_not_clean_either(state: State):
    """The reference calls a loss of any size a low value."""
    clean, table = check_accounts(None, [USDC], state, read({USDC: 8_000, WETH: "0.3"}))
    row = table.loc["WETH"]
    assert not clean
    assert [*row[["Misma", "USD diff", "Lowval"]]] == ["-40.00%", "-400.00", "N"]


def test_a_difference_below_ten_cents_is_clean_up_and_down(state: State):
    for amount in ("0.50004", "0.49996"):
        clean, table = check_accounts(None, [USDC], state, read({USDC: 8_000, WETH: amount}))
        assert clean
        assert [*table["Lowval"]] == ["Y", "Y"]


def test_the_columns_of_the_table(state: State):
    _, table = check_accounts(None, [USDC], state, read({USDC: 8_000, WETH: "0.5"}))
    assert list(table.columns) == [
        "Address", "Position", "Actual", "Expected", "Diff", "Dusty", "Lowval", "Misma", "Dust eps.", "Rel eps",
        "USD diff", "Blacklisted",
    ]  # fmt: skip


def test_nothing_can_be_said_while_a_trade_is_on_its_way(state: State):
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    trader.time_travel(T0 + DAY)
    _, trade = trader.plan(LINK_USDC, "10", 15.0)
    trader.send(trade)
    with pytest.raises(UncleanState):
        check_accounts(None, [USDC], state, read({USDC: 8_000, WETH: "0.5"}))


# --- Single checks


def test_a_check_says_what_differs_and_what_it_is_worth(state: State):
    check = check_of(state, WETH, {USDC: 8_000, WETH: "0.6"})
    assert (check.expected_amount, check.actual_amount, check.quantity) == (D("0.5"), D("0.6"), D("0.1"))
    assert check.usd_value == pytest.approx(200.0)
    assert check.price == 2000.0
    assert (check.holding_address, check.block_number, check.timestamp) == ("0xabc", 7, NOW)
    assert check.position is state.portfolio.open_positions[1]
    assert (check.type, check.reserve_asset) == (AccountingCorrectionCause.unknown_cause, False)
    assert check.has_extra_tokens()
    assert check.is_mismatch()
    assert not check.is_dusty()
    assert check.is_usd_low_value_diff(200.01)
    assert not check.is_usd_low_value_diff()


def test_dust_is_a_difference_that_does_not_matter(state: State):
    check = check_of(state, USDC, {USDC: "8000.01", WETH: "0.5"})
    assert check.is_dusty()
    assert not check.is_mismatch()
    assert check.reserve_asset


def test_a_missing_collateral_token_has_the_price_of_the_collateral():
    """The reference values it with the price of the debt: -200,000 USD."""
    lender, position = shorted()
    amounts = dict(get_asset_amounts(position))
    balances = {USDC: 9_000, **amounts, A_USDC: amounts[A_USDC] - 100}
    assert check_of(lender.state, A_USDC, balances).usd_value == pytest.approx(-100.0)


def test_more_debt_than_known_is_a_loss():
    lender, position = shorted()
    amounts = dict(get_asset_amounts(position))
    check = check_of(lender.state, V_WETH, {USDC: 9_000, **amounts, V_WETH: amounts[V_WETH] + D("0.1")})
    assert check.quantity == D("0.1")
    assert check.usd_value == pytest.approx(-200.0)
    assert check.price == 2000.0


def test_tokens_that_nobody_knows_have_no_value(state: State):
    result = compare_accounts(state, read({USDC: 8_000, WETH: "0.5", UNKNOWN: 5}), assets=[UNKNOWN])
    check = result.checks[-1]
    assert (check.asset, check.positions, check.position, check.usd_value) == (UNKNOWN, set(), None, None)
    assert check.is_usd_low_value_diff() is None
    assert check.is_unclean()
    assert not result.is_clean


def test_the_value_of_a_token_is_a_number_when_only_an_earlier_position_knows_it(state: State):
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    trader.time_travel(T0 + DAY)
    trader.sell(WETH_USDC, "0.5", 2000.0)
    check = check_of(state, WETH, {USDC: 9_000, WETH: "0.25"})
    assert check.usd_value == 500.0
    assert check.is_unclean()


def test_zero_is_no_price(state: State):
    state.portfolio.open_positions[1].last_token_price = 0.0
    check = check_of(state, WETH, {USDC: 8_000, WETH: "0.6"})
    assert (check.price, check.usd_value) == (None, None)
    assert check.is_unclean()


def test_the_relative_epsilon_must_be_a_float(state: State):
    check = check_of(state, WETH, {USDC: 8_000, WETH: "0.6"})
    values = {name: getattr(check, name) for name in AccountingBalanceCheck.__dataclass_fields__}
    with pytest.raises(InvalidValue):
        AccountingBalanceCheck(**{**values, "relative_epsilon": D("0.005")})


# --- Sources


def test_only_differences_are_returned_unless_all_are_asked_for(state: State):
    source = read({USDC: 8_000, WETH: "0.6"})
    assert [check.asset for check in calculate_account_corrections(None, [USDC], state, source)] == [WETH]
    checks = calculate_account_corrections(None, [USDC], state, source, all_balances=True)
    assert [check.asset for check in checks] == [USDC, WETH]


def test_another_tolerance_may_be_given(state: State):
    source = read({USDC: 8_000, WETH: "0.6"})
    assert not list(calculate_account_corrections(None, [USDC], state, source, relative_epsilon=0.2))


def test_a_check_without_a_reserve_currency_is_refused_by_the_call_itself(state: State):
    with pytest.raises(InvalidValue, match="at least one reserve"):
        calculate_account_corrections(None, [], state, read({}))


def test_what_was_not_read_is_not_clean(state: State):
    result = compare_accounts(state, read({USDC: 8_000}))
    assert [mapping.asset for mapping in result.unread] == [WETH]
    assert not result.is_clean
    with pytest.raises(BalanceNotReadable, match="WETH"):
        list(calculate_account_corrections(None, [USDC], state, read({USDC: 8_000})))


def test_balances_at_a_block(state: State):
    source = RecordedBalances(
        RecordedBalance(NOW + number * DAY, asset, D(amount), number)
        for number, weth in enumerate(("0.5", "0.4"))
        for asset, amount in ((USDC, 8_000), (WETH, weth))
    )
    assert [check.asset for check in calculate_account_corrections(None, [USDC], state, source)] == [WETH]
    assert not list(calculate_account_corrections(None, [USDC], state, source, block_identifier=0))


def test_a_simulated_wallet_is_a_source(state: State):
    wallet = SimulatedWallet()
    wallet.update_balance(USDC, D(8_000))
    wallet.update_balance(WETH, D("0.5"))
    assert compare_accounts(state, WalletBalances(wallet, NOW)).is_clean
    wallet.update_balance(WETH, D("-0.5"))
    assert not compare_accounts(state, WalletBalances(wallet, NOW)).is_clean


def test_old_balances_are_compared_with_what_was_held_then(state: State):
    before = T0 - DAY
    source = RecordedBalances([RecordedBalance(before, USDC, D(9_000)), RecordedBalance(before, WETH, D(0))])
    assert not compare_accounts(state, source).is_clean
    assert compare_accounts(state, source, as_of=True).is_clean


def test_real_files_match_what_they_expect(state_file):
    state = State.read_json_file(state_file)
    expected = {item.asset: item.quantity for item in build_expected_asset_map(state.portfolio).values()}
    now = datetime.datetime(2040, 1, 1)
    for as_of in (False, True):
        source = RecordedBalances(RecordedBalance(now, asset, amount) for asset, amount in expected.items())
        result = compare_accounts(state, source, as_of=as_of)
        assert result.is_clean
        assert len(result.checks) == len(expected)
        for changed_asset in expected:
            changed = {**expected, changed_asset: expected[changed_asset] * 2 + 10**15}
            source = RecordedBalances(RecordedBalance(now, item, amount) for item, amount in changed.items())
            wrong = [check.asset for check in compare_accounts(state, source, as_of=as_of).checks if check.is_unclean()]
            assert wrong == [changed_asset]
