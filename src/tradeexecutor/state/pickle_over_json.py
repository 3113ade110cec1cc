"""Python values in JSON text: hexadecimal pickles that are read without executing anything.

Three fields of `BlockchainTransaction` contain such text. The module `pickle` is never used: a pickle is a program, so
anybody who can write to a state file could run any code with the rights of the trading process. A small interpreter
accepts only the instructions that build plain values:

- ``None``, booleans, integers, floats, text, bytes, lists, tuples and dictionaries;
- `HexBytes`, in the two forms used by different writers;
- `SignedTransactionWithNonce`.

Text with other instructions, malformed text and text beyond the limits below is not an error: it becomes an
`OpaquePickle` and is written back unchanged.

The written pickles contain the same kinds of values and can be loaded by any unpickler.
"""

import math
import struct
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias, cast

from tradeexecutor.state.errors import UnencodableValue
from tradeexecutor.state.types import WireType

__all__ = [
    "HexBytes",
    "OpaquePickle",
    "PickledArguments",
    "PickledList",
    "PickledTuple",
    "SignedTransactionWithNonce",
    "decode_pickle_over_json",
    "encode_pickle_over_json",
]

#: Largest size of a pickle that is interpreted, bytes. A transaction has at most 128 KiB, and it is stored twice.
MAX_SIZE = 1_048_576
#: Largest depth of nesting of the decoded value, levels.
MAX_DEPTH = 64
#: Largest number of values in the decoded tree; shared values count at each place.
MAX_VALUES = 100_000


class HexBytes(bytes):
    """Bytes that are shown as hexadecimal text; replaces the class of the same name that transaction builders use."""

    __slots__ = ()

    def __new__(cls, data: bytes) -> "HexBytes":
        """Return a copy of `data`, which must be bytes, because a number would allocate that many zeros."""
        if not isinstance(data, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"HexBytes need bytes, got {type(data).__name__}")
        return super().__new__(cls, data)

    def to_0x_hex(self) -> str:
        """Return ``0x``-prefixed lower-case hexadecimal text."""
        return "0x" + self.hex()

    def __repr__(self) -> str:
        return f"HexBytes({self.to_0x_hex()!r})"


class SignedTransactionWithNonce(NamedTuple):
    """A signed transaction in the form that transaction builders store in `BlockchainTransaction.signed_tx_object`."""

    rawTransaction: bytes  # noqa: N815 - the name of the stored record
    hash: bytes
    r: int
    s: int
    v: int
    nonce: int
    #: Address of the signer with checksum.
    address: str
    #: The transaction that was signed: value, gas, chainId, to, data, nonce and fees.
    source: dict[str, Any]

    @property
    def raw_transaction(self) -> bytes:
        """Bytes to broadcast."""
        return self.rawTransaction


class OpaquePickle(str):
    """Hexadecimal text of a pickle that is not interpreted."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<OpaquePickle of {len(self) // 2} bytes>"


class PickledTuple(tuple[Any, ...]):
    """A tuple from a file, with the text from which it was read."""

    pickled: str

    def __new__(cls, items: Sequence[Any], pickled: str = "") -> "PickledTuple":
        """Return a tuple of `items`."""
        self = super().__new__(cls, items)
        self.pickled = pickled
        return self


class PickledList(list[Any]):
    """A list from a file, with the text from which it was read."""

    pickled: str = ""


class _Unsupported(Exception):
    """The pickle contains an instruction or value that is not interpreted."""


class _Global(Enum):
    """Names to which a pickle may refer. They are only symbols: nothing on the interpreter's stack can be called."""

    hex_bytes = ("hexbytes.main", "HexBytes")
    signed_transaction = ("eth_defi.hotwallet", "SignedTransactionWithNonce")
    bytes = ("builtins", "bytes")
    getattr = ("builtins", "getattr")
    #: The result of ``getattr(bytes, "__new__")``.
    bytes_new = ()


_GLOBALS: dict[tuple[str, ...], _Global] = {member.value: member for member in _Global if member.value}


def decode_pickle_over_json(text: str | None) -> Any:
    """Return the value of a hexadecimal pickle. No text can make this function execute anything.

    Returns
    -------
    object
        None for None, a `PickledTuple` or `PickledList` for a tuple or list, and an `OpaquePickle` for text that is not
        interpreted.
    """
    if text is None:
        return None
    value = _interpret_text(text)
    if type(value) is tuple:
        return PickledTuple(cast(tuple[Any, ...], value), text)
    if type(value) is list:
        result = PickledList(cast(list[Any], value))
        result.pickled = text
        return result
    return value


