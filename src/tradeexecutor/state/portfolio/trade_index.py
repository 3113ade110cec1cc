"""Trades of a portfolio found by id, nonce or transaction hash without a scan.

Looked at are the trades of open, closed and frozen positions.  The answer is always the one that a scan of the position
tables gives: the first trade in the order of the tables.

How the index stays true:

1. The position tables, the `trades` table of each position in them, and the assignment of `position.trades` are
   watched, see :mod:`tradeexecutor.state.codec.watched_dict` and `watched_record`.  So every trade that was ever
   added is known by its id.
2. Transactions may change without notice until the trade has its outcome: they are assigned, appended, signed.  So
   the trades without one, and the failed ones, which may be tried again, are looked at every time.  When a trade was
   executed, repaired or has expired, or is planned in a position that is closed, then its transactions are noted and
   the trade is attached to its table: assigning to its `blockchain_transactions` or to one of its times brings it back
   to those that are looked at.
3. A trade that was found is checked before it is returned.  If it is no longer there, or several trades have the
   same id, nonce or hash, the tables are scanned.
4. What cannot be watched is scanned every time: position tables and `trades` that are plain dictionaries.

Not noticed is a transaction that is appended to an executed trade, or given another nonce or hash, with nothing
assigned to the trade itself.

The first few questions are answered by a scan.  Only a portfolio that is asked often pays for the index.
"""

from typing import Any, Literal, TypeAlias, cast

from tradeexecutor.state.codec.watched_dict import WatchedDict
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.grouping import PositionsById
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.totals import TradesById

#: Open, closed and frozen positions, in this order.
PositionTables: TypeAlias = tuple[dict[int, TradingPosition], dict[int, TradingPosition], dict[int, TradingPosition]]
#: Field of a transaction by which its trade is found.
TransactionField: TypeAlias = Literal["nonce", "tx_hash"]

#: This many questions are answered by a scan; together they cost about as much as making the index.
QUESTIONS_BEFORE_INDEX = 10

_CLOSED = 1


def scan_for_id(tables: PositionTables, trade_id: int) -> TradeExecution | None:
    """Return the first trade with the id."""
    for table in tables:
        for position in table.values():
            trade = position.trades.get(trade_id)
            if trade is not None:
                return trade
    return None


def scan_for_transaction(tables: PositionTables, field: TransactionField, value: Any) -> TradeExecution | None:
    """Return the first trade with a transaction whose `field` is `value`."""
    for table in tables:
        for position in table.values():
            for trade in position.trades.values():
                if _has_transaction(trade, field, value):
                    return trade
    return None


def _has_transaction(trade: TradeExecution, field: TransactionField, value: Any) -> bool:
    for tx in trade.blockchain_transactions:  # noqa: SIM110 - runs for every live trade of every question
        if getattr(tx, field) == value:
            return True
    return False


