"""What an executor does: takes requests, and returns their rows as they are completed."""

import dataclasses
import os
from typing import Protocol

from tradeexecutor.research.backtest_job import RunRequest, RunResult
from tradeexecutor.state.errors import TradeExecutorError

__all__ = ["MAX_ATTEMPTS", "ExecutorNotAvailable", "RunExecutor", "count_processors", "make_lost_row"]

#: How often a run is started whose worker dies; a run that ends its worker every time must not go on for ever.
MAX_ATTEMPTS = 3


class ExecutorNotAvailable(TradeExecutorError, RuntimeError):
    """The backend is not installed, or its cluster cannot be reached.

    Attributes
    ----------
    hint
        What to do; empty when there is no advice.
    """

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.hint = hint


class RunExecutor(Protocol):
    """Computes runs. It is used by one thread.

    A worker that dies loses nothing: its run is started again, `MAX_ATTEMPTS` times in all, and is then completed with
    a row that has an error.
    """

    @property
    def jobs(self) -> int:
        """Number of runs at once."""
        ...

    def submit(self, request: RunRequest) -> None:
        """Start a run, or queue it."""
        ...

    def get_completed(self) -> RunResult:
        """Wait until any run is completed, and return its row; each row is returned once.

        Raises
        ------
        LookupError
            Every run that was submitted has been returned.
        """
        ...

    def close(self) -> None:
        """Stop the workers; runs that are not completed are dropped. It may be called again."""
        ...


def make_lost_row(request: RunRequest, reason: str) -> RunResult:
    """Return the row of a run whose worker died too often."""
    row = RunResult(request.number, request.parameters, request.start_at, request.end_at)
    return dataclasses.replace(row, error=f"the worker ended {MAX_ATTEMPTS} times during this run: {reason}")


def count_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
