"""Random trading in every kind of instrument: a Hypothesis state machine with invariants.

The machine keeps books of its own: cash, capital under way, and the tokens of every position, changed by what the test
itself did and never by asking the state.  After every step the state is compared with them, the ledger derived from
the state balances, and every figure that is kept is the one that comes out when it is computed from scratch.
"""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.kit.soak import SOAK
from tests.kit.trader import SECOND, T0, cash_of
from tests.kit.world import (
    ACCOUNT,
    BRIDGE,
    CENT,
    CREDIT,
    FAR_WETH_USDC,
    LINK_USDC,
    LONG,
    SHORT,
    USDC,
    VAULT,
    WETH_USDC,
)
from tradeexecutor.accounting.leverage import size_long_opening
from tradeexecutor.ledger.proof import Verdict, prove
from tradeexecutor.state.booking.interest import InterestBatch
from tradeexecutor.state.booking.treasury import (
    EventOrigin,
    book_position_correction,
    book_reserve_correction,
    book_reserve_flow,
    book_vault_flow,
    redeem_in_kind,
)
from tradeexecutor.state.checks import check_state
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.identifier import TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.loan.leverage import LeverageEstimate
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair import repair_trades, repair_tx_missing
from tradeexecutor.state.repair.issues import IssueKind, find_issues
from tradeexecutor.state.state import State
from tradeexecutor.state.state.impossible_balances import find_impossible_balances
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeRequest, TradeStatus, TradeType
from tradeexecutor.state.trigger import Trigger, TriggerCondition, TriggerType

ZERO = Decimal(0)
#: Sums in another order may differ in the 28th digit.
DIGITS = Decimal("1E-16")

AMOUNTS = st.decimals("1", "2000", places=6)
SMALL = st.decimals("0.01", "5", places=6)
PRICES = st.integers(4, 8000).map(lambda quarters: quarters / 4)
FRACTIONS = st.sampled_from([Decimal("0.25"), Decimal("0.5"), Decimal("0.999"), Decimal(1)])
SPOT = st.sampled_from([WETH_USDC, LINK_USDC, FAR_WETH_USDC])
PLANNED, STARTED, BROADCASTED = TradeStatus.planned, TradeStatus.started, TradeStatus.broadcasted
IN_TRANSIT, SETTLING = TradeStatus.cctp_in_transit, TradeStatus.vault_settlement_pending
TOKEN_KINDS = frozenset({TradingPairKind.spot_market_hold, TradingPairKind.vault})


