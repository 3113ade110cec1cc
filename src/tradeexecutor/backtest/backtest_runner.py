"""Entry points: run a strategy over history and get its state."""

import datetime
import enum
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, Unpack

from tradeexecutor.accounting.raw_units import round_down_to_units
from tradeexecutor.backtest.backtest_engine import BacktestEngine, find_decision_times, find_period
from tradeexecutor.backtest.backtest_execution import BacktestExecution
from tradeexecutor.backtest.backtest_options import (
    BacktestNotPossible,
    BacktestOptions,
    BacktestResult,
    Funding,
    MarketRules,
    RunSettings,
    drop_ignored,
)
from tradeexecutor.backtest.backtest_pricing import BacktestPricing
from tradeexecutor.backtest.backtest_sync import BacktestSyncModel
from tradeexecutor.backtest.backtest_valuation import BacktestValuationModel
from tradeexecutor.backtest.benchmarks import make_benchmarks
from tradeexecutor.backtest.candles import CandleSource, load_candle_file
from tradeexecutor.backtest.coverage import describe_coverage, describe_widened
from tradeexecutor.backtest.dataset import list_datasets, load_dataset
from tradeexecutor.backtest.delisting import Delisting, DelistingPolicy
from tradeexecutor.backtest.equity_sampling import EquitySampling
from tradeexecutor.backtest.excursions import record_excursions
from tradeexecutor.backtest.look_ahead_check import check_indicators
from tradeexecutor.backtest.market_parameters import apply_market_parameters
from tradeexecutor.backtest.progress import show_progress
from tradeexecutor.backtest.run_warnings import Outcomes, find_warnings
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.backtest.universe import DEFAULT_FEE, create_universe
from tradeexecutor.execution.failures import FailureModel
from tradeexecutor.execution.shortage import CashShortage
from tradeexecutor.execution.slippage import FixedSlippage, SlippageModel
from tradeexecutor.state.codec.gc_pause import pause_full_collections
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.state import State
from tradeexecutor.state.state.fields import BacktestData
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.engine_versions import adapt_decision
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.latency import read_latency
from tradeexecutor.strategy.market_data import CandleLength, Candles
from tradeexecutor.strategy.market_queue import ClosedMarket
from tradeexecutor.strategy.pandas_trader.indicator_results import IndicatorResults, calculate_indicators
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInputIndicators
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.runner import Models, StrategyRunner
from tradeexecutor.strategy.strategy_module import CreateTradingUniverseInput, StrategyModule, read_strategy_module
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse
from tradeexecutor.utils.reference_paths import refuse_names

logger = logging.getLogger(__name__)

__all__ = [
    "BacktestNotPossible",
    "BacktestOptions",
    "BacktestResult",
    "ask_for_universe",
    "load_market_data",
    "make_context",
    "replay_decisions",
    "run_backtest",
    "run_backtest_for_module",
    "run_backtest_inline",
]

__getattr__ = refuse_names(__name__)

_Choice = TypeVar("_Choice", bound=enum.Enum)


