"""Simulated deposits and redemptions: all of a sync or nothing, each exactly once."""

from decimal import Decimal

import pytest

from tests.backtest.markets import HOUR, START
from tradeexecutor.backtest.backtest_sync import BacktestSyncModel, FundingNotPossible
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.backtest.universe import create_reserve_asset
from tradeexecutor.state.state import State
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


def test_a_failing_sync_changes_nothing_and_keeps_the_queue():
    model, state = make_model()
    model.sync_treasury(START, state, [USD])
    model.simulate_funding(START, Decimal(50))
    model.simulate_funding(START, Decimal(-3000))
    for _ in range(2):
        with pytest.raises(FundingNotPossible, match="exceeds the reserves by 1950"):
            model.sync_treasury(START + HOUR, state, [USD])
        assert model.wallet.get_balance(USD) == state.portfolio.get_cash() == 1000
        assert len(model.fund_flow_queue) == 2
    del model.fund_flow_queue[1]
    model.sync_treasury(START + HOUR, state, [USD])
    assert model.wallet.get_balance(USD) == state.portfolio.get_cash() == 1050


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
