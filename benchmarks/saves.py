"""What a save costs when nearly everything in the state is history, and what verifying a save costs.

CPU time, the best of several runs. The first figures are multiples of `orjson.dumps` of the same tree, which neither
checks nor knows that nothing has changed. The second compare a state of 10,000 closed positions with one of 100: the
save after one more round trip.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from benchmarks.sources import find_state_files
from benchmarks.trades import trade
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.codec.kept_groups import MAX_NEW_ENTRIES, UNKEPT_SAVES
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

#: Closed positions of a long and of a short history.
MANY, FEW = 10_000, 100

RUNS = 5


def cpu_time(function: Callable[[], object]) -> float:
    """Return the CPU seconds of one call."""
    start = time.process_time()
    result = function()
    seconds = time.process_time() - start
    del result
    return seconds


def best(function: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Return the CPU seconds of the best of several calls; `before` is called before each and does not count."""
    times: list[float] = []
    for _ in range(RUNS):
        before()
        times.append(cpu_time(function))
    return min(times)


def keep_texts(state: State) -> None:
    """Save so often that the texts of all closed positions are kept."""
    # Each position once by itself, and once in a large group.
    for _ in range(UNKEPT_SAVES + 2 + 2 * len(state.portfolio.closed_positions) // MAX_NEW_ENTRIES):
        state.to_json_bytes()


def measure_printing(text: bytes) -> float:
    """Return the CPU seconds in which `orjson` prints the tree of a text."""
    tree = orjson.loads(text)
    return best(lambda: orjson.dumps(tree))


def measure_cycle(state: State, folder: Path) -> dict[str, float]:
    """Return the CPU seconds of a save after one more round trip."""
    times: dict[str, float] = {}

    def add_round_trip() -> None:
        trade(2, state=state)

    keep_texts(state)
    times["JSON text"] = best(state.to_json_bytes, add_round_trip)
    with JSONFileStore(folder / "state.json", backups=None) as store:
        store.sync(state)
        times["JSON file"] = best(lambda: store.sync(state), add_round_trip)
    with SQLStateStore(f"sqlite:///{folder}/trading.db#demo") as store:
        store.sync(state)
        times["SQL store"] = best(lambda: store.sync(state), add_round_trip)
    return times


def run() -> None:
    """Print both tables, and the cost of verification."""
    with pause_garbage_collection():
        state = trade(2 * MANY)
        early = [cpu_time(state.to_json_bytes) for _ in range(UNKEPT_SAVES + 1)]
        keep_texts(state)
        repeated = best(state.to_json_bytes)
        text = state.to_json_bytes()
        floor = measure_printing(text)
        print(f"{MANY:,} closed positions, {len(text) / 1e6:.0f} MB; orjson.dumps {floor * 1e3:.0f} ms")
        for name, seconds in (
            ("first save", early[0]),
            ("first one that keeps texts", early[-1]),
            ("every later save", repeated),
        ):
            print(f"{name:<30}{seconds / floor:>8.2f}x")
        print(f"\nA save after one more round trip, {MANY:,} over {FEW} closed positions")
        with tempfile.TemporaryDirectory() as many, tempfile.TemporaryDirectory() as few:
            long, short = measure_cycle(state, Path(many)), measure_cycle(trade(2 * FEW), Path(few))
        for name, seconds in long.items():
            print(f"{name:<30}{seconds * 1e3:>8.1f} ms{short[name] * 1e3:>8.1f} ms{seconds / short[name]:>8.1f}x")
    path = max(find_state_files(), key=lambda file: file.stat().st_size)
    print(f"\nVerification of a save of {path.stem}, {path.stat().st_size / 1e6:.1f} MB")
    saved = State.read_json_file(path)
    with tempfile.TemporaryDirectory() as folder:
        times: dict[str, float] = {}
        for verify in ("off", "written", "loaded"):
            with JSONFileStore(Path(folder) / f"{verify}.json", backups=None, verify=verify) as store:
                store.sync(saved)
                times[verify] = best(lambda store=store: store.sync(saved))
    for verify, seconds in times.items():
        print(f"{verify:<30}{seconds * 1e3:>8.1f} ms{seconds / times['off']:>8.2f}x")


if __name__ == "__main__":
    run()
