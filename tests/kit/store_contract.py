"""What every store promises, as tests that run against each of them.

A new kind of store gets a `Place` and a subclass of `DurableStoreContract` in `test_store_contract.py`.
"""

import contextlib
import datetime
import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.database import locks
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import (
    BadStateData,
    NewerStateFile,
    ReadOnlyState,
    SaveFailed,
    StateFileError,
    StoreChanged,
    StoreLocked,
    WrongThread,
)
from tradeexecutor.state.files import writer_lock
from tradeexecutor.state.state import State
from tradeexecutor.state.store import StateStore


def make_state(name: str = "first") -> State:
    """A small state with one open position."""
    state = new_state()
    state.name = name
    Trader(state).buy(WETH_USDC, "1", 2000.0)
    return state


def without_save_time(state: State) -> dict[str, Any]:
    return state.to_dict() | {"last_updated_at": None}


def acquire_writer_lock(store: Any) -> None:
    """Let a store take its lock without saving, as a strategy does when it starts."""
    store.acquire_writer_lock()


class Place(ABC):
    """Where stores of one kind keep a state, and how to harm it there."""

    @abstractmethod
    def open(self) -> StateStore:
        """A new store on this place."""

    @abstractmethod
    def open_dying(self, steps: int) -> StateStore:
        """A store whose process dies after so many steps of a save: a `BaseException` that is no `Exception`."""

    @abstractmethod
    def get_expression(self) -> str:
        """Python expression that opens a store on this place in another process."""

    @abstractmethod
    def refuse(self, code: int) -> AbstractContextManager[object]:
        """Let the operating system refuse every save with this error, for stores opened before or inside."""

    @abstractmethod
    def damage(self) -> None:
        """Harm what was saved."""

    @abstractmethod
    def make_newer(self) -> None:
        """Turn what was saved into what a newer program saves."""


class StoreContract:
    """What a strategy may rely on, whichever store it has."""

    @pytest.fixture
    def store(self) -> Iterator[StateStore]:
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

    def test_saving_again_changes_nothing_but_the_time(self, store: StateStore):
        state = make_state()
        before = without_save_time(state)
        store.sync(state)
        store.sync(state)
        assert without_save_time(state) == before
        assert without_save_time(store.load()) == before

    def test_saving_what_was_loaded_changes_nothing_but_the_time(self, store: StateStore):
        store.sync(make_state())
        state = store.load()
        before = without_save_time(state)
        store.sync(state)
        assert without_save_time(store.load()) == before

    def test_after_a_save_it_is_not_pristine(self, store: StateStore):
        store.sync(make_state())
        assert store.is_pristine() is False

    def test_the_validate_argument_of_old_callers_is_accepted(self, store: StateStore):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            store.sync(make_state(), validate=False)
        assert store.load().name == "first"

    def test_when_the_clock_goes_back_the_last_save_still_wins(
        self, store: StateStore, monkeypatch: pytest.MonkeyPatch
    ):
        times = [datetime.datetime(2030, 1, 1), datetime.datetime(2024, 1, 1)]
        for name, now in zip(("first", "second"), times, strict=True):
            monkeypatch.setattr(f"{type(store).__module__}.utc_now", lambda now=now: now)
            store.sync(make_state(name))
        loaded = store.load()
        assert loaded.name == "second"
        assert loaded.last_updated_at == times[1], "the clock is believed"

    def test_it_can_be_closed_at_any_time_and_used_again(self, store: StateStore):
        store.close()
        store.sync(make_state())
        store.close()
        store.close()
        store.sync(make_state("second"))
        assert store.load().name == "second"

    def test_a_with_block_closes_it(self, store: StateStore):
        with store as same:
            same.sync(make_state())
        assert same is store
        assert store.load().name == "first"

    def test_only_the_thread_of_a_state_saves_it(self, store: StateStore):
        state = make_state()
        store.sync(state)
        text = state.to_json()
        errors: list[BaseException] = []

        def save() -> None:
            try:
                store.sync(state)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=save)
        thread.start()
        thread.join()
        assert [type(error) for error in errors] == [WrongThread]
        assert state.to_json() == text
        state.hand_over()
        thread = threading.Thread(target=save)
        thread.start()
        thread.join()
        assert len(errors) == 1


