"""Load and save of state files, as a ratio to `orjson` on the same bytes in the same run, CPU time.

`orjson` only makes dictionaries and lists and checks nothing, so it is the floor, not a rival. *save* is the first save
of a state that was just loaded, over printing a tree that was just parsed; *again* a later save, for which the texts of
closed positions are kept, over printing a tree again. Before every run, of either side, garbage is collected.
"""

import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from benchmarks.sources import find_state_files
from tradeexecutor.state.state import State

#: Runs of which the shortest counts.
_RUNS = 15


def _measure(function: Callable[[Any], object], prepare: Callable[[], Any]) -> float:
    """Return the CPU seconds of the run that was disturbed least; making its argument does not count."""
    best = float("inf")
    for _ in range(_RUNS):
        prepared = prepare()
        gc.collect()
        start = time.process_time()
        result = function(prepared)
        best = min(best, time.process_time() - start)
        del result, prepared
    return best


def measure_file(path: Path) -> tuple[float, float, float]:
    """Return load, first and later save as multiples of `orjson.loads` and `orjson.dumps`."""
    original = path.read_bytes()
    state = State.read_json_blob(original)
    text = state.to_json_bytes()
    tree = orjson.loads(text)
    load = _measure(State.read_json_blob, lambda: original) / _measure(orjson.loads, lambda: original)
    save = _measure(State.to_json_bytes, lambda: State.read_json_blob(original))
    again = _measure(State.to_json_bytes, lambda: state)
    dumps, dumps_again = _measure(orjson.dumps, lambda: orjson.loads(text)), _measure(orjson.dumps, lambda: tree)
    return load, save / dumps, again / dumps_again


def run() -> None:
    """Print a table, file by file, and the medians."""
    rows: list[tuple[float, float, float]] = []
    print(f"{'state file':66} {'bytes':>10} {'load':>8} {'save':>8} {'again':>8}   (x orjson)")
    for path in find_state_files():
        rows.append(measure_file(path))
        print(f"{path.name:66} {path.stat().st_size:>10,}" + "".join(f" {ratio:>7.2f}x" for ratio in rows[-1]))
    medians = "".join(f" {statistics.median(column):>7.2f}x" for column in zip(*rows, strict=True))
    print(f"{'median':66} {'':>10}{medians}")
