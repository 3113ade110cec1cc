"""All figures of a strategy: adjusted for deposits, and apart from them those that are defined as in recorded files."""

from collections.abc import Iterable

from tradeexecutor.analysis.adjusted.breakdown import Breakdown
from tradeexecutor.analysis.memo import share_results
from tradeexecutor.report.figures import Figure, FigureGroup
from tradeexecutor.report.statistics_tables import StatisticsReport, collect_statistics
from tradeexecutor.state.state import State
from tradeexecutor.state.types import to_epoch
from tradeexecutor.web.caching import Body
from tradeexecutor.web.endpoints import Question, encode
from tradeexecutor.web.v1 import to_plain
from tradeexecutor.web.views.months import list_months
from tradeexecutor.web.views.records import (
    ColumnView,
    FactView,
    FigureGroupView,
    MetricView,
    SidesRowView,
    StatisticsView,
    TableView,
    YearView,
)

__all__ = ["calculate_figures", "make_statistics_view", "to_fact", "to_groups"]


def make_statistics_view(question: Question) -> Body:
    """Return all figures: adjusted for deposits, by year, month and group; and those of recorded files."""
    return encode(calculate_figures(question.saved.state))


def calculate_figures(state: State) -> StatisticsView:
    """Calculate all figures."""
    with share_results():
        report = collect_statistics(state)
        months = list_months(state)
    profits: dict[int, float] = {}
    for month in months:
        year = int(month.label[:4])
        profits[year] = profits.get(year, 0.0) + (month.profit or 0.0)
    return StatisticsView(
        calculated_at=to_epoch(report.as_of),
        groups=to_groups(report.groups),
        years=[
            YearView(label=str(year.year), value=year.value, benchmark=year.benchmark, profit=profits.get(year.year))
            for year in report.years
        ],
        months=months,
        breakdowns=[_to_table(breakdown) for breakdown in report.breakdowns],
        recorded=[
            MetricView(
                name=metric.name, text=metric.text, source=metric.source, reason=metric.reason, caveat=metric.caveat
            )
            for metric in report.metrics
        ],
        sides=list(_list_sides(report)),
    )


def to_groups(groups: Iterable[FigureGroup]) -> list[FigureGroupView]:
    """Return groups of figures for the page."""
    return [
        FigureGroupView(title=group.title, figures=[to_fact(figure) for figure in group.figures]) for group in groups
    ]


def to_fact(figure: Figure) -> FactView:
    """Return a figure for the page."""
    value = to_plain(figure.value)
    return FactView(
        key=figure.key,
        name=figure.name,
        unit=figure.unit,
        value=value if isinstance(value, (int, float, str)) else None,
        text=figure.text,
        help=figure.help,
        note=figure.note,
    )


def _list_sides(report: StatisticsReport) -> Iterable[SidesRowView]:
    for table in report.tables:
        for group in table.groups:
            for row in group.rows:
                yield SidesRowView(
                    group=group.title, label=row.label, all=row.all, long=row.long, short=row.short, caveat=row.caveat
                )


def _to_table(breakdown: Breakdown) -> TableView:
    rows = breakdown.rows
    columns = (
        ColumnView(name=breakdown.title, kind="text", minor=False, values=[row.key for row in rows]),
        ColumnView(name="Positions", kind="count", minor=False, values=[row.positions for row in rows]),
        ColumnView(name="Won", kind="count", minor=True, values=[row.won for row in rows]),
        ColumnView(name="Lost", kind="count", minor=True, values=[row.lost for row in rows]),
        ColumnView(name="Profit, USD", kind="profit", minor=False, values=[to_plain(row.profit_usd) for row in rows]),
        ColumnView(name="Average", kind="gain", minor=False, values=[to_plain(row.average_pct) for row in rows]),
        ColumnView(name="Best", kind="gain", minor=True, values=[to_plain(row.best_pct) for row in rows]),
        ColumnView(name="Worst", kind="gain", minor=True, values=[to_plain(row.worst_pct) for row in rows]),
    )
    return TableView(name=breakdown.name, sort=None, columns=list(columns))
