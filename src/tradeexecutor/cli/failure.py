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
from collections.abc import Callable
from typing import Any

import typer

from tradeexecutor.cli.output import print_problem
from tradeexecutor.cli.remedies import describe_remedy
from tradeexecutor.operations.error_text import describe_error, is_expected
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.errors import TradeExecutorError

__all__ = ["DEBUG_VARIABLE", "EXIT_FAILURE", "CommandFailed", "report_failures", "set_debug"]

#: Set by ``--debug`` or the environment variable: errors show their traceback.
DEBUG_VARIABLE = "TRADEEXECUTOR_DEBUG"

EXIT_FAILURE = 1

_debug = False


class CommandFailed(TradeExecutorError):
    """A command line asks for what this command cannot do; the text is for the user.

    Attributes
    ----------
    hint
        What to try instead; empty when there is nothing to say.
    """

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.hint = hint


def set_debug(*, enabled: bool) -> None:
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
            advice = "" if is_expected(error) else " (run tradeexecutor --debug ... to see where; please report it)"
            print_problem(f"Error: {describe_error(error)}{advice}")
            for hint in _list_hints(error, kwargs.get("state_file")):
                print_problem(hint, "")
            raise typer.Exit(EXIT_FAILURE) from error

    return run


def _list_hints(error: Exception, place: object) -> list[str]:
    """Return what else there is to say: facts, and what to do instead.

    Parameters
    ----------
    place
        The state that the command was given; None for a command without one.
    """
    hints = [getattr(error, "hint", "")]
    remedy = getattr(error, "remedy", None)
    if remedy is not None:
        hints.append(describe_remedy(Remedy(remedy), place))
    return [hint for hint in hints if hint]
