"""How long the random tests of this folder run: the environment variable SOAK multiplies their numbers."""

import os

SOAK = max(1, int(os.environ.get("SOAK") or 1))


def scaled(number: int) -> int:
    """So many rounds in an ordinary run, SOAK times as many in a soak test."""
    return number * SOAK
