"""Walk-forward: choose parameters on a period, trade them on the next one, move on.

::

    rolling     |-- train --|- test -|
                         |-- train --|- test -|
                                  |-- train --|- test -|
    anchored    |-- train --|- test -|
                |------- train ------|- test -|
                |------------ train -----------|- test -|

The returns of the test periods, one after another, are what the search itself earns: no decision in them was made with
parameters that had seen it. The first test begins at the end of the first training, each other one at the end of the
test before it, and the last one ends with the data, so that their returns are chained without gap or overlap.

Each test starts with cash and values what is open at its end at the price of that moment. The costs of buying again at
the beginning of a test are in the result; a position that is carried over in real trading would save them.
"""

import contextlib
import datetime
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from tradeexecutor.analysis.adjusted.drawdown import calculate_max_drawdown
from tradeexecutor.analysis.adjusted.periods import Observations, observe
from tradeexecutor.analysis.adjusted.ratios import calculate_sharpe, calculate_sortino
from tradeexecutor.analysis.adjusted.returns import calculate_cagr, calculate_total_return
from tradeexecutor.backtest.backtest_engine import find_period
from tradeexecutor.research.backtest_job import RunRequest, RunResult, make_module, make_universe
from tradeexecutor.research.optimisation import Search, SearchSettings, make_search, rank
from tradeexecutor.research.parameter_space import ParameterNotValid, ParameterSpace
from tradeexecutor.research.run_figures import Objective
from tradeexecutor.strategy.market_data import to_us
from tradeexecutor.strategy.strategy_module import StrategyModule

__all__ = ["WalkForward", "Window", "find_windows", "stitch", "walk_forward"]


@dataclass(frozen=True, slots=True)
class Window:
    """One training and the test after it; starts are inclusive and ends exclusive, naive UTC.

    Attributes
    ----------
    train_start, train_end, test_start, test_end
        The test starts when the training ends.
    tries
        Number of runs of the training that did not fail.
    chosen
        The best run of the training; None if no run met the requirements, and then the test stays in cash.
    test
        The run of the test with the chosen parameters; None without any.
    """

    train_start: datetime.datetime
    train_end: datetime.datetime
    test_start: datetime.datetime
    test_end: datetime.datetime
    tries: int = 0
    chosen: RunResult | None = None
    test: RunResult | None = None


@dataclass(frozen=True, slots=True)
class WalkForward:
    """Result of a walk-forward.

    Attributes
    ----------
    strategy
        Name of the strategy.
    objectives
        What was searched for.
    is_anchored
        Whether every training begins at the start of the data.
    windows
        In order of time.
    observations
        Chained returns of the tests.
    known, runs
        Number of rows that were read from the folder, and of all.
    seconds
        Duration, wall clock.
    """

    strategy: str
    objectives: tuple[Objective, ...]
    is_anchored: bool
    windows: tuple[Window, ...]
    observations: Observations
    known: int
    runs: int
    seconds: float

    @property
    def total_return(self) -> float:
        """Return of all tests, a fraction."""
        return calculate_total_return(self.observations.path)

    @property
    def figures(self) -> dict[str, float | None]:
        """Figures of the chained returns: ``total_return``, ``cagr``, ``sharpe``, ``sortino``, ``max_drawdown``."""
        observed = self.observations
        periods = observed.periods_per_year
        return {
            "total_return": self.total_return,
            "cagr": calculate_cagr(self.total_return, observed.years),
            "sharpe": calculate_sharpe(observed.returns, periods),
            "sortino": calculate_sortino(observed.returns, periods),
            "max_drawdown": calculate_max_drawdown(observed.path),
        }

    @property
    def efficiency(self) -> float | None:
        """Yearly return of the tests over the mean yearly return of the chosen runs in their training.

        None if either is not defined, or the trainings lost.
        """
        trained = [window.chosen.figures["cagr"] for window in self.windows if window.chosen is not None]
        known = [value for value in trained if value is not None]
        cagr = self.figures["cagr"]
        mean = statistics.fmean(known) if known else 0.0
        return None if cagr is None or mean <= 0 else cagr / mean


