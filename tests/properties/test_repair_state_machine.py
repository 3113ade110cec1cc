"""Random trading with random repairs in between: nothing is lost, nothing is invented, nothing is done twice.

Every repair is made three times: in a preview, for good, and once more, when it must do nothing.  The books of the
machine, its ledger and its invariants are those of random trading.
"""

import datetime
import os
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.kit.trading_machine import (
    AMOUNTS,
    BROADCASTED,
    FRACTIONS,
    PLANNED,
    PRICES,
    SPOT,
    STARTED,
    TOKEN_KINDS,
    Trading,
)
from tests.kit.world import CENT
from tradeexecutor.execution.simulated import SimulatedExecution
from tradeexecutor.operations.state_change import prepare_change, undo_change
from tradeexecutor.state.booking.treasury import book_position_correction
from tradeexecutor.state.codec.json_patch import apply_patch
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.identifier import TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.repair import (
    ReportedOutcome,
    close_hypercore_dust_positions,
    close_position_with_empty_trade,
    reconfirm_trade,
    repair_trades,
    repair_tx_not_generated,
    repair_zero_quantity,
)
from tradeexecutor.state.repair.issues import IssueKind, find_issues
from tradeexecutor.state.repair.preview import preview_change
from tradeexecutor.state.repair.unsent import can_be_emptied, find_trades_without_transactions
from tradeexecutor.state.retry import retry_trades
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.state.trade.planned_amounts import EXCHANGE_KINDS

SPOT_ONLY = frozenset({TradingPairKind.spot_market_hold})


