"""The lock of a state file is made when it is first needed."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tradeexecutor.state.errors import StoreLocked
from tradeexecutor.state.files import writer_lock
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


def count_locks(monkeypatch: pytest.MonkeyPatch, before: Callable[[], None] = lambda: None) -> list[int]:
    """Return the list of descriptors that are locked from now on; `before` is called before the first one."""
    original = writer_lock.lock_descriptor
    locked: list[int] = []

    def lock(descriptor: int, *, blocking: bool) -> bool:
        locked.append(descriptor)
        if len(locked) == 1:
            before()
        return original(descriptor, blocking=blocking)

    monkeypatch.setattr(writer_lock, "lock_descriptor", lock)
    return locked


def test_threads_that_acquire_it_at_the_same_moment_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A second thread that comes while the first one has not yet locked the file must not lock it as well."""
    lock = WriterLock(tmp_path / "state.json")
    second = threading.Thread(target=lock.acquire)

    def let_second_come() -> None:
        second.start()
        second.join(0.1)

    locked = count_locks(monkeypatch, let_second_come)
    lock.acquire()
    second.join()
    assert len(locked) == 1
    assert lock.is_held
    lock.release()


def test_a_signal_handler_may_acquire_it_while_it_is_acquired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lock = WriterLock(tmp_path / "state.json")
    locked = count_locks(monkeypatch, lock.acquire)
    lock.acquire()
    assert len(locked) == 2
    assert lock.is_held
    lock.release()
    assert not lock.is_held
    WriterLock(tmp_path / "state.json").acquire()


def test_a_forked_child_does_not_keep_the_lock_of_its_parent(tmp_path: Path):
    """Not even when its parent only forgets the lock, as a process does that is killed."""
    path = tmp_path / "state.json"
    lock = WriterLock(path)
    lock.acquire()
    to_child, from_parent = os.pipe()
    to_parent, from_child = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(from_parent)
        os.write(from_child, b"!")
        os.read(to_child, 1)  # until the parent closes its end
        os._exit(0)
    try:
        os.read(to_parent, 1)
        del lock
        other = WriterLock(path)
        other.acquire()
        other.release()
    finally:
        for descriptor in (from_parent, to_child, from_child, to_parent):
            os.close(descriptor)
        os.waitpid(child, 0)


def test_a_lock_that_nobody_refers_to_is_released(tmp_path: Path):
    WriterLock(tmp_path / "state.json").acquire()
    lock = WriterLock(tmp_path / "state.json")
    lock.acquire()
    lock.release()


def test_a_lock_file_that_is_deleted_just_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "state.json"
    locked = count_locks(monkeypatch, path.with_name("state.json.lock").unlink)
    lock = WriterLock(path)
    lock.acquire()
    assert len(locked) == 2
    assert lock.is_held
    lock.release()


@pytest.mark.parametrize("parent", ["missing", "file"])
def test_a_folder_that_is_missing_is_not_made(tmp_path: Path, parent: str):
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match="no such folder for the state file"):
        WriterLock(tmp_path / parent / "state.json").acquire()
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_link_in_place_of_the_lock_file_is_not_followed(tmp_path: Path):
    (tmp_path / "state.json.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        WriterLock(tmp_path / "state.json").acquire()
    assert not (tmp_path / "elsewhere").exists()
