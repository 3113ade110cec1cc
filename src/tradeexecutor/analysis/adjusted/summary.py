"""The figures people look at first, of a backtest or a live strategy.

Unlike `TradeSummary`, whose figures keep the definitions of recorded files, these are adjusted for deposits and count
frozen positions as part of the portfolio.
"""

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.drawdown import calculate_max_drawdown, calculate_max_runup
from tradeexecutor.analysis.adjusted.equity import EquityCurve, read_equity_curve
from tradeexecutor.analysis.adjusted.flows import iterate_flows
from tradeexecutor.analysis.adjusted.positions import calculate_profit_factor
from tradeexecutor.analysis.adjusted.ratios import calculate_sharpe, calculate_sortino
from tradeexecutor.analysis.adjusted.returns import (
    calculate_cagr,
    calculate_periods_per_year,
    calculate_returns,
    calculate_total_return,
    calculate_years,
)
from tradeexecutor.analysis.recorded.position_tally import get_total_profit, tally_portfolio
from tradeexecutor.analysis.recorded.time_in_market import calculate_exposure
from tradeexecutor.analysis.times import from_us
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.types import Percent, USDollarAmount

__all__ = ["PerformanceSummary", "PositionResult", "read_returns", "summarise_performance"]


@dataclass(frozen=True, slots=True)
class PositionResult:
    """One closed position: profit as a fraction of what was invested, and in USD."""

    position_id: int
    ticker: str
    profit_pct: Percent
    profit_usd: USDollarAmount


@dataclass(frozen=True, slots=True)
class PerformanceSummary:
    """Result of a strategy; fractions (0.05 is 5 %) and USD.

    Attributes
    ----------
    name
        Of the state.
    start_at, end_at
        First and last recorded sample; None without samples.
    initial_equity, final_equity
        Net asset value of the first sample with any money, and the present one.
    net_deposits
        Deposits minus redemptions after that first sample; all of them where there are no samples.
    total_return, cagr, max_drawdown, max_runup, sharpe, sortino
        See :mod:`tradeexecutor.analysis.adjusted`; None when there are too few samples.
    exposure
        Fraction of the time with an open position.
    positions_open, positions_frozen, positions_closed
        Counts.
    won, lost
        Closed positions with profit and with loss; lending is neither.
    win_rate
        `won` as a fraction of the closed positions; None without any.
    profit_factor
        USD won by the winners for each USD lost by the losers; None without losers.
    best_position, worst_position
        Closed positions by fraction of profit; None without any.
    stop_losses, take_profits
        Positions closed by one.
    trades, failed_trades
        Counts.
    volume, fees
        Traded value, and trading fees paid.
    """

    name: str | None
    start_at: datetime.datetime | None
    end_at: datetime.datetime | None
    initial_equity: USDollarAmount | None
    final_equity: USDollarAmount
    net_deposits: USDollarAmount
    total_return: Percent | None
    cagr: Percent | None
    max_drawdown: Percent | None
    max_runup: Percent | None
    sharpe: float | None
    sortino: float | None
    exposure: Percent | None
    positions_open: int
    positions_frozen: int
    positions_closed: int
    won: int
    lost: int
    win_rate: Percent | None
    profit_factor: float | None
    best_position: PositionResult | None
    worst_position: PositionResult | None
    stop_losses: int
    take_profits: int
    trades: int
    failed_trades: int
    volume: USDollarAmount
    fees: USDollarAmount


def read_returns(
    state: State, curve: EquityCurve
) -> tuple[USDollarAmount | None, NDArray[np.int64], NDArray[np.float64]]:
    """Return the initial equity, and the end and the return of each period, deposits taken out.

    The initial deposit of a backtest is booked before its first sample, so that the costs of trades made in the very
    first cycle count too: it is then the initial equity, and the first period ends at the first sample.

    Parameters
    ----------
    state
        Only read.
    curve
        Of this state.

    Returns
    -------
    tuple
        USD, None without samples; microseconds since 1970; fractions.
    """
    returns = calculate_returns(curve)
    if not len(curve):
        return None, curve.times, returns
    if state.backtest_data is None or not curve.flows[0] > 0:
        return float(curve.values[_find_first_money(curve)]), curve.times[1:], returns
    initial = float(curve.flows[0])
    return initial, curve.times, np.concatenate(([float(curve.values[0]) / initial - 1.0], returns))


def _find_first_money(curve: EquityCurve) -> int:
    """Return the first sample with any money in the portfolio; 0 when none has."""
    return int(np.argmax(curve.values > 0))


def summarise_performance(state: State) -> PerformanceSummary:
    """Return the figures of a state; returns are those of `read_returns`."""
    portfolio = state.portfolio
    curve = read_equity_curve(state)
    positions = list(portfolio.get_all_positions())
    tally = tally_portfolio(portfolio)
    closed = [position for position in positions if position.is_closed()]
    results = sorted((_describe(position) for position in closed), key=lambda result: result.profit_pct)
    start_at = end_at = total_return = None
    initial, _, returns = read_returns(state, curve)
    if len(curve):
        start_at, end_at = (from_us(int(curve.times[index])) for index in (0, -1))
    if len(returns):
        total_return = calculate_total_return(returns)
    return PerformanceSummary(
        name=state.name,
        start_at=start_at,
        end_at=end_at,
        initial_equity=initial,
        final_equity=portfolio.get_net_asset_value(),
        net_deposits=(
            float(curve.flows[_find_first_money(curve) + 1 :].sum())
            if len(curve)
            else sum(usd_value for _, usd_value in iterate_flows(state))
        ),
        total_return=total_return,
        cagr=None if total_return is None else calculate_cagr(total_return, calculate_years(curve)),
        max_drawdown=calculate_max_drawdown(returns) if len(returns) else None,
        max_runup=calculate_max_runup(returns) if len(returns) else None,
        sharpe=calculate_sharpe(returns, calculate_periods_per_year(curve)),
        sortino=calculate_sortino(returns, calculate_periods_per_year(curve)),
        exposure=calculate_exposure(positions, start_at, end_at) if start_at and end_at else None,
        positions_open=len(portfolio.open_positions),
        positions_frozen=len(portfolio.frozen_positions),
        positions_closed=len(closed),
        won=len(tally.won),
        lost=len(tally.lost),
        win_rate=len(tally.won) / len(closed) if closed else None,
        profit_factor=calculate_profit_factor(np.array([result.profit_usd for result in results])),
        best_position=results[-1] if results else None,
        worst_position=results[0] if results else None,
        stop_losses=sum(outcomes.stop_losses for outcomes in tally.get_closed()),
        take_profits=sum(outcomes.take_profits for outcomes in tally.get_closed()),
        trades=tally.trades,
        failed_trades=sum(trade.is_failed() for position in positions for trade in position.trades.values()),
        volume=tally.volume,
        fees=tally.lp_fees,
    )


def _describe(position: TradingPosition) -> PositionResult:
    profit_usd, profit_pct = get_total_profit(position)
    return PositionResult(position.position_id, position.pair.get_ticker(), profit_pct, profit_usd)
