"""What a user sees when a command fails: one line on standard error, and the exit code.

====  =========================================================
code  meaning
====  =========================================================
0     done
1     failed: bad input, or a check that found something wrong
2     the command line itself is wrong
130   interrupted
====  =========================================================
"""

import errno
import functools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from tradeexecutor.cli.output import print_problem

#: Set by ``--debug`` or the environment variable: errors show their traceback.
DEBUG_VARIABLE = "TRADEEXECUTOR_DEBUG"

EXIT_FAILURE = 1

_debug = False


class CommandFailed(Exception):
    """A command cannot do what it was asked; the text is for the user.

    Attributes
    ----------
    hint
        What to try instead; empty when there is nothing to say.
    """

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.hint = hint


def set_debug(enabled: bool) -> None:
    """Show tracebacks and log messages, or hide them."""
    global _debug
    _debug = enabled
    logging.basicConfig(
        level=logging.DEBUG if enabled else logging.ERROR, format="%(levelname)s %(name)s: %(message)s", force=True
    )
    # Libraries tell a lot that nobody who debugs a strategy wants to know.
    logging.getLogger().setLevel(logging.WARNING if enabled else logging.ERROR)
    logging.getLogger("tradeexecutor").setLevel(logging.DEBUG if enabled else logging.ERROR)


def report_failures(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn the errors of a command into a line on standard error and exit code 1; with ``--debug`` let them through."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # the reader of a pipe has had enough
            if _debug:
                raise
            print_problem(f"Error: {describe_error(error)}")
            hint = getattr(error, "hint", "")
            if hint:
                print_problem(hint, "")
            raise typer.Exit(EXIT_FAILURE) from error

    return run


def _describe_os_error(error: OSError) -> str:
    """Say what is missing, or may not be written, rather than which system call failed."""
    from tradeexecutor.cli.output import shorten_path

    if not isinstance(error.filename, str | os.PathLike):
        return error.strerror or str(error)
    if error.strerror != os.strerror(error.errno or 0):  # not the system's words but ours, and perhaps no path
        return f"{os.fspath(error.filename)}: {error.strerror}"
    path = Path(os.fspath(error.filename))
    name, folder = shorten_path(path), shorten_path(path.parent)
    if error.errno == errno.ENOENT:
        return f"there is no file {name}" if path.parent.is_dir() else f"there is no folder {folder}"
    if error.errno in (errno.EACCES, errno.EROFS) and not path.exists() and path.parent.is_dir():
        return f"the folder {path.parent.absolute() if folder == '.' else folder} is not writable"
    return f"{name}: {error.strerror}"


def describe_error(error: BaseException) -> str:
    """Return one line that tells a user what is wrong."""
    from tradeexecutor.state.errors import TradeExecutorError

    if isinstance(error, CommandFailed | TradeExecutorError):
        # Stores name files by their whole path; what is in the working folder is known by its name.
        return " ".join(str(error).split()).replace(f"{Path.cwd()}{os.sep}", "")
    if isinstance(error, OSError) and error.strerror:
        return _describe_os_error(error)
    if isinstance(error, MemoryError):
        return "out of memory"
    text = " ".join(str(error).split())
    return f"unexpected {type(error).__name__}: {text} (run tradeexecutor --debug ... to see where; please report it)"
