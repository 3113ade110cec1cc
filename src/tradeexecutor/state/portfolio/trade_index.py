"""An index of the trades of a portfolio by id, nonce and transaction hash.

The index covers the trades of open, closed and frozen positions. Its result is always that of a scan of the position
tables: the first trade in the order of the tables.

How the index stays correct:

1. It watches the position tables, the `trades` table of each position in them, and assignments to `position.trades`,
   see :mod:`tradeexecutor.state.codec.watched_dict` and `watched_record`. So it has the id of every trade that was
   added.
2. Transactions of a trade without outcome may change unnoticed: they are assigned, appended and signed. A failed trade
   may be tried again. The index therefore reads the transactions of these live trades in every look-up. Once a trade
   is executed, repaired or expired, or is planned in a closed position, the index stores its transactions and attaches
   the trade to its table: an assignment to its `blockchain_transactions` or to one of its times makes it live again.
3. A trade that was found is checked before it is returned. If it is no longer there, or several trades have the
   same id, nonce or hash, the tables are scanned.
4. Position tables and `trades` that are plain dictionaries cannot be watched and are scanned in every look-up.

One change is not noticed: a transaction is appended to an executed trade, or gets another nonce or hash, while nothing
is assigned to the trade itself.

The first few look-ups are scans, so only portfolios with many look-ups pay for building the index.
"""

from typing import Any, Literal, TypeAlias, cast

from tradeexecutor.state.codec.watched_dict import WatchedDict
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.grouping import PositionsById
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.totals import TradesById

#: Open, closed and frozen positions, in this order.
PositionTables: TypeAlias = tuple[dict[int, TradingPosition], dict[int, TradingPosition], dict[int, TradingPosition]]
#: Name of the transaction field by which a trade is looked up.
TransactionField: TypeAlias = Literal["nonce", "tx_hash"]

#: Number of look-ups that are scans; together they cost about as much as building the index.
LOOKUPS_BEFORE_INDEX = 10

_CLOSED = 1


def scan_for_id(tables: PositionTables, trade_id: int) -> TradeExecution | None:
    """Return the first trade with the id, None without one."""
    for table in tables:
        for position in table.values():
            trade = position.trades.get(trade_id)
            if trade is not None:
                return trade
    return None


def scan_for_transaction(tables: PositionTables, field: TransactionField, value: Any) -> TradeExecution | None:
    """Return the first trade with a transaction whose `field` is `value`, None without one."""
    for table in tables:
        for position in table.values():
            for trade in position.trades.values():
                if _has_transaction(trade, field, value):
                    return trade
    return None


def _has_transaction(trade: TradeExecution, field: TransactionField, value: Any) -> bool:
    for tx in trade.blockchain_transactions:  # noqa: SIM110 - runs for every live trade in every look-up
        if getattr(tx, field) == value:
            return True
    return False


