"""Made-up addresses for tests."""

import random

__all__ = ["generate_random_ethereum_address"]


def generate_random_ethereum_address() -> str:
    """Return a random address in lower case.

    The numbers come from `random`, so that a test which seeds it gets the same addresses again.
    """
    return f"0x{random.getrandbits(160):040x}"
