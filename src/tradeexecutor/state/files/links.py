"""Resolution of symbolic links in the paths of users."""

import errno
import os
from pathlib import Path

__all__ = ["resolve_links"]


def resolve_links(path: Path) -> Path:
    """Return the absolute path without symbolic links; the file need not exist.

    Raises
    ------
    OSError
        A link leads to itself. `pathlib` raises `RuntimeError`, and since Python 3.13 returns a path.
    """
    try:
        return path.resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error
