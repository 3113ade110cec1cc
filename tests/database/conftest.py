"""A PostgreSQL server for the tests of this folder, started once."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database.server import start_server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of an empty database on a server of our own; skips where none can run."""
    with start_server() as url:
        yield url


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Address of a strategy in an SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path}/trading.db#demo"


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: for tests of very many saves, in which flushing a disk proves nothing."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as name:
        yield Path(name)
