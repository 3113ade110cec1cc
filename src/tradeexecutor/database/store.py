"""A store that keeps the states of many strategies in one SQL database, with every earlier save.

A save writes what has changed since the one before, in one transaction, however long the history is::

    with SQLStateStore("sqlite:///trading.db", "my-strategy") as store:
        state = store.create("My strategy") if store.is_pristine() else store.load()
        ...
        store.sync(state)

    store.load(at=120)  # as of save 120
    store.load(at=datetime.datetime(2026, 3, 1, 12, 30))  # as it was then
    store.load(cycle=15)  # as the last save of cycle 15 or before left it

What is guaranteed is in ``docs/stores.md``.
"""

import contextlib
import errno
import logging
import sqlite3
from collections.abc import Generator
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tradeexecutor.database.address import AsOf, DatabaseAddress
from tradeexecutor.database.connection import DEFAULT_TIMEOUT, Connect, Database
from tradeexecutor.database.failures import explain_failed_save, is_transient
from tradeexecutor.database.feed import Feed, read_feed
from tradeexecutor.database.locks import make_writer
from tradeexecutor.database.parts import Part, split
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
from tradeexecutor.database.writing import get_checksum, is_current, make_strategy, make_tables, write_revision
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
from tradeexecutor.state.state import State
from tradeexecutor.state.store import SaveHook, StateStore

__all__ = ["SQLStateStore"]

logger = logging.getLogger(__name__)

_VACUUM_SQLITE = ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
_VACUUM_POSTGRESQL = ("VACUUM state_parts", "VACUUM state_revisions")

#: The strategy, and what the database holds of its newest revision.
_Base = tuple[Strategy, RowIndex]


