"""Copies of a strategy between a file and a database, or between two databases with all its saves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.reading import Strategy, read_revisions
from tradeexecutor.database.schema import parts, revisions
from tradeexecutor.database.sqlite import make_file
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.database.verification import Progress, verify_database
from tradeexecutor.database.writing import make_strategy, make_tables, write_strategy
from tradeexecutor.state.errors import CopyFailed, InvalidValue
from tradeexecutor.state.files.access import make_folder_beside
from tradeexecutor.state.files.checksum_header import make_checksum_header
from tradeexecutor.state.files.durable_file import write_atomically
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.state.files.syscalls import OS_FILES
from tradeexecutor.state.files.writer_lock import WriterLock
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.archive import get_archive_folder

__all__ = ["Copy", "StatePlace", "copy_strategy", "get_archives_folder"]

#: Number of rows that are copied at a time.
_ROWS_PER_BATCH = 500

#: Where a state is: a file, or a strategy in a database.
StatePlace = Path | DatabaseAddress


@dataclass(frozen=True, slots=True)
class Copy:
    """Result of a copy.

    Attributes
    ----------
    source, target
        Places of the original and the copy.
    size
        Size of the JSON text of the newest state, bytes; the same in both places.
    saves
        Number of copied saves: all of them between two databases, otherwise only the newest.
    archives
        Number of copied archive files.
    """

    source: str
    target: str
    size: int
    saves: int
    archives: int


def copy_strategy(source: StatePlace, target: StatePlace, progress: Progress | None = None) -> Copy:
    """Copy a state, or a strategy with all its saves, and check that the copy has the same bytes.

    A file of an older program is upgraded by the copy. The source does not change. A new file or SQLite database gets
    mode, owner and group of the source if the source is also a file.

    Parameters
    ----------
    source, target
        A file, or the address of a strategy.
    progress
        Called repeatedly while rows are copied.

    Raises
    ------
    InvalidValue
        Both are files.
    CopyFailed
        The target exists already, or the copy does not have the same bytes.
    FileNotFoundError
        There is nothing at the source.
    InvalidStateFile, NewerStateFile, DamagedStateFile
        The source cannot be read.
    StoreLocked
        A process writes to the target.
    SaveFailed, OSError
        The target cannot be written.
    """
    if isinstance(source, Path) and isinstance(target, Path):
        raise InvalidValue("one of both has to be a strategy in a database; a file needs no more than to be copied")
    _require_free(target)
    folder = get_archives_folder(source)
    archives = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
    target_folder = get_archives_folder(target)
    if archives and target_folder is None:
        raise CopyFailed(
            f"{source} refers to archives beside it, for which a server has no place;"
            " `tradeexecutor unprune-state` takes them in again"
        )
    if isinstance(target, DatabaseAddress) and target.path is not None and not target.path.exists():
        make_file(target.path, source if isinstance(source, Path) else source.path)
    if isinstance(source, DatabaseAddress) and isinstance(target, DatabaseAddress):
        saves = _copy_history(source, target, progress)
    else:
        saves = 1
        _copy_newest(source, target)
    if archives and target_folder is not None:
        copied = target if isinstance(target, Path) else target.path
        assert copied is not None
        make_folder_beside(copied, target_folder, OS_FILES)
        for path in archives:
            write_atomically(target_folder / path.name, path.read_bytes(), like=copied)
    text = _read(source)
    if _read(target) != text:
        raise CopyFailed(f"{target} does not give the same bytes as {source}; do not use it")
    return Copy(str(source), str(target), len(text), saves, len(archives))


def get_archives_folder(place: StatePlace) -> Path | None:
    """Return the folder of archives of a state; None for a state on a server, which has no archives."""
    path = place if isinstance(place, Path) else place.files_path
    return None if path is None else get_archive_folder(path)


def _require_free(target: StatePlace) -> None:
    if isinstance(target, Path):
        if target.is_symlink() or not JSONFileStore(target).is_pristine():
            raise CopyFailed(f"there is {target} already, or a backup of it; choose another name")
    elif not SQLStateStore(target).is_pristine():
        raise CopyFailed(f"there is {target} already; choose another name")


def _read(place: StatePlace) -> bytes:
    """Return the JSON text of the newest state in the schema of this program."""
    if isinstance(place, Path):
        return State.read_json_file(place).to_json_bytes()
    return SQLStateStore(place).load().to_json_bytes()


def _copy_newest(source: StatePlace, target: StatePlace) -> None:
    if isinstance(source, Path):
        assert isinstance(target, DatabaseAddress)
        with SQLStateStore(target) as store:
            store.import_state(State.read_json_file(source))
        return
    assert isinstance(target, Path)
    _, text = SQLStateStore(source).read()
    path = resolve_links(target)
    lock = WriterLock(path)
    lock.acquire()
    try:
        if path.exists():
            raise CopyFailed(f"there is {target} already; choose another name")
        write_atomically(path, *make_checksum_header(text, 1), like=source.path)
    finally:
        lock.release()


def _copy_history(source: DatabaseAddress, target: DatabaseAddress, progress: Progress | None) -> int:
    """Copy all rows of a strategy in one transaction, and return the number of saves."""
    reader, writer = SQLStateStore(source), SQLStateStore(target)
    assert target.strategy is not None
    with reader.reading() as (old, strategy), writer, writer.writing() as new:
        records = read_revisions(old, source, strategy)
        make_tables(new)
        copy = make_strategy(new, target.strategy)
        own = parts.c.strategy_id == strategy.id
        total = old.execute(select(func.count()).select_from(parts).where(own)).scalar() or 0
        done = 0
        found = old.execute(select(parts).where(own).execution_options(yield_per=_ROWS_PER_BATCH)).mappings()
        for batch in found.partitions():
            rows: list[dict[str, Any]] = [{**row, "strategy_id": copy.id} for row in batch]
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
