"""Random spot trading: after every step all money is accounted for, exactly.

The machine keeps books of its own, which know nothing of positions and trades but what was paid in, paid out and is
under way, and compares the state with them.
"""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.kit.trader import LINK_USDC, SECOND, T0, USDC, WETH, WETH_USDC, cash_of, new_state
from tradeexecutor.state.errors import (
    InvalidTrade,
    InvalidValue,
    NotEnoughMoney,
    NotEnoughTokens,
    WrongPositionStatus,
    WrongTradeStatus,
)
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeStatus, TradeType

pytestmark = pytest.mark.slow

CENT = Decimal("0.000001")

PAIRS = st.sampled_from([WETH_USDC, LINK_USDC])
#: Amounts of money and tokens with six digits: sums of them are exact.
AMOUNTS = st.decimals("0.01", "2000", places=6)
QUANTITIES = st.decimals("0.01", "5", places=6)
#: Prices whose binary fraction is exact.
PRICES = st.integers(1, 2000).map(lambda quarters: quarters / 4)
FRACTIONS = st.sampled_from([Decimal("0.25"), Decimal("0.5"), Decimal("0.999"), Decimal(1)])
FLAGS = st.sampled_from([None, set[TradeFlag](), {TradeFlag.test_trade}, {TradeFlag.ignore_open}])


