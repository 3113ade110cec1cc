"""Dictionaries of the state from which figures are derived that must follow every change.

A `WatchedDict` is an ordinary dictionary until something derives a figure or an index from it.  From then on it reports
each change.  It is the same object of the same class all the time.

Where the figure depends on fields of the entries, too, the entries are
:mod:`watched records <tradeexecutor.state.codec.watched_record>`.

Not noticed is what bypasses the methods of the object (``dict.__setitem__(table, ...)``).
"""

import weakref
from collections.abc import Callable
from typing import Any, Protocol, Self, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_MISSING: Any = object()

# Runs for every new trade, and takes half the time of `super()`.
_set_item: Callable[[Any, Any, Any], None] = dict.__setitem__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


class DictListener(Protocol):
    """Whoever wants to know about the changes of dictionaries.  Told after the change."""

    def entry_added(self, table: "WatchedDict[Any, Any]", key: Any, entry: Any) -> None:
        """A new entry is at the end of the dictionary."""

    def entry_removed(self, table: "WatchedDict[Any, Any]", key: Any, entry: Any) -> None:
        """An entry is no longer in the dictionary."""

    def entry_changed(self, table: "WatchedDict[Any, Any]", entry: Any) -> None:
        """A watched field of an attached entry was assigned."""

    def dict_changed(self, table: "WatchedDict[Any, Any]") -> None:
        """Anything else may have happened to the dictionary."""

    def dict_replaced(self, table: "WatchedDict[Any, Any]", owner: Any) -> None:
        """The object that had the dictionary in a field has another one there."""


class WatchedDict(dict[K, V]):
    """A dictionary whose changes can be watched."""

    #: Whether changes are reported.
    _is_watched: bool = False
    #: Whom to tell.  Weak references, so that a dictionary keeps nobody alive.
    _listeners: tuple[Callable[[], DictListener | None], ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)  # a copy has listeners of its own

    def watch(self) -> None:
        """Report changes from now on."""
        if not self._is_watched:
            self._is_watched = True
            self.start_watching()

    def add_listener(self, listener: DictListener) -> None:
        """Tell `listener` about changes as long as it lives."""
        self.watch()
        reference = weakref.ref(listener)
        if reference not in self._listeners:
            self._listeners = (*(other for other in self._listeners if other() is not None), reference)

    def get_listeners(self) -> list[DictListener]:
        """Return who is told about changes."""
        return [listener for reference in self._listeners if (listener := reference()) is not None]

    # --- For subclasses to extend; called only while the dictionary is watched

    def start_watching(self) -> None:
        """Prepare what is kept while the dictionary is watched."""

    def on_added(self, key: K, entry: V) -> None:
        """A new entry is at the end."""
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
        """Anything else happened."""
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
        entry = self.get(key)
        super().__delitem__(key)
        if self._is_watched:
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
