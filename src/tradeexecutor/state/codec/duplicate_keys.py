"""Refusal of JSON objects that contain a key twice.

Parsers keep only the last of two equal keys without an error. A state would lose a position, a trade or a balance, so
such a text is refused.

A parser that reports keys is many times slower than one that does not. Therefore the tree is printed again, and the
colons of both texts are counted: there is one after each key, and the colons inside texts are the same. If the parser
dropped a key, there is one colon less. The slow parser is used only when the counts differ, or when the text contains
colons as escapes.
"""

import json
from typing import Any, cast

import orjson

from tradeexecutor.state.codec.counting import count_colons
from tradeexecutor.state.errors import InvalidStateFile

__all__ = ["has_escaped_colons", "require_unique_keys"]

#: Text after a backslash that may be a colon written as an escape.
_COLON_ESCAPE = b"u003"


def require_unique_keys(text: str | bytes, tree: Any) -> None:
    """Raise when a JSON text has an object that contains a key twice.

    Parameters
    ----------
    text
        Valid JSON.
    tree
        Result of parsing the text.

    Raises
    ------
    InvalidStateFile
        A key occurs twice; the message contains the path of the first one.
    """
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if _has_all_keys(content, tree):
        return
    path = _find_duplicate(content)
    if path is not None:
        raise InvalidStateFile(f"the key {path} is there twice, and only one of the values could be kept")


def _has_all_keys(content: bytes, tree: Any) -> bool:
    """Return True if it is certain that no key was dropped; False when a slow check is necessary."""
    try:
        printed = orjson.dumps(tree)
    except TypeError:  # an integer of more than 64 bits, or a lone surrogate
        return False
    return count_colons(printed) == count_colons(content) and not has_escaped_colons(content)


def has_escaped_colons(content: bytes) -> bool:
    """Tell whether a JSON text may contain a colon that is written as an escape."""
    # Searching for one byte is much faster than searching for several.
    place = content.find(b"\\")
    while place >= 0:
        if content.startswith(_COLON_ESCAPE, place + 1):
            return True
        place = content.find(b"\\", place + 2)
    return False


class _Object(dict[str, Any]):
    """A JSON object of which a key was dropped."""

    duplicate = ""


def _find_duplicate(content: bytes) -> str | None:
    """Return the path of the first key that its object contains twice; None without one."""
    found = False

    def make(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        result = dict(pairs)
        if len(result) == len(pairs):
            return result
        found = True
        marked = _Object(result)
        seen: set[str] = set()
        marked.duplicate = next(key for key, _ in pairs if key in seen or seen.add(key))
        return marked

    try:
        tree = json.loads(content, object_pairs_hook=make)
    except RecursionError:
        raise InvalidStateFile("nested too deeply") from None
    return (_find_marked(tree, "") or "of an object that was dropped itself") if found else None


def _find_marked(value: Any, path: str) -> str | None:
    if isinstance(value, _Object):
        return _join(path, value.duplicate)
    if isinstance(value, dict):
        items = [(_join(path, key), item) for key, item in cast(dict[str, Any], value).items()]
    elif isinstance(value, list):
        items = [(f"{path}[{index}]", item) for index, item in enumerate(cast(list[Any], value))]
    else:
        return None
    for inner, item in items:
        found = _find_marked(item, inner)
        if found is not None:
            return found
    return None


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
