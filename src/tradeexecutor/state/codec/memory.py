"""Printing and reading JSON in a process whose memory is limited.

The C libraries end the process without an error when they get no memory. Where the memory has a limit
(``ulimit -v``), a tree is therefore printed in small pieces, and there must be enough memory before a text is parsed:
Python itself raises `MemoryError`. orjson reserves up to 256 bytes for each entry of a list.
"""

import mmap
from collections.abc import Iterator
from typing import Any, cast

import orjson

try:
    import resource
except ImportError:  # Windows
    resource = None

__all__ = ["has_memory_limit", "is_memory_limited", "print_in_pieces", "require_memory"]

#: Number of values that are printed together.
_PIECE = 1_000
#: Bytes that must be free for each printed or parsed byte.
_FACTOR = 16
#: Texts from this size are printed only after a check.
_LONG_TEXT = 1 << 16


class _Limit:
    """Whether there was a limit when `has_memory_limit` last asked."""

    is_set = False


def has_memory_limit() -> bool:
    """Return whether the operating system limits the address space of this process."""
    _Limit.is_set = resource is not None and resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    return _Limit.is_set


def is_memory_limited() -> bool:
    """Return what `has_memory_limit` returned last.

    It is asked once for every state that is read or written. This is for the many values in it.
    """
    return _Limit.is_set


has_memory_limit()


def require_memory(size: int) -> None:
    """Raise `MemoryError` if there is too little memory for a JSON text of `size` bytes and what it is made of."""
    needed = max(size, _LONG_TEXT) * _FACTOR
    try:
        mmap.mmap(-1, needed).close()
    except (OSError, ValueError, OverflowError):
        raise MemoryError(
            f"a JSON text of {size:,} bytes takes up to {needed:,} bytes of memory, which this process does not get"
        ) from None


def print_in_pieces(tree: Any) -> bytes:
    """Return what `orjson.dumps` returns for a plain tree; raises `MemoryError` if there is too little memory."""
    return b"".join(_iterate_pieces(tree))


def _iterate_pieces(value: Any) -> Iterator[bytes]:
    if isinstance(value, str):
        require_memory(len(value) * 6)
    if not isinstance(value, (dict, list)) or not value:
        yield orjson.dumps(value)
        return
    is_dict = isinstance(value, dict)
    items = list(cast(dict[str, Any], value).items()) if is_dict else [(None, item) for item in cast(list[Any], value)]
    comma = b"{" if is_dict else b"["
    start = 0
    while start < len(items):
        end = start
        while end < len(items) and end - start < _PIECE and _is_small(items[end]):
            end += 1
        if end > start:
            require_memory(_LONG_TEXT)
            piece = items[start:end]
            yield comma + orjson.dumps(dict(piece) if is_dict else [item for _, item in piece])[1:-1]
        else:
            key, item = items[start]
            yield comma if key is None else comma + orjson.dumps(key) + b":"
            yield from _iterate_pieces(item)
            end += 1
        start, comma = end, b","
    yield b"}" if is_dict else b"]"


def _is_small(entry: tuple[str | None, Any]) -> bool:
    key, value = entry
    if isinstance(value, (dict, list)):
        return not value
    return not isinstance(value, str) or len(value) + len(key or "") < 100
