"""A strategy in an SQL database, as a place for the contract of all stores."""

import contextlib
import dataclasses
import functools
import uuid
from collections.abc import Iterator

from sqlalchemy import update

from tests.database.faulty import Faults, connect, make_error
from tests.faults.files import Crash, fail_at
from tests.kit.store_contract import Place
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.connection import Database
from tradeexecutor.database.reading import read_revision, read_strategy
from tradeexecutor.database.schema import parts, revisions
from tradeexecutor.database.store import SQLStateStore


class DatabasePlace(Place):
    """A strategy in a database."""

    def __init__(self, url: str):
        name = f"demo-{uuid.uuid4().hex[:8]}"
        self.address = DatabaseAddress.parse(f"{url}#{name}")
        self.text = f"{url}#{name}"
        self.faults = Faults()

    def open(self) -> SQLStateStore:
        return self._open(self.faults)

    def _open(self, faults: Faults) -> SQLStateStore:
        return SQLStateStore(self.address, connect=functools.partial(connect, self.address, faults))

    def open_dying(self, steps: int) -> SQLStateStore:
        return self._open(Faults(fail_at(steps, Crash())))

    def get_expression(self) -> str:
        return f"__import__('tradeexecutor.database.store', fromlist=['SQLStateStore']).SQLStateStore({self.text!r})"

    @contextlib.contextmanager
    def refuse(self, code: int) -> Iterator[None]:
        def fail(number: int, statement: str) -> None:
            if not statement.startswith("PRAGMA"):
                raise make_error(self.address, code)

        self.faults.fault = fail
        yield
        self.faults.fault = Faults().fault

    def damage(self) -> None:
        with Database(self.address).open_for_writing() as connection, connection.begin():
            strategy = read_strategy(connection, self.address)
            assert strategy is not None
            where = (parts.c.strategy_id == strategy.id) & (parts.c.path == "/portfolio/open_positions")
            assert connection.execute(update(parts).where(where).values(body=b'{"1":{}}')).rowcount

    def make_newer(self) -> None:
        with Database(self.address).open_for_writing() as connection, connection.begin():
            strategy = read_strategy(connection, self.address)
            assert strategy is not None
            newest = read_revision(connection, self.address, strategy)
            newer = dataclasses.replace(newest, schema_version=newest.schema_version + 1)
            where = (revisions.c.strategy_id == strategy.id) & (revisions.c.number == newest.number)
            connection.execute(update(revisions).where(where).values(newer.to_row(strategy.id)))
