"""Counting of colons in JSON texts, by which a load notices keys that a parser has dropped."""

import sys
from typing import Any

__all__ = ["count_colons"]

#: Bytes of a text from which NumPy is faster.
_LONG = 1 << 13
#: Bytes that are compared at once: they and the result of their comparison fit into the cache of a processor core.
_PIECE = 1 << 17


def count_colons(text: bytes) -> int:
    """Return the number of colons in a text.

    NumPy counts in a fifth of the time, which is a sixth of the time of parsing. It is used only if the program has
    loaded it already, as every program that trades has: importing it takes longer than reading a large state.
    """
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or len(text) < _LONG:
        return text.count(b":")
    try:
        codes = numpy.frombuffer(text, numpy.uint8)
        count = numpy.count_nonzero
    except AttributeError:  # another thread is importing it
        return text.count(b":")
    return sum(int(count(codes[start : start + _PIECE] == ord(":"))) for start in range(0, len(text), _PIECE))