class TradeIndex:
    """Finds the trades of one portfolio."""

    __slots__ = ("__weakref__", "_by_field", "_by_id", "_left", "_live", "_questions", "_tables", "_unwatched")

    def __init__(self) -> None:
        self._questions = 0
        self._forget()

    def _forget(self) -> None:
        self._tables: PositionTables | None = None
        # The value is None where several trades have the same key: the tables have to be scanned.
        self._by_id: dict[int, TradeExecution | None] = {}
        self._by_field: dict[TransactionField, dict[Any, TradeExecution | None]] = {"nonce": {}, "tx_hash": {}}
        #: id() -> trade whose transactions are looked at every time.
        self._live: dict[int, TradeExecution] = {}
        #: id() -> position whose trades are looked at every time.
        self._unwatched: dict[int, TradingPosition] = {}
        #: id() -> position that was taken out of a table, probably on its way to another one.
        self._left: dict[int, TradingPosition] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return TradeIndex, ()  # a copy of the portfolio has an index of its own

    # --- Questions

    def find_by_id(self, tables: PositionTables, trade_id: int) -> TradeExecution | None:
        """Return the trade with the id, None if there is none."""
        if not self._follow(tables):
            return scan_for_id(tables, trade_id)
        known = trade_id in self._by_id
        noted = self._by_id.get(trade_id)
        others = [trade for trades in self._get_unwatched_trades() if (trade := trades.get(trade_id)) is not None]
        if not known and not others:
            return None
        if noted is not None and not others and self._find_table(noted, trade_id) is not None:
            return noted
        trade = scan_for_id(tables, trade_id)
        if trade is None:
            self._by_id.pop(trade_id, None)
        return trade

    def find_by_transaction(self, tables: PositionTables, field: TransactionField, value: Any) -> TradeExecution | None:
        """Return the trade with a transaction whose `field` is `value`, None if there is none."""
        if not self._follow(tables):
            return scan_for_transaction(tables, field, value)
        self._note_transactions()
        index = self._by_field[field]
        known = value in index
        noted = index.get(value)
        others = [t for t in self._live.values() if t is not noted and _has_transaction(t, field, value)]
        for trades in self._get_unwatched_trades():
            others += [trade for trade in trades.values() if _has_transaction(trade, field, value)]
        if not known and not others:
            return None
        if not others and noted is not None and self._find_table(noted) and _has_transaction(noted, field, value):
            return noted
        if not known and len(others) == 1 and self._find_table(others[0]):
            return others[0]
        trade = scan_for_transaction(tables, field, value)
        if trade is None:
            index.pop(value, None)
        return trade

    def _get_unwatched_trades(self) -> list[dict[int, TradeExecution]]:
        return [position.trades for position in self._unwatched.values()] if self._unwatched else []

    def _find_table(self, trade: TradeExecution, trade_id: int | None = None) -> dict[int, TradeExecution] | None:
        """Return the `trades` of the position that the trade belongs to; None when it is not there."""
        for table in self._tables or ():
            position = table.get(trade.position_id)
            if position is not None:
                trades = position.trades
                if trades.get(trade.trade_id if trade_id is None else trade_id) is trade:
                    return trades
        return None

    def _note_transactions(self) -> None:
        """Note the transactions of the trades that became final since the last time."""
        assert self._tables is not None
        closed = self._tables[_CLOSED]
        by_nonce, by_hash = self._by_field["nonce"], self._by_field["tx_hash"]
        live: dict[int, TradeExecution] = {}
        for key, trade in self._live.items():
            has_outcome = trade.executed_at is not None or trade.repaired_at is not None or trade.expired_at is not None
            if has_outcome or (trade.position_id in closed and trade.is_planned()):
                table = self._find_table(trade)
                if isinstance(table, TradesById) and trade.attach(table, trade.trade_id):
                    for tx in trade.blockchain_transactions:
                        self._put(by_nonce, tx.nonce, trade)
                        self._put(by_hash, tx.tx_hash, trade)
                    continue
            live[key] = trade
        self._live = live  # a new one: a dictionary that was large once stays slow to walk over

    def _put(self, index: dict[Any, TradeExecution | None], key: Any, trade: TradeExecution) -> None:
        other = index.setdefault(key, trade)
        if other is not trade and other is not None:
            index[key] = trade if self._find_table(other) is None else None

    # --- Following the tables

    def _follow(self, tables: PositionTables) -> bool:
        """Make sure that the index is about these tables; return False when they have to be scanned."""
        own = self._tables
        if own is not None and own[0] is tables[0] and own[1] is tables[1] and own[2] is tables[2]:
            if self._left:
                self._let_go()
            return True
        self._questions += 1
        if self._questions <= QUESTIONS_BEFORE_INDEX or not all(isinstance(table, PositionsById) for table in tables):
            return False
        self._forget()
        self._tables = tables
        for table in tables:
            cast(PositionsById, table).add_listener(self)
            for position in table.values():
                self._add_position(position)
        return True

    def _add_position(self, position: TradingPosition) -> None:
        trades = position.trades
        if isinstance(trades, TradesById):
            self._unwatched.pop(id(position), None)
            trades.add_listener(self)
            for trade_id, trade in trades.items():
                self._add_trade(trade_id, trade)
        else:
            self._unwatched[id(position)] = position

    def _add_trade(self, trade_id: int, trade: TradeExecution) -> None:
        self._put(self._by_id, trade_id, trade)
        self._live[id(trade)] = trade

    def _let_go(self) -> None:
        """Do not look any more at the trades of positions that left and did not come back."""
        for position in self._left.values():
            if not self._is_in_tables(position):
                self._unwatched.pop(id(position), None)
                for trade in position.trades.values():
                    self._live.pop(id(trade), None)
        self._left.clear()

    def _is_in_tables(self, position: TradingPosition) -> bool:
        return any(table.get(position.position_id) is position for table in self._tables or ())

    def entry_added(self, table: WatchedDict[Any, Any], key: Any, entry: Any) -> None:
        """Take a position or a trade in."""
        if isinstance(entry, TradeExecution):
            self._add_trade(key, entry)
            return
        open_positions, closed_positions, frozen_positions = self._tables or (None, None, None)
        if table is closed_positions:
            # Nearly always it was open before.  Its trades are known, and closing makes no trade live again.
            if self._left.pop(id(entry), None) is None:
                self._add_position(entry)
        elif table is open_positions or table is frozen_positions:
            self._left.pop(id(entry), None)
            self._add_position(entry)

    def entry_removed(self, table: WatchedDict[Any, Any], key: Any, entry: Any) -> None:
        """Do not look at a trade, or at the trades of a position, any more."""
        if isinstance(entry, TradeExecution):
            self._live.pop(id(entry), None)
        else:
            self._left[id(entry)] = entry

    def entry_changed(self, table: WatchedDict[Any, Any], entry: TradeExecution) -> None:
        """Look at the transactions of the trade again."""
        self._live[id(entry)] = entry

    def dict_changed(self, table: WatchedDict[Any, Any]) -> None:
        """Take everything in that may be new."""
        if isinstance(table, TradesById):
            for trade_id, trade in table.items():
                self._add_trade(trade_id, trade)
        else:
            self._forget()

    def dict_replaced(self, table: WatchedDict[Any, Any], owner: TradingPosition) -> None:
        """Take the new trades of a position in."""
        self._left.pop(id(owner), None)  # should it come back, it is not known any more
        if self._is_in_tables(owner):
            self._add_position(owner)
