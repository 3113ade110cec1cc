"""Load and save of state files, as a ratio to `orjson` on the same bytes in the same run, CPU time.

`orjson` only makes dictionaries and lists and checks nothing, so it is the floor, not a rival. *save* is the first save
of a state that was just loaded, *again* a later one, for which the texts of closed positions are kept.
"""

import statistics
from pathlib import Path

import orjson

from benchmarks.compared_work import best_cpu_time
from benchmarks.sources import find_state_files
from tradeexecutor.state.state import State


def measure_file(path: Path) -> tuple[float, float, float]:
    """Return load, first and later save as multiples of `orjson.loads` and `orjson.dumps`."""
    original = path.read_bytes()
    state = State.read_json_blob(original)
    tree = orjson.loads(state.to_json_bytes())
    load = best_cpu_time(lambda: State.read_json_blob(original)) / best_cpu_time(lambda: orjson.loads(original))
    dumps = best_cpu_time(lambda: orjson.dumps(tree))
    save = best_cpu_time(lambda loaded: loaded.to_json_bytes(), lambda: State.read_json_blob(original)) / dumps
    return load, save, best_cpu_time(state.to_json_bytes) / dumps


def run() -> None:
    """Print a table, file by file, and the medians."""
    rows: list[tuple[float, float, float]] = []
    print(f"{'state file':66} {'bytes':>10} {'load':>8} {'save':>8} {'again':>8}   (x orjson)")
    for path in find_state_files():
        rows.append(measure_file(path))
        print(f"{path.name:66} {path.stat().st_size:>10,}" + "".join(f" {ratio:>7.2f}x" for ratio in rows[-1]))
    medians = "".join(f" {statistics.median(column):>7.2f}x" for column in zip(*rows, strict=True))
    print(f"{'median':66} {'':>10}{medians}")
