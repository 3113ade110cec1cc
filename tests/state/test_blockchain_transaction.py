"""A transaction records its target, its broadcast and its confirmation; each step all or nothing."""

import json
import sys
import types
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from tests.kit.samples import T1, USDC, blockchain_transaction, signed_transaction
from tradeexecutor.state import blockchain_transaction as module
from tradeexecutor.state import blockhain_transaction as alias
from tradeexecutor.state.blockchain_transaction import (
    AssetDelta,
    BlockchainTransaction,
    JSONAssetDelta,
    solidity_arg_encoder,
)
from tradeexecutor.state.codec.signed_transaction import decode_signed_transaction
from tradeexecutor.state.errors import BadStateData, InvalidStateFile, InvalidValue, NotAvailable
from tradeexecutor.state.pickle_over_json import HexBytes, encode_pickle_over_json

#: Example 9 of EIP-155: 1 ether to 0x3535..., nonce 9, signed with key 0x4646...
LEGACY = (
    "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025"
    "a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
    "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
)


def test_historical_module_name_has_the_same_classes():
    for name in alias.__all__:
        assert getattr(alias, name) is getattr(module, name)


# --- Stages

TARGET: dict[str, Any] = {
    "chain_id": 1,
    "contract_address": "0xTo",
    "function_selector": "swap",
    "args": [1, "x"],
    "details": {"gas": 5},
}
BROADCAST: dict[str, Any] = {"nonce": 3, "tx_hash": "0xab", "signed_bytes": "0x01"}
CONFIRMATION: dict[str, Any] = {
    "ts": T1,
    "block_number": 5,
    "block_hash": "0xcd",
    "realised_gas_units_consumed": 21_000,
    "realised_gas_price": 7,
    "status": True,
}


def test_three_stages():
    tx = BlockchainTransaction()
    tx.set_target_information(**TARGET)
    assert tx.transaction_args == [1, "x"]
    assert (tx.args, tx.from_address) == (None, None)
    tx.set_broadcast_information(**BROADCAST)
    assert tx.broadcasted_at is None
    assert (tx.is_success(), tx.is_reverted()) == (None, False)
    assert "unresolved" in repr(tx)
    tx.set_confirmation_information(**CONFIRMATION)
    assert (tx.is_success(), tx.is_reverted()) == (True, False)
    assert "success" in repr(tx)
    tx.set_confirmation_information(**CONFIRMATION | {"status": False, "revert_reason": "TRF", "stack_trace": "trace"})
    assert (tx.is_success(), tx.is_reverted(), tx.stack_trace) == (False, True, "trace")
    assert "reverted" in repr(tx)
    assert "TRF" in repr(tx)


@pytest.mark.parametrize(
    ("method", "arguments", "change"),
    [
        *(("set_target_information", TARGET, change) for change in (
            {"chain_id": "1"}, {"chain_id": True}, {"contract_address": None}, {"function_selector": 5},
            {"args": (1,)}, {"details": None},
        )),
        *(("set_broadcast_information", BROADCAST, change) for change in (
            {"nonce": 1.0}, {"nonce": None}, {"tx_hash": b"x"}, {"signed_bytes": b"x"},
        )),
        *(("set_confirmation_information", CONFIRMATION, change) for change in (
            {"ts": 5}, {"block_number": "5"}, {"block_hash": b"x"}, {"realised_gas_units_consumed": 1.0},
            {"realised_gas_price": None}, {"status": 1},
        )),
    ],
)  # fmt: skip
def test_wrong_type_is_refused_before_anything_changes(method: str, arguments: dict[str, Any], change: dict[str, Any]):
    tx = BlockchainTransaction()
    with pytest.raises(InvalidValue):
        getattr(tx, method)(**arguments | change)
    assert tx == BlockchainTransaction()


# --- Content


