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
from typing import Any, NamedTuple, TypeAlias, cast

import orjson

from tradeexecutor.state.codec.entry_group import count_same
from tradeexecutor.state.codec.json_patch import format_pointer
from tradeexecutor.state.codec.json_text import dump, trim
from tradeexecutor.state.codec.packed_entries import Packed

__all__ = [
    "PLACEHOLDER",
    "KnownParts",
    "Part",
    "TextPart",
    "assemble",
    "find_placeholders",
    "get_base",
    "get_placeholder_size",
    "join_path",
    "split",
]

#: A placeholder; its group is the relative path of the container.
PLACEHOLDER = re.compile(rb'"\\/([a-z_/]*)"')

_PLACEHOLDER_START = b'"\\/'

#: Stands for entries of the save before that were no text, and so may have changed.
_OTHER = object()

#: Types of entries that cannot change.
_TEXTS = (orjson.Fragment, Packed)

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


class TextPart(NamedTuple):
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


class EntryPart(NamedTuple):
    """The part of one entry whose text is kept elsewhere. Its own text is made whenever it is asked for."""

    key: str
    entry: orjson.Fragment | Packed

    @property
    def body(self) -> bytes:
        """JSON text."""
        return dump({self.key: self.entry})


class PagePart(NamedTuple):
    """A part of several entries whose texts are kept elsewhere, like `EntryPart`."""

    entries: dict[str, Any] | list[Any]

    @property
    def key(self) -> None:
        """Return None: the part has several entries."""

    @property
    def body(self) -> bytes:
        """JSON text."""
        return dump(self.entries)


#: A part of a container: its `key` and its `body`, see `TextPart`.
Part: TypeAlias = TextPart | EntryPart | PagePart


def join_path(base: str, relative: str) -> str:
    """Return the full path of a container from the path of its holder and its relative path."""
    return f"{base}/{relative}" if relative else base


def get_base(path: str, key: str | None) -> str:
    """Return the path to which the placeholders of a part are relative."""
    return path if key is None else path + format_pointer([key])


@dataclass(slots=True)
class _KnownTable:
    """A container of the save before.

    Attributes
    ----------
    container
        The container itself: if it is the same object in the next save, nothing in it has changed.
    keys, entries
        Keys of the container if it is a dict, and its entries; only those that are JSON text are known.
    parts
        Its parts.
    inner
        Key -> containers inside the entry that are stored separately.
    """

    container: Any = None
    keys: list[str] = field(default_factory=list[str])
    entries: list[Any] = field(default_factory=list[Any])
    parts: list[Part] = field(default_factory=list[Part])
    inner: dict[str, dict[str, list[Part]]] = field(default_factory=dict[str, dict[str, list[Part]]])

    def count_same(self, keys: list[str], entries: list[Any]) -> int:
        """Return the number of entries at the beginning that are the same text under the same key."""
        count = count_same(self.entries, entries)
        if self.keys[:count] != keys[:count]:
            count = next(place for place, key in enumerate(keys) if self.keys[place] != key)
        return count


class KnownParts:
    """Parts of the save before whose entries are the same JSON texts in the next one.

    Such a part is the same object in all saves: it is neither printed nor compared again.
    """

    def __init__(self) -> None:
        self._tables: dict[str, _KnownTable] = {}
        self._previous: dict[str, _KnownTable] = {}

    def start_save(self) -> None:
        """Forget the containers that the save before did not have."""
        self._previous, self._tables = self._tables, {}

    def get_table(self, path: str) -> _KnownTable:
        """Return what is known of a container."""
        return self._previous.get(path) or _KnownTable()

    def set_table(self, path: str, table: _KnownTable, same: int) -> None:
        """Remember a container for the next save if some of its entries are JSON text.

        Parameters
        ----------
        same
            Number of entries at the beginning that are the text that they were in the save before.
        """
        entries = table.entries
        for place in range(same, len(entries)):
            if type(entries[place]) not in _TEXTS:
                entries[place] = _OTHER
        if _OTHER in entries[same:]:
            table.container = None  # what is plain data may change
        if entries and (same or any(entry is not _OTHER for entry in entries)):
            self._tables[path] = table


