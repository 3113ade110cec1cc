"""Totals of the positions of a strategy for the trade summary, in one pass."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from tradeexecutor.analysis.position_figures import Outcome, PositionFigures
from tradeexecutor.analysis.recorded.sample import Sample
from tradeexecutor.state.types import Percent, USDollarAmount


@dataclass(slots=True)
class Outcomes:
    """Closed positions of one class.

    Attributes
    ----------
    profits
        Realised profit of each, as a fraction of what it cost.
    duration
        Sum of the times from opening to closing.
    stop_losses, take_profits
        How many were closed by one.
    """

    profits: Sample = field(default_factory=Sample)
    duration: datetime.timedelta = datetime.timedelta(0)
    stop_losses: int = 0
    take_profits: int = 0

    def __len__(self) -> int:
        return len(self.profits)

    def copy(self) -> "Outcomes":
        """Return an independent copy."""
        return replace(self, profits=self.profits.copy())


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
    """Sums over positions; amounts in USD, profits as fractions."""

    positions: int = 0
    trades: int = 0
    volume: USDollarAmount = 0
    volume_without_vaults: USDollarAmount = 0
    #: Volume of tokens with a tax on transfers.
    volume_taxed: USDollarAmount = 0
    token_tax: USDollarAmount = 0
    lp_fees: USDollarAmount = 0
    lp_fees_without_vaults: USDollarAmount = 0
    #: Largest known risk of a position, a fraction of the portfolio: the loss at the stop loss, otherwise the used
    #: capital.
    largest_risk: Percent | None = None
    #: Of each position.
    repaid_interest: Sample = field(default_factory=Sample)
    total_repaid_interest: USDollarAmount = 0
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
    #: Realised profit of each closed position without the lending ones, as a fraction of what it cost.
    profits: Sample = field(default_factory=Sample)
    #: Of each lost position, realised profit as a fraction of the portfolio at open.
    realised_losses: Sample = field(default_factory=Sample)
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
        risk = position.risk_at_open
        if risk is not None and (self.largest_risk is None or risk > self.largest_risk):
            self.largest_risk = risk
        self.lp_fees += position.lp_fees
        if not position.is_vault:
            self.lp_fees_without_vaults += position.lp_fees
        self.repaid_interest.add(position.repaid_interest)
        self.total_repaid_interest += position.repaid_interest
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
        outcomes.duration += outcome.duration
        outcomes.profits.add(outcome.profit)
        outcomes.stop_losses += outcome.by_stop_loss
        outcomes.take_profits += outcome.by_take_profit
        if outcomes is self.lost:
            self.realised_losses.add(realised / portfolio_value if portfolio_value else 0)
        if outcomes is self.neutral:
            self.streaks.measure_pullback(realised, portfolio_value)
        else:
            self.profits.add(outcome.profit)
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
            repaid_interest=self.repaid_interest.copy(),
            profits=self.profits.copy(),
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


def average_duration(outcomes: Sequence[Outcomes]) -> datetime.timedelta | None:
    """Return the mean duration of positions; None without any."""
    count = sum(map(len, outcomes))
    return sum((one.duration for one in outcomes), datetime.timedelta(0)) / count if count else None
