"""Cached JSON texts of the entries of a dictionary that rarely change, such as closed positions.

A strategy saves its state after every cycle, and most of the state is history. From the second save on, the text of
each entry of such a dictionary is kept with a :mod:`fingerprint <tradeexecutor.state.codec.fingerprint>` of the entry.
A later save writes the kept text if the fingerprint shows that nothing inside the entry has changed.

The texts belong to the dictionary. Copies of the dictionary have none.
"""

import dataclasses
import threading
import types
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from tradeexecutor.state.codec.encoded_values import Encoder
from tradeexecutor.state.codec.fingerprint import Fingerprint, SharedObjects, take_fingerprint

__all__ = ["CACHE_TEXTS", "MAX_CACHED_BYTES", "MAX_NEW_TEXTS", "CachedTexts", "has_cached_texts"]

#: Metadata of the field of a `WatchedDict` with integer keys whose entries rarely change.
CACHE_TEXTS: Mapping[str, bool] = types.MappingProxyType({"cache_texts": True})

#: Bytes of text that are kept for one dictionary; its other entries are encoded in every save. The fingerprints take
#: about a third of this in addition.
MAX_CACHED_BYTES = 256 << 20


#: Texts that one save adds at most. Adding one takes as long as encoding the entry twice, so the first saves of a state
#: with a long history share that work.
MAX_NEW_TEXTS = 1_000


def has_cached_texts(field: dataclasses.Field[Any]) -> bool:
    """Return whether the texts of the entries of a field are kept."""
    return CACHE_TEXTS.items() <= field.metadata.items()


@dataclasses.dataclass(slots=True)
class _Kept:
    entry: Any
    fingerprint: Fingerprint
    text: orjson.Fragment
    size: int
    #: The function that has said that the text of the unchanged entry may be returned.
    allowed_by: Callable[[Any], bool] | None = None

    def may_be_text(self, may_be_text: Callable[[Any], bool] | None) -> bool:
        if may_be_text is None or self.allowed_by is may_be_text:
            return True
        is_allowed = may_be_text(self.entry)
        if is_allowed:
            self.allowed_by = may_be_text
        return is_allowed


class CachedTexts:
    """Texts of the entries of one dictionary."""

    def __init__(self) -> None:
        self._kept: dict[int, _Kept] = {}
        self._size = 0
        #: Texts added by the present save.
        self._new = 0
        self._shared = SharedObjects()
        #: Held by the thread that uses the texts; a second one, reading a snapshot, encodes everything.
        self.lock = threading.Lock()

    def encode_table(
        self, table: dict[int, Any], encode_item: Encoder, may_be_text: Callable[[Any], bool] | None = None
    ) -> dict[str, Any]:
        """Return key -> JSON text, or plain data, of all entries of the dictionary.

        Parameters
        ----------
        may_be_text
            Tells of which entries the text may be returned; None for all.
        """
        self._forget_changed(table)
        self._new = 0
        get_kept = self._kept.get
        result: dict[str, Any] = {}
        for key, entry in table.items():
            kept = get_kept(key)
            is_kept = kept is not None and kept.entry is entry and kept.fingerprint.is_unchanged()
            if kept is not None and is_kept and kept.may_be_text(may_be_text):
                result[str(key)] = kept.text
            elif may_be_text is not None and not may_be_text(entry):
                result[str(key)] = encode_item(entry)
            else:
                result[str(key)] = self._encode(key, entry, encode_item)
        return result

    def _forget_changed(self, table: dict[int, Any]) -> None:
        """Discard the texts of entries that were removed, and all texts if a shared object has changed."""
        if not self._shared.are_unchanged():
            self._kept, self._shared, self._size = {}, SharedObjects(), 0
        elif self._kept.keys() - table.keys():
            self._kept = {key: kept for key, kept in self._kept.items() if key in table}
            self._size = sum(kept.size for kept in self._kept.values())
            if not self._kept:
                self._shared = SharedObjects()

    def _encode(self, key: int, entry: Any, encode_item: Encoder) -> Any:
        """Encode an entry that is new or has changed, and keep its text."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._size -= kept.size
        data = encode_item(entry)
        if self._new >= MAX_NEW_TEXTS:
            return data
        self._new += 1
        fingerprint = take_fingerprint(entry)
        if fingerprint is None or not self._shared.watch(fingerprint):
            return data
        try:
            text = orjson.dumps(data)
        except TypeError:
            return data  # the state cannot be saved; whoever writes all of it says where and why
        if self._size + len(text) > MAX_CACHED_BYTES:
            return data
        self._size += len(text)
        self._kept[key] = kept = _Kept(entry, fingerprint, orjson.Fragment(text), len(text))
        return kept.text
