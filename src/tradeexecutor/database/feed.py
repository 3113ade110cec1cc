"""Changes between saves, as JSON Patches (RFC 6902).

A follower keeps the JSON of a state and the cursor of its revision. It asks for the changes since then and applies them
in order. The result equals the newest state to the byte::

    feed = store.changes(since=cursor)
    if feed.snapshot is not None:  # the follower is new, or the changes since its revision are not known
        document = feed.snapshot.document
    for change in feed.changes:
        document = apply_patch(document, change.patch)
    cursor = feed.cursor

A patch is made from the changed parts, not by comparing whole states, so its cost depends on the size of the change.
The feed begins again with a snapshot when the history was compacted, when the revision is unknown, and when the
database was replaced by another one or by an older copy of itself. The last case is noticed only when the follower
passes a cursor instead of a number.
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, select

from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.parts import Part, TextPart, assemble, find_placeholders, get_base, join_path
from tradeexecutor.database.reading import Strategy, finding_damage, read_revision, read_revisions, read_text
from tradeexecutor.database.revisions import Revision
from tradeexecutor.database.schema import parts
from tradeexecutor.state.codec.codec import parse
from tradeexecutor.state.codec.json_patch import Change, find_changes, parse_pointer

__all__ = ["Feed", "RevisionChange", "Snapshot", "read_feed"]


@dataclass(frozen=True, slots=True)
class RevisionChange:
    """The changes of one save.

    Attributes
    ----------
    revision
        Number of the save.
    saved_at
        Time of the save, naive UTC.
    cursor
        Cursor of the revision after the patch.
    patch
        Operations of a JSON Patch that change the previous revision into this one.
    """

    revision: int
    saved_at: datetime.datetime
    cursor: str
    patch: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole state, with which a follower begins.

    Attributes
    ----------
    revision
        Number of the save.
    cursor
        Cursor of that revision.
    reason
        Why changes since the follower's revision are not available.
    document
        JSON tree of the state.
    """

    revision: int
    cursor: str
    reason: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Feed:
    """Answer to a follower.

    Attributes
    ----------
    cursor
        Cursor for the next request.
    snapshot
        State with which the follower has to begin again; None when `changes` continue from its revision.
    changes
        Changes in the order of saves; empty with a snapshot, and when nothing was saved.
    """

    cursor: str
    snapshot: Snapshot | None = None
    changes: list[RevisionChange] = field(default_factory=list[RevisionChange])


def read_feed(connection: Connection, address: DatabaseAddress, strategy: Strategy, since: int | str | None) -> Feed:
    """Return the changes since a revision, or a snapshot; see `SQLStateStore.changes`."""
    found = _find_start(connection, address, strategy, since)
    if isinstance(found, str):
        newest = read_revision(connection, address, strategy)
        document = parse(read_text(connection, address, strategy, newest))
        return Feed(newest.cursor, Snapshot(newest.number, newest.cursor, found, document))
    changes: list[RevisionChange] = []
    cursor = found.cursor
    for revision in read_revisions(connection, address, strategy, found.number + 1):
        with finding_damage(address):
            patch = [
                change.to_operation() for change in find_revision_changes(connection, strategy.id, revision.number)
            ]
        cursor = revision.cursor
        changes.append(RevisionChange(revision.number, revision.saved_at, cursor, patch))
    return Feed(cursor, None, changes)


def _find_start(
    connection: Connection, address: DatabaseAddress, strategy: Strategy, since: int | str | None
) -> Revision | str:
    """Return the revision from which changes are available, or the reason why they are not."""
    if since is None:
        return "no revision was given"
    number, _, checksum = str(since).partition("-")
    if not number.isascii() or not number.isdigit():
        return f"{since!r} is no revision"
    if int(number) < strategy.oldest:
        return f"revision {number} is not kept any more, the oldest is {strategy.oldest}"
    if int(number) > strategy.newest:
        return f"there is no revision {number}, the newest is {strategy.newest}"
    revision = read_revision(connection, address, strategy, int(number))
    if checksum and revision.cursor != since:
        return f"revision {number} is another one here, the database was replaced"
    return revision


