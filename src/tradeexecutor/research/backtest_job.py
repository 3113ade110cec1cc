"""One run of a strategy as a job: what all runs share, what one run is asked for, and what comes back.

`run_job` is a function of this module and its arguments can be pickled, so that it runs in this process, in another
process of this machine, and on another machine.
"""

import base64
import contextlib
import dataclasses
import datetime
import io
import logging
import time
import traceback
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.periods import Observations, read_observations
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.analysis.memo import share_results
from tradeexecutor.backtest.backtest_options import BacktestOptions
from tradeexecutor.backtest.backtest_runner import load_market_data, make_context, run_backtest
from tradeexecutor.backtest.universe import DEFAULT_FEE
from tradeexecutor.research.run_figures import Objective, read_figures
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.strategy.strategy_module import CreateTradingUniverseInput, StrategyModule, read_strategy_module
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["RunRequest", "RunResult", "Workload", "make_module", "make_universe", "run_job"]


@dataclass(frozen=True, slots=True)
class Workload:
    """What all runs of an optimisation share.

    Attributes
    ----------
    strategy
        File of the strategy; or the strategy itself, if it is not in a file.
    universe
        Market data; None asks the strategy, with the parameters of each run.
    options
        Settings of the backtests. Their period is used where a request has none.
    fee
        Trading fee of data that the strategy asks for, fraction.
    cycle_duration
        Value that overrides that of the strategy.
    parameters
        Values that override those of the strategy in every run.
    objectives
        What is measured, the most important first.
    """

    strategy: Path | StrategyModule
    universe: TradingStrategyUniverse | None = None
    options: BacktestOptions = field(default_factory=BacktestOptions)
    fee: float = DEFAULT_FEE
    cycle_duration: CycleDuration | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    objectives: tuple[Objective, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run.

    Attributes
    ----------
    number
        Number of the run, from 1.
    parameters
        Values to try.
    start_at, end_at
        Period; None uses that of the workload.
    wants_state
        Whether to return the state.
    """

    number: int
    parameters: Mapping[str, Any]
    start_at: datetime.datetime | None = None
    end_at: datetime.datetime | None = None
    wants_state: bool = False


@dataclass(frozen=True, slots=True)
class RunResult:
    """The row of one run.

    Attributes
    ----------
    number, parameters, start_at, end_at
        As requested.
    key
        Key of the run, see :mod:`tradeexecutor.research.run_key`; empty until the run is recorded.
    error
        Why the run failed; empty if it did not.
    figures
        Figures by name; None for one that is not defined. Empty for a failed run.
    objectives
        Values of the objectives; None for one that is not defined. Empty for a failed run.
    warnings
        Sentences about results that the author of the strategy may not have intended.
    observations
        Returns of the run; None for a failed one.
    seconds
        Duration of the run, wall clock.
    state
        The state as JSON, if it was wanted.
    """

    number: int
    parameters: Mapping[str, Any]
    start_at: datetime.datetime | None = None
    end_at: datetime.datetime | None = None
    key: str = ""
    error: str = ""
    figures: Mapping[str, float | int | None] = field(default_factory=dict[str, float | int | None])
    objectives: tuple[float | None, ...] = ()
    warnings: tuple[str, ...] = ()
    observations: Observations | None = None
    seconds: float = 0.0
    state: bytes | None = None

    @property
    def is_failed(self) -> bool:
        """Whether the run failed."""
        return bool(self.error)

    def to_record(self) -> dict[str, Any]:
        """Return what a journal keeps of the row: all but number, period and parameters, which the key stands for."""
        record: dict[str, Any] = {"key": self.key, "seconds": round(self.seconds, 6)}
        if self.error:
            return record | {"error": self.error}
        record |= {"figures": dict(self.figures), "objectives": list(self.objectives), "warnings": list(self.warnings)}
        observed = self.observations
        if observed is not None:
            record["observations"] = {
                "start": observed.start,
                "entry": observed.entry,
                "is_daily": observed.is_daily,
                # Steps from end to end, because most of them are equal.
                "steps": _pack(np.diff(observed.ends, prepend=observed.start)),
                "returns": _pack(observed.returns),
            }
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any], request: RunRequest) -> "RunResult":
        """Return the row of a record of `to_record`; raises KeyError, TypeError or ValueError for another one."""
        observed = record.get("observations")
        return cls(
            number=request.number,
            parameters=request.parameters,
            start_at=request.start_at,
            end_at=request.end_at,
            key=record["key"],
            error=record.get("error", ""),
            figures=record.get("figures", {}),
            objectives=tuple(record.get("objectives", ())),
            warnings=tuple(record.get("warnings", ())),
            seconds=record["seconds"],
            observations=None
            if observed is None
            else Observations(
                observed["start"],
                observed["start"] + np.cumsum(_unpack(observed["steps"], np.int64)),
                _unpack(observed["returns"], np.float64),
                observed["entry"],
                observed["is_daily"],
            ),
        )


def _pack(values: NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(values.tobytes(), 1)).decode("ascii")


def _unpack(text: str, dtype: Any) -> NDArray[Any]:
    try:
        return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=dtype)
    except zlib.error as error:
        raise ValueError(str(error)) from None


# --- The job


def run_job(workload: Workload, request: RunRequest) -> RunResult:
    """Run a strategy once, and return the row. A run that fails returns a row with its error.

    What the strategy prints and logs is discarded; warnings about the run are in the row.
    """
    began = time.perf_counter()
    row = RunResult(request.number, request.parameters, request.start_at, request.end_at)
    try:
        with contextlib.redirect_stdout(io.StringIO()), _without_log():
            row = _measure(workload, request, row)
    except Exception as error:
        row = dataclasses.replace(row, error=_describe(error))
    return dataclasses.replace(row, seconds=time.perf_counter() - began)


def _measure(workload: Workload, request: RunRequest, row: RunResult) -> RunResult:
    module = make_module(workload, request.parameters)
    universe = make_universe(workload, module)
    options = workload.options
    options = dataclasses.replace(
        options,
        start_at=request.start_at or options.start_at,
        end_at=request.end_at or options.end_at,
        progress=False,
        # Plots are for those who look at the state.
        optimiser=not request.wants_state,
    )
    with share_results():
        result = run_backtest(module, universe, options)
        figures = read_figures(summarise_performance(result.state))
        observations = read_observations(result.state)
    return dataclasses.replace(
        row,
        figures=figures,
        objectives=tuple(item.measure(result.state, figures) for item in workload.objectives),
        warnings=tuple(result.diagnostics_data["warnings"]),
        observations=observations,
        state=result.state.to_json_bytes() if request.wants_state else None,
    )


def _describe(error: Exception) -> str:
    """Return an error in one line; an unexpected one with the line of code that raised it."""
    text = " ".join(str(error).split())
    if isinstance(error, TradeExecutorError):
        return text or type(error).__name__
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {text} ({Path(frame.filename).name}, line {frame.lineno})"


@contextlib.contextmanager
def _without_log() -> Any:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


# --- Strategy and market data


def make_module(workload: Workload, parameters: Mapping[str, Any]) -> StrategyModule:
    """Return the strategy with the parameters of one run; its file runs anew, so that runs share no variables.

    Raises
    ------
    StrategyModuleNotValid
        The file is not a usable strategy, or has no such parameter.
    """
    if isinstance(workload.strategy, StrategyModule):
        module = dataclasses.replace(workload.strategy)
    else:
        module = read_strategy_module(workload.strategy)
    module.apply_parameters({**workload.parameters, **parameters})
    module.cycle_duration = workload.cycle_duration or module.cycle_duration
    return module


#: Market data by name and settings, and for files by time and size of the file: runs in one process share it.
_loaded: dict[tuple[Any, ...], TradingStrategyUniverse] = {}


def make_universe(workload: Workload, module: StrategyModule) -> TradingStrategyUniverse:
    """Return the market data of one run. Data that the strategy asks for by name is loaded once in a process.

    Raises
    ------
    StrategyModuleNotValid, BacktestNotPossible, InvalidCandles
        The strategy cannot make its data, or the data cannot be used.
    """
    if workload.universe is not None:
        return workload.universe

    def load(*names: str | Path, **settings: Any) -> TradingStrategyUniverse:
        settings = {"fee": workload.fee, **settings}
        key = (*map(_identify, names), repr(sorted(settings.items())))
        if key not in _loaded:
            _loaded[key] = load_market_data(*names, **settings)
        return _loaded[key]

    options = workload.options
    start_at = options.start_at or module.backtest_start
    context = make_context(module, options)
    return module.make_universe(CreateTradingUniverseInput(start_at, context, module.parameters, load))


def _identify(name: str | Path) -> tuple[str, int, int]:
    path = resolve_links(Path(name))
    if not path.is_file():
        return (str(name), 0, 0)
    found = path.stat()
    return (str(path), found.st_mtime_ns, found.st_size)
