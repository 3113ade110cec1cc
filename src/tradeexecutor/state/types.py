"""Types of the state: units, JSON field types and tolerant enums.

There are two kinds of names.

*Units* are aliases for the meaning of a number. USD figures are ``float``, token amounts are ``decimal.Decimal``; the
accounting never adds one to the other.

*Wire types* (:class:`UTCDatetime`, :class:`Duration` ...) annotate dataclass fields with a special JSON form. For a
type checker they are the Python type of the field; at run time they are markers by which
:mod:`tradeexecutor.state.codec.codec` converts the value.
"""

import contextlib
import datetime
import enum
import functools
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from tradeexecutor.state.errors import LegacyDataException, UnencodableValue

__all__ = [
    "BPS",
    "EPOCH",
    "EXACT_SECONDS",
    "JS_MAX_INT",
    "UNITS",
    "AnyTimestamp",
    "BlockNumber",
    "Duration",
    "IntBPS",
    "JSONHexAddress",
    "JSONHexBytes",
    "JSONObject",
    "LegacyDataException",
    "LeverageMultiplier",
    "PairInternalId",
    "Percent",
    "StateEnum",
    "StateIntEnum",
    "TokenAmount",
    "USDollarAmount",
    "USDollarPrice",
    "UTCDatetime",
    "UnixTimestamp",
    "WireType",
    "ZeroExAddress",
    "accept_unknown_enum_values",
    "encode_time",
    "from_epoch",
    "from_seconds",
    "new_dict",
    "new_list",
    "new_set",
    "to_epoch",
    "to_seconds",
]

#: Approximate US dollar value; never used for exact accounting.
USDollarAmount: TypeAlias = float
#: US dollars per unit of a token.
USDollarPrice: TypeAlias = float
#: Exact token amount in human units (1.5 means one and a half tokens).
TokenAmount: TypeAlias = Decimal
#: Fraction: 1.0 is 100 %, 0.003 is 30 basis points.
BPS: TypeAlias = float
#: Fraction: 1.0 is 100 %.
Percent: TypeAlias = float
#: Basis points as a whole number: 100 is 1 %.
IntBPS: TypeAlias = int
#: Leverage; 1.0 means none.
LeverageMultiplier: TypeAlias = float
#: ``0x``-prefixed lower-case address text.
JSONHexAddress: TypeAlias = str
#: ``0x``-prefixed hexadecimal text.
JSONHexBytes: TypeAlias = str
#: ``0x``-prefixed address text.
ZeroExAddress: TypeAlias = str
#: Primary key of a pair in a market data set; not stable over time.
PairInternalId: TypeAlias = int
#: Height of a block on its chain.
BlockNumber: TypeAlias = int
#: Seconds since 1970-01-01 UTC.
UnixTimestamp: TypeAlias = float
#: Naive UTC time; ``pandas.Timestamp`` is a subclass.
AnyTimestamp: TypeAlias = datetime.datetime
#: Free-form JSON data that the state stores without interpreting it.
JSONObject: TypeAlias = dict[str, Any]

#: Unit of a value by the name of the alias in its annotation, for the descriptions that clients get.
UNITS: Mapping[str, str] = MappingProxyType(
    {
        "USDollarAmount": "USD",
        "USDollarPrice": "USD per token",
        "TokenAmount": "tokens",
        "BPS": "fraction, 0.003 is 0.30 %",
        "Percent": "fraction, 1.0 is 100 %",
        "IntBPS": "basis points, 100 is 1 %",
        "LeverageMultiplier": "multiple, 1.0 is no leverage",
        "JSONHexAddress": "0x-prefixed address",
        "JSONHexBytes": "hexadecimal text",
        "ZeroExAddress": "0x-prefixed address",
        "PairInternalId": "key of a data set",
        "BlockNumber": "height of a block",
        "UnixTimestamp": "seconds since 1970-01-01 UTC",
    }
)

# Factories of empty containers for dataclass fields. A call of `dict[int, str]` is four times slower, and a trade has
# many such fields.
new_list: Callable[[], list[Any]] = list
new_dict: Callable[[], dict[Any, Any]] = dict
new_set: Callable[[], set[Any]] = set

#: Origin of the epoch seconds in JSON, naive UTC.
EPOCH = datetime.datetime(1970, 1, 1)
#: Largest integer that JavaScript clients read exactly, 2**53 - 1.
JS_MAX_INT = 9_007_199_254_740_991


#: Below so many seconds a float keeps microseconds.
EXACT_SECONDS = 1 << 33


