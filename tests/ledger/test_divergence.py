"""Balances that were read outside, held against the ledger: the event after which they part is found."""

import datetime
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.kit.every_kind_trader import A_USDC, TEXT, V_WETH, D, Driver
from tests.kit.trader import DAY, SECOND, T0, USDC, VAULT, WETH, WETH_USDC
from tradeexecutor.ledger.divergence import (
    Divergence,
    ExpectedBalances,
    Observation,
    Suspicion,
    WalletBooks,
    find_divergence,
    find_first_divergence,
)
from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_flow
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.strategy.asset import build_expected_asset_map

pytestmark = pytest.mark.slow

NEVER = datetime.datetime.max


def observe(
    expected: ExpectedBalances, every: int = 1, delay: datetime.timedelta = datetime.timedelta(0)
) -> list[Observation]:
    """What somebody reads on the chain after each event, or after each n-th, in the same second or later."""
    steps = expected.get_steps()
    return [Observation(step.time + delay, step.expected) for step in steps[every - 1 :: every]]


def shift(observations: list[Observation], first: int, amount: Decimal) -> list[Observation]:
    """Something moved `amount` before the observation with the number `first`."""
    return [
        Observation(item.time, item.amount + (amount if number >= first else 0))
        for number, item in enumerate(observations)
    ]


def find(state: State, asset: AssetIdentifier, observations: list[Observation]) -> Divergence:
    found = find_divergence(WalletBooks(state), asset, observations)
    assert found is not None
    return found


class SlowDriver(Driver):
    """Two seconds between events, so that balances can be read in between."""

    def tick(self) -> EventOrigin:
        self.ts += SECOND
        return super().tick()


@pytest.fixture
def driver() -> Driver:
    """Cash: deposit 10,000, buy for 1,000, redeem 250, buy for 600."""
    driver = SlowDriver(10_000)
    driver.buy(1_000)
    driver.redeem(250)
    driver.buy(600)
    return driver


# --- What should be held


def test_the_wallet_holds_what_the_state_says():
    state = State.read_json_blob(TEXT)
    books = WalletBooks(state)
    for asset, mapping in build_expected_asset_map(state.portfolio).items():
        held = books.get_balances(asset).get_expected(NEVER, like=mapping.quantity)
        assert abs(held - mapping.quantity) < D("1e-15"), asset


def test_money_leaves_the_wallet_when_a_trade_is_executed_not_when_it_starts(driver: Driver):
    trade = driver.send(driver.plan(WETH_USDC, 2_000.0, reserve=500))
    expected = WalletBooks(driver.state).get_balances(USDC)
    assert expected.get_expected(driver.ts) == 8_150
    # On the chain it may have gone already.
    assert expected.get_expected(driver.ts, like=D(7_650)) == 7_650
    driver.succeed(trade)
    assert WalletBooks(driver.state).get_balances(USDC).get_expected(driver.ts) == 7_650


def test_an_event_counts_from_its_block_not_from_when_it_was_booked(driver: Driver):
    mined_at = driver.ts + SECOND
    book_reserve_flow(driver.state, USDC, D(40), EventOrigin(mined_at, mined_at + DAY))
    expected = WalletBooks(driver.state).get_balances(USDC)
    assert expected.get_expected(mined_at) == 8_190
    assert expected.get_expected(mined_at - SECOND) == 8_150


def test_a_trade_counts_from_its_block_also_when_the_clock_of_the_machine_is_ahead_of_the_chain(driver: Driver):
    mined_at = driver.ts + SECOND
    driver.ts += DAY
    driver.buy(500).executed_at = mined_at
    asked = driver.send(driver.plan(VAULT, 1.0, reserve=150))
    driver.state.mark_vault_settlement_pending(mined_at, asked)
    expected = WalletBooks(driver.state).get_balances(USDC)
    assert expected.get_expected(mined_at - SECOND) == 8_150
    assert expected.get_expected(mined_at) == expected.get_expected(driver.ts) == 7_500
    assert expected.get_expected(mined_at, held_now=D(7_500)) == 7_500


