"""The summary of a strategy, and the status of its process, in the terms of the public client."""

import dataclasses
import datetime
import math
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tradeexecutor import __version__
from tradeexecutor.analysis.adjusted.summary import PerformanceSummary
from tradeexecutor.analysis.recorded.metrics import (
    KeyMetric,
    KeyMetricCalculationMethod,
    KeyMetricKind,
    KeyMetricSource,
)
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.state import State
from tradeexecutor.state.types import to_epoch
from tradeexecutor.statistics.summary import StrategySummaryStatistics, calculate_summary_statistics
from tradeexecutor.web.public_state import get_client_chain
from tradeexecutor.web.series import get_growth, make_ascending
from tradeexecutor.web.sources import Saved, Strategy

__all__ = ["Description", "ProcessStatus", "make_metadata", "make_status"]

_DAY = datetime.timedelta(days=1)

#: Fields of the adjusted figures that are headlines of the client.
_HEADLINES = {
    KeyMetricKind.cagr: "cagr",
    KeyMetricKind.profitability: "total_return",
    KeyMetricKind.all_time_returns: "total_return",
    KeyMetricKind.sharpe: "sharpe",
    KeyMetricKind.sortino: "sortino",
    KeyMetricKind.max_drawdown: "max_drawdown",
}


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is published about a strategy beside its state; all of it may be left out.

    Attributes
    ----------
    name, short_description, long_description
        Texts; the long one is Markdown. None takes the name of the state.
    icon_url
        Absolute URL of a picture.
    tags, badges
        E.g. ``live``; ``closed_source`` hides the source.
    sort_priority
        Strategies with a higher number are shown earlier.
    fees
        Fractions by name, e.g. ``{"management_fee": 0.02}``.
    """

    name: str | None = None
    short_description: str | None = None
    long_description: str | None = None
    icon_url: str | None = None
    tags: list[str] = msgspec.field(default_factory=list[str])
    badges: list[str] = msgspec.field(default_factory=list[str])
    sort_priority: int = 0
    fees: dict[str, float] = msgspec.field(default_factory=dict[str, float])


@dataclass(slots=True)
class ProcessStatus:
    """What is known about the process that runs a strategy.

    Attributes
    ----------
    started_at
        Start of the process, naive UTC.
    is_running
        False after a crash.
    crashed_at, error
        Time and text of the crash; None without one.
    trigger_checks
        Number of checks of stop losses and the like since the start.
    wallet_gas
        Native tokens that the wallet has for gas, token units; None before the first look, or where nothing is sent.
    gas_warning_level
        A warning is shown when the wallet has less, token units: what the wallet has to keep for leaving positions, if
        that is set.
    """

    started_at: datetime.datetime = field(default_factory=utc_now)
    is_running: bool = True
    crashed_at: datetime.datetime | None = None
    error: str | None = None
    trigger_checks: int = 0
    wallet_gas: float | None = None
    gas_warning_level: float = 0.01

    @property
    def gas_warning(self) -> str | None:
        """Text for people when the wallet is low on gas; None otherwise."""
        if self.wallet_gas is None or self.wallet_gas >= self.gas_warning_level:
            return None
        return f"The wallet has {self.wallet_gas:.6f} native tokens for gas, less than {self.gas_warning_level:g}"


def find_cycle_duration(state: State) -> CycleDuration | None:
    """Return the time between decisions that a backtest has recorded; None for other states."""
    return None if state.backtest_data is None else state.backtest_data.decision_cycle_duration


def make_metadata(
    strategy: Strategy, saved: Saved, description: Description, status: ProcessStatus | None
) -> dict[str, Any]:
    """Return the summary of a strategy, ready for JSON; times are epoch seconds, UTC."""
    state = saved.state
    tags = list(description.tags)
    return {
        "name": description.name or state.name or strategy.id,
        "short_description": description.short_description,
        "long_description": description.long_description,
        "icon_url": description.icon_url,
        "on_chain_data": _describe_chain(state),
        "started_at": to_epoch(status.started_at if status else state.created_at),
        "executor_running": is_running(state, saved, status),
        "frozen_positions": len(state.portfolio.frozen_positions),
        "summary_statistics": make_summary(state, saved),
        "error_message": status.error if status else None,
        "backtest_available": state.backtest_data is not None,
        "crashed_at": _to_seconds(status.crashed_at) if status else None,
        "badges": list(description.badges),
        "tags": tags,
        "sort_priority": description.sort_priority,
        "fees": {name: value for name, value in description.fees.items() if math.isfinite(value)},
    }


def is_running(state: State, saved: Saved, status: ProcessStatus | None) -> bool:
    """Return True if the strategy runs: in this process, or, for a stored live state, if it was saved within a day."""
    if status is not None:
        return status.is_running
    if state.backtest_data is not None or saved.saved_at is None:
        return False
    return utc_now() - saved.saved_at < _DAY


def _describe_chain(state: State) -> dict[str, Any]:
    deployment = state.sync.deployment
    chain_id = deployment.chain_id if deployment else None
    if chain_id is None:
        chain_id = next((reserve.asset.chain_id for reserve in state.portfolio.reserves.values()), None)
    return {
        "chain_id": get_client_chain(None if chain_id is None else int(chain_id)),
        "asset_management_mode": "hot_wallet",
        "smart_contracts": {},
        "owner": None,
        "trade_executor_hot_wallet": deployment.address if deployment and deployment.address else None,
    }


def make_summary(state: State, saved: Saved) -> dict[str, Any]:
    """Return the summary statistics with the adjusted figures as headlines."""
    now = saved.saved_at or utc_now()
    cycle = find_cycle_duration(state)
    figures = calculate_summary_statistics(state, now_=now, cycle_duration=cycle)
    performance = figures.performance
    values = {item.name: getattr(figures, item.name) for item in dataclasses.fields(figures)}
    del values["performance"]
    metrics = _make_headlines(state, figures, now)
    growth = get_growth(state) or make_ascending(figures.compounding_unrealised_trading_profitability or [])
    recent = [point for point in growth if point[0] >= to_epoch(now) - 90 * 86_400]
    values |= {
        "current_value": performance.final_equity,
        "return_all_time": performance.total_return,
        "return_annualised": performance.cagr,
        "profitability_90_days": _measure_recent(growth, recent),
        "performance_chart_90_days": recent or None,
        "compounding_unrealised_trading_profitability": growth,
        "key_metrics": {kind.value: metric_to_json(metric) for kind, metric in metrics.items()},
    }
    return {name: _to_plain(value) for name, value in values.items()}


def _measure_recent(growth: list[tuple[float, float]], recent: list[tuple[float, float]]) -> float | None:
    """Return the return of the last 90 days, a fraction; None without samples in them."""
    if not recent:
        return None
    before = growth[-len(recent) - 1][1] if len(growth) > len(recent) else 0.0
    return (1.0 + recent[-1][1]) / (1.0 + before) - 1.0 if before > -1.0 else None


def _make_headlines(
    state: State, figures: StrategySummaryStatistics, now: datetime.datetime
) -> dict[KeyMetricKind, KeyMetric]:
    """Return the key metrics by kind, those of `_HEADLINES` adjusted for deposits and redemptions."""
    metrics = {metric.kind: metric for metric in figures.key_metrics.values()}
    performance = figures.performance
    is_backtest = state.backtest_data is not None
    source = KeyMetricSource.backtesting if is_backtest else KeyMetricSource.live_trading
    start, end = performance.start_at or state.created_at, performance.end_at or now
    for kind, name in _HEADLINES.items():
        value = getattr(performance, name)
        if value is None:
            metrics[kind] = KeyMetric.create_na(kind, "Not enough samples of the portfolio")
            continue
        if kind is KeyMetricKind.max_drawdown:
            value = abs(value)
        metrics[kind] = KeyMetric.create_metric(
            kind, source, float(value), start, end, KeyMetricCalculationMethod.historical_data
        )
    latest = {
        KeyMetricKind.total_equity: performance.final_equity,
        KeyMetricKind.started_at: performance.start_at if is_backtest and performance.start_at else state.created_at,
    }
    for kind, value in latest.items():
        metrics[kind] = KeyMetric.create_metric(
            kind, source, value, None, None, KeyMetricCalculationMethod.latest_value
        )
    metrics[KeyMetricKind.trades_per_month] = _measure_frequency(state, performance, source)
    return metrics


def _measure_frequency(state: State, performance: PerformanceSummary, source: KeyMetricSource) -> KeyMetric:
    kind = KeyMetricKind.trades_per_month
    duration = state.get_strategy_duration()
    if not duration:
        return KeyMetric.create_na(kind, "Not enough trades")
    count = sum(1 for _ in state.portfolio.get_all_trades()) * (30 * _DAY / duration)
    return KeyMetric.create_metric(
        kind, source, count, performance.start_at, performance.end_at, KeyMetricCalculationMethod.historical_data
    )


def metric_to_json(metric: KeyMetric) -> dict[str, Any]:
    """Return a key metric as the client accepts it; the value is a number, a text or None."""
    value = metric.value
    if isinstance(value, CycleDuration):
        hours = value.to_timedelta().total_seconds() / 3600
        # The client reads only hours and days.
        value = value.value if value.value[-1] in "hd" else f"{hours:.0f}h" if hours >= 1 else None
    return {
        "kind": metric.kind.value,
        "source": metric.source.value,
        "value": _to_plain(value),
        "calculation_window_start_at": _to_seconds(metric.calculation_window_start_at),
        "calculation_window_end_at": _to_seconds(metric.calculation_window_end_at),
        "calculation_method": metric.calculation_method.value if metric.calculation_method else None,
        "unavailability_reason": metric.unavailability_reason,
        "help_link": metric.help_link or None,
        "name": metric.name,
    }


def _to_seconds(when: datetime.datetime | None) -> float | None:
    return None if when is None else to_epoch(when)


def _to_plain(value: Any) -> Any:
    """Return a value for JSON: epoch seconds for times, seconds for durations, None for numbers that JSON lacks."""
    if isinstance(value, datetime.datetime):
        return to_epoch(value)
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, CycleDuration):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def make_status(
    strategy: Strategy, saved: Saved, description: Description, status: ProcessStatus | None
) -> dict[str, Any]:
    """Return what is known about the process of a strategy; every key that the client needs is there."""
    state = saved.state
    address = state.sync.deployment.address if state.sync.deployment else None
    error = status.error if status else None
    return {
        "executor_id": strategy.id,
        "last_refreshed_at": to_epoch(saved.saved_at or state.created_at),
        "started_at": to_epoch(status.started_at if status else state.created_at),
        "executor_running": is_running(state, saved, status),
        "completed_cycle": max(state.uptime.cycles_completed_at, default=None),
        "cycles": len(state.uptime.cycles_completed_at),
        "position_trigger_checks": status.trigger_checks if status else 0,
        "position_revaluations": state.uptime.stats_refresh_completed,
        "frozen_positions": len(state.portfolio.frozen_positions),
        "crashed_at": _to_seconds(status.crashed_at) if status else None,
        "exception": {"exception_message": error} if error else None,
        "hot_wallet_address": address,
        "hot_wallet_gas": status.wallet_gas if status else None,
        "hot_wallet_gas_warning_level": status.gas_warning_level if status and status.wallet_gas is not None else None,
        "hot_wallet_gas_warning_message": status.gas_warning if status else None,
        "source_code": None,
        "visualisation": None,
        "summary_statistics": make_summary(state, saved),
        "market_data_feed_lag": None,
        "version": {"tag": f"v{__version__}", "commit_message": None, "commit_hash": None},
        "read_only_state_copy": None,
        "chart_registry": None,
        "latest_indicators": None,
    }
