"""Removal of old saves, which frees space."""

import datetime
import math
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select

from tradeexecutor.database.reading import Strategy, read_revisions
from tradeexecutor.database.revisions import Revision
from tradeexecutor.database.schema import parts, revisions
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.database.writing import write_strategy
from tradeexecutor.state.errors import InvalidValue

__all__ = ["Compaction", "compact", "plan_compaction"]


@dataclass(frozen=True, slots=True)
class Compaction:
    """Amounts that a compaction will remove, or has removed.

    Attributes
    ----------
    removed_revisions, removed_rows, removed_bytes
        Number of saves, number of rows that only these saves needed, and bytes of JSON in these rows.
    oldest, newest
        First and last number of the saves that are kept.
    size_before, size_after
        Bytes on the disk; None for a server, which reuses freed space by itself. `size_after` is None before the
        compaction.
    """

    removed_revisions: int
    removed_rows: int
    removed_bytes: int
    oldest: int
    newest: int
    size_before: int | None = None
    size_after: int | None = None


def plan_compaction(store: SQLStateStore, keep: int | None = None, days: float | None = None) -> Compaction:
    """Return what `compact` would do, without changes. Raises the errors of `compact` except `StoreLocked`."""
    with store.reading() as (connection, strategy):
        oldest = _choose_oldest(read_revisions(connection, store.address, strategy), keep, days)
        return _measure(connection, strategy, oldest)


def compact(store: SQLStateStore, keep: int | None = None, days: float | None = None) -> Compaction:
    """Remove old saves. The other saves do not change.

    Parameters
    ----------
    keep
        Number of newest saves to keep.
    days
        Saves that are at most this many days older than the newest save are kept, too.

    Raises
    ------
    InvalidValue
        Neither is given, or nothing would be kept.
    FileNotFoundError
        Nothing was ever saved there.
    StoreLocked
        A process writes to the strategy.
    DamagedStateFile
        Records are damaged, so the saves to keep are not known.
    SaveFailed
        The database refused; nothing was removed.
    """
    with store.reading() as (connection, strategy):
        _choose_oldest(read_revisions(connection, store.address, strategy), keep, days)
    size_before = get_size(store)
    with store.writing() as connection:
        strategy = store.require_strategy(connection)
        oldest = _choose_oldest(read_revisions(connection, store.address, strategy), keep, days)
        plan = _measure(connection, strategy, oldest)
        own = parts.c.strategy_id == strategy.id
        connection.execute(delete(parts).where(own, parts.c.removed_in <= oldest))
        connection.execute(delete(revisions).where(revisions.c.strategy_id == strategy.id, revisions.c.number < oldest))
        write_strategy(connection, Strategy(strategy.id, strategy.name, oldest, strategy.newest))
    if plan.removed_revisions:
        store.vacuum()
    return Compaction(
        plan.removed_revisions,
        plan.removed_rows,
        plan.removed_bytes,
        plan.oldest,
        plan.newest,
        size_before,
        get_size(store),
    )


def _choose_oldest(records: list[Revision], keep: int | None, days: float | None) -> int:
    if keep is None and days is None:
        raise InvalidValue("say how many saves to keep, or of how many days")
    if (keep is not None and keep < 1) or (days is not None and not 0 < days < math.inf):
        raise InvalidValue("at least the newest save stays: keep 1 or more, or of a positive number of days")
    candidates: list[int] = []
    if keep is not None:
        candidates.append(records[-keep:][0].number)
    if days is not None:
        age = min(days, (records[-1].saved_at - datetime.datetime.min).days)
        since = records[-1].saved_at - datetime.timedelta(days=age)
        candidates.append(next(item.number for item in records if item.saved_at >= since))
    return min(candidates)


def _measure(connection: Connection, strategy: Strategy, oldest: int) -> Compaction:
    query = select(func.count(), func.coalesce(func.sum(func.length(parts.c.body)), 0)).where(
        parts.c.strategy_id == strategy.id, parts.c.removed_in <= oldest
    )
    rows, size = connection.execute(query).one()
    return Compaction(oldest - strategy.oldest, int(rows), int(size), oldest, strategy.newest)


def get_size(store: SQLStateStore) -> int | None:
    """Return the size of an SQLite database on the disk including its log, bytes; None for a server."""
    path = store.address.path
    if path is None:
        return None
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(item.stat().st_size for item in files if item.exists())
