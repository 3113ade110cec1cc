"""What was made from the entries of a table, kept while nothing inside the entries changes.

A live strategy records statistics of all positions and saves its state in every cycle, and nearly everything is
history: closed positions and old samples, which change only when somebody edits, repairs, reopens or prunes them.
`KeptGroups` keeps the values of functions and the JSON texts of such entries with a :mod:`fingerprint
<tradeexecutor.state.codec.fingerprint>`, and makes them again only when the fingerprint shows a change. No change has
to be reported for that.

Entries are compared in groups, because one large comparison is faster than many small ones. When something inside a
group changes, all that was made from it is discarded, and its entries are compared one by one until they rest again.
"""

import contextlib
import dataclasses
import threading
import types
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import orjson

from tradeexecutor.state.codec.entry_group import EntryGroup, compute_all, count_same, encode_group, join_lists
from tradeexecutor.state.codec.fingerprint import Fingerprint, SharedObjects, take_fingerprint
from tradeexecutor.state.codec.packed_entries import pack_entries
from tradeexecutor.state.codec.packed_tables import PackedDict, PackedList, get_end, get_entries

__all__ = [
    "GROUP_SIZE",
    "KEEP_TEXTS",
    "MAX_KEPT_BYTES",
    "MAX_NEW_ENTRIES",
    "UNKEPT_SAVES",
    "KeptGroups",
    "Sum",
    "has_kept_texts",
]

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S", bound="Sum[Any]")
V_contra = TypeVar("V_contra", contravariant=True)

#: A dictionary or a list.
Table: TypeAlias = dict[Any, Any] | list[Any]

#: Metadata of a field with a table whose entries rarely change.
KEEP_TEXTS: Mapping[str, bool] = types.MappingProxyType({"keep_texts": True})

#: Entries of a complete group.
GROUP_SIZE = 32

#: Complete groups that become a large one at most: a search costs as much for each group as for some of its entries.
_GROUPS_OF_LARGE_ONE = 32

#: Bytes that are compared of a large group, at most: they fit into the cache of a processor core.
_BYTES_OF_LARGE_GROUP = 200_000

#: First saves in which no texts are kept, because most programs save a state once or twice.
UNKEPT_SAVES = 2

#: Entries whose fingerprints one search for changes takes at most, so that no cycle pays for a whole long history.
MAX_NEW_ENTRIES = 1_000

#: Bytes of text that are kept for one table; its other entries are encoded in every save. The fingerprints take about
#: a third of this in addition.
MAX_KEPT_BYTES = 256 << 20


class Sum(Protocol[V_contra]):
    """Interface of what is made from the values of all entries of a table, and of more when entries are added."""

    def extend(self, values: Sequence[V_contra], /) -> None:
        """Add the values of the next entries, in order."""
        ...


def has_kept_texts(field: dataclasses.Field[Any]) -> bool:
    """Return whether the texts of the entries of a field are kept."""
    return KEEP_TEXTS.items() <= field.metadata.items()


class _Known:
    """What one search has found about the groups of the one before.

    Attributes
    ----------
    resting
        Unchanged groups by the place of their first entry, which is where it was.
    moved
        Other unchanged groups by the address of their first entry.
    changed
        Addresses of the entries of groups in which something has changed.
    unchanged
        Number of entries at the beginning of the table that are unchanged and where they were.
    """

    __slots__ = ("changed", "moved", "resting", "unchanged")

    def __init__(self) -> None:
        self.resting: dict[int, EntryGroup] = {}
        self.moved: dict[int, EntryGroup] = {}
        self.changed: set[int] = set()
        self.unchanged = 0


