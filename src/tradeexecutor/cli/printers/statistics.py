"""What ``tradeexecutor show-statistics`` prints."""

import dataclasses
from typing import Any

from tradeexecutor.analysis.adjusted.breakdown import Breakdown
from tradeexecutor.analysis.adjusted.summary import PerformanceSummary
from tradeexecutor.cli.output import (
    Column,
    format_percent,
    format_ratio,
    format_time,
    format_usd,
    print_heading,
    print_line,
    print_problem,
    print_table,
    round_decimals,
)
from tradeexecutor.operations.state_location import StateLocation
from tradeexecutor.report.fact_lists import KIND_COLUMNS, format_kind
from tradeexecutor.report.figures import FigureGroup, get_cagr
from tradeexecutor.report.jumps import describe_jumps
from tradeexecutor.report.statistics_tables import MetricRow, SidesTable, StatisticsReport

_METRIC_COLUMNS = (
    Column("Metric"),
    Column("Value", right=True),
    Column("Source", priority=1),
    Column("From", priority=3),
    Column("Until", priority=3),
    Column("Note", priority=2, is_text=True),
    Column("Help", priority=4),
)

_SIDES_COLUMNS = (
    Column("Figure"),
    Column("All", right=True),
    Column("Long", right=True),
    Column("Short", right=True),
)

_YEAR_COLUMNS = (Column("Year"), Column("Return", right=True), Column("Buy and hold", right=True))

_DRAWDOWN_COLUMNS = (Column("Depth", right=True), Column("From"), Column("Lowest"), Column("Recovered"))

_BREAKDOWN_COLUMNS = (
    Column("Group", is_text=True),
    Column("Positions", right=True),
    Column("Won", right=True, priority=1),
    Column("Lost", right=True, priority=1),
    Column("Profit USD", right=True),
    Column("Average", right=True),
    Column("Best", right=True, priority=2),
    Column("Worst", right=True, priority=2),
    Column("Profit factor", right=True, priority=3),
)


def statistics_to_json(statistics: StatisticsReport) -> dict[str, Any]:
    """Return all figures as plain data; unknown ones are null."""
    return {
        "name": statistics.name,
        "as_of": statistics.as_of,
        "performance": _to_dict(statistics.performance),
        "groups": [
            {"title": group.title, "figures": [_make_figure(figure) for figure in group.figures]}
            for group in statistics.groups
        ],
        "backtest": None if statistics.backtest is None else _to_dict(statistics.backtest),
        "mismatch": statistics.mismatch or None,
        "key_metrics": {row.kind: _to_dict(row) for row in statistics.metrics},
        "tables": statistics.tables,
        "jumps": statistics.jumps,
        "years": statistics.years,
        "drawdowns": statistics.drawdowns,
        "breakdowns": statistics.breakdowns,
    }


