"""The system calls that change the disk, one method each, so that a test can let any of them fail."""

import os
from pathlib import Path


class FileLayer:
    """The operating system; every method raises `OSError` when it refuses."""

    def create(self, path: Path, mode: int) -> int:
        """Make a new file, open for writing; refuses an existing one.  Returns the descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)

    def write(self, descriptor: int, content: memoryview) -> int:
        """Write some bytes of the content; returns how many, which may be fewer than there are."""
        return os.write(descriptor, content)

    def set_mode(self, descriptor: int, mode: int) -> None:
        """Set the permission bits of an open file."""
        os.fchmod(descriptor, mode)

    def set_owner(self, descriptor: int, user: int, group: int) -> None:
        """Give an open file to a user and a group."""
        os.fchown(descriptor, user, group)

    def flush(self, descriptor: int) -> None:
        """Return when the content of an open file is on the disk."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close an open file."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name; what had that name is gone."""
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name, which must be free."""
        os.link(source, target)

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        path.unlink()

    def make_folder(self, path: Path) -> None:
        """Make a folder; its parent must exist."""
        path.mkdir()

    def flush_folder(self, path: Path) -> None:
        """Return when the names in a folder are on the disk."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


#: The operating system itself.
OS_FILES = FileLayer()
