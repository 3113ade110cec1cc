"""Access rights of the files beside a state: the same users may read them as the state itself.

Backups, archives, the compressed copy and temporary files contain the same data as the state. Each gets mode, owner and
group of the state. Their folders get the mode of the state, too, and whoever may read may also enter.
"""

import errno
import os
import stat
from pathlib import Path

from tradeexecutor.state.files.syscalls import FileLayer

__all__ = ["give_access", "give_folder_access", "make_folder_beside"]


def give_access(files: FileLayer, descriptor: int, like: os.stat_result) -> None:
    """Set mode, owner and group of an open file to those of another file.

    Only root can change the owner. Other users can set a group to which they belong. If they do not belong to the
    group, its members get no more rights than everybody.

    Raises
    ------
    OSError
        The operating system refuses.
    """
    _give(files, descriptor, like, stat.S_IMODE(like.st_mode))


def give_folder_access(files: FileLayer, folder: Path, like: os.stat_result) -> None:
    """Remove rights of a folder that a file does not grant; if root runs this, give it to the owner of the file.

    A folder that is stricter than the file is not changed. Raises the errors of `give_access`.
    """
    now = folder.stat()
    allowed = _get_folder_mode(stat.S_IMODE(like.st_mode))
    is_foreign = os.geteuid() == 0 and (now.st_uid, now.st_gid) != (like.st_uid, like.st_gid)
    if not is_foreign and not stat.S_IMODE(now.st_mode) & 0o777 & ~allowed:
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _give(files, descriptor, like, stat.S_IMODE(now.st_mode) & allowed)
    finally:
        os.close(descriptor)


def _give(files: FileLayer, descriptor: int, like: os.stat_result, mode: int) -> None:
    now = os.fstat(descriptor)
    if os.geteuid() == 0:
        if (now.st_uid, now.st_gid) != (like.st_uid, like.st_gid):
            files.set_owner(descriptor, like.st_uid, like.st_gid)  # so that the user of the strategy can open it
    elif now.st_gid != like.st_gid:
        try:
            files.set_owner(descriptor, -1, like.st_gid)
        except PermissionError:
            mode = mode & ~0o070 | (mode & 0o007) << 3
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        files.set_mode(descriptor, mode)


def _get_folder_mode(mode: int) -> int:
    """Return the mode of a folder for files with `mode`: readers may enter, and the owner may do everything."""
    return 0o700 | mode & 0o077 | (mode & 0o044) >> 2


def make_folder_beside(path: Path, folder: Path, files: FileLayer) -> None:
    """Create a folder for files that belong to a state, or check the existing one.

    Backups may be on another disk, so a symbolic link is followed if only root, this user, or the owner of both the
    state and the folder can have created it. Any other link is refused: with it, another user could get a copy of the
    state, or make root write to a place where the owner of the link must not.

    Parameters
    ----------
    path
        The state file. If there is none yet, the folder gets the usual mode.

    Raises
    ------
    NotADirectoryError
        The path is not a folder, or it is a link that leads nowhere.
    OSError
        The path is a link that is not followed (``ELOOP``), or the folder cannot be created.
    """
    try:
        found = folder.lstat()
    except FileNotFoundError:
        files.make_folder(folder)
    else:
        if stat.S_ISLNK(found.st_mode):
            _check_link(path, folder, found)
        elif not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "this is not a folder", str(folder))
    state = _get_status(path)
    if state is not None:
        give_folder_access(files, folder, state)


def _check_link(path: Path, folder: Path, link: os.stat_result) -> None:
    target = _get_status(folder)
    if target is None or not stat.S_ISDIR(target.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "this symbolic link leads to no folder", str(folder))
    if link.st_uid in (0, os.geteuid()):
        return
    state = _get_status(path)
    if state is None or not link.st_uid == target.st_uid == state.st_uid:
        raise OSError(errno.ELOOP, "another user made this symbolic link, it is not followed", str(folder))


def _get_status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