def encode_pickle_over_json(value: Any) -> str:
    """Return the hexadecimal pickle of `value`; for an unchanged value from a file it is the same text.

    Raises
    ------
    UnencodableValue
        The value contains other types than those listed at the top of the module.
    """
    if isinstance(value, OpaquePickle):
        return str(value)
    if isinstance(value, (PickledTuple, PickledList)) and value.pickled and _is_unchanged(value):
        return value.pickled
    text = _pickle(value).hex()
    if isinstance(_interpret_text(text), OpaquePickle):
        raise UnencodableValue(value, f"a pickle of {len(text) // 2:,} bytes, which could not be interpreted again")
    return text


def _is_unchanged(value: PickledTuple | PickledList) -> bool:
    if isinstance(value, PickledTuple):
        try:
            hash(value)
        except TypeError:
            pass  # it contains a list or a dictionary
        else:
            return True
    return _pickle(value) == _pickle(_interpret_text(value.pickled))


if TYPE_CHECKING:
    PickledArguments: TypeAlias = Sequence[Any]
else:

    class PickledArguments(WireType):
        """Arguments of a contract call; in JSON the hexadecimal text of a pickle."""

        json_schema: ClassVar[dict[str, Any]] = {"type": "string"}

        @staticmethod
        def decode(value):
            """Return the arguments."""
            if type(value) is not str:
                raise ValueError(f"expected the text of a pickle, got {type(value).__name__}")
            return decode_pickle_over_json(value)

        encode = staticmethod(encode_pickle_over_json)


# --- Reading --------------------------------------------------------------------------------------------------


def _interpret_text(text: str) -> Any:
    if len(text) > 2 * MAX_SIZE:
        return OpaquePickle(text)
    try:
        value = _Interpreter(bytes.fromhex(text)).run()
        _check_value(value)
    except (_Unsupported, ValueError, TypeError, LookupError, struct.error, OverflowError):
        return OpaquePickle(text)
    return value


_LEAF_TYPES = frozenset({type(None), bool, int, float, str, bytes, HexBytes})


def _check_value(value: Any) -> None:
    """Refuse loops, deep nesting, trees that are too large when shared parts are expanded, and remaining symbols."""
    left = MAX_VALUES
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        left -= len(level)
        if left < 0:
            raise _Unsupported
        deeper: list[Any] = []
        for item in level:
            kind = type(item)  # pyright: ignore[reportUnknownVariableType]
            if kind in _LEAF_TYPES:
                continue
            if kind is dict:
                deeper.extend(item.keys())
                deeper.extend(item.values())
            elif kind in (tuple, list, SignedTransactionWithNonce):
                deeper.extend(item)
            else:
                raise _Unsupported
            if len(deeper) > left:
                raise _Unsupported
        if not deeper:
            return
        level = deeper
    raise _Unsupported


