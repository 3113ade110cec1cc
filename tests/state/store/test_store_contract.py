"""Every kind of store keeps its promises."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.files import Crash, FaultyFiles, fail_always, fail_at
from tests.kit.store_contract import DurableStoreContract, Place, StoreContract, make_state
from tradeexecutor.state.codec.upcast import SCHEMA_VERSION_KEY
from tradeexecutor.state.files.checksum_header import make_checksum_header
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore, NoneStore, SimulateStore, StateStore


class FilePlace(Place):
    """A JSON file in a folder; `options` are those of the store."""

    def __init__(self, folder: Path, options: dict[str, Any]):
        self.path = folder / "demo.json"
        self.options = options
        self.files = FaultyFiles()

    def open(self) -> JSONFileStore:
        return JSONFileStore(self.path, **self.options, files=self.files)

    def open_dying(self, steps: int) -> JSONFileStore:
        return JSONFileStore(self.path, **self.options, files=FaultyFiles(fail_at(steps, Crash())))

    def get_expression(self) -> str:
        return f"JSONFileStore({str(self.path)!r}, **{self.options!r})"

    @contextlib.contextmanager
    def refuse(self, code: int) -> Iterator[None]:
        self.files.fault = fail_always(code)
        yield
        self.files.fault = FaultyFiles().fault

    def damage(self) -> None:
        content = self.path.read_bytes()
        self.path.write_bytes(content[: len(content) // 2])

    def make_newer(self) -> None:
        tree = json.loads(self.path.read_bytes())
        del tree["seal"]
        tree[SCHEMA_VERSION_KEY] += 1
        self.path.write_bytes(b"".join(make_checksum_header(json.dumps(tree, separators=(",", ":")).encode(), 2)))


class TestJSONFileStore(DurableStoreContract):
    @pytest.fixture(
        params=[{}, {"backups": None}, {"compressed": True}], ids=["default", "without backups", "compressed"]
    )
    def place(self, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
        return FilePlace(tmp_path, request.param)


class TestNoneStore(StoreContract):
    @pytest.fixture
    def store(self) -> StateStore:
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


class TestSimulateStore:
    """It reads like a file store, and its saves are for the save hook only."""

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
        with store:
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
