"""A process that dies in the middle of a save leaves a database with the last complete save in it, and all before.

Like `test_killed_save`, for the SQL store; and a second process reads while a thousand saves are made.
"""

import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.writers import Writers
from tests.kit.soak import SOAK, scaled
from tests.kit.store_contract import make_state
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.database.verification import verify_database
from tradeexecutor.state.errors import StateFileError

#: Starts a fresh writer for every line it reads; forking saves the time in which Python starts.
LAUNCHER = """
import os, sys
from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.database.store import SQLStateStore

def say(word):
    os.write(1, f"{word}\\n".encode())  # in one piece, whatever happens

def save_for_ever(address, number):
    say(f"pid {os.getpid()}")
    store = SQLStateStore(address)
    state = new_state()
    Trader(state).buy(WETH_USDC, "1", 2000.0)
    while True:
        number += 1
        state.cycle = number
        state.portfolio.open_positions[1].notes = f"{number} " * (number * 7919 % 5_000)
        state.visualisation.messages = {n: [f"{number}"] * 3 for n in range(number % 60)}
        store.sync(state)
        say(number)

for line in sys.stdin:
    child = os.fork()
    if not child:
        number, _, address = line.rstrip().partition(" ")
        save_for_ever(address, int(number))
    os.waitpid(child, 0)
    say("dead")
"""


@pytest.fixture
def writers() -> Iterator[Writers]:
    writers = Writers(LAUNCHER)
    yield writers
    writers.close()


@pytest.mark.slow
@pytest.mark.timeout(120 + 3 * scaled(80))
def test_a_killed_save_loses_nothing_that_was_acknowledged(writers: Writers, memory: Path):
    address = f"sqlite:///{memory}/trading.db#demo"
    store = SQLStateStore(address)
    randomness = random.Random(1)
    saved = under_way = 0
    number = 0
    while number < scaled(80) and (SOAK > 1 or saved < 100):
        number += 1
        after_first = number % 4 > 0  # else it may die while it makes the database, or reads what there is
        acknowledged = writers.run(address, saved, randomness.uniform(0.0, 0.05), after_first)
        if acknowledged == 0 and store.is_pristine():
            continue
        state = store.load()
        assert state.cycle in (acknowledged, acknowledged + 1)
        under_way += state.cycle == acknowledged + 1
        assert state.portfolio.open_positions[1].notes == f"{state.cycle} " * (state.cycle * 7919 % 5_000)
        saved = state.cycle
        earlier = randomness.randint(1, saved)
        assert store.load(at=earlier).cycle == earlier, "all saves before are there"
    assert saved > scaled(10), "hardly any writer has saved before it was killed"
    if SOAK > 1:  # in a few rounds it is a matter of luck
        assert under_way, "no writer was killed between its save and its word"
    (check,) = verify_database(store.address)
    assert check.is_good
    assert check.intact == list(range(1, saved + 1))


READER = """
import sys
from tradeexecutor.database.store import SQLStateStore
store = SQLStateStore(sys.argv[1])
last, count = -1, 0
while last != int(sys.argv[2]):
    state = store.load()
    name = int(state.name)
    assert name >= last, f"{name} after {last}"
    assert len(state.portfolio.open_positions[1].notes) == name % 7 * 1000
    last, count = name, count + 1
    if count == 1:
        print("reading", flush=True)
print(count)
"""


@pytest.mark.slow
@pytest.mark.timeout(60 * scaled(2))
def test_a_reader_never_sees_half_a_save_nor_an_older_one_after_a_newer(memory: Path):
    saves = 300 if SOAK == 1 else scaled(1_000)
    address = f"sqlite:///{memory}/trading.db#demo"
    state = make_state("0")
    state.portfolio.open_positions[1].notes = ""
    names: list[int] = []
    errors: list[Exception] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.wait(0.01):
            try:
                names.append(int(SQLStateStore(address).load().name or -1))
            except Exception as error:
                errors.append(error)

    with SQLStateStore(address) as store:
        store.sync(state)
        process = subprocess.Popen(
            [sys.executable, "-c", READER, address, str(saves)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        reader = threading.Thread(target=read)
        reader.start()
        for number in range(1, saves + 1):
            state.name = str(number)
            state.portfolio.open_positions[1].notes = "x" * (number % 7) * 1_000
            store.sync(state)
        count, _ = process.communicate()
        stop.set()
        reader.join()
    assert process.returncode == 0
    assert errors == []
    assert int(count) > 10
    assert names == sorted(names)
    assert len(names) > 10


@pytest.mark.slow
def test_a_log_that_lost_its_end_leaves_an_earlier_save(memory: Path):
    """As after a power cut on a disk that had not written all of the log: whole saves are lost, never a part of one."""
    address = f"sqlite:///{memory}/trading.db#demo"
    state = make_state("0")
    store = SQLStateStore(address)
    sizes = [0]
    log = memory / "trading.db-wal"
    for number in range(1, 9):
        state.name = str(number)
        store.sync(state)
        sizes.append(log.stat().st_size)
    copies = {path.name: path.read_bytes() for path in (memory / "trading.db", log)}
    found: set[str] = set()
    for cut in sorted(
        {*random.Random(2).sample(range(sizes[-1]), scaled(150)), *sizes, *(size - 1 for size in sizes[1:])}
    ):
        folder = memory / "after"
        folder.mkdir()
        (folder / "trading.db").write_bytes(copies["trading.db"])
        (folder / "trading.db-wal").write_bytes(copies["trading.db-wal"][:cut])
        after = SQLStateStore(f"sqlite:///{folder}/trading.db#demo")
        complete = sum(size <= cut for size in sizes) - 1
        if complete == 0:
            assert after.is_pristine()
        else:
            try:
                name = after.load().name
            except StateFileError:
                pytest.fail(f"a log of {cut} bytes cannot be read")
            assert name == str(complete), "a save that was complete is there, and nothing else"
            found.add(str(name))
        shutil.rmtree(folder)
    store.close()
    assert found == {str(number) for number in range(1, 9)}
