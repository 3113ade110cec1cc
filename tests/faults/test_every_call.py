"""Every system call of a save fails in turn: with an error, halfway, by an interrupt, or because the process dies.

Whatever happens, the file holds the last acknowledged save or the one under way, whole; memory and file agree; the
save before is still there; the error says what to do; and once the fault is gone the next save works.
"""

import errno
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.files import CALLS, Crash, FaultyFiles, ShortWrites, fail_always, fail_at
from tests.kit.store_contract import make_state
from tradeexecutor.state.errors import SaveFailed
from tradeexecutor.state.files.compressed_copy import decompress, get_compressed_path, read_compressed_copy
from tradeexecutor.state.files.durable_file import find_temporary_files
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.backups import BackupPolicy, backup_state
from tradeexecutor.state.store.copies import CopyKind, list_copies, recover

pytestmark = pytest.mark.slow

CODES = [errno.ENOSPC, errno.EIO, errno.EACCES]


def prepare_saves(path: Path) -> None:
    with JSONFileStore(path, backups=BackupPolicy(2, 0), compressed=True) as store:
        for name in ("oldest", "older", "old"):
            store.sync(make_state(name))


def prepare_nothing(path: Path) -> None:
    pass


def prepare_old_schema(path: Path) -> None:
    tree = make_state("old").to_dict()
    del tree["schema_version"]
    path.write_text(json.dumps(tree))


def prepare_first_save(path: Path) -> None:
    with JSONFileStore(path) as store:
        store.sync(make_state("old"))


#: What is there before the save that fails, and how the store is opened.
SCENARIOS: dict[str, tuple[Callable[[Path], None], dict[str, Any]]] = {
    "first save": (prepare_nothing, {}),
    "second save": (prepare_first_save, {}),
    "fourth save, compressed": (prepare_saves, {"backups": BackupPolicy(2, 0), "compressed": True}),
    "fourth save, no backups": (prepare_saves, {"backups": None}),
    "old schema": (prepare_old_schema, {}),
}


