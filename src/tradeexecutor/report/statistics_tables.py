"""Everything that ``show-statistics`` prints about a state, as records.

The figures adjusted for deposits are in :mod:`tradeexecutor.report.figures`. The figures here, key metrics and the
table of long and short positions, have the definitions of recorded files and dashboards. A figure that misleads for
this state has the reason as its caveat.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tradeexecutor.analysis.adjusted.benchmark import Holding, YearlyReturn, compare_years, read_holdings
from tradeexecutor.analysis.adjusted.breakdown import BREAKDOWNS, Breakdown, break_down
from tradeexecutor.analysis.adjusted.drawdown import Drawdown, find_worst_drawdowns
from tradeexecutor.analysis.adjusted.equity import EquityCurve, read_equity_curve
from tradeexecutor.analysis.adjusted.periods import read_observations
from tradeexecutor.analysis.adjusted.summary import PerformanceSummary, summarise_performance
from tradeexecutor.analysis.recorded.long_short.recorded_table import serialise_live_long_short_stats
from tradeexecutor.analysis.recorded.long_short.table import get_sides_rows
from tradeexecutor.analysis.recorded.metrics import KeyMetric, KeyMetricKind, KeyMetricSource
from tradeexecutor.analysis.trade_analyser import build_trade_analysis
from tradeexecutor.report.figures import FigureGroup, Unit, describe_performance, format_value
from tradeexecutor.report.jumps import Jump, find_unexplained_jumps
from tradeexecutor.report.second_state import describe_mismatch, name_columns
from tradeexecutor.state.display.formatting import NOTHING
from tradeexecutor.state.state import State
from tradeexecutor.statistics.key_metric import calculate_key_metrics

__all__ = ["MetricRow", "SidesGroup", "SidesTable", "SidesTableRow", "StatisticsReport", "collect_statistics"]

_90_DAYS = datetime.timedelta(days=90)

_COUNTS_DEPOSITS = "counts deposits as profit"

_UNITS: dict[KeyMetricKind, Unit] = {
    KeyMetricKind.all_time_returns: "fraction",
    KeyMetricKind.cagr: "fraction",
    KeyMetricKind.decision_cycle_duration: "text",
    KeyMetricKind.last_trade: "time",
    KeyMetricKind.max_drawdown: "fraction",
    KeyMetricKind.profitability: "fraction",
    KeyMetricKind.share_price_entries: "count",
    KeyMetricKind.sharpe: "ratio",
    KeyMetricKind.sortino: "ratio",
    KeyMetricKind.started_at: "time",
    KeyMetricKind.total_equity: "usd",
    KeyMetricKind.trades_last_week: "count",
    KeyMetricKind.trades_per_month: "ratio",
}

#: Caveat: ratios of a backtest come from its total equity.
_FROM_EQUITY = {
    KeyMetricKind.all_time_returns,
    KeyMetricKind.cagr,
    KeyMetricKind.max_drawdown,
    KeyMetricKind.profitability,
    KeyMetricKind.sharpe,
    KeyMetricKind.sortino,
}

_NAMES = {
    KeyMetricKind.all_time_returns: "All-time return",
    KeyMetricKind.cagr: "CAGR",
    KeyMetricKind.decision_cycle_duration: "Cycle duration",
    KeyMetricKind.last_trade: "Last trade",
    KeyMetricKind.max_drawdown: "Max drawdown",
    KeyMetricKind.profitability: "Profitability",
    KeyMetricKind.share_price_entries: "Share price samples",
    KeyMetricKind.sharpe: "Sharpe ratio",
    KeyMetricKind.sortino: "Sortino ratio",
    KeyMetricKind.started_at: "Started",
    KeyMetricKind.total_equity: "Total equity",
    KeyMetricKind.trades_last_week: "Trades of last week",
    KeyMetricKind.trades_per_month: "Trades per 30 days",
}

_SOURCES = {
    KeyMetricSource.backtesting: "backtest",
    KeyMetricSource.live_trading: "live",
    KeyMetricSource.missing: NOTHING,
}

#: Title -> labels of rows; all other rows come last.
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Return": (
        "Trading period length", "Trading start", "Trading end", "Return %", "Annualised return %", "Max drawdown",
        "Max pullback of total capital", "Cash at start", "Value at end", "Cash left at the end",
        "Realised profit and loss", "Unrealised profit and loss", "Portfolio unrealised value",
    ),
    "Positions": (
        "Total positions", "Won positions", "Lost positions", "Zero profit positions", "Positions open at the end",
        "Position win percent", "Average position", "Median position", "Average winning position profit %",
        "Average losing position loss %", "Biggest winning position %", "Biggest losing position %",
        "Most consecutive wins", "Most consecutive losses",
    ),
    "Time": (
        "Time in market", "Time in market volatile", "Average duration of winning positions",
        "Average duration of losing positions", "Average duration between position openings",
        "Average positions per day", "Average bars of winning positions", "Average bars of losing positions",
    ),
    "Exits by trigger": (
        "Stop losses triggered", "Stop loss % of all", "Winning stop losses", "Winning stop losses percent",
        "Losing stop losses", "Losing stop losses percent", "Take profits triggered", "Take profit % of all",
        "Take profit % of won",
    ),
    "Risk of positions": (
        "Biggest realised risk", "Avg realised risk", "Max loss risk at opening of position",
    ),
    "Volume and costs": (
        "Trade volume", "Trade volume, no vault", "Trade volume, taxed tokens", "Token tax paid", "LP fees paid",
        "LP fees paid % of volume", "LP fees paid, no vault", "LP fees paid % of volume, no vault",
    ),
    "Interest": (
        "Average interest paid", "Median interest paid", "Total interest paid",
        "Extra returns on lending pool interest",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A key metric.

    Attributes
    ----------
    kind, name, value
        Kind, name and value of the metric; the value is None if there is none.
    text
        The value as text for people.
    source
        ``live``, ``backtest``, or ``-``.
    window_start_at, window_end_at
        Period from which it was calculated, naive UTC; None for the present.
    help_link
        Address of the page that explains the kind.
    reason
        Reason why there is no value; empty if there is one.
    caveat
        Reason why the value misleads for this state; empty if it does not.
    """

    kind: str
    name: str
    value: Any
    text: str
    source: str
    window_start_at: datetime.datetime | None
    window_end_at: datetime.datetime | None
    help_link: str | None
    reason: str
    caveat: str


