"""The compressed copy: it is of just this save, or it is not used."""

import logging
import os
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import pytest

from tests.faults.files import FaultyFiles, fail_always
from tests.kit.store_contract import make_state
from tradeexecutor.state.errors import DamagedStateFile, InvalidStateFile, SaveFailed
from tradeexecutor.state.files import compressed_copy
from tradeexecutor.state.files.compressed_copy import decompress, get_compressed_path, read_compressed_copy
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "demo.json"
    with JSONFileStore(path, compressed=True) as store:
        store.sync(make_state())
    return path


def test_it_holds_the_very_bytes_of_the_file(path: Path):
    compressed = read_compressed_copy(path)
    assert compressed is not None
    assert compressed == path.with_name("demo.json.br").read_bytes()
    assert brotli.decompress(compressed) == path.read_bytes()
    assert len(compressed) < path.stat().st_size / 2


def test_it_is_written_only_where_wanted(tmp_path: Path):
    path = tmp_path / "demo.json"
    with JSONFileStore(path) as store:
        store.sync(make_state())
    assert not get_compressed_path(path).exists()
    assert read_compressed_copy(path) is None


def test_a_save_without_one_removes_the_old_one(path: Path):
    """A web server that sends whatever is there would send an old state for ever."""
    with JSONFileStore(path) as store:
        store.sync(make_state("second"))
    assert not get_compressed_path(path).exists()


def test_a_copy_of_another_save_is_not_used(path: Path):
    compressed = get_compressed_path(path).read_bytes()
    with JSONFileStore(path) as store:
        store.sync(make_state("second"))
    get_compressed_path(path).write_bytes(compressed)
    assert read_compressed_copy(path) is None


def test_a_copy_of_a_file_without_a_seal_is_not_used(tmp_path: Path):
    path = tmp_path / "demo.json"
    make_state().write_json_file(path)
    get_compressed_path(path).write_bytes(brotli.compress(path.read_bytes()))
    assert read_compressed_copy(path) is None


def test_without_the_file_there_is_no_copy_of_it(path: Path):
    path.unlink()
    assert read_compressed_copy(path) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00" * 100])
def test_what_is_not_brotli_is_not_used(path: Path, content: bytes):
    get_compressed_path(path).write_bytes(content)
    assert read_compressed_copy(path) is None
    with pytest.raises(DamagedStateFile, match="compressed copy"):
        decompress(content)


def test_decompressing_gives_the_text(path: Path):
    assert decompress(get_compressed_path(path).read_bytes()) == path.read_bytes()
    assert decompress(brotli.compress(b"")) == b""


def test_a_bomb_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compressed_copy, "_MAX_TEXT_BYTES", 10_000_000)
    bomb = brotli.compress(bytes(11_000_000))
    assert len(bomb) < 100
    with pytest.raises(DamagedStateFile, match="larger than any state"):
        decompress(bomb)


def test_when_the_copy_cannot_be_written_the_save_is_done_all_the_same(path: Path, caplog: pytest.LogCaptureFixture):
    def fail(number: int, name: str) -> None:
        if name == "create" and "rename" in files.calls:  # the state is saved
            raise OSError(28, "No space left on device")

    files = FaultyFiles(fail)
    with JSONFileStore(path, compressed=True, files=files) as store, caplog.at_level(logging.WARNING):
        store.sync(make_state("second"))
    assert State.read_json_file(path).name == "second"
    assert not get_compressed_path(path).exists()
    assert "is saved, but a file beside it" in caplog.text


def test_an_old_copy_that_cannot_be_removed_stops_the_save(path: Path):
    """It would go on to be sent."""
    with JSONFileStore(path, files=FaultyFiles(fail_always(13, "unlink"))) as store, pytest.raises(SaveFailed):
        store.sync(make_state("second"))
    assert State.read_json_file(path).name == "first"


def test_a_flipped_bit_is_never_served(path: Path):
    """Brotli decompresses many damaged texts to another text, without an error."""
    compressed = get_compressed_path(path).read_bytes()
    text = path.read_bytes()
    step = max(1, len(compressed) * 8 // 600)
    silent = 0
    for bit in range(0, len(compressed) * 8, step):
        damaged = bytearray(compressed)
        damaged[bit // 8] ^= 1 << bit % 8
        get_compressed_path(path).write_bytes(damaged)
        served = read_compressed_copy(path)
        if served is None:
            silent += is_other_text(bytes(damaged), text)
        else:
            assert brotli.decompress(served) == text, bit
    assert silent > 50, "only the checksum found these"


def is_other_text(compressed: bytes, text: bytes) -> bool:
    try:
        return brotli.decompress(compressed) != text
    except brotli.error:
        return False


@pytest.mark.parametrize("damage", ["cut off", "something behind", "twice"])
def test_a_copy_with_another_end_is_not_served(path: Path, damage: str):
    copy = get_compressed_path(path)
    compressed = copy.read_bytes()
    copy.write_bytes(
        {"cut off": compressed[:-1], "something behind": compressed + b"x", "twice": compressed * 2}[damage]
    )
    assert read_compressed_copy(path) is None


def test_a_damaged_copy_is_told_of(path: Path, caplog: pytest.LogCaptureFixture):
    copy = get_compressed_path(path)
    copy.write_bytes(copy.read_bytes()[:-1])
    assert read_compressed_copy(path) is None
    assert "demo.json.br is not used: the compressed copy is cut off" in caplog.text


@pytest.mark.parametrize("which", ["state", "copy"])
def test_a_pipe_is_refused_and_not_waited_for(path: Path, which: str):
    with JSONFileStore(path, compressed=True) as store:
        store.sync(make_state())
    pipe = path if which == "state" else get_compressed_path(path)
    pipe.unlink()
    os.mkfifo(pipe)
    with pytest.raises(InvalidStateFile, match="a device or a pipe"):
        read_compressed_copy(path)
