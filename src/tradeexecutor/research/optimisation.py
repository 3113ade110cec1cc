"""Search for the parameters of a strategy: many backtests, ranked by one or more objectives.

>>> from tradeexecutor.research import optimize
>>> result = optimize(
...     "my_strategy.py", {"fast": "5:50:5", "slow": "20:200:20"}, where=["fast < slow"]
... )  # doctest: +SKIP
>>> result.best.parameters  # doctest: +SKIP
{'fast': 10, 'slow': 100}

The best of many runs looks better than the strategy is. `assess` of :mod:`tradeexecutor.research.assessment` tells how
much of a result is left after the number of tries, and :mod:`tradeexecutor.research.walk_forward` measures what the
search itself earns in periods that it has not seen.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

from tradeexecutor.backtest.backtest_options import BacktestOptions
from tradeexecutor.backtest.universe import DEFAULT_FEE
from tradeexecutor.research.backtest_job import RunRequest, RunResult, Workload, make_module
from tradeexecutor.research.condition import Condition, ConditionNotValid, parse_condition
from tradeexecutor.research.executors import make_executor
from tradeexecutor.research.journal import RunJournal
from tradeexecutor.research.optuna_sampler import OPTUNA_SAMPLERS, OptunaSampler
from tradeexecutor.research.parameter_space import ParameterNotValid, ParameterSpace, make_space
from tradeexecutor.research.progress import show_run_progress
from tradeexecutor.research.run_figures import FIGURES, Objective, make_objective
from tradeexecutor.research.run_key import make_key
from tradeexecutor.research.run_queue import Period, RunQueue
from tradeexecutor.research.samplers import GridSampler, RunSampler, make_random_sampler
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.files.durable_file import write_atomically
from tradeexecutor.state.state import State
from tradeexecutor.strategy.strategy_module import StrategyModule
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["SAMPLERS", "Optimisation", "Search", "SearchSettings", "optimize"]

#: Names of samplers.
SAMPLERS = ("grid", "random", *OPTUNA_SAMPLERS)

#: Number of runs of samplers that could go on for ever.
DEFAULT_RUNS = 100

JOURNAL_NAME = "runs.jsonl"
STUDY_NAME = "optuna.log"


class SearchSettings(TypedDict, total=False):
    """Settings of a search; `optimize` and `walk_forward` take them as keywords.

    universe
        Market data; without it, the strategy is asked.
    options, fee, cycle_duration
        Settings of the backtests, see `BacktestOptions` and `run_backtest_for_module`.
    fixed
        Parameters that have another value than in the strategy, the same in all runs.
    where
        Conditions between parameters, e.g. ``fast < slow``.
    objective
        Figures or functions, see `make_objective`; several as a list, the most important first.
    require
        Conditions that a result must meet to be ranked, e.g. ``trades >= 30``.
    sampler
        One of `SAMPLERS`.
    runs
        Number of runs; None for all combinations of a grid, and 100 otherwise.
    seed
        Seed of what is random.
    jobs
        Number of runs at once; None for one for each processor.
    backend, address
        See `make_executor`.
    folder
        Where runs are recorded, so that a search that was interrupted continues; None records nothing.
    fresh
        Whether to compute runs again that the folder has.
    keep_states
        Number of the best runs whose states are saved in the folder.
    progress
        Whether to draw a progress bar; None draws one on a terminal.
    """

    universe: TradingStrategyUniverse | None
    options: BacktestOptions
    fee: float
    cycle_duration: CycleDuration | None
    fixed: Mapping[str, Any]
    where: Sequence[str | Condition]
    objective: "str | Callable[[State], float] | Objective | Sequence[str | Callable[[State], float] | Objective]"
    require: Sequence[str | Condition]
    sampler: str
    runs: int | None
    seed: int
    jobs: int | None
    backend: str
    address: str | None
    folder: Path | None
    fresh: bool
    keep_states: int
    progress: bool | None


@dataclass(frozen=True, slots=True)
class Optimisation:
    """Result of a search.

    Attributes
    ----------
    strategy
        Name of the strategy.
    space, objectives, requirements
        What was searched for.
    sampler
        How combinations were chosen.
    rows
        Every run, by number.
    known
        Number of rows that were read from the folder and not computed.
    seconds
        Duration of the search, wall clock.
    states
        Paths of saved states by number of the run.
    notes
        Sentences about the search, such as a run that did not give the same result twice.
    """

    strategy: str
    space: ParameterSpace
    objectives: tuple[Objective, ...]
    requirements: tuple[Condition, ...]
    sampler: str
    rows: tuple[RunResult, ...]
    known: int = 0
    seconds: float = 0.0
    states: Mapping[int, Path] = dataclasses.field(default_factory=dict[int, Path])
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> list[RunResult]:
        """Runs that failed."""
        return [row for row in self.rows if row.is_failed]

    @property
    def ranked(self) -> list[RunResult]:
        """Runs that meet the requirements and have all objectives, the best of the first objective first."""
        return rank(self.rows, self.objectives, self.requirements)

    @property
    def best(self) -> RunResult | None:
        """The best run by the first objective; None if no run meets the requirements."""
        return next(iter(self.ranked), None)

    @property
    def front(self) -> list[RunResult]:
        """Runs that no other run beats in one objective without losing in another, in the order of `ranked`."""
        ranked = self.ranked
        scores = {row.number: _score(row, self.objectives) for row in ranked}
        return [row for row in ranked if not any(_dominates(scores[o.number], scores[row.number]) for o in ranked)]


def _score(row: RunResult, objectives: Sequence[Objective]) -> tuple[float, ...]:
    return tuple(item.score(value) for item, value in zip(objectives, row.objectives, strict=True))


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def is_accepted(row: RunResult, objectives: Sequence[Objective], requirements: Sequence[Condition]) -> bool:
    """Return whether a run succeeded, has all objectives and meets the requirements."""
    if row.is_failed or None in row.objectives:
        return False
    measured = dict(zip((item.name for item in objectives), row.objectives, strict=True))
    values = {**row.parameters, **row.figures, **measured}
    return all(condition.holds(values) for condition in requirements)


def rank(
    rows: Sequence[RunResult], objectives: Sequence[Objective], requirements: Sequence[Condition]
) -> list[RunResult]:
    """Return the accepted rows, the best first; equal ones by number."""
    accepted = [row for row in rows if is_accepted(row, objectives, requirements)]
    return sorted(accepted, key=lambda row: ([-score for score in _score(row, objectives)], row.number))


# --- Searching


@dataclass(frozen=True, slots=True)
class Search:
    """A checked search, before anything runs.

    Attributes
    ----------
    workload, space, objectives, requirements
        What to run, and what to look for.
    settings
        The settings as they were given.
    """

    workload: Workload
    space: ParameterSpace
    objectives: tuple[Objective, ...]
    requirements: tuple[Condition, ...]
    settings: SearchSettings

    @property
    def strategy_name(self) -> str:
        """Name of the strategy, or of its file."""
        strategy = self.workload.strategy
        return (strategy.name or "strategy") if isinstance(strategy, StrategyModule) else strategy.stem

    @property
    def folder(self) -> Path | None:
        """Where runs are recorded."""
        return self.settings.get("folder")

    def make_sampler(self, study: str) -> RunSampler:
        """Return a new sampler.

        Parameters
        ----------
        study
            Name that tells searches in one folder apart, for samplers that record what they learn.

        Raises
        ------
        ParameterNotValid
            There is no such sampler, or a number of runs was given for a grid.
        """
        name, runs, seed = self.settings.get("sampler", "grid"), self.settings.get("runs"), self.settings.get("seed", 0)
        if name == "grid":
            if runs is not None:
                raise ParameterNotValid("a grid tries every combination; a number of runs is for the other samplers")
            return GridSampler.of_all(self.space)
        if name == "random":
            return make_random_sampler(self.space, runs or DEFAULT_RUNS, seed)
        if name not in OPTUNA_SAMPLERS:
            raise ParameterNotValid(f"there is no sampler {name!r} (there are: {', '.join(SAMPLERS)})")
        folder = self.folder
        return OptunaSampler(
            self.space,
            self.objectives,
            runs or DEFAULT_RUNS,
            kind=name,
            seed=seed,
            storage=None if folder is None else folder / STUDY_NAME,
            study=study,
        )

    def accepts(self, row: RunResult) -> bool:
        """Return whether a row can be ranked."""
        return is_accepted(row, self.objectives, self.requirements)

    @contextlib.contextmanager
    def open_queue(self) -> Generator[RunQueue]:
        """Start the workers, open the journal, and close both at the end of the block."""
        settings, folder = self.settings, self.folder
        with contextlib.ExitStack() as stack:
            journal = None if folder is None else stack.enter_context(RunJournal(folder / JOURNAL_NAME))
            backend = settings.get("backend", "processes")
            executor = make_executor(self.workload, backend, settings.get("jobs"), settings.get("address"))
            stack.callback(executor.close)
            yield RunQueue(self.workload, executor, journal, settings.get("fresh", False))

    def run(self, queue: RunQueue, period: Period = (None, None), *, title: str = "") -> list[RunResult]:
        """Run the search over a period, and return its rows.

        Parameters
        ----------
        title
            Text before the progress bar.
        """
        sampler = self.make_sampler(self._name_study(queue, period))
        progress = self.settings.get("progress", False)
        objective = self.objectives[0]
        with show_run_progress(sampler.total, title or self.strategy_name, enabled=progress) as update:
            best: list[float] = []

            def note(row: RunResult) -> None:
                if self.accepts(row):
                    best[:] = [max([objective.score(row.objectives[0]), *best])]
                if update is not None:
                    shown = "" if not best else f"{objective.name} {abs(best[0]) if objective.is_low else best[0]:.4g}"
                    update(shown)

            return queue.run(sampler, period, accepts=self.accepts, on_row=note)

    def _name_study(self, queue: RunQueue, period: Period) -> str:
        """Return a name that tells this search from others in the folder, and is the same when it continues."""
        parts = {
            "space": [(item.name, item.values) for item in self.space.parameters],
            "conditions": [condition.text for condition in (*self.space.conditions, *self.requirements)],
            "directions": [item.is_low for item in self.objectives],
            "sampler": (self.settings.get("sampler"), self.settings.get("seed", 0)),
            # Its parameters are those of any run; the rest of the key is strategy, data, period and settings.
            "run": queue.make_key(RunRequest(0, self.space.get_combination(0), *period)),
        }
        return make_key(parts)


def make_search(
    strategy: Path | str | StrategyModule,
    parameters: Mapping[str, Sequence[Any] | str] | ParameterSpace,
    settings: SearchSettings,
) -> Search:
    """Return the search of settings, with everything checked that can be checked before the first run.

    Raises
    ------
    ParameterNotValid, ConditionNotValid, ObjectiveNotValid
        Parameters, conditions or objectives cannot be used.
    StrategyModuleNotValid
        The strategy cannot be used, or has no such parameter.
    """
    wanted = settings.get("objective", "sharpe")
    wanted = [wanted] if isinstance(wanted, str | Objective) or callable(wanted) else wanted
    objectives = tuple(make_objective(item) for item in wanted)
    if not objectives:
        raise ParameterNotValid("there is no objective")
    if isinstance(parameters, ParameterSpace):
        space = parameters
    else:
        space = make_space(parameters, settings.get("where", ()))
    workload = Workload(
        strategy=strategy if isinstance(strategy, StrategyModule) else Path(strategy),
        universe=settings.get("universe"),
        options=settings.get("options") or BacktestOptions(),
        fee=settings.get("fee", DEFAULT_FEE),
        cycle_duration=settings.get("cycle_duration"),
        parameters=settings.get("fixed", {}),
        objectives=objectives,
    )
    make_module(workload, space.get_combination(0))  # raises for a parameter that the strategy does not have
    requirements = tuple(
        item if isinstance(item, Condition) else parse_condition(item) for item in settings.get("require", ())
    )
    known = {*space.names, *FIGURES, *(item.name for item in objectives)}
    for condition in requirements:
        for name in condition.names:
            if name not in known:
                raise ConditionNotValid(
                    f"{condition.text!r}: there is no {name!r} (there are: {', '.join(sorted(known))})"
                )
    if settings.get("keep_states") and settings.get("folder") is None:
        raise ParameterNotValid("states are kept in a folder, and none was given")
    return Search(workload, space, objectives, requirements, settings)


def optimize(
    strategy: Path | str | StrategyModule,
    parameters: Mapping[str, Sequence[Any] | str] | ParameterSpace,
    **settings: Unpack[SearchSettings],
) -> Optimisation:
    """Run a strategy with many combinations of parameters.

    A run that fails is a row with its error.

    Parameters
    ----------
    strategy
        File of the strategy; or a strategy as functions, see `StrategyModule`.
    parameters
        Values to try, by name of the parameter: a list, or a text such as ``5:50:5``, see
        :mod:`tradeexecutor.research.parameter_space`.
    settings
        See `SearchSettings`.

    Raises
    ------
    TradeExecutorError, OSError
        With a message for the user: the search cannot begin, or its folder cannot be written.
    """
    search = make_search(strategy, parameters, settings)
    began = time.perf_counter()
    with search.open_queue() as queue:
        rows = search.run(queue)
        states, notes = _keep_states(search, queue, rows)
    return Optimisation(
        strategy=search.strategy_name,
        space=search.space,
        objectives=search.objectives,
        requirements=search.requirements,
        sampler=settings.get("sampler", "grid"),
        rows=tuple(rows),
        known=queue.known,
        seconds=time.perf_counter() - began,
        states=states,
        notes=tuple(notes),
    )


def _keep_states(search: Search, queue: RunQueue, rows: Sequence[RunResult]) -> tuple[dict[int, Path], list[str]]:
    """Run the best rows again, and save their states; return the paths and sentences about what differs.

    Rows return from workers without states, which are a thousand times as large.
    """
    count, folder = search.settings.get("keep_states", 0), search.folder
    best = rank(rows, search.objectives, search.requirements)[:count]
    if not best or folder is None:
        return {}, []
    requests = [RunRequest(row.number, row.parameters, row.start_at, row.end_at, wants_state=True) for row in best]
    places: dict[int, Path] = {}
    notes: list[str] = []
    (folder / "states").mkdir(exist_ok=True)
    for row, again in zip(best, queue.run_all(requests), strict=True):
        if again.state is None:
            notes.append(f"run {row.number} failed when it was run again for its state: {again.error}")
            continue
        path = folder / "states" / f"run-{row.number:0{len(str(len(rows)))}}.json"
        write_atomically(path, again.state)
        places[row.number] = path
        if not _are_equal(row.objectives, again.objectives):
            notes.append(
                f"run {row.number} had another result when it was run again: the strategy is not deterministic"
            )
    return places, notes


def _are_equal(one: Sequence[float | None], other: Sequence[float | None]) -> bool:
    return all(
        a == b or (a is not None and b is not None and math.isclose(a, b)) for a, b in zip(one, other, strict=True)
    )
