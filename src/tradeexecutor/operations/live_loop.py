"""Live trading on a schedule: decisions, checks of triggers, valuations.

The jobs run one after the other, never two at once:

=============  =============================================================================================
job            when
=============  =============================================================================================
decision       at every tick of the cycle, plus an offset so that the candles of the tick have arrived; other
               schedules are in `decision_schedule`
triggers       in between, where positions have stop losses and the like
valuation      in between, so that a reader of the state sees present values
=============  =============================================================================================

Before each job, pending trades of earlier jobs are resolved. When a node does not answer or gas is too expensive, the
job fails and the next one tries again; the program continues. An unknown outcome of a trade ends the program. A missed
tick is skipped, because its prices are no longer available. No tick has two decisions: when the clock is set back, the
next decision is made once the clock has passed the latest one, and the other jobs go on meanwhile.

A waiting entry (limit, stop) whose time has passed expires at the next check of triggers, with or without a price. One
that was not sent when its price came expires before the next job; an exit that was not sent waits again. One that was
sent and failed is frozen like any failed trade.
"""

import datetime
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tradeexecutor.ledger.proof import Verdict, prove
from tradeexecutor.operations.decision_schedule import (
    DATA_POLL,
    LONGEST_DATA_WAIT,
    CycleTrigger,
    DecisionSchedule,
    find_missing_candles,
)
from tradeexecutor.operations.live_trading import LiveBooks
from tradeexecutor.operations.operator_commands import CommandQueue, is_paused
from tradeexecutor.operations.watchdog import JobHangs, Watchdog
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.state import State
from tradeexecutor.state.state.history import pack_history, prepare_packing
from tradeexecutor.state.store import StateStore
from tradeexecutor.state.uptime import load_latest_live_cycle_end
from tradeexecutor.strategy.execution_context import ExecutionContext, ExecutionMode
from tradeexecutor.strategy.pandas_trader.indicator_results import calculate_indicators
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInputIndicators
from tradeexecutor.strategy.runner import Models, StrategyRunner
from tradeexecutor.strategy.strategy_module import StrategyModule
from tradeexecutor.strategy.sync_model import UnconfirmedTreasurySync
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["LiveLoop", "LiveSettings", "LiveStartRefused", "StaleMarketData"]

logger = logging.getLogger(__name__)

#: Longest time between two checks of `LiveLoop.should_stop`, and of commands, seconds.
_LONGEST_WAIT = 1.0

#: Returns the market data up to a time, naive UTC.
UniverseSource = Callable[[datetime.datetime], TradingStrategyUniverse]


class LiveStartRefused(TradeExecutorError, RuntimeError):
    """The strategy cannot run live with this state or these settings; nothing was changed."""