def test_gas_of_the_plan():
    tx = BlockchainTransaction(details={"gas": 5, "maxFeePerGas": 6})
    assert (tx.get_gas_limit(), tx.get_planned_gas_price()) == (5, 6)
    tx = BlockchainTransaction(details={"nonce": 1})
    assert (tx.get_gas_limit(), tx.get_planned_gas_price()) == (0, 0)


@pytest.mark.parametrize("details", [None, {}])
def test_gas_is_not_available_without_details(details: Any):
    with pytest.raises(NotAvailable):
        BlockchainTransaction(details=details).get_gas_limit()


def test_arguments_of_the_wrapped_call_win():
    tx = BlockchainTransaction(transaction_args=(1,))
    assert tx.get_actual_function_input_args() == (1,)
    tx.wrapped_args = []
    assert tx.get_actual_function_input_args() == []


def test_signed_transaction_from_the_stored_object():
    tx = BlockchainTransaction(signed_tx_object=encode_pickle_over_json(signed_transaction()))
    assert tx.get_tx_object() == tx.get_transaction() == signed_transaction()


def test_a_signed_transaction_has_the_class_of_the_library_that_the_program_has_imported(
    monkeypatch: pytest.MonkeyPatch,
):
    signed = signed_transaction()
    tx = BlockchainTransaction(signed_tx_object=encode_pickle_over_json(signed))
    made: list[object] = []

    class SignedTransactionWithNonce(namedtuple("SignedTransactionWithNonce", signed._fields)):
        def __new__(cls, *values: object):
            made.append(values)
            return super().__new__(cls, *values)

    library: Any = types.ModuleType("eth_defi.hotwallet")
    library.SignedTransactionWithNonce = SignedTransactionWithNonce
    monkeypatch.setitem(sys.modules, "eth_defi.hotwallet", library)
    for stored in (tx.get_tx_object(), tx.get_transaction()):
        assert type(stored) is SignedTransactionWithNonce
        assert stored == signed
    assert made == []  # no code of the class has run
    # A class that does not have our fields is not used.
    library.SignedTransactionWithNonce = namedtuple("SignedTransactionWithNonce", ("hash",))
    assert type(tx.get_tx_object()) is type(signed)
    assert "eth_defi" not in sys.modules


@pytest.mark.parametrize(("amount", "incoming"), [(10**20, True), (-1, False)])
def test_a_delta_has_a_direction(amount: int, incoming: bool):
    delta = AssetDelta(USDC.address, amount)
    for either in (delta, JSONAssetDelta.from_asset_delta(delta)):
        assert either.is_incoming() is incoming
        assert either.is_spending() is not incoming


def test_signed_transaction_from_the_bytes():
    tx = BlockchainTransaction(signed_bytes="0x" + LEGACY)
    assert tx.get_tx_object() is None
    assert tx.get_prepared_raw_transaction() == bytes.fromhex(LEGACY)
    decoded = tx.get_transaction()
    assert isinstance(decoded, dict)
    assert decoded == {
        "type": 0,
        "nonce": 9,
        "gasPrice": 20 * 10**9,
        "gas": 21_000,
        "to": "0x3535353535353535353535353535353535353535",
        "value": 10**18,
        "data": b"",
        "v": 37,
        "r": 0x28EF61340BD939BC2195FE537567866003E1A15D3C71FF63E1590620AA636276,
        "s": 0x67CBE9D8997F761AECB703304B3800CCF555C9F3DC64214B297FB1966A3B6D83,
    }


def test_signed_transaction_that_was_not_stored():
    with pytest.raises(NotAvailable):
        BlockchainTransaction().get_transaction()
    with pytest.raises(NotAvailable):
        BlockchainTransaction().get_prepared_raw_transaction()
    with pytest.raises(InvalidValue):
        BlockchainTransaction(signed_bytes="01").get_prepared_raw_transaction()