def _to_dict(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _make_figure(figure: Any) -> dict[str, Any]:
    return {**_to_dict(figure), "text": figure.text, "help": figure.help}


def print_statistics(statistics: StatisticsReport, path: StateLocation) -> None:
    """Print all figures, and notes on misleading ones."""
    notes = {caveat: number for number, caveat in enumerate(statistics.caveats, 1)}
    print_line(statistics.name or path.name, "bold")
    print_line(f"  As of {format_time(statistics.as_of)}; deposits and redemptions are neither profit nor loss", "dim")
    for group in statistics.groups:
        _print_group(group)
    if statistics.backtest is not None:
        _print_backtest(statistics.performance, statistics.backtest, statistics.columns)
    _print_years(statistics)
    _print_drawdowns(statistics)
    _print_kinds(statistics.performance)
    for breakdown in statistics.breakdowns:
        _print_breakdown(breakdown)
    print_heading("Key metrics, as defined by dashboards")
    print_table(_METRIC_COLUMNS, [_format_metric(row, notes) for row in statistics.metrics])
    for table in statistics.tables:
        which = "the backtest" if table.source == "backtest" else "live trading"
        print_heading(f"Long and short positions of {which}, as defined by recorded tables")
        _print_sides(table, notes)
    if notes:
        print_line()
        for caveat, number in notes.items():
            print_line(f"[{number}] {caveat}.", "dim")
    for warning in filter(None, (statistics.mismatch, describe_jumps(statistics.jumps))):
        print_line()
        print_problem(f"Warning: {warning}", "yellow")


def _print_group(group: FigureGroup) -> None:
    print_heading(group.title)
    width = max(len(figure.name) for figure in group.figures)
    for figure in group.figures:
        unit = " USD" if figure.unit == "usd" and figure.value is not None else ""
        note = f" ({figure.note})" if figure.note else ""
        print_line(f"  {figure.name:<{width}}  {figure.text}{unit}{note}")


def _print_years(statistics: StatisticsReport) -> None:
    if len(statistics.years) > 1:
        print_heading("Years")
        rows = [
            (str(item.year), format_percent(item.value), format_percent(item.benchmark)) for item in statistics.years
        ]
        is_compared = any(item.benchmark is not None for item in statistics.years)
        columns = _YEAR_COLUMNS if is_compared else _YEAR_COLUMNS[:2]
        print_table(columns, [row[: len(columns)] for row in rows])


def _print_drawdowns(statistics: StatisticsReport) -> None:
    if not statistics.drawdowns:
        return
    print_heading("Worst drawdowns")
    rows = [
        (
            format_percent(item.depth),
            format_time(item.started_at),
            format_time(item.lowest_at),
            format_time(item.recovered_at) if item.recovered_at else "not yet",
        )
        for item in statistics.drawdowns
    ]
    print_table(_DRAWDOWN_COLUMNS, rows)


def _print_kinds(performance: PerformanceSummary) -> None:
    if any(kind.name != "spot" for kind in performance.kinds):
        print_heading("Positions by kind")
        columns = (Column(KIND_COLUMNS[0]), *(Column(name, right=True) for name in KIND_COLUMNS[1:]))
        print_table(columns, [format_kind(kind) for kind in performance.kinds])


def _print_breakdown(breakdown: Breakdown) -> None:
    print_heading(f"Closed positions {breakdown.title[0].lower()}{breakdown.title[1:]}")
    rows = [
        (
            round_decimals(row.key),
            f"{row.positions:,}",
            f"{row.won:,}",
            f"{row.lost:,}",
            format_usd(row.profit_usd),
            format_percent(row.average_pct),
            format_percent(row.best_pct),
            format_percent(row.worst_pct),
            format_ratio(row.profit_factor),
        )
        for row in breakdown.rows
    ]
    print_table(_BREAKDOWN_COLUMNS, rows)


def _print_backtest(live: PerformanceSummary, backtest: PerformanceSummary, names: tuple[str, ...]) -> None:
    print_heading(f"{names[0]} and {names[1].lower()}")
    rows = [
        ("From", format_time(live.start_at), format_time(backtest.start_at)),
        ("Until", format_time(live.end_at), format_time(backtest.end_at)),
        ("Return", format_percent(live.total_return), format_percent(backtest.total_return)),
        ("Buy and hold", format_percent(live.buy_and_hold), format_percent(backtest.buy_and_hold)),
        ("CAGR", format_percent(get_cagr(live)), format_percent(get_cagr(backtest))),
        ("Max drawdown", format_percent(live.max_drawdown), format_percent(backtest.max_drawdown)),
        ("Sharpe ratio", format_ratio(live.sharpe), format_ratio(backtest.sharpe)),
        ("Sortino ratio", format_ratio(live.sortino), format_ratio(backtest.sortino)),
        ("Win rate", format_percent(live.win_rate), format_percent(backtest.win_rate)),
        ("Closed positions", f"{live.positions_closed:,}", f"{backtest.positions_closed:,}"),
        ("Fees, USD", format_usd(live.fees), format_usd(backtest.fees)),
    ]
    print_table((Column("Figure"), *(Column(name, right=True) for name in names)), rows)


def _format_metric(row: MetricRow, notes: dict[str, int]) -> tuple[str, ...]:
    return (
        row.name,
        _mark(row.text, row.caveat, notes),
        row.source,
        format_time(row.window_start_at) if row.window_start_at else "",
        format_time(row.window_end_at) if row.window_end_at else "",
        row.reason,
        row.help_link or "",
    )


def _print_sides(table: SidesTable, notes: dict[str, int]) -> None:
    rows: list[tuple[str, ...]] = []
    styles: list[str] = []
    for group in table.groups:
        rows.append((group.title, "", "", ""))
        styles.append("bold")
        for row in group.rows:
            cells = (_mark(row.all, row.caveat, notes), row.long, row.short)
            rows.append((f"  {row.label}", *map(_shorten_cell, cells)))
            styles.append("")
    print_table(_SIDES_COLUMNS, rows, styles)


def _shorten_cell(text: str) -> str:
    """Return a length of time without the parts that are zero at its end, and midnight without its time.

    >>> _shorten_cell("9 days 0 hours 0 minutes"), _shorten_cell("0 hours 0 minutes"), _shorten_cell("2024-03-01 00:00")
    ('9 days', '0 hours', '2024-03-01')
    """
    return text.removesuffix(" 0 minutes").replace(" days 0 hours", " days").removesuffix(" 00:00")


def _mark(text: str, caveat: str, notes: dict[str, int]) -> str:
    return f"[{notes[caveat]}] {text}" if caveat else text
