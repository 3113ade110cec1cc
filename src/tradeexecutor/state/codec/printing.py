"""What plain trees are made for: parts of a tree that is only printed may be JSON text already."""

import contextlib
import threading
from collections.abc import Generator
from typing import Any

import msgspec
import orjson

from tradeexecutor.state.codec.memory import has_memory_limit

__all__ = ["encode_repeated_objects_once", "print_numbered", "print_part", "printing"]


class Printing(threading.local):
    """What the trees that this thread makes are for."""

    #: What repeated objects were encoded as, by object id; None when each occurrence gets its own dictionary.
    known: dict[int, Any] | None = None
    #: Whether a tree is only given to `dump`, so that parts of it may be JSON text.
    is_active: bool = False
    #: Whether entries of which texts are kept are these texts in a tree that is not only for `dump`.
    has_texts: bool = False


#: Of the calling thread.
printing = Printing()


@contextlib.contextmanager
def encode_repeated_objects_once(*, only_for_dump: bool = False, has_texts: bool = False) -> Generator[None]:
    """Let trees made inside the block contain one dict in several places; only for trees that are not changed.

    Parameters
    ----------
    only_for_dump
        Whether trees are given to `dump` and nobody else. Parts of them are then JSON text already.
    has_texts
        Whether other trees contain, instead of the data of an entry that rarely changes, its JSON text.
    """
    before = printing.known, printing.is_active, printing.has_texts
    has_limit = has_memory_limit()
    printing.known, printing.is_active = {}, only_for_dump and not has_limit
    printing.has_texts = has_texts and not has_limit
    try:
        yield
    finally:
        printing.known, printing.is_active, printing.has_texts = before


def print_part(data: Any) -> Any:
    """Return the text of a part of a tree; the part itself if it has a wrong text, which `dump` finds with its path."""
    try:
        return orjson.Fragment(b"%b" % orjson.dumps(data))  # a copy, whose buffer is not larger than the text
    except TypeError:
        return data


def print_numbered(table: dict[int, Any]) -> bytes | None:
    """Return the JSON text of a dictionary of numbers; None if a key has more than 64 bits."""
    try:
        text = msgspec.json.encode(table)
        # It takes two thirds of the time of orjson, and writes numbers alike, except those with an exponent.
        return text if b"e" not in text else orjson.dumps(table, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, OverflowError, msgspec.MsgspecError):
        return None
