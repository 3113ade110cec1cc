"""What ``tradeexecutor correct-history`` removes, and why."""

import datetime
from dataclasses import dataclass, field
from typing import Any

from tradeexecutor.cli.output import (
    Column,
    format_percent,
    format_price,
    format_time,
    format_usd,
    print_heading,
    print_line,
    print_table,
)
from tradeexecutor.state.correct_history import (
    HistoryPruningStats,
    detect_duplicate_portfolio_stat_timestamps,
    find_nav_sync_outliers,
    find_share_price_outliers,
    prune_history,
    remove_portfolio_stat_indices,
)
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice

#: So many entries are listed; ``--json`` has all of them.
_MAX_ROWS = 200


@dataclass(frozen=True, slots=True)
class RemovedSample:
    """A sample of the portfolio that goes.

    Attributes
    ----------
    index
        Its place among the samples before any was removed.
    time, share_price, net_asset_value
        What it says; the price is None where none was recorded.
    sources
        Which of the searches found it.
    reason
        Why, for people.
    """

    index: int
    time: datetime.datetime
    share_price: USDollarPrice | None
    net_asset_value: USDollarAmount
    sources: tuple[str, ...]
    reason: str


@dataclass(slots=True)
class Correction:
    """What was removed.

    Attributes
    ----------
    samples_before, samples_after
        Number of samples of the portfolio.
    removed
        The samples that were searched for.
    cut_off
        What was removed with the early history, None without a cut-off date.
    """

    samples_before: int
    samples_after: int = 0
    removed: list[RemovedSample] = field(default_factory=list[RemovedSample])
    cut_off: HistoryPruningStats | None = None


def correct(
    state: State,
    share_price: tuple[int, Percent] | None,
    nav_sync: tuple[int, Percent, Percent] | None,
    duplicates: bool,
    cutoff_date: datetime.datetime | None,
) -> Correction:
    """Remove samples and early history from a state.

    Parameters
    ----------
    share_price
        Window size and threshold; None does not search.
    nav_sync
        Window size, threshold and smallest change of a component; None does not search.
    """
    samples = state.stats.portfolio
    result = Correction(len(samples))
    prices = find_share_price_outliers(state, *share_price) if share_price is not None else {}
    values = find_nav_sync_outliers(state, *nav_sync) if nav_sync is not None else {}
    repeated = detect_duplicate_portfolio_stat_timestamps(state) if duplicates else set[int]()
    everything = sorted({*prices, *values, *repeated})
    for index in everything:
        item = samples[index]
        reasons: dict[str, str] = {}
        if index in prices:
            reasons["share price"] = _compare(item, prices[index])
        if index in values:
            jump = "near a jump of the cash or the open positions"
            reasons["NAV sync"] = f"{_compare(item, values[index])}, {jump}"
        if index in repeated:
            reasons["duplicate"] = "a later sample has the same time"
        result.removed.append(
            RemovedSample(
                index,
                item.calculated_at,
                item.share_price_usd,
                item.get_value(),
                tuple(reasons),
                "; ".join(reasons.values()),
            )
        )
    remove_portfolio_stat_indices(state, everything)
    if cutoff_date is not None:
        result.cut_off = prune_history(state, cutoff_date)
    result.samples_after = len(state.stats.portfolio)
    return result


def _compare(item: PortfolioStatistics, median: float) -> str:
    """Return how far the share price of a sample is from the median of its neighbours."""
    assert item.share_price_usd is not None, "what has no price was not compared"
    distance = (item.share_price_usd - median) / median
    side = "above" if distance > 0 else "below"
    return f"{format_percent(abs(distance))} {side} the median of its neighbours, {format_price(median)}"


def describe(result: Correction) -> dict[str, Any]:
    """Return what was removed as plain data."""
    return {
        "samples_before": result.samples_before,
        "samples_after": result.samples_after,
        "removed": result.removed,
        "cut_off": result.cut_off,
    }


def print_correction(result: Correction) -> None:
    """Print the entries that go."""
    print_heading(f"Samples of the portfolio that go: {len(result.removed):,} of {result.samples_before:,}")
    if result.removed:
        columns = (
            Column("Time (UTC)"),
            Column("Share price", right=True),
            Column("NAV USD", right=True),
            Column("Source", priority=1),
            Column("Why", is_text=True),
        )
        rows = [
            (
                format_time(item.time, seconds=True),
                format_price(item.share_price),
                format_usd(item.net_asset_value),
                ", ".join(item.sources),
                item.reason,
            )
            for item in result.removed[:_MAX_ROWS]
        ]
        print_table(columns, rows)
        if len(result.removed) > _MAX_ROWS:
            print_line(f"... and {len(result.removed) - _MAX_ROWS:,} more; --dry-run --json has all of them", "dim")
    else:
        print_line("None.")
    if result.cut_off is not None:
        print_heading("Early history that goes")
        columns = (Column("What", is_text=True), Column("Entries", right=True))
        rows = [
            (name.removesuffix("_removed").replace("_", " "), f"{count:,}")
            for name, count in result.cut_off.items()
            if count
        ]
        if rows:
            print_table(columns, rows)
        else:
            print_line("None.")
