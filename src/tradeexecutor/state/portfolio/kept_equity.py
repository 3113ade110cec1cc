"""The value of the open positions of a portfolio, added up once for all trades that a decision plans.

Every planned trade records the equity of the portfolio. Nothing but plans changes between two trades of a decision, so
a `KeptEquity` adds up the positions once and watches everything that the sum depends on, see
:mod:`tradeexecutor.state.codec.watched_dict`: the table of open positions, the price of each position, its trades and
its balance events. Any change of these discards the sum, also one by code that assigns to fields. A planned trade
changes no equity; it is watched from then on, because its start does.

Only spot positions without balance events are kept, whose trades are settled or planned. With any other position
nothing is kept. The sum has the digits of the loop over all positions: the table is added up in its order, and new
positions are added at its end.

Watching takes longer than adding up, so the first few requests of a decision keep nothing.
"""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import datetime
from itertools import islice
from typing import Any

from tradeexecutor.state.codec.watched_dict import WatchedDict
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.balance_totals import BalanceUpdatesById
from tradeexecutor.state.position.grouping import PositionsById
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.totals import TradesById
from tradeexecutor.state.types import USDollarAmount

__all__ = ["KeptEquity"]

#: Number of requests of a decision that keep nothing; together they cost about as much as watching.
_REQUESTS_BEFORE_KEEPING = 3

_SPOT = TradingPairKind.spot_market_hold


class KeptEquity:
    """Kept sum of cash and open positions of one portfolio; implements `DictListener`."""

    __slots__ = ("__weakref__", "_asked_at", "_cash", "_count", "_positions", "_requests", "_total")

    def __init__(self) -> None:
        self._asked_at: datetime.datetime | None = None
        self._cash: USDollarAmount = 0.0
        self._total: USDollarAmount = 0.0
        self._forget()

    def __reduce__(self) -> tuple[Any, ...]:
        return KeptEquity, ()  # a copy of the portfolio keeps a sum of its own

    def _forget(self) -> None:
        self._requests = 0
        #: The table that was added up, None for none, and how many of its positions.
        self._positions: dict[int, TradingPosition] | None = None
        self._count = 0

    def find(
        self, positions: dict[int, TradingPosition], cash: USDollarAmount, asked_at: datetime.datetime
    ) -> USDollarAmount | None:
        """Return cash and positions added up, USD; None if they have to be added up without keeping the sum.

        Parameters
        ----------
        positions
            The open positions of the portfolio.
        cash
            Its cash, USD.
        asked_at
            Time of the decision.
        """
        if positions is self._positions and cash == self._cash and len(positions) == self._count:
            return self._total
        if positions is not self._positions or cash != self._cash:
            if asked_at != self._asked_at or cash != self._cash:
                self._forget()
                self._asked_at, self._cash = asked_at, cash
            self._requests += 1
            if self._requests <= _REQUESTS_BEFORE_KEEPING or not isinstance(positions, PositionsById):
                return None
            positions.add_listener(self)
            self._positions, self._total, self._count = positions, cash, 0
        return self._add_rest(positions)

    def _add_rest(self, positions: dict[int, TradingPosition]) -> USDollarAmount | None:
        """Add the positions at the end of the table that are not in the sum."""
        assert isinstance(positions, PositionsById)
        for position in islice(positions.values(), self._count, None):
            value = self._watch(positions, position)
            if value is None:
                self._forget()
                return None
            self._total += value
        self._count = len(positions)
        return self._total

    def _watch(self, positions: PositionsById, position: TradingPosition) -> USDollarAmount | None:
        """Return the equity of a position and notice its changes from now on; None if not all can be noticed."""
        trades, updates = position._trades, position._balance_updates
        if (
            position.pair.kind is not _SPOT
            or updates
            or not isinstance(trades, TradesById)
            or not isinstance(updates, BalanceUpdatesById)
        ):
            return None
        settled, rest = trades.count_settled()
        if settled.locked_reserve:
            return None
        for trade in rest:
            if not _watch_plan(trades, trade):
                return None
        if not position.attach(positions, position.position_id):
            return None
        trades.add_listener(self)
        updates.add_listener(self)
        return settled.get_tokens_as_float() * position._last_token_price

    # --- Following the tables

    def entry_added(self, table: WatchedDict[Any, Any], key: Any, entry: Any) -> None:
        """Watch a planned trade; a new position is added to the sum by the next request."""
        if table is self._positions or self._positions is None:
            return
        if not (isinstance(table, TradesById) and _watch_plan(table, entry)):
            self._forget()

    def entry_removed(self, table: WatchedDict[Any, Any], key: Any, entry: Any) -> None:
        """Discard the sum."""
        self._forget()

    def entry_changed(self, table: WatchedDict[Any, Any], entry: Any) -> None:
        """Discard the sum."""
        self._forget()

    def dict_changed(self, table: WatchedDict[Any, Any]) -> None:
        """Discard the sum."""
        self._forget()

    def dict_replaced(self, table: WatchedDict[Any, Any], owner: Any) -> None:
        """Discard the sum."""
        self._forget()


def _watch_plan(trades: TradesById, trade: TradeExecution) -> bool:
    """Return True if a trade is planned, so that it changes no equity, and is watched from now on."""
    return trade._started_at is None and trade._executed_quantity is None and trade.attach(trades, trade.trade_id)
