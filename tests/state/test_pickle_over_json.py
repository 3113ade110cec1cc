"""Pickled fields: the values that transactions need are read and written, nothing is ever executed."""

import copy
import json
import os
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.samples import signed_transaction
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import BadStateData, InvalidStateFile, UnencodableValue
from tradeexecutor.state.pickle_over_json import (
    MAX_SIZE,
    HexBytes,
    OpaquePickle,
    PickledList,
    PickledTuple,
    SignedTransactionWithNonce,
    decode_pickle_over_json,
    encode_pickle_over_json,
)

# --- Honest values


def values() -> st.SearchStrategy[Any]:
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-(2**256), 2**256)
        | st.text(max_size=300)
        | st.binary(max_size=300)
        | st.floats(allow_nan=False, allow_infinity=False)
    )
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.lists(inner, max_size=4).map(tuple)
            | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=10,
    )


@given(values())
def test_any_unpickler_reads_what_we_write(value: Any):
    assert pickle.loads(bytes.fromhex(encode_pickle_over_json(value))) == value


@given(values(), st.sampled_from([4, 5]))
def test_we_read_what_any_pickler_writes_and_write_it_back_unchanged(value: Any, protocol: int):
    text = pickle.dumps(value, protocol).hex()
    again = decode_pickle_over_json(text)
    assert again == value
    if isinstance(value, (tuple, list)):
        assert encode_pickle_over_json(again) == text
    assert decode_pickle_over_json(encode_pickle_over_json(again)) == value


def test_none():
    assert decode_pickle_over_json(None) is None
    assert decode_pickle_over_json("80044e2e") is None
    assert decode_pickle_over_json("80054e2e") is None
    assert encode_pickle_over_json(None) == "80044e2e"


def test_long_lists_and_shared_values():
    shared = ["x"]
    value = (list(range(3000)), shared, shared, "y" * 70_000, tuple(str(i) for i in range(300)) * 2)
    assert decode_pickle_over_json(pickle.dumps(value, 4).hex()) == value


def test_hex_bytes_and_signed_transactions_come_back_as_such():
    again = decode_pickle_over_json(encode_pickle_over_json(signed_transaction()))
    assert again == signed_transaction()
    assert type(again) is SignedTransactionWithNonce
    assert type(again.rawTransaction) is HexBytes
    assert again.raw_transaction == b"\x02raw"
    assert again.rawTransaction.to_0x_hex() == "0x02726177"
    assert repr(again.rawTransaction) == "HexBytes('0x02726177')"


def test_hex_bytes_do_not_allocate_by_number():
    with pytest.raises(TypeError):
        HexBytes(10**12)  # type: ignore[arg-type]


