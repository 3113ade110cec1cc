"""State files changed at random: they load, or are refused with a documented error; nothing else happens.

The fuzzing runs in a process of its own, in which a time limit for each file and a limit on memory are enforced. A
pickle that is run would make a folder.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.soak import SOAK, scaled

#: Address space of the process; reading the largest of the mutated files takes a few megabytes.
MEMORY_LIMIT = 1 << 30

FUZZER = """
import json, os, random, resource, signal, sys
from tests.faults.mutate import mutate
from tests.kit.store_contract import make_state
from tests.kit.whole import make_whole_state
from tradeexecutor.state.errors import BadStateData, InvalidStateFile
from tradeexecutor.state.files.checksum_header import make_checksum_header
from tradeexecutor.state.state import State

folder, seed, rounds, limit = sys.argv[1], *map(int, sys.argv[2:])
os.chdir(folder)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

def stop(*_):
    raise RuntimeError("reading takes too long")

signal.signal(signal.SIGALRM, stop)
# One state has every class of the tree; the small one is quick, so that there can be many.
originals = [json.dumps(state.to_dict()) for state in (make_whole_state(), *[make_state()] * 3)]
loaded = refused = 0
for number in range(seed, seed + rounds):
    randomness = random.Random(number)
    text = mutate(json.loads(originals[number % len(originals)]), randomness, "trap")
    if text.startswith(b"{") and randomness.random() < 0.3:
        text = b"".join(make_checksum_header(text, 1))  # as if a store had saved it
    with open("mutated.json", "wb") as file:
        file.write(text)
    signal.setitimer(signal.ITIMER_REAL, 5.0)
    try:
        state = State.read_json_file("mutated.json")
    except InvalidStateFile:
        refused += 1
    else:
        loaded += 1
        # It can be saved, or that is refused; and saving it twice is saving it once.
        try:
            text = state.to_json_bytes()
        except BadStateData:
            pass
        else:
            assert State.read_json_blob(text).to_json_bytes() == text
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert sorted(os.listdir()) == ["mutated.json"], f"something ran, seed {number}"
print(loaded, refused)
"""


def fuzz(folder: Path, seed: int, rounds: int) -> tuple[int, int]:
    """Returns how many files were loaded and refused."""
    done = subprocess.run(
        [sys.executable, "-c", FUZZER, str(folder), str(seed), str(rounds), str(MEMORY_LIMIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    loaded, refused = map(int, done.stdout.split())
    return loaded, refused


@pytest.mark.slow
def test_mutated_files_load_or_are_refused(memory: Path):
    rounds = 1_000 if SOAK == 1 else scaled(2_000)
    loaded, refused = fuzz(memory, 0, rounds)
    assert loaded + refused == rounds
    assert loaded > rounds / 10, "the mutations reach beyond the first check"
    assert refused > rounds / 10