def test_debt_is_a_balance_of_debt_tokens():
    driver = Driver()
    driver.short("-1", 1_000, "2000")
    books = WalletBooks(driver.state)
    assert books.get_balances(V_WETH).get_expected(NEVER) == 1
    assert books.get_balances(A_USDC).get_expected(NEVER) == 3_000


def test_going_back_from_what_is_held_now_gives_the_same(driver: Driver):
    expected = WalletBooks(driver.state).get_balances(USDC)
    for step in expected.get_steps():
        assert expected.get_expected(step.time, held_now=D(8_150)) == step.expected
        assert expected.get_expected(step.time, held_now=D(8_149)) == step.expected - 1


def test_cash_of_unknown_origin_is_taken_as_it_is():
    driver = Driver(0)
    driver.state.portfolio.initialise_reserves(USDC, 1.0)
    driver.state.portfolio.adjust_reserves(USDC, D(500))
    driver.deposit(100)
    assert driver.reserve.initial_deposit is None
    expected = WalletBooks(driver.state).get_balances(USDC)
    assert [(step.change, step.expected) for step in expected.get_steps()] == [(100, 600)]
    assert expected.get_expected(T0) == 500


# --- Where they part


def test_balances_that_the_ledger_explains_do_not_part(driver: Driver):
    books = WalletBooks(driver.state)
    for asset in (USDC, WETH):
        assert find_divergence(books, asset, observe(books.get_balances(asset))) is None


@pytest.mark.parametrize("number", range(4))
def test_an_event_that_did_not_happen_is_found(driver: Driver, number: int):
    expected = WalletBooks(driver.state).get_balances(USDC)
    step = expected.get_steps()[number]
    found = find(driver.state, USDC, shift(observe(expected, delay=SECOND), number, -step.change))
    assert found.difference == -step.change
    assert found.before == (observe(expected, delay=SECOND)[number - 1] if number else None)
    (suspect,) = found.suspects
    assert (suspect.entry, suspect.suspicion) == (step.entry, Suspicion.did_not_happen)
    assert found.first_step is suspect
    assert found.later == (3 - number, 0, 0)


def test_an_event_that_happened_twice_is_found_between_far_observations(driver: Driver):
    expected = WalletBooks(driver.state).get_balances(USDC)
    last = observe(expected, delay=SECOND)[-1]
    found = find(driver.state, USDC, [Observation(last.time, last.amount - 600)])
    (suspect,) = found.suspects
    assert suspect.suspicion is Suspicion.happened_twice
    assert suspect.change == -600
    assert [step.expected for step in found.steps] == [10_000, 9_000, 8_750, 8_150]


def test_the_only_event_in_between_is_named_whatever_the_amount(driver: Driver):
    expected = WalletBooks(driver.state).get_balances(USDC)
    found = find(driver.state, USDC, shift(observe(expected, delay=SECOND), 2, D("-13.7")))
    (suspect,) = found.suspects
    assert (suspect.suspicion, suspect.change) == (Suspicion.other_amount, -250)


def test_money_that_moved_without_an_event_leaves_no_suspect(driver: Driver):
    expected = WalletBooks(driver.state).get_balances(USDC)
    observations = observe(expected, delay=SECOND)
    hour_later = Observation(observations[-1].time + DAY, observations[-1].amount + 77)
    found = find(driver.state, USDC, [*observations, hour_later])
    assert (found.before, found.first, found.steps) == (observations[-1], hour_later, [])
    assert found.first_step is None


def test_events_of_the_same_amount_are_all_suspects(driver: Driver):
    driver.buy(600)
    expected = WalletBooks(driver.state).get_balances(USDC)
    last = observe(expected, delay=SECOND)[-1]
    found = find(driver.state, USDC, [Observation(T0, D(0)), Observation(last.time, last.amount + 600)])
    assert [step.change for step in found.suspects] == [-600, -600]


