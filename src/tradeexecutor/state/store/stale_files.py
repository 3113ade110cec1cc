"""Find temporary files that killed processes have left.

Their names have a pattern that no other files have, ``.NAME.<16 hex digits>.tmp``. Most are written only by the holder
of the writer lock: if they are older than the lock of this process, their process is dead. Any process may write a copy
before a change of the state, without the lock, so a temporary file of such a copy counts as left only after an hour.
"""

import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from tradeexecutor.state.files.compressed_copy import get_compressed_path
from tradeexecutor.state.files.folders import list_names
from tradeexecutor.state.store.archive import get_folder_beside
from tradeexecutor.state.store.backups import BACKUP_NAME, BackupFolder, make_kept_name_pattern

__all__ = ["find_stale_files"]

#: Age after which a temporary file that is written without the lock counts as left, seconds.
_STALE_AFTER = 3600.0

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.tmp", re.DOTALL)

_ARCHIVE_NAME = re.compile(r"[0-9a-f]{64}\.json\.br")


def find_stale_files(path: Path, locked_since: float) -> list[Path]:
    """Return temporary files of killed processes beside a state and among its backups and archives.

    Parameters
    ----------
    path
        The state file, without symbolic links. The caller holds its writer lock.
    locked_since
        Time at which the caller took the lock, seconds since the epoch.
    """
    found = _find_in_folder(path, locked_since)
    for folder, pattern in ((BackupFolder(path).folder, BACKUP_NAME), (get_folder_beside(path), _ARCHIVE_NAME)):
        found += [
            item
            for item, name in _list_temporary_files(folder)
            if pattern.fullmatch(name) and _is_older(item, locked_since)
        ]
    return sorted(found)


def _find_in_folder(path: Path, locked_since: float) -> list[Path]:
    found: list[Path] = []
    temporary = [*_list_temporary_files(path.parent)]
    if not temporary:  # nearly always
        return found
    own = {path.name, get_compressed_path(path).name}
    kept = make_kept_name_pattern(path)
    unlocked_since = time.time() - _STALE_AFTER
    for item, name in temporary:
        if name in own:
            found += [item] if _is_older(item, locked_since) else []
        elif kept.fullmatch(name):
            found += [item] if _is_older(item, min(locked_since, unlocked_since)) else []
    return found


def _list_temporary_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each temporary file of a folder with the name of the file that it would have become."""
    for name in list_names(folder):
        match = _TEMPORARY.fullmatch(name) if name.startswith(".") else None
        if match:
            yield folder / name, match["name"]


def _is_older(path: Path, since: float) -> bool:
    """Return True if a path is a file that nobody has written to since a time (seconds since the epoch)."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_mtime < since