@pytest.fixture
def foreign_modules(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Stand-ins for the modules that transaction builders pickle their classes from."""

    class ForeignHexBytes(bytes):
        by_reduce = False

        def __reduce_ex__(self, protocol: Any) -> Any:
            return (bytes.__new__, (type(self), bytes(self))) if self.by_reduce else super().__reduce_ex__(protocol)

    class Signed(NamedTuple):
        rawTransaction: Any  # noqa: N815
        hash: Any
        r: Any
        s: Any
        v: Any
        nonce: Any
        address: Any
        source: Any

    for module, name, cls in (
        ("hexbytes.main", "HexBytes", ForeignHexBytes),
        ("eth_defi.hotwallet", "SignedTransactionWithNonce", Signed),
    ):
        fake = types.ModuleType(module)
        setattr(fake, name, cls)
        cls.__module__, cls.__qualname__, cls.__name__ = module, name, name
        monkeypatch.setitem(sys.modules, module, fake)
        monkeypatch.setitem(
            sys.modules, module.split(".", maxsplit=1)[0], types.ModuleType(module.split(".", maxsplit=1)[0])
        )
    return types.SimpleNamespace(HexBytes=ForeignHexBytes, Signed=Signed)


@pytest.mark.parametrize("by_reduce", [False, True])
@pytest.mark.parametrize("protocol", [4, 5])
def test_foreign_hex_bytes_in_both_dialects(foreign_modules: Any, by_reduce: bool, protocol: int):
    foreign_modules.HexBytes.by_reduce = by_reduce
    value = ("0xabc", foreign_modules.HexBytes(b"\x01" * 300), 5)
    text = pickle.dumps(value, protocol).hex()
    again = decode_pickle_over_json(text)
    assert again == value
    assert type(again[1]) is HexBytes
    assert encode_pickle_over_json(again) == text
    assert encode_pickle_over_json(tuple(again)) == encode_pickle_over_json(value)


def test_foreign_programs_read_our_hex_bytes_and_signed_transactions(foreign_modules: Any):
    again = pickle.loads(bytes.fromhex(encode_pickle_over_json(signed_transaction())))
    assert type(again) is foreign_modules.Signed
    assert type(again.hash) is foreign_modules.HexBytes
    assert tuple(again) == tuple(signed_transaction())


def test_foreign_signed_transaction_is_written_like_ours(foreign_modules: Any):
    ours = signed_transaction()
    assert encode_pickle_over_json(foreign_modules.Signed(*ours)) == encode_pickle_over_json(ours)


# --- Unchanged text


def test_changed_nested_list_is_written_anew():
    text = pickle.dumps((1, [2, 3]), 4).hex()
    value = decode_pickle_over_json(text)
    assert encode_pickle_over_json(value) == text
    value[1].append(4)
    assert encode_pickle_over_json(value) != text
    assert decode_pickle_over_json(encode_pickle_over_json(value)) == (1, [2, 3, 4])


def test_change_of_type_alone_is_noticed():
    value = decode_pickle_over_json(pickle.dumps([1], 4).hex())
    value[0] = True
    assert decode_pickle_over_json(encode_pickle_over_json(value))[0] is True


def test_pickled_values_behave_like_tuples_and_lists():
    value = decode_pickle_over_json(pickle.dumps((1, "a"), 4).hex())
    assert type(value) is PickledTuple
    assert (repr(value), hash(value)) == ("(1, 'a')", hash((1, "a")))
    assert encode_pickle_over_json(copy.deepcopy(value)) == value.pickled
    items = decode_pickle_over_json(pickle.dumps([1], 4).hex())
    assert type(items) is PickledList
    assert items == [1]


# --- Refused values


@pytest.mark.parametrize("value", [{1, 2}, object(), bytearray(b"x"), float("nan"), 2**3000, os.system, (1, {2})])
def test_other_values_are_not_written(value: Any):
    with pytest.raises(UnencodableValue):
        encode_pickle_over_json(value)


def test_value_that_contains_itself_is_not_written():
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(UnencodableValue):
        encode_pickle_over_json(loop)


def test_error_of_a_save_names_the_field():
    with pytest.raises(BadStateData, match="transaction_args"):
        BlockchainTransaction(transaction_args=({1},)).to_dict()


# --- Hostile text


class Call:
    """Pickles to a call of `function`."""

    def __init__(self, function: Any, *arguments: Any):
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def op_text(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def op_global(module: str, name: str) -> bytes:
    return op_text(module) + op_text(name) + b"\x93"


HEX_BYTES = op_global("hexbytes.main", "HexBytes")
SIGNED = op_global("eth_defi.hotwallet", "SignedTransactionWithNonce")
BYTES = op_global("builtins", "bytes")
GETATTR = op_global("builtins", "getattr")
BYTES_NEW = GETATTR + BYTES + op_text("__new__") + b"\x86R"


def doubling(levels: int) -> bytes:
    """Each level is a pair of the level below: 2**levels values in a few bytes."""
    return b")\x94" + b"".join(b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86\x94" for i in range(levels))


HAND_MADE = {
    "a class": HEX_BYTES,
    "a function": GETATTR,
    "a method": BYTES_NEW,
    "a class in a tuple": HEX_BYTES + b"\x85",
    "a class as a dictionary value": b"}" + op_text("x") + BYTES + b"s",
    "a class as a dictionary key": b"}" + BYTES + b"Ns",
    "os.system by name": op_global("os", "system") + op_text("touch executed") + b"\x85R",
    "os.system by old opcode": b"cos\nsystem\n" + op_text("touch executed") + b"\x85R",
    "os.system by instance": b"(" + op_text("touch executed") + b"ios\nsystem\n",
    "os.system by object": b"(" + op_global("os", "system") + op_text("touch executed") + b"o",
    "dotted name": op_global("builtins", "getattr.__class__"),
    "getattr of another class": GETATTR + HEX_BYTES + op_text("__new__") + b"\x86R",
    "getattr of another attribute": GETATTR + BYTES + op_text("__subclasses__") + b"\x86R",
    "getattr with a default": GETATTR + BYTES + op_text("__new__") + b"N\x87R",
    "chained getattr": GETATTR + BYTES_NEW + op_text("__self__") + b"\x86R",
    "bytes of a number": BYTES + b"J\xff\xff\xff\x7f\x85R",
    "bytes.__new__ of a number": BYTES_NEW + HEX_BYTES + b"J\xff\xff\xff\x7f\x86R",
    "bytes.__new__ of bytes": BYTES_NEW + BYTES + b"C\x01a\x86R",
    "HexBytes of a number": HEX_BYTES + b"J\xff\xff\xff\x7f\x85\x81",
    "HexBytes of nothing": HEX_BYTES + b")\x81",
    "HexBytes called": HEX_BYTES + b"C\x01a\x85R",
    "HexBytes with keywords": HEX_BYTES + b"C\x01a\x85}\x92",
    "a list as arguments": HEX_BYTES + b"](C\x01ae\x81",
    "a transaction of seven fields": SIGNED + b"(NNNNNNNt\x81",
    "a new instance of bytes": BYTES + b"C\x01a\x85\x81",
    "a new instance of text": op_text("x") + b")\x81",
    "BUILD on the class": HEX_BYTES + b"N}" + op_text("hex") + b"Ns\x86b",
    "BUILD on bytes": HEX_BYTES + b"C\x01a\x85\x81}" + op_text("x") + b"Nsb",
    "persistent id": b"Ppath\n",
    "persistent id from the stack": op_text("x") + b"Q",
    "extension registry": b"\x82\x01",
    "huge memo index": b"N" + b"r\xff\xff\xff\x7f",
    "unknown memo index": b"h\x07",
    "text opcode for integers": b"I" + b"9" * 5000 + b"\n",
    "huge announced bytes": b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
    "huge announced text": b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
    "huge announced frame": b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f",
    "out of band buffer": b"\x97",
    "set": b"\x8f(Ne".replace(b"e", b"\x90"),
    "not a number": b"G\x7f\xf8\x00\x00\x00\x00\x00\x00",
    "deep tuples": b")" + b"\x85" * 5000,
    "deep marks": b"(" * 5000,
    "doubling": doubling(60),
    "doubling lists": b"]\x94" + b"".join(b"](h" + bytes([i]) + b"h" + bytes([i]) + b"e\x94" for i in range(60)),
    "list in itself": b"]\x94h\x00a",
    "tuple in its own list": b"]\x94h\x00\x85a",
    "dictionary in itself": b"}\x94Nh\x00s",
    "unhashable key": b"}]Ns",
    "odd number of items": b"}(Nu",
    "append to a tuple": b")Na",
    "append without a list": b"Na",
    "items of nothing": b"NNs",
    "pop of an empty stack": b"\x85",
    "mark without items": b"t",
    "open mark at the end": b"(N",
    "two values": b"NN",
    "no value": b"",
    "broken text": b"\x8c\x01\xff",
    "global without names": b"NN\x93",
}


@pytest.mark.parametrize("code", HAND_MADE.values(), ids=HAND_MADE.keys())
def test_hostile_instructions_stay_opaque(code: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    text = (b"\x80\x04" + code + b".").hex()
    value = decode_pickle_over_json(text)
    assert type(value) is OpaquePickle
    assert encode_pickle_over_json(value) == text
    assert not list(tmp_path.iterdir())
    assert HexBytes(b"\x01").hex() == "01"


HOSTILE_CALLS = {
    "os.system": Call(os.system, "touch executed"),
    "eval": Call(eval, "__import__('os').system('touch executed')"),
    "open": Call(open, "executed", "w"),
    "getattr chain": Call(getattr, Call(__import__, "os"), "system"),
    "hidden in a tuple": (1, [Call(os.system, "touch executed")]),
    "hidden in a key": {Call(os.system, "touch executed"): 1},
    "exit": Call(sys.exit, 1),
    "bytes bomb": Call(bytes, 10**12),
}


@pytest.mark.parametrize("value", HOSTILE_CALLS.values(), ids=HOSTILE_CALLS.keys())
@pytest.mark.parametrize("protocol", range(6))
def test_hostile_objects_stay_opaque(value: Any, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    text = pickle.dumps(value, protocol).hex()
    transaction = BlockchainTransaction.from_dict(
        {"transaction_args": text, "wrapped_args": text, "signed_tx_object": text}
    )
    assert type(transaction.transaction_args) is OpaquePickle
    assert type(transaction.get_tx_object()) is OpaquePickle
    tree = json.loads(transaction.to_json())
    assert [tree["transaction_args"], tree["wrapped_args"], tree["signed_tx_object"]] == [text] * 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", ["", "zz", "800", "8004", "80", "80024e2e", "80064e2e", "80044e2e00", "00", "not a pickle", "0x80044e2e"]
)
def test_text_that_is_no_pickle_stays_as_it_is(text: str):
    value = decode_pickle_over_json(text)
    assert type(value) is OpaquePickle
    assert encode_pickle_over_json(value) == text


def test_enormous_text_is_not_interpreted():
    text = pickle.dumps(("x" * MAX_SIZE,), 4).hex()
    assert type(decode_pickle_over_json(text)) is OpaquePickle


@given(st.binary(max_size=60))
def test_random_bytes_never_raise(code: bytes):
    check_safe((b"\x80\x04" + code + b".").hex())


@given(values(), st.data())
def test_damaged_pickles_never_raise(value: Any, data: st.DataObject):
    code = bytearray(pickle.dumps((value, "tail"), 4))
    for _ in range(data.draw(st.integers(1, 4))):
        code[data.draw(st.integers(2, len(code) - 1))] = data.draw(st.integers(0, 255))
    check_safe(bytes(code).hex())


def check_safe(text: str) -> None:
    value = decode_pickle_over_json(text)
    again = encode_pickle_over_json(value)
    if isinstance(value, (OpaquePickle, tuple, list)) and not isinstance(value, SignedTransactionWithNonce):
        assert again == text
    else:
        assert decode_pickle_over_json(again) == value


@pytest.mark.parametrize("value", [5, [], {"a": 1}, True])
def test_field_that_is_not_text_is_refused(value: Any):
    with pytest.raises(InvalidStateFile):
        BlockchainTransaction.from_dict({"transaction_args": value})


def test_pickled_none_and_null_mean_none_and_are_written_as_null():
    for stored in ("80044e2e", "80054e2e", None):
        transaction = BlockchainTransaction.from_dict({"transaction_args": stored})
        assert transaction.transaction_args is None
        assert transaction.to_dict()["transaction_args"] is None


# --- Real files


def find_pickles(tree: Any) -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for key, item in tree.items():
            if key in ("transaction_args", "wrapped_args", "signed_tx_object") and item is not None:
                yield key, item
            else:
                yield from find_pickles(item)
    elif isinstance(tree, list):
        for item in tree:
            yield from find_pickles(item)


def test_real_pickles_are_understood_and_come_back_unchanged(state_file: Path):
    for field, text in find_pickles(json.loads(state_file.read_bytes())):
        value = decode_pickle_over_json(text)
        if field == "signed_tx_object":
            assert type(value) is SignedTransactionWithNonce
            assert value.nonce == value.source["nonce"]
        else:
            assert value is None or type(value) is PickledTuple
            if value is not None:
                assert encode_pickle_over_json(value) == text
                assert decode_pickle_over_json(encode_pickle_over_json(tuple(value))) == value
