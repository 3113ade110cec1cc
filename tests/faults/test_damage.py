"""Flipped bits, lost ends and foreign bytes in every file of a store: found, or without consequence."""

import random
from pathlib import Path

import pytest

from tests.kit.soak import scaled
from tests.kit.store_contract import make_state
from tests.kit.whole import make_whole_state
from tradeexecutor.state.errors import DamagedStateFile, InvalidStateFile
from tradeexecutor.state.files.checksum_header import HEAD_SIZE, read_checksum_header, verify_checksum_header
from tradeexecutor.state.files.compressed_copy import decompress, get_compressed_path, read_compressed_copy
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.copies import CopyKind, examine, list_copies, recover


@pytest.fixture
def path(memory: Path) -> Path:
    path = memory / "demo.json"
    with JSONFileStore(path, compressed=True) as store:
        store.sync(make_state("old"))
        store.sync(make_state("new"))
    return path


def flip(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.slow
def test_every_flipped_bit_is_found(path: Path):
    """All of them, one after the other: tens of thousands."""
    content = path.read_bytes()
    assert len(content) * 8 > 10_000
    for bit in range(len(content) * 8):
        with pytest.raises(InvalidStateFile):
            State.read_json_blob(flip(content, bit))


def test_every_flipped_bit_of_the_header_is_found_by_the_header_itself(path: Path):
    """Not only because what follows is no JSON any more."""
    content = path.read_bytes()
    header = read_checksum_header(content)
    assert header is not None
    for bit in range(8, header.length * 8):
        with pytest.raises(DamagedStateFile):
            verify_checksum_header(flip(content, bit))


def test_every_lost_end_is_found(path: Path):
    content = path.read_bytes()
    for length in range(len(content)):
        with pytest.raises(InvalidStateFile):
            State.read_json_blob(content[:length])


def test_every_lost_beginning_is_found(path: Path):
    content = path.read_bytes()
    for start in range(1, len(content)):
        with pytest.raises(InvalidStateFile):
            State.read_json_blob(content[start:])


@pytest.mark.slow
def test_damage_of_any_shape_is_found(memory: Path):
    """In a file with every class of the tree: overwritten blocks, moved blocks, zeros, foreign text."""
    path = memory / "whole.json"
    with JSONFileStore(path) as store:
        store.sync(make_whole_state())
    content = path.read_bytes()
    randomness = random.Random(4)
    for _ in range(scaled(10_000)):
        start, end = sorted(randomness.choices(range(len(content) + 1), k=2))
        length = min(end - start, randomness.choice((1, 2, 8, 512, 4096)))
        block = content[start : start + length]
        other = randomness.choice(
            (
                b"",
                bytes(length),
                block[::-1],
                block.swapcase(),
                block + block,
                randomness.randbytes(length),
                content[:length],
            )
        )
        changed = content[:start] + other + content[start + length :]
        if changed != content:
            with pytest.raises(InvalidStateFile):
                State.read_json_blob(changed)


def test_the_store_finds_a_flipped_bit_in_the_file_and_brings_the_state_back(path: Path):
    content = path.read_bytes()
    get_compressed_path(path).unlink()
    for bit in random.Random(5).sample(range(len(content) * 8), 20):
        path.write_bytes(flip(content, bit))
        with pytest.raises(InvalidStateFile, match="store recover"):
            JSONFileStore(path).load()
        done = recover(path)
        assert done.chosen is not None
        assert done.kept_as is not None
        assert done.kept_as.read_bytes() == flip(content, bit)
        assert JSONFileStore(path).load().name == "old"


@pytest.mark.slow
def test_a_harmed_compressed_copy_is_never_taken_for_the_file(path: Path):
    compressed = get_compressed_path(path).read_bytes()
    text = path.read_bytes()
    used = 0
    for bit in range(len(compressed) * 8):
        harmed = flip(compressed, bit)
        get_compressed_path(path).write_bytes(harmed)
        found = examine(get_compressed_path(path), CopyKind.compressed)
        assert not found.is_good or decompress(harmed) == text
        used += read_compressed_copy(path) is not None
    # The quick comparison of a web server looks at the beginning only; clients see the damage by the checksum header.
    assert used < len(compressed) * 8
    for length in range(len(compressed)):
        get_compressed_path(path).write_bytes(compressed[:length])
        assert not examine(get_compressed_path(path), CopyKind.compressed).is_good


def test_a_harmed_backup_is_not_used(path: Path):
    with JSONFileStore(path) as store:
        store.sync(make_state("newest"))
    path.write_bytes(b"")
    (newer, older) = (item for item in list_copies(path) if item.kind is CopyKind.backup)
    assert (newer.name, older.name) == ("new", "old")
    newer.path.write_bytes(flip(newer.path.read_bytes(), 8 * HEAD_SIZE))
    done = recover(path)
    assert done.chosen is not None
    assert done.chosen.path == older.path
    assert JSONFileStore(path).load().name == "old"
