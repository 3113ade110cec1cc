"""Results of earlier backtests, which are kept when a new result takes their place.

``state.json`` is always the newest result. The one before is kept beside it as ``state.2026-11-30T205500.json``, with
the time (UTC) at which it was saved, and its compressed copy, if there is one, as ``state.2026-11-30T205500.json.br``.
The newest `MAX_EARLIER_RESULTS` of them are kept. One that was changed since, so that it has backups of its own, stays
and does not count.

Only results of backtests are kept in this way. A file that is not one, such as the state of a live strategy, is neither
moved nor replaced.
"""

import datetime
import itertools
import logging
import re
from pathlib import Path

from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.errors import InvalidStateFile, NewerStateFile, OperationRefused
from tradeexecutor.state.files.compressed_copy import get_compressed_path
from tradeexecutor.state.files.durable_file import keep_under
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.state.files.syscalls import OS_FILES, FileLayer
from tradeexecutor.state.files.writer_lock import WriterLock
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.backups import BackupFolder, is_same_save

__all__ = ["MAX_EARLIER_RESULTS", "check_result_file", "find_earlier_results", "save_result"]

logger = logging.getLogger(__name__)

#: Earlier results that stay beside the newest one.
MAX_EARLIER_RESULTS = 10

_TIME = "%Y-%m-%dT%H%M%S"
_TIME_PATTERN = r"(\d{4}-\d{2}-\d{2}T\d{6})(?:-(\d+))?"


def check_result_file(path: Path, *, overwrite: bool = False) -> None:
    """Check that a new result may take the place of a file; the file need not exist.

    Parameters
    ----------
    overwrite
        The file is not kept, so it may also be damaged.

    Raises
    ------
    OperationRefused
        The file is not the result of a backtest.
    StoreLocked
        Another process writes to it.
    NewerStateFile, OSError
        It cannot be read.
    """
    if not path.exists():
        return
    _read_result(path, overwrite=overwrite)
    lock = WriterLock(resolve_links(path))
    lock.acquire()
    lock.release()


def _read_result(path: Path, *, overwrite: bool) -> State | None:
    """Return the result of a backtest; None for a damaged file that is going to be overwritten."""
    try:
        state = State.read_json_file(path)
    except NewerStateFile:
        raise
    except InvalidStateFile as error:
        if overwrite:  # the store keeps what it cannot read
            return None
        raise OperationRefused(str(error), remedy=Remedy.replace_or_elsewhere) from error
    if state.backtest_data is None:
        raise OperationRefused(
            f"{path} is not the result of a backtest, but may be the state of a live strategy: it is not replaced",
            remedy=Remedy.write_elsewhere,
        )
    return state


def save_result(state: State, path: Path, *, overwrite: bool = False, files: FileLayer = OS_FILES) -> Path | None:
    """Save the result of a backtest, and keep the one whose place it takes.

    The earlier result gets its second name before the new one takes its place, so a crash loses neither.

    Parameters
    ----------
    overwrite
        Do not keep the earlier result.

    Returns
    -------
    The path of the earlier result, or None if there was none or it was overwritten.

    Raises
    ------
    OperationRefused, StoreLocked, NewerStateFile, OSError
        See `check_result_file`; nothing has changed.
    SaveFailed
        The new result cannot be written. The earlier one is still in its place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with JSONFileStore(path, backups=None, files=files) as store:  # a backtest can be run again
        store.acquire_writer_lock()
        kept = None
        if path.exists():
            earlier = _read_result(path, overwrite=overwrite)
            if earlier is not None and not overwrite:
                kept = _keep(path, earlier, files)
        store.sync(state)
        if kept is not None:
            _remove_superfluous(path, files)
    return kept


def _keep(path: Path, earlier: State, files: FileLayer) -> Path:
    """Give the earlier result its second name, unless an interrupted run has done so; return the path to show."""
    target = resolve_links(path)
    saved_at = earlier.last_updated_at
    if saved_at is None:
        modified_at = datetime.datetime.fromtimestamp(target.stat().st_mtime, datetime.UTC)
        saved_at = modified_at.replace(tzinfo=None)
    for number in itertools.count(1):
        counted = f"-{number}" if number > 1 else ""
        kept = target.with_name(f"{target.stem}.{saved_at:{_TIME}}{counted}{target.suffix}")
        if not kept.exists():
            copy = get_compressed_path(target)
            if copy.exists() and not get_compressed_path(kept).exists():
                keep_under(copy, get_compressed_path(kept), files)
            keep_under(target, kept, files)
            break
        if is_same_save(kept, target):
            break
    else:
        raise AssertionError("numbers do not end")
    files.flush_folder(kept.parent)
    return path.with_name(kept.name) if resolve_links(path.parent) == kept.parent else kept


def find_earlier_results(path: Path) -> list[Path]:
    """Return the earlier results beside a result, oldest first, without those that were changed since."""
    target = resolve_links(path)
    pattern = re.compile(rf"{re.escape(target.stem)}\.{_TIME_PATTERN}{re.escape(target.suffix)}")
    found = ((pattern.fullmatch(item.name), item) for item in target.parent.iterdir())
    dated = sorted((match[1], int(match[2] or 1), item) for match, item in found if match)
    return [item for _, _, item in dated if not BackupFolder(item).folder.exists()]


def _remove_superfluous(path: Path, files: FileLayer) -> None:
    for item in find_earlier_results(path)[:-MAX_EARLIER_RESULTS]:
        try:
            for file in (get_compressed_path(item), item):
                if file.exists():
                    files.unlink(file)
        except OSError as error:
            logger.warning("an earlier result cannot be removed: %s", error)
