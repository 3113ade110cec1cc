"""Searching for the parameters of a strategy file: load the data, run, assess, save the results."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradeexecutor.backtest.backtest_options import BacktestOptions
from tradeexecutor.operations.backtest_run import check_parameters, load_universe
from tradeexecutor.operations.candle_data import TOLD_FROM_FILES, DataForm
from tradeexecutor.operations.optimise_page import describe_search
from tradeexecutor.report.search_page import make_search_page
from tradeexecutor.research.assessment import Assessment, assess
from tradeexecutor.research.optimisation import Optimisation, SearchSettings, optimize
from tradeexecutor.research.parameter_space import ParameterNotValid, ParameterSpace, make_space, parse_parameter
from tradeexecutor.research.results import save_results
from tradeexecutor.research.walk_forward import WalkForward, walk_forward
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.files.durable_file import write_atomically

PAGE_NAME = "report.html"

__all__ = ["OptimiseOutcome", "OptimiseRequest", "optimise_strategy_file"]


@dataclass(frozen=True, slots=True)
class OptimiseRequest:
    """Settings of a search; None uses the setting of the strategy.

    Attributes
    ----------
    strategy
        Python file.
    output
        Folder for the runs and the results.
    parameters
        Descriptions of the parameters to change, see :mod:`tradeexecutor.research.parameter_space`.
    where, objective, require, sampler, runs, seed, jobs, backend, address, fresh, keep_states, progress
        See `SearchSettings`.
    fixed
        Values that override those of the strategy in every run, by name.
    data, pairs, form, start_at, end_at, cash, fee, slippage, cycle_duration
        See `BacktestRequest`.
    train, test
        Lengths of the periods of a walk-forward; None for none.
    anchored
        Whether every training begins at the start of the data.
    """

    strategy: Path
    output: Path
    parameters: Sequence[str]
    where: Sequence[str] = ()
    objective: Sequence[str] = ("sharpe",)
    require: Sequence[str] = ()
    sampler: str = "grid"
    runs: int | None = None
    seed: int = 0
    jobs: int | None = None
    backend: str = "processes"
    address: str | None = None
    fresh: bool = False
    keep_states: int = 0
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    data: Sequence[str] = ()
    pairs: Sequence[str] = ()
    form: DataForm = TOLD_FROM_FILES
    start_at: datetime.datetime | None = None
    end_at: datetime.datetime | None = None
    cash: float | None = None
    fee: float = 0.001
    slippage: float = 0.0
    cycle_duration: CycleDuration | None = None
    train: datetime.timedelta | None = None
    test: datetime.timedelta | None = None
    anchored: bool = False
    progress: bool | None = False


@dataclass(frozen=True, slots=True)
class OptimiseOutcome:
    """Result of a search.

    Attributes
    ----------
    result, assessment
        The runs over the whole period, and how much of the best one is luck.
    forward
        The walk-forward; None if none was asked for.
    files
        Files with the table of all runs.
    page
        The page about the search.
    """

    result: Optimisation
    assessment: Assessment
    forward: WalkForward | None
    files: tuple[Path, ...]
    page: Path


def optimise_strategy_file(request: OptimiseRequest) -> OptimiseOutcome:
    """Search, assess the result, and save the table of the runs in the folder.

    Raises
    ------
    TradeExecutorError, OSError
        With a message for the user: the search cannot begin, or the folder cannot be written.
    ParameterNotValid
        A walk-forward lacks the length of its training or of its test.
    """
    if (request.train is None) != (request.test is None):
        raise ParameterNotValid("a walk-forward needs the lengths of both, training and test")
    space = _make_space(request)
    check_parameters(request.strategy, request.fixed)
    settings = _make_settings(request)
    result = optimize(request.strategy, space, **settings)
    files = save_results(result, request.output)
    forward = None
    if request.train is not None and request.test is not None:
        lengths: dict[str, Any] = {"train": request.train, "test": request.test, "anchored": request.anchored}
        forward = walk_forward(request.strategy, space, **lengths, **settings)
    assessment = assess(result)
    page = request.output / PAGE_NAME
    write_atomically(page, make_search_page(describe_search(result, assessment, forward)).encode())
    return OptimiseOutcome(result, assessment, forward, files, page)


def _make_space(request: OptimiseRequest) -> ParameterSpace:
    found = [parse_parameter(text) for text in request.parameters]
    names = [item.name for item in found]
    for name in names:
        if names.count(name) > 1:
            raise ParameterNotValid(f"{name} is given twice; write its values in one list")
        if name in request.fixed:
            raise ParameterNotValid(f"{name} is both fixed and to be changed")
    return make_space({item.name: item.values for item in found}, request.where)


def _make_settings(request: OptimiseRequest) -> SearchSettings:
    data = request.data
    return SearchSettings(
        universe=load_universe(data, request.pairs, request.fee, request.form) if data else None,
        options=BacktestOptions(
            start_at=request.start_at,
            end_at=request.end_at,
            initial_deposit=request.cash,
            slippage=request.slippage or None,
            progress=False,
        ),
        fee=request.fee,
        cycle_duration=request.cycle_duration,
        fixed=request.fixed,
        objective=list(request.objective),
        require=request.require,
        sampler=request.sampler,
        runs=request.runs,
        seed=request.seed,
        jobs=request.jobs,
        backend=request.backend,
        address=request.address,
        folder=request.output,
        fresh=request.fresh,
        keep_states=request.keep_states,
        progress=request.progress,
    )
