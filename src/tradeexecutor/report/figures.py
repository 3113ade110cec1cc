"""The figures of a state for people: in groups, with units and caveats.

Figures that are adjusted for deposits come first. Figures with the definitions of existing dashboards and recorded
files come after them, with a caveat if they mislead for this state.
"""

import datetime
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from tradeexecutor.analysis.adjusted.equity import EquityCurve, read_equity_curve
from tradeexecutor.analysis.adjusted.positions import get_net_profit
from tradeexecutor.analysis.adjusted.summary import PerformanceSummary, PositionResult, summarise_performance
from tradeexecutor.report.glossary import GLOSSARY
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.display.formatting import (
    NOTHING,
    format_count,
    format_percent,
    format_ratio,
    format_span,
    format_time,
    format_usd,
)
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.state import State

__all__ = [
    "Figure",
    "FigureGroup",
    "Unit",
    "describe_performance",
    "format_value",
    "get_cagr",
    "make_figure",
]

Unit = Literal["usd", "fraction", "ratio", "count", "time", "span", "text"]

#: Profit by equity and profit by positions agree if they differ by less than this fraction.
_PROFIT_TOLERANCE = 0.02

#: Why nothing can be compared with buying and holding.
_NO_PRICES = "the state has no market prices"

#: Shortest history for which yearly figures are shown.
_MIN_ANNUALISED_TIME = datetime.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a report.

    Attributes
    ----------
    key
        Stable name; the key of the glossary.
    name
        Name for people.
    value
        The value; None if there is none.
    unit
        ``usd``, ``fraction`` (0.05 is 5 %), ``ratio``, ``count``, ``time`` (naive UTC), ``span`` (a `timedelta`), or
        ``text``.
    note
        Reason why there is no value, or a remark about it; may be empty.
    """

    key: str
    name: str
    value: Any
    unit: Unit
    note: str = ""

    @property
    def text(self) -> str:
        """The value as text for people; ``-`` if there is none."""
        return format_value(self.value, self.unit)

    @property
    def help(self) -> str:
        """Explanation of the figure; empty if the glossary does not contain it."""
        return GLOSSARY[self.key][1] if self.key in GLOSSARY else ""

    @property
    def is_bad(self) -> bool:
        """True if the figure is a loss or another number below zero."""
        return isinstance(self.value, int | float) and self.value < 0


@dataclass(frozen=True, slots=True)
class FigureGroup:
    """A titled group of figures."""

    title: str
    figures: tuple[Figure, ...]


def format_value(value: Any, unit: Unit) -> str:
    """Return a value as text for people; ``-`` for None, NaN and infinity.

    >>> format_value(0.1234, "fraction"), format_value(float("nan"), "ratio"), format_value(1234, "usd")
    ('12.34 %', '-', '1,234.00')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOTHING
    if unit == "text":
        return value.value if isinstance(value, CycleDuration) else str(value)
    formats = {
        "usd": format_usd,
        "fraction": format_percent,
        "ratio": format_ratio,
        "count": format_count,
        "time": format_time,
        "span": format_span,
    }
    return formats[unit](value)


def describe_performance(state: State, summary: PerformanceSummary | None = None) -> list[FigureGroup]:
    """Return the figures that are adjusted for deposits, in groups.

    Parameters
    ----------
    state
        The state, which is not changed.
    summary
        Summary of this state, if it was computed already.
    """
    summary = summary or summarise_performance(state)
    curve = read_equity_curve(state)
    return [
        FigureGroup("Result", tuple(_make_result(state, summary, curve))),
        FigureGroup("Risk", tuple(_make_risk(summary))),
        FigureGroup("Returns of a day", tuple(_make_spread(summary))),
        FigureGroup("Positions", tuple(_make_positions(summary))),
        FigureGroup("Trading", tuple(_make_trading(summary))),
        *([FigureGroup("Interest", tuple(_make_interest(summary)))] if summary.has_interest else []),
    ]


def make_figure(key: str, value: Any, unit: Unit, note: str = "") -> Figure:
    """Return a figure with its name from the glossary."""
    return Figure(key, GLOSSARY[key][0], value, unit, note)


def _make_result(state: State, summary: PerformanceSummary, curve: EquityCurve) -> Iterable[Figure]:
    few = "fewer than two samples are recorded" if summary.total_return is None else ""
    span = summary.end_at - summary.start_at if summary.start_at and summary.end_at else None
    yield make_figure("start_at", summary.start_at, "time")
    yield make_figure("end_at", summary.end_at, "time")
    yield make_figure("length", span, "span")
    yield make_figure("initial_equity", summary.initial_equity, "usd")
    yield make_figure("final_equity", summary.final_equity, "usd", _describe_last_sample(summary, curve))
    yield make_figure("cash", state.portfolio.get_cash(), "usd")
    yield make_figure("net_deposits", summary.net_deposits, "usd")
    initial = summary.initial_equity
    profit = None if initial is None else float(curve.values[-1]) - initial - summary.net_deposits
    yield make_figure("profit", profit, "usd", _contradict(state, profit, initial))
    yield make_figure("total_return", summary.total_return, "fraction", few)
    unknown = "" if summary.buy_and_hold is not None else _NO_PRICES
    yield make_figure("buy_and_hold", summary.buy_and_hold, "fraction", unknown)
    if span is not None and span < _MIN_ANNUALISED_TIME:
        few = f"under {_MIN_ANNUALISED_TIME.days} days"
    yield make_figure("cagr", get_cagr(summary), "fraction", few)
    yield make_figure("money_weighted_return", summary.money_weighted_return, "fraction")