# --- From rows to changes


class _Row(NamedTuple):
    path: str
    ordinal: int
    behind: int
    key: str | None
    body: bytes


class _Containers(dict[str, list[Part]]):
    """The containers of a revision; each is read at its first use."""

    def __init__(self, connection: Connection, strategy_id: int, revision: int):
        super().__init__()
        self._connection = connection
        self._query = (
            select(parts.c.key, parts.c.body)
            .where(parts.c.strategy_id == strategy_id, parts.c.added_in <= revision, parts.c.removed_in > revision)
            .order_by(parts.c.ordinal)
        )

    def __missing__(self, path: str) -> list[Part]:
        self[path] = [TextPart(*row) for row in self._connection.execute(self._query.where(parts.c.path == path))]
        return self[path]

    def parse(self, path: str) -> Any:
        """Return the tree of a container."""
        return parse(b"".join(assemble(self, path)))

    def parse_part(self, path: str, part: Part) -> Any:
        """Return the entries of a part, including containers that are stored separately."""
        return parse(b"".join(assemble(_Overlay(self, path, part), path)))


class _Overlay(dict[str, list[Part]]):
    """Containers of a revision of which one contains only a single part."""

    def __init__(self, containers: _Containers, path: str, part: Part):
        super().__init__({path: [part]})
        self._containers = containers

    def __missing__(self, path: str) -> list[Part]:
        return self._containers[path]


class _Placeholder(str):
    """Represents a container that both sides store separately."""

    __slots__ = ()


def find_revision_changes(connection: Connection, strategy_id: int, revision: int) -> Iterator[Change]:
    """Yield the differences between a revision and the previous one, in the order in which they can be applied."""
    columns = (parts.c.path, parts.c.ordinal, parts.c.behind, parts.c.key, parts.c.body)
    own = select(*columns).where(parts.c.strategy_id == strategy_id)
    removed = _group(_Row(*row) for row in connection.execute(own.where(parts.c.removed_in == revision)))
    added = _group(_Row(*row) for row in connection.execute(own.where(parts.c.added_in == revision)))
    new = _Containers(connection, strategy_id, revision)
    for path, rows in added.items():
        if rows[0].ordinal == 0 and rows[0].behind == len(rows) - 1:  # all rows of the container are new
            new[path] = [TextPart(row.key, row.body) for row in rows]
    finder = _Finder(_Containers(connection, strategy_id, revision - 1), new)
    for path in sorted({*removed, *added}, key=len):  # an outer container comes before an inner one
        yield from finder.compare(path, removed.get(path, []), added.get(path, []))


def _group(rows: Iterator[_Row]) -> dict[str, list[_Row]]:
    groups: dict[str, list[_Row]] = {}
    for row in sorted(rows, key=lambda row: row.ordinal):
        groups.setdefault(row.path, []).append(row)
    return groups