class _Interpreter:
    """Stack machine for the instructions of pickle protocol 4 and 5 that build plain values."""

    def __init__(self, data: bytes):
        self.data = data
        self.position = 0
        self.stack: list[Any] = []
        #: Outer stacks, one for each open mark.
        self.outer: list[list[Any]] = []
        self.memo: list[Any] = []

    def run(self) -> Any:
        if self.data[:1] != b"\x80" or self.data[1] not in (4, 5):
            raise _Unsupported
        self.position = 2
        while (code := self.take_byte()) != 0x2E:  # STOP
            instruction = _INSTRUCTIONS.get(code)
            if instruction is None:
                raise _Unsupported
            instruction(self)
        if len(self.stack) != 1 or self.outer or self.position != len(self.data):
            raise _Unsupported
        return self.stack[0]

    def take(self, size: int) -> bytes:
        start, self.position = self.position, self.position + size
        if self.position > len(self.data):
            raise _Unsupported
        return self.data[start : self.position]

    def take_byte(self) -> int:
        self.position += 1
        return self.data[self.position - 1]  # after the end, an `IndexError` as for a value that is missing

    def take_int(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little") if size > 1 else self.take_byte()

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_float(self) -> None:
        value: float = struct.unpack(">d", self.take(8))[0]
        if not math.isfinite(value):
            raise _Unsupported
        self.push(value)

    def pop(self) -> Any:
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        items = self.stack
        self.stack = self.outer.pop()
        return items

    def pop_many(self, count: int) -> tuple[Any, ...]:
        if len(self.stack) < count:
            raise _Unsupported
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        return items

    def open_mark(self) -> None:
        if len(self.outer) > MAX_DEPTH:
            raise _Unsupported
        self.outer.append(self.stack)
        self.stack = []

    def memoize(self) -> None:
        self.memo.append(self.stack[-1])

    def append(self, items: list[Any]) -> None:
        self.top(list).extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.top(dict)
        if len(items) % 2:
            raise _Unsupported
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in _LEAF_TYPES:
                raise _Unsupported
            target[key] = value

    def top(self, kind: type) -> Any:
        value = self.stack[-1]
        if type(value) is not kind:
            raise _Unsupported
        return value

    def look_up_global(self) -> None:
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str:
            raise _Unsupported
        self.push(_GLOBALS[module, name])

    def make_object(self) -> None:
        """Run the instruction NEWOBJ: a class and its arguments."""
        arguments, kind = self.pop(), self.pop()
        if type(arguments) is not tuple:
            raise _Unsupported
        arguments = cast(tuple[Any, ...], arguments)
        if kind is _Global.hex_bytes and len(arguments) == 1 and type(arguments[0]) is bytes:
            self.push(HexBytes(arguments[0]))
        elif kind is _Global.signed_transaction and len(arguments) == 8:
            self.push(SignedTransactionWithNonce(*arguments))
        else:
            raise _Unsupported

    def call(self) -> None:
        """Run the instruction REDUCE, only for ``getattr(bytes, "__new__")`` and ``bytes.__new__(HexBytes, data)``."""
        arguments, function = self.pop(), self.pop()
        if type(arguments) is not tuple or len(cast(tuple[Any, ...], arguments)) != 2:
            raise _Unsupported
        first, second = cast(tuple[Any, Any], arguments)
        if function is _Global.getattr and first is _Global.bytes and type(second) is str and second == "__new__":
            self.push(_Global.bytes_new)
        elif function is _Global.bytes_new and first is _Global.hex_bytes and type(second) is bytes:
            self.push(HexBytes(second))
        else:
            raise _Unsupported


def _text(size: int) -> Callable[[_Interpreter], None]:
    return lambda vm: vm.stack.append(str(vm.take(vm.take_int(size)), "utf-8", "surrogatepass"))


def _bytes(size: int) -> Callable[[_Interpreter], None]:
    return lambda vm: vm.stack.append(vm.take(vm.take_int(size)))


def _long(size: int) -> Callable[[_Interpreter], None]:
    return lambda vm: vm.push(int.from_bytes(vm.take(vm.take_int(size)), "little", signed=True))


_INSTRUCTIONS: dict[int, Callable[[_Interpreter], object]] = {
    0x95: lambda vm: vm.take(8),  # FRAME
    0x94: _Interpreter.memoize,  # MEMOIZE
    0x68: lambda vm: vm.push(vm.memo[vm.take_int(1)]),  # BINGET
    0x6A: lambda vm: vm.push(vm.memo[vm.take_int(4)]),  # LONG_BINGET
    0x28: _Interpreter.open_mark,  # MARK
    0x4E: lambda vm: vm.push(None),  # NONE
    0x88: lambda vm: vm.push(True),  # NEWTRUE
    0x89: lambda vm: vm.push(False),  # NEWFALSE
    0x4B: lambda vm: vm.push(vm.take_int(1)),  # BININT1
    0x4D: lambda vm: vm.push(vm.take_int(2)),  # BININT2
    0x4A: lambda vm: vm.push(int.from_bytes(vm.take(4), "little", signed=True)),  # BININT
    0x8A: _long(1),  # LONG1
    0x47: _Interpreter.push_float,  # BINFLOAT
    0x8C: _text(1),  # SHORT_BINUNICODE
    0x58: _text(4),  # BINUNICODE
    0x8D: _text(8),  # BINUNICODE8
    0x43: _bytes(1),  # SHORT_BINBYTES
    0x42: _bytes(4),  # BINBYTES
    0x8E: _bytes(8),  # BINBYTES8
    0x29: lambda vm: vm.push(()),  # EMPTY_TUPLE
    0x85: lambda vm: vm.push(vm.pop_many(1)),  # TUPLE1
    0x86: lambda vm: vm.push(vm.pop_many(2)),  # TUPLE2
    0x87: lambda vm: vm.push(vm.pop_many(3)),  # TUPLE3
    0x74: lambda vm: vm.push(tuple(vm.pop_mark())),  # TUPLE
    0x5D: lambda vm: vm.push([]),  # EMPTY_LIST
    0x61: lambda vm: vm.append([vm.pop()]),  # APPEND
    0x65: lambda vm: vm.append(vm.pop_mark()),  # APPENDS
    0x7D: lambda vm: vm.push({}),  # EMPTY_DICT
    0x73: lambda vm: vm.set_items([*vm.pop_many(2)]),  # SETITEM
    0x75: lambda vm: vm.set_items(vm.pop_mark()),  # SETITEMS
    0x93: _Interpreter.look_up_global,  # STACK_GLOBAL
    0x81: _Interpreter.make_object,  # NEWOBJ
    0x52: _Interpreter.call,  # REDUCE
}


# --- Writing --------------------------------------------------------------------------------------------------


def _pickle(value: Any) -> bytes:
    """Return a protocol 4 pickle without frames and memo."""
    out = bytearray(b"\x80\x04")
    _emit(value, out, 0)
    out += b"."
    return bytes(out)


def _emit(value: Any, out: bytearray, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise UnencodableValue(type(value).__name__, "nested too deeply, or contains itself")
    kind = type(value)  # pyright: ignore[reportUnknownVariableType]
    if value is None:
        out += b"N"
    elif kind is bool:
        out += b"\x88" if value else b"\x89"
    elif isinstance(value, int) and not isinstance(value, Enum):
        _emit_int(int(value), out)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise UnencodableValue(value, "not a finite number")
        out += b"G" + struct.pack(">d", value)
    elif isinstance(value, str) and not isinstance(value, Enum):
        _emit_sized(b"\x8c", b"X", str(value).encode("utf-8", "surrogatepass"), out)
    elif isinstance(value, bytes):
        if kind.__name__ == "HexBytes":
            _emit_global(_Global.hex_bytes, out)
            _emit_sized(b"C", b"B", bytes(value), out)
            out += b"\x85\x81"
        else:
            _emit_sized(b"C", b"B", value, out)
    elif isinstance(value, tuple):
        _emit_tuple(cast(tuple[Any, ...], value), out, depth)
    elif isinstance(value, list):
        out += b"]("
        for item in cast(list[Any], value):
            _emit(item, out, depth + 1)
        out += b"e"
    elif isinstance(value, dict):
        out += b"}("
        for key, item in cast(dict[Any, Any], value).items():
            _emit(key, out, depth + 1)
            _emit(item, out, depth + 1)
        out += b"u"
    else:
        raise UnencodableValue(value, "arguments of transactions are numbers, text, bytes, lists, tuples, dictionaries")


def _emit_tuple(value: tuple[Any, ...], out: bytearray, depth: int) -> None:
    signed = getattr(value, "_fields", None) == SignedTransactionWithNonce._fields
    if signed:
        _emit_global(_Global.signed_transaction, out)
    if value:
        out += b"("
        for item in value:
            _emit(item, out, depth + 1)
        out += b"t"
    else:
        out += b")"
    if signed:
        out += b"\x81"


def _emit_int(value: int, out: bytearray) -> None:
    if -0x8000_0000 <= value <= 0x7FFF_FFFF:
        out += b"J" + value.to_bytes(4, "little", signed=True)
        return
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    if len(data) > 255:
        raise UnencodableValue(f"integer of {len(data)} bytes", "larger than any blockchain number")
    out += b"\x8a" + bytes((len(data),)) + data


def _emit_sized(short: bytes, long: bytes, data: bytes, out: bytearray) -> None:
    if len(data) < 256:
        out += short + bytes((len(data),)) + data
    else:
        out += long + len(data).to_bytes(4, "little") + data


def _emit_global(name: _Global, out: bytearray) -> None:
    for text in name.value:
        _emit(text, out, 0)
    out += b"\x93"
