"""JSON text of plain trees."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import orjson

from tradeexecutor.state.codec.bounds import MAX_FILE_SIZE, find_fault
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.codec.memory import has_memory_limit, print_in_pieces, require_memory
from tradeexecutor.state.codec.packed_entries import print_packed
from tradeexecutor.state.errors import BadStateData, InvalidStateFile

__all__ = ["dump", "parse", "trim"]


def parse(text: str | bytes, path: Path | None = None) -> Any:
    """Parse strict JSON; integers of any size stay exact.

    Raises
    ------
    InvalidStateFile
        The text is not JSON. The tokens ``NaN`` and ``Infinity`` of some writers are not JSON either.
    MemoryError
        There is too little memory.
    """
    if has_memory_limit():
        require_memory(len(text))
    try:
        with pause_garbage_collection():
            return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        if not text.strip():
            raise InvalidStateFile("it is empty", path) from e
        raise InvalidStateFile(f"not valid JSON: {e}", path) from e


def trim(text: bytes) -> bytes:
    """Return a copy of a text that is kept.

    orjson returns a text in a buffer of at least 4 kB, or up to twice as large as a longer text.
    """
    return b"%b" % text


def dump(tree: Any) -> bytes:
    """Print a plain tree as compact UTF-8 JSON; the tree must come from `encode`.

    Raises
    ------
    BadStateData
        The tree contains a value that JSON cannot represent, or the text is larger than any that is read.
    MemoryError
        There is too little memory.
    """
    try:
        text = print_in_pieces(tree) if has_memory_limit() else orjson.dumps(tree, default=print_packed)
    except TypeError as e:
        path, reason = find_fault(tree, levels=sys.maxsize) or ("", str(e))
        raise BadStateData(reason, path) from e
    if len(text) > MAX_FILE_SIZE:
        raise BadStateData(f"the text has {len(text):,} bytes, at most {MAX_FILE_SIZE:,} can be read")
    return text
