"""Memoisation of results that several charts and tables of a state use.

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

from tradeexecutor.state.position.trades import sharing_totals

__all__ = ["is_sharing", "share_nothing", "share_results", "shared"]

P = ParamSpec("P")
R = TypeVar("R")

#: By function and by what identifies its arguments: the result, and the arguments, which are kept so that no other
#: object gets their identity.
_Results = dict[Callable[..., Any], dict[Any, tuple[Any, Any]]]

#: Types that are compared by value.
_PLAIN = (str, int, float, datetime.date, type(None))

#: Types that have turned out to be compared by identity.
_identified: set[type[Any]] = set()

_results: contextvars.ContextVar[_Results | None] = contextvars.ContextVar("results", default=None)


@contextlib.contextmanager
def share_results() -> Generator[None, None, None]:
    """Memoise the results of `shared` functions, and the sums over trades, until the outermost block ends.

    States must not change inside the block.
    """
    if _results.get() is not None:
        yield
        return
    token = _results.set({})
    try:
        with sharing_totals():
            yield
    finally:
        _results.reset(token)


@contextlib.contextmanager
def share_nothing() -> Generator[None, None, None]:
    """Memoise nothing inside the block, because a state changes in it, although the caller may share results."""
    token = _results.set(None)
    try:
        with sharing_totals(is_sharing=False):
            yield
    finally:
        _results.reset(token)


def is_sharing() -> bool:
    """Return whether results are memoised here."""
    return _results.get() is not None


def shared(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function whose result is never changed, so that it is memoised inside `share_results`.

    Arguments are the same if they are the same object; texts, numbers and times if they are equal.
    """

    @functools.wraps(function)
    def share(*args: P.args, **kwargs: P.kwargs) -> R:
        results = _results.get()
        if results is None:
            return function(*args, **kwargs)
        own = results.get(function)
        if own is None:
            own = results[function] = {}
        values: tuple[Any, ...] = args
        if len(values) == 1 and not kwargs and type(values[0]) in _identified:  # nearly always: a figure of a position
            key = id(values[0])
        else:
            key = (*map(_identify, (*args, *kwargs.values())), *kwargs)
        found = own.get(key)
        if found is None:
            found = own[key] = function(*args, **kwargs), (args, kwargs)
        return found[0]

    return share


def _identify(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return type(value), value
    _identified.add(type(value))  # pyright: ignore[reportUnknownArgumentType]
    return id(value)
