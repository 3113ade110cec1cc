"""The most important figures of a backtest or a live strategy.

Unlike `TradeSummary`, whose figures keep the definitions of recorded files, these are adjusted for deposits and count
frozen positions as part of the portfolio.
"""

import datetime
from dataclasses import dataclass

import numpy as np

from tradeexecutor.analysis.adjusted.benchmark import Holding, compare_moves, read_holdings
from tradeexecutor.analysis.adjusted.distribution import (
    calculate_conditional_value_at_risk,
    calculate_kurtosis,
    calculate_skew,
    calculate_value_at_risk,
)
from tradeexecutor.analysis.adjusted.drawdown import (
    calculate_max_drawdown,
    calculate_max_runup,
    calculate_ulcer_index,
    find_longest_drawdown,
)
from tradeexecutor.analysis.adjusted.equity import EquityCurve, read_equity_curve
from tradeexecutor.analysis.adjusted.exposure import calculate_exposure
from tradeexecutor.analysis.adjusted.flows import iterate_flows
from tradeexecutor.analysis.adjusted.kinds import KindFigures, measure_kinds
from tradeexecutor.analysis.adjusted.money_weighted import calculate_money_weighted_return
from tradeexecutor.analysis.adjusted.periods import Observations, read_observations, read_returns
from tradeexecutor.analysis.adjusted.positions import (
    ExitReason,
    PositionFigures,
    PositionResult,
    calculate_expectancy,
    calculate_profit_factor,
    calculate_system_quality_number,
    measure_closed,
    measure_trading,
)
from tradeexecutor.analysis.adjusted.ratios import (
    calculate_calmar,
    calculate_omega,
    calculate_sharpe,
    calculate_sortino,
    calculate_volatility,
)
from tradeexecutor.analysis.adjusted.returns import calculate_cagr, calculate_total_return
from tradeexecutor.analysis.memo import share_results
from tradeexecutor.analysis.times import from_us
from tradeexecutor.state.state import State
from tradeexecutor.state.types import Percent, USDollarAmount

__all__ = ["PerformanceSummary", "PositionResult", "RiskFigures", "measure_risk", "summarise_performance"]


@dataclass(frozen=True, slots=True)
class RiskFigures:
    """Further risk figures, measured on the same returns as drawdown and Sharpe; fractions.

    Attributes
    ----------
    volatility
        Annualised deviation.
    calmar, omega
        See :mod:`tradeexecutor.analysis.adjusted.ratios`.
    ulcer_index, longest_drawdown
        See :mod:`tradeexecutor.analysis.adjusted.drawdown`.
    value_at_risk, conditional_value_at_risk, skew, kurtosis
        Figures of the return of one period, see :mod:`tradeexecutor.analysis.adjusted.distribution`.
    best_period, worst_period
        Highest and lowest return of one period.
    is_daily
        Whether a period is a day; otherwise it is from sample to sample, because the history is short.
    """

    volatility: Percent | None
    calmar: float | None
    omega: float | None
    ulcer_index: Percent | None
    longest_drawdown: datetime.timedelta | None
    value_at_risk: Percent | None
    conditional_value_at_risk: Percent | None
    skew: float | None
    kurtosis: float | None
    best_period: Percent | None
    worst_period: Percent | None
    is_daily: bool


