"""What a file store acknowledges is at the path that the user named, and nobody else writes there unnoticed."""

import os
from pathlib import Path

import pytest

from tests.kit.store_contract import child, make_state
from tradeexecutor.state.errors import InvalidValue, SaveFailed, StoreChanged, StoreLocked, StoreMoved
from tradeexecutor.state.files.writer_lock import WriterLock
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore


def load(path: Path) -> str | None:
    return State.read_json_file(path).name


def test_changing_the_working_folder_does_not_change_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    monkeypatch.chdir(tmp_path / "one")
    with JSONFileStore("demo.json", compressed=True) as store:
        store.sync(make_state("first"))
        monkeypatch.chdir(tmp_path / "two")
        assert store.load().name == "first"
        store.sync(make_state("second"))
    assert load(tmp_path / "one/demo.json") == "second"
    assert list((tmp_path / "two").iterdir()) == []


@pytest.mark.parametrize("what", ["the file", "the folder"])
def test_a_link_that_is_switched_is_noticed(tmp_path: Path, what: str):
    """As when ``current`` leads to the folder of another run from now on."""
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        (tmp_path / run / "demo.json").write_bytes(make_state(run).to_json_bytes())
    link = tmp_path / ("demo.json" if what == "the file" else "current")
    targets = [tmp_path / run / ("demo.json" if what == "the file" else "") for run in ("one", "two")]
    link.symlink_to(targets[0])
    path = link if what == "the file" else link / "demo.json"
    with JSONFileStore(path) as store:
        state = store.load()
        state.name = "saved"
        store.sync(state)
        link.unlink()
        link.symlink_to(targets[1])
        before = state.to_json()
        for _ in range(2):
            with pytest.raises(StoreMoved, match=r"one/demo\.json when it was opened.*two/demo\.json now"):
                store.sync(state)
        assert state.to_json() == before
    assert load(tmp_path / "one/demo.json") == "saved"
    assert load(path) == "two"
    assert store.load().name == "two", "whoever loads again, reads what is at the path now"
    with store:
        store.sync(make_state("third"))
    assert load(path) == "third"


def test_a_link_that_was_switched_before_the_first_save_is_followed(tmp_path: Path):
    link = tmp_path / "demo.json"
    link.symlink_to(tmp_path / "one.json")
    with JSONFileStore(link) as store:
        link.unlink()
        link.symlink_to(tmp_path / "two.json")
        store.sync(make_state())
    assert load(link) == "first"
    assert not (tmp_path / "one.json").exists()


def test_a_folder_that_was_renamed_is_noticed(tmp_path: Path):
    folder = tmp_path / "run"
    folder.mkdir()
    state = make_state("first")
    with JSONFileStore(folder / "demo.json") as store:
        store.sync(state)
        folder.rename(tmp_path / "old")
        with pytest.raises(SaveFailed, match="make the folder"):
            store.sync(state)
        folder.mkdir()
        store.sync(state)
        with pytest.raises(StoreLocked):
            JSONFileStore(folder / "demo.json").sync(make_state())
    assert load(folder / "demo.json") == "first"


@pytest.mark.parametrize("text", ["", "a\0b", "sqlite:///trading.db#demo", "postgresql://user:secret@host/db#demo"])
def test_paths_that_are_none(text: str):
    with pytest.raises(InvalidValue) as failure:
        JSONFileStore(text)
    assert "secret" not in str(failure.value)


# --- The lock file


def test_a_deleted_lock_file_is_made_again(tmp_path: Path):
    path = tmp_path / "demo.json"
    lock = path.with_name("demo.json.lock")
    with JSONFileStore(path) as store:
        store.sync(make_state("first"))
        lock.unlink()
        store.sync(make_state("second"))
        assert lock.exists()
        with pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
            JSONFileStore(path).sync(make_state())
    assert load(path) == "second"


def test_a_deleted_lock_file_does_not_let_a_second_writer_in_unnoticed(tmp_path: Path):
    path = tmp_path / "demo.json"
    state = make_state("first")
    with JSONFileStore(path) as store, JSONFileStore(path) as second:
        store.sync(state)
        path.with_name("demo.json.lock").unlink()
        second.load()
        second.sync(make_state("second"))
        before = state.to_json()
        with pytest.raises(StoreLocked, match="this process"):
            store.sync(state)
        second.close()
        with pytest.raises(StoreChanged):
            store.sync(state)
        assert state.to_json() == before
    assert load(path) == "second"


def test_another_process_that_found_no_lock_file_is_named(tmp_path: Path):
    path = tmp_path / "demo.json"
    with JSONFileStore(path) as store:
        store.sync(make_state("first"))
        path.with_name("demo.json.lock").unlink()
        with child(f"""
            store = JSONFileStore({str(path)!r})
            store.sync(make_state("second"))
            print("saved", flush=True)
            time.sleep(600)
        """) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "saved\n"
            with pytest.raises(StoreLocked, match=f"process {process.pid} on"):
                store.sync(make_state("third"))
    assert load(path) == "second"


def test_a_lock_that_is_lost_in_the_middle_of_a_save_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "demo.json"
    lock = path.with_name("demo.json.lock")
    store, second = JSONFileStore(path), JSONFileStore(path)
    store.sync(make_state("first"))
    original = State.to_json_bytes

    def interrupt(state: State) -> bytes:
        if state.name == "third":
            lock.unlink()
            second.acquire_writer_lock()
        return original(state)

    monkeypatch.setattr(State, "to_json_bytes", interrupt)
    with pytest.raises(StoreLocked):
        store.sync(make_state("third"))
    assert load(path) == "first"
    second.close()
    store.close()


@pytest.mark.parametrize("replacement", ["another file", "a link", "a copy"])
def test_a_lock_file_that_was_replaced_is_no_lock(tmp_path: Path, replacement: str):
    path = tmp_path / "demo.json"
    lock_path = path.with_name("demo.json.lock")
    lock = WriterLock(path)
    lock.acquire()
    assert lock.is_held
    content = lock_path.read_bytes()
    lock_path.unlink()
    if replacement == "a link":
        lock_path.symlink_to(tmp_path / "elsewhere")
    else:
        lock_path.write_bytes(content if replacement == "a copy" else b"")
    assert not lock.is_held
    lock.release()
    assert not (tmp_path / "elsewhere").exists(), "nothing is written through a link"
