"""Functions that read the tables and verify their checksums."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, inspect, literal, select

from tradeexecutor.database.address import AsOf, DatabaseAddress
from tradeexecutor.database.failures import make_damaged
from tradeexecutor.database.parts import Part, TextPart, assemble
from tradeexecutor.database.revisions import Revision, get_row_checksum
from tradeexecutor.database.row_index import SUM_MODULUS, RowIndex, get_digest
from tradeexecutor.database.schema import LAYOUT_VERSION, TABLES, layout, parts, revisions, select_parts, strategies
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.codec.upcast import SCHEMA_VERSION
from tradeexecutor.state.errors import NewerStateFile, RevisionNotFound, StateFileError

__all__ = [
    "Strategy",
    "find_revision",
    "finding_damage",
    "list_strategies",
    "read_revision",
    "read_revisions",
    "read_row_index",
    "read_strategy",
    "read_text",
]


@dataclass(frozen=True, slots=True)
class Strategy:
    """Record of a strategy in the database.

    Attributes
    ----------
    id, name
        Key in the tables, and executor id.
    oldest, newest
        First and last number of the revisions that are kept.
    """

    id: int
    name: str
    oldest: int
    newest: int

    @property
    def checksum(self) -> str:
        """Checksum of the row."""
        return get_row_checksum(self.id, self.name, self.oldest, self.newest)


@contextlib.contextmanager
def finding_damage(address: DatabaseAddress) -> Generator[None]:
    """Turn errors inside the `with` block, which reads rows, into `DamagedStateFile`."""
    try:
        yield
    except StateFileError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError, RecursionError) as error:
        raise make_damaged(str(error) or type(error).__name__, address) from error


def list_strategies(connection: Connection, address: DatabaseAddress, *, is_damaged: bool = False) -> list[Strategy]:
    """Return all strategies by name; empty when nothing was ever saved in this database.

    Parameters
    ----------
    is_damaged
        Whether the database is known to be damaged: then missing records are not reported.

    Raises
    ------
    NewerStateFile
        A newer program has created the tables.
    DamagedStateFile
        Rows are missing or changed.
    """
    found = TABLES.intersection(inspect(connection).get_table_names())
    if not found:
        return []
    if found != TABLES:
        raise make_damaged(f"tables are missing: {', '.join(sorted(TABLES - found))}", address)
    with finding_damage(address):
        version = connection.execute(select(layout.c.version)).scalar()
        if version is None or version < 1:
            raise make_damaged("the version of its tables is missing", address)
        if version > LAYOUT_VERSION:
            raise NewerStateFile(version, LAYOUT_VERSION, str(address))
        listed: list[Strategy] = []
        for *values, checksum in connection.execute(select(strategies)):
            strategy = Strategy(*values)
            if strategy.checksum != checksum:
                raise make_damaged(f"the record of strategy {strategy.name!r} is damaged", address)
            listed.append(strategy)
        ids = [strategy.id for strategy in listed]
        for table in () if is_damaged else (revisions, parts):
            orphan = select(literal(1)).where(table.c.strategy_id.not_in(ids)).limit(1)
            if connection.execute(orphan).first():
                raise make_damaged("the record of a strategy is missing", address)
        return sorted(listed, key=lambda strategy: strategy.name)


def read_strategy(connection: Connection, address: DatabaseAddress) -> Strategy | None:
    """Return the strategy of an address; None when nothing was ever saved there. Raises as `list_strategies`."""
    found = (item for item in list_strategies(connection, address) if item.name == address.strategy)
    return next(found, None)


def read_revision(
    connection: Connection, address: DatabaseAddress, strategy: Strategy, number: int | None = None
) -> Revision:
    """Return the record of a save, by default of the newest.

    Raises
    ------
    RevisionNotFound
        There is no save with this number.
    DamagedStateFile
        The record is missing or changed.
    """
    number = strategy.newest if number is None else number
    if not strategy.oldest <= number <= strategy.newest:
        raise RevisionNotFound(str(address), f"{number:,}", strategy.oldest, strategy.newest)
    query = select(revisions).where(revisions.c.strategy_id == strategy.id, revisions.c.number == number)
    with finding_damage(address):
        row = connection.execute(query).first()
        if row is None:
            raise make_damaged(f"the record of save {number:,} is missing", address)
        revision = Revision.from_row(row)
        if row[0] != strategy.id or revision.number != number:
            raise make_damaged(f"the record of save {number:,} is damaged", address)
        return revision


def read_revisions(
    connection: Connection, address: DatabaseAddress, strategy: Strategy, first: int | None = None
) -> list[Revision]:
    """Return the records of all saves from a given number on, oldest first.

    Raises
    ------
    DamagedStateFile
        A record is missing or changed.
    """
    first = max(strategy.oldest, first or 0)
    query = (
        select(revisions)
        .where(revisions.c.strategy_id == strategy.id, revisions.c.number >= first)
        .order_by(revisions.c.number)
    )
    with finding_damage(address):
        found = [Revision.from_row(row) for row in connection.execute(query)]
    if [item.number for item in found] != list(range(first, strategy.newest + 1)):
        raise make_damaged("the record of a save is missing", address)
    return found


def find_revision(
    connection: Connection,
    address: DatabaseAddress,
    strategy: Strategy,
    at: AsOf | None = None,
    cycle: int | None = None,
) -> Revision:
    """Return the record of the last save at or before a time or cycle.

    Raises
    ------
    RevisionNotFound
        There was no save yet, or it is no longer kept.
    DamagedStateFile
        Records are missing or changed.
    """
    if at is None and cycle is None:
        return read_revision(connection, address, strategy)
    if isinstance(at, int):
        return read_revision(connection, address, strategy, at)
    conditions: list[ColumnElement[bool]] = []
    wanted: list[str] = []
    if at is not None:
        conditions.append(revisions.c.saved_at <= at)
        wanted.append(f"of {at:%Y-%m-%d %H:%M:%S} or before")
    if cycle is not None:
        conditions.append(revisions.c.cycle <= cycle)
        wanted.append(f"of cycle {cycle:,} or before")
    query = (
        select(revisions.c.number)
        .where(revisions.c.strategy_id == strategy.id, *conditions)
        .order_by(revisions.c.number.desc())
        .limit(1)
    )
    number = connection.execute(query).scalar()
    # The search misses a record whose time or cycle is damaged, so all later records are verified.
    later = read_revisions(connection, address, strategy, strategy.oldest if number is None else number)
    matching = [
        item
        for item in later
        if (at is None or item.saved_at <= at) and (cycle is None or (item.cycle is not None and item.cycle <= cycle))
    ]
    if not matching:
        raise RevisionNotFound(str(address), " and ".join(wanted), strategy.oldest, strategy.newest)
    return matching[-1]


def read_text(connection: Connection, address: DatabaseAddress, strategy: Strategy, revision: Revision) -> bytes:
    """Return the JSON text of a state exactly as it was saved.

    Raises
    ------
    DamagedStateFile
        Parts are missing, or the checksum does not match.
    NewerStateFile
        A newer program has saved it.
    """
    check_version(revision, address)
    number = None if revision.number == strategy.newest else revision.number
    columns = (parts.c.path, parts.c.key, parts.c.ordinal, parts.c.behind, parts.c.body)
    query = select_parts(strategy.id, number, *columns)
    with finding_damage(address), pause_garbage_collection():
        rows: dict[str, list[tuple[int, Part]]] = {}
        found_rows: Any = connection.execute(query)
        total = 0
        for path, key, ordinal, behind, body in found_rows:
            total += get_digest(path, key, ordinal, behind, body)
            rows.setdefault(path, []).append((ordinal, TextPart(key, body)))
        containers: dict[str, list[Part]] = {}
        for path, found in rows.items():
            found.sort(key=lambda item: item[0])
            containers[path] = [part for _, part in found]
        try:
            text = b"".join(assemble(containers))
        except (LookupError, ValueError):
            raise make_damaged(f"parts of save {revision.number:,} are missing", address) from None
        if f"{total % SUM_MODULUS:032x}" != revision.parts_sum or len(text) != revision.size:
            raise make_damaged(f"save {revision.number:,} is not what was saved, the checksum does not match", address)
        return text


def check_version(revision: Revision, address: DatabaseAddress) -> None:
    """Raise `NewerStateFile` when a newer program has saved the revision."""
    if revision.schema_version > SCHEMA_VERSION:
        raise NewerStateFile(revision.schema_version, SCHEMA_VERSION, str(address))


def read_row_index(
    connection: Connection, address: DatabaseAddress, strategy: Strategy, revision: Revision
) -> RowIndex:
    """Return the index of the rows of the newest revision, with which the next save is compared.

    Raises
    ------
    DamagedStateFile
        The rows are not what was written.
    """
    columns = (parts.c.path, parts.c.key, parts.c.ordinal, parts.c.added_in, parts.c.behind, parts.c.body)
    query = select_parts(strategy.id, None, *columns)
    index = RowIndex()
    with finding_damage(address), pause_garbage_collection():
        found_rows: Any = connection.execute(query)
        for path, key, ordinal, added_in, behind, body in found_rows:
            index.add(path, key, ordinal, added_in, behind, body)
        index.arrange()
    if f"{index.sum:032x}" != revision.parts_sum:
        raise make_damaged(f"parts of save {revision.number:,} are damaged or missing", address)
    return index
