"""How the benchmarks measure."""

import gc
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tradeexecutor.state.codec.gc_pause import pause_garbage_collection

T = TypeVar("T")

#: Seconds to spend on one figure, and the least number of runs.
_BUDGET = 1.5
_RUNS = 5


def best_time(function: Callable[[], object], budget: float = _BUDGET) -> float:
    """Return the shortest of several runs in seconds: the run that was disturbed least."""
    function()
    best = float("inf")
    runs, until = 0, time.perf_counter() + budget
    while runs < _RUNS or time.perf_counter() < until:
        gc.collect()
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
        runs += 1
    return best


def timed(function: Callable[[], T]) -> tuple[float, T]:
    """Run once; return seconds and the result."""
    gc.collect()
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def best_times(functions: Sequence[Callable[[], object]], turns: int, rounds: int = 30) -> list[float]:
    """Return seconds per call, the best of several rounds.

    The functions take turns, so that what disturbs one disturbs all.  Nothing is collected meanwhile.
    """
    best = [float("inf")] * len(functions)
    gc.collect()
    with pause_garbage_collection():
        for _ in range(rounds):
            for index, function in enumerate(functions):
                start = time.perf_counter()
                for _ in range(turns):
                    function()
                best[index] = min(best[index], (time.perf_counter() - start) / turns)
    return best
