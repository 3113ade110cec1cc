"""Paper trading: live market data, simulated fills, and the same steps as a backtest.

A paper strategy makes the decisions of a backtest over the same candles, one after the other, as the candles arrive.
Between two decisions, stop losses and the like fill inside the candles, as in a backtest. So its trades and its equity
are those of a backtest that is run afterwards, as long as no candle was late or revised.

Each decision, with everything since the one before, is saved once. A process that is killed leaves the state before or
after it, never in between, and the next process makes every decision that is missing, with the prices of its time. A
state of a backtest that was left open (``backtest --until``) is continued in the same way.
"""

import datetime
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

import numpy as np

from tradeexecutor.backtest.backtest_engine import BacktestEngine, find_decision_times, to_datetimes
from tradeexecutor.backtest.backtest_execution import BacktestExecution
from tradeexecutor.backtest.backtest_pricing import BacktestPricing
from tradeexecutor.backtest.backtest_sync import BacktestSyncModel
from tradeexecutor.backtest.backtest_valuation import BacktestValuationModel
from tradeexecutor.backtest.delisting import DEFAULT_DELISTED_AFTER, Delisting, DelistingPolicy
from tradeexecutor.backtest.feeds.interface import FeedUnavailable
from tradeexecutor.backtest.feeds.market import GrowingMarket
from tradeexecutor.backtest.market_parameters import apply_market_parameters
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.execution.simulated import calculate_total_assets
from tradeexecutor.execution.slippage import FixedSlippage
from tradeexecutor.operations.candle_market import find_next_nonce, require_simulated
from tradeexecutor.operations.live_loop import LiveStartRefused, StaleMarketData
from tradeexecutor.operations.live_trading import LiveBooks
from tradeexecutor.operations.operator_commands import CommandQueue, is_paused
from tradeexecutor.operations.paper_benchmarks import update_benchmarks
from tradeexecutor.state.benchmark import keep_benchmarks
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.cycle_duration import CycleDuration, snap_to_next_tick, snap_to_previous_tick
from tradeexecutor.state.late_candles import record_late_pairs
from tradeexecutor.state.other_data import OtherData
from tradeexecutor.state.state import State
from tradeexecutor.state.store import StateStore
from tradeexecutor.state.trade.predicates import is_queued
from tradeexecutor.strategy.execution_context import ExecutionContext, ExecutionMode
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.moved_levels import read_moves
from tradeexecutor.strategy.pandas_trader.indicator_results import calculate_indicators
from tradeexecutor.strategy.pandas_trader.position_rules import has_no_market
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInputIndicators
from tradeexecutor.strategy.pricing_model import PriceUnavailable
from tradeexecutor.strategy.runner import Models, StrategyRunner
from tradeexecutor.strategy.strategy_module import StrategyModule
from tradeexecutor.strategy.trading_strategy_universe import PairNotFound, TradingStrategyUniverse

__all__ = ["PaperLoop", "PaperSettings", "create_paper_state", "get_start"]

logger = logging.getLogger(__name__)

#: Longest time between two checks of `PaperLoop.should_stop`, and of commands, seconds.
_LONGEST_WAIT = 1.0

#: Cycle of `State.other_data` for what belongs to no cycle, and the name of the record of paper trading.
_NO_CYCLE, _RECORD = 0, "paper"


@dataclass(frozen=True, slots=True)
class PaperSettings:
    """Settings of paper trading.

    Attributes
    ----------
    cycle
        Time between decisions.
    slippage
        How much worse than the price of the candle trades fill, a fraction.
    offset
        Delay of a decision after its tick, for candles that arrive late.
    late_wait
        How much longer a decision waits for the candles of single pairs. After it the decision is made without them,
        which is recorded, see `tradeexecutor.state.late_candles`.
    poll
        Time between two readings of the market data.
    max_data_delay
        Age of the newest candle above which missing data is reported; None for no limit.
    max_cycles
        Number of decisions after which the loop stops; None for no limit.
    delisting, delisted_after
        Price at which a position is closed whose market is delisted, and the time without a candle after which it
        counts as delisted, as in `tradeexecutor.backtest.backtest_options.BacktestOptions`.
    """

    cycle: CycleDuration
    slippage: float = 0.0
    offset: datetime.timedelta = datetime.timedelta(0)
    late_wait: datetime.timedelta = datetime.timedelta(minutes=5)
    poll: datetime.timedelta = datetime.timedelta(seconds=15)
    max_data_delay: datetime.timedelta | None = datetime.timedelta(days=1)
    max_cycles: int | None = None
    delisting: Delisting = Delisting.last_price
    delisted_after: datetime.timedelta = DEFAULT_DELISTED_AFTER

    def __post_init__(self) -> None:
        if not self.cycle.to_timedelta():
            raise LiveStartRefused("the strategy does not say how often to decide (cycle_duration)")


