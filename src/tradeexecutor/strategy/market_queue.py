"""Market orders without a price: the market is closed, its candle began before the decision, or they are on their way.

An order without a known price is queued, and fills at the next price. Until then it is a planned trade of its position,
so that a strategy can see the position and does not order twice; no money moves.
"""

import datetime
import enum
import logging
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from tradeexecutor.state.booking.waiting_orders import discard_planned
from tradeexecutor.state.trade import TradeExecution, TradeFlag
from tradeexecutor.state.trade.predicates import ARRIVES_KEY, WAITED_FOR_MARKET_KEY
from tradeexecutor.strategy.candle_path import PriceRange
from tradeexecutor.strategy.latency import find_share, get_arrival
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.pandas_trader.spot_planner import RELATIVE_LEVELS_KEY
from tradeexecutor.strategy.repricing import reprice

__all__ = ["ClosedMarket", "MarketQueue", "can_be_late", "prepare_fill"]

logger = logging.getLogger(__name__)


class ClosedMarket(enum.Enum):
    """What happens to an order while its market has no price."""

    #: It fills at the next open.
    wait = "wait"
    #: It lapses at once.
    refuse = "refuse"


@dataclass(slots=True)
class MarketQueue:
    """Queue of orders that are pending until their market opens.

    Attributes
    ----------
    waiting
        Pending orders in the order in which they were placed.
    taken
        Orders that had to wait for the open of their market; some may have lapsed, see `prepare_fill`.
    cancelled
        Orders whose market did not open again.
    refused
        Orders that `ClosedMarket.refuse` refused.
    """

    waiting: list[TradeExecution] = field(default_factory=list[TradeExecution])
    taken: list[TradeExecution] = field(default_factory=list[TradeExecution])
    cancelled: list[TradeExecution] = field(default_factory=list[TradeExecution])
    refused: list[TradeExecution] = field(default_factory=list[TradeExecution])

    def hold_back(
        self, ts: datetime.datetime, trades: list[TradeExecution], policy: ClosedMarket
    ) -> list[TradeExecution]:
        """Queue the trades of a decision at `ts` whose market has no price, and return those that are refused."""
        # The plan of a loan depends on the price, so an order for one does not wait.
        if policy is ClosedMarket.wait and not any(trade.pair.kind.is_leverage() for trade in trades):
            self.add(trades)
            return []
        for trade in trades:
            trade.add_note(f"refused: {trade.pair.get_ticker()} is closed at {ts}")
        self.refused += trades
        return trades

    def send(self, trades: Iterable[TradeExecution], arrives_at: datetime.datetime) -> None:
        """Add trades that reach their market later."""
        for trade in trades:
            trade.other_data = {**(trade.other_data or {}), ARRIVES_KEY: arrives_at.isoformat()}
            if trade not in self.waiting:
                self.waiting.append(trade)

    def add(self, trades: Iterable[TradeExecution]) -> None:
        """Add trades to the queue, and mark them as queued."""
        for trade in trades:
            trade.other_data = {**(trade.other_data or {}), WAITED_FOR_MARKET_KEY: True}
            self.waiting.append(trade)

    def take(self, ts: datetime.datetime, pair_ids: Container[int]) -> list[TradeExecution]:
        """Remove and return the pending orders that have reached these markets at `ts`, at which they open.

        Sells come first, because they pay for buys.
        """
        taken = [
            trade
            for trade in self.waiting
            if (trade.pair.internal_id or 0) in pair_ids and (get_arrival(trade) or ts) <= ts
        ]
        self.taken += [trade for trade in taken if WAITED_FOR_MARKET_KEY in (trade.other_data or ())]
        return self._remove(taken)

    def take_inside(
        self, ts: datetime.datetime, candles: Mapping[int, PriceRange]
    ) -> list[tuple[TradeExecution, float]]:
        """Remove and return the pending orders that have reached their markets inside candles that end at `ts`.

        Parameters
        ----------
        ts
            End of the candles, naive UTC.
        candles
            Candles by the internal ids of their pairs.

        Returns
        -------
        list
            Sells first; each order with how far into the candle it came, 0-1.
        """
        shares: dict[int, float] = {}
        for trade in self.waiting:
            candle = candles.get(trade.pair.internal_id or 0)
            if candle is not None and candle.start is not None:
                share = find_share(trade, candle.start, ts)
                if share is not None:
                    shares[trade.trade_id] = share
        taken = [trade for trade in self.waiting if trade.trade_id in shares]
        return [(trade, shares[trade.trade_id]) for trade in self._remove(taken)]

    def _remove(self, taken: list[TradeExecution]) -> list[TradeExecution]:
        if taken:
            self.waiting = [trade for trade in self.waiting if trade not in taken]
        return sorted(taken, key=TradeExecution.is_buy)

    def cancel(self) -> list[TradeExecution]:
        """Remove all pending orders, and return those that had not lapsed."""
        cancelled = [trade for trade in self.waiting if trade.is_planned()]
        self.waiting = []
        self.cancelled += cancelled
        return cancelled


def can_be_late(trade: TradeExecution) -> bool:
    """Return True if an order fills at the price at which it reaches its market, after the latency of a simulation.

    The plan of a loan depends on the price of its decision, and a request to a vault that settles later has no price.
    """
    return trade.is_spot() and not trade.pair.is_async_vault()


def prepare_fill(manager: PositionManager, trade: TradeExecution, price: float | None = None) -> bool:
    """Plan a queued order again, at a mid price; None for the current one.

    Returns
    -------
    bool
        False when it has lapsed: its position is not open any more, nothing is left to sell, or it buys less than one
        unit. The reason is in the notes of the trade. Its execution checks whether it can be paid.
    """
    if not trade.is_planned():
        return False
    portfolio, ts = manager.state.portfolio, manager.timestamp
    position = portfolio.open_positions.get(trade.position_id)
    problem = None
    if position is None:
        problem = "its position is not open any more"
    elif trade.is_buy():
        if not _fill_now(manager, trade, price):
            problem = f"{trade.planned_reserve} bought less than one unit when its market opened"
    else:
        held = position.get_quantity()
        if held <= 0:
            problem = "nothing is left to sell"
        else:
            if -trade.planned_quantity > held or TradeFlag.close in (trade.flags or ()):
                trade.planned_quantity = -held
            _fill_now(manager, trade, price)
    if problem is None:
        return True
    trade.add_note(f"lapsed: {problem}")
    logger.warning("%s lapses at %s: %s", trade, ts, problem)
    discard_planned(portfolio, trade, ts)
    return False


def _fill_now(manager: PositionManager, trade: TradeExecution, price: float | None) -> bool:
    """Plan at a price, and adjust levels relative to an older one; return False if it buys too little."""
    before = trade.planned_mid_price
    if not reprice(manager, trade, price):
        return False
    now = trade.planned_mid_price
    position = manager.state.portfolio.open_positions[trade.position_id]
    if before and now:
        for name in (trade.other_data or {}).get(RELATIVE_LEVELS_KEY) or ():
            level = getattr(position, name)
            if level is not None:
                setattr(position, name, level / before * now)
    return True
