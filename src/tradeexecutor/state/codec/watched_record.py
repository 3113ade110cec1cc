"""Records that report changes of their fields to the dictionary that contains them.

A dictionary *attaches* an entry after adding it to a derived figure. An assignment to one of the watched fields of an
attached entry detaches it and reports the change to the dictionary, which recomputes the figure. So code that assigns
to public fields need not update figures.

A watched field is a property over the slot of the data class. The slot itself has the name of the field with an
underscore before it, and a base class declares which fields have one::

    class EventSlots(WatchedRecord):
        __slots__ = ()
        _quantity: Decimal


    @watch_fields
    @dataclass(slots=True)
    class Event(EventSlots):
        quantity: Decimal
        notes: str

Neither reading a field nor attaching a record changes its class or its fields. Reading the slot takes a tenth
of the time of reading the property: functions that run for every trade read ``_quantity``, all others `quantity`.

An assignment to a slot is not noticed. Code that assigns to slots must call `WatchedRecord.detach`.
"""

import dataclasses
import inspect
import operator
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

from tradeexecutor.state.codec.codec import OpenAttributes
from tradeexecutor.state.codec.generated_code import compile_function
from tradeexecutor.state.codec.watched_dict import Link, WatchedDict

C = TypeVar("C", bound=type["WatchedRecord"])
T = TypeVar("T", bound=type)

_Setter: TypeAlias = Callable[[Any, Any], None]


class WatchedRecord(OpenAttributes):
    """Base of the entries of a `WatchedDict` whose fields are watched."""

    #: The dictionary that this entry is attached to; an attribute only then.
    _link: Link | None = None

    def __getstate__(self) -> Any:
        """Return the data for a copy, which is not attached to a dictionary."""
        state: Any = super().__getstate__()
        attributes, slots = state
        if attributes and "_link" in attributes:
            attributes = {name: value for name, value in attributes.items() if name != "_link"} or None
        return attributes, slots

    def attach(self, table: WatchedDict[Any, Any], key: Any) -> bool:
        """Report the next assignment to a watched field to the dictionary that has this entry under `key`.

        Returns
        -------
        bool
            False if the entry is already attached to another dictionary that contains it.
        """
        link, own = self._link, table.get_link()
        if link is own:
            return True
        other = None if link is None else link.get_table()
        if other is not None and other.get(key) is self:
            return False
        self._link = own
        return True

    def detach(self) -> None:
        """Report a change to the dictionary that this entry is attached to, once."""
        link = self._link
        if link is not None:
            del self._link
            table = link.get_table()
            if table is not None:
                table.on_entry_changed(self)


def watch_fields(cls: C) -> C:
    """Make a data class report assignments to the fields whose slots its base class declares, see the module.

    Fields that `watch_dictionary` has made properties already stay as they are.
    """
    declared = {slot for base in cls.__bases__ for slot in inspect.get_annotations(base)}
    for name in [field.name for field in dataclasses.fields(cls)]:
        if f"_{name}" in declared and name not in cls.slot_names:
            _make_property(cls, name, _detach_on_assignment(cls, name))
    return cls


def watch_dictionary(name: str) -> Callable[[T], T]:
    """Make a data class with slots notify the listeners of the `WatchedDict` in a field when the field is assigned."""

    def decorate(cls: T) -> T:
        _make_property(cls, name, _tell_on_replacement(f"_{name}", cls.__dict__[name].__set__))
        return cls

    return decorate


def _make_property(cls: Any, name: str, assign: _Setter) -> None:
    """Replace the slot of a field by a property, and store the slot under the name with an underscore."""
    slot = f"_{name}"
    setattr(cls, slot, cls.__dict__[name])
    setattr(cls, name, property(operator.attrgetter(slot), assign, _make_deleter(slot)))
    cls.slot_names = cls.slot_names | {name: slot}
    # A new object is not attached yet, so its constructor assigns to the slot.
    code = cls.__init__.__code__
    cls.__init__.__code__ = code.replace(co_names=tuple(slot if known == name else known for known in code.co_names))


def _detach_on_assignment(cls: type, name: str) -> _Setter:
    """Compile the setter of a field; calling the setter of the slot would double its time."""
    source = f"""\
def assign(record, value):
    record._{name} = value
    if record._link is not None:
        record.detach()
"""
    return compile_function("assign", source, {}, f"setter of {cls.__qualname__}.{name}")


def _make_deleter(slot: str) -> Callable[[Any], None]:
    def delete(record: Any) -> None:
        delattr(record, slot)
        if isinstance(record, WatchedRecord):
            record.detach()

    return delete


def _tell_on_replacement(slot: str, set_slot: _Setter) -> _Setter:
    def assign(record: Any, value: Any) -> None:
        before = getattr(record, slot, None)  # a new object has no value yet
        set_slot(record, value)
        if isinstance(before, WatchedDict):
            table = cast(WatchedDict[Any, Any], before)
            for listener in table.get_listeners():
                listener.dict_replaced(table, record)

    return assign
