"""Find out the outcome of a transaction from the chain alone.

=============================  =======================================================  ==========================
found                          what it means                                            what is done
=============================  =======================================================  ==========================
a receipt, in a block that     mined; final once enough blocks stand on it              wait, then book the outcome
is still part of the chain
a receipt of another block     a reorganisation took its block away                     as if there were no receipt
no receipt, known to a node    waiting                                                  wait; offer more for gas
no receipt, not known, nonce   dropped, or never sent                                   send the same bytes again
not used
no receipt, nonce used in a    another transaction took its place                       it has failed
final block, and the one that
used it is found
no receipt, nonce used, and    nodes contradict each other, or history is missing       wait, then leave it to a
nothing found                                                                           person
=============================  =======================================================  ==========================

The errors of nodes are never used for this, because they differ from node to node.
"""

import enum
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradeexecutor.ethereum.connection import ChainConnection, Receipt, read_quantity
from tradeexecutor.ethereum.errors import RpcError
from tradeexecutor.ethereum.transactions import get_all_hashes
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction

__all__ = ["Fate", "Finding", "find_fate"]

logger = logging.getLogger(__name__)


class Fate(enum.Enum):
    """Present status of a transaction."""

    #: Mined, but not final yet.
    mined = "mined"
    #: Mined in a block that counts as final.
    confirmed = "confirmed"
    #: Waiting to be mined.
    pending = "pending"
    #: Unknown to the nodes, and its nonce is not used.
    dropped = "dropped"
    #: Another transaction used its nonce in a final block.
    replaced = "replaced"
    #: Its nonce is used by a transaction that cannot be found.
    unclear = "unclear"


@dataclass(frozen=True, slots=True)
class Finding:
    """Status of a transaction on the chain.

    Attributes
    ----------
    fate
        Status of the transaction.
    receipt
        Receipt of the version that was mined; None when none was.
    replaced_by
        Hash of the transaction that took its place, and the number of its block; None in other cases.
    """

    fate: Fate
    receipt: Receipt | None = None
    replaced_by: tuple[str, int] | None = None


def find_fate(connection: ChainConnection, transaction: BlockchainTransaction) -> Finding:
    """Return the status of a transaction, considering all of its versions."""
    assert transaction.nonce is not None, "only signed transactions are recorded"
    assert transaction.from_address is not None, "only signed transactions are recorded"
    hashes = get_all_hashes(transaction)
    receipt = _find_valid_receipt(connection, hashes)
    if receipt is not None:
        depth = connection.get_head().number - receipt.block_number + 1
        return Finding(Fate.confirmed if depth >= connection.confirmations else Fate.mined, receipt)
    if any(connection.is_known(tx_hash) for tx_hash in hashes):
        return Finding(Fate.pending)
    if connection.get_transaction_count(transaction.from_address) <= transaction.nonce:
        return Finding(Fate.dropped)
    return _find_replacement(connection, transaction.from_address, transaction.nonce, hashes)


def _find_valid_receipt(connection: ChainConnection, hashes: list[str]) -> Receipt | None:
    for tx_hash in hashes:
        receipt = connection.find_receipt(tx_hash)
        if receipt is None:
            continue
        block = connection.find_block(receipt.block_number)
        if block is not None and block.hash == receipt.block_hash:
            return receipt
    return None


def _find_replacement(connection: ChainConnection, sender: str, nonce: int, hashes: list[str]) -> Finding:
    """Search the transaction that used a nonce in final blocks."""
    unclear = Finding(Fate.unclear)
    safe = connection.find_safe_block()
    try:
        if safe is None or connection.get_transaction_count(sender, safe.number) <= nonce:
            return unclear
        number = _find_block_of_nonce(connection, sender, nonce, safe.number)
        transactions = connection.request("eth_getBlockByNumber", hex(number), True, read=_read_transactions)
    except RpcError as error:
        logger.warning("The transaction that used nonce %d of %s cannot be looked up: %s", nonce, sender, error)
        return unclear
    for tx_sender, tx_nonce, tx_hash in transactions:
        if tx_sender == sender.lower() and tx_nonce == nonce:
            return unclear if tx_hash in hashes else Finding(Fate.replaced, replaced_by=(tx_hash, number))
    return unclear


def _read_transactions(block: Mapping[str, Any] | None) -> list[tuple[str, int, str]]:
    """Return sender, nonce and hash of the transactions of a block."""
    found: list[Mapping[str, Any]] = [] if block is None else block["transactions"]
    return [(str(tx["from"]).lower(), read_quantity(tx["nonce"]), str(tx["hash"]).lower()) for tx in found]


def _find_block_of_nonce(connection: ChainConnection, sender: str, nonce: int, last: int) -> int:
    """Return the block in which a nonce was used; it is at or before block `last`.

    The search goes back in steps of doubling size and then halves the range, because nodes without an archive contain
    only recent history. A block that is older than this history is taken for one before the block that is searched.

    Raises
    ------
    RpcError
        The nonce was used before the history of the node begins.
    """
    missing: dict[int, RpcError] = {}

    def was_used(number: int) -> bool:
        try:
            return connection.get_transaction_count(sender, number) > nonce
        except RpcError as error:
            missing[number] = error
            return False

    step = 1
    high = last
    low = max(last - step, -1)
    while low >= 0 and was_used(low):
        high, step = low, 2 * step
        low = max(low - step, -1)
    while high - low > 1:
        middle = (low + high) // 2
        if was_used(middle):
            high = middle
        else:
            low = middle
    if low in missing:
        raise missing[low]
    return high
