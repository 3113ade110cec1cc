"""Calling what the author of a strategy wrote, which may do anything."""

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["StrategyExited", "call_author_code"]

T = TypeVar("T")


class StrategyExited(RuntimeError):
    """The strategy tried to end the program.

    A strategy that has nothing to do returns; one that cannot go on raises an error.
    """

    def __init__(self, code: object):
        shown = "" if code is None else repr(code)
        super().__init__(f"a strategy must not end the program, it called sys.exit({shown})")


def call_author_code(function: Callable[..., T], *arguments: Any, **keywords: Any) -> T:
    """Call a function of a strategy.

    A process that the function has forked ends here with status 1 instead of returning: it has a copy of the state and
    of the connections, and two processes must not both carry out one decision. Workers that end inside the function,
    as those of `multiprocessing` do, are not affected.

    Raises
    ------
    StrategyExited
        The function called `sys.exit`, which is the cause.
    """
    process = os.getpid()
    try:
        return function(*arguments, **keywords)
    except SystemExit as error:
        # The traceback tells in which line of the strategy it was.
        raise StrategyExited(error.code).with_traceback(error.__traceback__) from error
    finally:
        if os.getpid() != process:
            _end_forked_process()


def _end_forked_process() -> None:
    """End without running anything else: no clean-up, which would release the locks of the first process."""
    try:
        message = "Error: the strategy forked, and the second process came back from it; that process ends here\n"
        os.write(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, message.encode())
    finally:
        os._exit(1)