class StaleMarketData(TradeExecutorError, RuntimeError):
    """The newest candle is too old for a decision.

    Attributes
    ----------
    age
        Age of the candle.
    """

    def __init__(self, message: str, age: datetime.timedelta):
        super().__init__(message)
        self.age = age


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Schedule of a live strategy.

    Attributes
    ----------
    cycle
        Time between decisions.
    offset
        Delay of a decision after its tick; only with `CycleTrigger.cycle_offset`.
    trigger
        What starts a decision.
    trigger_check, valuation
        Time between checks of triggers, and between valuations; None for never.
    max_data_delay
        Largest time since the end of the newest candle at a decision; None for no limit.
    decide_at_once
        Whether to make the decision of the previous tick at once, unless it was made already.
    max_cycles
        Number of decisions after which the loop stops; None for no limit.
    retryable
        Errors that end a job but not the program, also as the cause of another error.
    """

    cycle: CycleDuration
    offset: datetime.timedelta = datetime.timedelta(0)
    trigger: CycleTrigger = CycleTrigger.cycle_offset
    trigger_check: datetime.timedelta | None = datetime.timedelta(minutes=3)
    valuation: datetime.timedelta | None = datetime.timedelta(hours=1)
    max_data_delay: datetime.timedelta | None = datetime.timedelta(days=1)
    decide_at_once: bool = False
    max_cycles: int | None = None
    retryable: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        if not self.cycle.to_timedelta():
            raise LiveStartRefused("the strategy does not say how often to decide (cycle_duration)")
        has_offset = self.trigger is CycleTrigger.cycle_offset
        if has_offset and not datetime.timedelta(0) <= self.offset < self.cycle.to_timedelta():
            raise LiveStartRefused(f"the offset must be shorter than a cycle of {self.cycle.value}, not {self.offset}")


@dataclass(slots=True)
class LiveLoop:
    """A strategy that runs live, with everything it needs.

    Attributes
    ----------
    module
        The strategy.
    store
        Open store of its state, with the writer lock.
    models
        Live models of prices, deposits and execution.
    make_universe
        Returns the market data; called before each decision.
    settings
        Schedule.
    mode
        Execution mode that strategies and statistics get.
    clock, wait
        `clock` returns the time, naive UTC; `wait` sleeps for a number of seconds.
    should_stop
        Called between jobs; a job is never interrupted.
    on_start
        Called once with the state, after the trades of an earlier process were resolved and before the first job. Its
        changes are saved; an error ends the start.
    on_job
        Called after each job with its name, and with its error or None.
    commands
        Commands of an operator, which are carried out between jobs.
    watchdog
        Notices a job that hangs.
    """

    module: StrategyModule
    store: StateStore
    models: Models
    make_universe: UniverseSource
    settings: LiveSettings
    mode: ExecutionMode = ExecutionMode.real_trading
    clock: Callable[[], datetime.datetime] = utc_now
    wait: Callable[[float], object] = time.sleep
    should_stop: Callable[[], bool] = lambda: False
    on_start: Callable[[State], None] = lambda state: None
    on_job: Callable[[str, Exception | None], None] = lambda name, error: None
    commands: CommandQueue = field(default_factory=CommandQueue)
    watchdog: Watchdog = field(default_factory=Watchdog)
    _runner: StrategyRunner | None = field(default=None, init=False, repr=False)
    _schedule: DecisionSchedule = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._schedule = DecisionSchedule(self.settings.cycle, self.settings.offset, self.settings.trigger)

    # --- Start

    def start(self) -> State:
        """Load the state, check that trading works, and resolve pending trades of an earlier process.

        Raises
        ------
        LiveStartRefused
            The state belongs to another wallet, or was not initialised.
        UncleanState
            Trades of an earlier process are still pending.
        ExecutionHaltableIssue
            The outcome of a trade of an earlier process is unknown; the message says which.
        """
        state = self.store.load()
        if self.store.writes_changes:
            prepare_packing(state)
        state.perform_integrity_check()
        if not self.models.sync.is_ready_for_live_trading(state):
            raise LiveStartRefused("the state was not prepared for this wallet on this chain")
        self.models.execution.initialize()
        self.models.execution.preflight_check()
        self._resolve(state)
        self.on_start(state)
        now = self.clock()
        self._schedule.last_tick = state.last_cycle_at
        self._schedule.last_end = load_latest_live_cycle_end(state)
        self._runner = self._make_runner(state, now)
        self.store.sync(state)
        return state

    def _make_runner(self, state: State, now: datetime.datetime) -> StrategyRunner:
        universe, indicators = self._load_market(now)
        return StrategyRunner(
            state=state,
            strategy_universe=universe,
            decide_trades=self.module.decide_trades,
            parameters=self.module.parameters,
            indicators=indicators,
            execution_context=self._context,
            models=self.models,
            store=self.store,
            before_tick=self.module.before_strategy_tick,
            after_tick=self.module.after_strategy_tick,
        )

    @property
    def _context(self) -> ExecutionContext:
        return ExecutionContext(
            mode=self.mode,
            engine_version=self.module.engine_version,
            parameters=self.module.parameters,
            progress_bars=False,
        )

    def _load_market(self, now: datetime.datetime) -> tuple[TradingStrategyUniverse, StrategyInputIndicators]:
        universe = self.make_universe(now)
        definitions = self.module.make_indicators(now, universe, self._context)
        results = calculate_indicators(definitions, universe, self._context, now)
        return universe, StrategyInputIndicators(universe, results)

    def _resolve(self, state: State) -> None:
        for trade in self.models.execution.resolve_unconfirmed(self.clock(), state):
            logger.warning("%s was pending; it is now %s", trade, trade.get_status().value)

    # --- Run

    def run(self) -> State:
        """Start, and run every job at its time until the loop is stopped.

        Returns
        -------
        State
            The state as it was last saved.

        Raises
        ------
        JobHangs
            A job took too long. The state was saved if every balance of it adds up; otherwise the last save stays.
        """
        try:
            return self._run()
        finally:
            self.commands.close()

    def _run(self) -> State:
        with self.watchdog.watching():
            state = self.start()
            try:
                self._run_jobs(state)
            except JobHangs:
                self._save_what_adds_up(state)
                raise
        state.hand_over()
        return state

    def _save_what_adds_up(self, state: State) -> None:
        """Save a state that was interrupted somewhere, unless the interruption has left it half-changed."""
        state.perform_integrity_check()
        mismatches = prove(state).get_findings(Verdict.mismatch)
        if mismatches:
            logger.error("The state is not saved, because it was interrupted during a change: %s", mismatches[0])
            return
        self.store.sync(state)

    def _run_jobs(self, state: State) -> None:
        settings = self.settings
        decisions = 0
        now = self.clock()
        schedule = self._schedule
        is_at_once = settings.decide_at_once and schedule.is_undecided(now)
        next_decision = now if is_at_once else schedule.find_next(now)
        next_check = _after(now, settings.trigger_check)
        next_valuation = _after(now, settings.valuation)
        while not self.should_stop():
            self.watchdog.beat()
            self.commands.run_all(LiveBooks(state, self.models, self.store.sync, self.clock), self._is_retryable)
            before, now = now, self.clock()
            if now < before:
                # Jobs in between continue at once. A decision waits until the clock passes the latest one again.
                logger.warning("The clock went back from %s to %s", before, now)
                next_decision = schedule.find_next(now)
                next_check, next_valuation = _after(now, settings.trigger_check), _after(now, settings.valuation)
            if now >= next_decision and self._waits_for_candles(now):
                next_decision = now + DATA_POLL
            elif now >= next_decision:
                self._attempt("decision", self.decide)
                schedule.last_end = self.clock()
                decisions += 1
                if settings.max_cycles is not None and decisions >= settings.max_cycles:
                    break
                next_decision = schedule.find_next(self.clock())
            elif next_check is not None and now >= next_check:
                self._attempt("triggers", self.check_triggers)
                next_check = _after(self.clock(), settings.trigger_check)
            elif next_valuation is not None and now >= next_valuation:
                self._attempt("valuation", self.refresh_valuation)
                next_valuation = _after(self.clock(), settings.valuation)
            else:
                due = min(when for when in (next_decision, next_check, next_valuation) if when is not None)
                self.wait(min((due - now).total_seconds(), _LONGEST_WAIT))

    def _waits_for_candles(self, now: datetime.datetime) -> bool:
        """Return True if the decision of the present tick has to wait, because candles up to it are missing."""
        if self.settings.trigger is not CycleTrigger.trading_pair_data_availability:
            return False
        tick = self._schedule.get_tick(now)
        if now - tick >= LONGEST_DATA_WAIT or not self._schedule.is_undecided(now):
            return False
        return find_missing_candles(self.make_universe(now), tick) is not None

    def _attempt(self, name: str, job: Callable[[], None]) -> None:
        assert self._runner is not None, "start() comes first"
        try:
            self._resolve(self._runner.state)
            job()
        except Exception as error:
            if not self._is_retryable(error):
                raise
            logger.warning("%s failed, the next one tries again: %s", name, error)
            self.on_job(name, error)
        else:
            self.on_job(name, None)

    def _is_retryable(self, error: BaseException | None) -> bool:
        """Return True if an error, or one of its causes, ends a job but not the program.

        A strategy that reads a price while no node answers raises an error, which is not a defect of the strategy.
        """
        while error is not None:
            if isinstance(error, self.settings.retryable):
                return True
            error = error.__cause__
        return False

    # --- Jobs

    def decide(self) -> None:
        """Make the decision of the latest tick, unless it was made or an operator has paused the strategy.

        Raises
        ------
        StaleMarketData
            The newest candle is too old.
        """
        runner = self._require_runner()
        now = self.clock()
        tick = self._schedule.get_tick(now)
        if not self._schedule.is_undecided(now):
            logger.warning("No decision at %s: the latest one was that of %s", tick, self._schedule.last_tick)
            return
        # A decision that fails is not repeated at its tick either.
        self._schedule.last_tick = tick
        if is_paused(runner.state):
            logger.warning("No decision at %s: an operator has paused the strategy", tick)
            return
        universe, indicators = self._load_market(now)
        self._require_fresh(universe, tick)
        runner.update_market(universe, indicators)
        runner.tick(runner.state.cycle, tick)
        if self.store.writes_changes:
            pack_history(runner.state)

    def _require_fresh(self, universe: TradingStrategyUniverse, tick: datetime.datetime) -> None:
        limit = self.settings.max_data_delay
        age = tick - universe.get_time_range()[1]
        if limit is not None and age > limit:
            raise StaleMarketData(f"the newest candle ended {age} before {tick}; the limit is {limit}", age)
        if self.settings.trigger is CycleTrigger.trading_pair_data_availability:
            missing = find_missing_candles(universe, tick)
            if missing is not None:
                raise StaleMarketData(f"{missing} has no candles up to {tick} after {LONGEST_DATA_WAIT}", age)

    def check_triggers(self) -> None:
        """Book deposits, and execute the stop losses and other triggers that the market has reached."""
        runner = self._require_runner()
        now = self.clock()
        try:
            self.models.sync.sync_treasury(now, runner.state, runner.strategy_universe.reserve_assets)
        except UnconfirmedTreasurySync as error:
            logger.warning("No triggers at %s: %s", now, error)
            return
        runner.check_triggers(now)

    def refresh_valuation(self) -> None:
        """Book interest, value all positions, record statistics and save."""
        runner = self._require_runner()
        now = self.clock()
        self.models.sync.sync_interests(now, runner.state, runner.strategy_universe, self.models.pricing)
        runner.revalue(now)
        runner.record_statistics(now)
        runner.state.uptime.stats_refresh_completed += 1
        self.store.sync(runner.state)

    def _require_runner(self) -> StrategyRunner:
        assert self._runner is not None, "start() comes first"
        return self._runner


def _after(now: datetime.datetime, pause: datetime.timedelta | None) -> datetime.datetime | None:
    return None if pause is None else now + pause
