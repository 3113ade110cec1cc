"""A fleet through some days of accelerated time; `python -m benchmarks fleet` runs twenty through a month."""

from pathlib import Path

import pytest

from benchmarks.fleet import FleetRun, measure
from tests.kit.soak import SOAK


# Each start of a process takes a second.
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_decision_is_made_once_though_processes_are_killed(tmp_path: Path):
    size = FleetRun(strategies=3, days=2, seconds=5.0, kills=2, start_up=2.0)
    if SOAK > 1:
        size = FleetRun(strategies=8, days=10, seconds=60.0, kills=20)
    results = measure(size, tmp_path)  # raises unless each decision was made once, and the books add up
    assert [item.made for item in results] == [int(size.days * 86_400 / item.cycle.total_seconds()) for item in results]
    assert sum(item.restarts for item in results) > 0
    assert sum(item.trades for item in results) > 0
    assert max(item.memory for item in results) < 1e9