@dataclass(frozen=True, slots=True)
class SidesTableRow:
    """One line of the table of long and short positions, as texts."""

    label: str
    all: str
    long: str
    short: str
    help_link: str | None
    caveat: str


@dataclass(frozen=True, slots=True)
class SidesGroup:
    """A titled group of lines."""

    title: str
    rows: tuple[SidesTableRow, ...]


@dataclass(frozen=True, slots=True)
class SidesTable:
    """All, long and short positions side by side; `source` is ``live`` or ``backtest``."""

    source: str
    groups: tuple[SidesGroup, ...]


@dataclass(frozen=True, slots=True)
class StatisticsReport:
    """Result of `collect_statistics`.

    Attributes
    ----------
    name, as_of
        Name of the strategy, and the time that counts as now, naive UTC.
    performance
        Figures adjusted for deposits.
    groups
        The same figures as texts, in groups.
    backtest
        Figures of the backtest, adjusted for deposits; None without one.
    columns
        Headings of the figures of both states; empty without a second one.
    mismatch
        Why the two are hardly of the same strategy; empty when they may be.
    metrics
        Key metrics.
    tables
        Trade summary of the state, then of the backtest if there is one.
    jumps
        Changes of the equity that are unlikely to be profit or loss.
    years
        Return of each calendar year without deposits, and that of buying and holding.
    drawdowns
        The ten deepest drawdowns.
    breakdowns
        Closed positions in groups.
    """

    name: str | None
    as_of: datetime.datetime
    performance: PerformanceSummary
    groups: list[FigureGroup]
    backtest: PerformanceSummary | None
    columns: tuple[str, ...]
    mismatch: str
    metrics: list[MetricRow]
    tables: list[SidesTable]
    jumps: list[Jump]
    years: list[YearlyReturn]
    drawdowns: list[Drawdown]
    breakdowns: list[Breakdown]

    @property
    def caveats(self) -> list[str]:
        """All caveats without duplicates, in order of appearance."""
        rows = [row for table in self.tables for group in table.groups for row in group.rows]
        return list(dict.fromkeys(item.caveat for item in (*self.metrics, *rows) if item.caveat))