def to_epoch(value: datetime.datetime) -> int | float:
    """Return the epoch seconds of a naive UTC time.

    Returns
    -------
    int or float
        Integer for whole seconds, otherwise a float that contains the microseconds exactly.

    Raises
    ------
    UnencodableValue
        The time has a time zone, or is ``NaT``.
    """
    if value.tzinfo is not None:
        raise UnencodableValue(value, "datetime must be naive UTC, this one has a time zone")
    since = value - EPOCH
    days = since.days
    if days != days:
        raise UnencodableValue(value, "not a time")
    seconds = days * 86_400 + since.seconds
    if type(value) is not datetime.datetime and getattr(value, "nanosecond", 0):
        raise UnencodableValue(value, "a file does not keep nanoseconds")
    if since.microseconds and not -EXACT_SECONDS < seconds < EXACT_SECONDS:
        raise UnencodableValue(value, "so far from 1970, a file does not keep fractions of a second")
    return seconds + since.microseconds / 1_000_000 if since.microseconds else seconds


class _KnownTimes(dict[datetime.datetime, int | float]):
    """Time -> epoch seconds. Finding an entry takes half of the time that `functools.lru_cache` takes."""

    def __missing__(self, when: datetime.datetime) -> int | float:
        if len(self) >= _MAX_KNOWN_TIMES:
            self.clear()
        seconds = self[when] = to_epoch(when)
        return seconds


_MAX_KNOWN_TIMES = 1 << 16

#: `to_epoch` of exactly `datetime.datetime`, whose equal values have equal seconds. Most times are in a state many
#: times, and computing one takes six times as long as finding it.
encode_time: Callable[[datetime.datetime], int | float] = _KnownTimes().__getitem__


def to_seconds(value: datetime.timedelta) -> float:
    """Return a duration in seconds; raises `UnencodableValue` when a float cannot keep its microseconds."""
    seconds = value.total_seconds()
    if type(value) is datetime.timedelta and -EXACT_SECONDS < seconds < EXACT_SECONDS:
        return seconds
    if value.microseconds and not -EXACT_SECONDS < seconds < EXACT_SECONDS:
        raise UnencodableValue(value, "of so long a duration, a file does not keep fractions of a second")
    if getattr(value, "nanoseconds", 0):
        raise UnencodableValue(value, "a file does not keep nanoseconds")
    if seconds != seconds:
        raise UnencodableValue(value, "not a duration")
    return seconds


# Most times in a file occur many times, e.g. in all samples of a cycle. The type is part of the key, so that `True`
# does not give the time of 1.
@functools.lru_cache(maxsize=1 << 16, typed=True)
def from_epoch(value: float) -> datetime.datetime:
    """Return the naive UTC time of epoch seconds, rounded to whole microseconds.

    Raises
    ------
    ValueError
        The value is not a number, or outside the years 1-9999 (typically milliseconds instead of seconds).
    """
    if type(value) is not int and type(value) is not float:
        raise ValueError(f"expected epoch seconds as a number, got {type(value).__name__} {value!r}")
    try:
        return EPOCH + datetime.timedelta(0, value)
    except (OverflowError, ValueError):
        raise ValueError(f"epoch seconds out of range: {value!r} (milliseconds?)") from None


@functools.lru_cache(maxsize=1 << 14, typed=True)
def from_seconds(value: float) -> datetime.timedelta:
    """Return a duration of seconds, rounded to whole microseconds; raises ``ValueError`` when it is not a number."""
    if type(value) is not float and type(value) is not int:
        raise ValueError(f"expected seconds as a number, got {type(value).__name__} {value!r}")
    try:
        return datetime.timedelta(0, value)
    except (OverflowError, ValueError):
        raise ValueError(f"seconds out of range: {value!r}") from None


class _WireTypeMeta(type):
    """Metaclass with which the decoder accepts values of other classes in ``isinstance`` checks for a marker."""

    # The check is made for every time of a file. Any built-in function with a true result answers it, in a third of
    # the time of a method.
    __instancecheck__ = id  # pyright: ignore[reportAssignmentType]


