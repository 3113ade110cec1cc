"""Readers in the same process and in another one, while the file is saved a thousand times."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.kit.soak import scaled
from tests.kit.store_contract import make_state
from tradeexecutor.state.errors import DamagedStateFile
from tradeexecutor.state.files.compressed_copy import decompress, read_compressed_copy
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.backups import BackupPolicy

pytestmark = pytest.mark.slow

READER = """
import sys
from tradeexecutor.state.state import State
last, count = -1, 0
while last != int(sys.argv[2]):
    name = int(State.read_json_file(sys.argv[1]).name)
    assert name >= last, f"{name} after {last}"
    last, count = name, count + 1
    if count == 1:
        print("reading", flush=True)
print(count)
"""


def test_a_reader_never_sees_half_a_save_nor_an_older_one_after_a_newer(memory: Path):
    saves = scaled(1_000)
    path = memory / "demo.json"
    store = JSONFileStore(path, backups=BackupPolicy(last=1, daily=0))
    state = make_state("0")
    store.sync(state)
    process = subprocess.Popen([sys.executable, "-c", READER, str(path), str(saves)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    stop = threading.Event()
    names: list[int] = []
    errors: list[Exception] = []

    def read() -> None:
        while not stop.wait(0.001):
            try:
                names.append(int(State.read_json_file(path).name or -1))
            except Exception as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, saves + 1):
        state.name = str(number)
        state.portfolio.open_positions[1].notes = "x" * (number % 7) * 1_000
        store.sync(state)
    count, _ = process.communicate()
    stop.set()
    reader.join()
    store.close()
    assert process.returncode == 0
    assert int(count) > 10
    assert errors == []
    assert len(names) > 10
    assert names == sorted(names)


def test_a_web_server_never_sends_a_compressed_copy_of_another_save(memory: Path):
    """It reads the copy while the strategy saves; what it gets is whole, and of a save that was just current."""
    saves = scaled(200)
    path = memory / "demo.json"
    store = JSONFileStore(path, compressed=True)
    state = make_state("0")
    store.sync(state)
    stop = threading.Event()
    names: list[int] = []
    errors: list[Exception] = []

    def read() -> None:
        while not stop.wait(0.0005):
            try:
                before = int(State.read_json_file(path).name or -1)
                compressed = read_compressed_copy(path)
                after = int(State.read_json_file(path).name or -1)
                if compressed is not None:
                    name = int(State.read_json_blob(decompress(compressed)).name or -1)
                    assert before <= name <= after
                    names.append(name)
            except (AssertionError, DamagedStateFile, OSError) as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, saves + 1):
        state.name = str(number)
        store.sync(state)
    stop.set()
    reader.join()
    store.close()
    assert errors == []
    assert len(set(names)) > 10
