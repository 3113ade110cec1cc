"""Snapshots of a file store, and a state that many threads read."""

import datetime
import errno
import os
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from tests.faults.files import FaultyFiles, fail_always
from tests.kit.store_contract import make_state
from tests.kit.trader import CREDIT, LINK_USDC, WBTC_USDC, WETH_USDC, Trader, new_state
from tradeexecutor.state.codec.upcast import SCHEMA_VERSION_KEY
from tradeexecutor.state.errors import InvalidStateFile, SaveFailed
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "demo.json"


def test_a_save_whose_last_flush_failed_is_not_acknowledged(path: Path):
    """The file has the new state already, but a power cut might bring the old one back."""
    files = FaultyFiles()
    state = make_state("old")
    with JSONFileStore(path, backups=None, files=files) as store:
        store.sync(state)
        state.name = "new"
        files.fault = fail_always(errno.EIO, "flush_folder")
        with pytest.raises(SaveFailed) as failure:
            store.sync(state)
        assert failure.value.in_place
        assert State.read_json_file(path).name == "new"
        assert store.snapshot().state.name == "old"
        files.fault = FaultyFiles().fault
        store.sync(state)
        assert store.snapshot().state.name == "new"


def test_a_file_that_no_store_has_written_has_no_number(path: Path):
    state = make_state()
    state.last_updated_at = datetime.datetime(2026, 1, 2, 3, 4, 5, 600_000)
    state.write_json_file(path)
    snapshot = JSONFileStore(path).snapshot()
    assert (snapshot.revision, snapshot.sha256, snapshot.saved_at) == (0, "", state.last_updated_at)
    assert snapshot.state.to_json() == state.to_json()


@pytest.mark.parametrize("text", ["", "[]", '{"a":1,"a":2}', '{"last_updated_at":"x"}', '{"last_updated_at":NaN}'])
def test_what_is_no_state_is_no_snapshot(path: Path, text: str):
    path.write_text(text)
    with pytest.raises(InvalidStateFile):
        JSONFileStore(path).snapshot()


def test_an_old_file_is_a_snapshot_and_its_state_is_upgraded(path: Path):
    tree = make_state("old").to_dict()
    del tree[SCHEMA_VERSION_KEY]
    state = State.from_dict(tree)
    path.write_text(state.to_json().replace('"schema_version":1,', "", 1))
    assert JSONFileStore(path).snapshot().state.name == "old"


def test_a_reader_follows_a_link_that_now_leads_elsewhere(tmp_path: Path):
    for name in ("a", "b"):
        with JSONFileStore(tmp_path / f"{name}.json") as store:
            store.sync(make_state(name))
    link = tmp_path / "current.json"
    link.symlink_to("a.json")
    reader = JSONFileStore(link)
    assert reader.snapshot().state.name == "a"
    link.unlink()
    link.symlink_to("b.json")
    assert reader.snapshot().state.name == "b"


def test_a_missing_file_with_backups_gets_advice(path: Path):
    with JSONFileStore(path) as store:
        store.sync(make_state("first"))
        store.sync(make_state("second"))
    path.unlink()
    with pytest.raises(FileNotFoundError, match="store recover"):
        JSONFileStore(path).snapshot()


def test_a_forked_child_reads_while_a_thread_of_its_parent_was_reading(path: Path):
    """The child inherits a lock that a thread holds which it does not have."""
    with JSONFileStore(path) as store:
        store.sync(make_state())
    reader = JSONFileStore(path)
    with reader._snapshots._cache.lock:  # pyright: ignore[reportPrivateUsage]
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = int(reader.snapshot().state.name != "first")
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0


def make_large_state() -> State:
    """A state whose figures are worth keeping: long positions, many positions, a loan with much interest."""
    state = new_state(Decimal(10**9))
    trader = Trader(state)
    for pair in (WETH_USDC, WBTC_USDC):
        for _ in range(60):
            trader.buy(pair, "1", 100.0)
            trader.sell(pair, "0.5", 110.0)
    for _ in range(30):
        position, _ = trader.buy(LINK_USDC, "1", 10.0)
        trader.sell(LINK_USDC, position.get_quantity(), 11.0)
    trader.plan(WETH_USDC, "1", 100.0)
    return state


def measure(state: State) -> list[object]:
    """Return figures that are kept once they were asked for."""
    portfolio = state.portfolio
    figures: list[object] = [portfolio.calculate_total_equity(), portfolio.get_closed_profit_usd()]
    for position in portfolio.get_all_positions():
        figures += [
            position.get_quantity(),
            position.get_average_buy(),
            position.get_total_profit_usd(),
            position.get_value(),
        ]
    for pair in (WETH_USDC, WBTC_USDC, LINK_USDC, CREDIT):
        found = portfolio.get_position_by_trading_pair(pair)
        figures.append(None if found is None else found.position_id)
        figures.append(len(list(portfolio.get_closed_positions_for_pair(pair))))
    figures += [trade.trade_id for number in range(1, 100) if (trade := portfolio.get_trade_by_id(number)) is not None]
    return figures


def test_many_threads_read_the_state_of_a_snapshot(path: Path):
    """They ask for the same figures at the same time, for the first time, of one state after another."""
    state = make_large_state()
    expected = measure(State.read_json_blob(state.to_json()))
    results: list[object] = []
    for _ in range(5):
        with JSONFileStore(path, backups=None) as store:
            store.sync(state)
            snapshot = store.snapshot()
        barrier = threading.Barrier(4)

        def read(snapshot=snapshot, barrier=barrier) -> None:
            shared = snapshot.state
            barrier.wait(60)
            try:
                results.append(measure(shared))
            except Exception as error:
                results.append(error)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert snapshot.state.to_json() == state.to_json()
    assert results == [expected] * 20
