"""Whatever recorded balance is changed, and however little: the ledger finds it and says which."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.every_kind_trader import RAW_UNIT, TEXT, assert_balanced
from tradeexecutor.ledger.entry import EntryKind
from tradeexecutor.ledger.journal import derive
from tradeexecutor.ledger.proof import Verdict, prove
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.state import State

pytestmark = pytest.mark.slow

Damage = Callable[[Decimal], None]


def list_damage(state: State) -> dict[str, Damage]:
    """Everything that is recorded as a balance, by the name of the finding that must show its change."""
    portfolio = state.portfolio
    reserve = portfolio.get_default_reserve_position()
    damage: dict[str, Damage] = {}

    def add(name: str, owner: object, attribute: str) -> None:
        damage[name] = lambda amount: setattr(owner, attribute, getattr(owner, attribute) + amount)

    add("USDC cash", reserve, "quantity")
    for position in portfolio.open_positions.values():
        number = position.position_id
        if position.pair.kind.is_cctp_bridge():
            name = f"USDC of position #{number}: capital lent to trades on the far chain"
            add(name, position, "bridge_capital_allocated")
        if position.loan is not None:
            add_loan(damage, position.loan, number)
        for trade in position.trades.values():
            if trade.executed_at is None and trade.failed_at is None:
                what = {
                    "vault_settlement_pending": "capital that waits for the vault to settle",
                    "cctp_in_transit": "capital in transit between chains",
                }.get(trade.get_status().value, "capital in flight")
                add(f"{what} for position #{number}", trade, "reserve_currency_allocated")
    return damage


def add_loan(damage: dict[str, Damage], loan: Loan, number: int) -> None:
    sides = [("aPolUSDC collateral", loan.collateral, loan.collateral_interest, "claimed")]
    if loan.borrowed is not None and loan.borrowed_interest is not None:
        sides.append(("variableDebtPolWETH debt", loan.borrowed, loan.borrowed_interest, "repaid"))
    for side, tracker, interest, paid in sides:
        for what, owner, attribute in (
            ("principal", tracker, "quantity"),
            ("tokens", interest, "last_token_amount"),
            ("interest", interest, "last_accrued_interest"),
            (f"interest {paid}", interest, "interest_payments"),
        ):
            damage[f"{side} of position #{number}: {what}"] = lambda amount, owner=owner, attribute=attribute: setattr(
                owner, attribute, getattr(owner, attribute) + amount
            )


NAMES = sorted(list_damage(State.read_json_blob(TEXT)))
AMOUNTS = st.decimals("-100000", "100000", places=6).filter(bool)


def test_there_is_damage_of_every_kind():
    assert_balanced(State.read_json_blob(TEXT))
    assert len(NAMES) == 1 + 1 + 4 + 8 + 3


@given(name=st.sampled_from(NAMES), amount=AMOUNTS | st.sampled_from([RAW_UNIT, -RAW_UNIT]))
def test_any_change_of_a_recorded_balance_is_found(name: str, amount: Decimal):
    state = State.read_json_blob(TEXT)
    list_damage(state)[name](amount)
    proof = prove(state)
    (finding,) = proof.get_findings(Verdict.mismatch)
    assert (finding.name, finding.difference) == (name, amount)
    first = finding.first_break
    assert first is not None
    assert first.change.amount == amount
    # What is conserved over the whole tree changes by as much, unless the figure is contained in another one.
    changed = [item for item in proof.conservation if not item.is_conserved]
    assert len(changed) == (1 if finding.is_owned else 0)
    assert all(abs(item.difference or 0) == abs(amount) for item in changed)


@given(data=st.data(), amount=AMOUNTS)
def test_two_changes_are_both_found(data: st.DataObject, amount: Decimal):
    first, second = data.draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=2, unique=True))
    state = State.read_json_blob(TEXT)
    damage = list_damage(state)
    damage[first](amount)
    damage[second](-amount)
    found = {item.name: item.difference for item in prove(state).get_findings(Verdict.mismatch)}
    assert found == {first: amount, second: -amount}


@given(data=st.data())
def test_any_trade_that_moved_cash_and_is_gone_is_found(data: st.DataObject):
    state = State.read_json_blob(TEXT)
    moving = {
        entry.trade_id
        for entry in derive(state).entries
        if entry.kind in (EntryKind.trade_succeeded, EntryKind.trade_started)
    }
    # A failed trade took and gave back the same: without it the cash is right.
    moving -= {trade.trade_id for trade in state.portfolio.get_all_trades() if trade.failed_at is not None}
    number = data.draw(st.sampled_from(sorted(item for item in moving if item is not None)))
    position = next(item for item in state.portfolio.open_positions.values() if number in item.trades)
    del position.trades[number]
    proof = prove(state)
    assert proof.has_mismatch
    assert proof.remarks == [f"the file lacks trade #{number}"]


@given(data=st.data(), amount=AMOUNTS)
def test_any_event_of_cash_or_interest_whose_amount_was_changed_is_found(data: st.DataObject, amount: Decimal):
    """The quantity of a position without a loan is the sum of its events: it follows them."""
    state = State.read_json_blob(TEXT)
    reserve = state.portfolio.get_default_reserve_position()
    events = dict(reserve.balance_updates)
    for position in state.portfolio.open_positions.values():
        if position.loan is not None:
            events |= position.balance_updates
    events[data.draw(st.sampled_from(sorted(events)))].quantity += amount
    found = prove(state).get_findings(Verdict.mismatch)
    assert any(abs(item.difference or 0) == abs(amount) for item in found)
