"""Functions that write the tables: rows that a save adds, and rows that it marks as removed."""

import errno
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, inspect, select, text, update

from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.reading import Strategy, read_revision
from tradeexecutor.database.revisions import Revision, summarise
from tradeexecutor.database.row_index import RowChanges
from tradeexecutor.database.schema import ALIVE, LAYOUT_VERSION, TABLES, layout, metadata, parts, revisions, strategies
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.upcast import SCHEMA_VERSION
from tradeexecutor.state.errors import StateFileError
from tradeexecutor.state.state import State

__all__ = [
    "is_current",
    "make_strategy",
    "make_tables",
    "verify_revision",
    "write_changes",
    "write_revision",
    "write_strategy",
]

#: Key of the advisory lock that keeps two strategies from creating the tables at the same time.
_TABLES_LOCK = 0x7472616465


def make_tables(connection: Connection) -> None:
    """Create the tables if they do not exist; older ones belong to this version from now on."""
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _TABLES_LOCK})
    if not TABLES.intersection(inspect(connection).get_table_names()):
        metadata.create_all(connection)
        connection.execute(insert(layout), {"version": LAYOUT_VERSION})
        return
    version = _read_version(connection)
    if version is not None and version < LAYOUT_VERSION:  # without a version they are damaged, which the caller finds
        connection.execute(update(layout).values(version=LAYOUT_VERSION))
        if _read_version(connection) != LAYOUT_VERSION:
            raise OSError(errno.EIO, "the version of the tables that was read back is not what was written")


def _read_version(connection: Connection) -> int | None:
    return connection.execute(select(layout.c.version)).scalar()


def make_strategy(connection: Connection, name: str) -> Strategy:
    """Add a strategy without revisions."""
    values = {"name": name, "oldest": 1, "newest": 0, "seal": ""}
    (number,) = connection.execute(insert(strategies), values).inserted_primary_key or (0,)
    return Strategy(int(number), name, 1, 0)


def is_current(connection: Connection, strategy: Strategy) -> bool:
    """Return whether the record of a strategy in the database is still the given one."""
    query = select(strategies.c.seal).where(strategies.c.id == strategy.id)
    return connection.execute(query).scalar() == strategy.checksum


def write_strategy(connection: Connection, strategy: Strategy) -> None:
    """Write the record of a strategy."""
    values = {"oldest": strategy.oldest, "newest": strategy.newest, "seal": strategy.checksum}
    connection.execute(update(strategies).where(strategies.c.id == strategy.id).values(values))


def write_revision(
    connection: Connection,
    strategy: Strategy,
    changes: RowChanges,
    state: State,
    *,
    restored: int | None = None,
) -> Strategy:
    """Write the next revision of a strategy, and return the updated record of the strategy.

    Parameters
    ----------
    changes
        Rows to mark as removed, and rows to add.
    restored
        Number of the earlier save that is saved again; None for an ordinary save.
    """
    number = strategy.newest + 1
    revision = Revision(
        number=number,
        saved_at=utc_now(),
        cycle=state.cycle,
        last_updated_at=state.last_updated_at,
        schema_version=SCHEMA_VERSION,
        size=changes.index.measure_text(),
        sha256=changes.index.get_checksum(),
        parts_sum=f"{changes.index.sum:032x}",
        parts_added=len(changes.added),
        parts_removed=len(changes.removed),
        summary=summarise(state, changes, restored),
    )
    write_changes(connection, strategy.id, number, changes)
    connection.execute(insert(revisions), revision.to_row(strategy.id))
    after = Strategy(strategy.id, strategy.name, strategy.oldest, number)
    write_strategy(connection, after)
    return after


def write_changes(connection: Connection, strategy_id: int, revision: int, changes: RowChanges) -> None:
    """Mark rows as removed and add the rows of a revision."""
    if changes.removed:
        query = (
            update(parts)
            .where(
                and_(
                    parts.c.strategy_id == strategy_id,
                    parts.c.path == bindparam("old_path"),
                    parts.c.ordinal == bindparam("old_ordinal"),
                    parts.c.added_in == bindparam("old_added_in"),
                )
            )
            .values(removed_in=revision)
        )
        old = [
            {"old_path": path, "old_ordinal": entry.ordinal, "old_added_in": entry.added_in}
            for path, entry in changes.removed
        ]
        connection.execute(query, old)
    if changes.added:
        new: list[dict[str, Any]] = [
            {
                "strategy_id": strategy_id,
                "path": path,
                "ordinal": ordinal,
                "behind": behind,
                "added_in": revision,
                "removed_in": ALIVE,
                "key": key,
                "body": body,
            }
            for path, key, ordinal, behind, body in changes.added
        ]
        connection.execute(insert(parts), new)


def verify_revision(connection: Connection, address: DatabaseAddress, strategy: Strategy, changes: RowChanges) -> None:
    """Read back what `write_revision` wrote: the rows, and the records of the save and the strategy.

    Parameters
    ----------
    strategy
        The updated record of the strategy.

    Raises
    ------
    OSError
        The database has something else than what was written.
    """
    number = strategy.newest
    own = parts.c.strategy_id == strategy.id
    added = select(parts.c.path, parts.c.key, parts.c.ordinal, parts.c.behind, parts.c.body).where(
        own, parts.c.removed_in == ALIVE, parts.c.added_in == number
    )
    removed = select(parts.c.path, parts.c.ordinal, parts.c.added_in).where(own, parts.c.removed_in == number)
    found: list[Any] = [(*row[:4], bytes(row[4])) for row in connection.execute(added)]
    is_same = sorted(found, key=_get_place) == sorted(changes.added, key=_get_place)
    old = {(path, entry.ordinal, entry.added_in) for path, entry in changes.removed}
    is_same = is_same and {tuple(row) for row in connection.execute(removed)} == old
    record = connection.execute(select(strategies).where(strategies.c.id == strategy.id)).first()
    expected = strategy.id, strategy.name, strategy.oldest, strategy.newest, strategy.checksum
    is_same = is_same and record is not None and tuple(record) == expected
    try:
        is_same = is_same and read_revision(connection, address, strategy).parts_sum == f"{changes.index.sum:032x}"
    except StateFileError:
        is_same = False
    if not is_same:
        raise OSError(errno.EIO, f"save {number:,} that was read back is not what was written")


def _get_place(row: Any) -> tuple[str, int]:
    return row[0], row[2]
