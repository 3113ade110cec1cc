"""Copying a strategy between a file and a database, or between two databases with all its saves."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from tradeexecutor.database.address import Address
from tradeexecutor.database.reading import Strategy, read_revisions
from tradeexecutor.database.schema import parts, revisions
from tradeexecutor.database.store import SQLStateStore, make_strategy, make_tables, write_strategy
from tradeexecutor.database.verification import Progress, verify_database
from tradeexecutor.state.errors import CopyFailed
from tradeexecutor.state.files.checksum_header import make_seal
from tradeexecutor.state.files.durable_file import write_atomically
from tradeexecutor.state.files.writer_lock import WriterLock
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.archive import get_archive_folder

__all__ = ["Copy", "Source", "copy_strategy", "get_archives_folder", "get_site"]

#: Rows that are copied at a time.
_BATCH = 500

#: Where a state is: a file, or a strategy in a database.
Source = Path | Address


@dataclass(frozen=True, slots=True)
class Copy:
    """What was copied.

    Attributes
    ----------
    source, target
        From where, and where to.
    size
        Bytes of the JSON text of the newest state, the same in both.
    saves
        How many were copied: all of them between databases, else the newest.
    archives
        How many files of archived detail were copied along.
    """

    source: str
    target: str
    size: int
    saves: int
    archives: int


def copy_strategy(source: Source, target: Source, progress: Progress | None = None) -> Copy:
    """Copy a state, or a strategy with all its saves, and check that the copy gives the same bytes.

    A file of an older program is upgraded on the way.  The source stays as it is.

    Parameters
    ----------
    source, target
        A file, or the address of a strategy.
    progress
        Called while rows are copied.

    Raises
    ------
    CopyFailed
        There is something at the target, or the copy does not give the same bytes.
    FileNotFoundError
        There is nothing at the source.
    InvalidStateFile, NewerStateFile, DamagedStateFile
        The source cannot be read.
    StoreLocked
        A process writes to the target.
    SaveFailed, OSError
        The target cannot be written.
    """
    _require_free(target)
    folder = get_archives_folder(source)
    archives = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
    target_folder = get_archives_folder(target)
    if archives and target_folder is None:
        raise CopyFailed(
            f"{source} refers to archives beside it, for which a server has no place;"
            " `tradeexecutor unprune-state` takes them in again"
        )
    if isinstance(source, Address) and isinstance(target, Address):
        saves = _copy_history(source, target, progress)
    else:
        saves = 1
        _copy_newest(source, target)
    if archives and target_folder is not None:
        target_folder.mkdir(exist_ok=True)
        for path in archives:
            shutil.copy2(path, target_folder / path.name)
    text = _read(source)
    if _read(target) != text:
        raise CopyFailed(f"{target} does not give the same bytes as {source}; do not use it")
    return Copy(str(source), str(target), len(text), saves, len(archives))


def get_archives_folder(place: Source) -> Path | None:
    """Return the folder of archived detail of a state; None on a server, which has none."""
    path = place if isinstance(place, Path) else get_site(place)
    return None if path is None else get_archive_folder(path)


def get_site(address: Address) -> Path | None:
    """Return the path beside which stand the files of a strategy in an SQLite database."""
    return None if address.path is None else address.path.with_name(f"{address.path.name}.{address.strategy}")


def _require_free(target: Source) -> None:
    if isinstance(target, Path):
        if target.is_symlink() or not JSONFileStore(target).is_pristine():
            raise CopyFailed(f"there is {target} already, or a backup of it; choose another name")
    elif not SQLStateStore(target).is_pristine():
        raise CopyFailed(f"there is {target} already; choose another name")


def _read(place: Source) -> bytes:
    """Return the JSON text of the newest state, in the schema of this program."""
    if isinstance(place, Path):
        return State.read_json_file(place).to_json_bytes()
    return SQLStateStore(place).load().to_json_bytes()


def _copy_newest(source: Source, target: Source) -> None:
    if isinstance(source, Path):
        assert isinstance(target, Address)
        with SQLStateStore(target) as store:
            store.import_state(State.read_json_file(source))
        return
    assert isinstance(target, Path)
    _, text = SQLStateStore(source).read()
    path = target.resolve()
    lock = WriterLock(path)
    lock.acquire()
    try:
        if path.exists():
            raise CopyFailed(f"there is {target} already; choose another name")
        write_atomically(path, *make_seal(text, 1))
    finally:
        lock.release()


def _copy_history(source: Address, target: Address, progress: Progress | None) -> int:
    """Copy all rows of a strategy, in one transaction; returns the number of saves."""
    reader, writer = SQLStateStore(source), SQLStateStore(target)
    assert target.strategy is not None
    with reader.reading() as (old, strategy), writer, writer.writing() as new:
        records = read_revisions(old, source, strategy)
        make_tables(new, target.path is not None)
        copy = make_strategy(new, target.strategy)
        own = parts.c.strategy_id == strategy.id
        total = old.execute(select(func.count()).select_from(parts).where(own)).scalar() or 0
        done = 0
        for batch in old.execute(select(parts).where(own).execution_options(yield_per=_BATCH)).partitions():
            rows: list[dict[str, Any]] = [dict(row._mapping) | {"strategy_id": copy.id} for row in batch]
            new.execute(insert(parts), rows)
            done += len(rows)
            if progress is not None:
                progress(done, total)
        new.execute(insert(revisions), [record.to_row(copy.id) for record in records])
        write_strategy(new, Strategy(copy.id, copy.name, strategy.oldest, strategy.newest))
    for check in verify_database(target):
        if not check.is_good and not check.is_newer_schema:
            raise CopyFailed(f"the copy {target} is not intact: {check.problem or 'saves are damaged'}; do not use it")
    return len(records)
