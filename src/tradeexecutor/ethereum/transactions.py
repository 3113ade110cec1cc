"""Signed transactions for contract calls, with a record of all their versions.

A recorded transaction has one nonce. When it is replaced by one that offers more for gas, the record gets the new hash
and bytes, and the earlier ones are moved to ``other["earlier"]``: any version may be mined.
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

#: Key in `BlockchainTransaction.other` of the versions before the present one, oldest first.
EARLIER_KEY = "earlier"


@dataclass(frozen=True, slots=True)
class Call:
    """A contract call that a transaction makes.

    Attributes
    ----------
    contract
        Address of the contract.
    function, args
        Function and its arguments.
    gas
        Limit of gas, units. It is fixed for each kind of call, because a swap cannot be estimated before its approval
        is mined.
    notes
        Description of the call.
    """

    contract: str
    function: Function
    args: Sequence[Any] = field(default_factory=tuple)
    gas: int = 500_000
    notes: str = ""


def sign_call(call: Call, wallet: HotWallet, chain_id: int, nonce: int, fees: Fees) -> BlockchainTransaction:
    """Return the record of a signed call, with target and signed bytes; nothing is sent."""
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
    """Sign the same call with the same nonce and a higher offer for gas; earlier versions stay in the record."""
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
    """Return the offer of a transaction for gas."""
    details = transaction.details or {}
    return Fees(details.get("maxFeePerGas", 0), details.get("maxPriorityFeePerGas", 0))


def get_signed_versions(transaction: BlockchainTransaction) -> list[tuple[str, bytes]]:
    """Return the hash and bytes of every signed version, the present one first."""
    earlier = [
        (version["tx_hash"], bytes.fromhex(version["signed_bytes"].removeprefix("0x")))
        for version in reversed((transaction.other or {}).get(EARLIER_KEY, ()))
    ]
    return [(transaction.tx_hash or "", transaction.get_prepared_raw_transaction()), *earlier]


def get_all_hashes(transaction: BlockchainTransaction) -> list[str]:
    """Return the hash of every version, in lower case, the present one first; empty for one without a hash."""
    hashes = [transaction.tx_hash, *(earlier["tx_hash"] for earlier in (transaction.other or {}).get(EARLIER_KEY, ()))]
    return [tx_hash.lower() for tx_hash in hashes if tx_hash]