def collect_statistics(
    state: State,
    backtest: State | None = None,
    as_of: datetime.datetime | None = None,
    required_history: datetime.timedelta = _90_DAYS,
    held: Holding | None = None,
) -> StatisticsReport:
    """Calculate all figures of a state.

    Parameters
    ----------
    state
        State of live trading or of a backtest, which is not changed.
    backtest
        Backtest of the same strategy; source of the key metrics while the live history is short.
    as_of
        Time that counts as now, naive UTC; None for the time of the last save or sample, so that the figures of an
        old file do not depend on the day on which they are computed.
    required_history
        Length of live trading from which on key metrics come from it.
    held
        Result of buying and holding; None for what the state has recorded.
    """
    held = held or next(iter(read_holdings(state)), None)
    as_of = as_of or find_last_time(state)
    curve = read_equity_curve(state)
    performance = summarise_performance(state, held)
    observations = read_observations(state)
    breakdowns = [break_down(state.portfolio, name) for name in BREAKDOWNS]
    is_backtest = state.backtest_data is not None
    metrics = calculate_key_metrics(
        state,
        state if is_backtest and backtest is None else backtest,
        required_history=datetime.timedelta.max if is_backtest and backtest is None else required_history,
        cycle_duration=state.backtest_data.decision_cycle_duration if state.backtest_data is not None else None,
        now_=as_of,
    )
    backtest_curve = curve if backtest is None else read_equity_curve(backtest)
    reviewer = _Reviewer(state, curve, backtest_curve, performance)
    tables = [_make_table(state, as_of, reviewer)]
    if backtest is not None:
        backtest_performance = summarise_performance(backtest)
        backtest_reviewer = _Reviewer(backtest, backtest_curve, backtest_curve, backtest_performance)
        tables.append(_make_table(backtest, find_last_time(backtest), backtest_reviewer))
    else:
        backtest_performance = None
    return StatisticsReport(
        name=state.name,
        as_of=as_of,
        performance=performance,
        groups=describe_performance(state, performance),
        backtest=backtest_performance,
        columns=() if backtest is None else name_columns(state, backtest),
        mismatch="" if backtest is None else describe_mismatch(state, backtest),
        metrics=[_make_metric(metric, reviewer) for metric in metrics],
        tables=tables,
        jumps=find_unexplained_jumps(state, curve),
        years=compare_years(observations, held),
        drawdowns=find_worst_drawdowns(observations.path_times, observations.path) if len(observations) else [],
        breakdowns=[item for item in breakdowns if item.rows],
    )


def find_last_time(state: State) -> datetime.datetime:
    """Return the time of the last recorded event, naive UTC."""
    _, end = state.get_strategy_time_range()
    latest = state.stats.get_latest_portfolio_stats()
    candidates = [state.created_at, end, None if latest is None else latest.calculated_at]
    if state.backtest_data is None:
        candidates.append(state.last_updated_at)
    return max(when for when in candidates if when is not None)


# --- Caveats


