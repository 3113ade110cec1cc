"""Dictionaries of the state that report changes, so that figures derived from them stay correct.

A `WatchedDict` behaves like an ordinary dictionary until a figure or an index is derived from it. From then on it
reports each change. Its class never changes.

If a figure also depends on fields of the entries, the entries are :mod:`watched records
<tradeexecutor.state.codec.watched_record>`.

Changes that bypass the methods of the object (``dict.__setitem__(table, ...)``) are not noticed.
"""

import weakref
from collections.abc import Callable
from typing import Any, Protocol, Self, TypeVar

from tradeexecutor.state.codec.kept_groups import KeptGroups

K = TypeVar("K")
V = TypeVar("V")

_MISSING: Any = object()

# Called for every new trade; this takes half the time of `super()`.
_set_item: Callable[[Any, Any, Any], None] = dict.__setitem__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_delete_item: Callable[[Any, Any], None] = dict.__delitem__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


class DictListener(Protocol):
    """Interface of objects that receive reports of changes, each after the change."""

    def entry_added(self, table: "WatchedDict[Any, Any]", key: Any, entry: Any) -> None:
        """A new entry was added at the end of the dictionary."""

    def entry_removed(self, table: "WatchedDict[Any, Any]", key: Any, entry: Any) -> None:
        """An entry was removed from the dictionary."""

    def entry_changed(self, table: "WatchedDict[Any, Any]", entry: Any) -> None:
        """A watched field of an attached entry was assigned."""

    def dict_changed(self, table: "WatchedDict[Any, Any]") -> None:
        """The dictionary may have changed in any other way."""

    def dict_replaced(self, table: "WatchedDict[Any, Any]", owner: Any) -> None:
        """The owner of the dictionary has replaced it by another one."""


class WatchedDict(dict[K, V]):
    """A dictionary that can report its changes to listeners."""

    #: Whether changes are reported.
    _is_watched: bool = False
    #: Weak references to the listeners, so that the dictionary does not keep them alive.
    _listeners: tuple[Callable[[], DictListener | None], ...] = ()
    #: Link stored in attached entries; created when the first entry is attached.
    _link: "Link | None" = None
    #: What is kept of the entries; only of tables whose entries rarely change, from its first use on.
    kept: KeptGroups | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)  # a copy does not inherit the listeners

    def watch(self) -> None:
        """Report changes from now on."""
        if not self._is_watched:
            self._is_watched = True
            self.start_watching()

    def add_listener(self, listener: DictListener) -> None:
        """Report changes to `listener` as long as it exists."""
        self.watch()
        reference = weakref.ref(listener)
        if reference not in self._listeners:
            self._listeners = (*(other for other in self._listeners if other() is not None), reference)

    def get_listeners(self) -> list[DictListener]:
        """Return the listeners that still exist."""
        return [listener for reference in self._listeners if (listener := reference()) is not None]

    def keep(self) -> KeptGroups:
        """Return what is kept of the entries."""
        kept = self.kept
        if kept is None:
            kept = self.kept = KeptGroups()
        return kept

    def get_link(self) -> "Link":
        """Return the link that is stored in the entries attached to this dictionary."""
        link = self._link
        if link is None:
            link = self._link = Link(weakref.ref(self))
        return link

    # --- For subclasses to extend; called only while the dictionary is watched

    def start_watching(self) -> None:
        """Prepare the data that is kept while the dictionary is watched."""

    def on_added(self, key: K, entry: V) -> None:
        """A new entry was added at the end."""
        for listener in self.get_listeners():
            listener.entry_added(self, key, entry)

    def on_removed(self, key: K, entry: V) -> None:
        """An entry was removed."""
        for listener in self.get_listeners():
            listener.entry_removed(self, key, entry)

    def on_entry_changed(self, entry: V) -> None:
        """A watched field of an attached entry was assigned."""
        for listener in self.get_listeners():
            listener.entry_changed(self, entry)

    def on_changed(self) -> None:
        """The dictionary changed in any other way."""
        for listener in self.get_listeners():
            listener.dict_changed(self)

    # --- The methods of `dict` that change it

    def __setitem__(self, key: K, value: V) -> None:
        if not self._is_watched:
            _set_item(self, key, value)
        elif key not in self:
            super().__setitem__(key, value)
            self.on_added(key, value)
        elif self[key] is not value:
            super().__setitem__(key, value)
            self.on_changed()

    def __delitem__(self, key: K) -> None:
        if not self._is_watched:
            _delete_item(self, key)
            return
        entry = self.get(key)
        super().__delitem__(key)
        self.on_removed(key, entry)  # pyright: ignore[reportArgumentType]  # it was there, or the line above raised

    def pop(self, key: K, default: Any = _MISSING) -> Any:
        """Remove an entry, see `dict.pop`."""
        if key not in self and default is not _MISSING:
            return default
        entry = super().pop(key)
        if self._is_watched:
            self.on_removed(key, entry)
        return entry

    def popitem(self) -> tuple[K, V]:
        """Remove the last entry, see `dict.popitem`."""
        key, entry = super().popitem()
        if self._is_watched:
            self.on_removed(key, entry)
        return key, entry

    def clear(self) -> None:
        """Remove all entries."""
        super().clear()
        if self._is_watched:
            self.on_changed()

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add or replace entries, see `dict.update`."""
        changes: dict[Any, Any] = dict(*args, **kwargs)
        for key, value in changes.items():
            self[key] = value

    def setdefault(self, key: K, default: Any = None) -> Any:
        """Return an entry, adding it if missing, see `dict.setdefault`."""
        if key not in self:
            self[key] = default
        return self[key]

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self


class Link:
    """Weak link of attached entries to their dictionary; all entries share one object."""

    __slots__ = ("get_table",)

    def __init__(self, get_table: Callable[[], WatchedDict[Any, Any] | None]) -> None:
        #: Returns the dictionary, None if it no longer exists.
        self.get_table = get_table
