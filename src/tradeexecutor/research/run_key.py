"""Keys of runs: two runs with the same key have the same result, so that one of them is enough.

A key covers

- the source of the strategy file and of every module that it imports, directly or through others, from outside the
  standard library and the installed packages;
- the values of all parameters, the candles and pairs, and the settings of the backtest;
- the source of this program, and the versions of Python, numpy and pandas.

It does not cover files that a strategy opens itself, and modules that it imports by a computed name.
"""

import ast
import functools
import hashlib
import importlib.machinery
import inspect
import platform
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tradeexecutor
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = [
    "fingerprint_engine",
    "fingerprint_file",
    "fingerprint_function",
    "fingerprint_universe",
    "make_key",
]

_PACKAGE = Path(tradeexecutor.__file__).parent


def make_key(parts: Mapping[str, object]) -> str:
    """Return the key of named parts, 32 hexadecimal digits; parts are told apart by type and ``repr``."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(parts):
        value = parts[name]
        digest.update(f"{name}={type(value).__name__}:{value!r}\n".encode())
    return digest.hexdigest()


# --- Code


@functools.cache
def fingerprint_engine() -> str:
    """Return a digest of this program and of what it computes with."""
    digest = hashlib.blake2b(digest_size=16)
    versions = (tradeexecutor.__version__, platform.python_version(), np.__version__, pd.__version__)
    digest.update(repr(versions).encode())
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(_PACKAGE)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def fingerprint_file(path: Path) -> str:
    """Return a digest of a Python file and of the modules that it imports; raises `OSError`."""
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(_find_sources(resolve_links(path))):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def fingerprint_function(function: Callable[..., Any]) -> str:
    """Return a digest of a function: its code, its defaults, the values it encloses, and the file it is from.

    Functions that it calls are covered if they are in files; in a notebook they are not.
    """
    parts: dict[str, object] = {"name": getattr(function, "__qualname__", repr(function))}
    code = getattr(function, "__code__", None)
    if code is None:  # an object with __call__, or a partial function
        parts["value"] = function
    else:
        parts["code"] = _describe_code(code)
        parts["defaults"] = (function.__defaults__, function.__kwdefaults__)
        cells = getattr(function, "__closure__", None) or ()
        parts["enclosed"] = [repr(cell.cell_contents) for cell in cells]
    try:
        file = inspect.getsourcefile(function)
    except TypeError:
        file = None
    if file is not None and Path(file).is_file():
        parts["file"] = fingerprint_file(Path(file))
    return make_key(parts)


def _describe_code(code: Any) -> tuple[object, ...]:
    constants = [_describe_code(item) if inspect.iscode(item) else repr(item) for item in code.co_consts]
    return (code.co_code, code.co_names, code.co_varnames, constants)


def _find_sources(path: Path) -> set[Path]:
    """Return a file and the files of the user that it imports."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        waiting += [source for name in _iterate_imports(file) for source in _locate(name, file)]
    return found


def _iterate_imports(file: Path) -> Iterator[str]:
    """Iterate over the names of imported modules; a relative one keeps its dots."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return  # the run will report it
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield module
            # A name can be a module of the package.
            yield from (f"{module}{'' if module.endswith('.') else '.'}{alias.name}" for alias in node.names)


def _locate(name: str, importer: Path) -> list[Path]:
    """Return the files of a module and of the packages that contain it; empty if they are not the user's."""
    parts = name.lstrip(".").split(".")
    level = len(name) - len(name.lstrip("."))
    if level:
        places = [str(importer.parents[level - 1])] if level <= len(importer.parents) else []
    elif parts[0] in sys.stdlib_module_names or parts[0] == "tradeexecutor":
        return []
    else:
        places = list(sys.path)
    files: list[Path] = []
    for part in parts:
        spec = importlib.machinery.PathFinder.find_spec(part, places) if part else None
        if spec is None:
            break
        if spec.origin is not None and spec.origin.endswith(".py"):
            source = resolve_links(Path(spec.origin))
            if _is_installed(source):
                return []
            files.append(source)
        places = list(spec.submodule_search_locations or ())
    return files


@functools.cache
def _list_installed() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({resolve_links(Path(sysconfig.get_path(name))) for name in names})


def _is_installed(file: Path) -> bool:
    return any(file.is_relative_to(folder) for folder in _list_installed())


# --- Data


def fingerprint_universe(universe: TradingStrategyUniverse) -> str:
    """Return a digest of pairs, candles and reserve currency."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(universe.reserve_asset.to_json().encode())
    for pair in universe.iterate_pairs():
        candles = universe.get_candles(pair)
        digest.update(pair.to_json().encode())
        digest.update(repr((len(candles), candles.bucket, candles.volume is None)).encode())
        columns: Sequence[Any] = (
            candles.starts,
            candles.ends,
            candles.open,
            candles.high,
            candles.low,
            candles.close,
            candles.get_column("volume"),
        )
        for column in columns:
            digest.update(column.tobytes())
    return digest.hexdigest()
