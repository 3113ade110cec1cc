"""Market orders without a price: the market is closed, its candle began before the decision, or they are on their way.

An order without a known price is queued, and fills at the next price. Until then it is a planned trade of its position,
so that a strategy can see the position and does not order twice; no money moves. When it fills it is planned again, at
the price of then and for the loan of then. Lending has no price; its orders are carried out when they arrive.
"""

import datetime
import enum
import logging
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from tradeexecutor.state.booking.waiting_orders import discard_planned
from tradeexecutor.state.errors import InvalidTrade, LiquidationRisked
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.planned_amounts import LOAN_KINDS
from tradeexecutor.state.trade.predicates import ARRIVES_KEY, WAITED_FOR_MARKET_KEY
from tradeexecutor.strategy.candle_path import PriceRange
from tradeexecutor.strategy.latency import find_share, get_arrival, share_of_candle
from tradeexecutor.strategy.moved_levels import LevelMove
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.pandas_trader.position_rules import PositionManagerError, has_no_market
from tradeexecutor.strategy.pandas_trader.spot_planner import RELATIVE_LEVELS_KEY, sells_all
from tradeexecutor.strategy.repricing import reprice

__all__ = ["ClosedMarket", "MarketQueue", "can_be_late", "is_increase", "prepare_fill", "sort_by_cash"]

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
    moves
        Changes of levels that are on their way.
    """

    waiting: list[TradeExecution] = field(default_factory=list[TradeExecution])
    taken: list[TradeExecution] = field(default_factory=list[TradeExecution])
    cancelled: list[TradeExecution] = field(default_factory=list[TradeExecution])
    refused: list[TradeExecution] = field(default_factory=list[TradeExecution])
    moves: list[LevelMove] = field(default_factory=list[LevelMove])

    def hold_back(
        self, ts: datetime.datetime, trades: list[TradeExecution], policy: ClosedMarket
    ) -> list[TradeExecution]:
        """Queue the trades of a decision at `ts` whose market has no price, and return those that are refused."""
        # A decision with a loan is for the price of now.
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

        Orders that have arrived and need no market are among them. Those that bring cash come first, because they pay
        for the others, and lending comes last.
        """
        taken = [
            trade
            for trade in self.waiting
            if (has_no_market(trade.pair) or (trade.pair.internal_id or 0) in pair_ids)
            if (get_arrival(trade) or ts) <= ts
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
            In the order of `take`; each order with how far into the candle it came, 0-1.
        """
        shares: dict[int, float] = {}
        for trade in self.waiting:
            candle = candles.get(trade.pair.internal_id or 0)
            if candle is not None and candle.start is not None and not has_no_market(trade.pair):
                share = find_share(trade, candle.start, ts)
                if share is not None:
                    shares[trade.trade_id] = share
        taken = [trade for trade in self.waiting if trade.trade_id in shares]
        return [(trade, shares[trade.trade_id]) for trade in self._remove(taken)]

    def _remove(self, taken: list[TradeExecution]) -> list[TradeExecution]:
        if taken:
            self.waiting = [trade for trade in self.waiting if trade not in taken]
        return sort_by_cash(taken)

    def take_moves(self, ts: datetime.datetime, pair_ids: Container[int]) -> list[LevelMove]:
        """Remove and return the changes of levels that have reached these markets at `ts`, at which they open."""
        taken = [
            move for move in self.moves if move.arrives_at <= ts and (move.position.pair.internal_id or 0) in pair_ids
        ]
        self.moves = [move for move in self.moves if move not in taken]
        return taken

    def take_moves_inside(
        self, ts: datetime.datetime, candles: Mapping[int, PriceRange]
    ) -> list[tuple[LevelMove, float]]:
        """Remove and return the changes of levels that arrived inside candles that end at `ts`, as `take_inside`."""
        taken: list[tuple[LevelMove, float]] = []
        for move in self.moves:
            candle = candles.get(move.position.pair.internal_id or 0)
            if candle is not None and candle.start is not None:
                share = share_of_candle(move.decided_at, move.arrives_at, candle.start, ts)
                if share is not None:
                    taken.append((move, share))
        self.moves = [move for move in self.moves if not any(move is other for other, _ in taken)]
        return taken

    def list_arrivals_of_lending(self) -> list[datetime.datetime]:
        """Return when the pending orders arrive that need no market, naive UTC."""
        arrivals = (get_arrival(trade) for trade in self.waiting if has_no_market(trade.pair))
        return [arrival for arrival in arrivals if arrival is not None]

    def waits_for_cash(self, trade: TradeExecution, cash: Decimal) -> bool:
        """Return True if the cash does not pay a supply of credit yet, and orders sent before may still bring some."""
        if not trade.is_credit_supply() or trade.is_sell() or trade.planned_reserve <= cash:
            return False
        arrives_at = get_arrival(trade)
        return any(
            arrives_at is not None and (get_arrival(other) or arrives_at) <= arrives_at
            for other in self.waiting
            if not (other.is_credit_supply() and other.is_buy())
        )

    def cancel(self) -> list[TradeExecution]:
        """Remove all pending orders, and return those that had not lapsed."""
        cancelled = [trade for trade in self.waiting if trade.is_planned()]
        self.waiting = []
        self.cancelled += cancelled
        return cancelled


def can_be_late(trade: TradeExecution) -> bool:
    """Return True if an order fills when it reaches its market, after the latency of a simulation.

    Transfers over bridges and requests to vaults have times of their own.
    """
    return (trade.is_spot() and not trade.pair.is_async_vault()) or trade.pair.kind in LOAN_KINDS


def is_increase(trade: TradeExecution) -> bool:
    """Return True if a trade opens or increases its position, and so takes cash."""
    return not trade.is_reduce() if trade.is_leverage() else trade.is_buy()


def sort_by_cash(trades: Iterable[TradeExecution]) -> list[TradeExecution]:
    """Return trades with those that bring cash first, and lending last; otherwise in the order of planning."""

    def get_rank(trade: TradeExecution) -> tuple[int, int]:
        # The order of a queue is not recorded: a process that is started again has to find the same one.
        return is_increase(trade) + (is_increase(trade) and trade.is_credit_supply()), trade.trade_id

    return sorted(trades, key=get_rank)


def prepare_fill(manager: PositionManager, trade: TradeExecution, price: float | None = None) -> bool:
    """Plan a queued order again, at a mid price; None for the current one.

    Returns
    -------
    bool
        False when it has lapsed: its position is not open any more, nothing is left to sell, it buys or brings less
        than one unit, or its loan does not allow it. The reason is in the notes of the trade. Its execution checks
        whether it can be paid.
    """
    if not trade.is_planned():
        return False
    portfolio, ts = manager.state.portfolio, manager.timestamp
    position = portfolio.open_positions.get(trade.position_id)
    if position is None:
        problem = "its position is not open any more"
    elif trade.pair.kind in LOAN_KINDS:
        problem = _replan_loan(manager, position, trade, price)
    else:
        problem = _replan_spot(manager, position, trade, price)
    if problem is None:
        return True
    trade.add_note(f"lapsed: {problem}")
    logger.warning("%s lapses at %s: %s", trade, ts, problem)
    discard_planned(portfolio, trade, ts)
    return False


def _replan_spot(
    manager: PositionManager, position: TradingPosition, trade: TradeExecution, price: float | None
) -> str | None:
    """Plan a spot trade again, and return why it lapses; None if it does not."""
    if trade.is_buy():
        if _fill_now(manager, trade, price):
            return None
        return f"{trade.planned_reserve} bought less than one unit when its market opened"
    held = position.get_quantity()
    if held <= 0:
        return "nothing is left to sell"
    if -trade.planned_quantity > held or sells_all(trade):
        trade.planned_quantity = -held
    _fill_now(manager, trade, price)
    return None if trade.planned_reserve else f"{-trade.planned_quantity} brings less than one unit"


def _replan_loan(
    manager: PositionManager, position: TradingPosition, trade: TradeExecution, price: float | None
) -> str | None:
    """Plan a trade of a loan again, and return why it lapses; None if it does not."""
    before = trade.planned_mid_price
    try:
        if trade.is_credit_supply():
            manager.replan_credit(position, trade)
        else:
            manager.replan_leverage(position, trade, price)
    except (InvalidTrade, LiquidationRisked, PositionManagerError) as error:
        return str(error)
    _move_relative_levels(position, trade, before)
    return None


def _fill_now(manager: PositionManager, trade: TradeExecution, price: float | None) -> bool:
    """Plan at a price, and adjust levels relative to an older one; return False if it buys too little."""
    before = trade.planned_mid_price
    if not reprice(manager, trade, price):
        return False
    _move_relative_levels(manager.state.portfolio.open_positions[trade.position_id], trade, before)
    return True


def _move_relative_levels(position: TradingPosition, trade: TradeExecution, before: float | None) -> None:
    """Move the levels that a trade has given relative to its price from an older price to the present one.

    A level that has been replaced since stays.
    """
    now = trade.planned_mid_price
    given: Any = (trade.other_data or {}).get(RELATIVE_LEVELS_KEY) or {}
    if isinstance(given, list):  # only names, as states before December 2026 have them
        given = {name: getattr(position, name) for name in cast(list[str], given)}
    if before and now:
        for name, level in given.items():
            if level is not None and getattr(position, name) == level:
                setattr(position, name, level / before * now)