def test_balances_that_agree_again_are_counted(driver: Driver):
    expected = WalletBooks(driver.state).get_balances(USDC)
    observations = observe(expected, delay=SECOND)
    damaged = [observations[0], Observation(observations[1].time, D(1)), observations[2], observations[3]]
    assert find(driver.state, USDC, damaged).later == (0, 0, 2)


def test_dust_does_not_part(driver: Driver):
    expected = WalletBooks(driver.state).get_balances(USDC)
    books = WalletBooks(driver.state)
    assert find_divergence(books, USDC, shift(observe(expected, delay=SECOND), 1, D("0.1"))) is None
    assert find_divergence(books, USDC, shift(observe(expected, delay=SECOND), 1, D("0.11"))) is not None


def test_the_earliest_asset_comes_first(driver: Driver):
    books = WalletBooks(driver.state)
    observations = {
        USDC: shift(observe(books.get_balances(USDC)), 3, D(5)),
        WETH: shift(observe(books.get_balances(WETH)), 0, D(5)),
    }
    assert [item.asset for item in find_first_divergence(driver.state, observations)] == [WETH, USDC]


ASSETS = [
    asset
    for asset in build_expected_asset_map(State.read_json_blob(TEXT).portfolio)
    if WalletBooks(State.read_json_blob(TEXT)).get_balances(asset).get_steps()
]


@given(data=st.data(), amount=st.decimals("1", "100000", places=6), sign=st.sampled_from([1, -1]))
def test_whatever_moves_at_whatever_event_it_is_found_at_exactly_that_event(
    data: st.DataObject, amount: Decimal, sign: int
):
    state = State.read_json_blob(TEXT)
    asset = data.draw(st.sampled_from(ASSETS))
    # Interest may drift by a fraction of the balance.
    amount = sign * (amount + 1_000 if asset.is_interest_accruing() else amount)
    expected = WalletBooks(state).get_balances(asset)
    observations = observe(expected)
    number = data.draw(st.integers(0, len(observations) - 1))
    step = expected.get_steps()[number]
    moved = shift(observations, number, amount)
    # An amount that is just that of an event in the same second may be that event, not there yet.
    assume(
        all(
            expected.get_expected(item.time, like=item.amount) == expected.get_expected(item.time)
            for item in moved[number:]
        )
    )
    found = find(state, asset, moved)
    assert abs(found.difference - amount) < D("1e-9")
    assert found.first == moved[number]
    if number:
        assert [item.entry for item in found.suspects] == [step.entry]
        assert [item.entry for item in found.steps] == [step.entry]
    else:
        assert found.before is None
    assert found.later == (len(observations) - number - 1, 0, 0)


@given(data=st.data())
def test_an_event_that_is_not_on_the_chain_is_among_the_suspects_however_rarely_balances_are_read(
    data: st.DataObject,
):
    state = State.read_json_blob(TEXT)
    asset = data.draw(st.sampled_from(ASSETS))
    expected = WalletBooks(state).get_balances(asset)
    steps = [step for step in expected.get_steps() if abs(step.change) > 50]
    if not steps:
        return
    step = data.draw(st.sampled_from(steps))
    every = data.draw(st.integers(1, 4))
    observations = [*observe(expected, every), Observation(NEVER - DAY, expected.get_expected(NEVER))]
    found = find(
        state,
        asset,
        [Observation(item.time, item.amount - (step.change if item.time >= step.time else 0)) for item in observations],
    )
    assert step.entry in [item.entry for item in found.suspects]


def test_real_files_explain_what_their_own_ledger_says(state_file):
    state = State.read_json_file(state_file)
    books = WalletBooks(state)
    for asset in build_expected_asset_map(state.portfolio):
        expected = books.get_balances(asset)
        observations = [Observation(step.time, expected.get_expected(step.time)) for step in expected.get_steps()]
        assert find_divergence(books, asset, observations) is None
        if len(observations) > 2:
            found = find_divergence(books, asset, shift(observations, 2, D(10) ** 9))
            assert found is not None
            assert found.first.time == observations[2].time
            assert abs(found.difference - D(10) ** 9) < D("1e-9")
