"""An index of the rows of the newest revision in memory, from which a save finds out which rows to write.

The index contains only a checksum of 128 bits of the body of each part.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tradeexecutor.database.parts import Part, get_placeholder_size
from tradeexecutor.state.codec.entry_group import count_same

__all__ = ["SUM_MODULUS", "Entry", "NewRow", "OldRow", "RowChanges", "RowIndex", "get_digest"]

#: Modulus of the sum of row checksums.
SUM_MODULUS = 1 << 128


def get_digest(path: str, key: str | None, ordinal: int, behind: int, body: bytes) -> int:
    """Return a checksum of a row, an integer of 128 bits."""
    digest = hashlib.blake2b(repr((path, key, ordinal, behind)).encode("utf-8", "surrogatepass"), digest_size=16)
    digest.update(body)
    return int.from_bytes(digest.digest())


def _get_body_digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()


class Entry(NamedTuple):
    """One row in the index.

    Attributes
    ----------
    size, body_digest
        Bytes of the body, and a checksum of it.
    digest
        Checksum of the row, see `get_digest`.
    """

    key: str | None
    ordinal: int
    added_in: int
    size: int
    body_digest: bytes
    digest: int


class OldRow(NamedTuple):
    """A row that a save marks as removed."""

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
    """Changes of rows that a save writes.

    Attributes
    ----------
    removed, added
        Rows to mark as removed, and rows to add.
    index
        Index of the rows after the save.
    """

    removed: list[OldRow] = field(default_factory=list[OldRow])
    added: list[NewRow] = field(default_factory=list[NewRow])
    index: "RowIndex" = field(default_factory=lambda: RowIndex())

    def remove(self, path: str, entry: Entry) -> None:
        """Mark a row as removed."""
        self.removed.append(OldRow(path, entry))
        self.index.sum = (self.index.sum - entry.digest) % SUM_MODULUS
        self.index.body_bytes -= entry.size

    def add(self, path: str, part: Part, ordinal: int, behind: int, revision: int) -> Entry:
        """Add a row, and return its entry in the index."""
        row = NewRow(path, part.key, ordinal, behind, part.body)
        self.added.append(row)
        return self.index.make_entry(row, revision)


class RowIndex:
    """The rows of each container, in order.

    Attributes
    ----------
    sum
        Sum of the digests of all rows, modulo `SUM_MODULUS`. With such sums, one pass over the rows verifies all
        revisions of a long history.
    body_bytes
        Bytes of the bodies of all rows.
    """

    def __init__(self) -> None:
        self._containers: dict[str, list[Entry]] = {}
        #: The parts from which the entries were made; not of rows that were read from the database.
        self._parts: dict[str, Sequence[Part]] = {}
        self.sum = 0
        self.body_bytes = 0

    def make_entry(self, row: tuple[str, str | None, int, int, bytes], added_in: int) -> Entry:
        """Count a row (path, key, ordinal, behind, body), and return its entry."""
        _, key, ordinal, _, body = row
        digest = get_digest(*row)
        self.sum = (self.sum + digest) % SUM_MODULUS
        self.body_bytes += len(body)
        return Entry(key, ordinal, added_in, len(body), _get_body_digest(body), digest)

    def add(self, path: str, key: str | None, ordinal: int, added_in: int, behind: int, body: bytes) -> None:
        """Add a row of the database. Rows may come in any order; call `arrange` after the last one."""
        entry = self.make_entry((path, key, ordinal, behind, body), added_in)
        self._containers.setdefault(path, []).append(entry)

    def measure_text(self) -> int:
        """Return the length of the JSON text that the rows form, bytes."""
        # Rows have brackets that the text has once for each container, and placeholders that it does not have.
        size = self.body_bytes
        for path, entries in self._containers.items():
            size += 1 - len(entries) - get_placeholder_size(path)
        return size

    def get_checksum(self) -> str:
        """Return the checksum of a save with these rows, 64 hex digits."""
        return hashlib.sha256(f"{self.sum:032x} {self.measure_text()}".encode()).hexdigest()

    def arrange(self) -> None:
        """Sort the rows of each container."""
        for entries in self._containers.values():
            entries.sort(key=lambda entry: entry.ordinal)

    def compare(self, containers: Mapping[str, Sequence[Part]], revision: int) -> RowChanges:
        """Return the changes between the indexed rows and the parts of a new state.

        Parameters
        ----------
        revision
            Number of the revision in which the parts would be saved.
        """
        changes = RowChanges()
        changes.index.sum, changes.index.body_bytes = self.sum, self.body_bytes
        for path, parts in containers.items():
            old = self._containers.get(path, [])
            known = self._parts.get(path, ())
            same = len(parts) if known is parts else count_same(known, parts)
            if not same == len(old) == len(parts):
                old = _compare_container(path, old, parts, same, _Target(revision, changes))
            changes.index._containers[path] = old
            changes.index._parts[path] = parts
        for path, entries in self._containers.items():
            if path not in containers:
                for entry in entries:
                    changes.remove(path, entry)
        return changes


class _Target(NamedTuple):
    """Number of the revision in which the parts would be saved, and the changes to which it is added."""

    revision: int
    changes: RowChanges


def _compare_container(path: str, old: list[Entry], parts: Sequence[Part], same: int, target: _Target) -> list[Entry]:
    """Compare one container, and return its entries after the save.

    A part gets the ordinal of the row that it replaces. If the order has changed, it and all parts after it get new
    ordinals behind all others.

    Parameters
    ----------
    same
        Number of parts at the beginning that are those of the old entries.
    """
    revision, changes = target
    entries = old[:same]  # nearly all parts of a long history
    digests = [_get_body_digest(part.body) for part in parts[same:]]
    for entry, body_digest, part in zip(old[same:], digests, parts[same:], strict=False):
        if entry.body_digest != body_digest or entry.key != part.key:
            break
        entries.append(entry)
    last, free = entries[-1].ordinal if entries else -1, old[-1].ordinal + 1 if old else 0
    count, known, same = len(parts), same, len(entries)
    old, parts, digests = old[same:], parts[same:], digests[same - known :]
    matches = _match(old, parts, digests)
    for part, body_digest, match in zip(parts, digests, matches, strict=True):
        if match is not None and match.ordinal > last and match.body_digest == body_digest and match.key == part.key:
            entries.append(match)
        else:
            ordinal = match.ordinal if match is not None and match.ordinal > last else free
            free = max(free, ordinal + 1)
            if match is not None:
                changes.remove(path, match)
            entries.append(changes.add(path, part, ordinal, count - len(entries) - 1, revision))
        last = entries[-1].ordinal
    used = {match.ordinal for match in matches if match is not None}
    for entry in old:
        if entry.ordinal not in used:
            changes.remove(path, entry)
    return entries


def _match(old: list[Entry], parts: Sequence[Part], digests: list[bytes]) -> list[Entry | None]:
    """Return the row that each part replaces: by key, otherwise by its place from the beginning or the end."""
    if old and parts and old[0].key is not None and parts[0].key is not None:
        by_key = {entry.key: entry for entry in old}
        return [by_key.get(part.key) for part in parts]
    most = min(len(old), len(parts))
    start = 0
    while start < most and old[start].body_digest == digests[start]:
        start += 1
    end = 0
    while end < most - start and old[-1 - end].body_digest == digests[-1 - end]:
        end += 1
    middle = old[start : len(old) - end]
    missing = len(parts) - start - end - len(middle)
    matched: list[Entry | None] = [*old[:start], *middle, *[None] * missing]
    matched = matched[: len(parts) - end]
    return [*matched, *old[len(old) - end :]]
