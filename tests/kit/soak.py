"""How much the random and fault tests do (SOAK multiplies their numbers), and what they choose (SOAK_SEED)."""

import os

#: Bytes on the file system that the tests of a full disk fill up.
SMALL_DISK_SIZE = 256 * 1024

SOAK = max(1, int(os.environ.get("SOAK") or 1))

#: Seed of tests that choose at random without Hypothesis; another one makes a repeated soak try other moments.
SEED = int(os.environ.get("SOAK_SEED") or 14)


def scaled(number: int) -> int:
    """So many rounds in an ordinary run, SOAK times as many in a soak test."""
    return number * SOAK
