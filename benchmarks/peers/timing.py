"""CPU time of a run, for scripts of every environment: it uses only the standard library."""

import gc
import json
import resource
import sys
from collections.abc import Callable
from typing import Any


def count_cpu() -> float:
    """Return the CPU seconds of this process and of the processes that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in used)


def report(run: Callable[[], dict[str, Any]], runs: int = 2) -> None:
    """Print the CPU seconds of the best of several runs, and what the run returned, as JSON."""
    best: dict[str, Any] = {}
    for _ in range(runs):
        gc.collect()
        start = count_cpu()
        result = run()
        seconds = count_cpu() - start
        if not best or seconds < best["seconds"]:
            best = {**result, "seconds": seconds}
    json.dump(best, sys.stdout)
