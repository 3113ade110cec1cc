"""How much the random and fault tests do: the environment variable SOAK multiplies their numbers."""

import os

#: Bytes on the file system that the tests of a full disk fill up.
SMALL_DISK_SIZE = 256 * 1024

SOAK = max(1, int(os.environ.get("SOAK") or 1))


def scaled(number: int) -> int:
    """So many rounds in an ordinary run, SOAK times as many in a soak test."""
    return number * SOAK
