"""Protection against libraries that change the recursion limit of the whole process.

py-ecc, a dependency of eth-account, raises it to 100,000. Such a limit exceeds the stack of the process, so a deeply
nested file would crash the process instead of raising an error.
"""

import contextlib
import sys
from collections.abc import Generator

__all__ = ["keep_recursion_limit"]


@contextlib.contextmanager
def keep_recursion_limit() -> Generator[None]:
    """Restore the recursion limit at the end of the `with` block."""
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