def create_paper_state(
    store: StateStore, name: str, cash: Decimal, start_at: datetime.datetime, cycle: CycleDuration
) -> State:
    """Create and save the state of a new paper strategy.

    Parameters
    ----------
    cash
        Deposit of the first decision, reserve currency.
    start_at
        No decision is made before the first tick at or after this time, naive UTC.

    Raises
    ------
    LiveStartRefused
        There is no cash.
    """
    if not cash > 0:
        raise LiveStartRefused("there is no cash: neither given, nor as initial_cash in Parameters")
    state = store.create(name)
    state.created_at = start_at
    first = snap_to_next_tick(start_at, cycle)
    assert state.other_data is not None, "a new state has the record"
    state.other_data.save(_NO_CYCLE, _RECORD, {"start_at": first.isoformat(), "cash": str(cash)})
    store.sync(state)
    return state


@dataclass(slots=True)
class PaperLoop:
    """A strategy that trades on paper, with everything it needs.

    Attributes
    ----------
    module
        The strategy.
    store
        Open store of its state, with the writer lock.
    market
        Market data.
    settings
        Settings.
    name
        Name for people.
    clock, wait
        `clock` returns the time, naive UTC; `wait` sleeps for a number of seconds.
    should_stop
        Called between decisions; a decision is never interrupted.
    on_start
        Called once with the state, before the first decision.
    on_job
        Called after each decision, and with the error when the market data was not available.
    on_decision
        Called after each decision with its tick, naive UTC, and the seconds that the time since the one before, the
        decision and the save have taken.
    commands
        Commands of an operator, which are carried out between decisions.
    """

    module: StrategyModule
    store: StateStore
    market: GrowingMarket
    settings: PaperSettings
    name: str = ""
    clock: Callable[[], datetime.datetime] = utc_now
    wait: Callable[[float], object] = time.sleep
    should_stop: Callable[[], bool] = lambda: False
    on_start: Callable[[State], None] = lambda state: None
    on_job: Callable[[str, Exception | None], None] = lambda name, error: None
    on_decision: Callable[[datetime.datetime, float], None] = lambda tick, seconds: None
    commands: CommandQueue = field(default_factory=CommandQueue)
    _decisions: int = field(default=0, init=False, repr=False)

    def start(self) -> State:
        """Load and check the state; a state of a backtest becomes one of paper trading.

        Raises
        ------
        LiveStartRefused
            The state was not created for paper trading, and is not of a backtest.
        OperationRefused
            The state has real transactions.
        """
        state = self.store.load()
        state.perform_integrity_check()
        require_simulated(state, "the strategy cannot continue")
        if state.other_data is None:
            state.other_data = OtherData()
        if not _read_record(state):
            if state.backtest_data is None:
                raise LiveStartRefused("the state is neither of paper trading nor of a backtest")
            seam = state.last_cycle_at
            record = {"start_at": state.created_at.isoformat(), "continues_backtest": seam and seam.isoformat()}
            state.other_data.save(_NO_CYCLE, _RECORD, record)
            keep_benchmarks(state, state.backtest_data.benchmarks)
            state.backtest_data = None
            self.store.sync(state)
        return state

    def run(self) -> State:
        """Start, and make every decision when its candles have arrived, until the loop is stopped.

        Returns
        -------
        State
            The state as it was last saved.
        """
        try:
            return self._run()
        finally:
            self.commands.close()

    def _run(self) -> State:
        state = self.start()
        self.on_start(state)
        while not self._is_done():
            now = self.clock()
            try:
                self._run_commands(state, now)
                self.catch_up(state, now)
            except (FeedUnavailable, StaleMarketData) as error:
                logger.warning("no market data, the next reading tries again: %s", error)
                self.on_job("decision", error)
            if not self._is_done():
                self._sleep()
        state.hand_over()
        return state

    def _is_done(self) -> bool:
        limit = self.settings.max_cycles
        return self.should_stop() or (limit is not None and self._decisions >= limit)

    def _sleep(self) -> None:
        left = self.settings.poll.total_seconds()
        while left > 0 and not self.should_stop() and not self.commands.has_waiting():
            self.wait(min(left, _LONGEST_WAIT))
            left -= _LONGEST_WAIT

    def _run_commands(self, state: State, now: datetime.datetime) -> None:
        """Carry out the commands of an operator, at the prices of now."""
        if not self.commands.has_waiting():
            return
        engine = self._make_engine(state, self.market.load(now))
        engine.pricing.advance_to(now)
        # The clock of the books stands still: a later time has no known price yet.
        books = LiveBooks(state, engine.runner.models, self.store.sync, lambda: now)
        self.commands.run_all(books, lambda error: isinstance(error, PriceUnavailable))

    def catch_up(self, state: State, now: datetime.datetime) -> int:
        """Make all decisions up to a time that were not made yet, and return their number.

        Raises
        ------
        FeedUnavailable
            There is no market data.
        StaleMarketData
            The newest candle is too old.
        """
        universe = self.market.load(now)
        ticks = self._list_ticks(state, universe, now)
        if not ticks:
            self._require_fresh(universe, now)
            return 0
        engine = self._make_engine(state, universe)
        made = 0
        for tick in ticks:
            is_awaited = bool(self.market.list_awaited(universe, tick))
            if is_awaited and now < tick + self.settings.offset + self.settings.late_wait:
                break
            began = time.perf_counter()
            late = self.market.list_late(universe, tick, self.settings.delisted_after)
            if is_paused(state):
                logger.warning("No decision at %s: an operator has paused the strategy", tick)
                engine.step(state.last_cycle_at, tick, decides=False)
                state.last_cycle_at = tick
            else:
                record_late_pairs(state, state.cycle, late)
                engine.step(state.last_cycle_at, tick)
                made += 1
                self._decisions += 1
            update_benchmarks(state, universe, get_start(state), tick)
            self.store.sync(state)
            self.on_decision(tick, time.perf_counter() - began)
            self.on_job("decision", None)
            if self._is_done():
                break
        return made

    def _list_ticks(
        self, state: State, universe: TradingStrategyUniverse, now: datetime.datetime
    ) -> list[datetime.datetime]:
        """Return the times of the decisions that are due and were not made, oldest first."""
        start = get_start(state)
        last = snap_to_previous_tick(now - self.settings.offset, self.settings.cycle)
        end = last + datetime.timedelta(microseconds=1)
        times = to_datetimes(find_decision_times(universe, self.settings.cycle, start, end))
        done = state.last_cycle_at
        return [when for when in times if done is None or when > done]

    def _require_fresh(self, universe: TradingStrategyUniverse, now: datetime.datetime) -> None:
        limit = self.settings.max_data_delay
        age = now - universe.get_time_range()[1]
        if limit is not None and age > limit:
            raise StaleMarketData(f"the newest candle ended {age} before {now}; the limit is {limit}", age)

    # --- Everything that a decision needs, made from the state

    def _make_engine(self, state: State, universe: TradingStrategyUniverse) -> BacktestEngine:
        """Return the engine of the next decisions; a restart makes the same one, because only the state is read."""
        _require_same_pairs(state, universe)
        module = self.module
        universe = apply_market_parameters(universe, module.parameters)
        context = ExecutionContext(
            mode=ExecutionMode.paper_trading,
            engine_version=module.engine_version,
            parameters=module.parameters,
            progress_bars=False,
        )
        start_at = get_start(state)
        results = calculate_indicators(module.make_indicators(start_at, universe, context), universe, context, start_at)
        wallet = _restore_wallet(state)
        pricing = BacktestPricing(universe, latency=module.latency)
        slippage = FixedSlippage(self.settings.slippage) if self.settings.slippage else None
        runner = StrategyRunner(
            state=state,
            strategy_universe=universe,
            decide_trades=module.decide_trades,
            parameters=module.parameters,
            indicators=StrategyInputIndicators(universe, results),
            execution_context=context,
            models=Models(
                pricing=pricing,
                valuation=BacktestValuationModel(pricing),
                sync=_make_sync(state, wallet, start_at, universe.lending),
                execution=BacktestExecution(wallet, slippage),
            ),
            before_tick=module.before_strategy_tick,
            after_tick=module.after_strategy_tick,
        )
        _restore_queue(runner)
        settings = self.settings
        delisting = DelistingPolicy(universe, pricing, wallet, settings.delisting, settings.delisted_after)
        if state.last_cycle_at is not None:
            delisting.skip_until(state.last_cycle_at)
        return BacktestEngine(runner, pricing, np.zeros(0, np.int64), datetime.datetime.max, delisting)


