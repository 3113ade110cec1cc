"""Fields of the portfolio, and how to find positions and trades in it."""

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Any

from tradeexecutor.state.codec.codec import OpenAttributes
from tradeexecutor.state.errors import (
    InvalidValue,
    MultipleOpenPositionsWithAsset,
    NonceAlreadyUsed,
    NotSinglePair,
    PositionNotFound,
)
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.portfolio.trade_index import PositionTables, TradeIndex
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.grouping import (
    PositionTable,
    by_base,
    by_bridge_destination,
    by_pair,
    by_pool,
    narrow_down,
)
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import new_dict

_CCTP_BRIDGE = TradingPairKind.cctp_bridge
_POSITION_TABLES = ("open_positions", "closed_positions", "frozen_positions", "pending_positions", "expired_positions")


@dataclass(slots=True, eq=False, repr=False)
class PortfolioFields(OpenAttributes):
    """Tables of the portfolio.  A position is in exactly one of the position tables."""

    next_position_id: int = 1
    #: Unique over all positions; never reused.
    next_trade_id: int = 1
    next_balance_update_id: int = 1
    #: Position id -> position; this and the other four tables are `PositionTable` after construction.
    open_positions: dict[int, TradingPosition] = field(default_factory=PositionTable)
    #: Asset identifier -> cash; the bare address in old files.
    reserves: dict[str, ReservePosition] = field(default_factory=new_dict)
    closed_positions: dict[int, TradingPosition] = field(default_factory=PositionTable)
    #: Positions that wait for a repair after a failed trade.
    frozen_positions: dict[int, TradingPosition] = field(default_factory=PositionTable)
    #: Backtest aid: value positions without a price as zero.
    revalue_failures_as_zero: bool = False
    #: Positions that wait for a market limit trigger.
    pending_positions: dict[int, TradingPosition] = field(default_factory=PositionTable)
    #: Pending positions whose trigger lapsed.
    expired_positions: dict[int, TradingPosition] = field(default_factory=PositionTable)

    def __post_init__(self) -> None:
        for name in _POSITION_TABLES:
            table = getattr(self, name)
            if not isinstance(table, PositionTable):
                setattr(self, name, PositionTable(table))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __repr__(self) -> str:
        cash = ", ".join(f"{reserve.quantity} {reserve.asset.token_symbol}" for reserve in self.reserves.values())
        return (
            f"<Portfolio with {len(self.open_positions)} open, {len(self.frozen_positions)} frozen and "
            f"{len(self.closed_positions)} closed positions, {cash or 'no reserves'}>"
        )


