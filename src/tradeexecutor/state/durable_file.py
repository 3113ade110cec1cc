"""Replace a file so that a reader, and the disk after a crash, has either the old or the new content, whole."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to a temporary file in the same folder, flush it to the disk and rename it over `path`.

    The mode of an existing file is kept, and a symbolic link is followed.  When anything up to the renaming fails the
    old file is untouched and the temporary file is removed.  When only the last step fails, flushing the folder, the
    new content is in place but may not survive a power cut.

    Raises
    ------
    OSError
        The folder does not exist or cannot be written to, or the disk is full.
    """
    path = path.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), _get_mode(path))
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush the names of a folder to the disk, so that a rename survives a crash."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _get_mode(path: Path) -> int:
    """Return the mode of the file, or what a newly created file would have."""
    try:
        return path.stat().st_mode & 0o7777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
