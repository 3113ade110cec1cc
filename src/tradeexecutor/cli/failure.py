"""What a user sees when a command fails: one line on standard error, and the exit code.

====  =========================================================
code  meaning
====  =========================================================
0     done
1     failed: bad input, a check that found something wrong, or an
      output that could not be written
2     the command line itself is wrong
3     a live job hung and was interrupted; the next start goes on
130   interrupted
====  =========================================================
"""

import contextlib
import errno
import functools
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TextIO

import typer

from tradeexecutor.cli.output import OutputFailed, print_problem, round_decimals
from tradeexecutor.cli.remedies import describe_remedy
from tradeexecutor.operations.error_text import describe_error, is_expected
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.display.visible import make_visible
from tradeexecutor.state.errors import TradeExecutorError

__all__ = [
    "DEBUG_VARIABLE",
    "EXIT_FAILURE",
    "EXIT_HUNG",
    "CommandFailed",
    "DebugOption",
    "accept_debug",
    "guard_streams",
    "report_failures",
    "set_debug",
]

#: Environment variable that does the same as ``--debug``: errors show their traceback.
DEBUG_VARIABLE = "TRADEEXECUTOR_DEBUG"

#: The option of the program, of its groups and of all commands.
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks and log messages.")]

EXIT_FAILURE = 1
EXIT_HUNG = 3

_debug = False


class CommandFailed(TradeExecutorError):
    """The command cannot do what the command line asks for; the text is for the user.

    Attributes
    ----------
    hint
        What to try instead; empty when there is no advice.
    """

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.hint = hint


class _VisibleFormatter(logging.Formatter):
    """Escapes control characters in log messages, because they repeat texts from outside."""

    def format(self, record: logging.LogRecord) -> str:
        return make_visible(super().format(record), keep_newlines=True)


def set_debug(*, enabled: bool) -> None:
    """Show tracebacks and log messages, or hide them."""
    global _debug
    _debug = enabled
    handler = logging.StreamHandler()
    handler.setFormatter(_VisibleFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], force=True)
    # Debug messages of libraries do not help to debug a strategy.
    logging.getLogger().setLevel(logging.WARNING if enabled else logging.ERROR)
    logging.getLogger("tradeexecutor").setLevel(logging.DEBUG if enabled else logging.ERROR)


def accept_debug(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of a command with one more option, ``--debug``, so that it may stand behind the command."""
    signature = inspect.signature(command)

    @functools.wraps(command)
    def run(*args: Any, debug: bool, **kwargs: Any) -> Any:
        if debug:
            set_debug(enabled=True)
        return command(*args, **kwargs)

    option = inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=DebugOption)
    run.__signature__ = signature.replace(  # pyright: ignore[reportAttributeAccessIssue]
        parameters=[*signature.parameters.values(), option]
    )
    run.__annotations__ = {**command.__annotations__, "debug": DebugOption}
    return run


def report_failures(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command whose errors print a line on standard error and exit with 1; ``--debug`` adds the traceback."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            if isinstance(error, OutputFailed) and error.reader_left:
                raise typer.Exit(EXIT_FAILURE) from error
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # the reader of a pipe has closed it
            if _debug:
                print_problem("".join(traceback.format_exception(error)).rstrip(), "")
                raise typer.Exit(EXIT_FAILURE) from error
            advice = "" if is_expected(error) else " (add --debug to see where; please report it)"
            print_problem(f"Error: {round_decimals(describe_error(error))}{advice}")
            for hint in _list_hints(error, kwargs.get("state_file")):
                print_problem(hint, "")
            raise typer.Exit(EXIT_FAILURE) from error

    return run


def _list_hints(error: Exception, place: object) -> list[str]:
    """Return further lines for the user: facts, and what to do instead.

    Parameters
    ----------
    place
        Location of the state that the command works on; None for a command without one.
    """
    hints = [getattr(error, "hint", "")]
    remedy = getattr(error, "remedy", None)
    if remedy is not None:
        hints.append(describe_remedy(Remedy(remedy), place))
    return [hint for hint in hints if hint]


# --- The streams


@contextlib.contextmanager
def guard_streams() -> Iterator[None]:
    """Run the program so that output that cannot be written is a failure with a message, not a traceback.

    Raises
    ------
    SystemExit
        With `EXIT_FAILURE`: standard output is closed at the start, or the output could not be written.
    """
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]  # as after >&-
        print_problem("Error: standard output is closed; to see nothing: > /dev/null")
        raise SystemExit(EXIT_FAILURE)
    for stream, errors in (
        (sys.stdin, "surrogateescape"),
        (sys.stdout, "backslashreplace"),
        (sys.stderr, "backslashreplace"),
    ):
        with contextlib.suppress(AttributeError, ValueError):  # a stream of the caller's own, or None
            stream.reconfigure(errors=errors)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno != errno.EPIPE:
            print_problem(f"Error: standard output: {error.strerror or error}")
        raise SystemExit(EXIT_FAILURE) from error
    finally:
        _discard_unwritten(sys.stdout)


def _discard_unwritten(stream: TextIO) -> None:
    """Discard unwritten output; otherwise Python would try to write it again at exit, and print an error."""
    try:
        stream.flush()
    except OSError:
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def show_usage_errors() -> Iterator[None]:
    """Escape control characters that a usage error repeats from the command line."""
    try:
        yield
    except Exception as error:
        message = getattr(error, "message", None)
        if isinstance(error, _UsageError) and isinstance(message, str):
            setattr(error, "message", make_visible(message, keep_newlines=True))  # noqa: B010  # typed by typer alone
        raise


#: Base class of `typer.BadParameter`; typer does not export it.
_UsageError: type[Any] = typer.BadParameter.__mro__[1]
