"""What the disk may hold after a power cut, at every moment of several saves.

A file system promises little about what was not flushed: names change in any order or not at all, and the content of a
file may be there, half there, or missing. `RecordedFiles` notes every call; `iterate_disks` makes every disk that such
a promise allows. On each of them the last acknowledged save or the one under way must load.
"""

import itertools
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.faults.files import CALLS
from tests.kit.soak import scaled
from tests.kit.store_contract import make_state
from tradeexecutor.state.files.compressed_copy import decompress, read_compressed_copy
from tradeexecutor.state.files.syscalls import FileLayer
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.backups import BackupPolicy
from tradeexecutor.state.store.copies import CopyKind, list_copies

pytestmark = pytest.mark.slow


@dataclass
class File:
    """The content of a file, and how much of it is surely on the disk."""

    content: bytes = b""
    flushed: int = 0


#: A change of names in one folder: each name gets a file, or the mark of a folder, or nothing.
Change = dict[Path, "File | str | None"]
FOLDER = "folder"


@dataclass
class Disk:
    """What surely is on the disk, and the changes of names that may be or not, in their order."""

    names: dict[Path, File | str] = field(default_factory=dict[Path, "File | str"])
    pending: list[Change] = field(default_factory=list[Change])

    def apply(self, change: Change) -> None:
        for path, value in change.items():
            if value is None:
                self.names.pop(path, None)
            else:
                self.names[path] = value

    def flush_folder(self, folder: Path) -> None:
        for change in [change for change in self.pending if next(iter(change)).parent == folder]:
            self.apply(change)
            self.pending.remove(change)


class RecordedFiles(FileLayer):
    """The operating system, which keeps a model of the disk; `on_call` is called before every call and at the end."""

    def __init__(self, on_call: Any):
        self.disk = Disk()
        self.on_call = on_call
        self._open: dict[int, File] = {}
        #: Names as running programs see them.
        self._seen: dict[Path, File | str] = {}

    def _change(self, change: Change) -> None:
        self.disk.pending.append(change)
        for path, value in change.items():
            if value is None:
                del self._seen[path]
            else:
                self._seen[path] = value

    def create(self, path: Path, mode: int) -> int:
        self.on_call("create")
        descriptor = super().create(path, mode)
        self._open[descriptor] = File()
        self._change({path: self._open[descriptor]})
        return descriptor

    def write(self, descriptor: int, content: memoryview) -> int:
        self.on_call("write")
        count = super().write(descriptor, content)
        self._open[descriptor].content += bytes(content[:count])
        return count

    def flush(self, descriptor: int) -> None:
        self.on_call("flush")
        super().flush(descriptor)
        file = self._open[descriptor]
        file.flushed = len(file.content)

    def close(self, descriptor: int) -> None:
        self.on_call("close")
        super().close(descriptor)
        del self._open[descriptor]

    def rename(self, source: Path, target: Path) -> None:
        self.on_call("rename")
        super().rename(source, target)
        self._change({target: self._seen[source], source: None})

    def link(self, source: Path, target: Path) -> None:
        self.on_call("link")
        super().link(source, target)
        self._change({target: self._seen[source]})

    def unlink(self, path: Path) -> None:
        self.on_call("unlink")
        super().unlink(path)
        self._change({path: None})

    def make_folder(self, path: Path) -> None:
        self.on_call("make_folder")
        super().make_folder(path)
        self._change({path: FOLDER})

    def flush_folder(self, path: Path) -> None:
        self.on_call("flush_folder")
        super().flush_folder(path)
        self.disk.flush_folder(path)


