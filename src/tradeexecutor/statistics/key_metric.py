"""The key metrics of a live or backtested strategy, with the definitions of existing dashboards.

Ratios have the definitions of :mod:`tradeexecutor.analysis.recorded.ratios`. Live ones come from the realised, size-
relative profits of closed positions, or from the share price: deposits do not disturb either. Backtested ones come
from the total equity. :py:func:`tradeexecutor.analysis.adjusted.summary.summarise_performance` has figures of the net
asset value, adjusted for deposits, for both.
"""

import datetime
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tradeexecutor.analysis.recorded.equity_series import Frequency, calculate_daily_returns, calculate_share_price
from tradeexecutor.analysis.recorded.metrics import (
    KeyMetric,
    KeyMetricCalculationMethod,
    KeyMetricKind,
    KeyMetricSource,
)
from tradeexecutor.analysis.recorded.position_returns import calculate_non_cumulative_daily_returns
from tradeexecutor.analysis.recorded.ratios import (
    DAYS_PER_YEAR,
    calculate_annualised_return,
    calculate_cagr,
    calculate_max_drawdown,
    calculate_max_runup,
    calculate_profit_factor,
    calculate_profitability,
    calculate_sharpe,
    calculate_sortino,
)
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import LegacyDataException
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.state import State

__all__ = [
    "calculate_annualised_return",
    "calculate_cagr",
    "calculate_key_metrics",
    "calculate_max_drawdown",
    "calculate_max_runup",
    "calculate_profit_factor",
    "calculate_profitability",
    "calculate_sharpe",
    "calculate_sortino",
    "calculate_trades_last_week",
    "calculate_trades_per_month",
]

#: Value for an infinite Sortino ratio, which has no loss.
_NO_LOSS = 99.0

_NOT_ENOUGH_DATA = "Not enough live trading or backtesting data available"
_NO_CYCLE_DURATION = "Not available, should always be available live trading"

_MONTH = datetime.timedelta(days=30)
_WEEK = datetime.timedelta(days=7)

_NA_KINDS = (
    KeyMetricKind.cagr,
    KeyMetricKind.sharpe,
    KeyMetricKind.sortino,
    KeyMetricKind.max_drawdown,
    KeyMetricKind.profitability,
    KeyMetricKind.trades_per_month,
    KeyMetricKind.total_equity,
)


def calculate_trades_per_month(state: State) -> float:
    """Return all trades, whatever their status, per 30 days of the strategy; 0 without a duration."""
    duration = state.get_strategy_duration()
    if not duration:
        return 0
    return sum(1 for _ in state.portfolio.get_all_trades()) * (_MONTH / duration)


def calculate_trades_last_week(
    portfolio: Portfolio, cut_off_date: datetime.datetime | None = None, now_: datetime.datetime | None = None
) -> int:
    """Return the number of successful trades executed from the cut-off, by default a week ago, until now."""
    now_ = now_ or utc_now()
    start = cut_off_date or now_ - _WEEK
    return sum(
        1
        for trade in portfolio.get_all_trades()
        if trade.executed_at is not None and start <= trade.executed_at <= now_ and trade.is_success()
    )


@dataclass(slots=True)
class _History:
    """History that metrics are calculated from."""

    state: State
    source: KeyMetricSource
    returns: "pd.Series[float]"
    start: datetime.datetime | None
    end: datetime.datetime | None

    def make(self, kind: KeyMetricKind, value: float) -> KeyMetric:
        return KeyMetric.create_metric(
            kind, self.source, value, self.start, self.end, KeyMetricCalculationMethod.historical_data
        )