class WireType(metaclass=_WireTypeMeta):
    """Marker of a field whose value is converted between Python and JSON by `encode` and `decode`.

    Neither method is called for ``None``, because JSON ``null`` is always ``None``.
    """

    #: Decoder of every wire type; a look-up in the class for each value would be slower.
    decoders: ClassVar[dict[type, Callable[[Any], Any]]] = {}

    def __init_subclass__(cls) -> None:
        WireType.decoders[cls] = cls.decode

    #: Whether the result of `encode` still contains free-form data that the codec has to convert.
    free: ClassVar[bool] = False

    #: JSON Schema of what `encode` returns and `decode` accepts.
    json_schema: ClassVar[dict[str, Any]] = {}

    @staticmethod
    def decode(value: Any) -> Any:
        """Return the Python value of a parsed JSON value; raise ``ValueError`` to refuse it."""
        return value

    @staticmethod
    def encode(value: Any) -> Any:
        """Return the plain JSON data of a Python value; raise `UnencodableValue` to refuse it."""
        return value


if TYPE_CHECKING:
    UTCDatetime: TypeAlias = datetime.datetime
    Duration: TypeAlias = datetime.timedelta
else:

    class UTCDatetime(WireType):
        """Naive UTC time; in JSON seconds since 1970-01-01."""

        json_schema: ClassVar[dict[str, Any]] = {
            "type": "number",
            "minimum": (datetime.datetime.min - EPOCH) // datetime.timedelta(seconds=1),
            "exclusiveMaximum": (datetime.datetime.max - EPOCH) // datetime.timedelta(seconds=1) + 1,
        }
        decode = staticmethod(from_epoch)

        @staticmethod
        def encode(value):
            """Return epoch seconds."""
            if type(value) is datetime.datetime:
                return encode_time(value)
            if not isinstance(value, datetime.datetime):
                raise UnencodableValue(value, "expected a datetime")
            return to_epoch(value)

    class Duration(WireType):
        """Length of time; in JSON seconds."""

        json_schema: ClassVar[dict[str, Any]] = {
            "type": "number",
            "minimum": datetime.timedelta.min // datetime.timedelta(seconds=1),
            "exclusiveMaximum": datetime.timedelta.max // datetime.timedelta(seconds=1) + 1,
        }
        decode = staticmethod(from_seconds)

        @staticmethod
        def encode(value):
            """Return float seconds."""
            if not isinstance(value, datetime.timedelta):
                raise UnencodableValue(value, "expected a timedelta")
            return to_seconds(value)


class _Tolerance(threading.local):
    """Switch of each thread: whether unknown enum values are accepted."""

    active = False


_tolerance = _Tolerance()


class _Accepting:
    """A block in which unknown enum values are accepted; a class, because a generator takes several times as long."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = _tolerance.active
        _tolerance.active = True

    def __exit__(self, *_error: object) -> None:
        _tolerance.active = self._before


def accept_unknown_enum_values() -> contextlib.AbstractContextManager[None]:
    """Accept enum values from newer programs while a state is decoded, so that saving writes them back."""
    return _Accepting()


_unknown_members: dict[tuple[type, str | int], Any] = {}


class StateEnum(enum.Enum):
    """Enum whose members are stored in JSON by value.

    An unknown value raises ``ValueError`` as usual. Only while a file is decoded, an unknown text becomes an additional
    member, so that it is not lost when the state is saved.
    """

    # Members are singletons, so hashing by identity is correct and keeps sets of flags fast.
    __hash__ = object.__hash__

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not _tolerance.active or type(value) is not str:
            return None
        member = _unknown_members.get((cls, value))
        if member is None:
            member = object.__new__(cls)
            member._name_ = value
            member._value_ = value
            _unknown_members[cls, value] = member
        return member

    @property
    def is_known(self) -> bool:
        """True if this version of the program declares the member."""
        return self._name_ in type(self).__members__


class MirroredEnum(StateEnum):
    """Enum that another library has, too, under the same name and with the same members.

    A member equals the member of the other library, and has its hash, so that either is found in a set or a dictionary
    of the other; the constructor takes it as well. Nothing of the other library is imported.
    """

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, enum.Enum) or type(other).__name__ != type(self).__name__:
            return NotImplemented
        return other.name == self._name_ and other.value == self._value_

    def __hash__(self) -> int:
        return hash(self._name_)  # like every member of a plain enum

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if isinstance(value, enum.Enum) and type(value).__name__ == cls.__name__:
            return cls(value.value)
        return super()._missing_(value)


class StateIntEnum(enum.IntEnum):
    """Integer enum; like `StateEnum` it keeps unknown numbers while a file is decoded."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not _tolerance.active or type(value) is not int:
            return None
        member = _unknown_members.get((cls, value))
        if member is None:
            member = int.__new__(cls, value)
            member._name_ = f"unknown_{value}"
            member._value_ = value
            _unknown_members[cls, value] = member
        return member
