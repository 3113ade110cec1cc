"""Results of positions, net of fees, slippage and interest, from executed trades only."""

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

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
    "get_entry_note",
    "get_exit_reason",
    "get_net_profit",
    "get_net_result",
    "list_results",
    "measure_excursion",
    "measure_positions",
    "measure_trading",
]

#: Key of the lowest and the highest profit of a position, which a backtest records in its ``other_data``.
EXCURSION_KEY = "excursion"

#: Profit, as a fraction of the invested amount, below which it is a rounding error.
_ROUNDING = 1e-9

#: Largest number of positions in a system quality number; more would only increase it (V. Tharp).
_MOST_POSITIONS = 100


@dataclass(frozen=True, slots=True)
class PositionResult:
    """Result of one closed position: net profit as a fraction of the invested amount, and in USD."""

    position_id: int
    ticker: str
    profit_pct: Percent
    profit_usd: USDollarAmount


class ExitReason(enum.StrEnum):
    """Why a position was closed."""

    stop_loss = "stop loss"
    trailing_stop_loss = "trailing stop loss"
    take_profit = "take profit"
    #: A timed trigger.
    time = "time"
    #: A repair, not a decision of the strategy.
    repair = "repair"
    written_off = "written off"
    #: The lending pool sold the collateral.
    liquidation = "liquidation"
    decision = "decision"


@shared
def get_exit_reason(position: TradingPosition) -> ExitReason | None:
    """Return why a position was closed; None while it is open.

    The trigger decides, not the result: a stop with a profit is a stop, and a timed exit is neither stop nor take
    profit, whatever trade type an older program recorded.
    """
    if not position.is_closed():
        return None
    if position.is_marked_down():
        return ExitReason.written_off
    executed = [trade for trade in position.trades.values() if trade.executed_at is not None]
    last = executed[-1] if executed else None
    if last is None or last.is_repair_trade():
        return ExitReason.repair
    if last.is_liquidation():
        return ExitReason.liquidation
    trigger = last.activated_trigger
    if trigger is not None and trigger.condition in _TIMED:
        return ExitReason.time
    if last.is_stop_loss():
        is_trailing = position.is_trailing_stop_loss()
        return ExitReason.trailing_stop_loss if is_trailing else ExitReason.stop_loss
    return ExitReason.take_profit if last.is_take_profit() else ExitReason.decision


_TIMED = (TriggerCondition.timed_absolute, TriggerCondition.timed_relative_to_open)


def get_entry_note(position: TradingPosition) -> str:
    """Return what was noted at the entry, in one line; empty without a note.

    Notes of trades are copied to their position, so its notes count only when none of its trades has any.
    """
    trades = list(position.trades.values())
    own = None if any(trade.notes for trade in trades) else position.notes
    return " ".join(((trades[0].notes if trades else None) or own or "").split())


#: Net profit of a position, USD.
get_net_profit = shared(TradingPosition.get_net_profit_usd)


@shared
def get_net_result(position: TradingPosition) -> tuple[USDollarAmount, Percent]:
    """Return the net profit of a position, in USD and as a fraction of the invested amount."""
    return position.get_net_result(get_net_profit(position))


@dataclass(slots=True)
class PositionFigures:
    """Closed positions in total; amounts in USD, net.

    Attributes
    ----------
    results
        Results of the closed positions with executed trades, in the order of closing, without lending.
    lending
        Number of closed credit positions, which are neither won nor lost.
    exits
        Number of closed positions by reason, without lending.
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
        """The position with the highest profit as a fraction; None without any."""
        return max(self.results, key=lambda result: result.profit_pct, default=None)

    @property
    def worst(self) -> PositionResult | None:
        """The position with the lowest profit as a fraction; None without any."""
        return min(self.results, key=lambda result: result.profit_pct, default=None)


class _Measured(NamedTuple):
    """What `measure_positions` counts of one position: None for lending, and for an end without a reason."""

    result: PositionResult | None
    exit_reason: ExitReason | None


@shared
def _measure_position(position: TradingPosition) -> _Measured | None:
    """Return what counts of a closed position; None without executed trades."""
    if not position.has_executed_trades():
        return None
    if position.is_credit_supply():
        return _Measured(None, None)
    profit_usd, profit_pct = get_net_result(position)
    result = PositionResult(position.position_id, position.pair.get_ticker(), profit_pct, profit_usd)
    return _Measured(result, get_exit_reason(position))


def measure_positions(positions: Iterable[TradingPosition]) -> PositionFigures:
    """Return the figures of the closed positions; positions without executed trades do not count."""
    figures = PositionFigures()
    closed = [position for position in positions if position.closed_at is not None]
    for position in sorted(closed, key=lambda position: (position.closed_at, position.position_id)):
        measured = _measure_position(position)
        if measured is None:
            continue
        result, reason = measured
        if result is None:
            figures.lending += 1
            continue
        figures.results.append(result)
        if reason is not None:
            figures.exits[reason] = figures.exits.get(reason, 0) + 1
    return figures


@shared
def list_results(portfolio: Portfolio) -> list[tuple[TradingPosition, PositionResult]]:
    """Return the closed positions with executed trades and their results, in the order of closing, without lending."""
    closed = [position for position in portfolio.get_all_positions() if position.closed_at is not None]
    closed.sort(key=lambda position: (position.closed_at, position.position_id))
    measured = ((position, _measure_position(position)) for position in closed)
    return [(position, found.result) for position, found in measured if found is not None and found.result is not None]


@dataclass(frozen=True, slots=True)
class TradingFigures:
    """Totals of trading; amounts in USD.

    Attributes
    ----------
    trades
        Number of sent trades with any outcome, without resting orders.
    failed, expired
        Number of failed trades that were not repaired, and of orders that lapsed without being sent.
    volume
        Value of the executed trades, without cash moved over a bridge.
    fees
        Trading fees paid.
    """

    trades: int
    failed: int
    expired: int
    volume: USDollarAmount
    fees: USDollarAmount


@shared
def measure_trading(portfolio: Portfolio) -> TradingFigures:
    """Return the totals of the trades of a portfolio, including expired orders of positions that never opened."""
    trades = failed = 0
    never_opened = (*portfolio.pending_positions.values(), *portfolio.expired_positions.values())
    expired = sum(len(position.expired_trades) for position in never_opened)
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
    """Return the profits of the winners divided by the losses of the losers; None without a loser.

    Parameters
    ----------
    profits
        USD per closed position.

    Examples
    --------
    >>> calculate_profit_factor(np.array([300.0, -100.0, 50.0]))
    3.5
    """
    lost: USDollarAmount = -float(profits[profits < 0].sum())
    return float(profits[profits > 0].sum()) / lost if lost else None


def calculate_expectancy(profits: NDArray[np.float64]) -> USDollarAmount | None:
    """Return the average profit of a position, USD; None without any.

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
    """Lowest and highest profit of a position while it was open, fractions of the invested amount.

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

    A backtest records them from the candles when it ends. Without these records, and in live trading, they come from
    the samples of the position, and prices between two samples are not included. The final result is one of the
    values. None without records and samples.
    """
    recorded = (position.other_data or {}).get(EXCURSION_KEY)
    known: list[float] = [sample.profitability for sample in state.stats.positions.get(position.position_id, ())]
    if isinstance(recorded, list):
        known += [float(value) for value in cast("list[Any]", recorded) if isinstance(value, int | float)]
    if not known:
        return None
    result = get_net_result(position)[1]
    return Excursion(min(0.0, result, *known), max(0.0, result, *known))
