"""A new result of a backtest takes the place of the one before, which is kept under the time at which it was saved."""

import datetime
import errno
import itertools
import os
from pathlib import Path

import pytest

from tests.faults.files import Crash, FaultyFiles, fail_at
from tests.kit import prunable
from tests.kit.store_contract import make_state
from tradeexecutor.operations.earlier_results import (
    MAX_EARLIER_RESULTS,
    check_result_file,
    find_earlier_results,
    save_result,
)
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import NewerStateFile, OperationRefused, SaveFailed, StoreLocked
from tradeexecutor.state.files.compressed_copy import get_compressed_path, write_compressed_copy
from tradeexecutor.state.prune import archive_closed_positions
from tradeexecutor.state.state import State
from tradeexecutor.state.state.fields import BacktestData
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.archive import find_archive_problems
from tradeexecutor.state.store.copies import examine

EVENING = datetime.datetime(2026, 11, 30, 20, 55)


def make_result(name: str) -> State:
    state = make_state(name)
    state.backtest_data = BacktestData(EVENING, EVENING, CycleDuration.cycle_1d)
    return state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "state.json"


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch):
    """Sets the clock of the stores to so many seconds after the evening."""

    def set_clock(seconds: float) -> None:
        now = EVENING + datetime.timedelta(seconds=seconds)
        monkeypatch.setattr("tradeexecutor.state.store.store.utc_now", lambda: now)

    set_clock(0)
    return set_clock


def read_names(path: Path) -> list[str | None]:
    """Names of the strategies in the result and in the earlier ones, newest first."""
    files = [path, *reversed(find_earlier_results(path))]
    return [State.read_json_file(file).name for file in files if file.exists()]


def test_the_earlier_result_is_kept_with_the_time_of_its_save(path: Path, at):
    assert save_result(make_result("first"), path) is None
    first = path.read_bytes()
    at(3600)
    kept = save_result(make_result("second"), path)
    assert kept is not None
    assert kept == path.with_name("state.2026-11-30T205500.json")
    assert kept.read_bytes() == first
    assert read_names(path) == ["second", "first"]
    assert examine(path).is_good
    assert examine(kept).is_good


def test_two_results_of_one_second_are_both_kept(path: Path, at):
    for name in ("first", "second", "third"):
        save_result(make_result(name), path)
    assert [file.name for file in find_earlier_results(path)] == [
        "state.2026-11-30T205500.json",
        "state.2026-11-30T205500-2.json",
    ]
    assert read_names(path) == ["third", "second", "first"]


def test_only_the_newest_are_kept_and_what_was_changed_since(path: Path, at):
    kept = path.with_name("state.2026-11-30T205500.json")
    for number in range(MAX_EARLIER_RESULTS + 3):
        at(number)
        save_result(make_result(str(number)), path)
        if number == 1:
            with JSONFileStore(kept) as store:
                store.sync(make_result("changed"))
    assert read_names(path) == [str(number) for number in range(MAX_EARLIER_RESULTS + 2, 1, -1)]
    assert State.read_json_file(kept).name == "changed"
    others = ["state.json.lock", f"{kept.name}.lock", f"{kept.name}.backups"]
    assert len(list(path.parent.iterdir())) == 1 + MAX_EARLIER_RESULTS + 1 + len(others)


def test_an_overwritten_result_is_not_kept(path: Path):
    save_result(make_result("first"), path)
    assert save_result(make_result("second"), path, overwrite=True) is None
    assert read_names(path) == ["second"]


def test_the_compressed_copy_and_the_archives_go_with_it(path: Path, at):
    state = prunable.make_state()
    state.backtest_data = BacktestData(EVENING, EVENING, CycleDuration.cycle_1d)
    path.parent.mkdir()
    out = archive_closed_positions(state, EVENING)
    assert out is not None
    out.write(path)
    with JSONFileStore(path, backups=None) as store:
        store.sync(state)
    write_compressed_copy(path, path.read_bytes())
    copy = get_compressed_path(path).read_bytes()
    kept = save_result(make_result("second"), path)
    assert kept is not None
    assert get_compressed_path(kept).read_bytes() == copy
    assert not get_compressed_path(path).exists()
    assert find_archive_problems(kept, [out.ref]) == {}


def test_a_state_that_is_no_result_stays(path: Path):
    path.parent.mkdir()
    for overwrite in (False, True):
        with JSONFileStore(path) as store:
            store.sync(make_state("live"))
        before = path.read_bytes()
        with pytest.raises(OperationRefused, match="may be the state of a live strategy: it is not replaced"):
            check_result_file(path, overwrite=overwrite)
        with pytest.raises(OperationRefused, match="live strategy"):
            save_result(make_result("new"), path, overwrite=overwrite)
        assert path.read_bytes() == before
        assert find_earlier_results(path) == []


def test_a_file_of_somebody_else_stays(path: Path):
    path.parent.mkdir()
    path.write_text("[1, 2]")
    for check in (check_result_file, lambda path: save_result(make_result("new"), path)):
        with pytest.raises(OperationRefused, match="a state is a JSON object"):
            check(path)
    assert path.read_text() == "[1, 2]"
    save_result(make_result("new"), path, overwrite=True)
    assert path.with_name("state.damaged-1.json").read_text() == "[1, 2]"


def test_a_result_of_a_newer_program_stays(path: Path):
    path.parent.mkdir()
    path.write_text('{"schema_version": 99}')
    for overwrite in (False, True):
        with pytest.raises(NewerStateFile):
            check_result_file(path, overwrite=overwrite)


def test_a_result_that_somebody_writes_to_stays(path: Path):
    save_result(make_result("first"), path)
    with JSONFileStore(path) as store:
        store.acquire_writer_lock()
        for overwrite in (False, True):
            with pytest.raises(StoreLocked):
                check_result_file(path, overwrite=overwrite)
            with pytest.raises(StoreLocked):
                save_result(make_result("second"), path, overwrite=overwrite)
    check_result_file(path)
    assert read_names(path) == ["first"]


def test_behind_a_link_it_is_kept_beside_the_result_itself(path: Path, tmp_path: Path):
    save_result(make_result("first"), path)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    kept = save_result(make_result("second"), link)
    assert kept is not None
    assert kept.parent == path.parent
    assert link.is_symlink()
    assert read_names(path) == ["second", "first"]


# --- Faults


@pytest.mark.parametrize("fault", [Crash(), KeyboardInterrupt(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])
def test_no_fault_loses_a_result(path: Path, fault: BaseException):
    number = -1
    for number in itertools.count():
        target = path.with_name(str(number)) / "state.json"
        target.parent.mkdir(parents=True)
        save_result(make_result("first"), target)
        files = FaultyFiles(fail_at(number, fault))
        try:
            save_result(make_result("second"), target, files=files)
        except (Crash, KeyboardInterrupt, OSError, SaveFailed):
            names = read_names(target)
            assert "first" in names
            assert names[0] in ("first", "second")
        else:
            assert read_names(target) == ["second", "first"]
            if len(files.calls) <= number:
                break
        # The next run finds nothing that is in its way, and keeps each result once.
        save_result(make_result("third"), target)
        names = read_names(target)
        assert names in (["third", "first"], ["third", "second", "first"])
        assert all(examine(file).is_good for file in [target, *find_earlier_results(target)])
    assert number > 5
