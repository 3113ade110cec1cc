"""A process that dies in the middle of a save leaves a file that loads, with the last complete save in it.

The writer saves in a loop and says after every save which one it was. It is killed without warning at a random
moment. The file must then hold the save it last spoke of, or the one after that, which was under way.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.writers import Writers
from tests.kit.soak import scaled
from tradeexecutor.state.files.compressed_copy import decompress, read_compressed_copy
from tradeexecutor.state.files.durable_file import find_temporary_files
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.backups import BackupFolder, BackupPolicy

#: Starts a fresh writer for every line it reads; forking saves the time in which Python starts.
LAUNCHER = """
import os, sys
from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.state.store.backups import BackupPolicy
from tradeexecutor.state.store import JSONFileStore

def say(word):
    os.write(1, f"{word}\\n".encode())  # in one piece, whatever happens

def save_for_ever(path, number):
    say(f"pid {os.getpid()}")
    store = JSONFileStore(path, backups=BackupPolicy(last=2, daily=1), compressed=True)
    state = new_state()
    Trader(state).buy(WETH_USDC, "1", 2000.0)
    while True:
        number += 1
        state.cycle = number
        # Sizes differ, so that a mix of two saves would not be JSON.
        state.portfolio.open_positions[1].notes = f"{number} " * (number * 7919 % 5_000)
        store.sync(state)
        say(number)

for line in sys.stdin:
    child = os.fork()
    if not child:
        number, _, path = line.rstrip().partition(" ")
        save_for_ever(path, int(number))
    os.waitpid(child, 0)
    say("dead")
"""


@pytest.fixture
def writers() -> Iterator[Writers]:
    writers = Writers(LAUNCHER)
    yield writers
    writers.close()


@pytest.mark.slow
def test_a_killed_save_loses_nothing_that_was_acknowledged(writers: Writers, memory: Path):
    path = memory / "state.json"
    randomness = random.Random(1)
    saved = 0
    under_way = leftovers = 0
    for _ in range(scaled(100)):
        acknowledged = writers.run(path, saved, randomness.uniform(0.0, 0.02))
        leftovers += bool(find_temporary_files(path))
        state = State.read_json_file(path)
        assert state.cycle in (acknowledged, acknowledged + 1)
        under_way += state.cycle == acknowledged + 1
        assert state.portfolio.open_positions[1].notes == f"{state.cycle} " * (state.cycle * 7919 % 5_000)
        state.perform_integrity_check()
        compressed = read_compressed_copy(path)
        assert compressed is None or decompress(compressed) == path.read_bytes()
        saved = state.cycle
        backups = [State.read_json_file(backup.path).cycle for backup in BackupFolder(path).list_backups()]
        assert {saved - 1, saved - 2} <= {*backups, saved, 0, -1}, "the saves before are there"
        assert backups == sorted(backups)
    assert saved > 100
    assert under_way, "no writer was killed between its save and its word"
    assert leftovers, "no writer was killed while it wrote"

    with JSONFileStore(path, backups=BackupPolicy(2, 0)) as store:
        state = store.load()
        state.cycle += 1
        store.sync(state)
    assert State.read_json_file(path).cycle == saved + 1
    assert find_temporary_files(path) == []


@pytest.mark.slow
def test_a_first_save_that_is_killed_leaves_a_pristine_store_or_the_save(writers: Writers, memory: Path):
    rounds = scaled(40)
    pristine = 0
    for number in range(rounds):
        path = memory / f"{number}.json"
        acknowledged = writers.run(path, 0, 0.01 * number / rounds, after_first=False)
        store = JSONFileStore(path)
        if store.is_pristine():
            assert acknowledged == 0
            pristine += 1
        else:
            assert store.load().cycle in (acknowledged, acknowledged + 1)
        with store:
            state = store.create("next") if store.is_pristine() else store.load()
            store.sync(state)
            assert find_temporary_files(path) == []
    assert pristine
