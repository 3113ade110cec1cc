"""Texts of errors and paths for users."""

import errno
import os
from pathlib import Path

from tradeexecutor.state.errors import TradeExecutorError

__all__ = ["describe_error", "is_expected", "shorten_path"]


def shorten_path(path: Path) -> str:
    """Return a path relative to the working folder if it is inside; otherwise the path itself."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def is_expected(error: BaseException) -> bool:
    """Return True if an error is a refusal with a text for users, and not a defect of the program."""
    return isinstance(error, TradeExecutorError | MemoryError) or (
        isinstance(error, OSError) and error.strerror is not None
    )


def describe_error(error: BaseException) -> str:
    """Return one line that describes an error to a user."""
    if isinstance(error, TradeExecutorError):
        # Messages of stores have absolute paths; inside the working folder relative ones are easier to read.
        return " ".join(str(error).split()).replace(f"{Path.cwd()}{os.sep}", "")
    if isinstance(error, OSError) and error.strerror:
        return _describe_os_error(error)
    if isinstance(error, MemoryError):
        return "out of memory"
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"


def _describe_os_error(error: OSError) -> str:
    """Return what is missing or not writable, rather than which system call failed."""
    file: object = error.filename
    if not isinstance(file, str | Path):
        return error.strerror or str(error)
    if error.strerror != os.strerror(error.errno or 0):  # our own message, and perhaps not about a path
        return f"{file}: {error.strerror}"
    path = Path(file)
    name, folder = shorten_path(path), shorten_path(path.parent)
    if error.errno == errno.ENOENT:
        return f"there is no file {name}" if path.parent.is_dir() else f"there is no folder {folder}"
    if error.errno in (errno.EACCES, errno.EROFS) and not path.exists() and path.parent.is_dir():
        return f"the folder {path.parent.absolute() if folder == '.' else folder} is not writable"
    return f"{name}: {error.strerror}"
