"""Vaults on Hypercore: dust after a redemption, and positions that are there twice."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.hypercore import V1, V2, V3, deposit, leave, make_hypercore_trader, make_phantom
from tests.kit.trader import DAY, SECOND, T0, Trader, cash_of
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.booking.treasury import EventOrigin, book_vault_flow
from tradeexecutor.state.errors import HypercoreDuplicateCloseError
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair import (
    close_hypercore_duplicate_clone,
    close_hypercore_dust_positions,
    find_hypercore_duplicate_close_candidates,
    repair_trade,
    repair_trades,
    unfreeze_position,
)
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeFlag, TradeType

D = Decimal
NOW = T0 + DAY


@pytest.fixture
def trader() -> Trader:
    return make_hypercore_trader()


# --- Dust


def test_dust_is_closed_and_the_rest_stays(trader: Trader):
    state, portfolio = trader.state, trader.state.portfolio
    dust, zero, held = leave(trader, V1, "1.99"), leave(trader, V2, "0"), leave(trader, V3, "2.01")
    cash = cash_of(state)
    trades = close_hypercore_dust_positions(portfolio, NOW)
    assert [trade.position_id for trade in trades] == [dust.position_id, zero.position_id]
    assert all(trade.trade_type is TradeType.repair and trade.planned_quantity == 0 for trade in trades)
    assert list(portfolio.open_positions) == [held.position_id]
    assert (cash_of(state), portfolio.calculate_total_equity()) == (cash, pytest.approx(9700 + 2.01))
    assert f"left a final residual balance ({NOW.isoformat()})" in (dust.notes or "")
    assert close_hypercore_dust_positions(portfolio, NOW) == []
    assert not prove(state).has_mismatch
    state.perform_integrity_check()


def test_frozen_dust_is_unfrozen_and_closed(trader: Trader):
    position = leave(trader, V1, "1")
    failed = trader.start_and_fail(V1, "-1", 1.0)
    freeze_position_on_failed_trade(T0, trader.state, [failed])
    close_hypercore_dust_positions(trader.state.portfolio, NOW)
    assert (position.unfrozen_at, position.closed_at) == (NOW, NOW)
    assert trader.state.portfolio.closed_positions == {position.position_id: position}


@pytest.mark.parametrize("case", ["in flight", "planned", "at risk", "never opened"])
def test_what_is_not_dust(trader: Trader, case: str):
    if case == "never opened":
        trader.plan(V1, "1", 1.0)
    else:
        position = leave(trader, V1, "1")
        trade = trader.plan(V1, "50", 1.0, position=position)[1]
        if case != "planned":
            trader.start(trade)
        if case == "at risk":
            trader.broadcast(trade)
            trade.other_data = {"hypercore_deposit_capital_at_risk": {"amount_raw": 1}}
            trader.fail(trade)
    before = trader.state.to_json()
    assert close_hypercore_dust_positions(trader.state.portfolio, NOW) == []
    assert trader.state.to_json() == before


# --- Duplicates


def make_stale(trader: Trader) -> tuple[TradingPosition, TradingPosition]:
    """A redemption went through and was said to have failed; its repair brought the old position back."""
    state = trader.state
    older = deposit(trader)
    failed = trader.start_and_fail(V1, "-50", 1.0)
    freeze_position_on_failed_trade(trader.ts, state, [failed])
    repair_trade(state.portfolio, failed, trader.ts)
    unfreeze_position(state.portfolio, older, trader.ts)
    trader.ts += SECOND
    newer = deposit(trader, amount="49", flags={TradeFlag.ignore_open})
    book_vault_flow(state, newer, D(1), EventOrigin(trader.ts, trader.ts))
    return older, newer


Make = Callable[[Trader], tuple[TradingPosition, TradingPosition]]


@pytest.mark.parametrize(
    ("make", "survivor", "reason"),
    [
        (make_phantom, 0, "later phantom duplicate clone"),
        (make_stale, 1, "stale repaired-close duplicate after later reopen"),
    ],
)
def test_a_duplicate_is_closed_and_its_twin_goes_on(trader: Trader, make: Make, survivor: int, reason: str):
    state, portfolio = trader.state, trader.state.portfolio
    positions = make(trader)
    real, clone = positions[survivor], positions[1 - survivor]
    candidates, rejected = find_hypercore_duplicate_close_candidates(portfolio)
    assert rejected == []
    candidate = candidates[0]
    assert (candidate.survivor_position, candidate.clone_position, candidate.close_reason) == (real, clone, reason)
    assert (candidate.vault_address, candidate.vault_name) == (V1.pool_address, "Vault 1")
    equity, cash = portfolio.calculate_total_equity(), cash_of(state)
    trade = close_hypercore_duplicate_clone(portfolio, candidate, NOW)
    assert trade.flags == {TradeFlag.close, TradeFlag.hypercore_duplicate_close}
    assert trade.repaired_trade_id == clone.get_first_trade().trade_id
    assert list(portfolio.open_positions) == [real.position_id]
    assert (clone.other_data or {})["closed_duplicate_survivor_position_id"] == real.position_id
    assert (clone.other_data or {})["hypercore_duplicate_close_reason"] == reason
    assert f"#{clone.position_id}" in (real.notes or "")
    assert (portfolio.calculate_total_equity(), cash_of(state)) == (equity - 50, cash)
    assert find_hypercore_duplicate_close_candidates(portfolio) == ([], [])
    state.perform_integrity_check()
    assert State.from_json(state.to_json()).to_json() == state.to_json()


def set_price(trader: Trader, position: TradingPosition) -> None:
    position.last_token_price = 1.1


def fail_to_sell(trader: Trader, position: TradingPosition) -> None:
    _, trade = trader.plan(V1, "-5", 1.0, position=position)
    trader.send(trade)
    trader.fail(trade)


SPOILERS: dict[str, tuple[Callable[[Trader, TradingPosition], object], str]] = {
    "quantity": (lambda t, p: book_vault_flow(t.state, p, D(1), EventOrigin(t.ts, t.ts)), "quantity"),
    "price": (set_price, "token price"),
    "planned": (lambda t, p: t.plan(V1, "5", 1.0, position=p), "has planned trades"),
    "another buy": (lambda t, p: [t.plan(V1, "5", 1.0, position=p), t.run(p.get_last_trade())], "quantity"),
    "another trade": (fail_to_sell, "other trades than one successful buy"),
    "third": (lambda t, p: deposit(t, flags={TradeFlag.ignore_open}), "3 positions, not two"),
}


@pytest.mark.parametrize(("spoil", "text"), SPOILERS.values(), ids=SPOILERS)
def test_what_is_not_certainly_a_duplicate_is_rejected_with_the_reason(
    trader: Trader, spoil: Callable[[Trader, TradingPosition], object], text: str
):
    _, newer = make_phantom(trader)
    candidate = find_hypercore_duplicate_close_candidates(trader.state.portfolio)[0][0]
    spoil(trader, newer)
    candidates, rejected = find_hypercore_duplicate_close_candidates(trader.state.portfolio)
    assert candidates == []
    assert text in rejected[0]
    before = trader.state.to_json()
    with pytest.raises(HypercoreDuplicateCloseError) as error:
        close_hypercore_duplicate_clone(trader.state.portfolio, candidate, NOW)
    assert error.value.position_id == newer.position_id
    assert trader.state.to_json() == before


def test_one_position_in_each_vault_is_no_duplicate(trader: Trader):
    deposit(trader, V1)
    deposit(trader, V2)
    assert find_hypercore_duplicate_close_candidates(trader.state.portfolio) == ([], [])


@pytest.mark.golden
def test_a_frozen_vault_of_a_real_file_is_no_dust_before_nor_after_its_repair(shared_dir: Path):
    state = State.read_json_file(shared_dir / "states" / "hyperliquid--state--hyperai-cleanup.json")
    assert close_hypercore_dust_positions(state.portfolio, NOW) == []
    repair_trades(state, now=NOW)
    before = state.to_json()
    assert close_hypercore_dust_positions(state.portfolio, NOW) == []
    assert find_hypercore_duplicate_close_candidates(state.portfolio) == ([], [])
    assert state.to_json() == before
