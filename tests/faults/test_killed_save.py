"""A process that dies in the middle of a save leaves a file that loads, with the last complete save in it.

The child saves in a loop and says after every save which one it was. It is killed without warning at a random
moment. The file must then hold the save it last spoke of, or the one after that, which was under way.
"""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

CHILD = """
import sys
from tests.state.trader import WETH_USDC, Trader, new_state
from tradeexecutor.state.store import JSONFileStore

store = JSONFileStore(sys.argv[1])
number = int(sys.argv[2])
state = new_state()
Trader(state).buy(WETH_USDC, "1", 2000.0)
while True:
    number += 1
    state.cycle = number
    # Sizes differ, so that a mix of two saves would not be JSON.
    state.portfolio.open_positions[1].notes = f"{number} " * (number * 7919 % 50_000)
    store.sync(state)
    print(number, flush=True)
"""

#: Every round starts a process; a round of a few saves hits all stages of a save, given enough rounds.
ROUNDS = 24


@pytest.mark.parametrize("seed", [1])
def test_a_killed_save_loses_nothing_that_was_acknowledged(tmp_path: Path, seed: int):
    path = tmp_path / "state.json"
    randomness = random.Random(seed)
    saved = 0
    for _ in range(ROUNDS):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(saved)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        try:
            first = child.stdout.readline()
            assert first, "the child did not save at all"
            time.sleep(randomness.uniform(0, 0.05))
        finally:
            child.kill()
            rest = child.stdout.read()
            child.wait()
            child.stdout.close()
        acknowledged = int((first + rest).split()[-1])
        state = State.read_json_file(path)
        assert state.cycle in (acknowledged, acknowledged + 1)
        assert state.portfolio.open_positions[1].notes == f"{state.cycle} " * (state.cycle * 7919 % 50_000)
        state.perform_integrity_check()
        saved = state.cycle
    assert saved > ROUNDS

    with JSONFileStore(path) as store:
        state = store.load()
        state.cycle += 1
        store.sync(state)
    assert State.read_json_file(path).cycle == saved + 1


def test_what_a_killed_process_leaves_behind_does_not_disturb_the_next_one(tmp_path: Path):
    """A dead writer cannot remove its temporary file and its lock file."""
    path = tmp_path / "state.json"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), "0"], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    child.kill()
    child.stdout.close()
    child.wait()
    (tmp_path / ".state.json.abc.tmp").write_text('{"half": ')
    with JSONFileStore(path) as store:
        state = store.load()
        state.name = "next"
        store.sync(state)
        assert store.load().name == "next"
