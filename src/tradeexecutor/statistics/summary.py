"""The summary that a strategy shows on its start page."""

import datetime
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tradeexecutor.analysis.adjusted.summary import PerformanceSummary, summarise_performance
from tradeexecutor.analysis.recorded.equity_series import calculate_share_price
from tradeexecutor.analysis.recorded.metrics import KeyMetric
from tradeexecutor.analysis.recorded.position_returns import (
    calculate_compounding_unrealised_trading_profitability,
    extract_compounding_unrealised_trading_profitability_portfolio_statistics,
)
from tradeexecutor.analysis.recorded.ratios import calculate_annualised_return
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import LegacyDataException
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.state import State
from tradeexecutor.state.types import Percent, USDollarAmount
from tradeexecutor.statistics.key_metric import calculate_key_metrics

__all__ = ["StrategySummaryStatistics", "calculate_summary_statistics"]

#: Epoch seconds and a value.
Point = tuple[float, float]

_90_DAYS = datetime.timedelta(days=90)


@dataclass(slots=True)
class StrategySummaryStatistics:
    """Figures of the start page; fractions and USD, times naive UTC.

    All except `performance` have the definitions of recorded figures.

    Attributes
    ----------
    calculated_at, launched_at
        Current time, and time of creation of the state; None without a state.
    first_trade_at, last_trade_at
        Executed trades; None without any.
    current_value
        Total equity, without frozen positions.
    enough_data
        Whether the profits of positions span more than the window.
    profitability_90_days, performance_chart_90_days
        Compounded profit of the positions at the end of the window and over it; None with fewer than two daily values
        or none in the window. With share prices: the return since the start.
    return_all_time
        Compounded profit of all positions; None when the window is empty.
    return_annualised
        The same scaled linearly to a year of the strategy's duration.
    compounding_unrealised_trading_profitability
        The profit as it was recorded over time; None before the first sample of the portfolio.
    share_price_returns_90_days, nav_90_days
        Share price returns since the start, and the net asset value, daily within the window; None if not requested.
    key_metrics
        Metrics by the value of their kind.
    backtest_metrics_cut_off_period
        Length of live history below which key metrics are those of the backtest.
    cycle_duration
        Cycle duration of the strategy, if given.
    performance
        Figures of the net asset value, adjusted for deposits and redemptions.
    """

    calculated_at: datetime.datetime = field(default_factory=utc_now)
    launched_at: datetime.datetime | None = None
    performance: PerformanceSummary = field(default_factory=lambda: summarise_performance(State()))
    first_trade_at: datetime.datetime | None = None
    last_trade_at: datetime.datetime | None = None
    current_value: USDollarAmount | None = None
    enough_data: bool = False
    profitability_90_days: Percent | None = None
    performance_chart_90_days: list[Point] | None = None
    return_all_time: Percent | None = None
    return_annualised: Percent | None = None
    compounding_unrealised_trading_profitability: list[Point] | None = None
    share_price_returns_90_days: list[Point] | None = None
    nav_90_days: list[Point] | None = None
    key_metrics: dict[str, KeyMetric] = field(default_factory=dict[str, KeyMetric])
    backtest_metrics_cut_off_period: datetime.timedelta | None = None
    cycle_duration: CycleDuration | None = None


@contract_signature
def calculate_summary_statistics(
    state: State,
    execution_mode: ExecutionMode = ExecutionMode.one_off,
    time_window: datetime.timedelta = _90_DAYS,
    now_: datetime.datetime | None = None,
    legacy_workarounds: bool = False,
    backtested_state: State | None = None,
    key_metrics_backtest_cut_off: datetime.timedelta = _90_DAYS,
    cycle_duration: CycleDuration | None = None,
    share_price: bool = False,
) -> StrategySummaryStatistics:
    """Return the summary of a strategy.

    Parameters
    ----------
    state
        The strategy, live or backtested.
    execution_mode, legacy_workarounds
        Accepted for existing callers, no effect.
    time_window
        Length of charts and of the recent profit.
    now_
        Current time, naive UTC; None reads the clock.
    backtested_state, key_metrics_backtest_cut_off, cycle_duration
        See :py:func:`tradeexecutor.statistics.key_metric.calculate_key_metrics`.
    share_price
        Whether returns are those of the share price, for vaults.

    Notes
    -----
    The figures from profits of positions are empty for old files without portfolio values, and for states without
    samples.
    """
    now_ = _to_datetime(now_) if now_ is not None else utc_now()
    portfolio = state.portfolio
    first, last = portfolio.get_first_and_last_execution()
    summary = StrategySummaryStatistics(
        calculated_at=now_,
        launched_at=state.created_at,
        performance=summarise_performance(state),
        first_trade_at=first,
        last_trade_at=last,
        current_value=portfolio.calculate_total_equity(),
        compounding_unrealised_trading_profitability=_get_recorded_profit(state),
        backtest_metrics_cut_off_period=key_metrics_backtest_cut_off,
        cycle_duration=None if cycle_duration is None else CycleDuration(cycle_duration),
    )
    _add_profit_of_positions(summary, state, now_ - time_window)
    if share_price:
        _add_share_price(summary, state, now_ - time_window)
    summary.key_metrics = {
        metric.kind.value: metric
        for metric in calculate_key_metrics(
            state,
            backtested_state,
            required_history=key_metrics_backtest_cut_off,
            cycle_duration=cycle_duration,
            share_price_based=share_price,
            now_=now_,
        )
    }
    return summary


def _to_datetime(when: datetime.datetime) -> datetime.datetime:
    """Return a plain datetime; callers also pass pandas timestamps."""
    return when.to_pydatetime() if isinstance(when, pd.Timestamp) else when


def to_points(series: "pd.Series[float]") -> list[Point]:
    """Return the series as pairs of epoch seconds and value; entries without a finite value are left out."""
    values = series.to_numpy(dtype=np.float64)
    known = np.isfinite(values)
    times = pd.DatetimeIndex(series.index).as_unit("us").asi8[known] / 1_000_000
    return list(zip(times.tolist(), values[known].tolist(), strict=True))


def _get_recorded_profit(state: State) -> list[Point] | None:
    if not state.stats.portfolio:
        return None
    return to_points(extract_compounding_unrealised_trading_profitability_portfolio_statistics(state))


def _add_profit_of_positions(summary: StrategySummaryStatistics, state: State, since: datetime.datetime) -> None:
    if not state.stats.portfolio:
        return
    try:
        profit = calculate_compounding_unrealised_trading_profitability(state)
    except LegacyDataException:
        return
    if len(profit) < 2:
        return
    summary.enough_data = bool(profit.index[0] <= since)
    window = profit[profit.index >= since]
    if len(window):
        summary.performance_chart_90_days = to_points(window)
        summary.profitability_90_days = float(window.iloc[-1])
        summary.return_all_time = float(profit.iloc[-1])
        summary.return_annualised = calculate_annualised_return(summary.return_all_time, state.get_strategy_duration())


def _add_share_price(summary: StrategySummaryStatistics, state: State, since: datetime.datetime) -> None:
    share_price = calculate_share_price(state)
    if not len(share_price):
        return
    summary.return_annualised = calculate_annualised_return(
        float(share_price["returns"].iloc[-1]), state.get_strategy_duration()
    )
    daily = share_price[share_price.index >= since].resample("D").last().dropna()
    if len(daily):
        points = to_points(daily["returns"])
        summary.share_price_returns_90_days = summary.performance_chart_90_days = points
        summary.profitability_90_days = points[-1][1]
        summary.nav_90_days = to_points(daily["nav"])