def get_start(state: State) -> datetime.datetime:
    """Return the time from which a state is traded on paper or, before it, in a backtest; naive UTC."""
    start_at = _read_record(state).get("start_at")
    return state.created_at if start_at is None else datetime.datetime.fromisoformat(start_at)


def _read_record(state: State) -> dict[str, Any]:
    data = state.other_data.data if state.other_data is not None else {}
    return cast(dict[str, Any], data.get(_NO_CYCLE, {}).get(_RECORD, {}))


def _make_sync(
    state: State, wallet: SimulatedWallet, start_at: datetime.datetime, lending: LendingPool
) -> BacktestSyncModel:
    """Return the model of deposits and interest, with the deposit of the first decision if it was not booked yet."""
    sync = BacktestSyncModel(wallet, lending_rates=lending)
    cash = _read_record(state).get("cash")
    if cash is not None and not state.sync.treasury.balance_update_refs:
        sync.simulate_funding(start_at, Decimal(cash))
    return sync


def _restore_wallet(state: State) -> SimulatedWallet:
    """Return a wallet with the tokens of the state."""
    wallet = SimulatedWallet()
    for reserve in state.portfolio.reserves.values():
        wallet.update_balance(reserve.asset, reserve.quantity)
    for asset, quantity in calculate_total_assets(state.portfolio).items():
        wallet.update_balance(asset, quantity)
    wallet.nonce = find_next_nonce(state)
    return wallet


