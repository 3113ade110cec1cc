"""The tables, which are the same in SQLite and PostgreSQL.

A row of ``state_parts`` is one part of a state (:mod:`~tradeexecutor.database.parts`) from revision ``added_in`` up to,
but not including, revision ``removed_in``. A save adds rows for new and changed parts and sets ``removed_in`` of rows
that are no longer valid; nothing else is ever written to a row. The state of any revision consists of the rows that
were valid then, each container in the order of ``ordinal``.
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

#: Version of the tables that this program writes; it reads older ones, too. Until version 1, `sha256` of a revision was
#: the checksum of the JSON text.
LAYOUT_VERSION = 2

#: `removed_in` of a current part: later than any revision.
ALIVE = 1 << 62


class _Bytes(LargeBinary):
    """Bytes of the driver without conversion. A damaged row may contain another type, which is found on reading."""

    cache_ok = True

    def bind_processor(self, dialect: Any) -> None:
        return None

    def result_processor(self, dialect: Any, coltype: Any) -> None:
        return None


metadata = MetaData()

#: Table with a single row.
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
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # order of saves, from 1
    Column("saved_at", DateTime, nullable=False),  # time of the clock, UTC
    Column("cycle", BigInteger),
    Column("last_updated_at", DateTime),  # of the state, UTC
    Column("schema_version", Integer, nullable=False),  # of the state
    Column("size", BigInteger, nullable=False),  # bytes of the JSON text of the state
    Column("sha256", String(64), nullable=False),  # of the sum of its parts and the size, see `row_index`
    Column("parts_sum", String(32), nullable=False),  # sum of the digests of all valid parts, modulo 2**128
    Column("parts_added", Integer, nullable=False),
    Column("parts_removed", Integer, nullable=False),
    Column("summary", Text, nullable=False),  # JSON: figures of the state, for messages
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
    Column("behind", Integer, nullable=False),  # number of parts after this one when it was added
    Column("key", Text),  # of the entry; NULL when the part is a page of entries
    Column("body", _Bytes, nullable=False),  # JSON text
    # New rows come at the end of both indexes, so a save changes few pages even when the tables are large.
    Index("state_parts_removed", "strategy_id", "removed_in", "added_in"),
)

TABLES = frozenset(metadata.tables)


def select_parts(strategy_id: int, revision: int | None, *columns: Column[Any]) -> Any:
    """Return the query for the parts that are valid now, or that were valid in a revision."""
    query = select(*columns).where(parts.c.strategy_id == strategy_id)
    if revision is None:
        return query.where(parts.c.removed_in == ALIVE)
    return query.where(parts.c.removed_in > revision, parts.c.added_in <= revision)
