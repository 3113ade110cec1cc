"""Small tables of the page: years, worst drawdowns, and closed positions in groups."""

from collections.abc import Sequence
from dataclasses import dataclass

from tradeexecutor.analysis.adjusted.kinds import KindFigures
from tradeexecutor.report.statistics_tables import StatisticsReport
from tradeexecutor.state.display.formatting import NOTHING, format_percent, format_ratio, format_time, format_usd

__all__ = ["KIND_COLUMNS", "FactList", "format_kind", "make_lists"]

KIND_COLUMNS = (
    "Kind",
    "Positions",
    "Closed",
    "Won",
    "Lost",
    "Profit, USD",
    "Fees, USD",
    "Interest earned, USD",
    "Interest paid, USD",
    "Funding, USD",
    "Liquidations",
    "Exposure, USD",
    "Leverage",
)


@dataclass(frozen=True, slots=True)
class FactList:
    """A small table of texts; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def make_lists(statistics: StatisticsReport) -> list[FactList]:
    """Return what is told as small tables: years, drawdowns, and closed positions in groups."""
    lists: list[FactList] = []
    if statistics.years:
        rows = [
            (str(item.year), format_percent(item.value), format_percent(item.benchmark)) for item in statistics.years
        ]
        columns = ("Year", "Return", "Buy and hold")
        count = 3 if any(item.benchmark is not None for item in statistics.years) else 2
        lists.append(FactList("Years", columns[:count], [row[:count] for row in rows]))
    if statistics.drawdowns:
        rows = [
            (
                format_percent(item.depth),
                format_time(item.started_at),
                format_time(item.lowest_at),
                format_time(item.recovered_at) if item.recovered_at else "not yet",
            )
            for item in statistics.drawdowns
        ]
        lists.append(FactList("Worst drawdowns", ("Depth", "From", "Lowest", "Recovered"), rows))
    kinds = statistics.performance.kinds
    if any(kind.name != "spot" for kind in kinds):
        lists.append(FactList("Positions by kind", KIND_COLUMNS, [format_kind(kind) for kind in kinds]))
    columns = ("Group", "Positions", "Won", "Lost", "Profit, USD", "Average", "Best", "Worst", "Profit factor")
    for breakdown in statistics.breakdowns:
        rows = [
            (
                row.key,
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
        lists.append(FactList(f"Closed positions {breakdown.title[0].lower()}{breakdown.title[1:]}", columns, rows))
    return lists


def format_kind(kind: KindFigures) -> tuple[str, ...]:
    """Return the figures of a kind of position as texts, in the order of `KIND_COLUMNS`."""
    is_credit = kind.name == "credit"
    return (
        kind.name,
        f"{kind.positions:,}",
        f"{kind.closed:,}",
        NOTHING if is_credit else f"{kind.won:,}",
        NOTHING if is_credit else f"{kind.lost:,}",
        format_usd(kind.profit),
        format_usd(kind.fees),
        format_usd(kind.interest_earned),
        format_usd(kind.interest_paid),
        format_usd(kind.funding),
        f"{kind.liquidations:,}",
        format_usd(kind.exposure),
        NOTHING if kind.leverage is None else format_ratio(kind.leverage),
    )