class SpotTrading(RuleBasedStateMachine):
    """One portfolio in USDC, two pairs."""

    state: State

    def __init__(self) -> None:
        super().__init__()
        self.ts = T0
        self.deposited = self.spent = self.received = Decimal(0)
        #: Trade id -> what it took out of the cash.
        self.under_way: dict[int, Decimal] = {}
        #: Trade id -> tokens that changed hands.
        self.executed: dict[int, Decimal] = {}

    # --- Helpers

    @property
    def portfolio(self) -> Any:
        return self.state.portfolio

    def trades(self, *statuses: TradeStatus) -> list[TradeExecution]:
        return [trade for trade in self.portfolio.get_all_trades() if trade.get_status() in statuses]

    def held(self) -> list[TradingPosition]:
        return [position for position in self.portfolio.open_positions.values() if position.get_quantity() > 0]

    def draw_trade(self, data: st.DataObject, *statuses: TradeStatus) -> TradeExecution:
        return data.draw(st.sampled_from([trade.trade_id for trade in self.trades(*statuses)]).map(self.trade))

    def trade(self, trade_id: int) -> TradeExecution:
        trade = self.portfolio.get_trade_by_id(trade_id)
        assert trade is not None
        return trade

    def tick(self) -> None:
        self.ts += SECOND

    def plan(self, **arguments: Any) -> None:
        """Plan a trade; what is too small for the token is refused."""
        before = self.state.to_json()
        next_ids = self.portfolio.next_position_id, self.portfolio.next_trade_id
        try:
            position, trade, created = self.state.create_trade(
                strategy_cycle_at=self.ts,
                trade_type=TradeType.rebalance,
                reserve_currency=USDC,
                reserve_currency_price=1.0,
                **arguments,
            )
        except InvalidTrade:
            assert self.state.to_json() == before
            return
        assert trade.trade_id == next_ids[1]
        assert not created or position.position_id == next_ids[0]
        assert self.portfolio.open_positions[position.position_id].trades[trade.trade_id] is trade
        self.tick()

    # --- What happens

    @initialize()
    def start_with_cash(self) -> None:
        self.state = new_state(0)
        self.deposit(Decimal(3000))

    @rule(amount=AMOUNTS)
    def deposit(self, amount: Decimal) -> None:
        self.portfolio.adjust_reserves(USDC, amount)
        self.deposited += amount

    @rule(pair=PAIRS, quantity=QUANTITIES, price=PRICES, flags=FLAGS)
    def plan_buy_of_tokens(self, pair: Any, quantity: Decimal, price: float, flags: Any) -> None:
        self.plan(pair=pair, quantity=quantity, reserve=None, assumed_price=price, flags=flags)

    @rule(pair=PAIRS, quantity=QUANTITIES, price=PRICES, filled=FRACTIONS, report=st.booleans())
    def buy_at_once(self, pair: Any, quantity: Decimal, price: float, filled: Decimal, report: bool) -> None:
        self.plan(pair=pair, quantity=quantity, reserve=None, assumed_price=price)
        trade = self.trade(self.portfolio.next_trade_id - 1)
        self.try_to_start(trade, True)
        if trade.is_started():
            self.state.mark_broadcasted(self.ts, trade)
            self.complete(trade, filled, price, report)

    @rule(pair=PAIRS, reserve=AMOUNTS, price=PRICES)
    def plan_buy_for_money(self, pair: Any, reserve: Decimal, price: float) -> None:
        self.plan(pair=pair, quantity=None, reserve=reserve, assumed_price=price)

    @precondition(lambda self: self.held())
    @rule(data=st.data(), fraction=FRACTIONS, price=PRICES, closing=st.booleans())
    def plan_sell(self, data: st.DataObject, fraction: Decimal, price: float, closing: bool) -> None:
        position = data.draw(st.sampled_from([held.position_id for held in self.held()]))
        position = self.portfolio.open_positions[position]
        quantity = -(position.get_quantity() * fraction)
        self.plan(
            pair=position.pair, quantity=quantity, reserve=None, assumed_price=price, position=position, closing=closing
        )

    @precondition(lambda self: self.held())
    @rule(data=st.data(), price=PRICES)
    def sell_everything_at_once(self, data: st.DataObject, price: float) -> None:
        trade_id = self.portfolio.next_trade_id
        self.plan_sell(data, Decimal(1), price, True)
        if self.portfolio.next_trade_id == trade_id:
            return  # dust
        trade = self.trade(trade_id)
        self.try_to_start(trade, True)
        if trade.is_started():
            self.state.mark_broadcasted(self.ts, trade)
            self.complete(trade, Decimal(1), price, False)

    @precondition(lambda self: self.trades(TradeStatus.planned))
    @rule(data=st.data(), underflow_check=st.sampled_from([True, True, True, False]))
    def start(self, data: st.DataObject, underflow_check: bool) -> None:
        self.try_to_start(self.draw_trade(data, TradeStatus.planned), underflow_check)

    @precondition(lambda self: self.trades(TradeStatus.planned))
    @rule()
    def start_and_broadcast_all(self) -> None:
        for trade in self.trades(TradeStatus.planned):
            self.try_to_start(trade, True)
        for trade in self.trades(TradeStatus.started):
            self.state.mark_broadcasted(self.ts, trade)
        self.tick()

    def try_to_start(self, trade: TradeExecution, underflow_check: bool) -> None:
        before, cash = self.state.to_json(), cash_of(self.state)
        try:
            self.state.start_execution(self.ts, trade, underflow_check=underflow_check)
        except NotEnoughMoney:
            assert underflow_check
            assert cash < trade.planned_reserve
            assert self.state.to_json() == before
            return
        except NotEnoughTokens:
            # It was planned to come after a buy that has not been started.
            assert trade.is_sell()
            assert self.state.to_json() == before
            return
        except WrongPositionStatus:
            assert self.portfolio.get_position_by_id(trade.position_id).is_closed()
            assert self.state.to_json() == before
            return
        self.tick()
        taken = cash - cash_of(self.state)
        assert taken == (trade.planned_reserve if trade.is_buy() else 0)
        self.under_way[trade.trade_id] = taken

    @precondition(lambda self: self.trades(TradeStatus.started))
    @rule(data=st.data())
    def broadcast(self, data: st.DataObject) -> None:
        self.state.mark_broadcasted(self.ts, self.draw_trade(data, TradeStatus.started))
        self.tick()

    @precondition(lambda self: self.trades(TradeStatus.broadcasted))
    @rule(data=st.data(), filled=FRACTIONS, price=PRICES, report=st.booleans())
    def succeed(self, data: st.DataObject, filled: Decimal, price: float, report: bool) -> None:
        self.complete(self.draw_trade(data, TradeStatus.broadcasted), filled, price, report)

    def complete(self, trade: TradeExecution, filled: Decimal, price: float, report: bool) -> None:
        taken = self.under_way.pop(trade.trade_id)
        quantity = trade.planned_quantity * filled
        if trade.is_buy():
            reserve = (taken * filled).quantize(CENT) if report else Decimal(0)
            self.spent += reserve or taken
        else:
            reserve = max(abs(quantity * Decimal(price)).quantize(CENT), CENT)
            self.received += reserve
        self.state.mark_trade_success(self.ts, trade, price, quantity, reserve, 0.5, 1.0)
        self.executed[trade.trade_id] = quantity
        self.tick()

    @precondition(lambda self: self.trades(TradeStatus.started, TradeStatus.broadcasted))
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        trade = self.draw_trade(data, TradeStatus.started, TradeStatus.broadcasted)
        cash = cash_of(self.state)
        self.state.mark_trade_failed(self.ts, trade)
        assert cash_of(self.state) - cash == self.under_way.pop(trade.trade_id)
        self.tick()

    @precondition(lambda self: self.trades(TradeStatus.failed))
    @rule()
    def freeze(self) -> None:
        failed = [
            trade
            for trade in self.trades(TradeStatus.failed)
            if trade.position_id not in self.portfolio.closed_positions
        ]
        cash, value = cash_of(self.state), self.portfolio.get_net_asset_value()
        assert freeze_position_on_failed_trade(self.ts, self.state, failed) == ([], failed)
        for trade in failed:
            assert self.portfolio.frozen_positions[trade.position_id].is_frozen()
        assert cash_of(self.state) == cash
        assert abs(self.portfolio.get_net_asset_value() - value) <= 1e-6 * max(1, abs(value))

    @precondition(lambda self: self.portfolio.frozen_positions)
    @rule()
    def unfreeze(self) -> None:
        """As a repair does."""
        position_id, position = self.portfolio.frozen_positions.popitem()
        self.portfolio.open_positions[position_id] = position
        position.unfrozen_at = self.ts

    @precondition(lambda self: self.trades(TradeStatus.planned))
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        self.draw_trade(data, TradeStatus.planned).mark_expired(self.ts)

    @precondition(lambda self: self.portfolio.open_positions)
    @rule(data=st.data(), price=PRICES)
    def revalue(self, data: st.DataObject, price: float) -> None:
        position_id = data.draw(st.sampled_from(list(self.portfolio.open_positions)))
        self.portfolio.open_positions[position_id].revalue_base_asset(self.ts, price)

    @rule()
    def restart_the_program(self) -> None:
        self.state = State.read_json_blob(self.state.to_json())

    # --- What must be refused

    @rule(data=st.data(), pair=PAIRS)
    def ask_for_what_cannot_be(self, data: st.DataObject, pair: Any) -> None:
        before = self.state.to_json()
        planned = self.trades(TradeStatus.planned)
        others = self.trades(*(set(TradeStatus) - {TradeStatus.planned}))
        unfinished = self.trades(TradeStatus.planned, TradeStatus.started)
        finished = self.trades(TradeStatus.success, TradeStatus.failed, TradeStatus.expired)
        closed = list(self.portfolio.closed_positions.values())
        common = (TradeType.rebalance, USDC, 1.0)
        refused: list[Any] = [
            (InvalidTrade, lambda: self.state.create_trade(self.ts, pair, Decimal("1E-11"), None, 1.0, *common)),
            (InvalidTrade, lambda: self.state.create_trade(self.ts, pair, Decimal(0), None, 1.0, *common)),
            (InvalidTrade, lambda: self.state.create_trade(self.ts, pair, Decimal(1), None, 0.0, *common)),
            (KeyError, lambda: self.portfolio.adjust_reserves(WETH, Decimal(1))),
            (InvalidValue, lambda: self.portfolio.adjust_reserves(USDC, Decimal("NaN"))),
        ]
        for position in closed[:1]:
            arguments = (self.ts, position.pair, Decimal(1), None, 1.0, *common)
            refused += [
                (WrongPositionStatus, lambda p=position, a=arguments: self.state.create_trade(*a, position=p)),
                (WrongPositionStatus, lambda p=position: self.portfolio.close_position(p, self.ts)),
                (WrongPositionStatus, lambda p=position: self.portfolio.mark_down_position(p)),
            ]
        refused += [(WrongTradeStatus, lambda t=t: self.state.start_execution(self.ts, t)) for t in others[:3]]
        refused += [(WrongTradeStatus, lambda t=t: self.state.mark_broadcasted(self.ts, t)) for t in planned[:3]]
        refused += [(WrongTradeStatus, lambda t=t: self.state.mark_trade_failed(self.ts, t)) for t in finished[:3]]
        refused += [
            (
                WrongTradeStatus,
                lambda t=t: self.state.mark_trade_success(self.ts, t, 1.0, t.planned_quantity, Decimal(1), 0.0, 1.0),
            )
            for t in unfinished[:3] + finished[:3]
        ]
        error, operation = data.draw(st.sampled_from(refused))
        with pytest.raises(error):
            operation()
        assert self.state.to_json() == before

    # --- What is always true

    @invariant()
    def no_money_is_lost_or_made(self) -> None:
        allocated = sum(self.under_way.values(), Decimal(0))
        assert cash_of(self.state) + allocated == self.deposited - self.spent + self.received
        locked = [t.get_equity_for_reserve() for t in self.trades(TradeStatus.started, TradeStatus.broadcasted)]
        assert sum(locked, Decimal(0)) == allocated

    @invariant()
    def a_position_holds_what_its_trades_moved(self) -> None:
        for position in self.portfolio.get_all_positions():
            moved = sum((self.executed[t] for t in position.trades if t in self.executed), Decimal(0))
            assert position.get_quantity() == (0 if abs(moved) <= Decimal(10**-18) else moved)

    @invariant()
    def equity_is_cash_and_tokens_and_what_is_under_way(self) -> None:
        def worth(position: TradingPosition) -> float:
            locked = sum(self.under_way.get(trade_id, Decimal(0)) for trade_id in position.trades)
            return float(position.get_quantity()) * position.last_token_price + float(locked)

        cash = float(cash_of(self.state))
        opened = sum(map(worth, self.portfolio.open_positions.values()))
        frozen = sum(map(worth, self.portfolio.frozen_positions.values()))
        scale = 1e-9 * (abs(cash) + sum(abs(worth(p)) for p in self.portfolio.get_open_and_frozen_positions()) + 1)
        assert abs(self.portfolio.calculate_total_equity() - (cash + opened)) <= scale
        assert abs(self.portfolio.get_net_asset_value() - (cash + opened + frozen)) <= scale

    @invariant()
    def nothing_under_way_is_in_a_closed_position(self) -> None:
        for position in self.portfolio.closed_positions.values():
            assert not self.under_way.keys() & position.trades.keys()

    @invariant()
    def every_position_is_in_the_table_of_its_stage(self) -> None:
        assert all(position.closed_at is not None for position in self.portfolio.closed_positions.values())
        for position in self.portfolio.get_open_and_frozen_positions():
            assert position.closed_at is None
        assert all(position.is_frozen() for position in self.portfolio.frozen_positions.values())
        assert not any(position.is_frozen() for position in self.portfolio.open_positions.values())

    @invariant()
    def the_ids_add_up(self) -> None:
        self.state.perform_integrity_check()

    @invariant()
    def the_text_reads_back_the_same(self) -> None:
        text = self.state.to_json()
        assert State.read_json_blob(text).to_json() == text


SpotTrading.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestSpotTrading = SpotTrading.TestCase
