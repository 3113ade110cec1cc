"""Names in folders that need not exist."""

import errno
import os
from pathlib import Path

__all__ = ["list_names"]

_NO_FOLDER = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


def list_names(folder: Path) -> list[str]:
    """Return the names in a folder, in any order; none if there is no folder at the path.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    try:
        return os.listdir(folder)
    except OSError as error:
        if error.errno not in _NO_FOLDER:
            raise
        return []
