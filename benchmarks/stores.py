"""What a save costs: the file store writes the whole state, the SQL store what has changed.

Times are multiples of `orjson.dumps` of the same tree in the same run.  `orjson.dumps` neither checks nor writes
anything.  A save turns the state into that tree, checks every value, prints it, takes the checksum, writes, flushes,
and keeps the save before; so what a disk can do is part of it.

Bytes are those that a save of one new trade hands to the operating system, log included; 1.0 is the shortest history.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from benchmarks.measure import timed
from benchmarks.trades import trade
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.codec.gc_pause import pause_full_collections
from tradeexecutor.state.files.durable_file import write_atomically
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore, StateStore

#: Closed trades, and how often each figure is measured.
SIZES = {1_000: 10, 10_000: 5, 100_000: 2}


def best(function: Callable[[], object], runs: int) -> float:
    """Return seconds of the best of several runs, after one that does not count."""
    function()
    return min(timed(function)[0] for _ in range(runs))


def measure_file(state: State, folder: Path, runs: int, floor: float) -> dict[str, float]:
    """Return what `JSONFileStore` takes, as multiples."""
    text = state.to_json_bytes()
    path = folder / "state.json"
    ratios = {
        "print": best(state.to_json_bytes, runs) / floor,
        "write": best(lambda: write_atomically(folder / "plain.json", text), runs) / floor,
    }
    with JSONFileStore(path, backups=None) as store:
        ratios["save"] = best(lambda: store.sync(state), runs) / floor
    with JSONFileStore(path) as store:
        ratios["+backups"] = best(lambda: store.sync(state), runs) / floor
    with JSONFileStore(path, compressed=True) as store:
        ratios["+.br"] = best(lambda: store.sync(state), runs) / floor
        ratios["load"] = best(store.load, runs) / best(lambda: orjson.loads(text), runs)
    return ratios


def measure_database(state: State, folder: Path, runs: int, floor: float) -> dict[str, float]:
    """Return what `SQLStateStore` takes, as multiples; `then` is a load of the first of a hundred saves."""
    text = state.to_json_bytes()
    with SQLStateStore(f"sqlite:///{folder}/trading.db#demo") as store:
        ratios = {"first": timed(lambda: store.sync(state))[0] / floor}
        ratios["save"] = best(lambda: store.sync(state), runs) / floor
        for _ in range(100 if len(text) < 100_000_000 else 10):
            trade(1, state=state)
            store.sync(state)
        load = best(store.load, runs)
        ratios["load"] = load / best(lambda: orjson.loads(text), runs)
        ratios["then"] = best(lambda: store.load(1), runs) / load
    return ratios


def count_written(store: StateStore, state: State, log: Path | None) -> tuple[float, int]:
    """Return seconds and bytes of a save of one new trade; the median of three."""
    figures: list[tuple[float, int]] = []
    for _ in range(3):
        trade(1, state=state)
        before = log.stat().st_size if log else 0
        seconds, _ = timed(lambda: store.sync(state))
        if log is None:
            assert isinstance(store, JSONFileStore)
            figures.append((seconds, store.path.stat().st_size))
        else:
            figures.append((seconds, log.stat().st_size - before))
    return sorted(figures)[1]


def measure_growth(state: State, folder: Path) -> dict[str, tuple[float, int]]:
    """Return seconds and bytes of a save of one new trade, for each store."""
    figures: dict[str, tuple[float, int]] = {}
    with JSONFileStore(folder / "growth.json", backups=None) as store:
        store.sync(state)
        figures["file"] = count_written(store, state, None)
    with SQLStateStore(f"sqlite:///{folder}/growth.db#demo") as store:
        store.sync(state)
        with store.writing() as connection:
            connection.exec_driver_sql("PRAGMA wal_autocheckpoint = 0")  # else the log begins anew at times
        store.vacuum()  # and now it is empty
        store.sync(state)
        figures["sql"] = count_written(store, state, folder / "growth.db-wal")
    return figures


def run() -> None:
    """Print the tables."""
    rows: list[tuple[int, int, float, dict[str, float], dict[str, float], dict[str, tuple[float, int]]]] = []
    for count, runs in SIZES.items():
        with tempfile.TemporaryDirectory() as name, pause_full_collections():
            folder, state = Path(name), trade(count)
            tree = state.to_dict()
            floor = best(lambda tree=tree: orjson.dumps(tree), runs)
            size = len(orjson.dumps(tree))
            del tree
            file = measure_file(state, folder, runs, floor)
            growth = measure_growth(state, folder)
            rows.append((count, size, floor, file, measure_database(state, folder, runs, floor), growth))

    print("File store. print: to_json_bytes; write: the plain text, durably; save: without backups; +backups: with;")
    print("+.br: and a compressed copy. Multiples of orjson.dumps; load of orjson.loads.\n")
    _print(rows, 3, ("print", "write", "save", "+backups", "+.br", "load"))
    print("\nSQL store on SQLite. first: the first save; save: the next one, unchanged but for its time. Multiples of")
    print("orjson.dumps; load of orjson.loads; then: the first of many saves, as a multiple of load.\n")
    _print(rows, 4, ("first", "save", "load", "then"))
    print("\nA save of one new trade: bytes written, and as a multiple of the shortest history.\n")
    print(f"{'trades':>8}{'file bytes':>16}{'':>10}{'sql bytes':>14}{'':>8}{'sql/file time':>16}")
    for count, *_, growth in rows:
        (file_time, file_bytes), (sql_time, sql_bytes) = growth["file"], growth["sql"]
        file_ratio, sql_ratio = file_bytes / rows[0][5]["file"][1], sql_bytes / rows[0][5]["sql"][1]
        print(
            f"{count:>8,}{file_bytes:>16,}{file_ratio:>9.2f}x{sql_bytes:>14,}{sql_ratio:>7.2f}x"
            f"{sql_time / file_time:>15.2f}x"
        )


def _print(
    rows: list[tuple[int, int, float, dict[str, float], dict[str, float], Any]], which: int, names: tuple[str, ...]
) -> None:
    print(f"{'trades':>8} {'bytes':>12} {'dumps':>10}" + "".join(f"{name:>10}" for name in names))
    for row in rows:
        count, size, floor = row[:3]
        ratios = row[3] if which == 3 else row[4]
        figures = "".join(f"{ratios[name]:>9.2f}x" for name in names)
        print(f"{count:>8,} {size:>12,} {floor * 1e3:>7.1f} ms{figures}")


if __name__ == "__main__":
    run()