@dataclass(slots=True)
class _Setup:
    """Everything one run needs, built from module, universe and options."""

    module: StrategyModule
    universe: TradingStrategyUniverse
    options: BacktestOptions
    context: ExecutionContext
    wanted: tuple[datetime.datetime | None, datetime.datetime | None] = field(init=False)
    start_at: datetime.datetime = field(init=False)
    end_at: datetime.datetime = field(init=False)

    def __post_init__(self) -> None:
        module, options = self.module, self.options
        self.universe = apply_market_parameters(self.universe, module.parameters)
        self.wanted = (options.start_at or module.backtest_start, options.end_at or module.backtest_end)
        self.start_at, self.end_at = find_period(self.universe, *self.wanted)

    def calculate_indicators(self, universe: TradingStrategyUniverse) -> IndicatorResults:
        """Return the indicators of the strategy for the candles of a universe, which may be a part of the own one."""
        indicators = self.module.make_indicators(self.start_at, universe, self.context)
        return calculate_indicators(indicators, universe, self.context, self.start_at)

    def make_state(self) -> State:
        """Return an empty state whose times are simulated ones, so that a backtest does not depend on the real time."""
        module = self.module
        name = self.options.name or module.name or (module.path.stem if module.path else "backtest")
        state = State(created_at=self.start_at, name=name)
        state.backtest_data = BacktestData(
            start_at=self.start_at,
            end_at=self.end_at,
            decision_cycle_duration=module.cycle_duration or CycleDuration.cycle_unknown,
        )
        return state

    def make_sync_model(self, wallet: SimulatedWallet) -> BacktestSyncModel:
        """Return the sync model with the deposits; raises `BacktestNotPossible` without money."""
        amount = self.options.initial_deposit if self.options.initial_deposit is not None else self.module.initial_cash
        if not amount or not amount > 0:
            raise BacktestNotPossible("there is no initial cash: pass initial_deposit, or set Parameters.initial_cash")
        sync = BacktestSyncModel(wallet, lending_rates=self.universe.lending)
        decimals = self.universe.reserve_asset.decimals
        sync.simulate_funding(self.start_at, _to_units(amount, decimals))
        for moment, change in self.options.funding:
            sync.simulate_funding(max(moment, self.start_at), _to_units(change, decimals))
        return sync

    def make_delisting(self, pricing: BacktestPricing, wallet: SimulatedWallet) -> DelistingPolicy:
        """Return the policy that closes positions in delisted markets."""
        options = self.options
        if not options.delisted_after > datetime.timedelta(0):
            raise BacktestNotPossible(f"delisted_after must be a positive time, not {options.delisted_after}")
        outcome = _choose(Delisting, "delisting", options.delisting)
        return DelistingPolicy(self.universe, pricing, wallet, outcome, options.delisted_after)

    def make_slippage(self, pricing: BacktestPricing) -> SlippageModel | None:
        """Return the slippage model."""
        slippage = self.options.slippage
        if slippage is None or isinstance(slippage, SlippageModel):
            return slippage
        if callable(slippage):
            return slippage(pricing)
        return FixedSlippage(slippage)


@pause_full_collections()
def run_backtest(
    module: StrategyModule, universe: TradingStrategyUniverse, options: BacktestOptions | None = None
) -> BacktestResult:
    """Run a strategy over the candles of a universe.

    Raises
    ------
    BacktestNotPossible, BacktestPeriodNotValid
        There is no initial cash, or no data in the period.
    DecisionFailed
        The strategy raised an error or returned something unusable.
    """
    options = options or BacktestOptions()
    setup = _Setup(module, universe, options, make_context(module, options))
    setup.make_sync_model(SimulatedWallet())  # raises before the slow work, when there is no money
    results = setup.calculate_indicators(universe)
    run, universe = _prepare(setup, results), setup.universe
    state, outcomes, times = run.engine.runner.state, run.outcomes, run.engine.decision_times
    began = time.perf_counter()
    with show_progress(len(times), state.name or "backtest", enabled=options.progress) as update:
        run.engine.run(update)
    seconds = time.perf_counter() - began
    if state.backtest_data is not None and times:
        state.backtest_data.benchmarks = make_benchmarks(universe, state.portfolio, times[0], setup.end_at)
    record_excursions(universe, state.portfolio)
    state.perform_integrity_check()
    diagnostics = _make_diagnostics(state, len(times), seconds)
    diagnostics |= outcomes.count()
    coverage = describe_coverage(universe, setup.wanted, (setup.start_at, setup.end_at))
    diagnostics["coverage"] = coverage
    changes = check_indicators(setup.calculate_indicators, results, times)
    found = find_warnings(state, results, len(times), outcomes, changes)
    diagnostics["warnings"] = [*found, *describe_widened(universe), *coverage]
    for warning in diagnostics["warnings"]:
        logger.warning("%s: %s", state.name, warning)
    diagnostics["pending_funding"] = [(event.timestamp, event.amount) for event in run.sync.fund_flow_queue]
    state.hand_over()  # the caller may be another thread
    return BacktestResult(state, universe, diagnostics, results, module)


