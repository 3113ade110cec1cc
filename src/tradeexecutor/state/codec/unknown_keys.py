"""Whether any object in this process has keys of a file that its class does not declare.

Such keys are rare. They are in a slot, and to find that a slot is empty takes as long as to encode several fields. The
encoders look at the slots only after one of them was filled.
"""

from typing import Any, TypeVar, cast

__all__ = ["CLASSES_WITH_UNKNOWN_KEYS", "note_unknown_keys"]

T = TypeVar("T", bound=type)

#: Classes of which an object in this process has, or had, unknown keys.
CLASSES_WITH_UNKNOWN_KEYS: set[type[Any]] = set()


def note_unknown_keys(cls: T) -> T:
    """Make a class with the slot ``_unknown`` note which of its subclasses have objects with something in the slot."""
    slot = cls.__dict__["_unknown"]

    def fill(record: Any, keys: dict[str, Any]) -> None:
        CLASSES_WITH_UNKNOWN_KEYS.add(cast(type[Any], type(record)))
        slot.__set__(record, keys)

    type.__setattr__(cls, "_unknown", property(slot.__get__, fill, slot.__delete__))
    return cls
