"""The system calls that change the disk. Each has its own method, so that a test can make any of them fail."""

import os
from pathlib import Path


class FileLayer:
    """The operating system; every method raises `OSError` when it refuses."""

    def create(self, path: Path, mode: int) -> int:
        """Create a new file and return its descriptor, open for writing; an existing file is refused."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)

    def write(self, descriptor: int, content: memoryview) -> int:
        """Write bytes of the content, and return how many were written, which may be fewer than there are."""
        return os.write(descriptor, content)

    def set_mode(self, descriptor: int, mode: int) -> None:
        """Set the permission bits of an open file."""
        os.fchmod(descriptor, mode)

    def set_owner(self, descriptor: int, user: int, group: int) -> None:
        """Set owner and group of an open file."""
        os.fchown(descriptor, user, group)

    def flush(self, descriptor: int) -> None:
        """Write the content of an open file to the disk, and wait until it is there."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close an open file."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Rename a file; an existing file with the new name is replaced."""
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name, which must be free."""
        os.link(source, target)

    def unlink(self, path: Path) -> None:
        """Remove a name of a file."""
        path.unlink()

    def make_folder(self, path: Path) -> None:
        """Create a folder; its parent must exist."""
        path.mkdir()

    def flush_folder(self, path: Path) -> None:
        """Write the names in a folder to the disk, and wait until they are there."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


#: The operating system itself.
OS_FILES = FileLayer()
