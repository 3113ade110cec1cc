"""Marks of what existing strategies rely on: fixed signatures, misspelt names, and parameters without effect.

Code of this project has at most six positional parameters and booleans by keyword only.  Strategies that exist call a
number of functions with long lists of arguments, in an order and with defaults that cannot change; those functions
carry `contract_signature`, build one object of their arguments, and hand it on.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

__all__ = ["contract_signature", "misspelt", "warn_ignored"]

F = TypeVar("F", bound=Callable[..., Any])


def contract_signature(function: F) -> F:
    """Mark a function whose parameters, their order and their defaults are fixed by existing strategies.

    The function itself is returned, so the mark costs nothing when it is called.
    """
    return function


def misspelt(name: str) -> Callable[[F], F]:
    """Make the alias under which a function was once published by mistake.

    Parameters
    ----------
    name
        The misspelt name, for the warning.

    Returns
    -------
    Callable
        Turns the function into its alias, which warns with `DeprecationWarning` and then does what the function does.

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
        Their names.
    instead
        How to get what the caller may have expected, as the end of a sentence.
    stacklevel
        As in `warnings.warn`; 3 is the caller of the function that calls this.
    """
    warnings.warn(f"{parameter} of {function} has no effect: {instead}", UserWarning, stacklevel=stacklevel)
