r"""Escapes for characters in text from outside that a terminal or a browser would obey instead of showing.

Names, symbols, reasons, notes and paths come from tokens, nodes and people. A control character in one could clear the
screen or recolour it, a bidirectional override can make another text look like ``USDC``, and a zero-width character
makes two different symbols look the same. Output for people contains the numbers of such characters, ``\x1b`` or
``\u202e``; data for programs keeps the characters.
"""

import json
import re
from typing import Any, cast

__all__ = ["escape_json", "make_visible", "make_visible_in"]

#: Categories Cc, Cf, Cs, Zl and Zp of Unicode: controls, invisible formatting, lone surrogates, separators of lines.
_INVISIBLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)

_NAMES = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def make_visible(text: str, *, keep_newlines: bool = False) -> str:
    r"""Return a text in which each invisible character is replaced by its escape, as in a Python literal.

    The result is for people: a backslash is not escaped, so the original cannot always be restored from it.

    >>> print(make_visible("W\x1b[31mETH \u202eCDSU"))
    W\x1b[31mETH \u202eCDSU
    """
    if text.isascii() and text.isprintable():
        return text

    def escape(found: re.Match[str]) -> str:
        character = found[0]
        if character == "\n" and keep_newlines:
            return character
        return _NAMES.get(character) or character.encode("unicode_escape", "backslashreplace").decode("ascii")

    return _INVISIBLE.sub(escape, text)


def escape_json(text: str) -> str:
    r"""Return the same JSON document with invisible characters written as escapes of JSON.

    >>> print(escape_json('"\u202eCDSU\x7f"'))
    "\u202eCDSU\u007f"
    """

    def escape(found: re.Match[str]) -> str:
        character = found[0]
        if character < " ":
            return character  # white space between values: inside of texts there is no such character
        return rf"\u{ord(character):04x}" if character < "\x80" else json.dumps(character)[1:-1]

    return _INVISIBLE.sub(escape, text)


def make_visible_in(data: Any, *, keep_newlines: bool = False) -> Any:
    """Return plain data, such as the content of a JSON file, with `make_visible` applied to each text in it.

    The keys of objects are not changed, because they come from this program.
    """
    if isinstance(data, str):
        return make_visible(data, keep_newlines=keep_newlines)
    if isinstance(data, dict):
        items = cast("dict[Any, Any]", data).items()
        return {name: make_visible_in(value, keep_newlines=keep_newlines) for name, value in items}
    if isinstance(data, list | tuple):
        return [make_visible_in(value, keep_newlines=keep_newlines) for value in cast("list[Any]", data)]
    return data
