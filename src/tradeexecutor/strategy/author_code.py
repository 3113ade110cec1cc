"""Calling the code of a strategy author safely."""

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["StrategyExited", "call_author_code", "call_with_one"]

A = TypeVar("A")
T = TypeVar("T")

#: Number of forks between the start of the program and this process; asking for the process id is a system call.
_forks = 0


def _count_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)


class StrategyExited(RuntimeError):
    """The strategy tried to end the program.

    A strategy without anything to do must return; one that cannot continue must raise an error.
    """

    def __init__(self, code: object):
        shown = "" if code is None else repr(code)
        super().__init__(f"a strategy must not end the program, it called sys.exit({shown})")


def call_author_code(function: Callable[..., T], *arguments: Any, **keywords: Any) -> T:
    """Call a function of a strategy with these arguments, see `call_with_one`."""
    return call_with_one(lambda _: function(*arguments, **keywords), None)


def call_with_one(function: Callable[[A], T], argument: A) -> T:
    """Call a function of a strategy with one argument, as for every decision.

    If the function forks, the child process ends here with status 1 instead of returning: it has a copy of the state
    and of the connections, and two processes must not both execute one decision. Workers that end inside the function,
    such as those of `multiprocessing`, are not affected.

    Raises
    ------
    StrategyExited
        The function called `sys.exit`, which is the cause.
    """
    forks = _forks
    try:
        return function(argument)
    except SystemExit as error:
        # Keep the traceback, which has the line of the strategy.
        raise StrategyExited(error.code).with_traceback(error.__traceback__) from error
    finally:
        if _forks != forks:
            _end_forked_process()


def _end_forked_process() -> None:
    """End the process without clean-up, because that would release the locks of the parent process."""
    try:
        message = "Error: the strategy forked, and the second process came back from it; that process ends here\n"
        os.write(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, message.encode())
    finally:
        os._exit(1)
