"""A disk that is really full: a small file system in memory, where the machine lets us mount one."""

import errno
import itertools
import shutil
from pathlib import Path

import pytest

from tests.kit.soak import SMALL_DISK_SIZE as SIZE
from tests.kit.store_contract import make_state
from tradeexecutor.state.errors import SaveFailed
from tradeexecutor.state.files.durable_file import find_temporary_files
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.backups import backup_state


def test_a_strategy_whose_state_outgrows_the_disk(small_disk: Path):
    path = small_disk / "demo.json"
    state = make_state("0")
    with JSONFileStore(path, compressed=True) as store:

        def save_for_ever() -> None:
            for number in itertools.count(1):
                state.name = str(number)
                state.portfolio.open_positions[1].notes = "x" * 2_000 * number
                store.sync(state)

        with pytest.raises(SaveFailed, match=r"No space left on device.*make room on the disk") as failure:
            save_for_ever()
        assert failure.value.errno == errno.ENOSPC
        saves = int(state.name or 0) - 1
        assert saves > 3
        assert State.read_json_file(path).name == str(saves)
        assert find_temporary_files(path) == []
        for _ in range(3):
            with pytest.raises(SaveFailed):
                store.sync(state)
        assert State.read_json_file(path).name == str(saves)

        shutil.rmtree(path.with_name("demo.json.backups"))
        state.portfolio.open_positions[1].notes = None
        store.sync(state)  # now there is room
    assert State.read_json_file(path).name == str(saves + 1)


def test_the_first_save_on_a_full_disk(small_disk: Path):
    (small_disk / "ballast").write_bytes(bytes(SIZE - 8192))
    path = small_disk / "demo.json"
    state = make_state()
    state.portfolio.open_positions[1].notes = "x" * 10_000
    with JSONFileStore(path) as store:
        with pytest.raises(SaveFailed, match="make room"):
            store.sync(state)
        assert store.is_pristine()
        assert state.last_updated_at is None
        (small_disk / "ballast").unlink()
        store.sync(state)
    assert State.read_json_file(path).name == "first"


def test_a_backup_on_a_full_disk(small_disk: Path):
    path = small_disk / "demo.json"
    state = make_state()
    state.portfolio.open_positions[1].notes = "x" * (SIZE // 2)
    state.write_json_file(path)
    (small_disk / "ballast").write_bytes(bytes(SIZE // 4))
    with pytest.raises(OSError, match="No space left"):
        backup_state(path)
    assert {item.name for item in small_disk.iterdir()} == {"demo.json", "ballast"}
