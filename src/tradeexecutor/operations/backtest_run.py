"""Running a backtest of a strategy file: load the data, run, save the state, summarise."""

import dataclasses
import datetime
import os
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradeexecutor.analysis.adjusted.equity import EquityCurve, read_equity_curve
from tradeexecutor.analysis.adjusted.periods import Observations, read_observations
from tradeexecutor.analysis.adjusted.summary import PerformanceSummary, summarise_performance
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_for_module
from tradeexecutor.backtest.universe import create_universe, parse_pair_symbol
from tradeexecutor.operations.candle_data import TOLD_FROM_FILES, DataForm, load_data
from tradeexecutor.operations.earlier_results import check_result_file, save_result
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import OperationRefused, TradeExecutorError
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.strategy.market_data import Candles
from tradeexecutor.strategy.strategy_module import read_strategy_module
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

STATE_FILE_NAME = "state.json"


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """Settings of a backtest; None uses the setting of the strategy.

    Attributes
    ----------
    strategy
        Python file.
    output
        Folder for the state file.
    data, pairs
        Data set names and candle files; pairs to use of them, empty for all.
    form
        Format of the files.
    fee, slippage
        Fractions of the value of a trade.
    latency, closed_market, cash_shortage, delisting, equity_sampling, leaves_open
        See `BacktestOptions`.
    parameters
        Values that override those of the strategy, by name.
    overwrite
        Replace the result of an earlier run instead of keeping it under another name.
    progress
        Whether to draw a progress bar on standard error; None draws one if it is a terminal.
    """

    strategy: Path
    output: Path
    data: Sequence[str] = ()
    pairs: Sequence[str] = ()
    form: DataForm = TOLD_FROM_FILES
    start_at: datetime.datetime | None = None
    end_at: datetime.datetime | None = None
    cash: float | None = None
    fee: float = 0.001
    slippage: float = 0.0
    latency: datetime.timedelta | None = None
    closed_market: str = "wait"
    cash_shortage: str = "reduce"
    delisting: str = "last_price"
    equity_sampling: str = "day"
    leaves_open: bool = False
    cycle_duration: CycleDuration | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    overwrite: bool = False
    progress: bool | None = False


