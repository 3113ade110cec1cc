"""Totals of the positions of a strategy for the trade summary, in one pass."""

import datetime
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter, is_
from typing import Any, Protocol, Self, TypeVar, cast

from tradeexecutor.analysis.recorded.position_figures import Outcome, PositionFigures
from tradeexecutor.state.types import Percent, USDollarAmount

#: Unknown figures of a position are None.
OptionalFigures = list[float | None]


@dataclass(slots=True)
class Outcomes:
    """Closed positions of one class.

    Attributes
    ----------
    profits
        Realised profit of each, as a fraction of what it cost.
    durations
        From opening to closing.
    stop_losses, take_profits
        How many were closed by one.
    """

    profits: list[Percent] = field(default_factory=list[Percent])
    durations: list[datetime.timedelta] = field(default_factory=list[datetime.timedelta])
    stop_losses: int = 0
    take_profits: int = 0

    def __len__(self) -> int:
        return len(self.durations)

    def copy(self) -> "Outcomes":
        """Return an independent copy."""
        return replace(self, profits=self.profits.copy(), durations=self.durations.copy())


@dataclass(slots=True)
class Streaks:
    """Runs of closed positions that won or lost, in the order of opening; lending does not take part.

    Attributes
    ----------
    longest_won, longest_lost
        Positions in the longest run.
    max_pullback
        The largest sum of losses in a row, as a negative fraction of the portfolio.
    """

    longest_won: int = 0
    longest_lost: int = 0
    max_pullback: Percent = 0
    _won: int = 0
    _lost: int = 0
    _pullback: USDollarAmount = 0.0

    def add(self, realised: USDollarAmount, portfolio_value: USDollarAmount | None) -> None:
        """Add the next position; a profit of exactly 0 neither ends nor extends a run."""
        if realised > 0:
            self._won += 1
            self._lost = 0
            self._pullback = 0.0
        elif realised < 0:
            self._lost += 1
            self._won = 0
            self._pullback += realised
        self.longest_won = max(self.longest_won, self._won)
        self.longest_lost = max(self.longest_lost, self._lost)
        self.measure_pullback(realised, portfolio_value)

    def measure_pullback(self, realised: USDollarAmount, portfolio_value: USDollarAmount | None) -> None:
        """Update the largest pullback after a position, including lending ones.

        As in recorded figures, a position whose portfolio value at open is unknown resets the pullback.
        """
        if not portfolio_value or portfolio_value + realised == 0:
            self.max_pullback = 0
        else:
            self.max_pullback = min(self.max_pullback, self._pullback / (portfolio_value + realised))