@contract_signature
def calculate_key_metrics(
    live_state: State,
    backtested_state: State | None = None,
    required_history: datetime.timedelta = datetime.timedelta(days=90),
    freq_base: Frequency = "D",
    cycle_duration: CycleDuration | None = None,
    share_price_based: bool = False,
    now_: datetime.datetime | None = None,
) -> Iterator[KeyMetric]:
    """Yield the key metrics.

    Parameters
    ----------
    live_state
        State of the strategy. Ratios are calculated from it if its history is long enough.
    backtested_state
        State of a backtest with trades, from which ratios are calculated otherwise.
    required_history
        Smallest time from the first to the last executed trade of a history that is long enough.
    freq_base
        Length of the periods of live returns.
    cycle_duration
        Value of the metric of this name; None for a metric without a value.
    share_price_based
        Whether live returns are those of the share price; without a backtest they are used for any length of history.
    now_
        Current time, naive UTC; None reads the clock.

    Yields
    ------
    KeyMetric
        Historical ones first: returns, Sharpe, Sortino (99.0 when there was no loss), maximum drawdown (a fraction
        >= 0), profitability, CAGR, trades per month; without enough history they have no value. Then total equity,
        start, last trade, trades of the last week, cycle duration.
    """
    now_ = now_ or utc_now()
    history = _choose_history(
        live_state, backtested_state, required_history, freq_base, share_price_based=share_price_based, now_=now_
    )
    if history is not None:
        if share_price_based:
            entries = len(calculate_share_price(history.state))
            yield history.make(KeyMetricKind.share_price_entries, entries)
        yield from _calculate_ratios(history)
        yield _make_latest(KeyMetricKind.total_equity, live_state.portfolio.get_total_equity())
    else:
        for kind in _NA_KINDS:
            yield KeyMetric.create_na(kind, _NOT_ENOUGH_DATA)
    yield _make_latest(KeyMetricKind.started_at, live_state.created_at)
    _, last_trade = live_state.portfolio.get_first_and_last_executed_trade()
    if last_trade is not None:
        yield _make_latest(KeyMetricKind.last_trade, last_trade.executed_at)
    yield _make_latest(KeyMetricKind.trades_last_week, calculate_trades_last_week(live_state.portfolio, now_=now_))
    cycle_duration = None if cycle_duration is None else CycleDuration(cycle_duration)
    cycle = _make_latest(KeyMetricKind.decision_cycle_duration, cycle_duration)
    reason = None if cycle_duration is not None else _NO_CYCLE_DURATION
    yield replace(cycle, name="Cycle Duration", unavailability_reason=reason)


def _make_latest(kind: KeyMetricKind, value: object) -> KeyMetric:
    return KeyMetric.create_metric(
        kind, KeyMetricSource.live_trading, value, None, None, KeyMetricCalculationMethod.latest_value
    )


def _choose_history(
    live_state: State,
    backtested_state: State | None,
    required_history: datetime.timedelta,
    freq_base: Frequency,
    *,
    share_price_based: bool,
    now_: datetime.datetime,
) -> _History | None:
    """Return the live history if it is long enough, otherwise the backtest, otherwise the share price history."""
    traded = live_state.portfolio.get_trading_history_duration()
    is_enough = traded is not None and traded >= required_history
    if not is_enough and backtested_state is not None:
        first, last = backtested_state.portfolio.get_first_and_last_executed_trade()
        if first is not None and last is not None and first.executed_at and last.executed_at:
            returns = calculate_daily_returns(backtested_state, freq="D")
            return _History(backtested_state, KeyMetricSource.backtesting, returns, first.executed_at, last.executed_at)
    if share_price_based:
        share_price = calculate_share_price(live_state)["share_price_usd"]
        if not (is_enough or len(share_price) > 1):
            return None
        returns = _calculate_share_price_returns(share_price)
    elif is_enough:
        try:
            returns = calculate_non_cumulative_daily_returns(live_state, freq_base=freq_base)
        except LegacyDataException:
            return None  # an old file without the capital that positions used
    else:
        return None
    return _History(live_state, KeyMetricSource.live_trading, returns, live_state.created_at, now_)


def _calculate_share_price_returns(share_price: "pd.Series[float]") -> "pd.Series[float]":
    if not len(share_price):
        return share_price
    with np.errstate(divide="ignore", invalid="ignore"):
        return share_price.resample("D").last().ffill().pct_change()


def _calculate_ratios(history: _History) -> Iterator[KeyMetric]:
    returns = history.returns
    profitability = calculate_profitability(returns)
    sortino = calculate_sortino(returns, periods=DAYS_PER_YEAR)
    yield history.make(KeyMetricKind.all_time_returns, profitability)
    yield history.make(KeyMetricKind.sharpe, calculate_sharpe(returns, periods=DAYS_PER_YEAR))
    yield history.make(KeyMetricKind.sortino, _NO_LOSS if math.isinf(sortino) else sortino)
    yield history.make(KeyMetricKind.max_drawdown, abs(calculate_max_drawdown(returns)))
    yield history.make(KeyMetricKind.profitability, profitability)
    yield history.make(KeyMetricKind.cagr, calculate_cagr(returns))
    yield history.make(KeyMetricKind.trades_per_month, calculate_trades_per_month(history.state))
