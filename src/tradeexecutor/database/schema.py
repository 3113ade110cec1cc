"""The tables, the same in SQLite and PostgreSQL.

A row of ``state_parts`` is one part of a state (:mod:`~tradeexecutor.database.parts`) as it was from revision
``added_in`` up to, and without, revision ``removed_in``.  A save adds rows for parts that are new or changed and sets
``removed_in`` of those that are no more; nothing else is ever written to a row.  The state of any revision is made of
the rows that lived then, each container in the order of ``ordinal``.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    select,
)

__all__ = [
    "ALIVE",
    "LAYOUT_VERSION",
    "TABLES",
    "layout",
    "metadata",
    "parts",
    "revisions",
    "select_parts",
    "strategies",
]

#: Version of the tables that this program reads and writes.
LAYOUT_VERSION = 1

#: `removed_in` of a part that lives: later than any revision.
ALIVE = 1 << 62


class _Bytes(LargeBinary):
    """Bytes as the driver gives them; a damaged row may have something else, which is found when it is read."""

    cache_ok = True

    def bind_processor(self, dialect: Any) -> None:
        return None

    def result_processor(self, dialect: Any, coltype: Any) -> None:
        return None


metadata = MetaData()

#: One row.
layout = Table("state_layout", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

strategies = Table(
    "state_strategies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False),  # executor id
    Column("oldest", BigInteger, nullable=False),  # number of the oldest revision that is kept
    Column("newest", BigInteger, nullable=False),  # number of the newest revision
    Column("seal", String(32), nullable=False),  # checksum of the other columns
    UniqueConstraint("name", name="state_strategies_name"),
)

revisions = Table(
    "state_revisions",
    metadata,
    Column("strategy_id", Integer, ForeignKey(strategies.c.id), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # the order of saves, from 1
    Column("saved_at", DateTime, nullable=False),  # what the clock said, UTC
    Column("cycle", BigInteger),
    Column("last_updated_at", DateTime),  # of the state, UTC
    Column("schema_version", Integer, nullable=False),  # of the state
    Column("size", BigInteger, nullable=False),  # bytes of the JSON text of the state
    Column("sha256", String(64), nullable=False),  # of that text
    Column("parts_sum", String(32), nullable=False),  # of the digests of all parts that live, modulo 2**128
    Column("parts_added", Integer, nullable=False),
    Column("parts_removed", Integer, nullable=False),
    Column("summary", Text, nullable=False),  # JSON: figures of the state, for people
    Column("seal", String(32), nullable=False),  # checksum of the other columns
)

parts = Table(
    "state_parts",
    metadata,
    Column("strategy_id", Integer, ForeignKey(strategies.c.id), primary_key=True),
    Column("added_in", BigInteger, primary_key=True, autoincrement=False),
    Column("path", Text, primary_key=True),  # JSON Pointer of the container
    Column("ordinal", BigInteger, primary_key=True, autoincrement=False),  # the order within the container
    Column("removed_in", BigInteger, nullable=False),
    Column("behind", Integer, nullable=False),  # so many parts stood behind this one when it was added
    Column("key", Text),  # of the entry; NULL when the part is a page of entries
    Column("body", _Bytes, nullable=False),  # JSON text
    # New rows are at the end of both indexes, so that a save touches few pages however large the tables are.
    Index("state_parts_removed", "strategy_id", "removed_in", "added_in"),
)

TABLES = frozenset(metadata.tables)


def select_parts(strategy_id: int, revision: int | None, *columns: Column[Any]) -> Any:
    """Return the query for the parts that live now, or lived in a revision."""
    query = select(*columns).where(parts.c.strategy_id == strategy_id)
    if revision is None:
        return query.where(parts.c.removed_in == ALIVE)
    return query.where(parts.c.removed_in > revision, parts.c.added_in <= revision)
