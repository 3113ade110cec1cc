"""What readers in other threads cost a strategy that trades and saves.

A cycle of the strategy is five trades and a save. It waits five times as long as a cycle takes, then comes the next
one; real strategies wait longer. Each of four readers asks for `store.snapshot()` about twice in each cycle: for its
text, or for the equity in its state, so that every save is decoded, or for the equity in a state that is at most a
second old (`store.recent_snapshot`). The time of a cycle is without the wait. Runs with and without readers take
turns, and each ratio is of two neighbours; every second pair begins with the readers, because the state grows. The
files are in memory where possible, because waiting for a disk would hide what readers cost.
"""

import itertools
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import best_times
from benchmarks.trades import trade
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.owner import Owner
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore, StateStore

READERS = 4
#: Time between two questions of a reader, and between two cycles of the strategy; 1 is the time of a cycle.
READER_PAUSE = 3.0
CYCLE_PAUSE = 5.0
CYCLES = 12
PAIRS_OF_RUNS = 6
#: Seconds that the save of `read_recent` may be old.
MAX_AGE = 1.0
#: Trades in the state at the beginning.
HISTORY = 500


def run_cycles(store: StateStore, state: State, pause: float) -> float:
    """Trade and save `CYCLES` times; return the median seconds of a cycle, which other programs disturb least."""
    seconds: list[float] = []
    for _ in range(CYCLES):
        start = time.perf_counter()
        trade(5, state=state)
        store.sync(state)
        seconds.append(time.perf_counter() - start)
        time.sleep(pause)
    return statistics.median(seconds)


def read_text(store: StateStore) -> None:
    """Do what an API does whose clients decode the state themselves."""
    assert store.snapshot().text


def read_state(store: StateStore) -> None:
    """Do what an API does that answers with figures."""
    store.snapshot().state.portfolio.calculate_total_equity()


def read_recent(store: StateStore) -> None:
    """Do what an API does that answers with figures which may be a second old."""
    store.recent_snapshot(MAX_AGE).state.portfolio.calculate_total_equity()


def read(
    store: StateStore, is_over: threading.Event, counts: list[int], pause: float, use: Callable[[StateStore], None]
) -> None:
    """Ask for snapshots until it is over."""
    count = 0
    while not is_over.wait(pause):
        use(store)
        count += 1
    counts.append(count)


def measure(
    make_store: Callable[[], StateStore], use: Callable[[StateStore], None]
) -> tuple[list[float], list[float], int]:
    """Return seconds of a cycle without readers and with them, run by run, and the number of answers."""
    alone: list[float] = []
    watched: list[float] = []
    counts: list[int] = []
    with make_store() as store:
        state = trade(HISTORY)
        store.sync(state)
        unit = run_cycles(store, state, 0.01)
        pause = unit * CYCLE_PAUSE
        for number in range(PAIRS_OF_RUNS):
            for is_watched in (number % 2 == 1, number % 2 == 0):
                is_over = threading.Event()
                arguments = (store, is_over, counts, unit * READER_PAUSE, use)
                readers = [threading.Thread(target=read, args=arguments) for _ in range(READERS * is_watched)]
                for reader in readers:
                    reader.start()
                (watched if is_watched else alone).append(run_cycles(store, state, pause))
                is_over.set()
                for reader in readers:
                    reader.join()
    return alone, watched, sum(counts)


def run() -> None:
    """Print the ratios."""
    owner = Owner()
    owner.claim()
    (seconds,) = best_times([owner.claim], 1_000)
    print(f"The check of the owner takes {seconds * 1e9:.0f} ns.")
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        stores: dict[str, Callable[[], StateStore]] = {
            "file": lambda: JSONFileStore(Path(folder) / f"{time.monotonic_ns()}.json"),
            "sqlite": lambda: SQLStateStore(f"sqlite:///{folder}/trading.db#{time.monotonic_ns()}"),
        }
        print("\nstore   reads    cycle alone  with readers   ratio   lowest  highest  answers", flush=True)
        for (name, make_store), use in itertools.product(stores.items(), (read_text, read_state, read_recent)):
            alone, watched, answers = measure(make_store, use)
            ratios = sorted(b / a for a, b in zip(alone, watched, strict=True))
            label = f"{name:<8}{use.__name__.removeprefix('read_'):<8}"
            times = "".join(f"{statistics.median(found) * 1e3:>11.1f} ms" for found in (alone, watched))
            lowest_and_highest = f"{ratios[0]:>8.2f}x{ratios[-1]:>8.2f}x"
            print(f"{label}{times}{statistics.median(ratios):>7.2f}x{lowest_and_highest}{answers:>9,}", flush=True)


if __name__ == "__main__":
    run()
