"""The modules of the package as syntax trees, parsed once in a process for all tests that look at them."""

import ast
import functools

from tests.support import REPOSITORY

PACKAGE = REPOSITORY / "src" / "tradeexecutor"


@functools.cache
def read_module(name: str) -> str:
    """Return the text of a module by its path below the package, e.g. ``state/state.py``."""
    return (PACKAGE / name).read_text(encoding="utf-8")


@functools.cache
def parse_module(name: str) -> ast.Module:
    """Return the tree of a module; nobody changes it."""
    return ast.parse(read_module(name))


def list_modules() -> list[str]:
    """Return the paths of all modules below the package, sorted."""
    return sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
