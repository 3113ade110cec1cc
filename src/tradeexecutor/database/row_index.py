"""An index, in memory, of the rows of the newest revision: enough to see what a save has to write.

The bodies of the parts are not kept, only a hash of each.  Were two different bodies to have the same hash, a save
would lose a change, and loading it would be refused because the checksum of the whole does not match; with 64 bits
that does not happen.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tradeexecutor.database.parts import Part

__all__ = ["SUM_MODULUS", "Entry", "NewRow", "OldRow", "RowChanges", "RowIndex", "get_digest"]

#: Checksums of rows are added up modulo this.
SUM_MODULUS = 1 << 128


def get_digest(path: str, key: str | None, ordinal: int, behind: int, body: bytes) -> int:
    """Return a checksum of a row with 128 bits."""
    digest = hashlib.blake2b(repr((path, key, ordinal, behind)).encode("utf-8", "surrogatepass"), digest_size=16)
    digest.update(body)
    return int.from_bytes(digest.digest())


class Entry(NamedTuple):
    """What is remembered of a row."""

    key: str | None
    ordinal: int
    added_in: int
    hash: int
    digest: int


class OldRow(NamedTuple):
    """A row that a save ends."""

    path: str
    entry: Entry


class NewRow(NamedTuple):
    """A row that a save adds."""

    path: str
    key: str | None
    ordinal: int
    behind: int
    body: bytes


@dataclass(slots=True)
class RowChanges:
    """What a save writes.

    Attributes
    ----------
    removed, added
        Rows.
    index
        Of the rows that live afterwards.
    """

    removed: list[OldRow] = field(default_factory=list[OldRow])
    added: list[NewRow] = field(default_factory=list[NewRow])
    index: "RowIndex" = field(default_factory=lambda: RowIndex())

    def remove(self, path: str, entry: Entry) -> None:
        """Let a row end."""
        self.removed.append(OldRow(path, entry))
        self.index.sum = (self.index.sum - entry.digest) % SUM_MODULUS

    def add(self, path: str, part: Part, ordinal: int, behind: int, revision: int) -> Entry:
        """Let a row begin."""
        self.added.append(NewRow(path, part.key, ordinal, behind, part.body))
        digest = get_digest(path, part.key, ordinal, behind, part.body)
        self.index.sum = (self.index.sum + digest) % SUM_MODULUS
        return Entry(part.key, ordinal, revision, hash(part.body), digest)


class RowIndex:
    """The rows of each container in their order.

    Attributes
    ----------
    sum
        Of the digests of all rows: every revision of a long history can be checked in one pass over its rows.
    """

    def __init__(self) -> None:
        self._containers: dict[str, list[Entry]] = {}
        self.sum = 0

    def add(self, path: str, key: str | None, ordinal: int, added_in: int, behind: int, body: bytes) -> None:
        """Take up a row of the database, in any order; `arrange` follows."""
        digest = get_digest(path, key, ordinal, behind, body)
        self._containers.setdefault(path, []).append(Entry(key, ordinal, added_in, hash(body), digest))
        self.sum = (self.sum + digest) % SUM_MODULUS

    def arrange(self) -> None:
        """Put the rows of each container into their order."""
        for entries in self._containers.values():
            entries.sort(key=lambda entry: entry.ordinal)

    def compare(self, containers: Mapping[str, Sequence[Part]], revision: int) -> RowChanges:
        """Compare with the parts of a new state.

        Parameters
        ----------
        revision
            Under which they would be saved.
        """
        changes = RowChanges()
        changes.index.sum = self.sum
        for path, parts in containers.items():
            changes.index._containers[path] = _compare_container(
                path, self._containers.get(path, []), parts, revision, changes
            )
        for path, entries in self._containers.items():
            if path not in containers:
                for entry in entries:
                    changes.remove(path, entry)
        return changes


def _compare_container(
    path: str, old: list[Entry], parts: Sequence[Part], revision: int, changes: RowChanges
) -> list[Entry]:
    """Compare one container; returns its entries after the save.

    A part keeps the ordinal of the row that it replaces, unless the order changed: then it goes behind all others, and
    so does everything after it.
    """
    hashes = [hash(part.body) for part in parts]
    if len(old) == len(parts) and all(
        entry.hash == body_hash and entry.key == part.key
        for entry, body_hash, part in zip(old, hashes, parts, strict=True)
    ):
        return old
    matches = _match(old, parts, hashes)
    entries: list[Entry] = []
    last, free = -1, max((entry.ordinal for entry in old), default=-1) + 1
    for part, body_hash, match in zip(parts, hashes, matches, strict=True):
        if match is not None and match.ordinal > last and match.hash == body_hash and match.key == part.key:
            entries.append(match)
        else:
            ordinal = match.ordinal if match is not None and match.ordinal > last else free
            free = max(free, ordinal + 1)
            if match is not None:
                changes.remove(path, match)
            entries.append(changes.add(path, part, ordinal, len(parts) - len(entries) - 1, revision))
        last = entries[-1].ordinal
    used = {match.ordinal for match in matches if match is not None}
    for entry in old:
        if entry.ordinal not in used:
            changes.remove(path, entry)
    return entries


def _match(old: list[Entry], parts: Sequence[Part], hashes: list[int]) -> list[Entry | None]:
    """Return for each part the row that it continues: by key, else by its place from the beginning or the end."""
    if old and old[0].key is not None and parts[0].key is not None:
        by_key = {entry.key: entry for entry in old}
        return [by_key.get(part.key) for part in parts]
    most = min(len(old), len(parts))
    start = 0
    while start < most and old[start].hash == hashes[start]:
        start += 1
    end = 0
    while end < most - start and old[-1 - end].hash == hashes[-1 - end]:
        end += 1
    middle = old[start : len(old) - end]
    missing = len(parts) - start - end - len(middle)
    matched: list[Entry | None] = [*old[:start], *middle, *[None] * missing]
    matched = matched[: len(parts) - end]
    return [*matched, *old[len(old) - end :]]
