r"""How the JSON of a state is cut into parts, and put together again to the byte.

A save changes little of a state, so only parts that changed are written.  The tree is cut along seams that are known
beforehand: each position, each trade of a position that has many, pages of time series.  What lies between the seams
is the frame, the part with path ``""``.

A **container** is a dict or list that was cut out of its surroundings.  It is named by its JSON Pointer and has one or
more parts; each part is a valid JSON dict or list with one or more consecutive entries::

    ""                                    {"schema_version":1,...,"open_positions":"\/portfolio/open_positions",...}
    "/portfolio/open_positions"           {"7":{"position_id":7,...,"trades":"\/trades",...}}
                                          {"8":{"position_id":8,...,"trades":{"12":{...}},...}}
    "/portfolio/open_positions/7/trades"  {"10":{...}}
                                          {"11":{...}}
    "/stats/portfolio"                    [{...},{...},{...},{...}]
                                          [{...}]

Where a container was cut out stands a **hole**: a text that begins with an escaped slash, and goes on with the path of
the container from here.  ``"\/`` never occurs in what orjson prints, which does not escape slashes; so a hole cannot be
mistaken for data, and a part is JSON that any database function reads.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from tradeexecutor.state.codec.codec import dump
from tradeexecutor.state.codec.json_patch import format_pointer

__all__ = ["HOLE", "Part", "assemble", "cut", "find_holes", "get_base", "join_path"]

#: A hole, and in its group the path of the container.
HOLE = re.compile(rb'"\\/([a-z_/]*)"')

_HOLE_START = b'"\\/'

#: More entries than there ever are.
_ALL = 1 << 60


@dataclass(frozen=True, slots=True)
class _Seam:
    """How one container is cut.

    Attributes
    ----------
    page
        Entries of a part.
    above
        The container is cut out when it has more entries than this.
    inner
        Seams in the entries, by their path; only for dicts with one entry a part, which are always cut out.
    """

    page: int = 1
    above: int = 0
    inner: Mapping[str, "_Seam"] = field(default_factory=dict[str, "_Seam"])


# Pages are as large as what a save that appends to them may write again: some kilobytes.
_EVENTS = _Seam(page=1, above=8)
_SAMPLES = _Seam(page=4, above=4)
_RECORDS = _Seam(page=16, above=16)
_NUMBERS = _Seam(page=64, above=64)
_WHOLE = _Seam(page=_ALL)

_POSITIONS = _Seam(
    inner={
        "trades": _EVENTS,
        "pending_trades": _EVENTS,
        "expired_trades": _EVENTS,
        "balance_updates": _EVENTS,
        "trigger_updates": _RECORDS,
        "valuation_updates": _RECORDS,
    }
)

_SEAMS: Mapping[str, _Seam] = {
    "portfolio/open_positions": _POSITIONS,
    "portfolio/closed_positions": _POSITIONS,
    "portfolio/frozen_positions": _POSITIONS,
    "portfolio/pending_positions": _POSITIONS,
    "portfolio/expired_positions": _POSITIONS,
    "portfolio/reserves": _Seam(inner={"balance_updates": _EVENTS}),
    "stats/portfolio": _SAMPLES,
    "stats/positions": _Seam(inner={"": _RECORDS}),
    "stats/closed_positions": _RECORDS,
    "stats/long_short_metrics_latest": _WHOLE,
    "visualisation/plots": _Seam(inner={"points": _NUMBERS}),
    "visualisation/messages": _RECORDS,
    "visualisation/calculations": _Seam(),
    "visualisation/discardable_data": _Seam(),
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
        Key of the entry, in dicts with one entry a part; else None.
    body
        JSON text.
    """

    key: str | None
    body: bytes


def join_path(base: str, hole: str) -> str:
    """Return the path of a container that was cut out."""
    return f"{base}/{hole}" if hole else base


def get_base(path: str, key: str | None) -> str:
    """Return the path from which the holes of a part count."""
    return path if key is None else path + format_pointer([key])


def cut(tree: dict[str, Any]) -> dict[str, list[Part]]:
    """Cut the tree of a state into parts; returns the parts of each container in their order.

    The tree is used up: containers are taken out of it.

    Parameters
    ----------
    tree
        As `State.to_dict` returns it.

    Raises
    ------
    BadStateData
        It holds something that JSON cannot represent.
    """
    containers: dict[str, list[Part]] = {}
    for hole, seam in _SEAMS.items():
        *way, name = hole.split("/")
        holder: Any = tree
        for step in way:
            holder = holder.get(step) if type(holder) is dict else None
        if type(holder) is dict:
            _cut_out(holder, name, "", hole, seam, containers)
    containers[""] = [Part(None, dump(tree))]
    return containers


def _cut_out(
    holder: dict[str, Any], name: str, base: str, hole: str, seam: _Seam, containers: dict[str, list[Part]]
) -> None:
    container: Any = holder.get(name)
    kind = type(container)
    if (kind is not dict and kind is not list) or len(container) <= seam.above:
        return
    path = join_path(base, hole)
    parts: list[Part] = []
    if kind is dict and seam.page == 1:
        for key, value in container.items():
            if seam.inner:
                _cut_inside(container, key, value, path, seam, containers)
            parts.append(Part(key, dump({key: container[key]})))
    elif len(container) <= seam.page:
        parts.append(Part(None, dump(container)))
    else:
        entries = list(container.items()) if kind is dict else container
        for start in range(0, len(entries), seam.page):
            page = entries[start : start + seam.page]
            parts.append(Part(None, dump(dict(page) if kind is dict else page)))
    containers[path] = parts
    holder[name] = orjson.Fragment(b'"\\/%b"' % hole.encode())


def _cut_inside(
    container: dict[str, Any], key: str, value: Any, path: str, seam: _Seam, containers: dict[str, list[Part]]
) -> None:
    base = ""
    for name, inner in seam.inner.items():
        if name == "":
            _cut_out(container, key, get_base(path, key), "", inner, containers)
        elif type(value) is dict and len(value.get(name) or ()) > inner.above:
            base = base or get_base(path, key)
            _cut_out(value, name, base, name, inner, containers)


def find_holes(body: bytes) -> list[str]:
    """Return the holes of a part."""
    return [found.decode() for found in HOLE.findall(body)] if _HOLE_START in body else []


def assemble(containers: Mapping[str, Iterable[Part]], path: str = "") -> list[bytes | memoryview]:
    """Put parts together again; the pieces that are returned, joined, are the JSON text of a container.

    Parameters
    ----------
    containers
        Parts of each container in their order.
    path
        Of the container; by default the whole state.

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
    if _HOLE_START not in body:
        pieces.append(memoryview(body)[1:-1])
        return
    base = get_base(path, part.key)
    for number, piece in enumerate(_split(body)):
        if number % 2:
            _assemble(containers, join_path(base, piece.decode()), pieces)
        else:
            pieces.append(piece)


def _split(body: bytes) -> Iterator[bytes]:
    """Yield text and holes in turn, without the outer brackets."""
    yield from HOLE.split(body[1:-1])
