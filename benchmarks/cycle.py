"""What the end of a live cycle costs after a long and after a short history: statistics, and a save to SQLite.

CPU time, the best of several cycles, each of which closes one more position. As in a live strategy, the history is
packed, 64 entries of each table in a cycle; the cycles until then do not count. A state of 10,000 closed positions is
compared with one of 100, and the state of a strategy after 10,000 cycles with a sample each with that of one after 500.
The first cycles, in which figures and texts begin to be kept, do not count.
"""

import copy
import dataclasses
import datetime
import tempfile
from pathlib import Path

from benchmarks.saves import FEW, MANY, RUNS, cpu_time
from benchmarks.trades import trade
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.codec.kept_groups import MAX_NEW_ENTRIES
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.portfolio.lookup import comparing_closed_once
from tradeexecutor.state.state import State
from tradeexecutor.state.state.history import pack_history, prepare_packing
from tradeexecutor.statistics.core import update_statistics
from tradeexecutor.statistics.statistics_table import serialise_long_short_stats_as_json_table


def record_statistics(state: State, ts: datetime.datetime) -> None:
    """Record what a live strategy records at the end of a cycle."""
    with comparing_closed_once(state.portfolio):
        tables = serialise_long_short_stats_as_json_table(state, None, ts)
        table = {key: recorded.to_dict() for key, recorded in tables.items()}
        update_statistics(ts, state.stats, state.portfolio, ExecutionMode.real_trading, ts, table)


#: Closed positions and earlier cycles of the states that are compared.
HISTORIES = (((FEW, 0), (MANY, 0)), ((FEW, 500), (2_000, 10_000)))


def add_samples(state: State, count: int) -> None:
    """Add the samples and the ends of earlier cycles."""
    start = datetime.datetime(2024, 1, 1)
    record_statistics(state, start)
    sample = state.stats.portfolio.pop()
    for number in range(count):
        ts = start + datetime.timedelta(hours=number)
        summary = copy.copy(sample.summary)
        state.stats.portfolio.append(dataclasses.replace(sample, calculated_at=ts, summary=summary))
        state.uptime.record_cycle_complete(number, ts)


def measure(history: tuple[int, int], folder: Path) -> dict[str, float]:
    """Return the CPU seconds of the parts of a cycle of a state with so many closed positions and earlier cycles."""
    closed, cycles = history
    state = trade(2 * closed + 1)  # one position is open
    if cycles:
        add_samples(state, cycles)
    times: dict[str, list[float]] = {"statistics": [], "save": [], "both": []}
    warm_up = 5 + 2 * (max(history) // MAX_NEW_ENTRIES)
    warm_up = max(warm_up, max(history) // 32)
    prepare_packing(state)
    with SQLStateStore(f"sqlite:///{folder}/trading.db#demo") as store:
        for cycle in range(warm_up + RUNS):
            trade(2, state=state)
            ts = datetime.datetime(2025, 1, 1) + datetime.timedelta(hours=cycle)
            with comparing_closed_once(state.portfolio):  # as `StrategyRunner` does
                statistics = cpu_time(lambda ts=ts: record_statistics(state, ts))
                save = cpu_time(lambda: store.sync(state))
            for name, seconds in (("statistics", statistics), ("save", save), ("both", statistics + save)):
                times[name].append(seconds)
            pack_history(state)
    return {name: min(seconds[warm_up:]) for name, seconds in times.items()}


def run() -> None:
    """Print the parts of a cycle for both histories, and their ratios."""
    for few, many in HISTORIES:
        with (
            pause_garbage_collection(),
            tempfile.TemporaryDirectory() as folder,
            tempfile.TemporaryDirectory() as other,
        ):
            short, long = measure(few, Path(folder)), measure(many, Path(other))
        print(f"{'closed positions':<20}{few[0]:>15,}{many[0]:>15,}")
        print(f"{'earlier cycles':<20}{few[1]:>15,}{many[1]:>15,}")
        for name, seconds in long.items():
            print(f"{name:<20}{short[name] * 1e3:>12.1f} ms{seconds * 1e3:>12.1f} ms{seconds / short[name]:>8.1f}x")
        print(flush=True)


if __name__ == "__main__":
    run()