class PortfolioLookup(PortfolioFields):
    """Look-ups.  Iterables run open, closed, frozen, in the order of the tables.

    None of them scans a table for a pair, an asset, a trade id or a transaction, see
    :mod:`~tradeexecutor.state.position.grouping` and :mod:`~tradeexecutor.state.portfolio.trade_index`.
    """

    __slots__ = ()

    #: Set when a trade is first looked up; not part of the data.
    _trade_index: TradeIndex | None = None

    def is_empty(self) -> bool:
        """Tell whether there are neither reserves nor open or closed positions."""
        return not (self.open_positions or self.reserves or self.closed_positions)

    # --- Positions

    def get_position_tables(self) -> tuple[dict[int, TradingPosition], ...]:
        """Return all five position tables."""
        return (
            self.open_positions,
            self.closed_positions,
            self.frozen_positions,
            self.pending_positions,
            self.expired_positions,
        )

    def get_all_positions(self, pending: bool = False) -> Iterable[TradingPosition]:
        """Iterate over open, closed and frozen positions, then the pending ones if asked."""
        tables = [self.open_positions, self.closed_positions, self.frozen_positions]
        if pending:
            tables.append(self.pending_positions)
        return chain.from_iterable(table.values() for table in tables)

    def get_open_positions(self) -> Iterable[TradingPosition]:
        """Iterate over open positions."""
        return self.open_positions.values()

    def get_open_and_frozen_positions(self) -> Iterable[TradingPosition]:
        """Iterate over open and frozen positions."""
        return chain(self.open_positions.values(), self.frozen_positions.values())

    def get_unfrozen_positions(self) -> Iterator[TradingPosition]:
        """Iterate over positions that a repair unfroze."""
        positions = chain(self.open_positions.values(), self.closed_positions.values())
        return (position for position in positions if position.is_unfrozen())

    def get_executed_positions(self) -> Iterator[TradingPosition]:
        """Iterate over open positions with at least one successful trade."""
        return (position for position in self.open_positions.values() if position.has_executed_trades())

    def get_position_by_id(self, position_id: int) -> TradingPosition:
        """Return an open, closed or frozen position.

        Raises
        ------
        PositionNotFound
            Unknown id; pending and expired positions are not searched.
        """
        position = (
            self.open_positions.get(position_id)
            or self.closed_positions.get(position_id)
            or self.frozen_positions.get(position_id)
        )
        if position is not None:
            return position
        raise PositionNotFound(f"no open, closed or frozen position #{position_id}")

    def find_position_for_trade(self, trade: TradeExecution, pending: bool = False) -> TradingPosition:
        """Return the position of a trade; `pending` searches the pending positions first.

        Raises
        ------
        PositionNotFound
            The position does not exist, or the trade is not one of its trades.
        """
        position_id, trade_id = trade.position_id, trade.trade_id
        if pending and position_id in self.pending_positions:
            position = self.pending_positions[position_id]
        else:
            position = self.open_positions.get(position_id) or self.get_position_by_id(position_id)
        if position.trades.get(trade_id) is not trade and position.pending_trades.get(trade_id) is not trade:
            raise PositionNotFound(f"trade #{trade_id} is not one of the trades of position #{position.position_id}")
        return position

    def get_open_position_for_pair(self, pair: TradingPairIdentifier) -> TradingPosition | None:
        """Return the first open position in the same pool."""
        return _find_by_pool(self.open_positions, pair)

    def iterate_open_positions_for_pair(self, pair: TradingPairIdentifier) -> Iterator[TradingPosition]:
        """Iterate over the open positions with an equal pair; no position must open or close meanwhile."""
        return _find_by_pair(self.open_positions, pair)

    def get_pending_position_for_pair(self, pair: TradingPairIdentifier) -> TradingPosition | None:
        """Return the first pending position in the same pool."""
        return _find_by_pool(self.pending_positions, pair)

    def get_position_by_trading_pair(
        self, pair: TradingPairIdentifier, pending: bool = False
    ) -> TradingPosition | None:
        """Return the first open position with an equal pair; with `pending` a pending one wins."""
        tables = (self.pending_positions, self.open_positions) if pending else (self.open_positions,)
        for table in tables:
            for position in _find_by_pair(table, pair):
                return position
        return None

    def get_existing_open_position_by_trading_pair(self, pair: TradingPairIdentifier) -> TradingPosition | None:
        """Return the first open position in the same pool that has a successful trade."""
        pool = pair.get_identifier()
        for position in narrow_down(self.open_positions, by_pool, pool):
            if position.pair.get_identifier() == pool and position.has_executed_trades():
                return position
        return None

    def get_frozen_position(self, pair: TradingPairIdentifier) -> TradingPosition | None:
        """Return the first frozen position with an equal pair."""
        return next(iter(_find_by_pair(self.frozen_positions, pair)), None)

    def get_closed_positions_for_pair(
        self, pair: TradingPairIdentifier, include_test_position: bool = False
    ) -> list[TradingPosition]:
        """Return closed positions with an equal pair, test positions only if asked."""
        return [
            position
            for position in _find_by_pair(self.closed_positions, pair)
            if include_test_position or not position.is_test()
        ]

    def get_open_position_for_asset(self, asset: AssetIdentifier) -> TradingPosition | None:
        """Return the open position that holds `asset`.

        Raises
        ------
        MultipleOpenPositionsWithAsset
            There is more than one.
        """
        candidates = narrow_down(self.open_positions, by_base, asset)
        found = [position for position in candidates if position.pair.base == asset]
        if len(found) > 1:
            ids = ", ".join(f"#{position.position_id}" for position in found)
            raise MultipleOpenPositionsWithAsset(f"{asset} is held by open positions {ids}")
        return found[0] if found else None

    def get_positions_closed_at(self, ts: datetime.datetime) -> Iterator[TradingPosition]:
        """Iterate over positions closed exactly at `ts`."""
        return (position for position in self.closed_positions.values() if position.closed_at == ts)

    def get_bridge_position_for_chain(self, chain_id: int) -> TradingPosition | None:
        """Return the first open bridge position whose capital is on the chain."""
        # Runs several times for every trade: the loop without a generator.
        for position in narrow_down(self.open_positions, by_bridge_destination, chain_id):
            pair = position.pair
            if pair.kind is _CCTP_BRIDGE and pair.get_destination_chain_id() == chain_id:
                return position
        return None

    def find_bridge_position_for_chain(self, chain_id: int) -> TradingPosition | None:
        """Return the position that accounts for the capital on a chain: open, else frozen, else the one closed last."""
        bridge = self.get_bridge_position_for_chain(chain_id)
        if bridge is None:
            bridge = next(_iterate_bridges(self.frozen_positions, chain_id), None)
        return self.find_closed_bridge_position_for_chain(chain_id) if bridge is None else bridge

    def find_closed_bridge_position_for_chain(self, chain_id: int) -> TradingPosition | None:
        """Return the bridge position to the chain that was closed last."""
        candidates = _iterate_bridges(self.closed_positions, chain_id)
        return max(candidates, key=lambda position: position.closed_at or position.opened_at, default=None)

    def get_open_quantities_by_position_id(self) -> dict[str, Decimal]:
        """Return position identifier -> quantity, open positions."""
        return {position.get_identifier(): position.get_quantity() for position in self.open_positions.values()}

    def get_open_quantities_by_internal_id(self) -> dict[int, Decimal]:
        """Return pair internal id -> quantity, open positions."""
        result: dict[int, Decimal] = {}
        for position in self.open_positions.values():
            if not position.pair.internal_id:
                raise InvalidValue(f"{position.pair} has no internal id")
            result[position.pair.internal_id] = position.get_quantity()
        return result

    def get_equity_for_pair(self, pair: TradingPairIdentifier) -> Decimal:
        """Return the *quantity* of the open position for the pair, base token units; 0 without one."""
        position = self.get_open_position_for_pair(pair)
        return position.get_quantity() if position is not None else Decimal(0)

    # --- Positions by kind

    def get_current_credit_positions(self) -> list[TradingPosition]:
        """Return open and frozen credit supply positions."""
        return [position for position in self.get_open_and_frozen_positions() if position.is_credit_supply()]

    def get_leverage_positions(self) -> list[TradingPosition]:
        """Return open and frozen leveraged positions."""
        return [position for position in self.get_open_and_frozen_positions() if position.is_leverage()]

    def get_current_interest_positions(self) -> list[TradingPosition]:
        """Return credit positions, then leveraged ones."""
        return self.get_current_credit_positions() + self.get_leverage_positions()

    def get_open_loans(self) -> list[Loan]:
        """Return the loans of open and frozen positions."""
        return [position.loan for position in self.get_open_and_frozen_positions() if position.loan is not None]

    # --- Trades

    def get_all_trades(self) -> Iterator[TradeExecution]:
        """Iterate over the trades of open, closed and frozen positions."""
        return chain.from_iterable(position.trades.values() for position in self.get_all_positions())

    def get_trade_by_id(self, trade_id: int) -> TradeExecution | None:
        """Return a trade of an open, closed or frozen position."""
        return self._get_trade_index().find_by_id(self._get_tables_with_trades(), trade_id)

    def get_trade_by_tx_hash(self, tx_hash: str) -> TradeExecution | None:
        """Return the trade that made a blockchain transaction."""
        return self._get_trade_index().find_by_transaction(self._get_tables_with_trades(), "tx_hash", tx_hash)

    def _get_trade_index(self) -> TradeIndex:
        index = self._trade_index
        if index is None:
            index = self._trade_index = TradeIndex()
        return index

    def _get_tables_with_trades(self) -> PositionTables:
        return self.open_positions, self.closed_positions, self.frozen_positions

    def has_unexecuted_trades(self) -> bool:
        """Tell whether any trade of an open position is started or broadcasted."""
        return any(position.has_unexecuted_trades() for position in self.open_positions.values())

    def check_for_nonce_reuse(self, nonce: int) -> None:
        """Raise `NonceAlreadyUsed` if a blockchain transaction already has the nonce."""
        trade = self._get_trade_index().find_by_transaction(self._get_tables_with_trades(), "nonce", nonce)
        if trade is not None:
            tx_hash = next(tx.tx_hash for tx in trade.blockchain_transactions if tx.nonce == nonce)
            raise NonceAlreadyUsed(
                f"nonce {nonce} is already used by trade #{trade.trade_id}, transaction {tx_hash}",
                nonce,
                trade.trade_id,
            )

    def get_first_and_last_executed_trade(self) -> tuple[TradeExecution | None, TradeExecution | None]:
        """Return the earliest and the latest executed trade.

        Both start from the very first trade of the portfolio, so they are None only when there is no trade at
        all, and may be an unexecuted trade when none was executed.
        """
        first = last = next(self.get_all_trades(), None)
        for trade in self.get_all_trades():
            if trade.executed_at is None:
                continue
            if first is None or first.executed_at is None or trade.executed_at < first.executed_at:
                first = trade
            if last is None or last.executed_at is None or trade.executed_at > last.executed_at:
                last = trade
        return first, last

    def get_trading_history_duration(self) -> datetime.timedelta | None:
        """Return the time between the first and the last executed trade; None without executed trades."""
        first, last = self.get_first_and_last_executed_trade()
        if first is None or last is None or first.executed_at is None or last.executed_at is None:
            return None
        return last.executed_at - first.executed_at

    # --- Pairs

    def get_all_traded_pairs(self) -> Iterable[TradingPairIdentifier]:
        """Return the unique pairs of all positions, in order of first appearance."""
        return list(dict.fromkeys(position.pair for position in self.get_all_positions()))

    def get_single_pair(self) -> TradingPairIdentifier:
        """Return the only traded pair; raises `NotSinglePair` otherwise."""
        pairs = list(self.get_all_traded_pairs())
        if len(pairs) != 1:
            raise NotSinglePair(f"expected one traded pair, got {len(pairs)}")
        return pairs[0]


def _find_by_pair(table: dict[int, TradingPosition], pair: TradingPairIdentifier) -> Iterator[TradingPosition]:
    for position in narrow_down(table, by_pair, pair):
        if position.pair is pair or position.pair == pair:
            yield position


def _find_by_pool(table: dict[int, TradingPosition], pair: Any) -> TradingPosition | None:
    if not isinstance(pair, TradingPairIdentifier):
        raise InvalidValue(f"expected a TradingPairIdentifier, got {pair!r}")
    pool = pair.get_identifier()
    candidates = narrow_down(table, by_pool, pool)
    return next((position for position in candidates if position.pair.get_identifier() == pool), None)


def _iterate_bridges(table: dict[int, TradingPosition], chain_id: int) -> Iterator[TradingPosition]:
    for position in narrow_down(table, by_bridge_destination, chain_id):
        pair = position.pair
        if pair.kind is _CCTP_BRIDGE and pair.get_destination_chain_id() == chain_id:
            yield position