class SQLStateStore(StateStore):
    """State of one strategy in an SQL database.

    The first save takes the right to write, which a second process is refused; it is released by `close`, or by the end
    of the process however it ends.  One store may be used by several threads.

    Parameters
    ----------
    address
        URL of the database, perhaps with the executor id: ``sqlite:///trading.db#my-strategy``.
    strategy
        Executor id, when the address has none.
    on_save
        Called with the state after every save.
    connect
        How to connect; for tests.
    timeout
        Seconds that a PostgreSQL server may take for one statement; a save or a load consists of few.  SQLite waits 30
        seconds for the save of another strategy in the same file.

    Raises
    ------
    InvalidValue
        The address or the executor id is missing or wrong, or the address says which save is meant.
    """

    def __init__(
        self,
        address: str | DatabaseAddress,
        strategy: str | None = None,
        on_save: SaveHook | None = None,
        *,
        connect: Connect | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ):
        parsed = DatabaseAddress.parse(address) if isinstance(address, str) else address
        self.address = parsed.with_strategy(strategy) if strategy is not None else parsed
        if self.address.strategy is None:
            raise InvalidValue(f"which strategy in {self.address}? Add #NAME to the address")
        if self.address != self.address.newest:
            raise InvalidValue(f"a store has all saves: leave out what stands after the @ in {self.address}")
        self.on_save = on_save
        self._database = Database(self.address, connect, timeout=timeout)
        self._writer = make_writer(self.address, self._database)
        #: Checksum of the newest revision as this store loaded or saved it last.
        self._known: str | None = None
        #: Checksum of a save of which it is not known whether it was committed.
        self._uncertain: str | None = None
        #: What the database holds; None when it has to be read.
        self._base: _Base | None = None

    def __repr__(self) -> str:
        return f"<{self.address}>"

    # --- Reading

    def is_pristine(self) -> bool:
        """Tell whether nothing was ever saved for this strategy.

        Raises
        ------
        DamagedStateFile, StoreUnavailable
            It cannot be told.
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
            return False  # `load` tells more

    @contextlib.contextmanager
    def reading(self) -> Generator[tuple[Connection, Strategy]]:
        """Open a connection on which several questions have answers of the same moment.

        Raises
        ------
        FileNotFoundError, DamagedStateFile, NewerStateFile, StoreUnavailable
            As `load`.
        """
        with self._database.reading() as connection:
            yield connection, self.require_strategy(connection)

    def require_strategy(self, connection: Connection) -> Strategy:
        """Return the strategy; raises `FileNotFoundError` when nothing was ever saved for it."""
        strategy = read_strategy(connection, self.address)
        if strategy is None:
            raise FileNotFoundError(errno.ENOENT, "nothing was ever saved there", str(self.address))
        return strategy

    def load(self, at: AsOf | None = None, *, cycle: int | None = None) -> State:
        """Return the state as it was last saved, or as it was then; its checksum is checked.

        Parameters
        ----------
        at
            Number of the save, or a time (UTC): then the newest save of that time or before.
        cycle
            The newest save of that cycle or before.

        Raises
        ------
        FileNotFoundError
            Nothing was ever saved here.
        RevisionNotFound
            There was no save yet, or it is not kept any more.
        DamagedStateFile
            It is not what was saved; the error says how to go back to an earlier save.
        NewerStateFile
            A newer program has saved it.
        StoreUnavailable
            The database cannot be reached or opened.
        """
        revision, content = self.read(at, cycle=cycle)
        state = State.read_json_blob(content)
        if at is None and cycle is None and not self._writer.is_held:  # else another thread may have saved meanwhile
            self._known = revision.sha256
        return state

    def read(self, at: AsOf | None = None, *, cycle: int | None = None) -> tuple[Revision, bytes]:
        """Return the record of a save and the JSON text of the state; see `load`."""
        with self.reading() as (connection, strategy):
            revision = find_revision(connection, self.address, strategy, at, cycle)
            return revision, read_text(connection, self.address, strategy, revision)

    def history(self, first: int | None = None) -> list[Revision]:
        """Return the records of all saves that are kept, oldest first.

        Parameters
        ----------
        first
            Begin with this number.
        """
        with self.reading() as (connection, strategy):
            return read_revisions(connection, self.address, strategy, first)

    def changes(self, since: int | str | None = None) -> Feed:
        """Return what has changed since a revision, a JSON Patch for each save; see :mod:`tradeexecutor.database.feed`.

        Parameters
        ----------
        since
            Number of the revision, or better its cursor, which also tells when the database was replaced; None for
            everything, which begins with a snapshot.
        """
        with self.reading() as (connection, strategy):
            return read_feed(connection, self.address, strategy, since)

    # --- Writing

    @contract_signature
    def sync(self, state: State, validate: bool = True) -> None:
        """Save the state; see `StateStore.sync`.

        When the connection to a server breaks while a save is being committed, it may have been saved although this
        raises; saving again is right in both cases.
        """
        if not validate:
            warn_ignored("sync", "validate", "every value of every save is checked")
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
        """Save a state as it is, `last_updated_at` included: for copies.  Raises as `sync`."""
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
            self._base = None
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
        """Give the space of removed rows back; False where that is not possible, because others are at work."""
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
        """Become the only writer of the strategy; does nothing when this store already is.

        Raises
        ------
        StoreLocked
            Names the process that writes.
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
            pass  # somebody has removed it; what this store has in memory is the best there is
        except BaseException:
            self._writer.release()
            raise

    def _check_known(self, newest: Revision) -> None:
        if newest.sha256 == self._uncertain:
            self._known, self._uncertain = newest.sha256, None
        if self._known is not None and newest.sha256 != self._known:
            raise StoreChanged(str(self.address))

    def close(self) -> None:
        """Let others write."""
        self._writer.after_fork()
        self._writer.release()

    def _save(self, state: State) -> None:
        with pause_garbage_collection():
            with encode_repeated_objects_once():
                containers = split(state.to_dict())
            checksum, size = get_checksum(containers)
            try:
                base = self._commit(state, containers, checksum, size)
            except (DBAPIError, sqlite3.Error) as error:
                if self._uncertain == checksum or self._writer.is_held or not is_transient(error):
                    raise
                # The connection was open since an earlier save and is broken: once more, with a new one.
                try:
                    self.acquire_writer_lock()
                except StoreLocked:  # by the broken connection, which the server has not given up yet
                    raise error from None
                base = self._commit(state, containers, checksum, size)
        self._base = base
        self._known, self._uncertain = checksum, None

    def _commit(self, state: State, containers: dict[str, list[Part]], checksum: str, size: int) -> _Base:
        """Save in one transaction; returns what the next save is compared with."""
        base, self._base = self._base, None  # read again if anything fails
        with self._writer.transaction() as connection:
            base = self._write(connection, state, containers, base, (checksum, size))
            self._uncertain = checksum
        return base

    def _write(
        self,
        connection: Connection,
        state: State,
        containers: dict[str, list[Part]],
        base: _Base | None,
        checksum: tuple[str, int],
    ) -> _Base:
        """Write a revision, which the caller commits; returns what the next one is compared with."""
        if base is None or not is_current(connection, base[0]):
            base = self._read_base(connection)
        strategy, index = base
        changes = index.compare(containers, strategy.newest + 1)
        return write_revision(connection, strategy, changes, state, checksum), changes.index

    def _read_base(self, connection: Connection) -> _Base:
        """Return the strategy, made where there is none, and what the database holds of its newest revision."""
        make_tables(connection)
        strategy = read_strategy(connection, self.address)
        if strategy is None:
            assert self.address.strategy is not None
            return make_strategy(connection, self.address.strategy), RowIndex()
        newest = read_revision(connection, self.address, strategy)
        check_version(newest, self.address)
        self._check_known(newest)
        return strategy, read_row_index(connection, self.address, strategy, newest)
