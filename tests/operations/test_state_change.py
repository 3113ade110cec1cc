"""Every stored state is changed in one way: shown first, backed up, saved as shown, undone to the byte."""

import datetime
from pathlib import Path

import pytest

from tests.kit.funded_trader import fund
from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.operations.state_change import prepare_change, undo_change
from tradeexecutor.operations.state_location import StateLocation, load_state, parse_state_location
from tradeexecutor.state.errors import BadStateData, OperationRefused, StoreLocked
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore


def make_state() -> State:
    trader = fund()
    trader.buy(WETH_USDC, "1", 2000.0)
    return trader.state


@pytest.fixture(params=["file", "database"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> StateLocation:
    if request.param == "file":
        with JSONFileStore(tmp_path / "state.json") as store:
            store.sync(make_state())
        return tmp_path / "state.json"
    text = f"sqlite:///{tmp_path / 'trading.db'}#demo"
    with SQLStateStore(DatabaseAddress.parse(text)) as store:
        store.sync(make_state())
    return parse_state_location(text)


def rename(state: State, now: datetime.datetime) -> str | None:
    before, state.name = state.name, "renamed"
    return before


def test_nothing_is_stored_before_the_change_is_saved(place: StateLocation):
    before = load_state(place).to_json()
    with prepare_change(place, rename) as prepared:
        assert prepared.result == "test"
        assert prepared.preview.patch == [{"op": "replace", "path": "/name", "value": "renamed"}]
    assert load_state(place).to_json() == before


def test_what_was_shown_is_saved_and_can_be_undone(place: StateLocation):
    before = load_state(place).to_json()
    with prepare_change(place, rename) as prepared:
        undo = prepared.save("rename-backup")
    assert load_state(place).name == "renamed"
    assert load_state(place).to_dict()["portfolio"] == prepared.preview.after["portfolio"]
    undo_change(undo)
    restored = load_state(place)
    assert restored.name == "test"
    if isinstance(place, Path):
        assert restored.to_json() == before


def test_a_file_is_restored_to_the_byte(tmp_path: Path):
    path = tmp_path / "state.json"
    path.write_text(make_state().to_json(), encoding="utf-8")
    before = path.read_bytes()
    with prepare_change(path, rename) as prepared:
        undo = prepared.save("rename-backup")
    assert undo.backup is not None
    assert undo.backup.read_bytes() == before
    undo_change(undo)
    assert path.read_bytes() == before


def test_a_change_that_is_refused_leaves_everything_as_it_was(place: StateLocation):
    def refuse(state: State, now: datetime.datetime) -> None:
        state.name = "half done"
        raise OperationRefused("no")

    before = load_state(place).to_json()
    with pytest.raises(OperationRefused), prepare_change(place, refuse):
        pytest.fail("a refused change was prepared")
    assert load_state(place).to_json() == before


def test_a_running_strategy_can_be_previewed_and_not_changed(tmp_path: Path):
    path = tmp_path / "state.json"
    with JSONFileStore(path) as strategy:
        strategy.sync(make_state())
        strategy.acquire_writer_lock()
        before = path.read_bytes()
        with prepare_change(path, rename, preview_only=True) as prepared:
            assert not prepared.is_empty
            with pytest.raises(StoreLocked):
                prepared.save("rename-backup")
        with pytest.raises(StoreLocked), prepare_change(path, rename):
            pytest.fail("a running strategy was about to be changed")
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*rename-backup*"))


def test_what_the_state_will_refer_to_is_written_before_it(tmp_path: Path):
    path = tmp_path / "state.json"
    path.write_text(make_state().to_json(), encoding="utf-8")
    before = path.read_bytes()

    def write(result: str | None) -> None:
        assert path.read_bytes() == before
        raise OSError("the disk is full")

    with prepare_change(path, rename) as prepared, pytest.raises(OSError, match="full"):
        prepared.save("rename-backup", write)
    assert path.read_bytes() == before


def test_an_earlier_save_in_a_database_is_only_read(tmp_path: Path):
    text = f"sqlite:///{tmp_path / 'trading.db'}#demo"
    with SQLStateStore(DatabaseAddress.parse(text)) as store:
        store.sync(make_state())
    with (
        pytest.raises(OperationRefused, match="only the newest"),
        prepare_change(parse_state_location(f"{text}@1"), rename),
    ):
        pytest.fail("an earlier save was about to be changed")


def test_a_change_whose_ids_contradict_each_other_is_refused(tmp_path: Path):
    """Saved, it could not be read again."""
    trader = Trader(new_state())
    trader.buy(WETH_USDC, "1", 100.0)
    path = tmp_path / "state.json"
    trader.state.write_json_file(path)
    before = path.read_bytes()

    def put_twice(state: State, _: datetime.datetime) -> None:
        state.portfolio.frozen_positions[1] = state.portfolio.open_positions[1]

    with pytest.raises(BadStateData, match="position id 1 is used twice"), prepare_change(path, put_twice):
        pass
    assert path.read_bytes() == before