@pytest.mark.parametrize(
    "raw", ["", "01", "03c0", "c0", "c101", LEGACY[:-2], LEGACY + "00", "02c0", "b8", "ff" * 9, "c1" * 50]
)
def test_other_bytes_are_no_transaction(raw: str):
    with pytest.raises(InvalidValue):
        decode_signed_transaction(bytes.fromhex(raw))


def test_real_signed_transactions_agree_with_their_source(state_file: Path):
    def find(tree: Any) -> list[dict[str, Any]]:
        if isinstance(tree, dict):
            return [tree] if "signed_tx_object" in tree else [tx for item in tree.values() for tx in find(item)]
        return [tx for item in tree for tx in find(item)] if isinstance(tree, list) else []

    for data in find(json.loads(state_file.read_bytes())):
        tx = BlockchainTransaction.from_dict(data)
        stored = tx.get_tx_object()
        if stored is not None:
            decoded = decode_signed_transaction(stored.raw_transaction)  # type: ignore[union-attr]
            for key in ("nonce", "gas", "to", "value", "chainId", "maxFeePerGas"):
                assert decoded[key] == stored.source[key]  # type: ignore[union-attr]
            assert (decoded["r"], decoded["s"], decoded["v"]) == (stored.r, stored.s, stored.v)  # type: ignore[union-attr]


# --- Arguments for JavaScript


def test_arguments_become_readable():
    value = (2**256 - 1, -5, b"\x01\xff", HexBytes(b"\x02"), "0xabc", True, None, [1, (2, [b""])])
    assert solidity_arg_encoder(value) == [
        str(2**256 - 1), "-5", "01ff", "02", "0xabc", True, None, ["1", ["2", [""]]],
    ]  # fmt: skip
    assert solidity_arg_encoder("text") == "text"


@pytest.mark.parametrize("value", [[1.5], (1, [2.0])])
def test_floats_are_no_arguments(value: Any):
    with pytest.raises(BadStateData):
        solidity_arg_encoder(value)
    with pytest.raises(BadStateData, match="args"):
        BlockchainTransaction(args=value).to_dict()


def test_all_arguments_survive():
    stored = ["1", ["2", True], None, "0xabc"]
    tx = BlockchainTransaction.from_dict({"args": stored})
    assert tx.args == ("1", ["2", True], None, "0xabc")
    assert tx.to_dict()["args"] == stored


def test_big_numbers_of_old_files_become_text():
    tx = BlockchainTransaction.from_json('{"args": [9223372036854775808, [340282366920938463463374607431768211456]]}')
    assert tx.to_dict()["args"] == ["9223372036854775808", ["340282366920938463463374607431768211456"]]


@pytest.mark.parametrize("value", ["text", {"a": 1}, True])
def test_other_forms_of_arguments_are_carried(value: Any):
    assert BlockchainTransaction.from_dict({"args": value}).to_dict()["args"] == value


# --- Balance changes


def test_balance_change_is_stored_as_text():
    stored = JSONAssetDelta.from_asset_delta(AssetDelta(USDC.address, -(10**20)))
    assert stored == JSONAssetDelta(USDC.address, "-100000000000000000000")
    assert stored.int_amount == -(10**20)
    assert len({stored, JSONAssetDelta(*("", "1"))}) == 2


@pytest.mark.parametrize("amount", [0, 1.0, "1", None, True])
def test_balance_change_is_a_non_zero_integer(amount: Any):
    with pytest.raises(InvalidValue):
        AssetDelta(USDC.address, amount)


@pytest.mark.parametrize(
    "change",
    [{"asset_deltas": [{"asset": "0x"}]}, {"status": 1}, {"nonce": "1"}, {"type": 7}, {"broadcasted_at": "now"}],
)
def test_file_is_refused(change: dict[str, Any]):
    with pytest.raises(InvalidStateFile):
        BlockchainTransaction.from_dict(blockchain_transaction().to_dict() | change)


def test_empty_object_is_an_unsent_transaction():
    assert BlockchainTransaction.from_dict({}) == BlockchainTransaction()
    assert BlockchainTransaction().notes == ""
