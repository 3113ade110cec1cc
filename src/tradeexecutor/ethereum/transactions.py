"""From a call of a contract to a signed transaction with everything about it on record.

A transaction on record is one nonce.  When it is replaced by one that offers more for gas, the record gets the new
hash and bytes, and the earlier ones go to ``other["earlier"]``: any of them may be the one that is mined.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_utils.address import to_checksum_address

from tradeexecutor.ethereum.abi import Function
from tradeexecutor.ethereum.hot_wallet import Fees, HotWallet
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction

__all__ = ["Call", "get_all_hashes", "get_fees", "get_signed_versions", "replace_transaction", "sign_call"]

#: Key of `BlockchainTransaction.other` for the versions before the present one, oldest first.
EARLIER_KEY = "earlier"


@dataclass(frozen=True, slots=True)
class Call:
    """What a transaction shall do.

    Attributes
    ----------
    contract
        Address.
    function, args
        What is called.
    gas
        Units of gas it may use.  Fixed for each kind of call: a swap cannot be estimated before its approval is mined.
    notes
        For people.
    """

    contract: str
    function: Function
    args: Sequence[Any] = field(default_factory=tuple)
    gas: int = 500_000
    notes: str = ""


def sign_call(call: Call, wallet: HotWallet, chain_id: int, nonce: int, fees: Fees) -> BlockchainTransaction:
    """Sign a call, and record target and signed bytes; nothing is sent."""
    contract = to_checksum_address(call.contract)
    details = {
        "chainId": chain_id,
        "from": wallet.address,
        "to": contract,
        "nonce": nonce,
        "value": 0,
        "gas": call.gas,
        "maxFeePerGas": fees.max_fee,
        "maxPriorityFeePerGas": fees.tip,
        "data": call.function.encode(call.args),
        "type": 2,
    }
    transaction = BlockchainTransaction(chain_id=chain_id, from_address=wallet.address, notes=call.notes)
    transaction.set_target_information(chain_id, contract, call.function.name, list(call.args), details)
    transaction.args = tuple(call.args)
    _sign(transaction, wallet)
    return transaction


def _sign(transaction: BlockchainTransaction, wallet: HotWallet) -> None:
    assert transaction.details is not None
    unsigned = {key: value for key, value in transaction.details.items() if key != "from"}
    signed = wallet.sign(unsigned)
    transaction.set_broadcast_information(unsigned["nonce"], signed.tx_hash, "0x" + signed.raw.hex())


def replace_transaction(
    transaction: BlockchainTransaction, wallet: HotWallet, fees: Fees, now: datetime.datetime
) -> None:
    """Sign the same call with the same nonce again, offering more for gas; the versions before stay on record."""
    assert transaction.details is not None
    earlier = {
        "tx_hash": transaction.tx_hash,
        "signed_bytes": transaction.signed_bytes,
        "maxFeePerGas": transaction.details["maxFeePerGas"],
        "maxPriorityFeePerGas": transaction.details["maxPriorityFeePerGas"],
        "replaced_at": now.isoformat(),
    }
    other = transaction.other or {}
    transaction.other = {**other, EARLIER_KEY: [*other.get(EARLIER_KEY, ()), earlier]}
    transaction.details = {
        **transaction.details,
        "maxFeePerGas": fees.max_fee,
        "maxPriorityFeePerGas": fees.tip,
    }
    _sign(transaction, wallet)


def get_fees(transaction: BlockchainTransaction) -> Fees:
    """Return what a transaction offers for gas."""
    details = transaction.details or {}
    return Fees(details.get("maxFeePerGas", 0), details.get("maxPriorityFeePerGas", 0))


def get_signed_versions(transaction: BlockchainTransaction) -> list[tuple[str, bytes]]:
    """Return hash and bytes of every signed version, the present one first."""
    earlier = [
        (version["tx_hash"], bytes.fromhex(version["signed_bytes"].removeprefix("0x")))
        for version in reversed((transaction.other or {}).get(EARLIER_KEY, ()))
    ]
    return [(transaction.tx_hash or "", transaction.get_prepared_raw_transaction()), *earlier]


def get_all_hashes(transaction: BlockchainTransaction) -> list[str]:
    """Return the hash of every version, in lower case, the present one first; empty for one without a hash."""
    hashes = [transaction.tx_hash, *(earlier["tx_hash"] for earlier in (transaction.other or {}).get(EARLIER_KEY, ()))]
    return [tx_hash.lower() for tx_hash in hashes if tx_hash]
