"""Random trading of every kind through `PositionManager` and the simulator: a Hypothesis state machine.

Each rule is one decision; then the candle passes: levels are reached, shorts are liquidated, interest is booked and
requests to vaults are settled. After every step the ledger balances and the wallet agrees with the state. A refused
operation leaves the tree as it was, byte for byte.
"""

import math
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any, ClassVar

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.kit.markets import DAY, START, Bar, make_candles
from tests.kit.soak import SOAK
from tradeexecutor.backtest.backtest_engine import BacktestEngine
from tradeexecutor.backtest.backtest_execution import BacktestExecution
from tradeexecutor.backtest.backtest_pricing import BacktestPricing
from tradeexecutor.backtest.backtest_sync import BacktestSyncModel
from tradeexecutor.backtest.backtest_valuation import BacktestValuationModel
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.execution.slippage import FixedSlippage
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.checks import check_state
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.identifier.bridge_terms import BridgeTerms
from tradeexecutor.state.identifier.chain import ChainId
from tradeexecutor.state.identifier.vault_terms import VaultTerms
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.funding import ConstantFunding
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.market_data import to_us
from tradeexecutor.strategy.market_terms import MarketTerms
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet
from tradeexecutor.strategy.pandas_trader.indicator_results import calculate_indicators
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.pandas_trader.position_rules import has_no_market
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput, StrategyInputIndicators
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.runner import Models, StrategyRunner

#: Candles of a run: as many decisions can be made.
_CANDLES = 40

_TERMS = {
    "SAVE-USD": VaultTerms(lock_up=3 * DAY),
    "FUND-USD": VaultTerms(deposit_delay=DAY, redemption_delay=2 * DAY),
    "QUEUE-USD": VaultTerms(settlement_interval=5 * DAY),
    "FAR-USD": VaultTerms(deposit_delay=DAY, redemption_delay=2 * DAY),
}
#: SOL and the vault FAR are on another chain.
_MARKETS = ("ETH-USD", "BTC-USD", "SOL-USD")
_CHAINS = {"SOL-USD": ChainId.base, "FAR-USD": ChainId.base}

MARKETS = st.sampled_from(["ETH", "BTC"])
FAR = st.sampled_from(["SOL", "FAR"])
BRIDGES = st.sampled_from(
    [
        BridgeTerms(0 * DAY),
        BridgeTerms(DAY / 2, fee=0.001, fixed_fee=1.0, minimum=20.0),
        BridgeTerms(
            1.5 * DAY, outages=[(START + n * DAY, START + (n + 3) * DAY) for n in (3, 15, 27)], expires_after=3 * DAY
        ),
    ]
)
#: None, some time inside a candle, the next open, and longer than the time between two decisions.
LATENCIES = st.sampled_from([0 * DAY, 0 * DAY, DAY / 10, DAY / 2, DAY, 1.75 * DAY])
VAULTS = st.sampled_from(["SAVE", "FUND", "QUEUE"])
SHARES = st.floats(0.01, 0.4)
LEVELS = st.sampled_from([{}, {"stop_loss_pct": 0.93}, {"stop_loss_pct": 0.95, "take_profit_pct": 1.06}])

Plan = Callable[[PositionManager], list[TradeExecution]]


def _make_bars(random: Random, swing: float) -> list[Bar]:
    """Candles that jump now and then, so that levels are passed inside and between them."""
    bars: list[Bar] = []
    price = 100.0
    for _ in range(_CANDLES):
        opens = price * (random.uniform(0.85, 1.15) if random.random() < 0.1 * swing else 1.0)
        close = opens * (1 + random.uniform(-0.08, 0.08) * swing)
        spread = 1 + random.uniform(0, 0.1) * swing
        bars.append((opens, max(opens, close) * spread, min(opens, close) / spread, close))
        price = close
    return bars


