"""Every store keeps the same promises; the file store also keeps them across processes and faults."""

import datetime
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.state.trader import T0, WETH_USDC, Trader, new_state
from tradeexecutor.state import durable_file
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import BadStateData, InvalidStateFile, InvalidValue, StoreLocked
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore, NoneStore, SimulateStore, StateStore, StateStoreModel


def make_state(name: str = "first") -> State:
    state = new_state()
    state.name = name
    Trader(state).buy(WETH_USDC, "1", 2000.0)
    return state


def without_save_time(state: State) -> dict[str, Any]:
    return state.to_dict() | {"last_updated_at": None}


class StoreContract:
    """What a strategy may rely on, whichever store it has."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Any:
        raise NotImplementedError

    def test_a_created_state_is_empty_and_named(self, store: StateStore):
        state = store.create("my strategy")
        assert state.name == "my strategy"
        assert state.is_empty()
        assert state.last_updated_at is None

    def test_what_was_saved_is_loaded(self, store: StateStore):
        state = make_state()
        store.sync(state)
        assert store.load().to_json() == state.to_json()

    def test_a_save_sets_the_time_of_the_save(self, store: StateStore):
        state = make_state()
        before = utc_now()
        store.sync(state)
        assert state.last_updated_at is not None
        assert before <= state.last_updated_at <= utc_now()
        assert store.load().last_updated_at == state.last_updated_at

    def test_the_last_save_wins(self, store: StateStore):
        for name in ("first", "second", "third"):
            store.sync(make_state(name))
        assert store.load().name == "third"

    def test_nothing_but_the_time_changes_in_the_state(self, store: StateStore):
        state = make_state()
        before = without_save_time(state)
        store.sync(state)
        assert without_save_time(state) == before

    def test_after_a_save_it_is_not_pristine(self, store: StateStore):
        store.sync(make_state())
        assert store.is_pristine() is False

    def test_the_validate_argument_of_old_callers_is_accepted(self, store: StateStore):
        store.sync(make_state(), validate=False)
        assert store.load().name == "first"


class TestNoneStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> StateStore:
        return NoneStore()

    def test_it_is_never_pristine(self, store: NoneStore):
        assert store.is_pristine() is False
        assert store.created is False

    def test_it_holds_the_very_state(self):
        state = make_state()
        assert NoneStore(state).load() is state

    def test_create_replaces_the_state(self, store: NoneStore):
        state = store.create("new")
        assert store.load() is state
        assert store.created is True

    def test_two_stores_do_not_share_a_state(self):
        assert NoneStore().load() is not NoneStore().load()


class TestJSONFileStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[StateStore]:
        with JSONFileStore(tmp_path / "demo.json") as store:
            yield store

    def test_it_is_pristine_until_the_first_save(self, store: JSONFileStore):
        assert store.is_pristine()
        store.create("x")
        assert store.is_pristine(), "creating writes nothing"
        assert not any(store.path.parent.iterdir())

    def test_loading_takes_no_lock_and_writes_nothing(self, store: JSONFileStore):
        make_state().write_json_file(store.path)
        store.load()
        assert [path.name for path in store.path.parent.iterdir()] == ["demo.json"]

    def test_an_empty_path_is_refused(self):
        with pytest.raises(InvalidValue):
            JSONFileStore("")

    def test_the_path_may_be_text(self, tmp_path: Path):
        with JSONFileStore(str(tmp_path / "a.json")) as store:
            assert store.path == tmp_path / "a.json"
            assert repr(store) == f"<JSON file at {tmp_path / 'a.json'}>"
            store.sync(make_state())
        assert (tmp_path / "a.json").exists()

    def test_a_relative_path_is_shown_whole(self):
        assert repr(JSONFileStore("a.json")) == f"<JSON file at {Path.cwd() / 'a.json'}>"

    def test_loading_what_is_not_there(self, store: JSONFileStore):
        with pytest.raises(FileNotFoundError):
            store.load()

    def test_loading_what_is_not_a_state(self, store: JSONFileStore):
        store.path.write_text("{")
        with pytest.raises(InvalidStateFile, match=r"demo\.json"):
            store.load()

    def test_the_file_is_one_line_of_json_with_everything(self, store: JSONFileStore):
        state = make_state()
        store.sync(state)
        assert store.path.read_bytes() == state.to_json_bytes()
        assert b"\n" not in store.path.read_bytes()

    def test_the_save_hook_sees_the_saved_state(self, tmp_path: Path):
        seen: list[tuple[State, str | None]] = []
        path = tmp_path / "a.json"
        with JSONFileStore(path, on_save=lambda state: seen.append((state, State.read_json_file(path).name))) as store:
            state = make_state()
            store.sync(state)
        assert seen == [(state, "first")]

    def test_the_save_hook_is_not_called_when_the_save_fails(self, tmp_path: Path):
        state = make_state()
        state.cycle = "1"  # type: ignore[assignment]
        store = JSONFileStore(tmp_path / "a.json", on_save=lambda _: pytest.fail("called"))
        with store, pytest.raises(BadStateData):
            store.sync(state)

    # --- A save that fails

    def break_state(self, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
        state.portfolio.open_positions[1].last_token_price = float("nan")

    def break_disk(self, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(durable_file.os, "fsync", fail)

    def break_rename(self, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(self: Path, target: Path) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(Path, "replace", fail)

    def interrupt(self, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(descriptor: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(durable_file.os, "fsync", fail)

    @pytest.mark.parametrize(
        ("harm", "error", "saved_at"),
        [
            ("break_state", BadStateData, None),
            ("break_disk", OSError, None),
            ("break_rename", PermissionError, T0),
            ("interrupt", KeyboardInterrupt, T0),
        ],
    )
    @pytest.mark.parametrize("exists", [True, False])
    def test_a_failed_save_changes_neither_file_nor_state(
        self,
        store: JSONFileStore,
        harm: str,
        error: type[BaseException],
        saved_at: datetime.datetime | None,
        exists: bool,
        monkeypatch: pytest.MonkeyPatch,
    ):
        if exists:
            store.sync(make_state("old"))
        before = store.path.read_bytes() if exists else None
        state = make_state("new")
        state.last_updated_at = saved_at
        getattr(self, harm)(state, monkeypatch)
        with pytest.raises(error):
            store.sync(state)
        monkeypatch.undo()
        assert state.last_updated_at == saved_at
        assert (store.path.read_bytes() if exists else None) == before
        assert store.path.exists() is exists
        assert not list(store.path.parent.glob("*.tmp"))
        assert not list(store.path.parent.glob(".*.tmp"))

    def test_after_a_failed_save_the_next_one_works(self, store: JSONFileStore, monkeypatch: pytest.MonkeyPatch):
        state = make_state("new")
        self.break_disk(state, monkeypatch)
        with pytest.raises(OSError, match="No space"):
            store.sync(state)
        monkeypatch.undo()
        store.sync(state)
        assert store.load().name == "new"

    def test_a_missing_folder(self, tmp_path: Path):
        state = make_state()
        with JSONFileStore(tmp_path / "missing" / "a.json") as store:
            assert store.is_pristine()
            with pytest.raises(OSError, match="missing"):
                store.sync(state)
        assert not (tmp_path / "missing").exists(), "folders are not made behind the user's back"
        assert state.last_updated_at is None

    def test_a_folder_that_cannot_be_written_to(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_state("old").write_json_file(folder / "a.json")
            (folder / "a.json").chmod(0o644)
            folder.chmod(0o555)
            done = _run(
                "import os, sys\n"
                "from tests.state.test_store import JSONFileStore, make_state\n"
                "if os.getuid() == 0: os.setuid(65534)\n"  # root may write anywhere
                "state = make_state('new')\n"
                "store = JSONFileStore(sys.argv[1])\n"
                "try: store.sync(state)\n"
                "except PermissionError: print(state.last_updated_at, store.load().name)\n",
                str(folder / "a.json"),
            )
            folder.chmod(0o755)
            assert done.stdout == "None old\n", done.stderr
            assert [path.name for path in folder.iterdir()] == ["a.json"]

    # --- The file on the disk

    def test_the_mode_of_the_file_is_kept(self, store: JSONFileStore):
        store.sync(make_state())
        store.path.chmod(0o640)
        store.sync(make_state("second"))
        assert stat.S_IMODE(store.path.stat().st_mode) == 0o640

    def test_a_new_file_has_the_mode_of_any_new_file(self, store: JSONFileStore):
        store.sync(make_state())
        (store.path.parent / "other").touch()
        assert stat.S_IMODE(store.path.stat().st_mode) == stat.S_IMODE((store.path.parent / "other").stat().st_mode)

    def test_a_symbolic_link_stays_a_link(self, tmp_path: Path):
        (tmp_path / "far").mkdir()
        (tmp_path / "a.json").symlink_to(tmp_path / "far" / "real.json")
        make_state("old").write_json_file(tmp_path / "far" / "real.json")
        with JSONFileStore(tmp_path / "a.json") as store:
            store.sync(make_state("new"))
        assert (tmp_path / "a.json").is_symlink()
        assert State.read_json_file(tmp_path / "far" / "real.json").name == "new"

    def test_a_link_and_its_file_have_one_writer(self, store: JSONFileStore):
        store.sync(make_state())
        link = store.path.parent / "link.json"
        link.symlink_to(store.path)
        with pytest.raises(StoreLocked):
            JSONFileStore(link).sync(make_state())

    def test_no_temporary_files_stay(self, store: JSONFileStore):
        store.sync(make_state())
        store.close()
        assert {path.name for path in store.path.parent.iterdir()} <= {"demo.json", "demo.json.lock"}

    def test_the_data_is_on_the_disk_before_the_name_is(self, store: JSONFileStore, monkeypatch: pytest.MonkeyPatch):
        """Otherwise a power cut could leave an empty file under the name."""
        events: list[str] = []
        fsync, replace = os.fsync, Path.replace

        def note_fsync(descriptor: int) -> None:
            events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
            fsync(descriptor)

        def note_replace(self: Path, target: Path) -> Path:
            events.append("rename")
            return replace(self, target)

        monkeypatch.setattr(durable_file.os, "fsync", note_fsync)
        monkeypatch.setattr(Path, "replace", note_replace)
        store.sync(make_state())
        assert events == ["file", "rename", "folder"]

    # --- Readers and writers

    def test_a_reader_never_sees_half_a_file(self, store: JSONFileStore):
        store.sync(make_state("0"))
        stop = threading.Event()
        names: list[int] = []
        errors: list[Exception] = []

        def read() -> None:
            while not stop.is_set():
                try:
                    names.append(int(State.read_json_file(store.path).name or -1))
                except Exception as e:
                    errors.append(e)

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(1, 60):
            state = make_state(str(number))
            state.portfolio.open_positions[1].notes = "x" * (number % 7) * 10_000
            store.sync(state)
        stop.set()
        reader.join()
        assert errors == []
        assert names == sorted(names), "a reader never sees an older save after a newer one"

    def test_two_stores_of_one_process_exclude_each_other(self, store: JSONFileStore):
        store.sync(make_state("first"))
        state = make_state("second")
        with pytest.raises(StoreLocked):
            JSONFileStore(store.path).sync(state)
        assert state.last_updated_at is None
        assert store.load().name == "first"

    def test_a_second_writer_is_refused_and_told_who_the_first_is(self, store: JSONFileStore):
        store.sync(make_state("first"))
        before = store.path.read_bytes()
        done = _run(
            "import sys\n"
            "from tests.state.test_store import JSONFileStore, StoreLocked, make_state\n"
            "try: JSONFileStore(sys.argv[1]).sync(make_state('second'))\n"
            "except StoreLocked as e: print(e.holder, '|', e)\n",
            str(store.path),
        )
        assert f"process {os.getpid()} on" in done.stdout, done.stderr
        assert str(store.path) in done.stdout
        assert store.path.read_bytes() == before
        store.sync(make_state("third"))
        assert store.load().name == "third"

    def test_a_second_process_may_read(self, store: JSONFileStore):
        store.sync(make_state("first"))
        done = _run(
            "import sys\nfrom tradeexecutor.state.store import JSONFileStore\n"
            "print(JSONFileStore(sys.argv[1]).load().name)\n",
            str(store.path),
        )
        assert done.stdout.strip() == "first", done.stderr

    def test_after_close_another_store_may_write(self, store: JSONFileStore):
        store.sync(make_state("first"))
        store.close()
        with JSONFileStore(store.path) as other:
            other.sync(make_state("second"))
        assert store.load().name == "second"
        store.sync(make_state("third"))
        assert store.load().name == "third"

    def test_closing_twice_does_no_harm(self, store: JSONFileStore):
        store.sync(make_state())
        store.close()
        store.close()

    def test_closing_a_store_that_never_wrote_leaves_the_lock_of_another(self, store: JSONFileStore):
        store.sync(make_state())
        JSONFileStore(store.path).close()
        with pytest.raises(StoreLocked, match=str(os.getpid())):
            JSONFileStore(store.path).acquire_writer_lock()

    def test_the_lock_dies_with_its_process(self, store: JSONFileStore):
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys, time\nfrom tests.state.test_store import JSONFileStore, make_state\n"
                "store = JSONFileStore(sys.argv[1])\nstore.sync(make_state('child'))\nprint('saved', flush=True)\n"
                "time.sleep(600)\n",
                str(store.path),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "saved\n"
            with pytest.raises(StoreLocked, match=f"process {child.pid} on"):
                store.sync(make_state("parent"))
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
            if child.stdout:
                child.stdout.close()
        store.sync(make_state("parent"))
        assert store.load().name == "parent"


class TestSimulateStore:
    @pytest.fixture
    def store(self, tmp_path: Path) -> SimulateStore:
        make_state("real").write_json_file(tmp_path / "demo.json")
        return SimulateStore(tmp_path / "demo.json")

    def test_it_reads_the_file(self, store: SimulateStore):
        assert store.is_pristine() is False
        assert store.load().name == "real"

    def test_it_never_writes(self, store: SimulateStore):
        before = store.path.read_bytes()
        state = make_state("simulated")
        text = state.to_json()
        store.sync(state)
        store.sync(state, validate=False)
        assert state.to_json() == text, "the time of the last save stays too"
        assert store.path.read_bytes() == before
        assert [path.name for path in store.path.parent.iterdir()] == ["demo.json"]

    def test_it_calls_the_save_hook(self, store: SimulateStore):
        seen: list[State] = []
        store.on_save = seen.append
        state = make_state()
        store.sync(state)
        assert seen == [state]

    def test_it_does_not_disturb_the_real_writer(self, store: SimulateStore):
        with JSONFileStore(store.path) as real:
            real.sync(make_state("newer"))
            store.sync(make_state("simulated"))
            assert store.load().name == "newer"

    def test_a_created_state_is_not_written(self, tmp_path: Path):
        store = SimulateStore(tmp_path / "none.json")
        store.sync(store.create("x"))
        assert store.is_pristine()


def test_models_of_stores():
    assert [model.value for model in StateStoreModel] == ["file", "on_chain"]


def test_writing_a_file_is_all_or_nothing(tmp_path: Path):
    """`State.write_json_file` uses the same way to the disk."""
    path = tmp_path / "a.json"
    make_state("old").write_json_file(path)
    state = make_state("new")
    state.portfolio.next_trade_id = "2"  # type: ignore[assignment]
    with pytest.raises(BadStateData, match="next_trade_id"):
        state.write_json_file(path)
    assert State.read_json_file(path).name == "old"
    assert list(tmp_path.iterdir()) == [path]


def _run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
