"""A save of the file store, as a multiple of `orjson.dumps` of the same tree in the same run.

`orjson.dumps` neither checks nor writes anything. A save turns the state into that tree, checks every value, prints it,
takes the checksum, writes, flushes file and folders, and keeps the save before; so what a disk can do is part of it.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import orjson

from benchmarks.measure import timed
from benchmarks.trades import trade
from tradeexecutor.state.durable_file import write_atomically
from tradeexecutor.state.garbage import pause_full_collections
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

#: Closed trades, and how often each figure is measured.
SIZES = {1_000: 10, 10_000: 5, 100_000: 2}


def measure(state: State, folder: Path, runs: int) -> tuple[int, float, dict[str, float]]:
    """Return bytes of a save, seconds of `orjson.dumps`, and the multiples by name; the best of several runs."""
    tree = state.to_dict()
    text = state.to_json_bytes()

    def best(function: Callable[[], object]) -> float:
        function()
        return min(timed(function)[0] for _ in range(runs))

    floor = best(lambda: orjson.dumps(tree))

    ratios = {
        "print": best(state.to_json_bytes) / floor,
        "write": best(lambda: write_atomically(folder / "plain.json", text)) / floor,
    }
    path = folder / "state.json"
    with JSONFileStore(path, backups=None) as store:
        ratios["save"] = best(lambda: store.sync(state)) / floor
        size = path.stat().st_size
    with JSONFileStore(path) as store:
        ratios["+backups"] = best(lambda: store.sync(state)) / floor
    with JSONFileStore(path, compressed=True) as store:
        ratios["+.br"] = best(lambda: store.sync(state)) / floor
        ratios["load"] = best(store.load) / best(lambda: orjson.loads(text))
    return size, floor, ratios


def run() -> None:
    """Print a line for each size."""
    print("Multiples of orjson.dumps, load of orjson.loads. print: to_json_bytes; write: the plain text, durably;")
    print("save: JSONFileStore without backups; +backups: with; +.br: and a compressed copy.\n")
    names = ("print", "write", "save", "+backups", "+.br", "load")
    print(f"{'trades':>8} {'bytes':>12} {'dumps':>10}" + "".join(f"{name:>10}" for name in names))
    for count, runs in SIZES.items():
        with tempfile.TemporaryDirectory() as name, pause_full_collections():
            size, floor, ratios = measure(trade(count), Path(name), runs)
        figures = "".join(f"{ratios[name]:>9.2f}x" for name in names)
        print(f"{count:>8,} {size:>12,} {floor * 1e3:>7.1f} ms{figures}")


if __name__ == "__main__":
    run()
