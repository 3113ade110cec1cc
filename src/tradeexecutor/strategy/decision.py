"""Checks of the result of ``decide_trades``, and the errors of a decision."""

import datetime
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from tradeexecutor.state.booking.waiting_orders import is_waiting
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag
from tradeexecutor.state.trade.pricing import PriceImpactToleranceExceeded
from tradeexecutor.state.types import Percent
from tradeexecutor.strategy.author_code import call_with_one

__all__ = ["DecisionFailed", "InvalidDecision", "call_strategy", "check_decision", "limit_impact"]


_TRIGGERED = TradeFlag.triggered  # reading a member from its enum class is slow in Python 3.11


class DecisionFailed(TradeExecutorError, RuntimeError):
    """``decide_trades`` or a hook of the strategy raised an error, which is the cause of this one.

    Attributes
    ----------
    cycle, timestamp
        Number and time of the decision.
    """

    def __init__(self, message: str, cycle: int, timestamp: datetime.datetime):
        super().__init__(f"cycle {cycle} at {timestamp}: {message}")
        self.cycle = cycle
        self.timestamp = timestamp


class InvalidDecision(DecisionFailed, ValueError):
    """``decide_trades`` returned something that cannot be executed."""


class _CycleInput(Protocol):
    """Attributes of the argument of every strategy function."""

    @property
    def cycle(self) -> int: ...

    @property
    def timestamp(self) -> datetime.datetime: ...


InputT = TypeVar("InputT", bound=_CycleInput)
T = TypeVar("T")


def call_strategy(name: str, function: Callable[[InputT], T], argument: InputT) -> T:
    """Call a function of the strategy during a decision, and return its result; `name` is for the error.

    Raises
    ------
    DecisionFailed
        It raised an error or called `sys.exit`, which is the cause.
    """
    try:
        return call_with_one(function, argument)
    except DecisionFailed:
        raise
    except Exception as error:
        message = f"{name} failed: {type(error).__name__}: {error}"
        raise DecisionFailed(message, argument.cycle, argument.timestamp) from error


def check_decision(
    state: State, cycle: int, ts: datetime.datetime, trades: Any, first_new_trade: int
) -> list[TradeExecution]:
    """Return the trades to execute: those that a decision returned, without resting and withdrawn ones.

    Parameters
    ----------
    state
        State with all planned trades of the decision.
    cycle, ts
        Number and time of the decision, for the error.
    trades
        Result of the strategy.
    first_new_trade
        Id of the first trade that the decision may have planned.

    Raises
    ------
    InvalidDecision
        The result is not a list of planned trades, or a planned trade is missing.
    """
    if not isinstance(trades, list):
        raise InvalidDecision(f"decide_trades must return a list of trades, not {type(trades).__name__}", cycle, ts)
    seen: set[int] = set()
    following = state.portfolio.next_trade_id
    forgotten = following - first_new_trade
    to_execute: list[TradeExecution] = []
    for trade in trades:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(trade, TradeExecution):
            raise InvalidDecision(f"decide_trades returned {trade!r} among the trades", cycle, ts)
        number = trade.trade_id
        if number in seen:
            raise InvalidDecision(f"decide_trades returned {trade} twice", cycle, ts)
        seen.add(number)
        if first_new_trade <= number < following:
            forgotten -= 1
        if trade.expired_at == ts:
            continue  # a later order of the same decision has replaced it
        if not trade.is_planned():
            raise InvalidDecision(f"decide_trades returned {trade}, which is not planned", cycle, ts)
        if not trade.flags or _TRIGGERED not in trade.flags:
            to_execute.append(trade)
        elif not _waits(state, trade):
            raise InvalidDecision(f"{trade} has the status of a resting order, but no trigger", cycle, ts)
    if forgotten:
        _refuse_forgotten(state, cycle, ts, set(range(first_new_trade, following)) - seen)
    return to_execute


def _waits(state: State, trade: TradeExecution) -> bool:
    portfolio = state.portfolio
    position = portfolio.pending_positions.get(trade.position_id) or portfolio.open_positions.get(trade.position_id)
    return position is not None and is_waiting(position, trade)


def _refuse_forgotten(state: State, cycle: int, ts: datetime.datetime, trade_ids: set[int]) -> None:
    for position in state.portfolio.get_open_and_frozen_positions():
        for trade in position.trades.values():
            waits = _TRIGGERED in (trade.flags or ())
            if trade.trade_id in trade_ids and trade.is_planned() and not waits:
                raise InvalidDecision(
                    f"decide_trades planned {trade} and did not return it; add it to the returned list", cycle, ts
                )


def limit_impact(trades: Iterable[TradeExecution], limit: Percent) -> None:
    """Record the largest price impact that trades may have, a fraction.

    Raises
    ------
    PriceImpactToleranceExceeded
        A trade has more.
    """
    for trade in trades:
        impact = trade.price_structure.get_price_impact() if trade.price_structure is not None else 0
        if impact > limit:
            raise PriceImpactToleranceExceeded(f"{trade} has a price impact of {impact:.2%}, the limit is {limit:.2%}")
        trade.price_impact_tolerance = limit
