"""Importing libraries that change the recursion limit of the whole process.

py-ecc, which eth-account brings, raises it to 100,000.  A limit above what the stack of the process holds turns the
error that a deeply nested file is refused with into a crash.
"""

import contextlib
import sys
from collections.abc import Generator

__all__ = ["keep_recursion_limit"]


@contextlib.contextmanager
def keep_recursion_limit() -> Generator[None]:
    """Restore the recursion limit after the imports inside."""
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