@dataclass(frozen=True, slots=True)
class PerformanceSummary:
    """Result of a strategy; fractions (0.05 is 5 %) and USD.

    Attributes
    ----------
    name
        Name of the state.
    start_at, end_at
        First and last recorded sample; None without samples.
    initial_equity, final_equity
        Net asset value of the first sample with any money, and the current one.
    net_deposits
        Deposits minus redemptions after that first sample; all of them without samples.
    total_return, cagr
        Time-weighted, see :mod:`tradeexecutor.analysis.adjusted.returns`; None when there are too few samples.
    money_weighted_return
        Return of the whole period, see :mod:`tradeexecutor.analysis.adjusted.money_weighted`.
    buy_and_hold
        Return of buying all pairs at the start, equal amounts of each, and holding them, before fees; None without
        known prices, see :mod:`tradeexecutor.analysis.adjusted.benchmark`.
    alpha, beta
        Compared with buy and hold, see `AlphaBeta`.
    max_drawdown, max_runup, sharpe, sortino
        Measured on the observations of :mod:`tradeexecutor.analysis.adjusted.periods`; the drawdown is <= 0.
    exposure
        Fraction of the time with an open position.
    positions_open, positions_frozen, positions_closed
        Number of positions.
    positions_scored
        Number of closed positions that can be won or lost: those that executed anything, lending left out.
    won, lost
        Closed positions with a net profit and with a net loss; lending is neither.
    win_rate
        `won` as a fraction of `positions_scored`; None without any.
    profit_factor
        USD won by the winners for each USD lost by the losers; None without losers.
    expectancy, system_quality_number
        Net profit of a closed position on average, USD, and its ratio to the deviation.
    best_position, worst_position
        Closed positions by fraction of net profit; None without any.
    stop_losses, take_profits
        Positions closed by one, trailing stops included; an exit at a time is neither.
    trades, failed_trades, expired_trades
        Trades that were sent, those of them that failed, and orders that lapsed without being sent.
    volume, fees
        Value of the trades that executed, and trading fees paid.
    kinds
        Figures of each kind of position.
    risk
        Further risk figures.
    """

    name: str | None
    start_at: datetime.datetime | None
    end_at: datetime.datetime | None
    initial_equity: USDollarAmount | None
    final_equity: USDollarAmount
    net_deposits: USDollarAmount
    total_return: Percent | None
    cagr: Percent | None
    money_weighted_return: Percent | None
    buy_and_hold: Percent | None
    alpha: Percent | None
    beta: float | None
    max_drawdown: Percent | None
    max_runup: Percent | None
    sharpe: float | None
    sortino: float | None
    exposure: Percent | None
    positions_open: int
    positions_frozen: int
    positions_closed: int
    positions_scored: int
    won: int
    lost: int
    win_rate: Percent | None
    profit_factor: float | None
    expectancy: USDollarAmount | None
    system_quality_number: float | None
    best_position: PositionResult | None
    worst_position: PositionResult | None
    stop_losses: int
    take_profits: int
    trades: int
    failed_trades: int
    expired_trades: int
    volume: USDollarAmount
    fees: USDollarAmount
    kinds: tuple[KindFigures, ...]
    risk: RiskFigures

    @property
    def interest_earned(self) -> USDollarAmount:
        """Interest of collateral and lent cash, USD."""
        return sum(kind.interest_earned for kind in self.kinds)

    @property
    def interest_paid(self) -> USDollarAmount:
        """Interest of debts, USD."""
        return sum(kind.interest_paid for kind in self.kinds)

    @property
    def funding(self) -> USDollarAmount:
        """Funding received by shorts and leveraged longs, USD; negative if more was paid."""
        return sum(kind.funding for kind in self.kinds)

    @property
    def liquidations(self) -> int:
        """Number of liquidations."""
        return sum(kind.liquidations for kind in self.kinds)

    @property
    def liquidation_penalties(self) -> USDollarAmount:
        """What liquidators took in addition to the debts, USD."""
        return sum(kind.liquidation_penalties for kind in self.kinds)

    @property
    def has_interest(self) -> bool:
        """True if any position earned or paid interest or funding, or was liquidated."""
        return bool(self.interest_earned or self.interest_paid or self.funding or self.liquidations)