@pause_full_collections()
def replay_decisions(
    module: StrategyModule, universe: TradingStrategyUniverse, options: BacktestOptions, indicators: IndicatorResults
) -> State:
    """Run a strategy with given indicators, which may be calculated from less data; return the state.

    No warnings are logged, and no progress bar is drawn.

    Raises
    ------
    BacktestNotPossible, BacktestPeriodNotValid, DecisionFailed
        See `run_backtest`.
    """
    engine = _prepare(_Setup(module, universe, options, make_context(module, options)), indicators).engine
    engine.run()
    engine.runner.state.hand_over()
    return engine.runner.state


@dataclass(slots=True)
class _Run:
    """The parts of one run."""

    engine: BacktestEngine
    sync: BacktestSyncModel
    outcomes: Outcomes


def _prepare(setup: _Setup, results: IndicatorResults) -> _Run:
    module, universe, options = setup.module, setup.universe, setup.options
    wallet = SimulatedWallet()
    try:
        latency = module.latency if options.latency is None else read_latency(options.latency)
    except InvalidValue as error:
        raise BacktestNotPossible(str(error)) from None
    pricing = BacktestPricing(universe, options.data_delay_tolerance, latency=latency)
    sync = setup.make_sync_model(wallet)
    shortage = _choose(CashShortage, "cash_shortage", options.cash_shortage)
    slippage = setup.make_slippage(pricing)
    execution = BacktestExecution(wallet, slippage, options.failures, cash_shortage=shortage)
    runner = StrategyRunner(
        state=setup.make_state(),
        strategy_universe=universe,
        decide_trades=module.decide_trades,
        parameters=module.parameters,
        indicators=StrategyInputIndicators(universe, results),
        execution_context=setup.context,
        models=Models(
            pricing=pricing,
            valuation=BacktestValuationModel(pricing),
            sync=sync,
            execution=execution,
        ),
        before_tick=module.before_strategy_tick,
        after_tick=module.after_strategy_tick,
        closed_market=_choose(ClosedMarket, "closed_market", options.closed_market),
    )
    delisting = setup.make_delisting(pricing, wallet)
    moments = find_decision_times(universe, module.cycle_duration, setup.start_at, setup.end_at)
    sampling = _choose(EquitySampling, "equity_sampling", options.equity_sampling)
    engine = BacktestEngine(runner, pricing, moments, setup.end_at, delisting, sampling, options.leaves_open)
    return _Run(engine, sync, Outcomes(runner.queue, delisting, execution.shortages, sync.delayed))


def make_context(module: StrategyModule, options: BacktestOptions) -> ExecutionContext:
    """Return the execution context for the strategy."""
    return ExecutionContext(
        mode=options.mode,
        engine_version=module.engine_version,
        parameters=module.parameters,
        progress_bars=bool(options.progress),
        optimiser=options.optimiser,
    )


def _choose(kind: type[_Choice], name: str, value: _Choice | str) -> _Choice:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(repr(member.value) for member in kind)
        raise BacktestNotPossible(f"{name} must be one of {known}, not {value!r}") from None


def _make_diagnostics(state: State, decisions: int, seconds: float) -> dict[str, Any]:
    trades = list(state.portfolio.get_all_trades())
    # A position that fails to open expires with its trade.
    expired = [trade for position in state.portfolio.expired_positions.values() for trade in position.trades.values()]
    executed = [trade for trade in trades if trade.executed_at is not None]
    stale = [
        trade
        for trade in executed
        if trade.price_structure is not None and (trade.price_structure.market_feed_delay or datetime.timedelta(0))
    ]
    return {
        "decisions": decisions,
        "seconds": seconds,
        "trades": len(trades),
        "failed_trades": sum(trade.is_failed() for trade in (*trades, *expired)),
        "stale_price_trades": len(stale),
    }


def _to_units(amount: Decimal | float, decimals: int) -> Decimal:
    # A float of a user means its decimal text: 0.1 means exactly 0.1.
    exact = amount if isinstance(amount, Decimal) else Decimal(str(amount))
    units = round_down_to_units(abs(exact), decimals) if exact.is_finite() else exact
    return units.copy_sign(exact)


