"""Reading of files that may be anything: a device, a pipe, a file that grows, or a file larger than any state.

Such a file is refused before its content fills the memory.
"""

import os
import stat
from pathlib import Path

from tradeexecutor.state.codec.bounds import MAX_FILE_SIZE
from tradeexecutor.state.errors import InvalidStateFile

__all__ = ["read_file", "require_regular_file"]


def require_regular_file(status: os.stat_result, path: Path) -> None:
    """Raise `InvalidStateFile` for a device, a pipe or a socket; a folder is left to the operating system."""
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise InvalidStateFile("a device or a pipe, not a file", path)


def read_file(path: Path, limit: int = MAX_FILE_SIZE) -> bytes:
    """Return the content of a regular file.

    Parameters
    ----------
    limit
        Largest size, bytes.

    Raises
    ------
    InvalidStateFile
        It is a device or a pipe, it is larger than the limit, or its size changes while it is read.
    OSError
        It cannot be read.
    """
    require_regular_file(os.stat(path), path)  # opening a pipe would wait for its writer
    with open(path, "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        require_regular_file(status, path)
        size = status.st_size
        if size > limit:
            raise InvalidStateFile(f"it has {size:,} bytes, the largest state has {limit:,}", path)
        content = file.read(size + 1)
        while len(content) < size and (more := file.read(size + 1 - len(content))):
            content += more
    if len(content) != size:
        raise InvalidStateFile(f"its size changed from {size:,} bytes while it was read", path)
    return content
