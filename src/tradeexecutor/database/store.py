"""A store that keeps the states of many strategies in one SQL database, with every earlier save.

A save writes only the changes since the previous save, in one transaction, so its cost does not grow with the history::

    with SQLStateStore("sqlite:///trading.db", "my-strategy") as store:
        state = store.create("My strategy") if store.is_pristine() else store.load()
        ...
        store.sync(state)

    store.load(at=120)  # as of save 120
    store.load(at=datetime.datetime(2026, 3, 1, 12, 30))  # the last save at or before that time
    store.load(cycle=15)  # the last save of cycle 15 or an earlier cycle

``docs/stores.md`` lists the guarantees.
"""

import contextlib
import errno
import logging
import sqlite3
from collections.abc import Generator, Iterator
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tradeexecutor.database.address import AsOf, DatabaseAddress
from tradeexecutor.database.connection import DEFAULT_TIMEOUT, Connect, Database
from tradeexecutor.database.failures import explain_failed_save, is_transient
from tradeexecutor.database.feed import Feed, read_feed
from tradeexecutor.database.locks import make_writer
from tradeexecutor.database.parts import KnownParts, Part, assemble, split
from tradeexecutor.database.reading import (
    Strategy,
    check_version,
    find_revision,
    read_revision,
    read_revisions,
    read_row_index,
    read_strategy,
    read_text,
)
from tradeexecutor.database.revisions import Revision
from tradeexecutor.database.row_index import RowIndex
from tradeexecutor.database.writing import (
    is_current,
    make_strategy,
    make_tables,
    verify_revision,
    write_revision,
)
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.codec import encode_repeated_objects_once
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.contract import contract_signature, warn_ignored
from tradeexecutor.state.errors import (
    DamagedStateFile,
    InvalidValue,
    NewerStateFile,
    StateFileError,
    StoreChanged,
    StoreLocked,
    StoreUnavailable,
)
from tradeexecutor.state.owner import get_owner
from tradeexecutor.state.state import State
from tradeexecutor.state.store import SaveHook, Snapshot, StateStore
from tradeexecutor.state.store.snapshot import SnapshotCache
from tradeexecutor.state.store.verification import Verify, require_same_state, require_verify

__all__ = ["SQLStateStore"]

logger = logging.getLogger(__name__)

_VACUUM_SQLITE = ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
_VACUUM_POSTGRESQL = ("VACUUM state_parts", "VACUUM state_revisions")

#: Record of the strategy, and index of the rows of its newest revision.
_Base = tuple[Strategy, RowIndex]