@dataclass(slots=True)
class PositionTally:
    """Sums and lists over positions; amounts in USD, profits as fractions."""

    positions: int = 0
    trades: int = 0
    volume: USDollarAmount = 0
    volume_without_vaults: USDollarAmount = 0
    #: Volume of tokens with a tax on transfers.
    volume_taxed: USDollarAmount = 0
    token_tax: USDollarAmount = 0
    lp_fees: USDollarAmount = 0
    lp_fees_without_vaults: USDollarAmount = 0
    #: Risk of each position, a fraction of the portfolio: the loss at the stop loss, otherwise the used capital.
    risks_at_open: OptionalFigures = field(default_factory=list[float | None])
    #: Of each position.
    repaid_interest: list[USDollarAmount] = field(default_factory=list[USDollarAmount])
    claimed_interest: USDollarAmount = 0.0
    #: Most lending positions opened in a row.
    longest_credit: int = 0
    #: Number of positions that are not closed, including frozen ones.
    undecided: int = 0
    open_value: USDollarAmount = 0
    unrealised_profit: USDollarAmount = 0
    realised_profit: USDollarAmount = 0
    won: Outcomes = field(default_factory=Outcomes)
    lost: Outcomes = field(default_factory=Outcomes)
    zero: Outcomes = field(default_factory=Outcomes)
    #: Closed lending positions.
    neutral: Outcomes = field(default_factory=Outcomes)
    #: Of each lost position, realised profit as a fraction of the portfolio at open.
    realised_losses: list[Percent] = field(default_factory=list[Percent])
    streaks: Streaks = field(default_factory=Streaks)
    _credit_run: int = 0

    def add(self, position: PositionFigures) -> None:
        """Add the next position; positions must be added in the order of opening."""
        self.positions += 1
        self._add_costs(position)
        if position.outcome is not None:
            self._add_outcome(position, position.outcome)
        else:
            self.undecided += 1
            self.open_value += position.open_value
            self.unrealised_profit += position.unrealised_profit

    def _add_costs(self, position: PositionFigures) -> None:
        self.risks_at_open.append(position.risk_at_open)
        self.lp_fees += position.lp_fees
        if not position.is_vault:
            self.lp_fees_without_vaults += position.lp_fees
        self.repaid_interest.append(position.repaid_interest)
        self.claimed_interest += position.claimed_interest
        self._credit_run = self._credit_run + 1 if position.is_credit else 0
        self.longest_credit = max(self.longest_credit, self._credit_run)
        for trade in position.trades:
            self.trades += 1
            if trade.generates_volume:
                self.volume += trade.value
            if not position.is_vault:
                self.volume_without_vaults += trade.value
            if trade.is_taxed:
                self.volume_taxed += trade.value
            self.token_tax += trade.token_tax

    def _add_outcome(self, position: PositionFigures, outcome: Outcome) -> None:
        realised, portfolio_value = outcome.realised, outcome.portfolio_value
        self.realised_profit += realised
        outcomes = self._classify(position, outcome)
        outcomes.durations.append(outcome.duration)
        outcomes.profits.append(outcome.profit)
        outcomes.stop_losses += outcome.by_stop_loss
        outcomes.take_profits += outcome.by_take_profit
        if outcomes is self.lost:
            self.realised_losses.append(realised / portfolio_value if portfolio_value else 0)
        if outcomes is self.neutral:
            self.streaks.measure_pullback(realised, portfolio_value)
        else:
            self.streaks.add(realised, portfolio_value)

    def _classify(self, position: PositionFigures, outcome: Outcome) -> Outcomes:
        if position.is_credit:
            return self.neutral
        profit = outcome.total_profit
        return self.won if profit > 0 else self.lost if profit < 0 else self.zero

    def copy(self) -> Self:
        """Return an independent copy."""
        return replace(
            self,
            risks_at_open=self.risks_at_open.copy(),
            repaid_interest=self.repaid_interest.copy(),
            realised_losses=self.realised_losses.copy(),
            won=self.won.copy(),
            lost=self.lost.copy(),
            zero=self.zero.copy(),
            neutral=self.neutral.copy(),
            streaks=replace(self.streaks),
        )

    def get_closed(self) -> tuple[Outcomes, Outcomes, Outcomes, Outcomes]:
        """Return the four classes of closed positions."""
        return self.won, self.lost, self.zero, self.neutral


class Total(Protocol):
    """Interface of what positions are added to one after another."""

    def add(self, position: PositionFigures) -> None:
        """Add the next position."""
        ...

    def copy(self) -> Self:
        """Return an independent copy."""
        ...


Sum = TypeVar("Sum", bound=Total)


def add_up(positions: Sequence[PositionFigures], empty: Sum, kept: dict[Any, Any], name: str) -> Sum:
    """Add positions in their order, continuing after the closed ones at the beginning that were added before.

    The additions are those of a sum without kept totals, in the same order, so the digits are the same.

    Parameters
    ----------
    positions
        Figures in order.
    empty
        Total of no positions.
    kept
        Where the total of the closed positions at the beginning is kept for the next call.
    name
        Name of the total there.
    """
    before, total = kept.get(name, ((), empty))
    if len(before) > len(positions) or not all(map(is_, before, positions)):
        before, total = (), empty
    total = total.copy()
    place = len(before)
    while place < len(positions) and positions[place].outcome is not None:
        total.add(positions[place])
        place += 1
    if place > len(before):
        kept[name] = positions[:place], total.copy()
    for position in positions[place:]:
        total.add(position)
    return total


def tally_positions(positions: Iterable[PositionFigures], kept: dict[Any, Any], name: str) -> PositionTally:
    """Return the totals of positions in any order; see `add_up`."""
    return add_up(sorted(positions, key=attrgetter("opened_at")), PositionTally(), kept, name)


def get_known(values: Sequence[float | None]) -> Sequence[float]:
    """Return the values that are not None."""
    if None in values:
        return [value for value in values if value is not None]
    return cast(Sequence[float], values)  # nearly always, and not copied, because there may be very many


def average(values: Sequence[float | None]) -> float | None:
    """Return the mean of the known values, in their unit; None without any."""
    known = get_known(values)
    return statistics.fmean(known) if known else None


def median(values: Sequence[float | None]) -> float | None:
    """Return the median of the known values, in their unit; None without any."""
    known = get_known(values)
    return statistics.median(known) if known else None


def average_duration(durations: list[datetime.timedelta]) -> datetime.timedelta | None:
    """Return the mean of durations; None without any."""
    return sum(durations, datetime.timedelta(0)) / len(durations) if durations else None
