"""Values without parts, and objects that are in many places of the tree."""

import datetime
import enum
from decimal import Decimal

__all__ = ["LEAVES", "SEPARATOR", "is_repeated"]

#: Values that cannot change, or whose subclasses are written as one of them.
LEAVES = (str, int, float, Decimal, datetime.datetime, datetime.timedelta, bytes, enum.Enum, type(None))


class _End:
    """Stands between containers, so that an item that moves from the end of one to the start of the next is noticed."""


#: Stands between containers of which `gc.get_referents` lists the items.
SEPARATOR = (_End(),)


def is_repeated(value: object) -> bool:
    """Return whether an object is one of those that many places of the tree refer to, such as pairs."""
    return getattr(type(value), "is_repeated", False)