class TradeIndex:
    """Index of the trades of one portfolio by id, nonce and transaction hash."""

    __slots__ = (
        "__weakref__",
        "_by_field",
        "_by_id",
        "_is_disabled",
        "_live",
        "_lookup_count",
        "_removed",
        "_tables",
        "_unwatched",
    )

    def __init__(self) -> None:
        self._lookup_count = 0
        self._is_disabled = False
        self._forget()

    def _forget(self) -> None:
        self._tables: PositionTables | None = None
        # The value is None if several trades have the same key: then the tables are scanned.
        self._by_id: dict[int, TradeExecution | None] = {}
        self._by_field: dict[TransactionField, dict[Any, TradeExecution | None]] = {"nonce": {}, "tx_hash": {}}
        #: id() -> trade whose transactions are read in every look-up.
        self._live: dict[int, TradeExecution] = {}
        #: id() -> position whose trades are scanned in every look-up, because its table cannot be watched.
        self._unwatched: dict[int, TradingPosition] = {}
        #: id() -> position that was removed from a table, probably to be added to another one.
        self._removed: dict[int, TradingPosition] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return TradeIndex, ()  # a copy of the portfolio has an index of its own

    def disable(self) -> None:
        """Answer every look-up by a scan, which several threads may do at the same time."""
        self._forget()
        self._is_disabled = True

    # --- Look-ups

    def find_by_id(self, tables: PositionTables, trade_id: int) -> TradeExecution | None:
        """Return the trade with the id, None if there is none."""
        if not self._prepare(tables):
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
        if not self._prepare(tables):
            return scan_for_transaction(tables, field, value)
        self._store_transactions()
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
        """Return the `trades` table that contains the trade, None if its position does not."""
        for table in self._tables or ():
            position = table.get(trade.position_id)
            if position is not None:
                trades = position.trades
                if trades.get(trade.trade_id if trade_id is None else trade_id) is trade:
                    return trades
        return None

    def _store_transactions(self) -> None:
        """Store the transactions of the trades that have got their outcome since the last look-up."""
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
        self._live = live  # a new dictionary, because one that was large once stays slow to iterate

    def _put(self, index: dict[Any, TradeExecution | None], key: Any, trade: TradeExecution) -> None:
        other = index.setdefault(key, trade)
        if other is not trade and other is not None:
            index[key] = trade if self._find_table(other) is None else None

    # --- Following the tables

    def _prepare(self, tables: PositionTables) -> bool:
        """Return True if the index covers these tables, after building it if needed; False if they must be scanned."""
        if self._is_disabled:
            return False
        own = self._tables
        if own is not None and own[0] is tables[0] and own[1] is tables[1] and own[2] is tables[2]:
            if self._removed:
                self._drop_removed()
            return True
        self._lookup_count += 1
        if self._lookup_count <= LOOKUPS_BEFORE_INDEX or not all(isinstance(table, PositionsById) for table in tables):
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

    def _drop_removed(self) -> None:
        """Drop the trades of positions that were removed and are in no table now."""
        for position in self._removed.values():
            if not self._is_in_tables(position):
                self._unwatched.pop(id(position), None)
                for trade in position.trades.values():
                    self._live.pop(id(trade), None)
        self._removed.clear()

    def _is_in_tables(self, position: TradingPosition) -> bool:
        return any(table.get(position.position_id) is position for table in self._tables or ())

    def entry_added(self, table: WatchedDict[Any, Any], key: Any, entry: Any) -> None:
        """Add a position or a trade to the index."""
        if isinstance(entry, TradeExecution):
            self._add_trade(key, entry)
            return
        open_positions, closed_positions, frozen_positions = self._tables or (None, None, None)
        if table is closed_positions:
            # Nearly always it was open before: its trades are in the index, and closing makes no trade live again.
            if self._removed.pop(id(entry), None) is None:
                self._add_position(entry)
        elif table is open_positions or table is frozen_positions:
            self._removed.pop(id(entry), None)
            self._add_position(entry)

    def entry_removed(self, table: WatchedDict[Any, Any], key: Any, entry: Any) -> None:
        """Drop a trade; mark a position as removed."""
        if isinstance(entry, TradeExecution):
            self._live.pop(id(entry), None)
        else:
            self._removed[id(entry)] = entry

    def entry_changed(self, table: WatchedDict[Any, Any], entry: Any) -> None:
        """Read the transactions of a trade in every look-up again."""
        if isinstance(entry, TradeExecution):
            self._live[id(entry)] = entry

    def dict_changed(self, table: WatchedDict[Any, Any]) -> None:
        """Add all trades of a table again; a changed position table discards the index."""
        if isinstance(table, TradesById):
            for trade_id, trade in table.items():
                self._add_trade(trade_id, trade)
        else:
            self._forget()

    def dict_replaced(self, table: WatchedDict[Any, Any], owner: TradingPosition) -> None:
        """Add the new trades of a position to the index."""
        self._removed.pop(id(owner), None)  # if it is added to a table again, its new trades are added, too
        if self._is_in_tables(owner):
            self._add_position(owner)
