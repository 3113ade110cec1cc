"""Removing wrong samples and early history from the statistics of a state, with the reason for each."""

import datetime
from dataclasses import dataclass, field

from tradeexecutor.state.correct_history import (
    HistoryPruningStats,
    detect_duplicate_portfolio_stat_timestamps,
    find_nav_sync_outliers,
    find_share_price_outliers,
    prune_history,
    remove_portfolio_stat_indices,
)
from tradeexecutor.state.display.formatting import format_percent, format_price
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice

__all__ = [
    "HistoryCorrection",
    "HistoryRequest",
    "NavSyncSearch",
    "RemovedSample",
    "SharePriceSearch",
    "correct_history",
]


@dataclass(frozen=True, slots=True)
class SharePriceSearch:
    """Search for share prices that are too far from their neighbours.

    Attributes
    ----------
    window_size
        Number of neighbours on each side.
    threshold
        Largest distance from the median of the neighbours, a fraction; prices further away are removed.
    """

    window_size: int = 5
    threshold: Percent = 0.2


@dataclass(frozen=True, slots=True)
class NavSyncSearch:
    """Search for wrong share prices near a jump of the cash or the open positions.

    Attributes
    ----------
    window_size, threshold
        As in `SharePriceSearch`.
    min_component_change
        Smallest change that is a jump, a fraction of the net asset value.
    """

    window_size: int = 24
    threshold: Percent = 0.15
    min_component_change: Percent = 0.1


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Request of an operator; None and False search for nothing.

    Attributes
    ----------
    share_price, nav_sync
        Outliers to search for.
    duplicates
        Whether to remove all but the last of the samples with the same time.
    cutoff_date
        Everything recorded before this day (UTC) is removed, after the outliers.
    """

    share_price: SharePriceSearch | None = None
    nav_sync: NavSyncSearch | None = None
    duplicates: bool = False
    cutoff_date: datetime.datetime | None = None


@dataclass(frozen=True, slots=True)
class RemovedSample:
    """A sample of the portfolio that is removed.

    Attributes
    ----------
    index
        Its index among the samples before the correction.
    time, share_price, net_asset_value
        Values of the sample, USD; the price is None if it was not recorded.
    sources
        Names of the searches that found it.
    reason
        Text that explains the removal.
    """

    index: int
    time: datetime.datetime
    share_price: USDollarPrice | None
    net_asset_value: USDollarAmount
    sources: tuple[str, ...]
    reason: str


@dataclass(slots=True)
class HistoryCorrection:
    """Result of a correction of the history.

    Attributes
    ----------
    samples_before, samples_after
        Number of samples of the portfolio.
    removed
        The samples that the searches found.
    cut_off
        Counts of the early history that was removed; None without a cut-off date.
    """

    samples_before: int
    samples_after: int = 0
    removed: list[RemovedSample] = field(default_factory=list[RemovedSample])
    cut_off: HistoryPruningStats | None = None


def correct_history(state: State, request: HistoryRequest) -> HistoryCorrection:
    """Remove samples and early history from a state, and return what was removed and why."""
    samples = state.stats.portfolio
    result = HistoryCorrection(len(samples))
    price, nav = request.share_price, request.nav_sync
    prices = {} if price is None else find_share_price_outliers(state, price.window_size, price.threshold)
    values = (
        {} if nav is None else find_nav_sync_outliers(state, nav.window_size, nav.threshold, nav.min_component_change)
    )
    repeated = detect_duplicate_portfolio_stat_timestamps(state) if request.duplicates else set[int]()
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
    if request.cutoff_date is not None:
        result.cut_off = prune_history(state, request.cutoff_date)
    result.samples_after = len(state.stats.portfolio)
    return result


def _compare(item: PortfolioStatistics, median: float) -> str:
    """Return a text with the distance of the share price of a sample from the median of its neighbours."""
    assert item.share_price_usd is not None, "samples without a price are not compared"
    distance = (item.share_price_usd - median) / median
    side = "above" if distance > 0 else "below"
    return f"{format_percent(abs(distance))} {side} the median of its neighbours, {format_price(median)}"
