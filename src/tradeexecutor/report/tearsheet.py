"""A tear sheet made by quantstats from the returns of the net asset value, adjusted for deposits."""

import contextlib
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tradeexecutor.analysis.adjusted.benchmark import read_holdings, sample_benchmark
from tradeexecutor.analysis.adjusted.periods import compound_by_period, read_observations
from tradeexecutor.state.errors import MissingDependency, NothingToDraw
from tradeexecutor.state.state import State

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_daily_benchmark", "read_daily_returns", "write_tearsheet"]

#: Smallest number of daily returns; the monthly and yearly charts of quantstats need some days.
_MIN_DAYS = 10

_DAYS_PER_YEAR = 365


def read_daily_returns(state: State) -> "pd.Series[float]":
    """Return the return of each day, a fraction, 0.0 without a record; the first one contains the costs of the entry.

    They compound to the total return of :py:func:`~tradeexecutor.analysis.adjusted.summary.summarise_performance`.
    """
    observed = read_observations(state)
    daily = compound_by_period(observed.start, observed.path_times, observed.path, "D")
    return daily.fillna(0.0)


def read_daily_benchmark(state: State) -> "pd.Series[float] | None":
    """Return the return of buying and holding on the days of `read_daily_returns`; None where no prices are known.

    They compound to ``buy_and_hold`` of the same summary.
    """
    held = next(iter(read_holdings(state)), None)
    if held is None:
        return None
    observed = read_observations(state)
    returns = np.concatenate(([0.0], sample_benchmark(held.growth, observed)))
    daily = compound_by_period(observed.start, observed.path_times, np.nan_to_num(returns), "D").fillna(0.0)
    daily.name = f"Buy and hold {held.name}"
    return daily


def write_tearsheet(state: State, target: Path) -> None:
    """Write the HTML tear sheet of quantstats, beside buying and holding where the state has prices.

    Its ratios have the definitions of quantstats: daily returns, 365 days a year.

    Parameters
    ----------
    state
        The state, which is not changed.
    target
        HTML file to write.

    Raises
    ------
    MissingDependency
        quantstats is not installed.
    NothingToDraw
        There are fewer than ten daily returns, or they do not vary.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from quantstats import reports  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingDependency("a tear sheet", "quantstats", "tearsheet") from None
    returns = read_daily_returns(state)
    if len(returns) < _MIN_DAYS:
        raise NothingToDraw(f"a tear sheet needs {_MIN_DAYS} days, and the state has {len(returns)}")
    if not returns.std() > 0:
        raise NothingToDraw("the returns do not vary: a tear sheet has nothing to show")
    returns.name = state.name or "Strategy"
    benchmark = read_daily_benchmark(state)
    # quantstats warns about fonts and old pandas functions, and prints; neither is of use to the user.
    nowhere = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        reports.html(
            returns,
            benchmark=benchmark,
            benchmark_title=None if benchmark is None else str(benchmark.name),
            match_dates=False,
            output=str(target),
            title=state.name or "Strategy",
            periods_per_year=_DAYS_PER_YEAR,
            compounded=True,
        )
