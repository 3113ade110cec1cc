"""The nonces of a wallet: each is given to one transaction, over restarts too."""

from collections.abc import Iterable

from tradeexecutor.ethereum.connection import ChainConnection
from tradeexecutor.ethereum.errors import ChainUnavailable
from tradeexecutor.ethereum.trade_history import TradeHistory
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["NonceFinder"]


class NonceFinder:
    """Finds the nonce of the next transaction of an address.

    Parameters
    ----------
    address
        Address of the wallet.
    connection
        Connection to the chain.
    """

    def __init__(self, address: str, connection: ChainConnection):
        self.address = address
        self.connection = connection
        self._history = TradeHistory(self._forget, self._take)
        self._highest_final = -1
        #: Signed and not final, in positions that are closed; there are none unless a state was damaged.
        self._highest_open = -1

    def find_next(self, state: State) -> int:
        """Return the nonce of the next transaction.

        This is the transaction count of the chain. If the state contains a signed transaction with the same or a
        higher nonce, which may be mined at any time, it is one more than the highest of these.

        Raises
        ------
        ChainUnavailable
            The chain counts fewer transactions than the state has seen in final blocks: the node is behind, or a
            reorganisation was too deep. A nonce that it takes for free may be used.
        """
        counted = self.connection.get_transaction_count(self.address)
        # Orders that wait for a trigger are sent while their position is still pending.
        final, unconfirmed = self._find_highest(self._history.read(state))
        final, unconfirmed = max(final, self._highest_final), max(unconfirmed, self._highest_open)
        if counted <= final:
            raise ChainUnavailable(
                f"chain {self.connection.chain_id} counts {counted} transactions of {self.address}, the one with nonce "
                f"{final} was final: the node is behind, or a reorganisation was deeper than the confirmations",
                [],
            )
        return max(counted, unconfirmed + 1)

    def _find_highest(self, trades: Iterable[TradeExecution]) -> tuple[int, int]:
        """Return the highest nonces of final and of other transactions of the wallet; -1 for none."""
        final = unconfirmed = -1
        for trade in trades:
            for tx in trade.blockchain_transactions:
                is_ours = tx.chain_id == self.connection.chain_id and (
                    (tx.from_address or "").lower() == self.address.lower()
                )
                if tx.nonce is None or not is_ours:
                    continue
                if tx.status is None:
                    unconfirmed = max(unconfirmed, tx.nonce)
                else:
                    final = max(final, tx.nonce)
        return final, unconfirmed

    def _forget(self) -> None:
        self._highest_final = self._highest_open = -1

    def _take(self, trade: TradeExecution) -> None:
        final, unconfirmed = self._find_highest([trade])
        self._highest_final = max(self._highest_final, final)
        self._highest_open = max(self._highest_open, unconfirmed)
