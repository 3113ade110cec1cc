"""Decorators for the compatibility with existing strategies: fixed signatures, misspelt names, ignored parameters.

Functions of this project have at most six positional parameters, and booleans are keyword-only. Existing strategies
call some functions with long lists of arguments whose order and defaults cannot change. These functions are marked with
`contract_signature`; they build one object from their arguments and pass it on.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

__all__ = ["contract_signature", "misspelt", "warn_ignored"]

F = TypeVar("F", bound=Callable[..., Any])


def contract_signature(function: F) -> F:
    """Mark a function whose parameters must keep their order and defaults for existing strategies.

    The function itself is returned, so calls have no overhead.
    """
    return function


def misspelt(name: str) -> Callable[[F], F]:
    """Return a decorator that creates an alias for the misspelt name of a function.

    Parameters
    ----------
    name
        The misspelt name for the warning.

    Returns
    -------
    Callable
        Decorator whose result raises a `DeprecationWarning` and then calls the function.

    >>> def get_original():
    ...     return 42
    >>> get_orignal = misspelt("get_orignal")(get_original)
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def alias(*args: Any, **kwargs: Any) -> Any:
            message = f"{name} is a misspelling that will go away, use {function.__name__}"
            warnings.warn(message, DeprecationWarning, stacklevel=2)
            return function(*args, **kwargs)

        alias.__name__ = name
        alias.__qualname__ = f"{function.__qualname__.rpartition('.')[0]}.{name}".lstrip(".")
        alias.__doc__ = f"Misspelt name of `{function.__name__}`."
        return cast(F, alias)

    return decorate


def warn_ignored(function: str, parameter: str, instead: str, stacklevel: int = 3) -> None:
    """Warn that an argument has no effect.

    Parameters
    ----------
    function, parameter
        Names of the function and of its parameter.
    instead
        Text about the alternative or the actual behaviour, which ends the sentence of the warning.
    stacklevel
        As in `warnings.warn`; 3 means the caller of the function that calls this one.
    """
    warnings.warn(f"{parameter} of {function} has no effect: {instead}", UserWarning, stacklevel=stacklevel)
