"""Market orders without a price: the market is closed, or its candle started before the decision.

An order without a known price is queued, and fills at the next price. Until then it is a planned trade of its position,
so that a strategy can see the position and does not order twice; no money moves.
"""

import datetime
import enum
import logging
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from tradeexecutor.state.booking.waiting_orders import discard_planned
from tradeexecutor.state.trade import TradeExecution, TradeFlag
from tradeexecutor.state.trade.predicates import WAITED_FOR_MARKET_KEY
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.pandas_trader.spot_planner import RELATIVE_LEVELS_KEY
from tradeexecutor.strategy.repricing import reprice

__all__ = ["ClosedMarket", "MarketQueue", "prepare_fill"]

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
        Orders whose market has opened; some may have lapsed, see `prepare_fill`.
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

    def add(self, trades: Iterable[TradeExecution]) -> None:
        """Add trades to the queue, and mark them as queued."""
        for trade in trades:
            trade.other_data = {**(trade.other_data or {}), WAITED_FOR_MARKET_KEY: True}
            self.waiting.append(trade)

    def take(self, pair_ids: Container[int]) -> list[TradeExecution]:
        """Remove and return the pending orders of these markets, sells first, because they pay for buys."""
        taken = [trade for trade in self.waiting if (trade.pair.internal_id or 0) in pair_ids]
        if taken:
            self.waiting = [trade for trade in self.waiting if trade not in taken]
            self.taken += taken
        return sorted(taken, key=TradeExecution.is_buy)

    def cancel(self) -> list[TradeExecution]:
        """Remove all pending orders, and return those that had not lapsed."""
        cancelled = [trade for trade in self.waiting if trade.is_planned()]
        self.waiting = []
        self.cancelled += cancelled
        return cancelled


def prepare_fill(manager: PositionManager, trade: TradeExecution) -> bool:
    """Plan a queued order again, at the current price.

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
        if not _fill_now(manager, trade):
            problem = f"{trade.planned_reserve} bought less than one unit when its market opened"
    else:
        held = position.get_quantity()
        if held <= 0:
            problem = "nothing is left to sell"
        else:
            if -trade.planned_quantity > held or TradeFlag.close in (trade.flags or ()):
                trade.planned_quantity = -held
            _fill_now(manager, trade)
    if problem is None:
        return True
    trade.add_note(f"lapsed: {problem}")
    logger.warning("%s lapses at %s: %s", trade, ts, problem)
    discard_planned(portfolio, trade, ts)
    return False


def _fill_now(manager: PositionManager, trade: TradeExecution) -> bool:
    """Plan at the current price, and adjust levels relative to an older one; return False if it buys too little."""
    before = trade.planned_mid_price
    if not reprice(manager, trade, None):
        return False
    now = trade.planned_mid_price
    position = manager.state.portfolio.open_positions[trade.position_id]
    if before and now:
        for name in (trade.other_data or {}).get(RELATIVE_LEVELS_KEY) or ():
            level = getattr(position, name)
            if level is not None:
                setattr(position, name, level / before * now)
    return True
