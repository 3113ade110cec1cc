"""The figures of one run that runs are ranked by, and the objectives made from them.

All figures are those of :mod:`tradeexecutor.analysis.adjusted.summary`, under the same names.
"""

import importlib.util
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradeexecutor.analysis.adjusted.summary import PerformanceSummary
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.state import State

__all__ = ["FIGURES", "Figure", "Objective", "ObjectiveNotValid", "make_objective", "read_figures"]


class ObjectiveNotValid(TradeExecutorError, ValueError):
    """There is no such figure, or the function cannot be used as an objective."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a run.

    Attributes
    ----------
    read
        Returns its value; None where it is not defined.
    kind
        ``percent`` for a fraction, ``usd``, ``count``, ``ratio`` or ``days``.
    is_better_low
        Whether a lower value is better.
    """

    read: Callable[[PerformanceSummary], float | int | None]
    kind: str
    is_better_low: bool = False


def _of(name: str) -> Callable[[PerformanceSummary], Any]:
    return lambda summary: getattr(summary, name)


def _of_risk(name: str) -> Callable[[PerformanceSummary], Any]:
    return lambda summary: getattr(summary.risk, name)


def _read_longest_drawdown(summary: PerformanceSummary) -> float | None:
    length = summary.risk.longest_drawdown
    return None if length is None else length.total_seconds() / 86_400


#: Figures by name. Losses such as `max_drawdown` are negative, so that a higher value is better.
FIGURES: dict[str, Figure] = {
    "total_return": Figure(_of("total_return"), "percent"),
    "cagr": Figure(_of("cagr"), "percent"),
    "sharpe": Figure(_of("sharpe"), "ratio"),
    "sortino": Figure(_of("sortino"), "ratio"),
    "calmar": Figure(_of_risk("calmar"), "ratio"),
    "omega": Figure(_of_risk("omega"), "ratio"),
    "max_drawdown": Figure(_of("max_drawdown"), "percent"),
    "volatility": Figure(_of_risk("volatility"), "percent", is_better_low=True),
    "ulcer_index": Figure(_of_risk("ulcer_index"), "percent", is_better_low=True),
    "longest_drawdown": Figure(_read_longest_drawdown, "days", is_better_low=True),
    "value_at_risk": Figure(_of_risk("value_at_risk"), "percent"),
    "conditional_value_at_risk": Figure(_of_risk("conditional_value_at_risk"), "percent"),
    "skew": Figure(_of_risk("skew"), "ratio"),
    "kurtosis": Figure(_of_risk("kurtosis"), "ratio", is_better_low=True),
    "buy_and_hold": Figure(_of("buy_and_hold"), "percent"),
    "alpha": Figure(_of("alpha"), "percent"),
    "beta": Figure(_of("beta"), "ratio", is_better_low=True),
    "exposure": Figure(_of("exposure"), "percent", is_better_low=True),
    "final_equity": Figure(_of("final_equity"), "usd"),
    "win_rate": Figure(_of("win_rate"), "percent"),
    "profit_factor": Figure(_of("profit_factor"), "ratio"),
    "expectancy": Figure(_of("expectancy"), "usd"),
    "system_quality_number": Figure(_of("system_quality_number"), "ratio"),
    "trades": Figure(_of("trades"), "count"),
    "failed_trades": Figure(_of("failed_trades"), "count", is_better_low=True),
    "positions_closed": Figure(_of("positions_closed"), "count"),
    "won": Figure(_of("won"), "count"),
    "lost": Figure(_of("lost"), "count", is_better_low=True),
    "stop_losses": Figure(_of("stop_losses"), "count", is_better_low=True),
    "take_profits": Figure(_of("take_profits"), "count"),
    "volume": Figure(_of("volume"), "usd"),
    "fees": Figure(_of("fees"), "usd", is_better_low=True),
}


def read_figures(summary: PerformanceSummary) -> dict[str, float | int | None]:
    """Return the figures of a run by name; None for one that is not defined or not finite."""
    values = {name: figure.read(summary) for name, figure in FIGURES.items()}
    return {name: value if value is None or math.isfinite(value) else None for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Objective:
    """What to make as high, or as low, as possible.

    Attributes
    ----------
    name
        Name of the figure, or of the function.
    is_low
        Whether the lowest value is the best.
    function
        Gets the state of a run, and returns a number; None for a figure of `FIGURES`.
    """

    name: str
    is_low: bool = False
    function: Callable[[State], float] | None = None

    def measure(self, state: State, figures: Mapping[str, float | int | None]) -> float | None:
        """Return the value of a run; None where it is not defined or not finite.

        Raises
        ------
        ObjectiveNotValid
            The function did not return a number. Its own errors are raised as they are.
        """
        value: Any = figures[self.name] if self.function is None else self.function(state)
        if value is None:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ObjectiveNotValid(f"{self.name} must return a number, it returned {value!r}") from None
        return number if math.isfinite(number) else None

    def score(self, value: float | None) -> float:
        """Return a number that is higher for a better value; minus infinity for None."""
        if value is None:
            return -math.inf
        return -value if self.is_low else value


def make_objective(objective: "str | Callable[[State], float] | Objective") -> Objective:
    """Return the objective of a name or a function.

    Parameters
    ----------
    objective
        A name of `FIGURES`, a function of the state, or ``FILE.py:FUNCTION``. ``min:`` or ``max:`` before a text
        changes the direction; otherwise it is that of the figure, and the highest value for a function.

    Raises
    ------
    ObjectiveNotValid
        There is no such figure, file or function.
    """
    if isinstance(objective, Objective):
        return objective
    if callable(objective):
        return Objective(getattr(objective, "__name__", type(objective).__name__), function=objective)
    direction, colon, name = objective.partition(":")
    if direction not in ("min", "max") or not colon:
        direction, name = "", objective
    if ".py:" in name:
        function = _load_function(name)
        return Objective(function.__name__, direction == "min", function)
    figure = FIGURES.get(name)
    if figure is None:
        raise ObjectiveNotValid(f"there is no figure {name!r} (there are: {', '.join(FIGURES)})")
    return Objective(name, figure.is_better_low if not direction else direction == "min")


def _load_function(text: str) -> Callable[[State], float]:
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise ObjectiveNotValid(f"{text}: there is no file {file}")
    spec = importlib.util.spec_from_file_location(f"tradeexecutor_objective_{path.stem}", path)
    assert spec is not None, "the name ends with .py"
    assert spec.loader is not None, "the name ends with .py"
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ObjectiveNotValid(f"{file} cannot be run: {type(error).__name__}: {error}") from error
    function: Any = getattr(module, name, None)
    if function is None or not hasattr(function, "__call__"):  # noqa: B004  # callable() would narrow its type
        raise ObjectiveNotValid(f"{file} has no function {name!r}")
    return function