class Trading(RuleBasedStateMachine):
    """One portfolio in USDC, capital on two chains, every kind of position."""

    state: State

    def __init__(self) -> None:
        super().__init__()
        self.ts = T0
        self.cash = ZERO
        #: Capital on the far chain that no trade uses.
        self.far = ZERO
        #: Trade id -> what it took, and whether from the far chain.
        self.under_way: dict[int, tuple[Decimal, bool]] = {}
        #: Bridge trade id -> what is locked on the far chain.
        self.locked: dict[int, Decimal] = {}
        #: Position id -> tokens.
        self.tokens: defaultdict[int, Decimal] = defaultdict(Decimal)
        self.collateral: defaultdict[int, Decimal] = defaultdict(Decimal)
        self.debt: defaultdict[int, Decimal] = defaultdict(Decimal)

    # --- Helpers

    @property
    def portfolio(self) -> Any:
        return self.state.portfolio

    def all_positions(self) -> list[TradingPosition]:
        return list(self.portfolio.get_all_positions(pending=True))

    def trades(self, *statuses: TradeStatus) -> list[TradeExecution]:
        return [t for p in self.all_positions() for t in p.trades.values() if t.get_status() in statuses]

    def find(self, trade_id: int) -> TradeExecution:
        return next(p.trades[trade_id] for p in self.all_positions() if trade_id in p.trades)

    def draw_trade(self, data: st.DataObject, *statuses: TradeStatus) -> TradeExecution:
        return self.find(data.draw(st.sampled_from([trade.trade_id for trade in self.trades(*statuses)])))

    def open_positions(self, *kinds: TradingPairKind) -> list[TradingPosition]:
        return [p for p in self.portfolio.open_positions.values() if p.pair.kind in kinds]

    def draw_position(self, data: st.DataObject, *kinds: TradingPairKind) -> TradingPosition | None:
        ids = [position.position_id for position in self.open_positions(*kinds)]
        return self.portfolio.open_positions[data.draw(st.sampled_from(ids))] if ids else None

    def origin(self) -> EventOrigin:
        self.ts += SECOND
        return EventOrigin(self.ts, self.ts)

    def attempt(self, operation: Callable[[], Any]) -> Any:
        """Do something that may be refused; then nothing has changed."""
        before = self.state.to_json()
        try:
            result = operation()
        except TradeExecutorError:
            assert self.state.to_json() == before
            return None
        self.ts += SECOND
        return result

    def plan(self, pair: TradingPairIdentifier, price: float, **arguments: Any) -> TradeExecution | None:
        arguments.setdefault("quantity", None)
        arguments.setdefault("reserve", None)
        result = self.attempt(
            lambda: self.state.create_trade(
                strategy_cycle_at=self.ts,
                pair=pair,
                assumed_price=price,
                trade_type=TradeType.rebalance,
                reserve_currency=USDC,
                reserve_currency_price=1.0,
                planned_mid_price=price,
                **arguments,
            )
        )
        return None if result is None else result[1]

    # --- Cash

    @initialize()
    def start_with_cash(self) -> None:
        self.state = State(created_at=T0, name="random")
        self.deposit(Decimal(10_000))

    @rule(amount=AMOUNTS)
    def deposit(self, amount: Decimal) -> None:
        book_reserve_flow(self.state, USDC, amount, self.origin())
        self.cash += amount

    @rule(amount=AMOUNTS)
    def redeem_cash(self, amount: Decimal) -> None:
        if self.attempt(lambda: book_reserve_flow(self.state, USDC, -amount, self.origin())):
            self.cash -= amount

    @rule(amount=st.decimals("-2", "2", places=6))
    def correct_cash(self, amount: Decimal) -> None:
        if self.attempt(lambda: book_reserve_correction(self.state, USDC, amount, self.origin())):
            self.cash += amount

    # --- Plans

    @rule(pair=SPOT, reserve=AMOUNTS, price=PRICES)
    def plan_buy(self, pair: TradingPairIdentifier, reserve: Decimal, price: float) -> None:
        self.plan(pair, price, reserve=reserve)

    @rule(data=st.data(), fraction=FRACTIONS, price=PRICES, closing=st.booleans())
    def plan_sell(self, data: st.DataObject, fraction: Decimal, price: float, closing: bool) -> None:
        """A part of what the strategy can decide about, of what is held, or more: some of it is refused."""
        position = self.draw_position(data, TradingPairKind.spot_market_hold, TradingPairKind.vault)
        if position is not None:
            available, held = position.get_available_trading_quantity(), position.get_quantity()
            quantity = -fraction * data.draw(st.sampled_from([available, held, held + available]))
            trade = self.plan(position.pair, price, quantity=quantity, position=position, closing=closing)
            # What is available is negative when tokens went after sells of all of them were planned: then this buys.
            if trade is not None and quantity < 0:
                assert -quantity <= self.get_most_sellable(position, trade) + DIGITS + Decimal("1E-9")

    def get_most_sellable(self, position: TradingPosition, sell: TradeExecution) -> Decimal:
        """What is held, and all that may still be bought, less all other sells that are planned."""
        waits = position.pending_trades
        rest = [t for t in position.trades.values() if t is not sell and t.trade_id not in waits and not t.executed_at]
        planned = [t for t in rest if t.get_status() in (PLANNED, STARTED, BROADCASTED, SETTLING)]
        return self.tokens[position.position_id] + sum((trade.planned_quantity for trade in planned), ZERO)

    @rule(reserve=AMOUNTS)
    def plan_vault_deposit(self, reserve: Decimal) -> None:
        self.plan(VAULT, 1.25, reserve=reserve)

    @rule(reserve=AMOUNTS)
    def plan_account_deposit(self, reserve: Decimal) -> None:
        self.plan(ACCOUNT, 1.0, reserve=reserve)

    @rule(data=st.data(), fraction=FRACTIONS)
    def plan_withdrawal(self, data: st.DataObject, fraction: Decimal) -> None:
        """Out of an exchange account, or back over the bridge."""
        position = self.draw_position(data, TradingPairKind.exchange_account, TradingPairKind.cctp_bridge)
        if position is None:
            return
        held = position.get_quantity()
        if position.pair.kind.is_cctp_bridge():
            held = position.get_available_bridge_capital()
        quantity = (held * fraction).quantize(CENT)
        if quantity > 0:
            self.plan(position.pair, 1.0, quantity=-quantity, position=position)

    @rule(reserve=AMOUNTS)
    def plan_bridge_out(self, reserve: Decimal) -> None:
        self.plan(BRIDGE, 1.0, reserve=reserve)

    @rule(amount=AMOUNTS)
    def plan_supply(self, amount: Decimal) -> None:
        self.supply(amount)

    def supply(self, amount: Decimal, **arguments: Any) -> Any:
        return self.attempt(
            lambda: self.state.supply_credit(
                self.ts, CREDIT, TradeType.rebalance, USDC, 1.0, collateral_quantity=amount, **arguments
            )
        )

    @rule(data=st.data(), fraction=FRACTIONS)
    def plan_recall(self, data: st.DataObject, fraction: Decimal) -> None:
        position = self.draw_position(data, TradingPairKind.credit_supply)
        if position is not None:
            self.supply(-(position.get_quantity() * fraction).quantize(CENT), position=position, closing=fraction == 1)

    @rule(reserve=AMOUNTS, leverage=st.sampled_from([0.5, 1.0, 2.0]), price=PRICES, fee=st.sampled_from([0.0, 0.003]))
    def plan_short(self, reserve: Decimal, leverage: float, price: float, fee: float) -> None:
        if self.portfolio.get_open_position_for_pair(SHORT) is not None:
            return
        estimate = LeverageEstimate.open_short(reserve, leverage, price, SHORT, fee)
        self.short(
            price,
            borrowed_quantity=-estimate.borrowed_quantity,
            collateral_quantity=reserve,
            planned_collateral_consumption=estimate.additional_collateral_quantity,
            flags={TradeFlag.open},
        )

    def short(self, price: float, **arguments: Any) -> Any:
        return self.attempt(
            lambda: self.state.trade_short(
                self.ts, SHORT, price, TradeType.rebalance, USDC, 1.0, planned_mid_price=price, **arguments
            )
        )

    @rule(data=st.data(), fraction=FRACTIONS, release=st.decimals("-50", "50", places=6))
    def plan_short_change(self, data: st.DataObject, fraction: Decimal, release: Decimal) -> None:
        """Buy back a part of the debt, or move collateral only."""
        position = self.draw_position(data, TradingPairKind.lending_protocol_short)
        if position is None or position.loan is None or position.loan.borrowed is None:
            return
        bought = position.loan.borrowed.quantity * (1 - fraction)
        self.short(
            position.loan.borrowed.last_usd_price,
            borrowed_quantity=bought,
            collateral_quantity=max(release, ZERO),
            planned_collateral_allocation=min(release, ZERO),
            position=position,
        )

    @rule(data=st.data(), price=PRICES)
    def plan_short_close(self, data: st.DataObject, price: float) -> None:
        position = self.draw_position(data, TradingPairKind.lending_protocol_short)
        if position is not None:
            self.short(price, position=position, closing=True, flags={TradeFlag.close})

    @rule(reserve=AMOUNTS, leverage=st.sampled_from([1.5, 2.0, 4.0]), price=PRICES)
    def plan_long(self, reserve: Decimal, leverage: float, price: float) -> None:
        if self.portfolio.get_open_position_for_pair(LONG) is None:
            opening = size_long_opening(reserve, leverage, price)
            self.long(
                price,
                quantity=opening.quantity,
                reserve=reserve,
                planned_collateral_consumption=-opening.spent,
                flags={TradeFlag.open},
            )

    def long(self, price: float, position: TradingPosition | None = None, **arguments: Any) -> Any:
        return self.attempt(
            lambda: self.state.request_long(
                TradeRequest(
                    strategy_cycle_at=self.ts,
                    pair=LONG,
                    assumed_price=price,
                    trade_type=TradeType.rebalance,
                    reserve_currency=USDC,
                    reserve_currency_price=1.0,
                    planned_mid_price=price,
                    **arguments,
                ),
                position,
            )
        )

    @rule(data=st.data(), fraction=FRACTIONS, release=st.decimals("-50", "50", places=6))
    def plan_long_change(self, data: st.DataObject, fraction: Decimal, release: Decimal) -> None:
        """Sell a part of the collateral, or change the debt only."""
        position = self.draw_position(data, TradingPairKind.lending_protocol_long)
        if position is not None and position.loan is not None:
            self.long(
                position.loan.collateral.last_usd_price,
                quantity=position.loan.collateral.quantity * (fraction - 1),
                reserve=max(release, ZERO),
                planned_collateral_allocation=min(release, ZERO),
                position=position,
            )

    @rule(data=st.data(), price=PRICES)
    def plan_long_close(self, data: st.DataObject, price: float) -> None:
        position = self.draw_position(data, TradingPairKind.lending_protocol_long)
        if position is not None:
            self.long(price, position=position, closing=True, flags={TradeFlag.close})

    # --- Triggers

    @rule(reserve=AMOUNTS, price=PRICES)
    def plan_limit_entry(self, reserve: Decimal, price: float) -> None:
        trade = self.plan(LINK_USDC, price, reserve=reserve, flags={TradeFlag.ignore_open, TradeFlag.triggered})
        if trade is None:
            return
        position = self.portfolio.open_positions.pop(trade.position_id)
        trade.triggers = [Trigger(TriggerType.market_limit, TriggerCondition.cross_above, price)]
        position.pending_trades[trade.trade_id] = position.trades.pop(trade.trade_id)
        position.pending_since_at = self.ts
        self.portfolio.pending_positions[position.position_id] = position

    @rule(data=st.data(), price=PRICES)
    def plan_partial_take_profit(self, data: st.DataObject, price: float) -> None:
        position = self.draw_position(data, TradingPairKind.spot_market_hold)
        if position is None or position.get_quantity() <= 0:
            return
        flags = {TradeFlag.partial_take_profit, TradeFlag.reduce, TradeFlag.triggered}
        quantity = -position.get_quantity() / 4
        trade = self.plan(position.pair, price, quantity=quantity, position=position, flags=flags)
        if trade is not None:
            trade.triggers = [Trigger(TriggerType.take_profit_partial, TriggerCondition.cross_above, price)]
            position.pending_trades[trade.trade_id] = trade

    @rule(data=st.data(), lapse=st.booleans())
    def trigger(self, data: st.DataObject, lapse: bool) -> None:
        waiting = [(p, t) for p in self.all_positions() for t in p.pending_trades.values() if t.is_planned()]
        if not waiting:
            return
        index = data.draw(st.integers(0, len(waiting) - 1))
        position, trade = waiting[index]
        del position.pending_trades[trade.trade_id]
        trade.triggers, trade.activated_trigger = [], trade.triggers[0] if trade.triggers else None
        if lapse:
            trade.mark_expired(self.ts)
            position.expired_trades[trade.trade_id] = trade
            if position.position_id in self.portfolio.pending_positions and not position.trades:
                self.portfolio.expired_positions[position.position_id] = self.portfolio.pending_positions.pop(
                    position.position_id
                )
            return
        position.trades[trade.trade_id] = trade
        self.try_to_start(trade, triggered=True)

    # --- Execution

    @precondition(lambda self: self.trades(PLANNED))
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        self.try_to_start(self.draw_trade(data, PLANNED))

    @precondition(lambda self: self.trades(PLANNED))
    @rule(data=st.data(), filled=FRACTIONS, report=st.booleans(), price=PRICES)
    def execute_all(self, data: st.DataObject, filled: Decimal, report: bool, price: float) -> None:
        for trade in self.trades(PLANNED):
            self.try_to_start(trade)
        for trade in self.trades(STARTED):
            self.state.mark_broadcasted(self.ts, trade)
        for trade in self.trades(BROADCASTED):
            self.complete(trade, filled, report, price)

    def try_to_start(self, trade: TradeExecution, triggered: bool = False) -> None:
        before = self.state.to_json()
        try:
            self.state.start_execution(self.ts, trade, underflow_check=True, triggered=triggered)
        except TradeExecutorError:
            assert self.state.to_json() == before
            return
        kind = trade.pair.kind
        if trade.planned_quantity > 0 or kind.is_leverage():
            far = (
                kind in TOKEN_KINDS
                and bool(self.open_positions(TradingPairKind.cctp_bridge))
                and trade.pair.chain_id != 1
            )
            self.under_way[trade.trade_id] = trade.planned_reserve, far
            if far:
                self.far -= trade.planned_reserve
            else:
                self.cash -= trade.planned_reserve
        self.ts += SECOND

    @precondition(lambda self: self.trades(STARTED))
    @rule(data=st.data())
    def broadcast(self, data: st.DataObject) -> None:
        self.state.mark_broadcasted(self.ts, self.draw_trade(data, STARTED))

    @precondition(lambda self: self.trades(BROADCASTED))
    @rule(data=st.data())
    def wait(self, data: st.DataObject) -> None:
        trade = self.draw_trade(data, BROADCASTED)
        if trade.pair.kind.is_cctp_bridge():
            self.state.mark_bridge_in_transit(self.ts, trade)
            if trade.is_sell():
                self.locked[trade.trade_id] = -trade.planned_quantity
                self.far += trade.planned_quantity
        elif trade.is_vault():
            self.state.mark_vault_settlement_pending(self.ts, trade, {"ticket": trade.trade_id})

    @precondition(lambda self: self.trades(IN_TRANSIT, SETTLING))
    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        trade = self.draw_trade(data, IN_TRANSIT, SETTLING)
        if trade.is_vault():
            self.state.resume_vault_settlement(trade)
        else:
            self.state.resume_bridge_transfer(trade)
            self.far += self.locked.pop(trade.trade_id, ZERO)

    @precondition(lambda self: self.trades(BROADCASTED))
    @rule(data=st.data(), filled=FRACTIONS, report=st.booleans(), price=PRICES)
    def succeed(self, data: st.DataObject, filled: Decimal, report: bool, price: float) -> None:
        self.complete(self.draw_trade(data, BROADCASTED), filled, report, price, data)

    def complete(
        self, trade: TradeExecution, filled: Decimal, report: bool, price: float, data: st.DataObject | None = None
    ) -> None:
        kind = trade.pair.kind
        quantity = trade.planned_quantity * filled
        if data is not None and not kind.is_credit_based() and data.draw(st.integers(0, 9)) == 0:
            quantity *= 100  # it may be more than there is
        consumption = allocation = None
        if kind.is_leverage():
            consumption = (trade.planned_collateral_consumption or ZERO) * filled
            allocation, reserve = trade.planned_collateral_allocation or ZERO, trade.planned_reserve
            price = float(trade.planned_price)
        elif kind.is_credit_supply():
            price, reserve = 1.0, abs(quantity)
        elif quantity > 0:
            reserve = (trade.planned_reserve * filled).quantize(CENT) if report else ZERO
        else:
            reserve = max(abs(quantity * Decimal(price)).quantize(CENT), CENT)
        far_open = bool(self.open_positions(TradingPairKind.cctp_bridge))
        before = self.state.to_json()
        try:
            self.state.mark_trade_success(
                self.ts,
                trade,
                price,
                quantity,
                reserve,
                0.5,
                1.0,
                executed_collateral_consumption=consumption,
                executed_collateral_allocation=allocation,
            )
        except TradeExecutorError:
            assert self.state.to_json() == before
            return
        held_tokens = kind in TOKEN_KINDS or kind.is_cctp_bridge()
        held = self.far if kind.is_cctp_bridge() else self.tokens[trade.position_id]
        assert not held_tokens or held + quantity >= -Decimal("1E-5")
        self.book_outcome(trade, quantity, reserve, consumption, allocation, far_open)
        self.ts += SECOND

    def book_outcome(
        self,
        trade: TradeExecution,
        quantity: Decimal,
        reserve: Decimal,
        consumption: Decimal | None,
        allocation: Decimal | None,
        far_open: bool,
    ) -> None:
        kind, position_id = trade.pair.kind, trade.position_id
        taken, from_far = self.under_way.pop(trade.trade_id, (ZERO, False))
        if kind.is_shorting():
            assert consumption is not None
            assert allocation is not None
            self.cash += taken - reserve - allocation
            # A little more than was there is interest that was not booked.
            change = consumption + allocation + reserve
            self.collateral[position_id] = max(self.collateral[position_id] + change, ZERO)
            self.debt[position_id] = max(self.debt[position_id] - quantity, ZERO)
            # What is left within 2 % when a short is closed is written off.
            closing = TradeFlag.close in (trade.flags or ()) and self.debt[position_id] <= Decimal("0.0001")
            if closing and self.collateral[position_id] < max(Decimal("0.003"), abs(change) / 50):
                self.collateral[position_id] = ZERO
        elif kind.is_longing():
            assert consumption is not None
            assert allocation is not None
            self.cash += taken - reserve - allocation
            self.collateral[position_id] = max(self.collateral[position_id] + quantity, ZERO)
            self.debt[position_id] = max(self.debt[position_id] - consumption - allocation - reserve, ZERO)
            closing = TradeFlag.close in (trade.flags or ()) and self.collateral[position_id] <= Decimal("1E-10")
            if closing and self.debt[position_id] < Decimal("0.003"):
                self.debt[position_id] = ZERO
        elif kind.is_credit_supply():
            self.cash += taken - reserve if quantity > 0 else reserve
            self.collateral[position_id] = max(self.collateral[position_id] + quantity, ZERO)
        elif quantity > 0:
            unspent = taken - reserve if reserve else ZERO
            if from_far:
                self.far += unspent
            else:
                self.cash += unspent
            if kind.is_cctp_bridge():
                self.far += quantity
            else:
                self.tokens[position_id] += quantity
        else:
            to_far = kind in TOKEN_KINDS and trade.pair.chain_id != 1 and self.was_bridged(far_open)
            if to_far:
                self.far += reserve
            else:
                self.cash += reserve
            if kind.is_cctp_bridge():
                self.far += quantity
            else:
                self.tokens[position_id] += quantity

    def was_bridged(self, far_open: bool) -> bool:
        """Tell whether money earned on the far chain stays there: there is, or was, a bridge position to it."""
        return far_open or any(p.pair.kind.is_cctp_bridge() for p in self.all_positions())

    @precondition(lambda self: self.trades(STARTED, BROADCASTED))
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        trade = self.draw_trade(data, STARTED, BROADCASTED)
        before = self.state.to_json()
        try:
            self.state.mark_trade_failed(self.ts, trade)
        except TradeExecutorError:
            assert self.state.to_json() == before
            return
        self.give_back(trade)

    def give_back(self, trade: TradeExecution) -> None:
        taken, from_far = self.under_way.pop(trade.trade_id, (ZERO, False))
        if from_far:
            self.far += taken
        else:
            self.cash += taken

    @precondition(lambda self: self.trades(TradeStatus.failed))
    @rule()
    def freeze(self) -> None:
        closed = self.portfolio.closed_positions
        failed = [trade for trade in self.trades(TradeStatus.failed) if trade.position_id not in closed]
        freeze_position_on_failed_trade(self.ts, self.state, failed)

    @rule()
    def repair(self) -> None:
        repair_trades(self.state, now=self.ts)
        after = self.state.to_json()
        repair_trades(self.state, now=self.ts)
        assert self.state.to_json() == after

    @precondition(lambda self: self.trades(PLANNED, STARTED))
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        trade = self.draw_trade(data, PLANNED, STARTED)
        if trade.is_leverage() or trade.position_id in self.portfolio.pending_positions:
            return
        if self.attempt(lambda: repair_tx_missing(self.portfolio, trade, self.ts)):
            self.give_back(trade)

    # --- Balances that change by themselves

    @rule(data=st.data(), quantity=SMALL)
    def redeem_tokens(self, data: st.DataObject, quantity: Decimal) -> None:
        position = self.draw_position(
            data, TradingPairKind.spot_market_hold, TradingPairKind.vault, TradingPairKind.credit_supply
        )
        if position and self.attempt(lambda: redeem_in_kind(self.state, position, quantity, self.origin())):
            self.change_tokens(position, -quantity)

    def change_tokens(self, position: TradingPosition, quantity: Decimal) -> None:
        tokens = self.collateral if position.is_credit_supply() else self.tokens
        tokens[position.position_id] += quantity

    @rule(data=st.data(), quantity=st.decimals("-2", "2", places=6))
    def correct_tokens(self, data: st.DataObject, quantity: Decimal) -> None:
        position = self.draw_position(
            data, TradingPairKind.spot_market_hold, TradingPairKind.credit_supply, TradingPairKind.exchange_account
        )
        book = book_vault_flow if position and position.is_exchange_account() else book_position_correction
        if position and self.attempt(lambda: book(self.state, position, quantity, self.origin())):
            self.change_tokens(position, quantity)

    @rule(parts=st.integers(0, 40_000))
    def earn_interest(self, parts: int) -> None:
        """Every loan earns and owes up to 4 %."""
        gain = Decimal(parts) / 1_000_000
        positions = [p for p in self.portfolio.get_current_interest_positions() if p.loan is not None]
        batch = InterestBatch(self.portfolio, self.ts)
        new: list[tuple[Any, int, Decimal]] = []
        for position in positions:
            loan = position.loan
            for tokens, tracker, interest in (
                (self.collateral, loan.collateral, loan.collateral_interest),
                (self.debt, loan.borrowed, loan.borrowed_interest),
            ):
                if interest is not None and interest.last_token_amount > 0:
                    earned = (interest.last_token_amount * gain).quantize(CENT)
                    batch.add(position, tracker.asset, interest.last_token_amount + earned, 1.0)
                    new.append((tokens, position.position_id, earned))
        before = self.state.to_json()
        assert self.state.to_json() == before
        batch.book()
        for tokens, position_id, earned in new:
            tokens[position_id] += earned
        self.ts += SECOND

    @rule(data=st.data(), price=PRICES)
    def revalue(self, data: st.DataObject, price: float) -> None:
        position = self.draw_position(
            data,
            TradingPairKind.spot_market_hold,
            TradingPairKind.vault,
            TradingPairKind.lending_protocol_short,
            TradingPairKind.lending_protocol_long,
        )
        if position is not None:
            position.revalue_base_asset(self.ts, price)

    @rule()
    def restart_the_program(self) -> None:
        self.state = State.read_json_blob(self.state.to_json())

    # --- What must be refused

    @rule(data=st.data())
    def ask_for_what_cannot_be(self, data: st.DataObject) -> None:
        before = self.state.to_json()
        s, ts = self.state, self.ts
        operations: list[Callable[[], Any]] = [
            lambda: s.trade_short(ts, WETH_USDC, 1.0, TradeType.rebalance, USDC, 1.0, Decimal(-1), Decimal(1)),
            lambda: s.trade_short(ts, SHORT, 1.0, TradeType.rebalance, USDC, 1.0, Decimal(-1), None),
            lambda: s.request_long(
                TradeRequest(ts, SHORT, 1.0, TradeType.rebalance, USDC, 1.0, Decimal(1), Decimal(1))
            ),
            lambda: s.request_long(TradeRequest(ts, LONG, 1.0, TradeType.rebalance, USDC, 1.0, Decimal(1), None)),
            lambda: s.supply_credit(ts, CREDIT, TradeType.rebalance, USDC, 1.0, ZERO),
            lambda: s.supply_credit(ts, CREDIT, TradeType.rebalance, USDC, 1.0, Decimal(-(10**9))),
            lambda: book_reserve_flow(s, USDC, Decimal(-(10**9)), EventOrigin(ts)),
        ]
        operations += [lambda t=t: s.start_execution(ts, t) for t in self.trades(STARTED, BROADCASTED, IN_TRANSIT)[:2]]
        operations += [lambda t=t: s.mark_bridge_in_transit(ts, t) for t in self.trades(PLANNED, IN_TRANSIT)[:2]]
        operations += [lambda t=t: s.mark_vault_settlement_pending(ts, t) for t in self.trades(PLANNED, SETTLING)[:2]]
        operations += [lambda t=t: s.resume_vault_settlement(t) for t in self.trades(BROADCASTED)[:2]]
        operations += [lambda t=t: s.mark_trade_failed(ts, t) for t in self.trades(SETTLING, IN_TRANSIT, PLANNED)[:2]]
        with pytest.raises(TradeExecutorError):
            data.draw(st.sampled_from(operations))()
        assert self.state.to_json() == before

    # --- What is always true

    @invariant()
    def the_cash_is_what_it_should_be(self) -> None:
        assert cash_of(self.state) == self.cash
        bridges = self.portfolio.open_positions.values(), self.portfolio.frozen_positions.values()
        free = sum(
            (p.get_available_bridge_capital() for table in bridges for p in table if p.pair.kind.is_cctp_bridge()), ZERO
        )
        if any(p.pair.kind.is_cctp_bridge() for p in self.portfolio.closed_positions.values()):
            assert abs(free - self.far) <= Decimal("0.1") * len(self.portfolio.closed_positions)
        else:
            assert abs(free - self.far) <= DIGITS

    @invariant()
    def positions_hold_what_they_should(self) -> None:
        for position in self.portfolio.get_open_and_frozen_positions():
            kind, position_id = position.pair.kind, position.position_id
            if kind.is_credit_based():
                self.check_loan(position)
            elif not kind.is_cctp_bridge():
                assert abs(position.get_quantity() - self.tokens[position_id]) <= DIGITS

    def check_loan(self, position: TradingPosition) -> None:
        loan, position_id = position.loan, position.position_id
        if loan is None:
            assert not self.collateral[position_id]
            return
        assert abs(loan.get_collateral_quantity() - self.collateral[position_id]) <= DIGITS
        sides = [(loan.collateral, loan.collateral_interest)]
        if loan.borrowed is not None and loan.borrowed_interest is not None:
            sides.append((loan.borrowed, loan.borrowed_interest))
            assert abs(loan.get_borrowed_quantity() - self.debt[position_id]) <= DIGITS
        for tracker, interest in sides:
            assert abs(interest.last_token_amount - tracker.quantity - interest.get_remaining_interest()) <= DIGITS

    @invariant()
    def net_assets_are_everything_once(self) -> None:
        total = float(self.cash + self.far + sum(self.locked.values(), ZERO))
        total += float(sum((taken for taken, _ in self.under_way.values()), ZERO))
        scale = abs(total) + 1
        for table in (self.portfolio.open_positions, self.portfolio.frozen_positions):
            for position in table.values():
                loan = position.loan
                if loan is not None:
                    value = loan.get_net_asset_value()
                    scale += loan.get_collateral_value() + loan.get_borrow_value()
                elif position.pair.kind.is_cctp_bridge():
                    value = 0.0
                else:
                    value = float(self.tokens[position.position_id]) * position.last_token_price
                    scale += abs(value)
                total += value
        tolerance = 1e-9 * scale + 0.1 * len(self.portfolio.closed_positions)
        assert abs(self.portfolio.calculate_net_assets() - total) <= tolerance

    @invariant()
    def nothing_under_way_is_in_a_closed_position(self) -> None:
        for position in self.portfolio.closed_positions.values():
            assert not self.under_way.keys() & position.trades.keys()

    @invariant()
    def kept_figures_are_computed_figures(self) -> None:
        copy = State.read_json_blob(self.state.to_json())
        for position in self.all_positions():
            fresh = next(p for p in copy.portfolio.get_all_positions(pending=True) if p == position)
            assert position.get_quantity() == fresh.get_quantity()
            assert position.get_base_token_balance_update_quantity() == sum(
                (e.quantity for e in position.balance_updates.values() if e.asset == position.pair.base), ZERO
            )
            kept, computed = position.get_trade_totals(), fresh.get_trade_totals()
            for name in ("quantity", "bought", "sold", "bought_usd", "sold_usd", "all_bought_usd", "all_sold_usd"):
                assert getattr(kept, name) == getattr(computed, name)
        assert self.portfolio.calculate_total_equity() == copy.portfolio.calculate_total_equity()

    @invariant()
    def look_ups_find_what_a_scan_finds(self) -> None:
        for trade in self.portfolio.get_all_trades():
            assert self.portfolio.get_trade_by_id(trade.trade_id) is trade
        assert self.portfolio.get_trade_by_id(self.portfolio.next_trade_id) is None
        for pair in (WETH_USDC, LINK_USDC, SHORT, LONG, CREDIT, VAULT, ACCOUNT, BRIDGE):
            scanned = [p for p in self.portfolio.open_positions.values() if p.pair == pair]
            assert self.portfolio.get_position_by_trading_pair(pair) is (scanned[0] if scanned else None)

    @invariant()
    def the_ids_add_up(self) -> None:
        self.state.perform_integrity_check()

    @invariant()
    def nothing_is_below_zero(self) -> None:
        """By the books of the machine; and the three commands that check a state say the same."""
        assert self.cash >= 0
        for position in self.all_positions():
            if position.pair.kind in TOKEN_KINDS:
                assert self.tokens[position.position_id] >= -Decimal("1E-5")
                assert position.get_quantity() >= -Decimal("1E-5")
            assert self.collateral[position.position_id] >= 0
            assert self.debt[position.position_id] >= 0
        assert not find_impossible_balances(self.state)
        assert not [issue for issue in find_issues(self.state, now=self.ts) if issue.kind is IssueKind.impossible]
        assert not [check for check in check_state(self.state) if check.name == "balances" and not check.passed]

    @invariant()
    def the_text_reads_back_the_same(self) -> None:
        text = self.state.to_json()
        assert State.read_json_blob(text).to_json() == text

    @invariant()
    def the_ledger_balances(self) -> None:
        proof = prove(self.state)
        assert not proof.impossible
        findings = proof.findings
        wrong = [finding for finding in findings if finding.verdict not in (Verdict.balanced, Verdict.recovered)]
        text = "; ".join(f"{f.name}: {f.derived} for {f.recorded}: {f.reason} {f.breaks}" for f in wrong)
        assert not wrong, text


Trading.TestCase.settings = settings(
    max_examples=40 if SOAK == 1 else 200 * SOAK,
    stateful_step_count=50,
    deadline=None,
    # Shrinking fifty steps takes longer than reading them.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
