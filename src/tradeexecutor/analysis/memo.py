"""What several charts and tables need of a state is worked out once.

Reading 100,000 positions takes seconds, and a page of fifteen charts in two themes would read them thirty times.

>>> @shared
... def measure(state):
...     print("measuring")
...     return len(state)
>>> with share_results():
...     _ = measure("state"), measure("state")
measuring
"""

import contextlib
import contextvars
import datetime
import functools
from collections.abc import Callable, Generator
from typing import Any, ParamSpec, TypeVar

__all__ = ["share_results", "shared"]

P = ParamSpec("P")
R = TypeVar("R")

#: Result, and the arguments: these are kept so that no other object gets their identity.
_Results = dict[tuple[Any, ...], tuple[Any, tuple[Any, ...]]]

#: What equals another one by its value.
_PLAIN = (str, int, float, datetime.date, type(None))

_results: contextvars.ContextVar[_Results | None] = contextvars.ContextVar("results", default=None)


@contextlib.contextmanager
def share_results() -> Generator[None, None, None]:
    """Let functions that are `shared` work once for the same arguments, until the outermost block ends.

    States must not change meanwhile.
    """
    if _results.get() is not None:
        yield
        return
    token = _results.set({})
    try:
        yield
    finally:
        _results.reset(token)


def shared(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function whose result nobody changes; outside `share_results` it stays as it was.

    Arguments are the same when they are the same object, texts, numbers and times when they are equal.
    """

    @functools.wraps(function)
    def share(*args: P.args, **kwargs: P.kwargs) -> R:
        results = _results.get()
        if results is None:
            return function(*args, **kwargs)
        values = (*args, *kwargs.values())
        key = (function, *map(_identify, values), *kwargs)
        found = results.get(key)
        if found is None:
            found = results[key] = function(*args, **kwargs), values
        return found[0]

    return share


def _identify(value: Any) -> Any:
    return (type(value), value) if isinstance(value, _PLAIN) else id(value)