def _contradict(state: State, profit: float | None, initial: float | None) -> str:
    """Return a remark if the profit of the positions differs from that of the equity, because one of them is wrong."""
    try:
        earned = sum(get_net_profit(position) for position in state.portfolio.get_all_positions())
    except TradeExecutorError:
        return ""
    if profit is None or abs(earned - profit) <= max(_PROFIT_TOLERANCE * max(initial or 0.0, abs(profit)), 0.01):
        return ""
    return f"its positions earned {format_usd(earned)}: money moved without a record, or the history is not complete"


def _describe_last_sample(summary: PerformanceSummary, curve: EquityCurve) -> str:
    """Return a remark if the value of the portfolio differs from the last sample by more than rounding."""
    if not len(curve):
        return ""
    last = float(curve.values[-1])
    is_same = math.isclose(last, summary.final_equity, rel_tol=1e-3, abs_tol=0.01)
    return "" if is_same else f"last sample {format_usd(last)}"


def get_cagr(summary: PerformanceSummary) -> float | None:
    """Return the yearly return, a fraction; None for less than 30 days, which are too few for a yearly figure."""
    if summary.start_at is None or summary.end_at is None or summary.end_at - summary.start_at < _MIN_ANNUALISED_TIME:
        return None
    return summary.cagr


def _make_risk(summary: PerformanceSummary) -> Iterable[Figure]:
    risk = summary.risk
    yield make_figure("max_drawdown", summary.max_drawdown, "fraction")
    yield make_figure("longest_drawdown", risk.longest_drawdown, "span")
    yield make_figure("ulcer_index", risk.ulcer_index, "fraction")
    yield make_figure("max_runup", summary.max_runup, "fraction")
    yield make_figure("volatility", risk.volatility, "fraction")
    yield make_figure("sharpe", summary.sharpe, "ratio")
    no_loss = "no loss" if summary.sortino is None and summary.sharpe is not None else ""
    yield make_figure("sortino", summary.sortino, "ratio", no_loss)
    is_short = summary.cagr is not None and get_cagr(summary) is None
    too_short = f"under {_MIN_ANNUALISED_TIME.days} days" if is_short else ""
    yield make_figure("calmar", None if is_short else risk.calmar, "ratio", too_short)
    yield make_figure("omega", risk.omega, "ratio", no_loss)
    yield make_figure("alpha", summary.alpha, "fraction")
    yield make_figure("beta", summary.beta, "ratio")
    yield make_figure("exposure", summary.exposure, "fraction")


def _make_spread(summary: PerformanceSummary) -> Iterable[Figure]:
    risk = summary.risk
    period = "" if risk.is_daily or risk.best_period is None else "from sample to sample: the history is short"
    yield make_figure("best_period", risk.best_period, "fraction", period)
    yield make_figure("worst_period", risk.worst_period, "fraction", period)
    yield make_figure("value_at_risk", risk.value_at_risk, "fraction", period)
    yield make_figure("conditional_value_at_risk", risk.conditional_value_at_risk, "fraction", period)
    yield make_figure("skew", risk.skew, "ratio")
    yield make_figure("kurtosis", risk.kurtosis, "ratio")


def _make_positions(summary: PerformanceSummary) -> Iterable[Figure]:
    counts = f"{summary.positions_closed:,} closed, {summary.positions_open:,} open"
    if summary.positions_frozen:
        counts += f", {summary.positions_frozen:,} frozen"
    yield make_figure("positions", counts, "text")
    closed = summary.positions_closed
    yield make_figure("won", f"{summary.won:,} won, {summary.lost:,} lost" if closed else None, "text")
    yield make_figure("win_rate", summary.win_rate, "fraction")
    no_loser = "no losing position" if summary.profit_factor is None and summary.won else ""
    yield make_figure("profit_factor", summary.profit_factor, "ratio", no_loser)
    yield make_figure("expectancy", summary.expectancy, "usd")
    yield make_figure("system_quality_number", summary.system_quality_number, "ratio")
    yield make_figure("best_position", _describe_position(summary.best_position), "text")
    yield make_figure("worst_position", _describe_position(summary.worst_position), "text")
    exits = f"{summary.stop_losses:,} stop loss, {summary.take_profits:,} take profit"
    yield make_figure("exits", exits if closed else None, "text")


def _describe_position(result: PositionResult | None) -> str | None:
    if result is None:
        return None
    return (
        f"{format_percent(result.profit_pct)}, {format_usd(result.profit_usd)} USD "
        f"(#{result.position_id} {result.ticker})"
    )


def _make_trading(summary: PerformanceSummary) -> Iterable[Figure]:
    yield make_figure("trades", summary.trades, "count")
    yield make_figure("failed_trades", summary.failed_trades, "count")
    yield make_figure("expired_trades", summary.expired_trades, "count")
    yield make_figure("volume", summary.volume, "usd")
    yield make_figure("fees", summary.fees, "usd")
    yield make_figure("fee_rate", summary.fees / summary.volume if summary.volume else None, "fraction")


def _make_interest(summary: PerformanceSummary) -> Iterable[Figure]:
    yield make_figure("interest_earned", summary.interest_earned, "usd")
    yield make_figure("interest_paid", summary.interest_paid, "usd")
    yield make_figure("funding", summary.funding, "usd")
    penalties = f"penalties {format_usd(summary.liquidation_penalties)} USD" if summary.liquidations else ""
    yield make_figure("liquidations", summary.liquidations, "count", penalties)
