r"""Splits the JSON of a state into parts, and joins them to the same bytes.

A save changes little of a state, so only changed parts are written. `_SPLIT_RULES` defines where the tree is split:
each position, each trade of a position that has many, pages of time series. The rest is the part with path ``""``.

A **container** is a dict or list that is stored separately from the tree around it. Its name is its JSON Pointer, and
it has one or more parts; each part is a valid JSON dict or list with one or more consecutive entries::

    ""                                    {"schema_version":1,...,"open_positions":"\/portfolio/open_positions",...}
    "/portfolio/open_positions"           {"7":{"position_id":7,...,"trades":"\/trades",...}}
                                          {"8":{"position_id":8,...,"trades":{"12":{...}},...}}
    "/portfolio/open_positions/7/trades"  {"10":{...}}
                                          {"11":{...}}
    "/stats/portfolio"                    [{...},{...},{...},{...}]
                                          [{...}]

A **placeholder** replaces a container in the tree: a string that begins with an escaped slash, followed by the path of
the container relative to this place. orjson does not escape slashes, so it never prints ``"\/`` and a placeholder
cannot be mistaken for data. A part is valid JSON for the functions of any database.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import orjson

from tradeexecutor.state.codec.codec import dump
from tradeexecutor.state.codec.json_patch import format_pointer
from tradeexecutor.state.position import TradingPosition

__all__ = [
    "PLACEHOLDER",
    "KnownParts",
    "Part",
    "assemble",
    "find_placeholders",
    "get_base",
    "is_one_part",
    "join_path",
    "split",
]

#: A placeholder; its group is the relative path of the container.
PLACEHOLDER = re.compile(rb'"\\/([a-z_/]*)"')

_PLACEHOLDER_START = b'"\\/'

#: A number of entries that no container reaches.
_UNLIMITED = 1 << 60


@dataclass(frozen=True, slots=True)
class _SplitRule:
    """Rule for splitting one container.

    Attributes
    ----------
    page
        Number of entries in each part.
    above
        The container is stored separately when it has more entries than this.
    inner
        Rules for containers inside the entries, by their path; only for dicts with one entry for each part, which are
        always stored separately.
    """

    page: int = 1
    above: int = 0
    inner: Mapping[str, "_SplitRule"] = field(default_factory=dict[str, "_SplitRule"])


# A save that appends to a page writes the whole page again, so a page has only some kilobytes.
_EVENTS = _SplitRule(page=1, above=8)
_SAMPLES = _SplitRule(page=4, above=4)
_RECORDS = _SplitRule(page=16, above=16)
_NUMBERS = _SplitRule(page=64, above=64)
_WHOLE = _SplitRule(page=_UNLIMITED)

_POSITIONS = _SplitRule(
    inner={
        "trades": _EVENTS,
        "pending_trades": _EVENTS,
        "expired_trades": _EVENTS,
        "balance_updates": _EVENTS,
        "trigger_updates": _RECORDS,
        "valuation_updates": _RECORDS,
    }
)

_SPLIT_RULES: Mapping[str, _SplitRule] = {
    "portfolio/open_positions": _POSITIONS,
    "portfolio/closed_positions": _POSITIONS,
    "portfolio/frozen_positions": _POSITIONS,
    "portfolio/pending_positions": _POSITIONS,
    "portfolio/expired_positions": _POSITIONS,
    "portfolio/reserves": _SplitRule(inner={"balance_updates": _EVENTS}),
    "stats/portfolio": _SAMPLES,
    "stats/positions": _SplitRule(inner={"": _RECORDS}),
    "stats/closed_positions": _RECORDS,
    "stats/long_short_metrics_latest": _WHOLE,
    "visualisation/plots": _SplitRule(inner={"points": _NUMBERS}),
    "visualisation/messages": _RECORDS,
    "visualisation/calculations": _SplitRule(),
    "visualisation/discardable_data": _SplitRule(),
    "uptime/uptime_checks": _NUMBERS,
    "uptime/cycles_completed_at": _NUMBERS,
    "sync/treasury/balance_update_refs": _RECORDS,
    "sync/accounting/balance_update_refs": _RECORDS,
    "sync/interest": _WHOLE,
    "deployment_info": _WHOLE,
    "other_data/data": _RECORDS,
}


class Part(NamedTuple):
    """A part of a container.

    Attributes
    ----------
    key
        Key of the entry in dicts with one entry for each part, otherwise None.
    body
        JSON text.
    """

    key: str | None
    body: bytes


def join_path(base: str, relative: str) -> str:
    """Return the full path of a container from the path of its holder and its relative path."""
    return f"{base}/{relative}" if relative else base


def get_base(path: str, key: str | None) -> str:
    """Return the path to which the placeholders of a part are relative."""
    return path if key is None else path + format_pointer([key])


def is_one_part(position: TradingPosition) -> bool:
    """Return whether a position is stored in one part, because it has few trades and events."""
    try:
        return all(len(getattr(position, name)) <= rule.above for name, rule in _POSITIONS.inner.items())
    except (AttributeError, TypeError):  # something else was assigned, which the encoder refuses
        return False


class KnownParts:
    """Parts of positions whose text is that of the save before.

    Such a part is the same object in all saves: it is neither printed nor hashed again.
    """

    def __init__(self) -> None:
        #: Path of the container -> key -> text of the entry and its part.
        self._parts: dict[str, dict[str, tuple[orjson.Fragment, Part]]] = {}
        self._previous: dict[str, dict[str, tuple[orjson.Fragment, Part]]] = {}

    def start_save(self) -> None:
        """Forget the parts that the save before did not have."""
        self._previous, self._parts = self._parts, {}

    def make_part(self, path: str, key: str, text: orjson.Fragment) -> Part:
        """Return the part of an entry that is JSON text."""
        known = self._previous.get(path, {}).get(key)
        if known is None or known[0] is not text:
            known = text, Part(key, dump({key: text}))
        self._parts.setdefault(path, {})[key] = known
        return known[1]


def split(tree: dict[str, Any], known: KnownParts | None = None) -> dict[str, list[Part]]:
    """Split the tree of a state, and return the parts of each container in order.

    The tree is changed: placeholders replace its containers.

    Parameters
    ----------
    tree
        Result of `State.to_dict`; positions of one part may be JSON text.
    known
        Parts of the save before; None without one.

    Raises
    ------
    BadStateData
        The tree contains a value that JSON cannot represent.
    """
    containers: dict[str, list[Part]] = {}
    known = KnownParts() if known is None else known
    known.start_save()
    for path, rule in _SPLIT_RULES.items():
        *steps, name = path.split("/")
        holder: dict[str, Any] | None = tree
        for step in steps:
            holder = _as_dict(holder.get(step)) if holder is not None else None
        if holder is not None:
            _split_off(holder, name, "", _Target(path, rule, containers, known))
    containers[""] = [Part(None, dump(tree))]
    return containers


class _Target(NamedTuple):
    """Where and how a container is stored.

    Attributes
    ----------
    relative
        Path of the container relative to the path of its holder.
    containers
        The parts of all containers, to which this one is added.
    """

    relative: str
    rule: _SplitRule
    containers: dict[str, list[Part]]
    known: KnownParts


def _split_off(holder: dict[str, Any], name: str, base: str, target: _Target) -> None:
    """Store an entry separately and replace it with a placeholder, if the rule requires it.

    Parameters
    ----------
    holder, name
        Dict that contains the container, and its key there.
    base
        Path to which placeholders in `holder` are relative.
    """
    container: Any = holder.get(name)
    kind = cast(type[object], type(container))
    rule = target.rule
    if (kind is not dict and kind is not list) or len(container) <= rule.above:
        return
    path = join_path(base, target.relative)
    parts: list[Part] = []
    if kind is dict and rule.page == 1:
        for key, value in container.items():
            if type(value) is orjson.Fragment:
                parts.append(target.known.make_part(path, key, value))
                continue
            if rule.inner:
                _split_entry(container, key, value, path, target)
            parts.append(Part(key, dump({key: container[key]})))
    elif len(container) <= rule.page:
        parts.append(Part(None, dump(container)))
    else:
        entries = list(container.items()) if kind is dict else container
        for start in range(0, len(entries), rule.page):
            page = entries[start : start + rule.page]
            parts.append(Part(None, dump(dict(page) if kind is dict else page)))
    target.containers[path] = parts
    holder[name] = orjson.Fragment(b'"\\/%b"' % target.relative.encode())


def _split_entry(container: dict[str, Any], key: str, value: Any, path: str, target: _Target) -> None:
    """Store the containers inside an entry separately."""
    base = ""
    for name, inner in target.rule.inner.items():
        if name == "":
            _split_off(container, key, get_base(path, key), target._replace(relative="", rule=inner))
        else:
            holder = _as_dict(value)
            if holder is not None and len(holder.get(name) or ()) > inner.above:
                base = base or get_base(path, key)
                _split_off(holder, name, base, target._replace(relative=name, rule=inner))


def _as_dict(value: Any) -> dict[str, Any] | None:
    return cast(dict[str, Any], value) if type(value) is dict else None


def find_placeholders(body: bytes) -> list[str]:
    """Return the paths in the placeholders of a part."""
    return [found.decode() for found in PLACEHOLDER.findall(body)] if _PLACEHOLDER_START in body else []


def assemble(containers: Mapping[str, Iterable[Part]], path: str = "") -> list[bytes | memoryview]:
    """Return pieces of text that form the JSON text of a container when joined.

    Parameters
    ----------
    containers
        Parts of each container in their order.
    path
        Path of the container; by default the whole state.

    Raises
    ------
    KeyError
        A container is missing.
    ValueError
        A container has no parts.
    """
    pieces: list[bytes | memoryview] = []
    _assemble(containers, path, pieces)
    return pieces


def _assemble(containers: Mapping[str, Iterable[Part]], path: str, pieces: list[bytes | memoryview]) -> None:
    parts = iter(containers[path])
    first = next(parts, None)
    if first is None:
        raise ValueError(f"{path} has no parts")
    pieces.append(first.body[:1])
    _assemble_part(containers, path, first, pieces)
    for part in parts:
        pieces.append(b",")
        _assemble_part(containers, path, part, pieces)
    pieces.append(first.body[-1:])


def _assemble_part(
    containers: Mapping[str, Iterable[Part]], path: str, part: Part, pieces: list[bytes | memoryview]
) -> None:
    body = part.body
    if _PLACEHOLDER_START not in body:
        pieces.append(memoryview(body)[1:-1])
        return
    base = get_base(path, part.key)
    for number, piece in enumerate(_split(body)):
        if number % 2:
            _assemble(containers, join_path(base, piece.decode()), pieces)
        else:
            pieces.append(piece)


def _split(body: bytes) -> Iterator[bytes]:
    """Yield texts and paths of placeholders alternately, without the outer brackets."""
    yield from PLACEHOLDER.split(body[1:-1])
