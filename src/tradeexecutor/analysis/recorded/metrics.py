"""Key metrics: figures of a strategy with their source.

A metric that cannot be calculated has no value, but a reason. Values are plain:
numbers, datetimes (naive UTC), a :py:class:`~tradeexecutor.state.cycle_duration.CycleDuration`, or in a table a
dictionary of texts by column.
"""

import datetime
import math
from dataclasses import dataclass, replace
from typing import Any

from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.types import StateEnum, UTCDatetime

__all__ = ["KeyMetric", "KeyMetricCalculationMethod", "KeyMetricKind", "KeyMetricSource"]

_GLOSSARY = "https://tradingstrategy.ai/glossary/"


class KeyMetricSource(StateEnum):
    """Which history a metric was calculated from."""

    backtesting = "backtesting"
    live_trading = "live_trading"
    missing = "missing"


class KeyMetricCalculationMethod(StateEnum):
    """Whether a metric is a current value or of a period."""

    latest_value = "latest_value"
    historical_data = "historical_data"


class KeyMetricKind(StateEnum):
    """Kind of a metric; the value is the key in tables and web pages."""

    sharpe = "sharpe"
    sortino = "sortino"
    max_drawdown = "max_drawdown"
    started_at = "started_at"
    cagr = "cagr"
    all_time_returns = "all_time_returns"
    profitability = "profitability"
    total_equity = "total_equity"
    last_trade = "last_trade"
    trades_last_week = "trades_last_week"
    trades_per_month = "trades_per_month"
    trading_period_length = "trading_period_length"
    return_percent = "return_percent"
    annualised_return_percent = "annualised_return_percent"
    cash_at_start = "cash_at_start"
    value_at_end = "value_at_end"
    trade_volume = "trade_volume"
    position_win_percent = "position_win_percent"
    total_positions = "total_positions"
    won_positions = "won_positions"
    lost_positions = "lost_positions"
    stop_losses_triggered = "stop_losses_triggered"
    stop_loss_percent_of_all = "stop_loss_percent_of_all"
    stop_loss_percent_of_lost = "stop_loss_percent_of_lost"
    winning_stop_losses = "winning_stop_losses"
    winning_stop_losses_percent = "winning_stop_losses_percent"
    losing_stop_losses = "losing_stop_losses"
    losing_stop_losses_percent = "losing_stop_losses_percent"
    take_profits_triggered = "take_profits_triggered"
    take_profit_percent_of_all = "take_profit_percent_of_all"
    take_profit_percent_of_won = "take_profit_percent_of_won"
    zero_profit_positions = "zero_profit_positions"
    positions_open_at_the_end = "positions_open_at_the_end"
    realised_profit_and_loss = "realised_profit_and_loss"
    unrealised_profit_and_loss = "unrealised_profit_and_loss"
    portfolio_unrealised_value = "portfolio_unrealised_value"
    extra_returns_on_lending_pool_interest = "extra_returns_on_lending_pool_interest"
    cash_left_at_the_end = "cash_left_at_the_end"
    average_winning_position_profit_percent = "average_winning_position_profit_percent"
    average_losing_position_loss_percent = "average_losing_position_loss_percent"
    biggest_winning_position_percent = "biggest_winning_position_percent"
    biggest_losing_position_percent = "biggest_losing_position_percent"
    average_duration_of_winning_positions = "average_duration_of_winning_positions"
    average_duration_of_losing_positions = "average_duration_of_losing_positions"
    average_bars_of_winning_positions = "average_bars_of_winning_positions"
    average_bars_of_losing_positions = "average_bars_of_losing_positions"
    lp_fees_paid = "lp_fees_paid"
    lp_fees_paid_percent_of_volume = "lp_fees_paid_percent_of_volume"
    average_position = "average_position"
    median_position = "median_position"
    most_consecutive_wins = "most_consecutive_wins"
    most_consecutive_losses = "most_consecutive_losses"
    biggest_realised_risk = "biggest_realised_risk"
    avg_realised_risk = "avg_realised_risk"
    max_pullback_of_total_capital = "max_pullback_of_total_capital"
    max_loss_risk_at_opening_of_position = "max_loss_risk_at_opening_of_position"
    average_interest_paid_usd = "average_interest_paid_usd"
    median_interest_paid_usd = "median_interest_paid_usd"
    max_interest_paid_usd = "max_interest_paid_usd"
    min_interest_paid_usd = "min_interest_paid_usd"
    total_interest_paid_usd = "total_interest_paid_usd"
    average_duration_between_position_openings = "average_duration_between_position_openings"
    average_position_frequency = "average_position_frequency"
    time_in_market = "time_in_market"
    decision_cycle_duration = "decision_cycle_duration"
    share_price_entries = "share_price_entries"

    def get_help_link(self) -> str:
        """Return the page that explains the metric; raises ``KeyError`` for kinds without one."""
        return _GLOSSARY + _HELP_PAGES[self]


_HELP_PAGES = {
    KeyMetricKind.cagr: "compound-annual-growth-rate-cagr",
    KeyMetricKind.sharpe: "sharpe",
    KeyMetricKind.sortino: "sortino",
    KeyMetricKind.max_drawdown: "maximum-drawdown",
    KeyMetricKind.profitability: "profitability",
    KeyMetricKind.total_equity: "total-equity",
    KeyMetricKind.started_at: "strategy-age",
    KeyMetricKind.last_trade: "last-trade",
    KeyMetricKind.trades_last_week: "trades-last-week",
    KeyMetricKind.trades_per_month: "trade-frequency",
    KeyMetricKind.decision_cycle_duration: "cycle-duration",
}


def _find_help_link(kind: KeyMetricKind) -> str | None:
    return kind.get_help_link() if kind in _HELP_PAGES else None


@dataclass(frozen=True)
class KeyMetric(Serialisable):
    """One figure about a strategy.

    Attributes
    ----------
    kind, source
        Kind of the figure, and the history it is calculated from.
    value
        None if it is not available.
    calculation_window_start_at, calculation_window_end_at
        Period of the calculation, naive UTC; None for a current value.
    calculation_method
        None if it is not available, and in tables.
    unavailability_reason
        Text that explains why there is no value; None if there is one.
    help_link
        Page that explains the kind.
    name
        Display name; None to derive it from the kind.
    """

    kind: KeyMetricKind
    source: KeyMetricSource
    value: Any
    calculation_window_start_at: UTCDatetime | None = None
    calculation_window_end_at: UTCDatetime | None = None
    calculation_method: KeyMetricCalculationMethod | None = None
    unavailability_reason: str | None = None
    help_link: str | None = None
    name: str | None = None

    @classmethod
    def create_na(cls, kind: KeyMetricKind, reason: str) -> "KeyMetric":
        """Return a metric without a value."""
        return cls(kind, KeyMetricSource.missing, None, unavailability_reason=reason, help_link=_find_help_link(kind))

    @classmethod
    def create_metric(
        cls,
        kind: KeyMetricKind,
        source: KeyMetricSource,
        value: Any,
        calculation_window_start_at: datetime.datetime | None,
        calculation_window_end_at: datetime.datetime | None,
        method: KeyMetricCalculationMethod,
    ) -> "KeyMetric":
        """Return a metric with its help link; NaN and infinity become None with a reason, because JSON lacks them."""
        metric = cls(
            kind,
            source,
            value,
            calculation_window_start_at,
            calculation_window_end_at,
            method,
            help_link=_find_help_link(kind),
        )
        if isinstance(value, float) and not math.isfinite(value):
            return replace(metric, value=None, unavailability_reason=f"The history gives no finite number: {value}")
        return metric
