"""Earlier saves of a state file, kept beside it.

There are two kinds. The store never reads either of them by itself:

**Rotating backups**, in the folder ``PATH.backups``: before a save replaces the file, the file gets a second name
``NUMBER-TIME.json`` there (a hard link, nothing is copied). The number increases by one with every save. The time is
that of the save in UTC, for people. `BackupPolicy` defines how many are kept.

**Kept originals**, ``STEM.SUFFIX-N.json`` beside the file with the first free N: made by `backup_state` before a change
that cannot be undone, and by a store before it overwrites a file that it did not write. They are never removed.
"""

import contextlib
import datetime
import errno
import filecmp
import itertools
import logging
import os
import re
import shlex
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.files.access import make_folder_beside
from tradeexecutor.state.files.checksum_header import HEAD_SIZE, read_checksum_header
from tradeexecutor.state.files.durable_file import copy_durably, keep_under
from tradeexecutor.state.files.folders import list_names
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.state.files.syscalls import OS_FILES, FileLayer

logger = logging.getLogger(__name__)

#: Name of a rotating backup; the first group is its number.
BACKUP_NAME = re.compile(r"(\d{8,})-\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z(\..*)?")
_SUFFIX = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class BackupPolicy:
    """The rotating backups to keep: the newest `last`, and the newest one of each of `daily` days.

    Only days with a save count, so a strategy that pauses keeps its backups.

    Attributes
    ----------
    last
        Number of saves before the present one to keep, 0 or more.
    daily
        Number of days (UTC) with a save to keep, 0 or more.
    """

    last: int = 3
    daily: int = 7

    def __post_init__(self) -> None:
        for name, value in (("last", self.last), ("daily", self.daily)):
            if type(value) is not int or value < 0:
                raise InvalidValue(f"BackupPolicy.{name} must be a number of backups, 0 or more, got {value!r}")


class Backup(NamedTuple):
    """A rotating backup: its file, and its number in the order of saves."""

    number: int
    path: Path


