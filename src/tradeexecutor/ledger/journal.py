"""The journal: every movement that a state contains, as entries in order of time.

The journal contains what *should* have been booked for the events of the state: the capital of a failed trade comes
back once, the unspent part of an allocation comes back, a repair moves nothing. Older programs booked some events
differently, so their balances differ from the journal; `tradeexecutor.ledger.proof` finds where.
"""

import functools
import operator
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.ledger.book import Book, Key
from tradeexecutor.ledger.entry import Account, Entry
from tradeexecutor.ledger.exact import ZERO, exact_arithmetic
from tradeexecutor.ledger.flows import book_cash_flow, book_position_flow
from tradeexecutor.ledger.loans import book_loan_position
from tradeexecutor.ledger.opening import book_initial_deposit
from tradeexecutor.ledger.trades import book_exchange
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["Journal", "Movement", "derive", "list_positions", "list_trades"]

#: Number of an entry in the journal, and the amount by which it changes an account, token units.
Movement = tuple[int, Decimal]


@dataclass(slots=True)
class Journal:
    """The entries of a state, in order, and the accounts that they change."""

    entries: list[Entry] = field(default_factory=list[Entry])
    #: Sort key of each entry: time, rank, number of the balance update or trade.
    keys: list[Key] = field(default_factory=list[Key])
    #: Assets by identifier.
    assets: dict[str, AssetIdentifier] = field(default_factory=dict[str, AssetIdentifier])
    #: Movements of each account, in order.
    movements: dict[Account, list[Movement]] = field(default_factory=dict[Account, list[Movement]])
    #: Final balance of each account with movements, token units.
    balances: dict[Account, Decimal] = field(default_factory=dict[Account, Decimal])

    def get_balance(self, account: Account) -> Decimal:
        """Return the final balance of an account, token units; 0 for an account without movements."""
        return self.balances.get(account, ZERO)

    def get_movements(self, accounts: Sequence[Account]) -> list[Movement]:
        """Return the changes of the sum of some accounts, in order, without movements between these accounts."""
        movements = self.movements
        if len(accounts) == 1:  # nearly always
            return movements.get(accounts[0], [])
        wanted = [account for account in accounts if account in movements]
        if len(wanted) == 1:
            return movements[wanted[0]]
        totals: dict[int, Decimal] = defaultdict(lambda: ZERO)
        with exact_arithmetic():
            for account in wanted:
                for number, amount in movements[account]:
                    totals[number] += amount
        return [(number, amount) for number, amount in sorted(totals.items()) if amount]

    def get_symbol(self, asset: str) -> str:
        """Return the ticker of an asset; the identifier itself when the asset is unknown."""
        known = self.assets.get(asset)
        return asset if known is None else known.token_symbol


def derive(state: State) -> Journal:
    """Return the journal of a state. The state is not changed.

    The cost grows with the number of trades and balance updates.
    """
    book = Book(state)
    with pause_garbage_collection(), exact_arithmetic():
        for position in list_positions(state):
            trades = list_trades(position)
            if position.pair.kind.is_credit_based():
                book_loan_position(book, position, trades)
                continue
            for trade in trades:
                book_exchange(book, position, trade)
            for event in position.balance_updates.values():
                book_position_flow(book, position, event)
        for reserve in state.portfolio.reserves.values():
            for event in reserve.balance_updates.values():
                book_cash_flow(book, reserve, event)
        for reserve in state.portfolio.reserves.values():
            book_initial_deposit(book, state, reserve)
        return _make_journal(book)


def list_positions(state: State) -> list[TradingPosition]:
    """Return the positions of all tables, each once, sorted by id."""
    positions: dict[int, TradingPosition] = {}
    for table in state.portfolio.get_position_tables():
        for position in table.values():
            positions.setdefault(position.position_id, position)
    return [positions[number] for number in sorted(positions)]


def list_trades(position: TradingPosition) -> list[TradeExecution]:
    """Return the trades of a position, pending ones included, that may have moved tokens."""
    trades = list(position.trades.values())
    if position.pending_trades:
        trades += [
            trade
            for trade in position.pending_trades.values()
            if trade.started_at is not None and trade.trade_id not in position.trades
        ]
    return trades


def _make_journal(book: Book) -> Journal:
    ordered = sorted(book.entries, key=lambda item: item[0])
    entries = [entry for _, entry in ordered]
    movements: dict[Account, list[Movement]] = {}
    # One look-up for each posting: computing the hash of an account takes longer than the rest.
    get_changes = movements.get
    for number, entry in enumerate(entries):
        for account, amount in entry.postings:
            changes = get_changes(account)
            if changes is None:
                movements[account] = [(number, amount)]
            elif changes[-1][0] == number:
                changes[-1] = number, changes[-1][1] + amount
            else:
                changes.append((number, amount))
    balances = {account: _add_up(changes) for account, changes in movements.items()}
    return Journal(entries, [key for key, _ in ordered], book.assets, movements, balances)


def _add_up(changes: list[Movement]) -> Decimal:
    """Return the sum of the changes of an account, at least one."""
    if len(changes) == 2:  # nearly always: bought and sold, allocated and spent
        return changes[0][1] + changes[1][1]
    return functools.reduce(operator.add, [amount for _, amount in changes])
