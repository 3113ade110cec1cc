"""Information about the run for a strategy."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.strategy.parameters import StrategyParameters

__all__ = [
    "ExecutionContext",
    "ExecutionMode",
    "no_timing",
    "notebook_execution_context",
    "unit_test_execution_context",
    "unit_test_trading_execution_context",
]


def no_timing(*_args: Any, **_kwargs: Any) -> AbstractContextManager[None]:
    """Measure nothing: the default of `ExecutionContext.timed_task_context_manager`."""
    return contextlib.nullcontext()


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """Mode, engine version and switches of one run.

    Attributes
    ----------
    mode
        Backtest, live trading, unit test and so on.
    timed_task_context_manager
        Gets the name of a task, and returns a context manager that measures it.
    engine_version
        Engine version of the strategy module, e.g. ``"0.5"``; None counts as 0.1.
    parameters
        The strategy parameters.
    grid_search, optimiser
        Whether the run is one of many in a search; then plots are not recorded.
    jupyter, progress_bars
        Whether the run is in a notebook, and whether to draw progress bars.
    force_visualisation
        Whether to record plots in searches, too.
    """

    mode: ExecutionMode
    timed_task_context_manager: Callable[..., AbstractContextManager[Any]] = no_timing
    engine_version: str | None = None
    parameters: StrategyParameters | None = field(default=None, repr=False)
    grid_search: bool = False
    optimiser: bool = False
    jupyter: bool = False
    progress_bars: bool = True
    force_visualisation: bool = False

    @property
    def live_trading(self) -> bool:
        """Whether the mode is one of the live ones."""
        return self.mode.is_live_trading()

    def has_visualisation(self) -> bool:
        """Return True if the strategy should record plots."""
        return self.force_visualisation or not (self.grid_search or self.optimiser)

    def is_version_greater_or_equal_than(self, major: int, minor: int, patch: int = 0) -> bool:
        """Compare the engine version of the strategy module with ``major.minor.patch``."""
        parts = [int(part) for part in (self.engine_version or "0.1").split(".")]
        return (*parts, 0, 0, 0)[:3] >= (major, minor, patch)


#: Context of a test that runs no strategy.
unit_test_execution_context = ExecutionContext(ExecutionMode.unit_testing)

#: Context of a test that trades as in live trading.
unit_test_trading_execution_context = ExecutionContext(ExecutionMode.unit_testing_trading)

#: Context of code in a notebook.
notebook_execution_context = ExecutionContext(ExecutionMode.data_research, jupyter=True)