class DurableStoreContract(StoreContract):
    """What a store guarantees whose state outlives the process."""

    # --- Snapshots

    def test_there_is_no_snapshot_before_the_first_save(self, store: StateStore):
        with pytest.raises(FileNotFoundError):
            store.snapshot()

    def test_a_snapshot_is_the_last_save(self, store: StateStore, place: Place):
        state = make_state()
        for revision in (1, 2, 3):
            state.cycle = revision
            store.sync(state)
            for snapshot in (store.snapshot(), place.open().snapshot()):
                assert snapshot.revision == revision
                assert snapshot.saved_at == state.last_updated_at
                assert len(snapshot.sha256) == 64
                assert State.read_json_blob(snapshot.text).to_json() == state.to_json()
                assert snapshot.state.to_json() == state.to_json()
            assert store.snapshot().sha256 == place.open().snapshot().sha256
            assert store.snapshot().text == place.open().snapshot().text

    def test_a_recent_snapshot_is_kept_for_as_long_as_the_reader_says(self, store: StateStore, monkeypatch):
        now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: now)
        with pytest.raises(FileNotFoundError):
            store.recent_snapshot(10)
        state = store.create("first")
        store.sync(state)
        first = store.recent_snapshot(10)
        assert first is store.snapshot()
        store.sync(state)
        now = 110.0
        assert store.recent_snapshot(10) is first
        assert store.recent_snapshot(9.5) is store.snapshot()
        assert store.recent_snapshot(10).revision == 2

    def test_a_snapshot_never_changes(self, store: StateStore):
        state = make_state("first")
        store.sync(state)
        snapshot = store.snapshot()
        text = snapshot.text
        state.name = "changed"
        Trader(state).buy(WETH_USDC, "1", 2000.0)
        assert store.snapshot() is snapshot
        store.sync(state)
        assert store.snapshot() is not snapshot
        assert (snapshot.text, snapshot.state.name, snapshot.revision) == (text, "first", 1)
        assert store.snapshot().state.name == "changed"

    def test_the_state_of_a_snapshot_is_made_once_and_is_read_only(self, store: StateStore):
        store.sync(make_state())
        snapshot = store.snapshot()
        state = snapshot.state
        assert snapshot.state is state
        before = state.to_json()
        for operation in (
            lambda: store.sync(state),
            lambda: Trader(state).buy(WETH_USDC, "1", 2000.0),
            lambda: state.record_cycle_end(1, datetime.datetime(2022, 1, 1)),
        ):
            with pytest.raises(ReadOnlyState, match="part of a snapshot"):
                operation()
        assert state.to_json() == before
        own = State.read_json_blob(snapshot.text)
        Trader(own).buy(WETH_USDC, "1", 2000.0)
        store.sync(own)

    def test_a_reader_gets_the_same_snapshot_until_the_next_save(self, store: StateStore, place: Place):
        store.sync(make_state("first"))
        reader = place.open()
        first = reader.snapshot()
        assert reader.snapshot() is first
        store.sync(make_state("second"))
        assert (first.state.name, reader.snapshot().state.name) == ("first", "second")

    def test_what_was_not_acknowledged_is_in_no_snapshot(self, store: StateStore, place: Place):
        store.sync(make_state("first"))
        with place.refuse(errno.ENOSPC), pytest.raises(SaveFailed):
            store.sync(make_state("second"))
        assert store.snapshot().state.name == "first"
        assert place.open().snapshot().state.name == "first"

    def test_a_snapshot_is_that_of_another_writer_after_it_was_loaded(self, store: StateStore, place: Place):
        store.sync(make_state("first"))
        store.snapshot()
        store.close()
        with place.open() as other:
            other.sync(make_state("second"))
        assert store.snapshot().state.name == "second"
        with pytest.raises(StoreChanged):  # looking at it does not count as loading it
            store.sync(make_state("third"))
        state = store.load()
        acquire_writer_lock(store)
        assert store.snapshot().state.name == "second"
        store.sync(state)
        assert store.snapshot().revision == 3

    def test_a_thread_reads_a_snapshot_while_another_saves(self, store: StateStore):
        """Each save is in progress while the snapshot is read; the reader does not wait for it."""
        store.sync(make_state("first"))
        found: list[str | None] = []
        begun, read = threading.Event(), threading.Event()

        class Slow(State):
            """A state whose encoding waits for the reader."""

            def to_dict(self) -> dict[str, Any]:
                begun.set()
                assert read.wait(60)
                return super().to_dict()

        def look() -> None:
            begun.wait(60)
            found.append(store.snapshot().state.name)
            read.set()

        thread = threading.Thread(target=look)
        thread.start()
        state = Slow.read_json_blob(make_state("second").to_json())
        begun.clear()
        store.sync(state)
        thread.join()
        assert found == ["first"]
        assert store.snapshot().state.name == "second"

    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError

    @pytest.fixture
    def store(self, place: Place) -> Iterator[StateStore]:
        with place.open() as store:
            yield store

    def check_loads(self, place: Place, name: str) -> None:
        loaded = place.open().load()
        assert without_save_time(loaded) == without_save_time(make_state(name))

    # --- Pristine

    def test_it_is_pristine_until_the_first_save(self, store: StateStore, place: Place):
        assert store.is_pristine() is True
        store.create("x")
        assert store.is_pristine() is True, "creating writes nothing"
        assert place.open().is_pristine() is True
        store.sync(make_state())
        assert place.open().is_pristine() is False

    def test_loading_from_a_pristine_store(self, store: StateStore):
        with pytest.raises(FileNotFoundError):
            store.load()
        assert store.is_pristine() is True

    def test_another_store_loads_what_was_saved(self, store: StateStore, place: Place):
        store.sync(make_state())
        self.check_loads(place, "first")

    def test_no_validation_is_warned_about(self, store: StateStore):
        with pytest.warns(UserWarning, match="validate of sync has no effect: every value"):
            store.sync(make_state(), validate=False)

    # --- A save that fails

    def test_a_state_that_must_not_be_saved_changes_nothing(self, store: StateStore, place: Place):
        state = make_state("bad")
        state.portfolio.open_positions[1].last_token_price = float("nan")
        with pytest.raises(BadStateData, match=r"last_token_price"):
            store.sync(state)
        assert state.last_updated_at is None
        assert store.is_pristine() is True
        store.sync(make_state("good"))
        with pytest.raises(BadStateData):
            store.sync(state)
        assert state.last_updated_at is None
        self.check_loads(place, "good")

    @pytest.mark.parametrize(
        ("code", "advice"),
        [(errno.ENOSPC, "make room"), (errno.EACCES, "let this user write"), (errno.EIO, "the disk fails")],
        ids=["disk full", "permission lost", "disk fails"],
    )
    def test_a_refused_save_changes_nothing_and_says_what_to_do(
        self, store: StateStore, place: Place, code: int, advice: str
    ):
        store.sync(make_state("old"))
        state = make_state("new")
        before = state.to_json()
        with place.refuse(code), pytest.raises(SaveFailed, match=os.strerror(code)) as failure:
            store.sync(state)
        assert failure.value.errno == code
        assert failure.value.in_place is False
        assert advice in str(failure.value)
        assert state.to_json() == before
        self.check_loads(place, "old")
        store.sync(state)
        self.check_loads(place, "new")

    def test_a_refused_first_save_leaves_it_pristine(self, store: StateStore, place: Place):
        with place.refuse(errno.ENOSPC), pytest.raises(SaveFailed):
            store.sync(make_state())
        assert store.is_pristine() is True
        store.sync(make_state())
        self.check_loads(place, "first")

    # --- Crashes

    def test_a_crash_at_any_step_leaves_the_old_or_the_new_state(self, place: Place):
        with place.open() as store:
            store.sync(make_state("old"))
        found: set[str | None] = set()
        for steps in range(200):
            dying = place.open_dying(steps)
            try:
                dying.sync(make_state("new"))
            except Exception:
                raise
            except BaseException:
                is_over = False
            else:
                is_over = True
            dying.close()  # the lock of a dead process is nobody's
            loaded = place.open().load()
            found.add(loaded.name)
            assert without_save_time(loaded) == without_save_time(make_state(str(loaded.name)))
            if is_over:
                assert loaded.name == "new", "what was acknowledged is there"
                break
            with place.open() as store:
                store.load()
                store.sync(make_state("old"))
        else:
            pytest.fail("the save has no end")
        assert steps > 3
        assert found == {"old", "new"}

    # --- Writers

    def test_two_stores_of_one_process_exclude_each_other(self, store: StateStore, place: Place):
        store.sync(make_state("first"))
        state = make_state("second")
        with pytest.raises(StoreLocked, match=f"{os.getpid()} on .*this process"):
            place.open().sync(state)
        assert state.last_updated_at is None
        self.check_loads(place, "first")

    @pytest.mark.slow
    def test_a_second_process_is_refused_and_told_who_writes(self, store: StateStore, place: Place):
        store.sync(make_state("first"))
        out = run(f"""
            try: {place.get_expression()}.sync(make_state("second"))
            except StoreLocked as error: print(error.holder)
        """)
        assert out.startswith(f"process {os.getpid()} on "), out
        self.check_loads(place, "first")
        store.sync(make_state("third"))
        self.check_loads(place, "third")

    @pytest.mark.slow
    def test_a_second_process_may_read(self, store: StateStore, place: Place):
        store.sync(make_state("first"))
        assert run(f"print({place.get_expression()}.load().name)") == "first\n"

    def test_after_close_another_store_may_write(self, store: StateStore, place: Place):
        store.sync(make_state("first"))
        store.close()
        with place.open() as other:
            other.sync(make_state("second"))
        assert store.load().name == "second"
        store.sync(make_state("third"))
        self.check_loads(place, "third")

    def test_closing_a_store_that_never_wrote_leaves_the_writer_alone(self, store: StateStore, place: Place):
        store.sync(make_state())
        place.open().close()
        with pytest.raises(StoreLocked):
            place.open().sync(make_state())

    @pytest.mark.slow
    def test_the_right_to_write_ends_with_the_process(self, store: StateStore, place: Place):
        with child(f"""
            store = {place.get_expression()}
            store.sync(make_state("child"))
            print("saved", flush=True)
            time.sleep(600)
        """) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "saved\n"
            with pytest.raises(StoreLocked, match=f"process {process.pid} on"):
                store.sync(make_state("parent"))
            process.send_signal(signal.SIGKILL)
            process.wait()
            store.sync(make_state("parent"))
        self.check_loads(place, "parent")

    def test_what_somebody_else_saved_after_loading_is_not_overwritten(self, store: StateStore, place: Place):
        store.sync(make_state("old"))
        store.close()
        slow = place.open()
        state = slow.load()
        store.sync(make_state("new"))
        store.close()
        state.name = "stale"
        before = state.to_json()
        with pytest.raises(StoreChanged, match="load it again"):
            slow.sync(state)
        assert state.to_json() == before
        self.check_loads(place, "new")
        with place.open() as other:
            other.sync(make_state("newer"))  # who was refused holds nothing
        state = slow.load()
        state.name = "fresh"
        slow.sync(state)
        self.check_loads(place, "fresh")
        slow.close()

    def test_a_writer_that_is_just_ending_is_waited_for(
        self, store: StateStore, place: Place, monkeypatch: pytest.MonkeyPatch
    ):
        """As when a strategy is restarted."""
        for module in (writer_lock, locks):
            monkeypatch.setattr(module, "_LOCK_TIMEOUT", 60.0)  # however busy the machine is
        store.sync(make_state("first"))
        timer = threading.Timer(0.2, store.close)
        timer.start()
        with place.open() as other:
            other.sync(make_state("second"))
        timer.join()
        self.check_loads(place, "second")

    def test_threads_share_a_store(self, store: StateStore, place: Place):
        errors: list[BaseException] = []

        def save(name: str) -> None:
            try:
                for _ in range(5):
                    store.sync(make_state(name))
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=save, args=(name,)) for name in ("a", "b", "c")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert place.open().load().name in {"a", "b", "c"}

    # --- Forks

    @pytest.mark.slow
    def test_a_forked_child_is_refused_while_its_parent_writes(self, place: Place):
        out = run(f"""
            store = {place.get_expression()}
            store.sync(make_state("parent"))
            parent = os.getpid()
            if os.fork() == 0:
                try: store.sync(make_state("child"))
                except StoreLocked as error: print("the writer is", error.holder.split()[1] == str(parent), flush=True)
                store.close()
                os._exit(0)
            os.wait()
            store.sync(make_state("parent again"))
            print(store.load().name)
        """)
        assert out == "the writer is True\nparent again\n"

    @pytest.mark.slow
    def test_a_forked_child_may_write_when_its_parent_does_not(self, place: Place):
        out = run(f"""
            store = {place.get_expression()}
            store.sync(make_state("parent"))
            store.close()
            if os.fork() == 0:
                store.sync(make_state("child"))
                print(store.load().name, flush=True)
                os._exit(0)
            os.wait()
        """)
        assert out == "child\n"

    @pytest.mark.slow
    def test_a_child_that_outlives_its_parent_does_not_keep_the_right_to_write(self, place: Place):
        with child(f"""
            store = {place.get_expression()}
            store.sync(make_state("parent"))
            if os.fork() == 0:
                print("forked", flush=True)
            time.sleep(600)
        """) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "forked\n"
            process.send_signal(signal.SIGKILL)
            process.wait()
            with place.open() as store:
                store.sync(make_state("next"))
            self.check_loads(place, "next")

    # --- What cannot be read

    def test_what_is_damaged_is_not_loaded(self, store: StateStore, place: Place):
        store.sync(make_state())
        place.damage()
        with pytest.raises(StateFileError) as failure:
            place.open().load()
        assert not isinstance(failure.value, NewerStateFile)
        with pytest.raises(StateFileError):
            place.open().snapshot()
        assert place.open().is_pristine() is False

    def test_what_a_newer_program_saved_is_neither_loaded_nor_overwritten(self, store: StateStore, place: Place):
        store.sync(make_state())
        store.close()
        place.make_newer()
        with pytest.raises(NewerStateFile, match="upgrade tradeexecutor"):
            place.open().load()
        with pytest.raises(NewerStateFile):
            place.open().snapshot()
        state = make_state("old program")
        with place.open() as other, pytest.raises(NewerStateFile):
            other.sync(state)
        assert state.last_updated_at is None
        with pytest.raises(NewerStateFile):
            place.open().load()


# --- Other processes

_PREAMBLE = """
import os, sys, time, warnings
from pathlib import Path
warnings.simplefilter("error")
from tests.kit.store_contract import make_state
from tradeexecutor.state.errors import *
from tradeexecutor.state.store import *
"""


def _make_script(code: str) -> str:
    return _PREAMBLE + textwrap.dedent(code)


def run(code: str) -> str:
    """Run code in a process of its own; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", _make_script(code)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class child:  # noqa: N801 - used like a function
    """A process in the background, and a process group of its own, that ends with the block."""

    def __init__(self, code: str):
        self._process = subprocess.Popen(
            [sys.executable, "-c", _make_script(code)], stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def __enter__(self) -> "subprocess.Popen[str]":
        return self._process

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
