"""Load and save of state files, as a ratio to `orjson` on the same bytes in the same run.

`orjson` only makes dictionaries and lists and checks nothing, so it is the floor, not a rival.
"""

import statistics
from pathlib import Path

import orjson

from benchmarks.measure import best_time
from benchmarks.sources import find_state_files
from tradeexecutor.state.state import State


def measure_file(path: Path) -> tuple[float, float]:
    """Return load and save time as multiples of `orjson.loads` and `orjson.dumps`."""
    original = path.read_bytes()
    state = State.read_json_blob(original)
    written = state.to_json_bytes()
    tree = orjson.loads(written)
    load = best_time(lambda: State.read_json_blob(original)) / best_time(lambda: orjson.loads(original))
    save = best_time(state.to_json_bytes) / best_time(lambda: orjson.dumps(tree))
    return load, save


def run() -> None:
    """Print a table, file by file, and the medians."""
    files = find_state_files()
    loads: list[float] = []
    saves: list[float] = []
    print(f"{'state file':62} {'bytes':>10} {'load':>8} {'save':>8}   (x orjson)")
    for path in files:
        load, save = measure_file(path)
        loads.append(load)
        saves.append(save)
        print(f"{path.name:62} {path.stat().st_size:>10,} {load:>7.2f}x {save:>7.2f}x")
    print(f"{'median':62} {'':>10} {statistics.median(loads):>7.2f}x {statistics.median(saves):>7.2f}x")