class BackupFolder:
    """The rotating backups of a state file. Only the holder of the writer lock may change them.

    Parameters
    ----------
    path
        The state file, without symbolic links.
    """

    def __init__(self, path: Path, files: FileLayer = OS_FILES):
        self._path = path
        self._files = files
        self.folder = path.with_name(f"{path.name}.backups")
        #: Mode of the state to which the access rights of all backups were already restricted; None before.
        self._restricted_to: int | None = None

    def list_backups(self) -> list[Backup]:
        """Return the backups, oldest first."""
        found = [match for match in map(BACKUP_NAME.fullmatch, list_names(self.folder)) if match]
        return sorted(Backup(int(match[1]), self.folder / match[0]) for match in found)

    def has_current(self, backups: list[Backup]) -> bool:
        """Return True if the newest backup is the state file itself, which a failed save leaves."""
        return bool(backups) and is_same_save(backups[-1].path, self._path)

    def add(self, number: int, backups: list[Backup], *, is_current: bool) -> None:
        """Add the state file, which is about to be replaced, to the backups, and flush the folder to the disk.

        Parameters
        ----------
        backups, is_current
            What `list_backups` and `has_current` return; the new backup is appended to the list.

        Raises
        ------
        OSError
            The folder cannot be written to, or the disk is full.
        """
        make_folder_beside(self._path, self.folder, self._files)
        if not backups:
            self._files.flush_folder(self.folder.parent)
        if not is_current:
            time = datetime.datetime.fromtimestamp(self._path.stat().st_mtime, datetime.UTC)
            name = f"{number:08}-{time:%Y-%m-%dT%H-%M-%SZ}{self._path.suffix}"
            backup = Backup(number, self.folder / name)
            keep_under(self._path, backup.path, self._files)
            backups.append(backup)
        self._files.flush_folder(self.folder)

    def restrict(self, backups: list[Backup]) -> None:
        """Remove access to the backups from users who may no longer read the state.

        Raises
        ------
        OSError
            The operating system refuses.
        """
        allowed = stat.S_IMODE(self._path.stat().st_mode)
        if allowed == self._restricted_to:
            return
        for backup in backups:
            mode = stat.S_IMODE(backup.path.lstat().st_mode)
            if mode & ~allowed:
                descriptor = os.open(backup.path, os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    self._files.set_mode(descriptor, mode & allowed)
                finally:
                    os.close(descriptor)
        self._restricted_to = allowed

    def prune(self, policy: BackupPolicy, backups: list[Backup]) -> None:
        """Remove the backups that the policy does not keep, also from the list of them.

        A backup that cannot be removed stays until the next time.
        """
        for backup in select_superfluous(backups, policy):
            try:
                with contextlib.suppress(FileNotFoundError):  # somebody else has removed it meanwhile
                    self._files.unlink(backup.path)
            except OSError as error:
                logger.warning("an old backup cannot be removed: %s", error)
            else:
                backups.remove(backup)


def select_superfluous(backups: list[Backup], policy: BackupPolicy) -> list[Backup]:
    """Return the backups that the policy does not keep; `backups` are sorted, oldest first."""
    newest_first = backups[::-1]
    days: dict[str, Backup] = {}
    for backup in newest_first:
        days.setdefault(backup.path.name.partition("-")[2][:10], backup)
    kept = {*newest_first[: policy.last], *itertools.islice(days.values(), policy.daily)}
    return [backup for backup in backups if backup not in kept]


# --- Kept originals


@dataclass(frozen=True, slots=True)
class StateBackup:
    """A backup made before a change.

    Attributes
    ----------
    path
        Path of the copy.
    restore_command
        Shell command that restores the copy.
    """

    path: Path
    restore_command: str


def backup_state(path: str | os.PathLike[str], suffix: str = "backup", files: FileLayer = OS_FILES) -> StateBackup:
    """Copy a state file to ``STEM.SUFFIX-N.json`` beside it, with the first free N. Call it before changing a state.

    The copy is on the disk when this returns, and it is never removed. The file can be copied while a store writes it.

    Parameters
    ----------
    path
        The state file.
    suffix
        Purpose of the backup: lower-case words joined by hyphens, e.g. ``prune-backup``.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    InvalidValue
        The suffix has other characters.
    OSError
        The folder cannot be written to, or the disk is full.
    """
    given = Path(path)
    kept = _keep(resolve_links(given), suffix, lambda source, target: copy_durably(source, target, files))
    files.flush_folder(kept.parent)
    shown = given.with_name(kept.name) if resolve_links(given.parent) == kept.parent else kept
    command = shlex.join(["tradeexecutor", "store", "recover", str(given), "--from", str(shown), "--exact"])
    return StateBackup(shown, command)


def keep_original(path: Path, suffix: str, files: FileLayer = OS_FILES) -> Path:
    """Keep a file that is about to be replaced as ``STEM.SUFFIX-N.json``, and return the path.

    The file gets a second name, it is not copied. Nothing is done when an earlier attempt has already kept it.

    Raises
    ------
    OSError
        The folder cannot be written to, or the disk is full.
    """
    for item in find_kept_originals(path):
        if item.name.startswith(f"{path.stem}.{suffix}-") and filecmp.cmp(item, path, shallow=False):
            kept = item
            break
    else:
        kept = _keep(path, suffix, lambda source, target: keep_under(source, target, files))
    files.flush_folder(path.parent)
    return kept


def is_same_save(path: Path, other: Path) -> bool:
    """Return True if two files are the same file or have the same content; checksum headers are compared if present."""
    if path.samefile(other):
        return True
    with path.open("rb") as file, other.open("rb") as other_file:
        header, other_header = (read_checksum_header(item.read(HEAD_SIZE)) for item in (file, other_file))
    if header is not None and other_header is not None:
        return header == other_header
    return filecmp.cmp(path, other, shallow=False)


def _keep(path: Path, suffix: str, keep: Callable[[Path, Path], None]) -> Path:
    if not _SUFFIX.fullmatch(suffix):
        raise InvalidValue(f"the suffix of a backup is made of lower-case words joined by hyphens, got {suffix!r}")
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "no such state file", str(path))
    for number in itertools.count(1):
        target = path.with_name(f"{path.stem}.{suffix}-{number}{path.suffix}")
        if not target.exists():
            try:
                keep(path, target)
            except FileExistsError:  # another process has taken the name
                continue
            return target
    raise AssertionError("numbers do not end")


def make_kept_name_pattern(path: Path) -> re.Pattern[str]:
    """Return the pattern of the names of kept originals; groups 1 and 3 are the suffix and the number."""
    return re.compile(rf"{re.escape(path.stem)}\.({_SUFFIX.pattern})-(\d+){re.escape(path.suffix)}")


def find_kept_originals(path: Path) -> list[Path]:
    """Return the kept originals of a state file, sorted by suffix and number."""
    pattern = make_kept_name_pattern(path)
    folder = path.parent
    found = [match for match in map(pattern.fullmatch, list_names(folder)) if match]
    return [folder / name for _, _, name in sorted((match[1], int(match[3]), match[0]) for match in found)]
