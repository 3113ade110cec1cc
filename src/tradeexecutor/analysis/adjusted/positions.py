"""Results of positions, each dollar counted once: net of fees, slippage and interest, and only of what executed."""

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.memo import shared
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeStatus
from tradeexecutor.state.trigger import TriggerCondition
from tradeexecutor.state.types import Percent, USDollarAmount

__all__ = [
    "EXCURSION_KEY",
    "Excursion",
    "ExitReason",
    "PositionFigures",
    "PositionResult",
    "TradingFigures",
    "calculate_expectancy",
    "calculate_profit_factor",
    "calculate_system_quality_number",
    "get_exit_reason",
    "get_net_result",
    "measure_excursion",
    "measure_positions",
    "measure_trading",
]

#: Where a backtest records the lowest and the highest profit of a position, in its ``other_data``.
EXCURSION_KEY = "excursion"

#: A profit of less than this fraction of what was invested is what rounding left.
_ROUNDING = 1e-9

#: Above this a system quality number would only count positions (V. Tharp).
_MOST_POSITIONS = 100


@dataclass(frozen=True, slots=True)
class PositionResult:
    """One closed position: net profit as a fraction of what was invested, and in USD."""

    position_id: int
    ticker: str
    profit_pct: Percent
    profit_usd: USDollarAmount


class ExitReason(enum.StrEnum):
    """Why a position was closed."""

    stop_loss = "stop loss"
    trailing_stop_loss = "trailing stop loss"
    take_profit = "take profit"
    #: A trigger that waited for a time.
    time = "time"
    #: A repair of the books, nothing that the strategy decided.
    repair = "repair"
    written_off = "written off"
    decision = "decision"


def get_exit_reason(position: TradingPosition) -> ExitReason | None:
    """Return why a position was closed; None while it is open.

    What fired decides, not what it brought: a stop at a profit is a stop, and an exit at a time is neither stop nor
    take profit, whatever type an older program gave the trade.
    """
    if not position.is_closed():
        return None
    if position.is_marked_down():
        return ExitReason.written_off
    executed = [trade for trade in position.trades.values() if trade.executed_at is not None]
    last = executed[-1] if executed else None
    if last is None or last.is_repair_trade():
        return ExitReason.repair
    trigger = last.activated_trigger
    if trigger is not None and trigger.condition in _TIMED:
        return ExitReason.time
    if last.is_stop_loss():
        is_trailing = position.is_trailing_stop_loss()
        return ExitReason.trailing_stop_loss if is_trailing else ExitReason.stop_loss
    return ExitReason.take_profit if last.is_take_profit() else ExitReason.decision


_TIMED = (TriggerCondition.timed_absolute, TriggerCondition.timed_relative_to_open)


#: Net profit of a position, USD and as a fraction of what was invested.
get_net_result = shared(TradingPosition.get_net_result)


@dataclass(slots=True)
class PositionFigures:
    """Closed positions in total; amounts in USD, net.

    Attributes
    ----------
    results
        Of the closed positions that executed anything, in the order of closing; lending is not among them.
    lending
        Number of closed credit positions: neither won nor lost.
    exits
        How many were closed for which reason, lending left out.
    """

    results: list[PositionResult] = field(default_factory=list[PositionResult])
    lending: int = 0
    exits: dict[ExitReason, int] = field(default_factory=dict[ExitReason, int])

    @property
    def profits(self) -> NDArray[np.float64]:
        """Net profit of each, USD."""
        return np.array([result.profit_usd for result in self.results], dtype=np.float64)

    @property
    def won(self) -> int:
        """Number with a profit."""
        return sum(result.profit_usd > 0 for result in self.results)

    @property
    def lost(self) -> int:
        """Number with a loss."""
        return sum(result.profit_usd < 0 for result in self.results)

    @property
    def best(self) -> PositionResult | None:
        """The one with the highest fraction of profit; None without any."""
        return max(self.results, key=lambda result: result.profit_pct, default=None)

    @property
    def worst(self) -> PositionResult | None:
        """The one with the lowest fraction of profit; None without any."""
        return min(self.results, key=lambda result: result.profit_pct, default=None)