class _Finder:
    """Compares containers of two revisions, using only the changed rows."""

    def __init__(self, old: _Containers, new: _Containers):
        self._old = old
        self._new = new
        #: Paths of containers that the changes so far already contain completely.
        self._covered: list[str] = []

    def compare(self, path: str, removed: list[_Row], added: list[_Row]) -> Iterator[Change]:
        """Yield the differences in a container."""
        if any(path == base or path.startswith(f"{base}/") for base in self._covered):
            return
        kinds = {row.body[:1] for row in (*removed, *added)}
        are_keyed = {row.key is not None for row in (*removed, *added)}
        if len(kinds) > 1 or len(are_keyed) > 1:
            yield from self._compare_whole(path)
        elif are_keyed == {True} or path == "":
            yield from self._compare_entries(path, removed, added)
        else:
            yield from self._compare_pages(path, removed, added)

    def _compare_whole(self, path: str) -> Iterator[Change]:
        self._covered.append(path)
        yield from find_changes(self._old.parse(path), self._new.parse(path), tuple(parse_pointer(path)))

    def _compare_entries(self, path: str, removed: list[_Row], added: list[_Row]) -> Iterator[Change]:
        steps = tuple(parse_pointer(path))
        before = {row.ordinal: row for row in removed}
        after = {row.ordinal: row for row in added}
        kept = {ordinal for ordinal, row in after.items() if ordinal in before and before[ordinal].key == row.key}
        for row in removed:
            if row.ordinal not in kept:
                assert row.key is not None
                self._covered.append(get_base(path, row.key))
                yield Change("remove", (*steps, row.key), None, None)
        for ordinal in sorted(kept):
            yield from self._compare_entry(path, TextPart(*before[ordinal][3:]), TextPart(*after[ordinal][3:]))
        for row in added:
            if row.ordinal not in kept:
                assert row.key is not None
                self._covered.append(get_base(path, row.key))
                value = self._new.parse_part(path, TextPart(row.key, row.body))[row.key]
                yield Change("add", (*steps, row.key), None, value)

    def _compare_entry(self, path: str, before: Part, after: Part) -> Iterator[Change]:
        """Yield the differences of two versions of a part, without containers that both store separately."""
        steps = tuple(parse_pointer(path))
        apart = set(find_placeholders(before.body)) & set(find_placeholders(after.body))
        old = self._parse(self._old, path, before, apart)
        new = self._parse(self._new, path, after, apart)
        changes = list(find_changes(old, new, steps))
        if any(_has_placeholder(change.after) for change in changes):  # the order of keys changed
            apart = set[str]()
            old = self._parse(self._old, path, before, apart)
            new = self._parse(self._new, path, after, apart)
            changes = list(find_changes(old, new, steps))
        base = get_base(path, after.key)
        for part in (before, after):
            self._covered += [join_path(base, item) for item in find_placeholders(part.body) if item not in apart]
        yield from changes

    def _parse(self, containers: _Containers, path: str, part: Part, apart: set[str]) -> Any:
        """Return the entries of a part with their containers, except those in `apart`."""
        tree: Any = parse(part.body)
        base = get_base(path, part.key)
        for relative in find_placeholders(part.body):
            steps = [*([part.key] if part.key is not None else []), *relative.split("/")]
            *steps, name = [step for step in steps if step]
            holder = tree
            for step in steps:
                holder = holder[step]
            is_apart = relative in apart
            holder[name] = _Placeholder(relative) if is_apart else containers.parse(join_path(base, relative))
        return tree

    def _compare_pages(self, path: str, removed: list[_Row], added: list[_Row]) -> Iterator[Change]:
        """Yield the differences of pages. Usually entries were appended; otherwise whole containers are compared."""
        is_tail = [row.behind for row in reversed(added)] == list(range(len(added)))
        if added and is_tail and all(row.ordinal >= added[0].ordinal for row in removed):
            steps = tuple(parse_pointer(path))
            kind = added[0].body[:1]
            old, new = _join(kind, removed), _join(kind, added)
            changes = list(find_changes(old, new, steps))
            if type(new) is dict:
                yield from changes
                return
            if new[: len(old)] == old and all(change.op == "add" for change in changes):
                for value in new[len(old) :]:
                    yield Change("add", (*steps, "-"), None, value)
                return
        yield from self._compare_whole(path)


def _join(kind: bytes, rows: list[_Row]) -> Any:
    """Return the entries of all pages together."""
    pages = [parse(row.body) for row in rows]
    if kind == b"{":
        return {key: value for page in pages for key, value in page.items()}
    return [value for page in pages for value in page]


def _has_placeholder(value: Any) -> bool:
    if isinstance(value, _Placeholder):
        return True
    if isinstance(value, dict):
        return any(map(_has_placeholder, cast(dict[str, Any], value).values()))
    return isinstance(value, list) and any(map(_has_placeholder, cast(list[Any], value)))