def iterate_disks(disk: Disk, randomness: random.Random) -> Iterator[dict[Path, bytes | str]]:
    """Yield what the disk may hold; where there are very many possibilities, some of them."""
    choices = list(itertools.product([False, True], repeat=len(disk.pending)))
    if len(choices) > 16:
        choices = [choices[0], choices[-1], *randomness.sample(choices, min(scaled(14), len(choices)))]
    for chosen in choices:
        possible = Disk(dict(disk.names))
        for change, is_there in zip(disk.pending, chosen, strict=True):
            if is_there:
                possible.apply(change)
        for part in (0.0, 0.5, 1.0):
            yield {path: _cut(file, part) for path, file in possible.names.items()}


def _cut(file: File | str, part: float) -> bytes | str:
    if isinstance(file, str):
        return file
    length = file.flushed + int((len(file.content) - file.flushed) * part)
    return file.content[:length]


def make_disk(folder: Path, old_folder: Path, names: dict[Path, bytes | str]) -> None:
    for path, content in sorted(names.items(), key=lambda item: len(item[0].parts)):
        target = folder / path.relative_to(old_folder)
        if isinstance(content, str):
            target.mkdir()
        elif target.parent.is_dir():
            target.write_bytes(content)


@pytest.mark.parametrize(
    "options",
    [{"backups": BackupPolicy(2, 0)}, {"backups": BackupPolicy(2, 1), "compressed": True}, {"backups": None}],
    ids=["backups", "backups and compressed", "alone"],
)
def test_any_disk_after_a_power_cut_has_a_whole_state(memory: Path, options: dict[str, Any]):
    randomness = random.Random(3)
    live = memory / "live"
    live.mkdir()
    path = live / "demo.json"
    acknowledged = -1
    numbers = itertools.count()
    checked: set[str] = set()

    def check_all_disks(call: str) -> None:
        for names in iterate_disks(files.disk, randomness):
            folder = memory / str(next(numbers))
            folder.mkdir()
            make_disk(folder, live, names)
            check_disk(folder / path.name, acknowledged, options["backups"])
        checked.add(call)

    files = RecordedFiles(check_all_disks)
    with JSONFileStore(path, **options, files=files) as store:
        state = make_state()
        for cycle in range(5):
            state.cycle = cycle
            state.name = f"cycle {cycle}"
            store.sync(state)
            acknowledged = cycle
            check_all_disks("end of a save")
    assert {"create", "write", "flush", "close", "rename", "flush_folder"} <= checked
    assert next(numbers) > 200


def check_disk(path: Path, acknowledged: int, policy: BackupPolicy | None) -> None:
    store = JSONFileStore(path)
    if acknowledged < 0 and store.is_pristine():
        return
    state = store.load()
    assert state.cycle in (acknowledged, acknowledged + 1)
    assert state.name == f"cycle {state.cycle}"
    compressed = read_compressed_copy(path)
    assert compressed is None or decompress(compressed) == path.read_bytes()
    if policy is not None:
        backups = {
            item.last_updated_at and State.read_json_file(item.path).cycle
            for item in list_copies(path)
            if item.kind is CopyKind.backup and item.is_good
        }
        assert {cycle for cycle in (acknowledged, acknowledged - 1) if cycle >= 0} <= {*backups, state.cycle}


def test_the_model_knows_every_call_that_changes_the_disk():
    """A new call of the layer has to be modelled here, too."""
    unmodelled = {"set_mode", "set_owner"}
    assert {name for name in vars(RecordedFiles) if not name.startswith("_")} == set(CALLS) - unmodelled


def test_the_model_finds_a_save_that_does_not_flush(memory: Path):
    """Without a flush before the renaming, some disk has an empty file under the name."""
    path = memory / "demo.json"
    files = RecordedFiles(lambda call: None)
    temporary = memory / "temporary"
    descriptor = files.create(temporary, 0o600)
    files.write(descriptor, memoryview(b"content"))
    files.close(descriptor)
    files.rename(temporary, path)
    files.flush_folder(memory)
    contents = {names[path] for names in iterate_disks(files.disk, random.Random(0))}
    assert contents == {b"", b"con", b"content"}
    assert os.listdir(memory) == ["demo.json"]
