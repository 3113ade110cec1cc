"""Totals of the positions of a strategy for the trade summary, in one pass."""

import datetime
import logging
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from tradeexecutor.analysis.memo import shared
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.types import LegacyDataException, Percent, USDollarAmount

logger = logging.getLogger(__name__)

#: Unknown figures of a position are None.
OptionalFigures = list[float | None]


#: Total profit of a position, USD and as a fraction.
get_total_profit = shared(TradingPosition.get_total_profit)


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

    def add(self, position: TradingPosition) -> None:
        """Add the next position; positions must be added in the order of opening."""
        self.positions += 1
        self._add_costs(position)
        if position.is_closed():
            self._add_outcome(position)
        else:
            self.undecided += 1
            self.open_value += position.get_value()
            self.unrealised_profit += position.get_unrealised_profit_usd()

    def _add_costs(self, position: TradingPosition) -> None:
        is_vault = position.is_vault()
        self.risks_at_open.append(_get_risk_at_open(position))
        fees = position.get_total_lp_fees_paid()
        self.lp_fees += fees
        if not is_vault:
            self.lp_fees_without_vaults += fees
        self.repaid_interest.append(position.get_repaid_interest())
        self.claimed_interest += position.get_claimed_interest()
        self._credit_run = self._credit_run + 1 if position.is_credit_supply() else 0
        self.longest_credit = max(self.longest_credit, self._credit_run)
        for trade in position.trades.values():
            self.trades += 1
            value = trade.get_value()
            if trade.pair.is_volume_generating():
                self.volume += value
            if not is_vault:
                self.volume_without_vaults += value
            if trade.pair.get_buy_tax() or trade.pair.get_sell_tax():
                self.volume_taxed += value
            self.token_tax += trade.get_token_tax_paid()

    def _add_outcome(self, position: TradingPosition) -> None:
        realised = position.get_realised_profit_usd()
        if realised is None:
            logger.warning("Closed position #%d has no realised profit, counted as 0", position.position_id)
            realised = 0.0
        self.realised_profit += realised
        outcomes = self._classify(position)
        duration = position.get_duration()
        outcomes.durations.append(duration if duration is not None else datetime.timedelta(0))
        # A position with neither profit nor loss counts as 0, even if its percentage has a rounding error.
        outcomes.profits.append(0.0 if outcomes is self.zero else position.get_realised_profit_percent())
        outcomes.stop_losses += position.closed_by_stop_loss()
        outcomes.take_profits += position.closed_by_take_profit()
        portfolio_value = position.portfolio_value_at_open
        if outcomes is self.lost:
            self.realised_losses.append(realised / portfolio_value if portfolio_value else 0)
        if outcomes is self.neutral:
            self.streaks.measure_pullback(realised, portfolio_value)
        else:
            self.streaks.add(realised, portfolio_value)

    def _classify(self, position: TradingPosition) -> Outcomes:
        if position.is_credit_supply():
            return self.neutral
        profit = get_total_profit(position)[0]
        return self.won if profit > 0 else self.lost if profit < 0 else self.zero

    def get_closed(self) -> tuple[Outcomes, Outcomes, Outcomes, Outcomes]:
        """Return the four classes of closed positions."""
        return self.won, self.lost, self.zero, self.neutral


def _get_risk_at_open(position: TradingPosition) -> Percent | None:
    if position.stop_loss:
        return position.get_loss_risk_at_open_pct()
    if not position.trades:
        return None
    try:
        return position.get_capital_tied_at_open_pct()
    except LegacyDataException:
        return None


def tally_positions(positions: Iterable[TradingPosition]) -> PositionTally:
    """Return the totals of positions in any order."""
    tally = PositionTally()
    for position in sorted(positions, key=lambda position: position.opened_at):
        tally.add(position)
    return tally


@shared
def tally_portfolio(portfolio: Portfolio) -> PositionTally:
    """Return the totals of all positions of a portfolio."""
    return tally_positions(portfolio.get_all_positions())


def average(values: Iterable[float | None]) -> float | None:
    """Return the mean of the known values; None without any."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def median(values: Iterable[float | None]) -> float | None:
    """Return the median of the known values; None without any."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def average_duration(durations: list[datetime.timedelta]) -> datetime.timedelta | None:
    """Return the mean of durations; None without any."""
    return sum(durations, datetime.timedelta(0)) / len(durations) if durations else None
