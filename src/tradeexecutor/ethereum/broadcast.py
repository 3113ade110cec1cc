"""Send the transactions of a trade to the chain, and record their outcome in the state.

The order of the steps is guaranteed: **sign, record, save, send, mark, save, wait**. If the program dies at any point,
the next process finds everything that may have been sent in the saved state, and asks the chain for the outcome
(`recovery`). The same loop waits for transactions in both cases.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tradeexecutor.ethereum.connection import ChainConnection, Receipt
from tradeexecutor.ethereum.errors import ChainUnavailable, GasTooExpensive, RpcError, TransactionsUnconfirmed
from tradeexecutor.ethereum.hot_wallet import FeeRules, HotWallet
from tradeexecutor.ethereum.nonces import NonceFinder
from tradeexecutor.ethereum.recovery import Fate, Finding, find_fate
from tradeexecutor.ethereum.reverts import find_revert_reason
from tradeexecutor.ethereum.transactions import Call, get_fees, get_signed_versions, replace_transaction, sign_call
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["Broadcaster", "WaitRules"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WaitRules:
    """How long to wait for transactions, in seconds.

    Attributes
    ----------
    timeout
        After this time the program stops waiting. The transactions stay in the state, and the next start continues with
        them.
    poll
        Pause between two requests to the chain.
    bump_after
        A transaction that has waited for this time is replaced by one that offers more for gas, and again after the
        same time.
    max_bumps
        Largest number of such replacements.
    """

    timeout: float = 900.0
    poll: float = 1.0
    bump_after: float = 120.0
    max_bumps: int = 5


class Broadcaster:
    """Signs, sends and follows the transactions of one wallet.

    Parameters
    ----------
    connection
        Connection to the chain.
    wallet
        Wallet that signs and pays for gas.
    save
        Function that saves the state durably; called before and after anything is sent.
    fee_rules, wait_rules
        See `FeeRules` and `WaitRules`.
    monotonic
        Clock in seconds; for tests.
    """

    def __init__(
        self,
        connection: ChainConnection,
        wallet: HotWallet,
        save: Callable[[State], None],
        *,
        fee_rules: FeeRules | None = None,
        wait_rules: WaitRules | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ):
        self.connection = connection
        self.wallet = wallet
        self.save = save
        self.fee_rules = fee_rules or FeeRules()
        self.wait_rules = wait_rules or WaitRules()
        self._monotonic = monotonic
        self._nonces = NonceFinder(wallet.address, connection)

    # --- Sign and send

    def sign(self, state: State, calls: Sequence[Call]) -> list[BlockchainTransaction]:
        """Return signed transactions with the next nonces; nothing is recorded or sent.

        Raises
        ------
        GasTooExpensive, ChainUnavailable, RpcError
            Nothing was signed.
        """
        fees = self.fee_rules.suggest(self.connection)
        first = self._nonces.find_next(state)
        return [
            sign_call(call, self.wallet, self.connection.chain_id, first + number, fees)
            for number, call in enumerate(calls)
        ]

    def send(self, state: State, trade: TradeExecution, transactions: Sequence[BlockchainTransaction]) -> None:
        """Save the state, send the transactions of a trade, mark them as sent, and save again."""
        self.save(state)
        for transaction in transactions:
            self._send_one(transaction)
        if trade.is_started():
            state.mark_broadcasted(self.connection.clock(), trade)
        self.save(state)

    def _send_one(self, transaction: BlockchainTransaction) -> None:
        """Send all versions of a transaction, the newest first. The answer of a node proves nothing and is ignored."""
        for tx_hash, raw in get_signed_versions(transaction):
            try:
                self.connection.send(raw)
            except (RpcError, ChainUnavailable) as error:
                logger.warning("Sending %s: %s", tx_hash, error)
            else:
                transaction.broadcasted_at = transaction.broadcasted_at or self.connection.clock()

    # --- Wait

    def wait(self, state: State, trade: TradeExecution) -> list[Receipt | None]:
        """Wait until all transactions of a trade are final, and record their outcomes.

        Returns
        -------
        list
            A receipt for each transaction; None for one that was replaced by a transaction of another program.

        Raises
        ------
        TransactionsUnconfirmed
            The time-out has passed. The known outcomes are saved.
        ChainUnavailable
            No node answered for too long.
        """
        rules = self.wait_rules
        started = self._monotonic()
        waiting_since = dict.fromkeys((tx.nonce for tx in trade.blockchain_transactions), started)
        bumps = dict.fromkeys(waiting_since, 0)
        receipts: dict[int, Receipt | None] = {}
        while True:
            for index, transaction in enumerate(trade.blockchain_transactions):
                if index in receipts:
                    continue
                finding = find_fate(self.connection, transaction)
                if finding.fate in (Fate.confirmed, Fate.replaced):
                    self._record(transaction, finding)
                    receipts[index] = finding.receipt
                elif finding.fate is Fate.dropped:
                    self._send_one(transaction)
                elif finding.fate is Fate.pending and bumps[transaction.nonce] < rules.max_bumps:
                    now = self._monotonic()
                    if now - waiting_since[transaction.nonce] >= rules.bump_after:
                        waiting_since[transaction.nonce] = now
                        bumps[transaction.nonce] += self._bump(state, transaction)
            if len(receipts) == len(trade.blockchain_transactions):
                self.save(state)
                return [receipts[index] for index in range(len(receipts))]
            if self._monotonic() - started >= rules.timeout:
                self.save(state)
                open_hashes = [
                    tx.tx_hash or "" for index, tx in enumerate(trade.blockchain_transactions) if index not in receipts
                ]
                raise TransactionsUnconfirmed(
                    f"{trade} is not confirmed after {rules.timeout:g} s: {', '.join(open_hashes)}. They are on file; "
                    "start again, and they are looked up",
                    trade.trade_id,
                    open_hashes,
                )
            self.connection.sleep(rules.poll)

    def _bump(self, state: State, transaction: BlockchainTransaction) -> bool:
        """Replace a waiting transaction by one that offers more for gas, and return whether the limit allows it."""
        try:
            now = self.fee_rules.suggest(self.connection)
        except GasTooExpensive as error:
            logger.warning("%s goes on waiting: %s", transaction.tx_hash, error)
            return False
        fees = self.fee_rules.raise_offer(get_fees(transaction), now)
        if fees is None:
            logger.warning("%s goes on waiting: a higher offer is above the limit", transaction.tx_hash)
            return False
        before = transaction.tx_hash
        replace_transaction(transaction, self.wallet, fees, self.connection.clock())
        self.save(state)
        logger.info("%s waits for too long, %s offers %d wei per gas", before, transaction.tx_hash, fees.max_fee)
        self._send_one(transaction)
        return True

    def _record(self, transaction: BlockchainTransaction, finding: Finding) -> None:
        receipt = finding.receipt
        if receipt is None:
            assert finding.replaced_by is not None
            tx_hash, number = finding.replaced_by
            block = self.connection.find_block(number)
            assert block is not None, "a final block"
            reason = f"replaced by the transaction {tx_hash}, which used the same nonce"
            transaction.set_confirmation_information(block.timestamp, number, block.hash, 0, 0, False, reason)
            return
        if receipt.tx_hash != (transaction.tx_hash or "").lower():
            _adopt_version(transaction, receipt.tx_hash)
        block = self.connection.find_block(receipt.block_number)
        assert block is not None, "a final block"
        reason = None if receipt.succeeded else find_revert_reason(self.connection, transaction, receipt)
        transaction.set_confirmation_information(
            block.timestamp,
            receipt.block_number,
            receipt.block_hash,
            receipt.gas_used,
            receipt.gas_price,
            receipt.succeeded,
            reason,
        )


def _adopt_version(transaction: BlockchainTransaction, tx_hash: str) -> None:
    """Record an earlier version that was mined as the present one; the other versions stay in `other`."""
    versions = dict(get_signed_versions(transaction))
    other = dict(transaction.other or {})
    present = {"tx_hash": transaction.tx_hash, "signed_bytes": transaction.signed_bytes}
    kept = [earlier for earlier in other.get("earlier", ()) if earlier["tx_hash"].lower() != tx_hash]
    transaction.other = {**other, "earlier": [*kept, present]}
    transaction.tx_hash = tx_hash
    transaction.signed_bytes = "0x" + versions[tx_hash].hex()