class LinklessFiles(FaultyFiles):
    """A file system without hard links."""

    def link(self, source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def try_to_save(store: JSONFileStore, state: State) -> SaveFailed | None:
    try:
        store.sync(state)
    except SaveFailed as failure:
        return failure
    return None


def names_of(path: Path) -> dict[CopyKind, list[str | None]]:
    """Names of the good states, by kind."""
    found: dict[CopyKind, list[str | None]] = {kind: [] for kind in CopyKind}
    for copy in list_copies(path):
        if copy.is_good:
            found[copy.kind].append(copy.name)
    return found


def check_everything(path: Path, had_old: bool, is_acknowledged: bool) -> None:
    """What must hold after any fault, whether the process lives or not."""
    names = names_of(path)
    (current,) = names[CopyKind.current] or [None]
    if is_acknowledged:
        assert current == "new"
    elif had_old:
        assert current in ("old", "new")
    else:
        assert current in (None, "new")
    if current is None:
        assert JSONFileStore(path).is_pristine()
    compressed = read_compressed_copy(path)
    if compressed is not None:
        assert decompress(compressed) == path.read_bytes()
    damaged = [item for item in list_copies(path) if not item.is_good]
    assert all(item.kind is CopyKind.temporary for item in damaged)


def check_old_saves(path: Path, scenario: str) -> None:
    names = names_of(path)
    everything = set(itertools.chain.from_iterable(names.values()))
    if scenario == "fourth save, compressed":
        assert {"older", "old"} <= everything
    if scenario in ("second save", "old schema"):
        assert "old" in everything


@pytest.mark.parametrize("files", [FaultyFiles, LinklessFiles])
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("half_of_write", [False, True], ids=["write nothing", "write half"])
@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_an_error_of_the_operating_system(
    memory: Path, files: type[FaultyFiles], scenario: str, half_of_write: bool, code: int
):
    prepare, options = SCENARIOS[scenario]
    refused = 0
    number = -1
    for number in itertools.count():
        path = memory / str(number) / "demo.json"
        path.parent.mkdir()
        prepare(path)
        had_old = path.exists()
        layer = files(fail_at(number, OSError(code, os.strerror(code))), half_of_write)
        with JSONFileStore(path, **options, files=layer) as store:
            state = store.load() if had_old else make_state()
            before = state.last_updated_at
            state.name = "new"
            failure = try_to_save(store, state)
            if failure is not None:
                refused += 1
                check_everything(path, had_old, is_acknowledged=False)
                check_old_saves(path, scenario)
                assert failure.errno == code
                assert failure.advice in str(failure)
                assert not find_temporary_files(path)
                if failure.in_place:
                    assert state.last_updated_at == State.read_json_file(path).last_updated_at
                else:
                    assert state.last_updated_at == before
                    assert not path.exists() or State.read_json_file(path).name == "old"
                store.sync(state)
            check_everything(path, had_old, is_acknowledged=True)
            assert state.last_updated_at == State.read_json_file(path).last_updated_at
        if len(layer.calls) <= number:
            break
    assert refused > 5


@pytest.mark.parametrize("files", [FaultyFiles, LinklessFiles])
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("half_of_write", [False, True], ids=["write nothing", "write half"])
def test_the_process_dies(memory: Path, files: type[FaultyFiles], scenario: str, half_of_write: bool):
    prepare, options = SCENARIOS[scenario]
    number = -1
    for number in itertools.count():
        path = memory / str(number) / "demo.json"
        path.parent.mkdir()
        prepare(path)
        had_old = path.exists()
        layer = files(fail_at(number, Crash()), half_of_write)
        store = JSONFileStore(path, **options, files=layer)
        state = store.load() if had_old else make_state()
        state.name = "new"
        try:
            store.sync(state)
        except Crash:
            is_over = False
        else:
            is_over = True
        store.close()
        check_everything(path, had_old, is_acknowledged=is_over)
        check_old_saves(path, scenario)
        with JSONFileStore(path, **options) as survivor:
            state = make_state() if survivor.is_pristine() else survivor.load()
            state.name = "new"
            survivor.sync(state)
            check_everything(path, had_old, is_acknowledged=True)
            assert not find_temporary_files(path), "what the dead process left is gone"
            for _ in range(3):
                survivor.sync(state)
        if is_over:
            break
    assert number > 5


def test_an_interrupt_at_any_call(memory: Path):
    """Control-C: the handlers run, and the save is either done or undone."""
    number = -1
    for number in itertools.count():
        path = memory / str(number) / "demo.json"
        path.parent.mkdir()
        prepare_first_save(path)
        layer = FaultyFiles(fail_at(number, KeyboardInterrupt()))
        with JSONFileStore(path, files=layer) as store:
            state = store.load()
            state.name = "new"
            before = state.last_updated_at
            try:
                store.sync(state)
            except KeyboardInterrupt:
                loaded = State.read_json_file(path)
                assert loaded.name == ("old" if state.last_updated_at == before else "new")
                assert loaded.last_updated_at == state.last_updated_at
                assert not find_temporary_files(path)
            else:
                break
            store.sync(state)
    assert number > 5


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_a_call_that_fails_every_time(memory: Path, name: str, code: int):
    path = memory / "demo.json"
    prepare_saves(path)
    layer = FaultyFiles(fail_always(code, name))
    with JSONFileStore(path, files=layer) as store:
        state = store.load()
        state.name = "new"
        expected = "old"
        for _ in range(3):
            failure = try_to_save(store, state)
            if failure is not None:
                expected = "new" if failure.in_place else expected
                assert State.read_json_file(path).name == expected
        layer.fault = FaultyFiles().fault
        store.sync(state)
    check_everything(path, had_old=True, is_acknowledged=True)


def test_writes_that_take_only_a_part(memory: Path):
    path = memory / "demo.json"
    with JSONFileStore(path, files=ShortWrites(), compressed=True) as store:
        store.sync(make_state())
    assert State.read_json_file(path).name == "first"
    assert read_compressed_copy(path) == get_compressed_path(path).read_bytes()


@pytest.mark.parametrize("half_of_write", [False, True], ids=["write nothing", "write half"])
@pytest.mark.parametrize("files", [FaultyFiles, LinklessFiles])
@pytest.mark.parametrize("source", [CopyKind.backup, CopyKind.compressed])
def test_a_recovery_that_dies_can_be_repeated(
    memory: Path, files: type[FaultyFiles], half_of_write: bool, source: CopyKind
):
    expected = "older" if source is CopyKind.backup else "old"
    number = -1
    for number in itertools.count():
        path = memory / str(number) / "demo.json"
        path.parent.mkdir()
        prepare_saves(path)
        if source is CopyKind.backup:
            get_compressed_path(path).unlink()
        harmed = path.read_bytes()[:-10]
        path.write_bytes(harmed)
        try:
            recover(path, files=files(fail_at(number, Crash()), half_of_write))
        except Crash:
            names = names_of(path)
            assert names[CopyKind.backup] == ["older", "oldest"]
            recover(path)
            is_over = False
        else:
            is_over = True
        assert State.read_json_file(path).name == expected
        kept = [item for item in path.parent.glob("demo.damaged-*.json") if item.read_bytes() == harmed]
        assert len(kept) == 1
        if is_over:
            break
    assert number > 5


@pytest.mark.parametrize("half_of_write", [False, True], ids=["write nothing", "write half"])
@pytest.mark.parametrize("files", [FaultyFiles, LinklessFiles])
@pytest.mark.parametrize(
    "error", [Crash(), OSError(errno.ENOSPC, "No space left on device")], ids=["dies", "disk full"]
)
def test_a_backup_on_purpose_is_whole_or_not_there(
    memory: Path, files: type[FaultyFiles], error: BaseException, half_of_write: bool
):
    path = memory / "demo.json"
    prepare_first_save(path)
    number = -1
    for number in itertools.count():
        layer = files(fail_at(number, error), half_of_write)
        try:
            backup = backup_state(path, files=layer)
        except (Crash, OSError):
            for item in memory.glob("demo.backup-*.json"):
                assert item.read_bytes() == path.read_bytes()
        else:
            assert backup.path.read_bytes() == path.read_bytes()
            break
    assert number > 4
    if isinstance(error, OSError):
        assert not list(memory.glob(".demo.backup*.tmp"))