def split(tree: dict[str, Any], known: KnownParts | None = None) -> dict[str, list[Part]]:
    """Split the tree of a state, and return the parts of each container in order.

    The tree is changed: placeholders replace its containers.

    Parameters
    ----------
    tree
        Result of `State.to_dict`; entries of containers may be JSON text.
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
    containers[""] = [TextPart(None, dump(tree))]
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
    if kind is dict and rule.page == 1:
        target.containers[path] = _make_entry_parts(container, path, target)
    else:
        target.containers[path] = _make_pages(container, path, target)
    holder[name] = orjson.Fragment(_make_placeholder(target.relative))


def _keep(table: _KnownTable, path: str, target: _Target) -> list[Part]:
    """Return the parts of a container that has not changed since the last save."""
    for inner in table.inner.values():
        target.containers.update(inner)
    target.known.set_table(path, table, len(table.entries))
    return table.parts


def _make_entry_parts(container: dict[str, Any], path: str, target: _Target) -> list[Part]:
    """Return the parts of a dict with one entry for each part."""
    before = target.known.get_table(path)
    if before.container is container:
        return _keep(before, path, target)
    table = _KnownTable(container, [*container], [*container.values()])
    same = before.count_same(table.keys, table.entries)
    table.parts = before.parts[:same]
    table.inner = {key: inner for key, inner in before.inner.items() if key in container}
    places = {id(entry): place for place, entry in enumerate(before.entries[same:], same)}
    for key, entry in zip(table.keys[same:], table.entries[same:], strict=True):
        place = places.get(id(entry))
        if place is not None and before.entries[place] is entry and before.keys[place] == key:
            table.parts.append(before.parts[place])
            continue
        inner: dict[str, list[Part]] = {}
        table.parts.append(_make_entry_part(container, key, path, target._replace(containers=inner)))
        table.inner.pop(key, None)
        if inner:
            table.inner[key] = inner
    for inner in table.inner.values():
        target.containers.update(inner)
    target.known.set_table(path, table, same)
    return table.parts


def _make_entry_part(container: dict[str, Any], key: str, path: str, target: _Target) -> Part:
    value = container[key]
    if target.rule.inner:
        tree = {key: orjson.loads(dump(value)) if type(value) in _TEXTS else value}
        _split_entry(tree, key, tree[key], path, target)
        if target.containers:
            return TextPart(key, trim(dump(tree)))
    return EntryPart(key, value) if type(value) in _TEXTS else TextPart(key, trim(dump({key: value})))


def _make_pages(container: Any, path: str, target: _Target) -> list[Part]:
    """Return the parts of a container with several entries for each part."""
    is_dict, page = type(container) is dict, target.rule.page
    before = target.known.get_table(path)
    if before.container is container:
        return _keep(before, path, target)
    keys, entries = ([*container], [*container.values()]) if is_dict else ([], [*container])
    table = _KnownTable(container, keys, entries)
    same = before.count_same(table.keys, table.entries)
    table.parts = before.parts[: same // page]
    for start in range(same - same % page, len(table.entries), page):
        items = table.entries[start : start + page]
        body = dict(zip(table.keys[start : start + page], items, strict=True)) if is_dict else items
        is_text = all(type(item) in _TEXTS for item in items)
        table.parts.append(PagePart(body) if is_text else TextPart(None, trim(dump(body))))
    target.known.set_table(path, table, same)
    return table.parts


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


def get_placeholder_size(path: str) -> int:
    """Return the number of bytes of the placeholder of a container; 0 for the whole state, which has none."""
    relative = path[1:]
    if relative not in _SPLIT_RULES:  # it is inside an entry: the path of that container, the key, the relative path
        relative = "/".join(relative.split("/")[3:])
    return len(_make_placeholder(relative)) if path else 0


def _make_placeholder(relative: str) -> bytes:
    return b'"\\/%b"' % relative.encode()


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
