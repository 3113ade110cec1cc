"""A tear sheet made by quantstats, from the returns of the net asset value with deposits taken out."""

import contextlib
import io
import warnings
from pathlib import Path

from tradeexecutor.analysis.recorded.equity_series import calculate_time_weighted_returns
from tradeexecutor.analysis.recorded.ratios import DAYS_PER_YEAR
from tradeexecutor.state.errors import MissingDependency, NothingToDraw
from tradeexecutor.state.state import State

__all__ = ["write_tearsheet"]

#: quantstats draws monthly and yearly charts, which need some days.
_MIN_DAYS = 10


def write_tearsheet(state: State, target: Path) -> None:
    """Write the HTML tear sheet of quantstats.

    Its ratios have the definitions of quantstats: daily returns, 365 days a year.

    Parameters
    ----------
    state
        Only read.
    target
        HTML file.

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
    returns = calculate_time_weighted_returns(state, freq="D")
    if len(returns) < _MIN_DAYS:
        raise NothingToDraw(f"a tear sheet needs {_MIN_DAYS} days, and the state has {len(returns)}")
    if not returns.std() > 0:
        raise NothingToDraw("the returns do not vary: a tear sheet has nothing to show")
    returns.name = state.name or "Strategy"
    # It warns about fonts and old pandas habits, and prints; neither concerns the user.
    nowhere = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        reports.html(
            returns, output=str(target), title=state.name or "Strategy", periods_per_year=DAYS_PER_YEAR, compounded=True
        )
