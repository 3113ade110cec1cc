"""A state in which every text is one that attacks whoever shows it."""

import re
import unicodedata
from typing import Any

import orjson

from tests.kit.whole import Path, get_at, iterate_typed, make_whole_state
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.state import State

__all__ = ["NASTY", "NASTY_ENDING", "find_raw_characters", "make_nasty_state"]

#: Title and colour of the terminal, bell, line feed and carriage return, C1, DEL, a bidirectional override, an isolate,
#: separators of lines and paragraphs, zero-width characters, markup of rich and of HTML, and a formula.
NASTY_ENDING = (
    "\x1b]0;title\x07\x1b[31mred\x1b[2J\ra\x00\x08\x7f\x9b31m\x85\u202ecod\u2066\u2069\u2028\u2029\u200b\u200f\ufeff"
    "[red]x[/red][/]<script>1</script>\ttab"
)
NASTY = f"=cmd|{NASTY_ENDING}"

_NOT_SHOWN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def find_raw_characters(text: str) -> set[str]:
    """Return what of a text a terminal would obey or hide, line feeds apart."""
    return {character for character in set(text) if unicodedata.category(character) in _NOT_SHOWN} - {"\n"}


def make_nasty_state() -> tuple[State, set[str]]:
    """Return the state, and the names of the fields that hold `NASTY`.

    A field stays as it is where a state refuses the text: an address, a number written as text, the name of a type.
    """
    tree: Any = orjson.loads(make_whole_state().to_json())
    places: dict[str, list[Path]] = {}
    for path, hint, value in iterate_typed(tree, State):
        if hint is str and isinstance(value, str):
            name = next(step for step in reversed(path) if isinstance(step, str) and not re.match(r"\d", step))
            places.setdefault(name, []).append(path)
    for path in (("name",), ("portfolio", "open_positions", "1", "notes")):  # empty until now
        places.setdefault(path[-1], []).append(path)
    changed: set[str] = set()
    for name, paths in places.items():
        before = [get_at(tree, path) for path in paths]
        for path in paths:
            get_at(tree, path[:-1])[path[-1]] = NASTY
        try:
            State.from_json(orjson.dumps(tree).decode()).to_json()
            changed.add(name)
        except TradeExecutorError:
            for path, value in zip(paths, before, strict=True):
                get_at(tree, path[:-1])[path[-1]] = value
    return State.from_json(orjson.dumps(tree).decode()), changed
