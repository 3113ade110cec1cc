"""Where things are: the repository, and the shared data folder that some tests compare with.

The shared folder holds state files of real strategies and recorded values. It is not part of the repository; it is
looked for beside the checkout, or where the environment variable TRADEEXECUTOR_SHARED points. Tests ask for the
fixtures of `conftest.py`, which skip where it is absent.
"""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

NO_SHARED = "the shared data folder is absent (set TRADEEXECUTOR_SHARED to point at it)"


def find_shared_dir() -> Path | None:
    """The shared data folder, or None when this machine has none."""
    path = Path(os.environ.get("TRADEEXECUTOR_SHARED") or REPOSITORY.parent / "shared")
    return path if (path / "states").is_dir() else None


def find_state_files() -> list[Path]:
    """The real state files, smallest first; empty when the shared folder is absent."""
    shared = find_shared_dir()
    return sorted((shared / "states").glob("*.json"), key=lambda path: path.stat().st_size) if shared else []
