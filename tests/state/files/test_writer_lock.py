"""The lock of a state file is made when it is first needed."""

from pathlib import Path

import pytest

from tradeexecutor.state.errors import StoreLocked
from tradeexecutor.state.files.writer_lock import WriterLock


def test_a_lock_that_was_never_acquired_leaves_no_file(tmp_path: Path):
    lock = WriterLock(tmp_path / "state.json")
    assert not lock.is_held
    lock.release()
    assert [*tmp_path.iterdir()] == []


def test_one_release_is_enough_however_often_it_was_acquired(tmp_path: Path):
    lock = WriterLock(tmp_path / "state.json")
    for _ in range(3):
        lock.acquire()
    with pytest.raises(StoreLocked):
        WriterLock(tmp_path / "state.json").acquire()
    lock.release()
    assert not lock.is_held
    other = WriterLock(tmp_path / "state.json")
    other.acquire()
    assert other.is_held
    other.release()
