"""Return to an earlier save, because the newest one is damaged or because a user wants it.

The earlier save is saved again as the newest one. Nothing is removed, so this can be undone. When SQLite reports that
its file is damaged, a new file is created with the newest readable save of each strategy, and the damaged file is kept
beside it as ``STEM.damaged-N.SUFFIX``.
"""

import contextlib
import itertools
import os
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, update

from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.connection import Database
from tradeexecutor.database.parts import split
from tradeexecutor.database.reading import finding_damage, list_strategies, read_revision, read_row_index, read_text
from tradeexecutor.database.revisions import Revision
from tradeexecutor.database.row_index import RowIndex
from tradeexecutor.database.schema import ALIVE, parts
from tradeexecutor.database.sqlite import (
    get_log_path,
    get_shared_memory_path,
    get_temporary_path,
    write_empty_file,
)
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.database.verification import verify_database
from tradeexecutor.database.writing import make_tables, write_revision
from tradeexecutor.state.errors import DamagedStateFile, NothingToRecover, RevisionNotFound, SaveFailed, StateFileError
from tradeexecutor.state.files.durable_file import keep_under
from tradeexecutor.state.files.syscalls import OS_FILES
from tradeexecutor.state.files.writer_lock import WriterLock
from tradeexecutor.state.state import State

__all__ = ["DatabaseRecovery", "plan_recovery", "recover"]

#: The largest number of last saves of a strategy that are tried in a damaged file.
_MAX_TRIED_SAVES = 200


@dataclass(frozen=True, slots=True)
class DatabaseRecovery:
    """Plan or result of a recovery.

    Attributes
    ----------
    address
        Address of the strategy.
    problem
        Problem of the newest save; empty when it is intact.
    chosen
        Record of the save to return to; None when nothing has to be done.
    is_rebuilt
        Whether a new file is created, with the newest intact save of each strategy.
    lost
        Strategies without any readable save; only when a new file is created.
    kept_as
        Path of the damaged file after the recovery; None before it, and when no new file was created.
    """

    address: DatabaseAddress
    problem: str
    chosen: Revision | None
    is_rebuilt: bool = False
    lost: tuple[str, ...] = ()
    kept_as: Path | None = None


def plan_recovery(address: DatabaseAddress, at: int | None = None) -> DatabaseRecovery:
    """Return what `recover` would do, without changes. Raises the errors of `recover` except `StoreLocked`.

    Raises
    ------
    NothingToRecover, RevisionNotFound
        As `recover`.
    """
    if address.strategy is None:
        raise NothingToRecover(str(address), "say which strategy: add #NAME to the address")
    problem = ""
    try:
        (check,) = verify_database(address)
    except DamagedStateFile as error:
        if address.path is None:
            raise NothingToRecover(str(address), f"the server has lost data: {error.reason}") from error
        try:
            salvaged, lost = _salvage(address)
        except DamagedStateFile:
            salvaged, lost = {}, ()
        chosen = salvaged.get(address.strategy)
        if chosen is None:
            raise NothingToRecover(str(address), f"no save can be read any more: {error.reason}") from error
        return DatabaseRecovery(address, error.reason, chosen[0], True, lost)
    problem = check.problem
    if check.is_newer_schema and at is None:
        raise NothingToRecover(str(address), f"intact, but {problem}; --at NUMBER goes back all the same")
    if at is None and not problem:
        return DatabaseRecovery(address, "", None)
    if at is not None and at not in check.intact:
        if at in check.damaged:
            raise NothingToRecover(str(address), f"save {at:,} is damaged")
        raise RevisionNotFound(str(address), f"{at:,}", check.strategy.oldest, check.strategy.newest)
    candidates = check.intact if at is None else [at]
    with SQLStateStore(address).reading() as (connection, strategy):
        for number in reversed(candidates):
            with contextlib.suppress(StateFileError):
                revision = read_revision(connection, address, strategy, number)
                State.read_json_blob(read_text(connection, address, strategy, revision))
                return DatabaseRecovery(address, problem, revision)
    raise NothingToRecover(str(address), "no save is intact")