class Simulated(RuleBasedStateMachine):
    """One backtest, in which each rule is a decision."""

    engine: BacktestEngine
    #: What happened in all runs together: kinds of trades, liquidations, refusals ...
    seen: ClassVar[Counter[str]] = Counter()

    def teardown(self) -> None:
        if not hasattr(self, "engine"):
            return
        self.seen["refused"] += self.refused
        for position in self.state.portfolio.get_all_positions(pending=True):
            causes = [event.cause.value for event in position.balance_updates.values()]
            self.seen["funding"] += "funding" in causes
            for trade in position.trades.values():
                kind = "async vault" if trade.pair.is_async_vault() else trade.pair.kind.value
                self.seen[kind] += trade.is_success()
                self.seen["trade on another chain"] += trade.is_success() and bool(trade.bridge_currency_allocated)
                if trade.pair.is_cctp_bridge():
                    self.seen["transfer back"] += trade.is_success() and trade.is_sell()
                    self.seen["lost transfer"] += trade.is_failed()
                what = "short" if trade.is_short() else "long" if trade.is_long() else "order"
                self.seen["liquidation"] += trade.is_liquidation()
                self.seen[f"stop loss of a {what}"] += trade.is_stop_loss()
                self.seen[f"resting {what}"] += trade.activated_trigger is not None
                late = "reaches_market_at" in (trade.other_data or ())
                self.seen[f"late {kind}"] += late and trade.is_success()
                partly = trade.is_leverage() and trade.is_reduce() and not trade.closing
                self.seen[f"resting exit of a {what}"] += partly and trade.activated_trigger is not None

    @initialize(
        seed=st.integers(0, 2**32 - 1),
        slippage=st.sampled_from([0.0, 0.005]),
        bridges=BRIDGES,
        lost=st.sampled_from([0, 5]),
        funding=st.sampled_from([-0.01, 0.0, 0.002]),
        latency=LATENCIES,
    )
    def begin(
        self, seed: int, slippage: float, bridges: BridgeTerms, lost: int, funding: float, latency: timedelta
    ) -> None:
        # A number, because candles that are drawn one by one leave no room for many rules.
        random = Random(seed)
        candles = {name: make_candles(_make_bars(random, 1.0), bucket=DAY) for name in _MARKETS}
        candles |= {name: make_candles(_make_bars(random, 0.05), bucket=DAY) for name in _TERMS}
        fees = {"ETH-USD": 0.003, "BTC-USD": 0.0}
        universe = create_universe(candles, fee=fees, vaults=_TERMS, chains=_CHAINS, bridges=bridges)
        universe = universe.with_lending(LendingPool(0.03, 0.2, borrow_caps={"BTC": 100}))
        terms = MarketTerms(lot_size=Decimal("0.01"), minimum_order=5.0, funding=ConstantFunding(funding))
        universe = universe.with_terms({"BTC-USD": terms})
        self.wallet = SimulatedWallet()
        self.plan: Plan = lambda manager: []
        self.refused = 0
        self.ts = START
        pricing = BacktestPricing(universe, latency=latency)
        self.sync = BacktestSyncModel(self.wallet, lending_rates=universe.lending)
        self.sync.simulate_funding(START, Decimal(10_000))
        context = ExecutionContext(ExecutionMode.backtesting)
        results = calculate_indicators(IndicatorSet(), universe, context)

        def fails(trade: TradeExecution) -> bool:
            return bool(lost) and trade.pair.is_cctp_bridge() and trade.trade_id % lost == 0

        self.execution = BacktestExecution(self.wallet, FixedSlippage(slippage), fails)
        runner = StrategyRunner(
            state=State(created_at=START),
            strategy_universe=universe,
            decide_trades=self._decide,
            parameters=StrategyParameters(),
            indicators=StrategyInputIndicators(universe, results),
            execution_context=context,
            models=Models(pricing, BacktestValuationModel(pricing), self.sync, self.execution),
        )
        times = np.array([to_us(START + number * DAY) for number in range(_CANDLES)], dtype=np.int64)
        self.engine = BacktestEngine(runner, pricing, times, START + _CANDLES * DAY)
        self.number = 0
        self.engine.step(None, START)

    @property
    def state(self) -> State:
        return self.engine.runner.state

    def _decide(self, input: StrategyInput) -> list[TradeExecution]:
        before = input.state.to_json()
        try:
            return self.plan(input.get_position_manager())
        except TradeExecutorError:
            assert input.state.to_json() == before
            self.refused += 1
            return []

    def decide(self, plan: Plan) -> None:
        """Pass one candle, and decide at the open of the next; after the last one nothing happens any more."""
        if self.number + 1 >= _CANDLES:
            return
        before, self.number = self.engine.decision_times[self.number], self.number + 1
        self.ts = self.engine.decision_times[self.number]
        self.plan = plan
        self.engine.step(before, self.ts)

    def cash(self, manager: PositionManager, share: float) -> float:
        return manager.get_current_cash() * share

    def find(self, manager: PositionManager, name: str) -> TradingPairIdentifier:
        return manager.strategy_universe.get_pair_by_ticker(name)

    def hold(self, manager: PositionManager, pair: TradingPairIdentifier) -> TradingPosition | None:
        return manager.get_current_position_for_pair(pair)

    # --- Spot

    @rule(name=MARKETS, share=SHARES, levels=LEVELS)
    def buy(self, name: str, share: float, levels: dict[str, Any]) -> None:
        self.decide(lambda manager: manager.open_spot(self.find(manager, name), self.cash(manager, share), **levels))

    @rule(name=MARKETS, share=SHARES, level=st.floats(0.9, 1.1))
    def wait_for_a_price(self, name: str, share: float, level: float) -> None:
        def plan(manager: PositionManager) -> list[TradeExecution]:
            pair = self.find(manager, name)
            price = manager.pricing_model.get_mid_price(manager.timestamp, pair) * level
            order = manager.limit_buy if level < 1 else manager.stop_buy
            return order(pair, self.cash(manager, share), price, good_till_time=5 * DAY)

        self.decide(plan)

    @rule(name=MARKETS, part=st.floats(-0.9, 0.5))
    def adjust(self, name: str, part: float) -> None:
        def plan(manager: PositionManager) -> list[TradeExecution]:
            pair = self.find(manager, name)
            position = self.hold(manager, pair)
            value = 0.0 if position is None else position.get_value() * part
            return manager.adjust_position(pair, min(value, self.cash(manager, 0.9)), None, 0.5)

        self.decide(plan)

    # --- Shorts

    @rule(name=MARKETS, share=SHARES, leverage=st.sampled_from([1.0, 2.0, 4.0, 5.0, 6.0]), levels=LEVELS)
    def short(self, name: str, share: float, leverage: float, levels: dict[str, Any]) -> None:
        self.decide(
            lambda manager: manager.open_short(
                self.find(manager, name), self.cash(manager, share), leverage=leverage, **levels
            )
        )

    @rule(name=MARKETS, share=SHARES, level=st.floats(0.9, 1.1), levels=LEVELS)
    def wait_for_a_price_to_short(self, name: str, share: float, level: float, levels: dict[str, Any]) -> None:
        def plan(manager: PositionManager) -> list[TradeExecution]:
            pair = self.find(manager, name)
            price = manager.pricing_model.get_mid_price(manager.timestamp, pair) * level
            order = manager.limit_short if level > 1 else manager.stop_short
            value = self.cash(manager, share)
            return order(pair, value, price, leverage=1.5, good_till_time=5 * DAY, **levels)

        self.decide(plan)

    @rule(name=MARKETS, part=st.floats(0.1, 1.5))
    def adjust_short(self, name: str, part: float) -> None:
        def plan(manager: PositionManager) -> list[TradeExecution]:
            position = self.hold(manager, manager.get_shorting_pair(self.find(manager, name)))
            if position is None:
                return []
            value = position.get_value()
            return manager.adjust_short(position, value * part if part <= 1 else value + self.cash(manager, 0.1))

        self.decide(plan)

    # --- Leveraged longs

    @rule(name=MARKETS, share=SHARES, leverage=st.sampled_from([1.5, 3.0, 5.0, 5.5, 7.0]), levels=LEVELS)
    def long(self, name: str, share: float, leverage: float, levels: dict[str, Any]) -> None:
        self.decide(
            lambda manager: manager.open_long(
                self.find(manager, name), self.cash(manager, share), leverage=leverage, **levels
            )
        )

    @rule(name=MARKETS, share=SHARES, level=st.sampled_from([0.98, 1.02]), shorts=st.booleans())
    def open_with_an_order_for_a_part(self, name: str, share: float, level: float, shorts: bool) -> None:
        """The order waits from the decision that opens the position."""

        def plan(manager: PositionManager) -> list[TradeExecution]:
            pair, value = self.find(manager, name), self.cash(manager, share)
            trades = (manager.open_short if shorts else manager.open_long)(pair, value, leverage=2.0)
            position = manager.state.portfolio.open_positions[trades[0].position_id]
            price = manager.pricing_model.get_mid_price(manager.timestamp, pair) * level
            self.get_exit(manager, position, level)(position, price, abs(trades[0].planned_quantity) / 3)
            return trades

        self.decide(plan)

    def get_exit(self, manager: PositionManager, position: TradingPosition, level: float) -> Any:
        """The order that closes a position at a price above or below the present one."""
        if position.is_short():
            return manager.stop_cover if level > 1 else manager.limit_cover
        return manager.limit_sell if level > 1 else manager.stop_sell

    @rule(name=MARKETS, share=SHARES, level=st.floats(0.9, 1.1), levels=LEVELS)
    def wait_for_a_price_to_go_long(self, name: str, share: float, level: float, levels: dict[str, Any]) -> None:
        def plan(manager: PositionManager) -> list[TradeExecution]:
            pair = self.find(manager, name)
            price = manager.pricing_model.get_mid_price(manager.timestamp, pair) * level
            order = manager.limit_long if level < 1 else manager.stop_long
            value = self.cash(manager, share)
            return order(pair, value, price, leverage=2.5, good_till_time=5 * DAY, **levels)

        self.decide(plan)

    @rule(name=MARKETS, part=st.floats(0.1, 1.5))
    def adjust_long(self, name: str, part: float) -> None:
        def plan(manager: PositionManager) -> list[TradeExecution]:
            position = self.hold(manager, manager.get_leveraged_long_pair(self.find(manager, name)))
            if position is None:
                return []
            value = position.get_value()
            return manager.adjust_long(position, value * part if part <= 1 else value + self.cash(manager, 0.1))

        self.decide(plan)

    @rule(share=st.floats(0.1, 1.1), level=st.sampled_from([0.97, 0.99, 1.01, 1.03]), waits=st.booleans())
    def close_a_part(self, share: float, level: float, waits: bool) -> None:
        """Close a part of each short and leveraged long, now or when a price is reached."""

        def plan(manager: PositionManager) -> list[TradeExecution]:
            trades: list[TradeExecution] = []
            for position in [p for p in manager.state.portfolio.open_positions.values() if p.is_leverage()]:
                quantity = abs(position.get_quantity()) * Decimal(share)
                before = manager.state.to_json()
                try:
                    if waits:
                        spot = position.pair.get_pricing_pair()
                        price = manager.pricing_model.get_mid_price(manager.timestamp, spot) * level
                        self.get_exit(manager, position, level)(position, price, quantity, good_till_time=4 * DAY)
                    else:
                        reduce = manager.reduce_short if position.is_short() else manager.reduce_long
                        trades += reduce(position, quantity)
                except TradeExecutorError:
                    assert manager.state.to_json() == before
            return trades

        self.decide(plan)

    @rule(level=st.floats(0.9, 1.05), gains=st.booleans())
    def move_levels(self, level: float, gains: bool) -> None:
        """Move the stop loss, or the take profit, of every position that has a market."""

        def plan(manager: PositionManager) -> list[TradeExecution]:
            for position in manager.state.portfolio.open_positions.values():
                if position.pair.is_vault() or has_no_market(position.pair):
                    continue
                spot = position.pair.get_pricing_pair()
                price = manager.pricing_model.get_mid_price(manager.timestamp, spot)
                factor = level if position.is_short() is gains else 2 - level
                if gains:
                    position.take_profit = price * factor
                else:
                    position.stop_loss = price * factor
            return []

        self.decide(plan)

    # --- Credit

    @rule(share=SHARES)
    def lend(self, share: float) -> None:
        self.decide(lambda manager: manager.add_cash_to_credit_supply(self.cash(manager, share)))

    @rule(amount=st.floats(-500.0, 4000.0))
    def flow(self, amount: float) -> None:
        self.decide(lambda manager: manager.manage_credit_flow(max(amount, -self.cash(manager, 0.9))))

    # --- Vaults

    @rule(name=VAULTS, share=SHARES)
    def deposit(self, name: str, share: float) -> None:
        self.decide(
            lambda manager: manager.adjust_position(self.find(manager, name), self.cash(manager, share), None, 0.5)
        )

    @rule(name=VAULTS, part=st.floats(0.1, 1.0))
    def redeem(self, name: str, part: float) -> None:
        def plan(manager: PositionManager) -> list[TradeExecution]:
            pair = self.find(manager, name)
            position = self.hold(manager, pair)
            return [] if position is None else manager.adjust_position(pair, -position.get_value() * part, None, 0.5)

        self.decide(plan)

    # --- Another chain

    @rule(share=SHARES)
    def send(self, share: float) -> None:
        def plan(manager: PositionManager) -> list[TradeExecution]:
            bridge = manager.get_bridge_pair(ChainId.base)
            return manager.open_cctp_bridge_position(bridge, self.cash(manager, share))

        self.decide(plan)

    @rule(name=FAR, share=st.floats(0.1, 1.0))
    def buy_there(self, name: str, share: float) -> None:
        def plan(manager: PositionManager) -> list[TradeExecution]:
            value = manager.get_cash_on_chain(ChainId.base) * share
            return manager.adjust_position(self.find(manager, name), value, None, 0.5)

        self.decide(plan)

    @rule(share=SHARES, level=st.floats(0.9, 1.0))
    def send_for_a_price_there(self, share: float, level: float) -> None:
        """The order rests while the money is on its way."""

        def plan(manager: PositionManager) -> list[TradeExecution]:
            pair, value = self.find(manager, "SOL"), self.cash(manager, share)
            price = manager.pricing_model.get_mid_price(manager.timestamp, pair) * level
            sent = manager.open_cctp_bridge_position(manager.get_bridge_pair(ChainId.base), value)
            return sent + manager.limit_buy(pair, value / 2, price, good_till_time=5 * DAY)

        self.decide(plan)

    @rule(part=st.floats(0.1, 1.2), sells=st.booleans())
    def bring_back(self, part: float, sells: bool) -> None:
        """A part, or all with what the sale there brings; more than there is gets refused."""

        def plan(manager: PositionManager) -> list[TradeExecution]:
            bridge = manager.get_current_bridge_position(ChainId.base)
            if bridge is None:
                return []
            if not sells:
                amount = bridge.get_available_bridge_capital() * Decimal(part)
                return manager.close_cctp_bridge_position(bridge, quantity=amount)
            held = self.hold(manager, self.find(manager, "SOL"))
            return [*([] if held is None else manager.close_position(held)), *manager.close_position(bridge)]

        self.decide(plan)

    # --- Everything

    @rule(share=SHARES, name=MARKETS)
    def several_at_once(self, share: float, name: str) -> None:
        """A decision of several kinds; a part that is refused leaves the parts before it as they are."""

        def plan(manager: PositionManager) -> list[TradeExecution]:
            pair, value = self.find(manager, name), self.cash(manager, share / 4)
            trades: list[TradeExecution] = []
            for part in (
                lambda: manager.open_spot(pair, value),
                lambda: manager.open_short(pair, value, leverage=1.5),
                lambda: manager.open_long(pair, value, leverage=1.5),
                lambda: manager.adjust_position(self.find(manager, "FUND"), value, None, 0.5),
                lambda: manager.add_cash_to_credit_supply(value),
            ):
                before = manager.state.to_json()
                try:
                    trades += part()
                except TradeExecutorError:
                    assert manager.state.to_json() == before
            return trades

        self.decide(plan)

    @rule(keeps_credit=st.booleans())
    def close_all(self, keeps_credit: bool) -> None:
        self.decide(lambda manager: manager.close_all(credit_supply=not keeps_credit))

    @rule()
    def wait(self) -> None:
        self.decide(lambda manager: [])

    @rule(amount=st.integers(-2000, 3000))
    def investors(self, amount: int) -> None:
        if amount:
            self.sync.simulate_funding(self.ts, Decimal(amount))

    # --- What always holds

    @invariant()
    def the_ledger_balances(self) -> None:
        if hasattr(self, "engine"):
            proof = prove(self.state)
            assert proof.is_balanced, proof
            assert not [check for check in check_state(self.state) if not check.passed]

    @invariant()
    def the_wallet_agrees(self) -> None:
        if hasattr(self, "engine"):
            self.execution.check_balances(self.state)

    @invariant()
    def the_text_reads_back_the_same(self) -> None:
        if hasattr(self, "engine"):
            text = self.state.to_json()
            assert State.read_json_blob(text).to_json() == text

    @invariant()
    def figures_are_possible(self) -> None:
        if hasattr(self, "engine"):
            portfolio = self.state.portfolio
            assert portfolio.get_cash() >= 0
            assert not portfolio.frozen_positions
            equity = portfolio.calculate_total_equity()
            assert math.isfinite(equity)
            in_transit = portfolio.get_in_transit_value()
            assert math.isclose(equity, portfolio.get_net_asset_value() + in_transit, rel_tol=1e-12)
            assert math.isclose(equity, portfolio.calculate_net_assets(), rel_tol=1e-12)
            assert math.isclose(self.state.stats.portfolio[-1].total_equity or 0, equity, rel_tol=1e-12)
            self.seen["transfer on its way"] += in_transit > 0
            self.seen["waiting request"] += portfolio.get_vault_settlement_pending_value() > 0
            for position in portfolio.open_positions.values():
                assert position.opened_at <= self.ts
                waiting = any(trade.is_planned() for trade in position.trades.values())
                assert not position.is_leverage() or position.loan is not None or waiting
                self.seen["level on its way"] += "moved_levels" in (position.other_data or ())


SETTINGS = settings(
    max_examples=17 * SOAK,
    stateful_step_count=35,
    deadline=None,
    # Shrinking thirty steps takes longer than reading them.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    # The candles of five markets are drawn at the start.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.large_base_example],
)
