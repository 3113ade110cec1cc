"""Write files so that a reader sees either the whole old or the whole new content, even after a crash.

New content is written to a temporary file in the same folder, ``.NAME.<16 hex digits>.tmp``. Its bytes are flushed to
the disk before the file gets its name, and the folder is flushed afterwards. A process that is killed leaves the
temporary file.
"""

import contextlib
import errno
import os
import re
from pathlib import Path

from tradeexecutor.state.files.access import give_access
from tradeexecutor.state.files.folders import list_names
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.state.files.syscalls import OS_FILES, FileLayer

#: Error codes of file systems without hard links, or with a limit on their number.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})

#: Bytes that are read back at once.
_PIECE = 1 << 18


class Replacement:
    """New content for a file, which is first written beside it and then put in its place.

    A symbolic link is followed.

    Parameters
    ----------
    path
        The file. It need not exist, but its folder must.
    like
        File whose mode, owner and group the new file gets (:mod:`~.access`), by default the replaced file. If it does
        not exist, the new file gets the usual mode.
    """

    def __init__(self, path: Path, like: Path | None = None, files: FileLayer = OS_FILES):
        is_plain = path.is_absolute() and not path.is_symlink()  # so it need not be resolved, which takes long
        self.path = path if is_plain else resolve_links(path)
        self.like = like
        self._files = files
        self._temporary = self.path.with_name(f".{self.path.name}.{os.urandom(8).hex()}.tmp")
        self._inode: tuple[int, int] | None = None

    def write(self, *parts: bytes | memoryview) -> None:
        """Write the content in parts and flush it to the disk; readers do not see it yet."""
        files = self._files
        old = _get_status(self.like or self.path)
        descriptor = files.create(self._temporary, 0o600 if old else 0o666)
        try:
            self._inode = _get_inode(os.fstat(descriptor))
            if old is not None:
                give_access(files, descriptor, old)
            for part in parts:
                _write_all(files, descriptor, part)
            files.flush(descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                files.close(descriptor)
            raise
        files.close(descriptor)

    def read_back(self) -> bytes:
        """Return the content as the file system has it now, before it is put in place."""
        return self._temporary.read_bytes()

    def holds(self, *parts: bytes | memoryview) -> bool:
        """Return whether the file system has exactly these parts now, before they are put in place.

        The content is read in pieces, because memory for all of it would take longer than the comparison.
        """
        with self._temporary.open("rb", buffering=0) as file:
            for part in parts:
                rest = memoryview(part)
                while rest:
                    piece = file.read(min(len(rest), _PIECE))
                    if not piece or not piece.startswith(rest[: len(piece)]):
                        return False
                    rest = rest[len(piece) :]
            return not file.read(1)

    def put_in_place(self) -> None:
        """Rename the new file over the old one and flush the folder.

        If the flush fails, `is_in_place` is True: the file has the new content, but a power cut may undo this.
        """
        self._files.rename(self._temporary, self.path)
        self._files.flush_folder(self.path.parent)

    @property
    def is_in_place(self) -> bool:
        """True if the file has the new content; also known when the renaming was interrupted."""
        if self._inode is None:
            return False  # nothing was written, and the path may be unreadable
        now = _get_status(self.path)
        return now is not None and self._inode == _get_inode(now)

    def discard(self) -> None:
        """Remove the temporary file unless it is in place; never raises."""
        if not self.is_in_place:
            with contextlib.suppress(OSError):
                self._files.unlink(self._temporary)


def write_atomically(
    path: Path, *parts: bytes | memoryview, like: Path | None = None, files: FileLayer = OS_FILES
) -> None:
    """Replace the content of a file, or create the file; see `Replacement`.

    If an error occurs up to the renaming, the old file is unchanged and the temporary file is removed. If only the last
    step fails, flushing the folder, the new content is in place, but a power cut may undo this.

    Raises
    ------
    OSError
        The folder does not exist or cannot be written to, or the disk is full.
    """
    replacement = Replacement(path, like, files)
    try:
        replacement.write(*parts)
        replacement.put_in_place()
    except BaseException:
        replacement.discard()
        raise


def keep_under(source: Path, target: Path, files: FileLayer = OS_FILES) -> None:
    """Give a file a second name, which must be free. The file is copied only when the file system has no hard links.

    The caller flushes the folder of `target`.

    Raises
    ------
    FileExistsError
        The name is taken.
    OSError
        The file system refuses.
    """
    try:
        files.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        copy_durably(source, target, files)


def copy_durably(source: Path, target: Path, files: FileLayer = OS_FILES) -> None:
    """Copy a file to a name that must be free. An incomplete copy never has this name.

    The copy has mode, owner and group of the original. The caller flushes the folder.

    Raises
    ------
    FileExistsError
        The name is taken.
    OSError
        The folder cannot be written to, or the disk is full.
    """
    content = source.read_bytes()
    temporary = target.with_name(f".{target.name}.{os.urandom(8).hex()}.tmp")
    descriptor = files.create(temporary, 0o600)
    try:
        try:
            give_access(files, descriptor, source.stat())
            _write_all(files, descriptor, content)
            files.flush(descriptor)
        finally:
            files.close(descriptor)
        _name_once(temporary, target, files)
    except BaseException:
        with contextlib.suppress(OSError):
            files.unlink(temporary)
        raise


def _name_once(temporary: Path, target: Path, files: FileLayer) -> None:
    """Rename a file without replacing another one."""
    try:
        files.link(temporary, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():  # without links, another process could take the name between this line and the next
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        files.rename(temporary, target)
    else:
        files.unlink(temporary)


def find_temporary_files(path: Path) -> list[Path]:
    """Return the temporary files of running and dead writers of `path`, sorted by name."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{16}}\.tmp")
    return [path.parent / name for name in sorted(list_names(path.parent)) if pattern.fullmatch(name)]


def _write_all(files: FileLayer, descriptor: int, content: bytes | memoryview) -> None:
    rest = memoryview(content)
    while rest:
        count = files.write(descriptor, rest)
        if count <= 0:
            raise OSError(errno.EIO, "the disk takes no bytes")
        rest = rest[count:]


def _get_status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _get_inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
