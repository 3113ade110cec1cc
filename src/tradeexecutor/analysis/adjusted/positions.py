"""Results of positions, net of fees, slippage and interest, from executed trades only."""

import datetime
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.exit_reason import ExitReason, get_exit_reason
from tradeexecutor.analysis.memo import shared
from tradeexecutor.analysis.position_figures import measure_plain
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PositionStatistics
from tradeexecutor.state.trade import TradeStatus
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
    "find_excursion",
    "get_entry_note",
    "get_exit_reason",
    "get_net_profit",
    "get_net_result",
    "measure_closed",
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


def get_entry_note(position: TradingPosition) -> str:
    """Return what was noted at the entry, in one line; empty without a note.

    Notes of trades are copied to their position, so its notes count only when none of its trades has any.
    """
    trades = position.trades
    note = next(iter(trades.values())).notes if trades else None
    if not note and position.notes and not any(trade.notes for trade in trades.values()):
        note = position.notes
    return " ".join(note.split()) if note else ""


_ask_net_profit = shared(TradingPosition.get_net_profit_usd)


def get_net_profit(position: TradingPosition) -> USDollarAmount:
    """Return the net profit of a position, USD."""
    figures = measure_plain(position)
    return _ask_net_profit(position) if figures is None else figures.net_profit


def get_net_result(position: TradingPosition) -> tuple[USDollarAmount, Percent]:
    """Return the net profit of a position, in USD and as a fraction of the invested amount."""
    figures = measure_plain(position)
    return position.get_net_result(_ask_net_profit(position)) if figures is None else figures.net_result


@dataclass(slots=True)
class PositionFigures:
    """The closed positions with executed trades in the order of closing, without lending; amounts in USD, net.

    Attributes
    ----------
    positions
        The positions.
    entered_at
        When each began to hold something, naive UTC.
    profit_usd, profit_pct
        Profit of each, in USD and as a fraction of the invested amount.
    exits
        Reason for the end of each; None where there is none.
    lending
        Number of closed credit positions, which are neither won nor lost.
    """

    positions: list[TradingPosition] = field(default_factory=list[TradingPosition])
    entered_at: list[datetime.datetime] = field(default_factory=list[datetime.datetime])
    profit_usd: list[USDollarAmount] = field(default_factory=list[USDollarAmount])
    profit_pct: list[Percent] = field(default_factory=list[Percent])
    exits: list[ExitReason | None] = field(default_factory=list["ExitReason | None"])
    lending: int = 0

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def profits(self) -> NDArray[np.float64]:
        """Net profit of each, USD."""
        return np.array(self.profit_usd, dtype=np.float64)

    @property
    def won(self) -> int:
        """Number with a profit."""
        return sum(profit > 0 for profit in self.profit_usd)

    @property
    def lost(self) -> int:
        """Number with a loss."""
        return sum(profit < 0 for profit in self.profit_usd)

    @property
    def best(self) -> PositionResult | None:
        """The position with the highest profit as a fraction; None without any."""
        return self._get_result(max(self.profit_pct)) if self.positions else None

    @property
    def worst(self) -> PositionResult | None:
        """The position with the lowest profit as a fraction; None without any."""
        return self._get_result(min(self.profit_pct)) if self.positions else None

    def _get_result(self, profit_pct: Percent) -> PositionResult:
        """Return the first position with a profit."""
        place = self.profit_pct.index(profit_pct)
        position = self.positions[place]
        return PositionResult(position.position_id, position.pair.get_ticker(), profit_pct, self.profit_usd[place])


def measure_positions(positions: Iterable[TradingPosition]) -> PositionFigures:
    """Return the figures of the closed positions; positions without executed trades do not count."""
    closed = [position for position in positions if position.closed_at is not None and position.has_executed_trades()]
    closed.sort(key=lambda position: (position.closed_at, position.position_id))
    measured = PositionFigures()
    for position in closed:
        figures = measure_plain(position)
        if figures is None and position.is_credit_supply():
            measured.lending += 1
            continue
        profit_usd, profit_pct = get_net_result(position) if figures is None else figures.net_result
        measured.positions.append(position)
        measured.entered_at.append(position.get_entered_at() if figures is None else figures.entered_at)
        measured.profit_usd.append(profit_usd)
        measured.profit_pct.append(profit_pct)
        measured.exits.append(get_exit_reason(position) if figures is None else figures.exit_reason)
    return measured


@shared
def measure_closed(portfolio: Portfolio) -> PositionFigures:
    """Return the figures of the closed positions of a portfolio, see `measure_positions`."""
    return measure_positions(portfolio.get_all_positions())


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
        figures = measure_plain(position)
        if figures is not None:  # nearly all: only executed trades
            fees += figures.lp_fees
            trades += len(figures.trades)
            for costs in figures.trades:
                volume += costs.value if costs.generates_volume else 0.0
            continue
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
    return find_excursion(position, state.stats.positions.get(position.position_id, ()))


def find_excursion(position: TradingPosition, samples: Sequence[PositionStatistics]) -> Excursion | None:
    """Return `measure_excursion` of a position with samples."""
    recorded = (position.other_data or {}).get(EXCURSION_KEY)
    if not samples and not recorded:
        return None
    known: list[float] = [sample.profitability for sample in samples]
    if isinstance(recorded, list):
        known += [float(value) for value in cast("list[Any]", recorded) if isinstance(value, int | float)]
    if not known:
        return None
    result = get_net_result(position)[1]
    return Excursion(min(0.0, result, *known), max(0.0, result, *known))
