"""Records that report to their dictionary when a figure derived from them is outdated.

A dictionary *attaches* an entry whose values it has added to a figure. An assignment to a watched field of an attached
entry detaches the entry and reports the change to the dictionary. Fields are public, and callers may assign to them
without knowing about figures.

An attached entry is of a twin of its class: same name, same fields, same methods, only assignments are watched. So
entries that nobody has added up cost what they would without this.

Not noticed is what goes round the attributes of the object (``object.__setattr__``).
"""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, SupportsIndex

from tradeexecutor.state.codec.codec import OpenAttributes
from tradeexecutor.state.codec.watched_dict import WatchedDict


class WatchedRecord(OpenAttributes):
    """Base of the entries of a `WatchedDict` whose fields are watched."""

    __slots__ = ("table",)

    #: The dictionary that has attached the entry; set only while it is attached.
    table: Callable[[], WatchedDict[Any, Any] | None]


class Attached:
    """Mixin of the twin of a record's class."""

    __slots__ = ()

    #: Assigning to one of these detaches the entry.
    watched_fields: ClassVar[frozenset[str]]
    #: The class of the entry when it is not attached.
    plain_class: ClassVar[type]

    def __init_subclass__(cls) -> None:
        # For people and for tools that go by the name it is what it was.
        cls.__name__ = cls.plain_class.__name__
        cls.__qualname__ = cls.plain_class.__qualname__

    if TYPE_CHECKING:
        table: Callable[[], WatchedDict[Any, Any] | None]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.watched_fields:
            detach(self)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name in self.watched_fields:
            detach(self)
        object.__delattr__(self, name)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        detach(self)  # a copy belongs to no dictionary
        return self.__reduce_ex__(protocol)


def attach(entry: Any, table: WatchedDict[Any, Any], key: Any, attached_class: type[Attached]) -> bool:
    """Report the next assignment to a watched field to the dictionary that has the entry under `key`.

    Returns
    -------
    bool
        False when that cannot be: another dictionary has attached the entry, or it is of a subclass.
    """
    if type(entry) is attached_class.plain_class:
        entry.table = weakref.ref(table)
        entry.__class__ = attached_class
        return True
    if type(entry) is not attached_class:
        return False
    owner = entry.table()
    if owner is table:
        return True
    if owner is None or owner.get(key) is not entry:
        object.__setattr__(entry, "table", weakref.ref(table))
        return True
    return False


def detach(entry: Any) -> None:
    """Make an attached entry an ordinary one and tell its dictionary."""
    table = getattr(entry, "table", None)  # None: a new object, `dataclasses.replace` makes it of the twin
    object.__setattr__(entry, "__class__", entry.plain_class)
    if table is not None:
        del entry.table
        owner = table()
        if owner is not None:
            owner.on_entry_changed(entry)
