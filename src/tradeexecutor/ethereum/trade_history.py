"""Reading the trades of a long history without looking at all of them each time.

The transactions of a trade do not change any more once it has succeeded, or its position is closed. Everything else is
looked at again, because a failed trade can be sent again, and a waiting one is sent later.
"""

from collections.abc import Callable, Collection, Iterator

from tradeexecutor.ethereum.transactions import get_all_hashes
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair.attempts import get_failed_attempts
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["OwnHashes", "TradeHistory"]


class TradeHistory:
    """Hands out every trade that cannot change any more once, and the other ones each time.

    Parameters
    ----------
    forget
        Called before the first trade of a state, and again when another state object is read.
    take
        Called with each trade that cannot change any more.
    """

    def __init__(self, forget: Callable[[], None], take: Callable[[TradeExecution], None]):
        self._forget = forget
        self._take = take
        self._state: State | None = None
        #: Last trade that was taken, by position.
        self._taken: dict[int, int] = {}
        self._closed: set[int] = set()

    def read(self, state: State) -> list[TradeExecution]:
        """Take what cannot change any more since the last call, and return the other trades, position by position."""
        if state is not self._state:
            self._state = state
            self._taken.clear()
            self._closed.clear()
            self._forget()
        portfolio = state.portfolio
        changing: list[TradeExecution] = []
        for table in (portfolio.open_positions, portfolio.frozen_positions, portfolio.pending_positions):
            for position in table.values():
                self._closed.discard(position.position_id)
                changing += self._read_position(position)
        # A position that is closed comes last in its table.
        for position in reversed(portfolio.closed_positions.values()):
            if position.position_id in self._closed:
                break
            self._closed.add(position.position_id)
            for trade in self._iterate_new(position):
                self._take(trade)
            self._taken.pop(position.position_id, None)
        return changing

    def _read_position(self, position: TradingPosition) -> list[TradeExecution]:
        new = self._iterate_new(position)
        for trade in new:
            if not trade.is_success():
                return [trade, *new]
            self._take(trade)
            self._taken[position.position_id] = trade.trade_id
        return []

    def _iterate_new(self, position: TradingPosition) -> Iterator[TradeExecution]:
        """Iterate over the trades after the last one that was taken, in the order of the position."""
        last = self._taken.get(position.position_id)
        found: list[TradeExecution] = []
        for trade in reversed(position.trades.values()):
            if trade.trade_id == last:
                break
            found.append(trade)
        return iter(found[::-1])


class OwnHashes:
    """Recognises the transactions of the trades of a state by their hashes."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._history = TradeHistory(self._known.clear, lambda trade: self._known.update(_iterate_hashes(trade)))

    def find(self, state: State, hashes: Collection[str]) -> set[str]:
        """Return those of some hashes that belong to trades, including earlier versions and earlier attempts."""
        found = {tx_hash for trade in self._history.read(state) for tx_hash in _iterate_hashes(trade)}
        return {tx_hash for tx_hash in hashes if tx_hash in self._known or tx_hash in found}


def _iterate_hashes(trade: TradeExecution) -> Iterator[str]:
    for transaction in trade.blockchain_transactions:
        yield from get_all_hashes(transaction)
    for attempt in get_failed_attempts(trade):
        for transaction in attempt.get("transactions", ()):
            yield from get_all_hashes(BlockchainTransaction.from_dict(transaction))
