"""Threads that read while one trades, and threads that do what they must not do."""

import collections
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.soak import SOAK
from tests.kit.trader import T0, USDC, WBTC_USDC, WETH_USDC, Trader
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_flow
from tradeexecutor.state.errors import ConcurrentUse, WrongThread
from tradeexecutor.state.files.checksum_header import verify_checksum_header
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore, Snapshot, StateStore

#: Length of each test here: a minute in a soak test.
SECONDS = 60.0 if SOAK > 1 else 2.0

CASH = Decimal(10**9)


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    """Let threads interrupt each other fifty times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


def make_state() -> State:
    """A state with a deposit, so that its cash can be proven."""
    state = State(name="threads")
    book_reserve_flow(state, USDC, CASH, EventOrigin(T0, T0))
    state.hand_over()
    return state


def is_whole(state: State) -> bool:
    """Whether every movement of money is complete: integrity, all balances proven, and the sum of what was paid."""
    state.perform_integrity_check()
    paid = Decimal(0)
    for trade in state.portfolio.get_all_trades():
        if trade.is_sell():
            paid -= trade.executed_reserve or 0
        elif trade.started_at is not None:
            paid += trade.planned_reserve
    cash = state.portfolio.get_default_reserve_position().quantity
    # A tear is at least a cent: what a trade pays or gets.
    return prove(state).is_balanced and abs(cash + paid - CASH) < Decimal("1e-9")


def check_snapshot(snapshot: Snapshot) -> None:
    """Check that the bytes are those of the checksum, and that the state in them is whole and has their number."""
    verify_checksum_header(snapshot.text)  # a database keeps checksums elsewhere, and verifies them when it reads
    state = snapshot.state
    assert is_whole(state)
    assert state.last_updated_at == snapshot.saved_at
    assert state.cycle == snapshot.revision


@pytest.fixture(params=["file", "database"])
def make_store(request: pytest.FixtureRequest, memory: Path) -> Callable[[], StateStore]:
    if request.param == "file":
        return lambda: JSONFileStore(memory / "demo.json", backups=None)
    return lambda: SQLStateStore(f"sqlite:///{memory}/trading.db#demo")


@pytest.mark.slow
def test_four_threads_read_while_one_trades(make_store: Callable[[], StateStore]):
    """Two of them read through the store that saves, two through stores of their own, like another process.

    One of each two is content with a save that was the latest a moment ago.
    """
    errors: list[BaseException] = []
    revisions: dict[int, list[int]] = collections.defaultdict(list)
    is_over = threading.Event()
    saved = threading.Event()

    def trade(store: StateStore) -> None:
        state = make_state()
        trader = Trader(state)
        try:
            for number in itertools.count(1):
                state.cycle = number
                pair = (WETH_USDC, WBTC_USDC)[number % 2]
                position, _ = trader.buy(pair, "1", 100.0)
                if number % 3 == 0:
                    trader.sell(pair, position.get_quantity() / 2, 110.0)
                if number % 7 == 0:
                    trader.sell(pair, position.get_quantity(), 90.0)
                store.sync(state)
                saved.set()
                if is_over.is_set():
                    return
                time.sleep(0.01)
        except BaseException as error:
            errors.append(error)
            saved.set()

    def read(store: StateStore, number: int) -> None:
        try:
            while not is_over.is_set():
                snapshot = store.recent_snapshot(0.05) if number % 2 else store.snapshot()
                if not revisions[number] or snapshot.revision != revisions[number][-1]:
                    check_snapshot(snapshot)
                    revisions[number].append(snapshot.revision)
                time.sleep(0.01)
        except BaseException as error:
            errors.append(error)

    with make_store() as store:
        threads = [threading.Thread(target=trade, args=(store,), daemon=True)]
        threads[0].start()
        saved.wait(60)
        readers = [store, store, make_store(), make_store()]
        threads += [threading.Thread(target=read, args=(reader, number)) for number, reader in enumerate(readers)]
        for thread in threads[1:]:
            thread.start()
        is_over.wait(SECONDS)
        is_over.set()
        for thread in threads:
            thread.join()
        last = store.snapshot()
        check_snapshot(last)
    assert errors == []
    assert sorted(revisions) == [0, 1, 2, 3]
    for seen in revisions.values():
        assert len(seen) > 5
        assert seen == sorted(seen)
    assert last.revision >= max(max(seen) for seen in revisions.values())


def run_trader(state: State, is_over: threading.Event, errors: "collections.Counter[type]") -> threading.Thread:
    def trade() -> None:
        trader = Trader(state)
        for number in itertools.count():
            if is_over.is_set():
                return
            try:
                trader.buy((WETH_USDC, WBTC_USDC)[number % 2], "0.01", 100.0)
            except Exception as error:
                errors[type(error)] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=trade, name="trader", daemon=True)
    thread.start()
    return thread


@pytest.mark.slow
def test_while_one_thread_saves_another_cannot_trade(memory: Path):
    """Nothing that is acknowledged is torn, because the trades of the other thread are refused."""
    state = make_state()
    Trader(state).buy(WETH_USDC, "1", 100.0)
    errors: collections.Counter[type] = collections.Counter()
    is_over = threading.Event()
    with JSONFileStore(memory / "torn.json", backups=None) as store:
        thread = run_trader(state, is_over, errors)
        until = time.monotonic() + SECONDS
        saves = 0
        while time.monotonic() < until:
            store.sync(state)
            saves += 1
            assert is_whole(State.read_json_file(store.path))
        is_over.set()
        thread.join()
    assert saves > 10
    assert set(errors) == {WrongThread}
    assert errors[WrongThread] > 10
    assert len(list(state.portfolio.get_all_trades())) == 1


@pytest.mark.slow
def test_while_one_thread_trades_another_cannot_save(memory: Path):
    """Whoever comes first owns the state, also when both begin at the same moment."""
    until = time.monotonic() + SECONDS
    outcomes: collections.Counter[str] = collections.Counter()
    while time.monotonic() < until:
        state = make_state()
        errors: collections.Counter[type] = collections.Counter()
        is_over = threading.Event()
        with JSONFileStore(memory / "torn.json", backups=None) as store:
            thread = run_trader(state, is_over, errors)
            for _ in range(20):
                try:
                    store.sync(state)
                    assert is_whole(State.read_json_file(store.path))
                    outcomes["saved"] += 1
                except ConcurrentUse as error:
                    outcomes[type(error).__name__] += 1
            is_over.set()
            thread.join()
        assert set(errors) <= {WrongThread}
        assert is_whole(state)
    assert outcomes["WrongThread"] > 10


@pytest.mark.slow
def test_a_state_that_is_handed_from_thread_to_thread_is_saved_whole(memory: Path):
    """As with a pool of threads: each job takes the state, trades, saves and hands it over; a reader looks on."""
    state = make_state()
    lock = threading.Lock()
    errors: list[BaseException] = []
    until = time.monotonic() + SECONDS
    jobs: collections.Counter[str] = collections.Counter()
    with JSONFileStore(memory / "pool.json", backups=None) as store:
        store.sync(state)
        state.hand_over()

        def work() -> None:
            trader = Trader(state)
            try:
                while time.monotonic() < until:
                    with lock:
                        trader.buy(WETH_USDC, "1", 100.0)
                        store.sync(state)
                        state.hand_over()
                    jobs[threading.current_thread().name] += 1
                    assert is_whole(store.snapshot().state)
                    time.sleep(0.001)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert len(jobs) == 3
        assert store.load().to_json() == state.to_json()
        assert len(list(state.portfolio.get_all_trades())) == sum(jobs.values())