def load_market_data(
    *names: str | Path,
    fee: float | Mapping[str, float] = DEFAULT_FEE,
    pair: str | None = None,
    bucket: CandleLength | None = None,
    date_format: str | None = None,
) -> TradingStrategyUniverse:
    """Return bundled data sets, or candle files, as one universe.

    Parameters
    ----------
    names
        Names of `list_datasets`, optionally with one pair of it (``us-stocks-daily:AAPL-USD``), or paths of files, see
        `load_candle_file`.
    fee, pair, bucket, date_format
        See `create_universe`; `pair` for a single file, `bucket` and `date_format` for files.

    Raises
    ------
    BacktestNotPossible
        No name was given, a name is neither a file nor a data set, two contain the same pair, or `pair` was given for
        several files or a data set.
    """
    known = list_datasets()
    if not names:
        raise BacktestNotPossible(f"market data is missing: name a file, or one of {', '.join(known)}")
    if pair is not None and (len(names) > 1 or any(str(name).partition(":")[0] in known for name in names)):
        raise BacktestNotPossible("a pair can be named for a single file only; the pairs of data sets are fixed")
    sources: dict[str, CandleSource] = {}
    for name in names:
        dataset, _, only = str(name).partition(":")
        if dataset in known:
            loaded: Mapping[str, Candles] = load_dataset(dataset, [only] if only else None)
        elif not Path(name).exists() and not Path(name).suffix:
            raise BacktestNotPossible(f"{name} is neither a file nor a data set; data sets: {', '.join(known)}")
        elif pair is not None:
            return create_universe(name, pair=pair, fee=fee, bucket=bucket, date_format=date_format)
        else:
            loaded = load_candle_file(name, bucket, date_format=date_format)
        for symbol, candles in loaded.items():
            if symbol in sources:
                raise BacktestNotPossible(f"{symbol} is in the market data twice")
            sources[symbol] = candles
    return create_universe(sources, fee=fee)


def run_backtest_for_module(
    strategy_file: Path | str,
    candles: CandleSource | Sequence[CandleSource] | Mapping[str, CandleSource] | None = None,
    universe: TradingStrategyUniverse | None = None,
    start_at: datetime.datetime | None = None,
    end_at: datetime.datetime | None = None,
    initial_deposit: Decimal | float | None = None,
    *,
    pair: str | None = None,
    fee: float | Mapping[str, float] = DEFAULT_FEE,
    bucket: CandleLength | None = None,
    date_format: str | None = None,
    cycle_duration: CycleDuration | None = None,
    parameters: Mapping[str, Any] | None = None,
    funding: Iterable[Funding] = (),
    slippage: float | SlippageModel | Callable[[BacktestPricing], SlippageModel] | None = None,
    failures: FailureModel | None = None,
    data_delay_tolerance: datetime.timedelta | None = None,
    name: str | None = None,
    progress: bool | None = None,
    **market_rules: Unpack[MarketRules],
) -> BacktestResult:
    """Run a strategy file over history.

    Parameters
    ----------
    strategy_file
        Python file of the strategy.
    candles
        Market data, see `load_candles`; data set names are opened with `load_market_data` instead.
    universe
        Market data as a universe. Without both, ``create_trading_universe`` of the strategy is called.
    start_at, end_at, initial_deposit, funding, slippage, failures, data_delay_tolerance
        See `BacktestOptions`.
    name, progress, market_rules
        See `BacktestOptions`.
    pair, fee, bucket, date_format
        See `create_universe`; for `candles` only.
    cycle_duration
        Value that overrides that of the strategy.
    parameters
        Values that override parameters of the strategy, by name.

    Raises
    ------
    StrategyModuleNotValid
        The file is not a usable strategy.
    InvalidCandles, UniverseNotValid, BacktestNotPossible, BacktestPeriodNotValid
        The data or the settings cannot be used.
    DecisionFailed
        The strategy raised an error or returned something unusable.
    """
    module = read_strategy_module(strategy_file)
    module.apply_parameters(parameters)
    module.cycle_duration = CycleDuration(cycle_duration) if cycle_duration else module.cycle_duration
    options = BacktestOptions(
        start_at=start_at,
        end_at=end_at,
        initial_deposit=initial_deposit,
        funding=tuple(funding),
        slippage=slippage,
        failures=failures,
        data_delay_tolerance=data_delay_tolerance,
        name=name,
        progress=progress,
        **market_rules,
    )
    if universe is None and candles is not None:
        universe = create_universe(candles, pair=pair, fee=fee, bucket=bucket, date_format=date_format)
    return run_backtest(module, universe or ask_for_universe(module, options, fee), options)