def recover(address: DatabaseAddress, at: int | None = None) -> DatabaseRecovery:
    """Return to the newest intact save; nothing is changed when the newest save is intact.

    Parameters
    ----------
    at
        Number of the save to return to, even when the newest one is intact.

    Raises
    ------
    NothingToRecover
        No save is intact, or the requested one is damaged.
    RevisionNotFound
        There is no such save.
    FileNotFoundError
        Nothing was ever saved there.
    StoreLocked
        A process writes to the strategy.
    SaveFailed, OSError
        The database or the folder cannot be written to. Nothing has changed, unless `SaveFailed.in_place` is True: then
        a new file was created and only the flush of the folder failed.
    """
    plan = plan_recovery(address, at)
    if plan.chosen is None:
        return plan
    if plan.is_rebuilt:
        return _rebuild(plan)
    store = SQLStateStore(address)
    with store, store.writing() as connection:
        strategy = store.require_strategy(connection)
        state = State.read_json_blob(read_text(connection, address, strategy, plan.chosen))
        containers = split(state.to_dict())
        number = strategy.newest + 1
        if plan.problem:  # the current rows may be damaged
            alive = (parts.c.strategy_id == strategy.id) & (parts.c.removed_in == ALIVE)
            connection.execute(update(parts).where(alive).values(removed_in=number))
            index = RowIndex()
        else:
            index = read_row_index(connection, address, strategy, read_revision(connection, address, strategy))
        changes = index.compare(containers, number)
        make_tables(connection)
        write_revision(connection, strategy, changes, state, restored=plan.chosen.number)
    return plan


# --- A damaged file


def _salvage(address: DatabaseAddress) -> tuple[dict[str, tuple[Revision, State]], tuple[str, ...]]:
    """Return the newest readable save of each strategy, and the strategies that have none."""
    salvaged: dict[str, tuple[Revision, State]] = {}
    lost: list[str] = []
    with Database(address).reading() as connection:
        for strategy in list_strategies(connection, address, is_damaged=True):
            tries = range(strategy.newest, max(strategy.oldest, strategy.newest - _MAX_TRIED_SAVES) - 1, -1)
            for number in tries:
                with contextlib.suppress(StateFileError), _own_transaction(address) as own:
                    own_address = address.with_strategy(strategy.name)
                    revision = read_revision(own, own_address, strategy, number)
                    state = State.read_json_blob(read_text(own, own_address, strategy, revision))
                    salvaged[strategy.name] = revision, state
                    break
            else:
                lost.append(strategy.name)
    return salvaged, tuple(lost)


@contextlib.contextmanager
def _own_transaction(address: DatabaseAddress) -> Generator[Connection]:
    with Database(address).reading() as connection, finding_damage(address):
        yield connection


def _rebuild(plan: DatabaseRecovery) -> DatabaseRecovery:
    path = plan.address.path
    assert path is not None
    with contextlib.ExitStack() as stack:
        for name in {str(plan.address.strategy), *_find_locked_names(path)}:
            lock = WriterLock(path.with_name(f"{path.name}.{name}"), like=path)
            lock.acquire()
            stack.callback(lock.release)
        salvaged, lost = _salvage(plan.address)
        new = get_temporary_path(path)
        stack.callback(_remove_database, new)
        write_empty_file(new, like=path)
        for name, (_, state) in salvaged.items():
            with SQLStateStore(DatabaseAddress.of_file(new, name)) as store:
                store.import_state(state)
        kept_as = _find_free_name(path)
        done = replace(plan, lost=lost, kept_as=kept_as)
        keep_under(path, kept_as)  # a second name: there is a database at the path at all times
        for get_path in (get_log_path, get_shared_memory_path):
            if get_path(path).exists():  # SQLite would mix the old log into the new file
                os.rename(get_path(path), get_path(kept_as))
        OS_FILES.flush_folder(path.parent)
        os.rename(new, path)
        try:
            OS_FILES.flush_folder(path.parent)
        except OSError as error:
            advice = f"it has the newest readable save of each strategy, and the damaged file is kept as {kept_as}"
            raise SaveFailed(str(plan.address), error, in_place=True, advice=advice) from error
    return done


def _find_locked_names(path: Path) -> list[str]:
    """Return the strategies that have lock files."""
    start, end = f"{path.name}.", ".lock"
    names = [item.name for item in path.parent.iterdir()]
    return [name[len(start) : -len(end)] for name in names if name.startswith(start) and name.endswith(end)]


def _find_free_name(path: Path) -> Path:
    for number in itertools.count(1):
        target = path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")
        if not target.exists():
            return target
    raise AssertionError("numbers do not end")


def _remove_database(path: Path) -> None:
    for item in path.parent.glob(f"{path.name}*"):
        item.unlink(missing_ok=True)