@dataclass(frozen=True, slots=True)
class BacktestOutcome:
    """Result of a backtest.

    Attributes
    ----------
    strategy, state_file
        Paths of the strategy and of the saved state.
    earlier_result
        Path at which the result of the run before is kept; None if there was none, or it was overwritten.
    pairs
        Tickers of the pairs in the data.
    decisions, seconds
        Number of decisions, and duration of the run.
    stale_price_trades
        Number of exits from delisted markets at the last price.
    warnings
        Sentences about results that the author of the strategy may not have intended.
    performance
        Figures of the strategy.
    curve, observations
        Recorded equity, and the returns without deposits that figures are measured on.
    """

    strategy: Path
    state_file: Path
    earlier_result: Path | None
    pairs: tuple[str, ...]
    decisions: int
    seconds: float
    stale_price_trades: int
    warnings: tuple[str, ...]
    performance: PerformanceSummary
    curve: EquityCurve
    observations: Observations

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as a flat dictionary for JSON."""
        series = ("performance", "curve", "observations")
        own = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name not in series}
        return own | dataclasses.asdict(self.performance)


# --- Market data


def load_universe(
    data: Sequence[str], pairs: Sequence[str], fee: float, form: DataForm = TOLD_FROM_FILES
) -> TradingStrategyUniverse:
    """Return data sets and candle files as one universe.

    Raises
    ------
    OperationRefused
        There is no such file or data set, a pair comes twice, or there is no such pair.
    TradeExecutorError
        The data cannot be used.
    """
    candles: dict[str, Candles] = {}
    for name in data:
        for symbol, loaded in load_data(name, form).items():
            if symbol in candles:
                raise OperationRefused(f"{symbol} is in the market data twice, the second time in {name}")
            candles[symbol] = loaded
    return create_universe(_select(candles, pairs) if pairs else candles, fee=fee)


def _select(candles: Mapping[str, Candles], pairs: Sequence[str]) -> dict[str, Candles]:
    names = {_normalise(symbol): symbol for symbol in candles}
    missing = [pair for pair in pairs if _normalise(pair) not in names]
    if missing and len(candles) == len(pairs) == 1:
        return {pairs[0]: next(iter(candles.values()))}
    if missing:
        raise OperationRefused(f"the market data has no pair {missing[0]}", f"It has {', '.join(names)}.")
    return {symbol: candles[symbol] for symbol in (names[_normalise(pair)] for pair in pairs)}


def _normalise(symbol: str) -> str:
    return "-".join(parse_pair_symbol(symbol))


# --- Running


def run_backtest_and_save(request: BacktestRequest) -> BacktestOutcome:
    """Run a backtest and save its state; the result of an earlier run is kept beside it, see `earlier_results`.

    The output folder is checked before the strategy runs.

    Raises
    ------
    OperationRefused, TradeExecutorError, OSError
        With a message for the user.
    """
    path = _check_output(request.output, overwrite=request.overwrite)
    universe = load_universe(request.data, request.pairs, request.fee, request.form) if request.data else None
    result = _run(request, universe)
    earlier_result = save_result(result.state, path, overwrite=request.overwrite)
    performance = summarise_performance(result.state)
    curve = read_equity_curve(result.state)
    diagnostics = result.diagnostics_data
    used = result.strategy_universe
    return BacktestOutcome(
        strategy=request.strategy,
        state_file=path,
        earlier_result=earlier_result,
        pairs=tuple(pair.get_ticker() for pair in used.iterate_pairs()),
        decisions=diagnostics["decisions"],
        seconds=diagnostics["seconds"],
        stale_price_trades=diagnostics["stale_price_trades"],
        warnings=tuple(diagnostics["warnings"]),
        performance=performance,
        curve=curve,
        observations=read_observations(result.state),
    )


def _check_output(folder: Path, *, overwrite: bool) -> Path:
    """Return the path of the state file to write, and create nothing yet; raises `OperationRefused`."""
    path = folder / STATE_FILE_NAME
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not existing.is_dir():
        raise OperationRefused(f"{existing} is a file, not a folder to write to")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OperationRefused(f"the folder {existing} is not writable")
    check_result_file(path, overwrite=overwrite)
    return path


def _run(request: BacktestRequest, universe: TradingStrategyUniverse | None) -> BacktestResult:
    check_parameters(request.strategy, request.parameters)
    try:
        return run_backtest_for_module(
            request.strategy,
            universe=universe,
            start_at=request.start_at,
            end_at=request.end_at,
            initial_deposit=request.cash,
            fee=request.fee,
            cycle_duration=request.cycle_duration,
            parameters=request.parameters,
            slippage=request.slippage or None,
            latency=request.latency,
            closed_market=request.closed_market,
            cash_shortage=request.cash_shortage,
            delisting=request.delisting,
            equity_sampling=request.equity_sampling,
            leaves_open=request.leaves_open,
            progress=request.progress,
        )
    except TradeExecutorError as error:
        hint = locate_error(error, request.strategy)
        if hint:
            raise OperationRefused(str(error), hint) from error
        raise


def check_parameters(strategy: Path, parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that the strategy does not have, because a misspelt one would have no effect.

    Raises
    ------
    OperationRefused
        A parameter does not exist; the message lists those that do.
    StrategyModuleNotValid
        The file is not a usable strategy.
    """
    if not parameters:
        return
    known = read_strategy_module(strategy).parameters
    for name in parameters:
        if name not in known:
            names = ", ".join(sorted(name for name, _ in known.iterate_parameters()))
            raise OperationRefused(f"the strategy has no parameter {name}", f"It has {names}.")


def locate_error(error: BaseException, strategy: Path) -> str:
    """Return file, number and text of the strategy's line that raised an error; empty if it has no line in the file."""
    cause = error.__cause__
    if cause is None:
        return ""
    files = {str(strategy), str(resolve_links(strategy))}
    frames = [frame for frame in traceback.extract_tb(cause.__traceback__) if frame.filename in files]
    return f"{strategy}, line {frames[-1].lineno}: {frames[-1].line}" if frames else ""