def _restore_queue(runner: StrategyRunner) -> None:
    """Put the orders that wait for their market, and the levels that are on their way, back into the queue."""
    waiting = [
        trade
        for position in runner.state.portfolio.open_positions.values()
        for trade in position.trades.values()
        if is_queued(trade)
    ]
    runner.queue.waiting = sorted(waiting, key=lambda trade: trade.trade_id)
    portfolio = runner.state.portfolio
    runner.queue.moves = read_moves([*portfolio.open_positions.values(), *portfolio.pending_positions.values()])


def _require_same_pairs(state: State, universe: TradingStrategyUniverse) -> None:
    """Refuse market data whose pairs are not those of the positions, or are numbered differently."""
    for table in state.portfolio.get_position_tables():
        for position in table.values():
            if has_no_market(position.pair):
                continue
            pair = position.pair.get_pricing_pair()
            try:
                known = universe.get_pair_by_ticker(pair.get_ticker())
            except PairNotFound:
                if position.is_closed():
                    continue
                raise LiveStartRefused(
                    f"the market data has no {pair.get_ticker()}, in which position #{position.position_id} is open"
                ) from None
            if known.internal_id != pair.internal_id or known != pair:
                raise LiveStartRefused(
                    f"{pair.get_ticker()} is pair {pair.internal_id} of the state and pair {known.internal_id} of the "
                    "market data: name the same files in the same order as before"
                )
