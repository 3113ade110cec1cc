"""The SQL store keeps the promises of every store, on SQLite and on PostgreSQL."""

from pathlib import Path

import pytest

from tests.database.places import DatabasePlace
from tests.kit.store_contract import DurableStoreContract, Place


@pytest.mark.slow
class TestSQLite(DurableStoreContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return DatabasePlace(f"sqlite:///{tmp_path}/trading.db")


@pytest.mark.slow
class TestPostgreSQL(DurableStoreContract):
    @pytest.fixture
    def place(self, postgresql: str) -> Place:
        return DatabasePlace(postgresql)