class _Block(threading.local):
    """The blocks of the calling thread in which calls share one search: of no other thread, which may change entries.

    Attributes
    ----------
    depth
        How many blocks the thread is in, one inside the other.
    found
        The table in the present block, its length, and the groups that were found.
    kept
        For the present block only: name -> the table, its length, and a sum; function -> the same with values.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.found: tuple[Table, int, list[EntryGroup]] | None = None
        self.kept: dict[Any, tuple[Table, int, Any]] = {}


class KeptGroups:
    """What is kept of the entries of one table. A copy has nothing."""

    def __init__(self) -> None:
        #: The table at the last search.
        self._keys: list[Any] = []
        self._entries: list[Any] = []
        self._groups: list[EntryGroup] = []
        #: That table and the number of its changes if it counts them.
        self._followed: tuple[Callable[[], Any], int] | None = None
        self._shared = SharedObjects()
        #: Name -> number of entries at the beginning of the table that were added up, and their sum.
        self._sums: dict[Any, tuple[int, Any]] = {}
        #: What `encode` has returned, and the number of entries at its beginning that need not be encoded again.
        self._encoded: dict[str, Any] | list[Any] | None = None
        self._reusable = 0
        #: Whether all keys of the table are integers; True for a list.
        self._has_plain_keys = True
        self._block = _Block()
        #: Entries whose fingerprints the present search has taken.
        self._new = 0
        #: Whether values were asked for, and whether that was before the present block.
        self._is_asked = self._has_computed = False
        #: How often texts were asked for, and the function that the last call has got.
        self._encodings = 0
        self._encode_item: Callable[[Any], Any] | None = None
        #: How often `pack` was called.
        self._packings = 0
        #: Held by the thread that uses the groups; a second one, reading a snapshot, makes everything anew.
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return KeptGroups, ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept yet, or nothing can be."""
        return not self._groups

    def add_up(self, table: Table, function: Callable[[Any], T], make_sum: Callable[[], S], name: Any) -> S:
        """Return a sum of the values of a function for all entries of a table, in its order.

        While entries are only added to the end of the table, only their values are added to the sum of the last call.
        The caller must not change what is returned, and must not keep it. The first call, or all calls in the first
        block, keep nothing for later, because most programs ask only once.

        Parameters
        ----------
        table
            Always the same one.
        function
            A function of a module, which depends on nothing but the entry.
        make_sum
            Returns the sum of nothing.
        name
            Of the sum in this table.
        """
        if not self._start_computing():
            return self._add_up_once(table, function, make_sum, name)
        try:
            groups = self._find(table)
            count, result = self._sums.pop(name, None) or (0, make_sum())
            place = 0
            for group in groups:
                end = place + len(group.entries)
                if end > count:
                    result.extend(group.compute(function)[max(count - place, 0) :])
                place = end
            self._sums[name] = place, result  # only now: without it, an error above would leave a part of a sum
            return result
        finally:
            self._lock.release()

    def _add_up_once(self, table: Table, function: Callable[[Any], T], make_sum: Callable[[], S], name: Any) -> S:
        """Return a sum of which nothing is kept after the present block."""

        def make() -> S:
            result = make_sum()
            result.extend(self._keep_in_block(table, function, lambda: compute_all(table, function)))
            return result

        return self._keep_in_block(table, name, make)

    def _keep_in_block(self, table: Table, name: Any, make: Callable[[], R]) -> R:
        block = self._block
        known = block.kept.get(name)
        if known is not None and known[0] is table and known[1] == len(table):
            return known[2]
        result = make()
        if block.depth:
            block.kept[name] = table, len(table), result
        return result

    def _start_computing(self) -> bool:
        """Return whether values may be kept; then the caller has the lock."""
        is_first, self._is_asked = not self._has_computed, True
        if not self._block.depth:
            self._has_computed = True
        return not is_first and self._lock.acquire(blocking=False)

    def encode(self, table: Table, encode_item: Callable[[Any], Any]) -> dict[str, Any] | list[Any] | None:
        """Return a table in which the entries are JSON texts, or plain data where nothing is kept.

        Returns
        -------
        dict, list, None
            The same object as in the last call if all entries are the same texts; the caller must not change it. None
            if the table has to be encoded without kept texts: at the first `UNKEPT_SAVES` calls, while another thread
            is here, and if a key is no integer.
        """
        self._encodings += 1
        self._encode_item = encode_item
        if self._encodings <= UNKEPT_SAVES or not self._lock.acquire(blocking=False):
            return None
        try:
            groups = self._find(table)
            if isinstance(table, dict) and not self._has_plain_keys:
                return None
            return self._continue_encoding({} if isinstance(table, dict) else [], groups, encode_item)
        finally:
            self._lock.release()

    def _continue_encoding(
        self, empty: dict[str, Any] | list[Any], groups: list[EntryGroup], encode_item: Callable[[Any], Any]
    ) -> dict[str, Any] | list[Any]:
        """Return the encoded table of the last call, or a copy with other entries at its end where it has changed."""
        before, reusable = self._encoded or empty, self._reusable
        if len(before) == reusable == sum(len(group.entries) for group in groups):
            return before
        # A copy, because another thread that reads a snapshot may come here before the caller has printed it.
        self._encoded, self._reusable = None, 0  # an error below would leave a part of a table
        encoded = before.copy()
        remove: Callable[[], Any] = encoded.popitem if isinstance(encoded, dict) else encoded.pop
        while len(encoded) > reusable:
            remove()
        size = sum(group.size for group in groups)
        place = kept = 0
        for group in groups:
            start, place = max(reusable - place, 0), place + len(group.entries)
            if place > reusable:
                entries: Sequence[Any] | None = group.texts
                if entries is None:
                    entries = encode_group(group, encode_item, MAX_KEPT_BYTES - size)
                    size += group.size
                if isinstance(encoded, dict):
                    encoded.update(zip(group.names[start:], entries[start:], strict=True))
                else:
                    encoded += entries[start:]
            if group.texts is not None and kept == place - len(group.entries):
                kept = place
        self._encoded, self._reusable = encoded, kept
        return encoded

    @contextlib.contextmanager
    def comparing_once(self, *, is_last: bool = False) -> Generator[None]:
        """Let the calls in the block share one search for changes.

        In the block entries may be added or removed, but not changed or replaced.

        Parameters
        ----------
        is_last
            Whether calls after this block make a new search although they are in an outer block.
        """
        block = self._block
        block.depth += 1
        try:
            yield
        finally:
            block.depth -= 1
            if is_last or not block.depth:
                block.found, block.kept = None, {}
            if not block.depth:
                self._has_computed = self._is_asked

    def pack(self, table: PackedDict[Any, Any] | PackedList[Any], most: int) -> int:
        """Pack entries of which texts are kept, the first ones of the table first, without the latest ones.

        Call it after a save, outside of the blocks of `comparing_once`. A group is tried again after one, two, four
        ... further calls if somebody holds an object inside it.

        Parameters
        ----------
        most
            Number of entries from which on no further group is tried.

        Returns
        -------
        int
            Number of entries that were packed.
        """
        if self._encode_item is None or self._block.depth or not self._lock.acquire(blocking=False):
            return 0
        try:
            self._packings += 1
            tried = packed = place = 0
            last = len(self._entries) - GROUP_SIZE
            for group in self._groups:
                size = len(group.entries)
                if tried < most and place + size <= last and self._can_be_packed(group, table):
                    tried += size
                    packed += size * self._pack_group(group, place, table, self._encode_item)
                place += size
            return packed
        finally:
            self._lock.release()

    def _can_be_packed(self, group: EntryGroup, table: PackedDict[Any, Any] | PackedList[Any]) -> bool:
        return (
            group.texts is not None
            and not group.is_packed
            and len(group.entries) >= GROUP_SIZE
            and group.next_packing <= self._packings
            and not table.was_read(group.keys)
        )

    def _pack_group(
        self,
        group: EntryGroup,
        place: int,
        table: PackedDict[Any, Any] | PackedList[Any],
        encode_item: Callable[[Any], Any],
    ) -> bool:
        texts = [orjson.dumps(text) for text in group.texts or () if isinstance(text, orjson.Fragment)]
        holders = group.fingerprint, group.entries
        # Besides them, only the table and the list of its entries at the last search refer to an entry.
        packed = None
        end = place + len(group.entries)
        places = group.keys or range(place, end)
        if len(texts) == len(group.entries) and table.has_at(places, group.entries):  # it may have changed since then
            packed = pack_entries(group.entries, texts, encode_item, holders, known=2)
        if packed is None:
            group.tries += 1
            group.next_packing = self._packings + (1 << group.tries)
            return False
        is_followed = self._is_followed(table)  # a change since the search is still to be found
        table.replace_by_packed(dict(zip(places, packed, strict=True)))
        self._followed = (weakref.ref(table), table.changes) if is_followed else None
        self._entries[place:end] = packed
        group.pack(packed)
        self._reusable = min(self._reusable, place)
        return True

    # --- The search for changes

    def _find(self, table: Table) -> list[EntryGroup]:
        """Return the entries of the table in groups, with what is kept of those that have not changed."""
        block = self._block
        last = block.found
        if last is not None and last[0] is table and last[1] == len(table) and last[2] is self._groups:
            return last[2]
        if not self._shared.are_unchanged():
            self._groups, self._shared = [], SharedObjects()
            if isinstance(table, (PackedDict, PackedList)):
                table.unpack()  # the texts of packed entries are those of before
        same, keys, entries = self._follow(table), self._keys, self._entries
        if same is None:
            keys, entries = ([*table] if isinstance(table, dict) else []), [*get_entries(table)]
            same = self._count_same(keys, entries)
        found = self._match(keys, entries, same)
        self._keys, self._entries, self._groups = keys, entries, found
        counts_changes = isinstance(table, (PackedDict, PackedList))
        self._followed = (weakref.ref(table), table.changes) if counts_changes else None
        if block.depth:
            block.found = table, len(table), found
        return found

    def _follow(self, table: Table) -> int | None:
        """Add the new entries of a table that says what is new, and return the number of those before; or None."""
        same = len(self._entries)
        if not self._is_followed(table) or len(table) < same:
            return None
        keys, entries = get_end(cast(Any, table), same)
        self._keys += keys
        self._entries += entries
        return same

    def _is_followed(self, table: Any) -> bool:
        """Return whether a table is the one of the last search, and has counted no change since then."""
        return self._followed is not None and self._followed[0]() is table and self._followed[1] == table.changes

    def _count_same(self, keys: list[Any], entries: list[Any]) -> int:
        """Return the number of entries at the beginning that are those of the last search."""
        same = count_same(self._entries, entries)
        return min(same, count_same(self._keys, keys)) if keys else same

    def _match(self, keys: list[Any], entries: list[Any], same: int) -> list[EntryGroup]:
        """Return the groups of a table, of which so many entries at the beginning are those of the last search."""
        self._new = 0
        known = self._sort_groups(keys, same)
        self._sums = {name: kept for name, kept in self._sums.items() if kept[0] <= known.unchanged}
        self._reusable = min(self._reusable, known.unchanged)
        found: list[EntryGroup] = []
        single: list[EntryGroup] = []
        place = 0
        while place < len(entries):
            group = known.resting.get(place)
            if group is None:
                group = known.moved.get(id(entries[place]))
                if group is None or not group.is_at(place, keys, entries):
                    group = EntryGroup(keys[place : place + 1], entries[place : place + 1])
            place += len(group.entries)
            if len(group.entries) == 1 and id(group.entries[0]) not in known.changed:
                single.append(group)
                continue
            found += self._gather(single)
            single = []
            found.append(self._keep(group))
        return self._merge_complete(found + self._gather(single))

    def _sort_groups(self, keys: list[Any], same: int) -> "_Known":
        """Search for changes in the groups of the last search."""
        if keys:
            self._has_plain_keys = {int}.issuperset(map(type, keys[same if self._has_plain_keys else 0 :]))
        known = _Known()
        place = 0
        for group in self._groups:
            start, place = place, place + len(group.entries)
            if group.fingerprint is None:
                continue
            if not group.fingerprint.is_constant and not group.fingerprint.is_unchanged():
                known.changed.update(map(id, group.entries))
            elif place <= same:
                known.resting[start] = group
                if known.unchanged == start:
                    known.unchanged = place
            else:
                known.moved[id(group.entries[0])] = group
        return known

    def _gather(self, single: list[EntryGroup]) -> list[EntryGroup]:
        """Return groups of one entry in groups as large as possible."""
        complete = len(single) - len(single) % GROUP_SIZE
        found: list[EntryGroup] = []
        for start in range(0, complete, GROUP_SIZE):
            members = single[start : start + GROUP_SIZE]
            fingerprint = self._take_fingerprint(join_lists(group.entries for group in members))
            if fingerprint is None:
                found += map(self._keep, members)
            else:
                found.append(EntryGroup.merge(members, fingerprint))
        return [*found, *map(self._keep, single[complete:])]

    def _merge_complete(self, found: list[EntryGroup]) -> list[EntryGroup]:
        """Return the groups with as many complete ones as possible in large ones."""
        merged: list[EntryGroup] = []
        run: list[EntryGroup] = []
        size = 0
        for group in found:
            merged.append(group)
            if len(group.entries) != GROUP_SIZE or group.fingerprint is None:
                run, size = [], 0
                continue
            run.append(group)
            size += group.fingerprint.size
            average = size // len(run)
            if len(run) == _GROUPS_OF_LARGE_ONE or (len(run) > 1 and size + average > _BYTES_OF_LARGE_GROUP):
                fingerprint = self._take_fingerprint(join_lists(member.entries for member in run))
                if fingerprint is not None:
                    merged[-len(run) :] = [EntryGroup.merge(run, fingerprint)]
                run, size = [], 0
        return merged

    def _keep(self, group: EntryGroup) -> EntryGroup:
        if group.fingerprint is None:
            group.fingerprint = self._take_fingerprint(group.entries)
        return group

    def _take_fingerprint(self, entries: list[Any]) -> Fingerprint | None:
        """Return a fingerprint; None if enough are taken, or if changes inside an entry could go unnoticed."""
        if self._new >= MAX_NEW_ENTRIES:
            return None
        self._new += len(entries)
        fingerprint = take_fingerprint(entries)
        return None if fingerprint is None or not self._shared.watch(fingerprint) else fingerprint
