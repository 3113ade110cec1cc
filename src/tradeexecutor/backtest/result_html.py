"""HTML of a backtest for notebooks: its figures, its warnings, and a small picture of its growth."""

from collections.abc import Iterator, Sequence
from typing import Any

from tradeexecutor.analysis.adjusted.summary import PerformanceSummary, summarise_performance
from tradeexecutor.state.display.formatting import (
    format_count,
    format_percent,
    format_ratio,
    format_time,
    format_usd,
)
from tradeexecutor.state.display.html_repr import render_figures
from tradeexecutor.state.state import State
from tradeexecutor.visual.parts.small_chart import draw_growth_svg

__all__ = ["render_backtest"]

#: Number of warnings that are shown.
_MAX_WARNINGS = 5


def render_backtest(state: State, diagnostics: dict[str, Any]) -> str:
    """Return HTML without scripts and links; texts of the strategy are escaped."""
    figures = summarise_performance(state)
    rows = [*_list_figures(figures), *_list_warnings(diagnostics.get("warnings", ()))]
    decided = f"{format_count(diagnostics.get('decisions', 0))} decisions"
    return render_figures(state.name or "Backtest", decided, rows, draw_growth_svg(state))


def _list_figures(figures: PerformanceSummary) -> Iterator[tuple[str, str, float | None]]:
    positions = f"{format_count(figures.positions_closed)} closed, {format_count(figures.positions_open)} open"
    yield "Period", f"{format_time(figures.start_at)} to {format_time(figures.end_at)}", None
    equity = f"{format_usd(figures.initial_equity)} to {format_usd(figures.final_equity)} USD"
    yield "Equity", equity, None
    yield "Return", format_percent(figures.total_return), figures.total_return
    yield "Buy and hold", format_percent(figures.buy_and_hold), figures.buy_and_hold
    yield "CAGR", format_percent(figures.cagr), figures.cagr
    yield "Max drawdown", format_percent(figures.max_drawdown), figures.max_drawdown
    yield "Sharpe ratio", format_ratio(figures.sharpe), figures.sharpe
    yield "Positions", positions, None
    yield "Win rate", format_percent(figures.win_rate), None
    yield "Fees", f"{format_usd(figures.fees)} USD", None


def _list_warnings(warnings: Sequence[str]) -> Iterator[tuple[str, str, float | None]]:
    for warning in warnings[:_MAX_WARNINGS]:
        yield "Warning", warning, None
    if len(warnings) > _MAX_WARNINGS:
        yield "Warning", f"and {len(warnings) - _MAX_WARNINGS} more in diagnostics_data", None
