"""Market orders that found no price: the market is closed, or its candle has begun before the decision.

An order of a moment at which no price is known waits for the next one, and fills at it. Until then it is a planned
trade of its position, so that a strategy that looks for the position finds it and does not order twice; no money moves.
"""

import enum
import logging
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from tradeexecutor.state.booking.waiting_orders import discard_planned
from tradeexecutor.state.trade import TradeExecution, TradeFlag
from tradeexecutor.state.trade.predicates import WAITED_FOR_MARKET_KEY
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.pandas_trader.spot_planner import RELATIVE_LEVELS_KEY
from tradeexecutor.strategy.stop_loss import reprice

__all__ = ["ClosedMarket", "MarketQueue", "prepare_fill"]

logger = logging.getLogger(__name__)


class ClosedMarket(enum.Enum):
    """What becomes of an order while its market has no price."""

    #: It fills at the next open.
    wait = "wait"
    #: It lapses at once.
    refuse = "refuse"


@dataclass(slots=True)
class MarketQueue:
    """Orders by the market that they wait for.

    Attributes
    ----------
    waiting
        In the order in which they were placed.
    taken
        Those whose market has opened; some lapsed nevertheless, see `prepare_fill`.
    cancelled
        Those whose market did not open again.
    refused
        Those that were not allowed to wait.
    """

    waiting: list[TradeExecution] = field(default_factory=list[TradeExecution])
    taken: list[TradeExecution] = field(default_factory=list[TradeExecution])
    cancelled: list[TradeExecution] = field(default_factory=list[TradeExecution])
    refused: list[TradeExecution] = field(default_factory=list[TradeExecution])

    def add(self, trades: Iterable[TradeExecution]) -> None:
        """Let trades wait, and note that they do."""
        for trade in trades:
            trade.other_data = {**(trade.other_data or {}), WAITED_FOR_MARKET_KEY: True}
            self.waiting.append(trade)

    def take(self, pair_ids: Container[int]) -> list[TradeExecution]:
        """Remove and return what waits for any of these markets, sells first, because they pay for buys."""
        taken = [trade for trade in self.waiting if (trade.pair.internal_id or 0) in pair_ids]
        if taken:
            self.waiting = [trade for trade in self.waiting if trade not in taken]
            self.taken += taken
        return sorted(taken, key=TradeExecution.is_buy)

    def cancel(self) -> list[TradeExecution]:
        """Remove all that waits; return what has not lapsed by itself."""
        cancelled = [trade for trade in self.waiting if trade.is_planned()]
        self.waiting = []
        self.cancelled += cancelled
        return cancelled


def prepare_fill(manager: PositionManager, trade: TradeExecution) -> bool:
    """Plan an order that has waited anew at the price of now.

    Returns
    -------
    bool
        False when it has lapsed meanwhile, or lapses now, with a note: there is no position any more, nothing is left
        to sell, or it buys less than one unit. Whether it can be paid is found out by its execution.
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
            problem = f"{trade.planned_reserve} buy less than one unit when its market opened"
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
    """Plan at the price of now; levels that were planned relative to an older price follow it."""
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