class SQLStateStore(StateStore):
    """State of one strategy in an SQL database.

    The first save takes the right to write, and a second process is then refused. `close` or the end of the process,
    even by a crash, releases it. Several threads may use one store, each with a state of its own;
    `snapshot` is for threads that only read.

    Parameters
    ----------
    address
        URL of the database, with or without the executor id: ``sqlite:///trading.db#my-strategy``.
    strategy
        Executor id, when the address has none.
    on_save
        Called with the state after every save.
    connect
        Function that connects instead of the driver; for tests.
    verify
        What a save verifies before it is committed: ``written`` reads the rows back that it adds, ``loaded`` reads the
        whole state back, loads it and compares the result with the state, ``off`` does neither. Values are always
        checked.
    timeout
        The longest time for one statement on a PostgreSQL server, seconds; a save or a load consists of a few
        statements. SQLite waits 30 seconds for the save of another strategy in the same file.

    Raises
    ------
    InvalidValue
        The address or the executor id is missing or wrong, or the address contains a save.
    """

    writes_changes = True

    def __init__(
        self,
        address: str | DatabaseAddress,
        strategy: str | None = None,
        on_save: SaveHook | None = None,
        *,
        connect: Connect | None = None,
        verify: Verify = "written",
        timeout: float = DEFAULT_TIMEOUT,
    ):
        parsed = DatabaseAddress.parse(address) if isinstance(address, str) else address
        self.address = parsed.with_strategy(strategy) if strategy is not None else parsed
        if self.address.strategy is None:
            raise InvalidValue(f"which strategy in {self.address}? Add #NAME to the address")
        if self.address != self.address.newest:
            raise InvalidValue(f"a store has all saves: leave out what stands after the @ in {self.address}")
        self.on_save = on_save
        self.verify = require_verify(verify)
        self._database = Database(self.address, connect, timeout=timeout)
        self._writer = make_writer(self.address, self._database)
        #: Checksum of the revision that this store loaded or saved last.
        self._known: str | None = None
        #: Checksum of a save that may or may not have been committed.
        self._uncertain: str | None = None
        #: Content of the database before the next save; None when it has to be read.
        self._base: _Base | None = None
        #: Parts of the last save that need not be made again while their positions stay.
        self._known_parts = KnownParts()
        #: The last save of this store.
        self._acknowledged: Snapshot | None = None
        self._snapshots = SnapshotCache()

    def __repr__(self) -> str:
        return f"<{self.address}>"

    # --- Reading

    def is_pristine(self) -> bool:
        """Return whether nothing was ever saved for this strategy.

        Raises
        ------
        DamagedStateFile, StoreUnavailable
            The answer is not known.
        """
        if not self._database.exists():
            return True
        try:
            with self.reading():
                return False
        except FileNotFoundError:
            return True
        except NewerStateFile:
            return False
        except DamagedStateFile:
            return False  # `load` raises an error with the details

    @contextlib.contextmanager
    def reading(self) -> Generator[tuple[Connection, Strategy]]:
        """Open a connection on which several queries see the same content of the database.

        Raises
        ------
        FileNotFoundError, DamagedStateFile, NewerStateFile, StoreUnavailable
            As `load`.
        """
        with self._database.reading() as connection:
            yield connection, self.require_strategy(connection)

    def require_strategy(self, connection: Connection) -> Strategy:
        """Return the record of the strategy; raises `FileNotFoundError` when nothing was ever saved for it."""
        strategy = read_strategy(connection, self.address)
        if strategy is None:
            raise FileNotFoundError(errno.ENOENT, "nothing was ever saved there", str(self.address))
        return strategy

    def load(self, at: AsOf | None = None, *, cycle: int | None = None) -> State:
        """Return the newest state, or that of an earlier save, after checking its checksum.

        Parameters
        ----------
        at
            Number of the save, or a time (naive UTC), which means the newest save at or before that time.
        cycle
            The newest save of this cycle or an earlier one.

        Raises
        ------
        FileNotFoundError
            Nothing was ever saved here.
        RevisionNotFound
            There was no save yet, or it is no longer kept.
        DamagedStateFile
            The state is not what was saved; the message contains the command that returns to an earlier save.
        NewerStateFile
            A newer program has saved it.
        StoreUnavailable
            The database cannot be reached or opened.
        """
        revision, content = self.read(at, cycle=cycle)
        state = State.read_json_blob(content)
        if at is None and cycle is None and not self._writer.is_held:  # a writer may have saved in another thread
            self._known = revision.sha256
        return state

    def read(self, at: AsOf | None = None, *, cycle: int | None = None) -> tuple[Revision, bytes]:
        """Return the record of a save and the JSON text of the state; see `load`."""
        with self.reading() as (connection, strategy):
            revision = find_revision(connection, self.address, strategy, at, cycle)
            return revision, read_text(connection, self.address, strategy, revision)

    def snapshot(self) -> Snapshot:
        """Return the latest acknowledged save; see `StateStore.snapshot`.

        The writer keeps the text of its last save in memory. Other processes read it from the database, if there is a
        newer save than at the last call.
        """
        own = self.peek_snapshot()
        if own is not None:
            return own
        cache = self._snapshots
        with cache.lock:
            latest = cache.latest
            with self.reading() as (connection, strategy):
                revision = read_revision(connection, self.address, strategy)
                if latest is None or (latest.revision, latest.sha256) != (revision.number, revision.sha256):
                    text = read_text(connection, self.address, strategy, revision)
                    latest = Snapshot.make(revision.number, revision.sha256, revision.last_updated_at, (text,))
                    cache.latest = latest
            return latest

    def peek_snapshot(self) -> Snapshot | None:
        """Return the last save of this process while it is the writer; None otherwise: the database has to be asked."""
        own = self._acknowledged
        return own if own is not None and own.sha256 == self._known and self._writer.is_held else None

    def history(self, first: int | None = None) -> list[Revision]:
        """Return the records of all saves that are kept, oldest first.

        Parameters
        ----------
        first
            First number to return; None for all.
        """
        with self.reading() as (connection, strategy):
            return read_revisions(connection, self.address, strategy, first)

    def changes(self, since: int | str | None = None) -> Feed:
        """Return the changes since a revision as one JSON Patch for each save; see :mod:`tradeexecutor.database.feed`.

        Parameters
        ----------
        since
            Cursor of the revision, or its number. Only with a cursor is a replaced database noticed. None returns a
            snapshot.
        """
        with self.reading() as (connection, strategy):
            return read_feed(connection, self.address, strategy, since)

    # --- Writing

    @contract_signature
    def sync(self, state: State, validate: bool = True) -> None:
        """Save the state; see `StateStore.sync`.

        When the connection to a server breaks during the commit, the state may have been saved although this raises. In
        both cases the caller may simply save again.
        """
        if not validate:
            warn_ignored("sync", "validate", "every value of every save is checked")
        get_owner(state.portfolio).claim()
        with self._explaining():
            before = state.last_updated_at
            try:
                self.acquire_writer_lock()
                state.last_updated_at = utc_now()
                self._save(state)
            except BaseException:
                state.last_updated_at = before
                raise
        if self.on_save is not None:
            self.on_save(state)

    def import_state(self, state: State) -> None:
        """Save a state without changing its `last_updated_at`: for copies. Raises the errors of `sync`."""
        get_owner(state.portfolio).claim()
        with self._explaining():
            self.acquire_writer_lock()
            self._save(state)

    @contextlib.contextmanager
    def writing(self) -> Generator[Connection]:
        """Open a transaction as the only writer, for maintenance.

        Raises
        ------
        StoreLocked, StoreChanged, StoreMoved, SaveFailed
            As `sync`.
        """
        with self._explaining():
            self.acquire_writer_lock()
            self._base = self._acknowledged = None
            self._writer.allow_long_statements()
            with self._writer.transaction() as connection:
                yield connection

    @contextlib.contextmanager
    def _explaining(self) -> Generator[None]:
        self._writer.after_fork()
        with self._writer.mutex:
            try:
                yield
            except StoreUnavailable as error:
                raise explain_failed_save(OSError(error.errno, error.strerror), self.address) from error
            except StateFileError:
                raise
            except (DBAPIError, sqlite3.Error, OSError) as error:
                raise explain_failed_save(error, self.address) from error

    def vacuum(self) -> bool:
        """Free the space of removed rows. Returns False when this is not possible because others use the database."""
        commands = _VACUUM_SQLITE if self._database.is_sqlite else _VACUUM_POSTGRESQL
        with self._writer.mutex:
            driver: Any = self._writer.connection.connection.dbapi_connection
            try:
                if not self._database.is_sqlite:
                    driver.autocommit = True
                for command in commands:
                    driver.execute(command)
            except Exception as error:
                logger.warning("the space of removed saves is not given back yet: %s", error)
                return False
            finally:
                if not self._database.is_sqlite:
                    driver.autocommit = False
            return True

    def acquire_writer_lock(self) -> None:
        """Become the only writer of the strategy; does nothing when this store already is the writer.

        Raises
        ------
        StoreLocked
            Another process writes; the message contains its id.
        StoreChanged
            Somebody else has saved since this store loaded.
        OSError, SQLAlchemyError
            The database cannot be opened or made.
        """
        if self._writer.is_held:
            return
        self._base = None
        self._writer.acquire()
        try:
            if self._known is not None and self._database.exists():
                with self.reading() as (connection, strategy):
                    self._check_known(read_revision(connection, self.address, strategy))
        except FileNotFoundError:
            pass  # somebody has removed the strategy, and the memory of this store is the only copy
        except BaseException:
            self._writer.release()
            raise

    def _check_known(self, newest: Revision) -> None:
        if newest.sha256 == self._uncertain:
            self._known, self._uncertain = newest.sha256, None
        if self._known is not None and newest.sha256 != self._known:
            raise StoreChanged(str(self.address))

    def close(self) -> None:
        """Release the right to write; the store can be used again."""
        self._writer.after_fork()
        self._writer.release()

    def _save(self, state: State) -> None:
        with pause_garbage_collection():
            with encode_repeated_objects_once(has_texts=True):
                containers = split(state.to_dict(), self._known_parts)
            uncertain = self._uncertain
            try:
                base = self._commit(state, containers)
            except (DBAPIError, sqlite3.Error) as error:
                if self._uncertain is not uncertain or self._writer.is_held or not is_transient(error):
                    raise
                # The connection was opened for an earlier save and is broken: try again with a new one.
                try:
                    self.acquire_writer_lock()
                except StoreLocked:  # the server has not released the lock of the broken connection yet
                    raise error from None
                base = self._commit(state, containers)
        self._base = base
        checksum = base[1].get_checksum()
        self._known, self._uncertain = checksum, None
        self._acknowledged = Snapshot.make(base[0].newest, checksum, state.last_updated_at, _assemble_later(containers))

    def _commit(self, state: State, containers: dict[str, list[Part]]) -> _Base:
        """Save in one transaction, and return the content with which the next save is compared."""
        base, self._base = self._base, None  # must be read again if anything fails
        with self._writer.transaction() as connection:
            base = self._write(connection, state, containers, base)
            self._uncertain = base[1].get_checksum()
        return base

    def _write(
        self, connection: Connection, state: State, containers: dict[str, list[Part]], base: _Base | None
    ) -> _Base:
        """Write a revision without committing it, and return the content with which the next save is compared."""
        if base is None or not is_current(connection, base[0]):
            base = self._read_base(connection)
        strategy, index = base
        changes = index.compare(containers, strategy.newest + 1)
        after = write_revision(connection, strategy, changes, state)
        if self.verify != "off":
            verify_revision(connection, self.address, after, changes)
        if self.verify == "loaded":
            text = b"".join(assemble(containers))
            revision = read_revision(connection, self.address, after)
            require_same_state(read_text(connection, self.address, after, revision), text)
        return after, changes.index

    def _read_base(self, connection: Connection) -> _Base:
        """Return the strategy, which is created if it is missing, and the index of the rows of its newest revision."""
        make_tables(connection)
        strategy = read_strategy(connection, self.address)
        if strategy is None:
            assert self.address.strategy is not None
            return make_strategy(connection, self.address.strategy), RowIndex()
        newest = read_revision(connection, self.address, strategy)
        check_version(newest, self.address)
        self._check_known(newest)
        return strategy, read_row_index(connection, self.address, strategy, newest)


def _assemble_later(containers: dict[str, list[Part]]) -> Iterator[bytes | memoryview]:
    """Yield the pieces of a text; they are made only if somebody asks for it."""
    yield from assemble(containers)