def find_windows(
    start: datetime.datetime,
    end: datetime.datetime,
    train: datetime.timedelta,
    test: datetime.timedelta,
    *,
    anchored: bool = False,
) -> list[Window]:
    """Return the periods of a walk-forward; the last test may be shorter.

    Raises
    ------
    ParameterNotValid
        A length is not positive, or nothing is left after the first training.
    """
    if train <= datetime.timedelta(0) or test <= datetime.timedelta(0):
        raise ParameterNotValid("training and test must be longer than nothing")
    if start + train >= end:
        days = (end - start) / datetime.timedelta(days=1)
        raise ParameterNotValid(f"the data has {days:,.0f} days; a training of {train.days:,} days leaves none to test")
    windows: list[Window] = []
    at = start + train
    while at < end:
        windows.append(Window(start if anchored else at - train, at, at, min(at + test, end)))
        at += test
    return windows


def walk_forward(
    strategy: Path | str | StrategyModule,
    parameters: Mapping[str, Sequence[Any] | str] | ParameterSpace,
    *,
    train: datetime.timedelta,
    test: datetime.timedelta,
    anchored: bool = False,
    **settings: Unpack[SearchSettings],
) -> WalkForward:
    """Search in each training, and trade the best parameters in the test after it.

    Parameters
    ----------
    strategy, parameters, settings
        See `optimize`; `keep_states` has no effect.
    train, test
        Lengths of a training and of a test.
    anchored
        Whether every training begins at the start of the data.

    Raises
    ------
    TradeExecutorError, OSError
        With a message for the user: see `optimize`; or the data is too short.
    """
    search = make_search(strategy, parameters, settings)
    began = time.perf_counter()
    windows = find_windows(*_find_whole_period(search), train, test, anchored=anchored)
    done: list[Window] = []
    runs = 0
    with search.open_queue() as queue:
        for number, window in enumerate(windows, 1):
            title = f"{search.strategy_name}, window {number} of {len(windows)}"
            rows = search.run(queue, (window.train_start, window.train_end), title=title)
            best = next(iter(rank(rows, search.objectives, search.requirements)), None)
            tested = None
            if best is not None:
                request = RunRequest(len(rows) + 1, best.parameters, window.test_start, window.test_end)
                (tested,) = queue.run_all([request])
            runs += len(rows) + (tested is not None)
            tries = sum(not row.is_failed for row in rows)
            periods = (window.train_start, window.train_end, window.test_start, window.test_end)
            done.append(Window(*periods, tries, best, tested))
        known = queue.known
    return WalkForward(
        strategy=search.strategy_name,
        objectives=search.objectives,
        is_anchored=anchored,
        windows=tuple(done),
        observations=stitch(done),
        known=known,
        runs=runs,
        seconds=time.perf_counter() - began,
    )


def _find_whole_period(search: Search) -> tuple[datetime.datetime, datetime.datetime]:
    workload = search.workload
    with contextlib.redirect_stdout(None):
        module = make_module(workload, search.space.get_combination(0))
        universe = make_universe(workload, module)
    options = workload.options
    return find_period(universe, options.start_at or module.backtest_start, options.end_at or module.backtest_end)


def stitch(windows: Sequence[Window]) -> Observations:
    """Return the chained returns of the tests; a test that was not run, or failed, has none and counts as cash."""
    ends: list[int] = []
    returns: list[float] = []
    start: int | None = None
    for window in windows:
        observed = window.test.observations if window.test is not None else None
        if observed is None:
            own_start, own_ends, own_returns = to_us(window.test_start), [to_us(window.test_end)], [0.0]
        else:
            # The entry, such as the costs of the first trades, ends when the window starts.
            own_start = observed.start
            own_ends, own_returns = [own_start, *observed.ends.tolist()], [observed.entry, *observed.returns.tolist()]
        assert not ends or own_start >= ends[-1], "a test starts when the one before it has ended"
        start = own_start if start is None else start
        ends += own_ends
        returns += own_returns
    return observe(start or 0, np.array(ends, dtype=np.int64), np.array(returns))