class RepairMachine(Trading):
    """Trades, dies at any moment, and is repaired."""

    def repair(self, operation: Callable[[State], Any], *, repeatable: bool = True) -> Any:
        """Repair with a preview, and then once more; both must agree with what the first did."""
        self.ts += datetime.timedelta(seconds=1)
        before = self.state.to_json()
        preview = preview_change(self.state, operation)
        assert self.state.to_json() == before
        assert apply_patch(preview.before, preview.patch) == preview.after
        result = operation(self.state)
        assert self.state.to_dict() == preview.after
        assert self.portfolio.next_trade_id == preview.state.portfolio.next_trade_id
        if repeatable:
            after = self.state.to_json()
            operation(self.state)
            assert self.state.to_json() == after
        return result

    # --- More of what has to be repaired

    @rule(pair=SPOT, reserve=AMOUNTS, price=PRICES, sent=st.booleans(), frozen=st.booleans())
    def fail_to_buy(
        self, pair: TradingPairIdentifier, reserve: Decimal, price: float, sent: bool, frozen: bool
    ) -> None:
        self.run_and_fail(self.plan(pair, price, reserve=reserve), sent, frozen)

    @rule(data=st.data(), fraction=FRACTIONS, price=PRICES, frozen=st.booleans())
    def fail_to_sell(self, data: st.DataObject, fraction: Decimal, price: float, frozen: bool) -> None:
        position = self.draw_position(data, *TOKEN_KINDS)
        if position is not None and position.get_quantity() > 0:
            quantity = -(position.get_quantity() * fraction)
            self.run_and_fail(self.plan(position.pair, price, quantity=quantity, position=position), True, frozen)

    def run_and_fail(self, trade: TradeExecution | None, sent: bool, frozen: bool) -> None:
        if trade is None:
            return
        self.try_to_start(trade)
        if trade.is_started():
            if sent:
                self.state.mark_broadcasted(self.ts, trade)
            self.state.mark_trade_failed(self.ts, trade)
            self.give_back(trade)
            if frozen:
                freeze_position_on_failed_trade(self.ts, self.state, [trade])

    @rule(data=st.data())
    def lose_all_tokens(self, data: st.DataObject) -> None:
        position = self.draw_position(data, *TOKEN_KINDS)
        if position is not None and position.get_quantity() > 0:
            quantity = position.get_quantity()
            if self.attempt(lambda: book_position_correction(self.state, position, -quantity, self.origin())):
                self.change_tokens(position, -quantity)

    # --- Repair

    @rule()
    def repair_unsent(self) -> None:
        unsent = find_trades_without_transactions(self.state)
        counters = self.repair(lambda state: repair_tx_not_generated(state, self.ts))
        assert [counter.repaired_trade_id for counter in counters] == [trade.trade_id for trade in unsent]
        for trade in unsent:
            self.give_back(trade)
        assert not find_trades_without_transactions(self.state)

    @rule()
    def repair_empty(self) -> None:
        self.repair(lambda state: repair_zero_quantity(state, self.ts))

    @rule()
    def repair_failed(self) -> None:
        self.repair(lambda state: repair_trades(state, now=self.ts).new_trades)
        assert not any(
            trade.is_failed()
            for position in self.portfolio.get_open_and_frozen_positions()
            for trade in position.trades.values()
        )

    @precondition(lambda self: self.trades(STARTED, BROADCASTED))
    @rule(data=st.data())
    def look_up_a_failure(self, data: st.DataObject) -> None:
        trade = self.draw_trade(data, STARTED, BROADCASTED)
        number, ts = trade.trade_id, self.ts
        self.repair(lambda state: reconfirm_trade(state, _find(state, number), ReportedOutcome(), ts), repeatable=False)
        self.give_back(trade)
        assert trade.is_failed()
        assert trade.position_id in self.portfolio.frozen_positions

    @precondition(lambda self: self.trades(STARTED, BROADCASTED))
    @rule(data=st.data(), filled=FRACTIONS, price=PRICES)
    def look_up_a_success(self, data: st.DataObject, filled: Decimal, price: float) -> None:
        trade = self.draw_trade(data, STARTED, BROADCASTED)
        if trade.pair.kind not in EXCHANGE_KINDS:
            return
        quantity = abs(trade.planned_quantity) * filled
        if trade.is_sell():
            if not trade.pair.kind.is_cctp_bridge():
                quantity = min(quantity, self.tokens[trade.position_id])
            reserve = max((quantity * Decimal(price)).quantize(CENT), CENT)
        else:
            reserve = max((trade.planned_reserve * filled).quantize(CENT), CENT)
        if not quantity:
            return
        far_open = bool(self.open_positions(TradingPairKind.cctp_bridge))
        before = self.state.to_json()
        try:
            reconfirm_trade(self.state, trade, ReportedOutcome(quantity, reserve), self.ts)
        except TradeExecutorError:
            assert self.state.to_json() == before
            return
        signed = quantity if trade.is_buy() else -quantity
        self.book_outcome(trade, signed, reserve, None, None, far_open)

    @rule(pair=SPOT, reserve=AMOUNTS, price=PRICES, fails=st.booleans())
    def retry(self, pair: TradingPairIdentifier, reserve: Decimal, price: float, fails: bool) -> None:
        self.run_and_fail(self.plan(pair, price, reserve=reserve), True, True)
        model = SimulatedExecution(failures=lambda trade: fails)
        # Each trade takes its turn after the sells before it; the machine has to know who pays.
        open_bridge = bool(self.open_positions(TradingPairKind.cctp_bridge))
        result = retry_trades(state=self.state, execution_model=model, now=self.ts)
        for trade in result.new_trades:
            assert trade.pair.kind in SPOT_ONLY
            assert trade.is_failed() == fails
            if not fails:
                self.book_retry(trade, open_bridge)

    def book_retry(self, trade: TradeExecution, open_bridge: bool) -> None:
        assert trade.executed_quantity is not None
        assert trade.executed_reserve is not None
        if trade.is_buy():
            far = trade.pair.kind in TOKEN_KINDS and open_bridge and trade.pair.chain_id != 1
            if far:
                self.far -= trade.executed_reserve
            else:
                self.cash -= trade.executed_reserve
            self.tokens[trade.position_id] += trade.executed_quantity
        else:
            self.book_outcome(trade, trade.executed_quantity, trade.executed_reserve, None, None, open_bridge)

    @rule(data=st.data())
    def write_off(self, data: st.DataObject) -> None:
        position = self.draw_position(data, TradingPairKind.spot_market_hold, TradingPairKind.vault)
        if position is None or any(t.is_failed() or t.is_planned() for t in position.trades.values()):
            return
        self.attempt(lambda: self.portfolio.mark_down_position(position))

    @rule(data=st.data())
    def close_as_empty(self, data: st.DataObject) -> None:
        position = self.draw_position(data, TradingPairKind.spot_market_hold, TradingPairKind.vault)
        if position is not None and can_be_emptied(position) and position.can_be_closed():
            self.attempt(lambda: close_position_with_empty_trade(self.portfolio, position, self.ts))

    @rule()
    def look_for_what_needs_attention(self) -> None:
        before = self.state.to_json()
        found = find_issues(self.state, self.ts)
        assert self.state.to_json() == before
        sent = {trade.trade_id for trade in self.trades(BROADCASTED)}
        assert {item.trade_id for item in found if item.kind is IssueKind.unknown_outcome} == sent
        unsent = {trade.trade_id for trade in self.trades(STARTED)}
        assert unsent <= {item.trade_id for item in found if item.kind is IssueKind.not_sent}

    @rule()
    def repairs_change_what_is_found_and_nothing_else(self) -> None:
        state = State.read_json_blob(self.state.to_json())
        before = state.to_json()
        named = any("--only" in item.command for item in find_issues(state, self.ts))
        repair_tx_not_generated(state, self.ts)
        repair_trades(state, now=self.ts)
        repair_zero_quantity(state, self.ts)
        close_hypercore_dust_positions(state.portfolio, self.ts)
        assert (state.to_json() != before) == named
        assert not any("--only" in item.command for item in find_issues(state, self.ts))

    @precondition(lambda self: self.trades(PLANNED, STARTED, TradeStatus.failed))
    @rule()
    def change_the_file_and_take_it_back(self) -> None:
        def repair(state: State, now: datetime.datetime) -> None:
            repair_tx_not_generated(state, self.ts)
            repair_trades(state, now=self.ts)

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "state.json"
            with JSONFileStore(path) as store:
                store.sync(self.state)
            before = path.read_bytes()
            with prepare_change(path, repair) as prepared:
                undo = None if prepared.is_empty else prepared.save("backup")
            backups = list(Path(folder).glob("*.backup-*.json"))
            assert [item.name for item in backups] == ([undo.backup.name] if undo and undo.backup else [])
            assert bool(undo) == (path.read_bytes() != before)
            if undo is not None:
                undo_change(undo)
            assert path.read_bytes() == before


def _find(state: State, trade_id: int) -> TradeExecution:
    return next(
        position.trades[trade_id]
        for position in state.portfolio.get_all_positions(pending=True)
        if trade_id in position.trades
    )


SOAK = int(os.environ.get("SOAK", "1"))
RepairMachine.TestCase.settings = settings(
    max_examples=20 if SOAK == 1 else 40 * SOAK,
    stateful_step_count=50,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.slow
@pytest.mark.timeout(900 * SOAK)
class TestRepair(RepairMachine.TestCase):
    pass
