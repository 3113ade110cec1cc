"""Simulated deposits, redemptions and interest: all of a sync or nothing, each exactly once."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.kit.lending_positions import (
    FixedPricing,
    FixedRates,
    check_balances_add_up,
    get_balances,
    new_state,
    short,
    supply,
)
from tests.kit.markets import DAY, HOUR, START
from tests.kit.samples import AUSDC, USDC, VWETH, WETH
from tradeexecutor.backtest.backtest_sync import BacktestSyncModel, FundingNotPossible
from tradeexecutor.backtest.lending_rates import LendingRateHistory, NoLendingData, RateCandle
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.backtest.universe import create_reserve_asset
from tradeexecutor.execution.simulated import calculate_total_assets
from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_flow
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeFlag
from tradeexecutor.strategy.interest import set_interest_checkpoint
from tradeexecutor.strategy.sync_model import BalanceNotReadable

USD = create_reserve_asset()


def make_model(initial: int | None = 1000) -> tuple[BacktestSyncModel, State]:
    model = BacktestSyncModel(SimulatedWallet(), None if initial is None else Decimal(initial))
    return model, State(created_at=START)


def test_the_initial_deposit_makes_the_reserve():
    model, state = make_model()
    (event,) = model.sync_treasury(START, state, [USD])
    assert (event.balance_update_id, event.quantity, event.old_balance) == (1, 1000, 0)
    assert event.created_at == event.block_mined_at == event.strategy_cycle_included_at == START
    reserve = state.portfolio.get_default_reserve_position()
    assert (reserve.quantity, reserve.initial_deposit) == (1000, 1000)
    assert state.sync.treasury.last_updated_at == START
    assert model.sync_treasury(START + HOUR, state, [USD]) == []


def test_several_events_in_one_sync_chain_their_balances():
    model, state = make_model()
    model.sync_treasury(START, state, [USD])
    model.simulate_funding(START, Decimal(-300))
    model.simulate_funding(START, Decimal(50))
    events = model.sync_treasury(START + HOUR, state, [USD])
    assert [(event.old_balance, event.quantity) for event in events] == [(1000, -300), (700, 50)]
    assert model.wallet.get_balance(USD) == state.portfolio.get_cash() == 750


def test_a_redemption_waits_until_all_of_it_can_be_paid():
    model, state = make_model()
    model.sync_treasury(START, state, [USD])
    assert state.sync.treasury.pending_redemptions is None
    for amount in (50, -3000, -3000):
        model.simulate_funding(START, Decimal(amount))
    assert [event.quantity for event in model.sync_treasury(START + HOUR, state, [USD])] == [50]
    for hour in (2, 3):
        assert not model.has_due_flow(START + hour * HOUR, state)
        assert model.sync_treasury(START + hour * HOUR, state, [USD]) == []
        assert model.wallet.get_balance(USD) == state.portfolio.get_cash() == 1050
        assert state.sync.treasury.pending_redemptions == 6000
        assert [item.missing for item in model.delayed] == [1950, 1950]
    model.simulate_funding(START + 4 * HOUR, Decimal(4000))
    assert model.has_due_flow(START + 4 * HOUR, state)
    _, paid = model.sync_treasury(START + 4 * HOUR, state, [USD])
    assert (paid.old_balance, paid.quantity, paid.block_mined_at) == (5050, -3000, START + 4 * HOUR)
    assert [item.paid_at for item in model.delayed] == [START + 4 * HOUR, None]
    assert state.sync.treasury.pending_redemptions == 3000


def test_a_failing_sync_changes_nothing_and_keeps_the_queue():
    model, state = make_model()
    before = state.to_json()
    with pytest.raises(FundingNotPossible, match="exactly one reserve currency is needed, there are 2"):
        model.sync_treasury(START, state, [USD, USD])
    assert state.to_json() == before
    assert len(model.fund_flow_queue) == 1


def test_a_simulated_flow_is_booked_as_one_of_a_chain_is():
    model, state = make_model()
    model.simulate_funding(START + HOUR, Decimal(-300))
    model.sync_treasury(START, state, [USD])
    model.sync_treasury(START + DAY, state, [USD])
    expected = State(created_at=START)
    book_reserve_flow(expected, USD, Decimal(1000), EventOrigin(START, START))
    book_reserve_flow(expected, USD, Decimal(-300), EventOrigin(START + HOUR, START + DAY))
    expected.sync.treasury.last_updated_at = START + DAY
    expected.last_updated_at = state.last_updated_at
    assert state.to_json() == expected.to_json()


def test_more_cash_in_a_reserve_that_had_some_is_no_initial_deposit():
    model, state = make_model(None)
    state.portfolio.reserves[USD.get_identifier()] = ReservePosition(USD, Decimal(70), START, 1.0, START)
    model.wallet.set_balance(USD, Decimal(70))
    model.simulate_funding(START, Decimal(30))
    model.sync_treasury(START, state, [USD])
    reserve = state.portfolio.get_default_reserve_position()
    assert (reserve.quantity, reserve.initial_deposit) == (100, None)


@pytest.mark.parametrize("has_reserve", [True, False])
def test_a_redemption_of_what_only_the_wallet_has_waits(has_reserve: bool):
    model, state = make_model(100 if has_reserve else None)
    model.sync_treasury(START, state, [USD])
    model.wallet.set_balance(USD, Decimal(500))
    model.simulate_funding(START, Decimal(-200))
    assert model.sync_treasury(START + HOUR, state, [USD]) == []
    assert [item.missing for item in model.delayed] == [100 if has_reserve else 200]
    assert model.wallet.get_balance(USD) == 500
    assert state.portfolio.get_cash() == (100 if has_reserve else 0)


def test_events_wait_for_their_time():
    model, state = make_model()
    model.simulate_funding(START + 2 * HOUR, Decimal(5))
    assert len(model.sync_treasury(START, state, [USD])) == 1
    assert model.sync_treasury(START + HOUR, state, [USD]) == []
    assert len(model.sync_treasury(START + 2 * HOUR, state, [USD])) == 1


@pytest.mark.parametrize("amount", [Decimal(0), Decimal("NaN"), 5.0])
def test_only_amounts_can_be_deposited(amount: object):
    with pytest.raises(FundingNotPossible):
        make_model(None)[0].simulate_funding(START, amount)  # pyright: ignore[reportArgumentType]


def test_there_is_no_chain_to_read():
    with pytest.raises(BalanceNotReadable):
        make_model()[0].fetch_onchain_balances([USD])


# --- Interest


#: 3.65 % for suppliers, 7.3 % for borrowers.
RATES = {AUSDC: "0.0365", VWETH: "0.073"}


def make_lender(state: State, rates: dict[AssetIdentifier, str] | None = None) -> BacktestSyncModel:
    """A model whose wallet holds what the positions of the state should hold."""
    wallet = SimulatedWallet()
    for asset, amount in calculate_total_assets(state.portfolio).items():
        wallet.set_balance(asset, amount)
    return BacktestSyncModel(wallet, lending_rates=FixedRates(rates or RATES))


def sync(model: BacktestSyncModel, state: State, days: int) -> list[tuple[int | None, str, Decimal]]:
    events = model.sync_interests(START + days * DAY, state, None, FixedPricing())
    assert not model.wallet.find_mismatches(calculate_total_assets(state.portfolio), epsilon=0)
    check_balances_add_up(state)
    return [(event.position_id, event.asset.token_symbol, event.quantity) for event in events]


def test_the_run_of_a_short_and_a_credit_supply():
    """Worked example: interest of day 20 is paid on the interest of day 10, and taken out when the positions close."""
    state = new_state()
    shorting, _ = short(state, "-1", "1000", "2000")
    lending, _ = supply(state, "5000")
    model = make_lender(state)
    set_interest_checkpoint(state, START, None)
    assert sync(model, state, 10) == [(1, "vWETH", Decimal("0.002")), (1, "aUSDC", 3), (2, "aUSDC", 5)]
    assert sync(model, state, 20) == [
        (1, "vWETH", Decimal("0.002004")),
        (1, "aUSDC", Decimal("3.003")),
        (2, "aUSDC", Decimal("5.005")),
    ]
    assert model.wallet.get_balance(AUSDC) == Decimal("8016.008")
    assert model.wallet.get_balance(VWETH) == Decimal("1.004004")
    at = START + 20 * DAY
    model.wallet.rebase(AUSDC, Decimal("5010.005"))
    model.wallet.rebase(VWETH, Decimal(0))
    close = {TradeFlag.close}
    _, closing = short(state, "1.004004", "0", "-1907.6076", at, 1900.0, "-1098.3954", position=shorting, flags=close)
    assert state.portfolio.get_cash() == pytest.approx(5098.3954)
    assert (closing.claimed_interest, closing.paid_interest) == (Decimal("6.003"), Decimal("0.004004"))
    _, recall = supply(state, "-5010.005", at, lending, closing=True)
    assert state.portfolio.get_cash() == pytest.approx(10_108.4004)
    assert recall.claimed_interest == Decimal("10.005")
    assert not state.portfolio.open_positions
    model.wallet.rebase(AUSDC, Decimal(0))
    assert sync(model, state, 21) == []


def test_a_batch_of_trades_between_syncs_skips_no_interest():
    """5000 at 3.65 % for twenty days are 10; the reference forgets what came before the trade and pays 2.5."""
    state = new_state()
    supply(state, "5000")
    model = make_lender(state)
    set_interest_checkpoint(state, START, None)
    set_interest_checkpoint(state, START + 15 * DAY, None)
    assert sync(model, state, 20) == [(1, "aUSDC", 10)]


def test_a_position_that_opened_between_syncs_earns_from_its_opening():
    state = new_state()
    supply(state, "5000")
    model = make_lender(state)
    set_interest_checkpoint(state, START, None)
    supply(state, "1000", START + 15 * DAY)
    model.wallet.update_balance(AUSDC, Decimal(1000))
    assert sync(model, state, 20) == [(1, "aUSDC", 10), (2, "aUSDC", Decimal("0.5"))]


def test_interest_below_the_limit_is_paid_later():
    state = new_state()
    supply(state, "0.05")
    model = make_lender(state)
    set_interest_checkpoint(state, START, None)
    assert sync(model, state, 1) == []
    assert sync(model, state, 10) == [(1, "aUSDC", Decimal("0.00005"))]


def test_interest_starts_without_a_checkpoint_when_there_is_a_loan():
    state = new_state()
    model = make_lender(state)
    assert sync(model, state, 5) == []
    assert state.sync.interest.last_sync_at is None
    supply(state, "5000", START + 5 * DAY)
    model.wallet.update_balance(AUSDC, Decimal(5000))
    assert sync(model, state, 15) == [(1, "aUSDC", 5)]
    assert state.sync.interest.last_sync_at == START + 15 * DAY


def test_without_loans_only_the_checkpoint_moves():
    state = new_state()
    set_interest_checkpoint(state, START, None)
    assert sync(make_lender(state), state, 3) == []
    assert state.sync.interest.last_sync_at == START + 3 * DAY


def test_without_rates_or_time_nothing_happens():
    state = new_state()
    supply(state, "5000")
    model = make_lender(state)
    set_interest_checkpoint(state, START, None)
    before = state.to_json()
    assert sync(model, state, 0) == []
    model.lending_rates = None
    assert sync(model, state, 10) == []
    assert state.to_json() == before


def test_events_have_the_time_of_the_strategy():
    state = new_state()
    supply(state, "5000")
    (event,) = make_lender(state).sync_interests(START + 10 * DAY, state, None, FixedPricing())
    assert event.created_at == event.block_mined_at == START + 10 * DAY
    assert event.block_number is None
    loan = state.portfolio.open_positions[1].loan
    assert loan is not None
    assert (loan.collateral.interest_rate_at_open, loan.collateral.last_interest_rate) == (0.0365, 0.0365)


@pytest.mark.parametrize("what", ["time", "wallet", "multiplier", "huge", "rate"])
def test_a_refused_sync_changes_neither_wallet_nor_state(what: str):
    state = new_state()
    short(state, "-1", "1000", "2000")
    supply(state, "5000")
    rates = {"multiplier": {VWETH: "-0.01"}, "huge": {VWETH: "9"}, "rate": {AUSDC: "1.5"}}.get(what, {})
    model = make_lender(state, RATES | rates)
    set_interest_checkpoint(state, START + DAY, None)
    if what == "wallet":
        del model.wallet.balances[VWETH.address]
    before, balances = state.to_json(), dict(model.wallet.balances)
    with pytest.raises(AssertionError):
        sync(model, state, 0 if what == "time" else 10)
    assert (state.to_json(), model.wallet.balances) == (before, balances)


def test_interest_goes_to_frozen_positions_too():
    state = new_state()
    position, _ = supply(state, "5000")
    model = make_lender(state)
    portfolio = state.portfolio
    portfolio.frozen_positions[1] = portfolio.open_positions.pop(1)
    assert sync(model, state, 10) == [(1, "aUSDC", 5)]
    assert get_balances(position) == (5005,)


# --- Rates


def candle(day: int, high: float, low: float, close: float) -> RateCandle:
    return RateCandle(START + day * DAY, high, low, close)


HISTORY = LendingRateHistory(
    supply={USDC: [candle(1, 8.0, 6.0, 6.5), candle(0, 4.0, 2.0, 3.0)]}, borrow={WETH: [candle(0, 6.0, 4.0, 5.0)]}
)


@pytest.mark.parametrize(
    ("asset", "start", "end", "percent"),
    [
        (AUSDC, 0, 2, 5.0),
        (AUSDC, 0, 1, 3.0),
        (AUSDC, 1, 9, 7.0),
        (AUSDC, 3, 4, 6.5),
        (VWETH, 0, 5, 5.0),
        (VWETH, 100, 105, 5.0),
    ],
)
def test_interest_of_a_history_is_the_mean_of_its_candles(asset: AssetIdentifier, start: int, end: int, percent: float):
    """The candle that opens at the end is of the future; without a candle the latest close goes on."""
    multiplier = HISTORY.get_accrual_multiplier(asset, START + start * DAY, START + end * DAY)
    assert float(multiplier) == pytest.approx(1 + percent / 100 * (end - start) / 365, rel=1e-12)


def test_the_present_rate_is_the_latest_close():
    assert HISTORY.get_yearly_rate(AUSDC, START + HOUR) == 0.03
    assert HISTORY.get_yearly_rate(AUSDC, START + DAY) == HISTORY.get_yearly_rate(AUSDC, START + 8 * DAY) == 0.065


@pytest.mark.parametrize(
    "ask",
    [
        lambda: HISTORY.get_yearly_rate(AUSDC, START + 8 * DAY + HOUR),
        lambda: HISTORY.get_yearly_rate(AUSDC, START - HOUR),
        lambda: HISTORY.get_accrual_multiplier(AUSDC, START - DAY, START),
        lambda: HISTORY.get_yearly_rate(USDC, START),
        lambda: LendingRateHistory({}).get_accrual_multiplier(AUSDC, START, START + DAY),
    ],
)
def test_a_rate_that_is_not_known(ask: Callable[[], object]):
    with pytest.raises(NoLendingData):
        ask()
