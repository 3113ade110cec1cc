"""Dictionaries of the state from which figures are derived that must follow every change.

A `Table` is an ordinary dictionary, as fast as one, until something derives a figure or an index from it.  From then
on it is *watched*: the same object, of a class whose methods report each change.

The entries are watched, too, where the figure depends on their fields: an entry that has been taken into account is
*sealed*.  It stays what it was, but assigning to one of the fields that matter breaks the seal and is reported to the
table.  Fields are public and people assign to them; nobody has to know about tables to do so.

Not noticed is what goes round the methods of the object (``dict.__setitem__(table, ...)``, ``object.__setattr__``).
"""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, SupportsIndex, TypeVar

from tradeexecutor.state.codec.codec import OpenAttributes

K = TypeVar("K")
V = TypeVar("V")

_MISSING: Any = object()


class TableListener(Protocol):
    """Whoever wants to know about the changes of tables.  Told after the change."""

    def entry_added(self, table: "Table[Any, Any]", key: Any, entry: Any) -> None:
        """A new entry is at the end of the table."""

    def entry_removed(self, table: "Table[Any, Any]", key: Any, entry: Any) -> None:
        """An entry is no longer in the table."""

    def entry_unsealed(self, table: "Table[Any, Any]", entry: Any) -> None:
        """A watched field of a sealed entry is about to change."""

    def table_changed(self, table: "Table[Any, Any]") -> None:
        """Anything else may have happened to the table."""


class Table(dict[K, V]):
    """A dictionary whose changes can be watched."""

    __slots__ = ("__weakref__", "_listeners")

    #: Class of a table that is not watched, and of one that is.
    plain_class: ClassVar[type["Table[Any, Any]"]]
    watched_class: ClassVar[type["Table[Any, Any]"]]

    #: Whom to tell; set when the table becomes watched.  Weak references, so that a table keeps nobody alive.
    _listeners: tuple[Callable[[], TableListener | None], ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return self.plain_class, (dict(self),)  # a copy has listeners of its own

    def watch(self) -> None:
        """Report changes from now on."""
        if type(self) is not self.watched_class:
            self.__class__ = self.watched_class  # pyright: ignore[reportAttributeAccessIssue]
            self._listeners = ()
            self.start_watching()

    def add_listener(self, listener: TableListener) -> None:
        """Tell `listener` about changes as long as it lives."""
        self.watch()
        reference = weakref.ref(listener)
        if reference not in self._listeners:
            self._listeners = (*(other for other in self._listeners if other() is not None), reference)

    def get_listeners(self) -> list[TableListener]:
        """Return who is told about changes."""
        if type(self) is not self.watched_class:
            return []
        return [listener for reference in self._listeners if (listener := reference()) is not None]

    # --- For subclasses to extend; called only while the table is watched

    def start_watching(self) -> None:
        """Prepare what the table keeps while it is watched."""

    def on_added(self, key: K, entry: V) -> None:
        """A new entry is at the end."""
        for reference in self._listeners:
            listener = reference()
            if listener is not None:
                listener.entry_added(self, key, entry)

    def on_removed(self, key: K, entry: V) -> None:
        """An entry was removed."""
        for reference in self._listeners:
            listener = reference()
            if listener is not None:
                listener.entry_removed(self, key, entry)

    def on_unsealed(self, entry: V) -> None:
        """A watched field of a sealed entry is about to change."""
        for listener in self.get_listeners():
            listener.entry_unsealed(self, entry)

    def on_changed(self) -> None:
        """Anything else happened."""
        for listener in self.get_listeners():
            listener.table_changed(self)


class WatchedTable(Table[K, V]):
    """Mixin of the watched classes: the methods of `dict` that change it."""

    __slots__ = ()

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self:
            super().__setitem__(key, value)
            self.on_added(key, value)
        elif self[key] is not value:
            super().__setitem__(key, value)
            self.on_changed()

    def __delitem__(self, key: K) -> None:
        entry = self.get(key)
        super().__delitem__(key)
        self.on_removed(key, entry)  # pyright: ignore[reportArgumentType]  # it was there, or the line above raised

    def pop(self, key: K, default: Any = _MISSING) -> Any:
        """Remove an entry, see `dict.pop`."""
        if key not in self and default is not _MISSING:
            return default
        entry = super().pop(key)
        self.on_removed(key, entry)
        return entry

    def popitem(self) -> tuple[K, V]:
        """Remove the last entry, see `dict.popitem`."""
        key, entry = super().popitem()
        self.on_removed(key, entry)
        return key, entry

    def clear(self) -> None:
        """Remove all entries."""
        super().clear()
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


# --- Seals


class Sealable(OpenAttributes):
    """Base of entries that can be sealed."""

    __slots__ = ("table",)

    #: The table that has taken the entry into account; set only while the entry is sealed.
    table: Callable[[], Table[Any, Any] | None]


class Sealed:
    """Mixin of the sealed twin of an entry's class: same fields, same methods, only assignments are watched."""

    __slots__ = ()

    #: Assigning to one of these breaks the seal.
    watched_fields: ClassVar[frozenset[str]]
    #: The class of the entry when it is not sealed.
    plain_class: ClassVar[type]

    def __init_subclass__(cls) -> None:
        # For people and for tools that go by the name it is what it was.
        cls.__name__ = cls.plain_class.__name__
        cls.__qualname__ = cls.plain_class.__qualname__

    if TYPE_CHECKING:
        table: Callable[[], Table[Any, Any] | None]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.watched_fields:
            break_seal(self)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name in self.watched_fields:
            break_seal(self)
        object.__delattr__(self, name)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        break_seal(self)  # a copy belongs to no table
        return self.__reduce_ex__(protocol)


def seal(entry: Any, table: Table[Any, Any], key: Any, sealed_class: type[Sealed]) -> bool:
    """Seal the entry under `key` of a watched table.

    Returns
    -------
    bool
        False when that cannot be: another table has sealed the entry, or it is of a subclass.
    """
    if type(entry) is sealed_class.plain_class:
        entry.table = weakref.ref(table)
        entry.__class__ = sealed_class
        return True
    if type(entry) is not sealed_class:
        return False
    owner = entry.table()
    if owner is table:
        return True
    if owner is None or owner.get(key) is not entry:
        object.__setattr__(entry, "table", weakref.ref(table))
        return True
    return False


def break_seal(entry: Any) -> None:
    """Make a sealed entry an ordinary one and tell its table."""
    table = getattr(entry, "table", None)  # None: a new object, `dataclasses.replace` makes it of the sealed class
    object.__setattr__(entry, "__class__", entry.plain_class)
    if table is not None:
        del entry.table
        owner = table()
        if owner is not None:
            owner.on_unsealed(entry)