def measure_positions(positions: Iterable[TradingPosition]) -> PositionFigures:
    """Add up the closed positions; one of which no trade executed is none."""
    figures = PositionFigures()
    closed = [position for position in positions if position.closed_at is not None and position.has_executed_trades()]
    for position in sorted(closed, key=lambda position: (position.closed_at, position.position_id)):
        if position.is_credit_supply():
            figures.lending += 1
            continue
        profit_usd, profit_pct = get_net_result(position)
        figures.results.append(PositionResult(position.position_id, position.pair.get_ticker(), profit_pct, profit_usd))
        reason = get_exit_reason(position)
        if reason is not None:
            figures.exits[reason] = figures.exits.get(reason, 0) + 1
    return figures


@dataclass(frozen=True, slots=True)
class TradingFigures:
    """What was traded; USD.

    Attributes
    ----------
    trades
        Trades that were sent, whatever their outcome; orders that wait are not among them.
    failed, expired
        How many of them failed and were not repaired; and how many orders lapsed without being sent.
    volume
        Value of the trades that executed; cash that was moved over a bridge is none.
    fees
        Trading fees paid.
    """

    trades: int
    failed: int
    expired: int
    volume: USDollarAmount
    fees: USDollarAmount


def measure_trading(portfolio: Portfolio) -> TradingFigures:
    """Add up the trades of a portfolio."""
    trades = failed = expired = 0
    volume = fees = 0.0
    for position in portfolio.get_all_positions():
        expired += len(position.expired_trades)
        fees += position.get_total_lp_fees_paid()
        for trade in position.trades.values():
            if trade.executed_at is not None:
                trades += 1
                volume += trade.get_value() if trade.pair.is_volume_generating() else 0.0
            else:
                status = trade.get_status()
                trades += status is not TradeStatus.planned and status is not TradeStatus.expired
                expired += status is TradeStatus.expired
                failed += trade.is_failed()
    return TradingFigures(trades, failed, expired, volume, fees)


def calculate_profit_factor(profits: NDArray[np.float64]) -> float | None:
    """Return what the winners won divided by what the losers lost; None without a loser.

    Parameters
    ----------
    profits
        USD per closed position.

    >>> calculate_profit_factor(np.array([300.0, -100.0, 50.0]))
    3.5
    """
    lost: USDollarAmount = -float(profits[profits < 0].sum())
    return float(profits[profits > 0].sum()) / lost if lost else None


def calculate_expectancy(profits: NDArray[np.float64]) -> USDollarAmount | None:
    """Return what a position brings on average, USD; None without any.

    The mean of the profits is win rate * average win - loss rate * average loss.

    >>> calculate_expectancy(np.array([300.0, -100.0, 40.0, 0.0]))
    60.0
    """
    return float(profits.mean()) if len(profits) else None


def calculate_system_quality_number(profits: NDArray[np.float64]) -> float | None:
    """Return sqrt(n) * mean / sample deviation of the profits, n at most 100 (V. Tharp, "Definitive Guide", 2008).

    None with fewer than two positions, or when their profits do not vary.

    >>> calculate_system_quality_number(np.array([10.0, 20.0, 30.0, 40.0]))
    3.872983346207417
    """
    if len(profits) < 2:
        return None
    deviation = float(profits.std(ddof=1))
    if not deviation > _ROUNDING * float(np.abs(profits).max()):
        return None
    return math.sqrt(min(len(profits), _MOST_POSITIONS)) * float(profits.mean()) / deviation


@dataclass(frozen=True, slots=True)
class Excursion:
    """How far a position went against and for the strategy while it was open, fractions of what was invested.

    Attributes
    ----------
    adverse
        The lowest profit, <= 0.
    favourable
        The highest profit, >= 0.
    """

    adverse: Percent
    favourable: Percent


def measure_excursion(state: State, position: TradingPosition) -> Excursion | None:
    """Return the maximum adverse and favourable excursion (J. Sweeney, 1996) of a position.

    A backtest records them from the candles when it ends.  Where it did not, and in live trading, they come from the
    recorded samples of the position, which do not see what happened in between.  The final result is one of the
    values.  None without either.
    """
    recorded = (position.other_data or {}).get(EXCURSION_KEY)
    known: list[float] = [sample.profitability for sample in state.stats.positions.get(position.position_id, ())]
    if isinstance(recorded, list):
        known += [float(value) for value in cast("list[Any]", recorded) if isinstance(value, int | float)]
    if not known:
        return None
    result = get_net_result(position)[1]
    return Excursion(min(0.0, result, *known), max(0.0, result, *known))