def measure_risk(observations: Observations, cagr: Percent | None = None) -> RiskFigures:
    """Return the figures of a series of returns.

    Parameters
    ----------
    cagr
        Yearly return, for the Calmar ratio.
    """
    returns, path = observations.returns, observations.path
    has_any = len(returns) > 0
    return RiskFigures(
        volatility=calculate_volatility(returns, observations.periods_per_year),
        calmar=calculate_calmar(cagr, calculate_max_drawdown(path)),
        omega=calculate_omega(returns),
        ulcer_index=calculate_ulcer_index(path) if has_any else None,
        longest_drawdown=find_longest_drawdown(observations.path_times, path) if has_any else None,
        value_at_risk=calculate_value_at_risk(returns),
        conditional_value_at_risk=calculate_conditional_value_at_risk(returns),
        skew=calculate_skew(returns),
        kurtosis=calculate_kurtosis(returns),
        best_period=float(returns.max()) if has_any else None,
        worst_period=float(returns.min()) if has_any else None,
        is_daily=observations.is_daily,
    )


def summarise_performance(state: State, held: Holding | None = None) -> PerformanceSummary:
    """Return the figures of a state.

    Parameters
    ----------
    held
        What to compare with; None: what the state has recorded.
    """
    with share_results():  # positions are read once for all figures
        return _summarise(state, held)


def _summarise(state: State, held: Holding | None) -> PerformanceSummary:
    portfolio = state.portfolio
    held = held or next(iter(read_holdings(state)), None)
    curve = read_equity_curve(state)
    positions = list(portfolio.get_all_positions())
    closed = measure_closed(portfolio)
    trading = measure_trading(portfolio)
    observations = read_observations(state)
    returns, path = observations.returns, observations.path
    initial, ends, _ = read_returns(state, curve)
    start_at, end_at = (from_us(int(curve.times[index])) for index in (0, -1)) if len(curve) else (None, None)
    total_return = calculate_total_return(path) if len(ends) else None
    cagr = None if total_return is None else calculate_cagr(total_return, observations.years)
    won, profits = closed.won, closed.profits
    moves = compare_moves(observations, held)
    return PerformanceSummary(
        name=state.name,
        start_at=start_at,
        end_at=end_at,
        initial_equity=initial,
        final_equity=portfolio.calculate_net_assets(),
        net_deposits=_sum_later_flows(state, curve),
        total_return=total_return,
        cagr=cagr,
        money_weighted_return=calculate_money_weighted_return(curve, initial),
        buy_and_hold=None if held is None else held.total_return,
        alpha=None if moves is None else moves.alpha,
        beta=None if moves is None else moves.beta,
        max_drawdown=calculate_max_drawdown(path) if len(ends) else None,
        max_runup=calculate_max_runup(path) if len(ends) else None,
        sharpe=calculate_sharpe(returns, observations.periods_per_year),
        sortino=calculate_sortino(returns, observations.periods_per_year),
        exposure=calculate_exposure(positions, start_at, end_at) if start_at and end_at else None,
        positions_open=len(portfolio.open_positions),
        positions_frozen=len(portfolio.frozen_positions),
        positions_closed=sum(position.is_closed() for position in positions),
        positions_scored=len(closed),
        won=won,
        lost=closed.lost,
        win_rate=won / len(closed) if closed else None,
        profit_factor=calculate_profit_factor(profits),
        expectancy=calculate_expectancy(profits),
        system_quality_number=calculate_system_quality_number(profits),
        best_position=closed.best,
        worst_position=closed.worst,
        stop_losses=_count_exits(closed, ExitReason.stop_loss, ExitReason.trailing_stop_loss),
        take_profits=_count_exits(closed, ExitReason.take_profit),
        trades=trading.trades,
        failed_trades=trading.failed,
        expired_trades=trading.expired,
        volume=trading.volume,
        fees=trading.fees,
        kinds=measure_kinds(positions),
        risk=measure_risk(observations, cagr),
    )


def _sum_later_flows(state: State, curve: EquityCurve) -> USDollarAmount:
    if not len(curve):
        return sum(usd_value for _, usd_value in iterate_flows(state))
    return float(curve.flows[int(np.argmax(curve.values > 0)) + 1 :].sum())


def _count_exits(figures: PositionFigures, *reasons: ExitReason) -> int:
    return sum(figures.exits.count(reason) for reason in reasons)
