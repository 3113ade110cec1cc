"""Detail of the closed positions of any portfolio goes into an archive and comes back exactly.

No figure changes, and the JSON gets smaller, or nothing is taken out.

The portfolios are those of the random trading test, with transactions, valuations and empty balance updates made up.
"""

import datetime
import random
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import settings

from tests.kit import samples
from tests.kit.figures import get_closed_figures
from tests.kit.soak import SOAK
from tests.kit.trader import T0
from tests.kit.trading_machine import Trading
from tradeexecutor.cli.printers.audit import AuditSelection, audit_to_json
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.balance_update import BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.prune import archive_closed_positions, restore_archives
from tradeexecutor.state.state import State
from tradeexecutor.state.valuation import ValuationUpdate

LATER = datetime.datetime(2030, 1, 1)


class PrunedTrading(Trading):
    """Trades like `Trading`, whose own test checks the steps; prunes at the end."""

    def the_ledger_balances(self) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Not after every step."""

    def the_text_reads_back_the_same(self) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Not after every step."""

    def look_ups_find_what_a_scan_finds(self) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Not after every step."""

    def teardown(self) -> None:
        if not hasattr(self, "state"):
            return
        close_what_can_be_closed(self.state)
        make_up_detail(self.state, random.Random(self.state.portfolio.next_trade_id))
        with tempfile.TemporaryDirectory() as folder:
            prune_and_restore(State.read_json_blob(self.state.to_json()), Path(folder) / "state.json")


def prune_and_restore(state: State, path: Path) -> None:
    before, figures, report = state.to_json(), get_closed_figures(state), describe_proof(state)
    out = archive_closed_positions(state, LATER)
    assert get_closed_figures(state) == figures
    if out is None:
        assert state.to_json() == before
        return
    out.write(path)
    pruned = state.to_json()
    assert archive_closed_positions(state, LATER) is None
    assert state.to_json() == pruned
    assert len(pruned) < len(before)
    state = State.read_json_blob(pruned)
    assert get_closed_figures(state) == figures
    restore_archives(state, path)
    assert state.to_json() == before
    assert describe_proof(state) == report


def describe_proof(state: State) -> object:
    return audit_to_json(prove(state), state, AuditSelection(), entries=True)


def close_what_can_be_closed(state: State) -> None:
    """Random trading seldom sells out; what is left in a position does not matter here."""
    portfolio = state.portfolio
    for position in list(portfolio.get_open_and_frozen_positions())[1:]:
        if not position.has_trades_in_flight():
            portfolio.close_position(position, LATER)


def make_up_detail(state: State, chance: random.Random) -> None:
    portfolio = state.portfolio
    for position in portfolio.get_all_positions(pending=True):
        for trade in position.trades.values():
            for number in range(chance.randrange(3)):
                tx = samples.blockchain_transaction()
                tx.nonce = 1_000_000 + 10 * trade.trade_id + number
                tx.tx_hash = chance.choice([None, hex(tx.nonce)])
                tx.signed_bytes = chance.choice([None, "0x" + "ab" * 100])
                tx.transaction_args = chance.choice([None, ("0xabc", 2**255, b"\x01"), [1, [2, 3]], ()])
                tx.wrapped_args = chance.choice([None, [None, True], ("x", {"a": 1})])
                tx.details = chance.choice([None, {}, {"gas": 5}, {"data": None}, {"data": "0x" + "cd" * 9, "gas": 5}])
                trade.blockchain_transactions.append(tx)
        for number in range(chance.randrange(4)):
            at = T0 + datetime.timedelta(hours=number)
            quantity = chance.choice([None, position.get_quantity(), Decimal(7)])
            position.valuation_updates.append(
                ValuationUpdate(position.position_id, at, at, 1.0, 2.0, quantity=quantity)
            )
        if chance.random() < 0.3:
            add_empty_event(state, position)


def add_empty_event(state: State, position: TradingPosition) -> None:
    position.add_balance_update_event(
        samples.balance_update(
            balance_update_id=state.portfolio.next_balance_update_id,
            cause=BalanceUpdateCause.vault_flow,
            position_type=BalanceUpdatePositionType.open_position,
            asset=position.pair.base,
            quantity=Decimal("0.0"),
            old_balance=position.get_quantity(),
            position_id=position.position_id,
        )
    )
    state.portfolio.next_balance_update_id += 1


PrunedTrading.TestCase.settings = settings(Trading.TestCase.settings, max_examples=12 if SOAK == 1 else 25 * SOAK)


@pytest.mark.slow
@pytest.mark.timeout(900 * SOAK)
class TestPrunedTrading(PrunedTrading.TestCase):
    pass