@dataclass(frozen=True, slots=True)
class _Reviewer:
    state: State
    curve: EquityCurve
    #: Figures of the state from which backtested metrics come.
    backtest_curve: EquityCurve
    performance: PerformanceSummary

    def review_metric(self, metric: KeyMetric) -> str:
        """Return the caveat of a metric; empty without one."""
        if metric.value is None:
            return ""
        kind = metric.kind
        if kind is KeyMetricKind.sortino and metric.value == 99.0:
            return "99 stands for no losing period"
        if kind is KeyMetricKind.total_equity and self.state.portfolio.frozen_positions:
            return "excludes frozen positions; the net asset value includes them"
        if kind in _FROM_EQUITY:
            if metric.source is KeyMetricSource.backtesting:
                return _COUNTS_DEPOSITS if _has_flows(self.backtest_curve) else ""
            return "closed positions only, compounded one after another"
        return ""

    def review_row(self, label: str, text: str) -> str:
        """Return the caveat of a row of the long/short table; empty without one."""
        if text == NOTHING:
            return ""
        is_backtest = self.state.backtest_data is not None
        if label in ("Return %", "Max drawdown"):
            if is_backtest:
                return _COUNTS_DEPOSITS if _has_flows(self.curve) else ""
            if label == "Max drawdown":
                return "closed positions only, compounded one after another"
            return "all positions, compounded one after another"
        if label == "Annualised return %":
            return "scaled linearly to a year; the CAGR compounds"
        if label == "Time in market":
            exposure = self.performance.exposure
            recorded = float(text.rstrip("%")) / 100
            if exposure is not None and abs(recorded - exposure) > 0.005:
                return f"counts overlapping positions and the time after an open one wrongly; it is {exposure:.2%}"
        if label == "Cash at start" and self.performance.net_deposits:
            return "the first deposit only"
        return ""


def _has_flows(curve: EquityCurve) -> bool:
    return bool(np.any(curve.flows[1:]))


# --- Rows


def _make_metric(metric: KeyMetric, reviewer: _Reviewer) -> MetricRow:
    value = metric.value
    if metric.kind is KeyMetricKind.max_drawdown and value:
        value = -abs(value)  # a drawdown has the same sign in all output
    text = format_value(value, _UNITS.get(metric.kind, "text"))
    has_value = text != NOTHING
    return MetricRow(
        kind=metric.kind.value,
        name=_NAMES.get(metric.kind) or metric.kind.value.replace("_", " ").capitalize(),
        value=metric.value if has_value else None,
        text=text,
        source=_SOURCES[metric.source] if has_value else NOTHING,
        window_start_at=metric.calculation_window_start_at,
        window_end_at=metric.calculation_window_end_at,
        help_link=metric.help_link,
        reason="" if has_value else metric.unavailability_reason or "",
        caveat=reviewer.review_metric(metric),
    )


def _make_table(state: State, as_of: datetime.datetime, reviewer: _Reviewer) -> SidesTable:
    if state.backtest_data is not None:
        sides = build_trade_analysis(state.portfolio).summarise_sides(state=state)
        rows = {row.label: (row.texts, row.help_link) for row in get_sides_rows(sides)}
        source = "backtest"
    else:
        # Recorded live tables contain another return and drawdown, computed from the profits of positions.
        table = serialise_live_long_short_stats(state, as_of)
        rows = {metric.name or kind: (metric.value, metric.help_link) for kind, metric in table.rows.items()}
        _turn_drawdown(rows)
        source = "live"
    made = {
        label: SidesTableRow(
            label, texts["All"], texts["Long"], texts["Short"], link, reviewer.review_row(label, texts["All"])
        )
        for label, (texts, link) in rows.items()
    }
    groups = [
        SidesGroup(title, tuple(made.pop(label) for label in labels if label in made))
        for title, labels in _GROUPS.items()
    ]
    groups.append(SidesGroup("Other", tuple(made.values())))
    return SidesTable(source, tuple(group for group in groups if group.rows))


def _turn_drawdown(rows: dict[str, tuple[Any, str | None]]) -> None:
    """Change the sign of the drawdown of a live table, which is recorded as positive, to that of all other output."""
    if "Max drawdown" in rows:
        texts, link = rows["Max drawdown"]
        rows["Max drawdown"] = ({side: _negate(text) for side, text in texts.items()}, link)


def _negate(text: str) -> str:
    is_number = text[:1].isdigit() and any(digit in "123456789" for digit in text)
    return f"-{text}" if is_number else text