def ask_for_universe(
    module: StrategyModule, options: BacktestOptions, fee: float | Mapping[str, float]
) -> TradingStrategyUniverse:
    """Return the universe that ``create_trading_universe`` of the strategy makes.

    Raises
    ------
    StrategyModuleNotValid
        The strategy has no such function, or it failed.
    """

    def load(*names: str | Path, **settings: Any) -> TradingStrategyUniverse:
        return load_market_data(*names, **{"fee": fee, **settings})

    start_at = options.start_at or module.backtest_start
    return module.make_universe(
        CreateTradingUniverseInput(start_at, make_context(module, options), module.parameters, load)
    )


def run_backtest_inline(
    *,
    decide_trades: Callable[..., list[TradeExecution]],
    parameters: StrategyParameters | Mapping[str, Any] | type | None = None,
    create_indicators: Callable[..., Any] | None = None,
    create_trading_universe: Callable[..., TradingStrategyUniverse] | None = None,
    universe: TradingStrategyUniverse | None = None,
    candles: CandleSource | Sequence[CandleSource] | Mapping[str, CandleSource] | None = None,
    pair: str | None = None,
    fee: float | Mapping[str, float] = DEFAULT_FEE,
    bucket: CandleLength | None = None,
    date_format: str | None = None,
    cycle_duration: CycleDuration | None = None,
    name: str = "backtest",
    engine_version: str = "0.5",
    mode: ExecutionMode = ExecutionMode.backtesting,
    **run_settings: Unpack[RunSettings],
) -> BacktestResult:
    """Run a strategy given as functions, e.g. in a notebook or a test.

    Parameters
    ----------
    decide_trades, create_indicators, create_trading_universe
        As in a strategy module.
    parameters
        A parameters class, a mapping, or `StrategyParameters`.
    universe, candles, pair, fee, bucket, date_format
        Market data, see `run_backtest_for_module`.
    cycle_duration
        Time between decisions; None uses ``cycle_duration`` of the parameters, otherwise every candle.
    name, mode
        See `BacktestOptions`.
    engine_version
        Which arguments `decide_trades` takes, see :mod:`tradeexecutor.strategy.engine_versions`.
    run_settings
        ``start_at``, ``end_at``, ``initial_deposit``, ``funding``, ``slippage``, ``failures``, and the other settings
        of `BacktestOptions`. Those that only existing code has are ignored with a warning.

    Raises
    ------
    BacktestNotPossible, BacktestPeriodNotValid, InvalidCandles, UniverseNotValid, DecisionFailed
        See `run_backtest_for_module`.
    """
    if isinstance(parameters, type):
        settings = StrategyParameters.from_class(parameters)
    elif isinstance(parameters, StrategyParameters):
        settings = parameters
    else:
        settings = StrategyParameters.from_dict(parameters or {})
    module = StrategyModule(
        path=None,
        engine_version=engine_version,
        parameters=settings,
        decide_trades=adapt_decision(engine_version, decide_trades),
        create_indicators=create_indicators,
        create_trading_universe=create_trading_universe,
        name=name,
    )
    module.apply_parameters()
    module.cycle_duration = CycleDuration(cycle_duration) if cycle_duration else module.cycle_duration
    options = BacktestOptions(name=name, mode=mode, **drop_ignored(run_settings))
    if universe is None and candles is not None:
        universe = create_universe(candles, pair=pair, fee=fee, bucket=bucket, date_format=date_format)
    return run_backtest(module, universe or ask_for_universe(module, options, fee), options)
