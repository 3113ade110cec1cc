"""Removal of wrong samples from the statistics, and of early history.

Share prices and net asset values are sampled in every cycle. If a chain, a price source or an account could not be read
correctly, the sample looks like a crash and a recovery, and makes every figure computed from the series wrong. These
functions find such samples by comparing each sample with its neighbours, and remove them.

They change only samples, plots and logs. Positions, trades and balances, and with them the entries of the ledger, are
not changed. The ledger uses samples of the cash as earlier balances, so the removal of a wrong sample removes a break.
"""

import datetime
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate, pairwise, starmap
from typing import Any, TypedDict, TypeVar

from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics
from tradeexecutor.state.types import Percent, USDollarPrice, to_epoch

__all__ = [
    "NAV_SYNC_MIN_COMPONENT_CHANGE",
    "NAV_SYNC_OUTLIER_THRESHOLD",
    "NAV_SYNC_WINDOW_SIZE",
    "SHARE_PRICE_OUTLIER_THRESHOLD",
    "SHARE_PRICE_WINDOW_SIZE",
    "HistoryPruningStats",
    "detect_duplicate_portfolio_stat_timestamps",
    "detect_nav_sync_outliers",
    "detect_share_price_outliers",
    "filter_share_price_outliers",
    "find_nav_sync_outliers",
    "find_share_price_outliers",
    "prune_history",
    "remove_portfolio_stat_indices",
    "remove_share_price_outliers",
]

#: Number of neighbours on each side with which a share price is compared.
SHARE_PRICE_WINDOW_SIZE = 5
#: Distance from the median of the neighbours, as a fraction of the median.
SHARE_PRICE_OUTLIER_THRESHOLD: Percent = 0.20
#: The same two for samples that were taken while money was in transit, see `find_nav_sync_outliers`.
NAV_SYNC_WINDOW_SIZE = 24
#: Distance from the median of the neighbours, as a fraction of the median.
NAV_SYNC_OUTLIER_THRESHOLD: Percent = 0.15
#: Change of cash or open positions from one sample to the next, as a fraction of the net asset value.
NAV_SYNC_MIN_COMPONENT_CHANGE: Percent = 0.10

T = TypeVar("T")


# --- Early history


class HistoryPruningStats(TypedDict):
    """Numbers of entries of each kind that `prune_history` removed."""

    portfolio_stats_removed: int
    position_stats_removed: int
    closed_position_stats_removed: int
    visualisation_messages_removed: int
    visualisation_calculations_removed: int
    visualisation_plot_points_removed: int
    uptime_checks_removed: int
    cycles_completed_removed: int


def prune_history(state: State, cutoff_date: datetime.datetime) -> HistoryPruningStats:
    """Remove samples, plot points, messages and logs from before a date.

    `created_at` of the state is set to this date, and returns are counted from the first share price that is left
    (`initial_share_price`). Positions, trades and reserves are not changed.

    Parameters
    ----------
    cutoff_date
        Naive UTC; entries with exactly this time are kept.

    Raises
    ------
    InvalidValue
        The date is not a naive datetime.
    """
    state.portfolio.owner.claim()
    require_naive_utc(cutoff_date, "the cut-off date", InvalidValue)
    stats, visualisation, uptime = state.stats, state.visualisation, state.uptime
    second = to_epoch(cutoff_date)
    removed = HistoryPruningStats(
        portfolio_stats_removed=_keep_items(
            stats.portfolio, [item for item in stats.portfolio if item.calculated_at >= cutoff_date]
        ),
        position_stats_removed=sum(
            _keep_items(samples, [item for item in samples if item.calculated_at >= cutoff_date])
            for samples in stats.positions.values()
        ),
        closed_position_stats_removed=_drop_keys(
            stats.closed_positions,
            [key for key, item in stats.closed_positions.items() if item.calculated_at < cutoff_date],
        ),
        visualisation_messages_removed=_drop_early(visualisation.messages, second),
        visualisation_calculations_removed=_drop_early(visualisation.calculations, second),
        visualisation_plot_points_removed=sum(
            _drop_early(plot.points, second) for plot in visualisation.plots.values()
        ),
        uptime_checks_removed=_keep_items(
            uptime.uptime_checks, [item for item in uptime.uptime_checks if _to_second(item) >= second]
        ),
        cycles_completed_removed=_drop_keys(
            uptime.cycles_completed_at,
            [key for key, item in uptime.cycles_completed_at.items() if _to_second(item) < second],
        ),
    )
    _drop_keys(stats.positions, [key for key, samples in stats.positions.items() if not samples])
    state.created_at = max(state.created_at, cutoff_date)
    _restart_returns(state)
    return removed


def _keep_items(items: list[T], kept: list[T]) -> int:
    removed = len(items) - len(kept)
    items[:] = kept
    return removed


def _drop_keys(table: dict[int, Any], keys: Collection[int]) -> int:
    for key in keys:
        del table[key]
    return len(keys)


def _drop_early(table: dict[int, Any], second: float) -> int:
    """Remove entries whose key (epoch seconds) is before `second`, and return their number."""
    return _drop_keys(table, [key for key in table if key < second])


def _to_second(value: datetime.datetime | float) -> float:
    """Return epoch seconds of a time, or of a number as some programs store it."""
    return to_epoch(value) if isinstance(value, datetime.datetime) else value


def _restart_returns(state: State) -> None:
    """Count returns from the first remaining sample if it has a share price."""
    first = state.stats.portfolio[0].share_price_usd if state.stats.portfolio else None
    if first is not None:
        state.initial_share_price = first


# --- Finding wrong samples


def detect_share_price_outliers(
    state: State, window_size: int = SHARE_PRICE_WINDOW_SIZE, threshold: Percent = SHARE_PRICE_OUTLIER_THRESHOLD
) -> set[int]:
    """Return the indices in ``state.stats.portfolio`` of the samples that `find_share_price_outliers` finds."""
    return set(find_share_price_outliers(state, window_size, threshold))


def find_share_price_outliers(
    state: State, window_size: int = SHARE_PRICE_WINDOW_SIZE, threshold: Percent = SHARE_PRICE_OUTLIER_THRESHOLD
) -> dict[int, USDollarPrice]:
    """Return the samples whose share price differs much from that of their neighbours.

    Each price is compared with the median of its neighbours. Then the other prices are compared again without the
    outliers found, so that adjacent outliers do not hide each other.

    Parameters
    ----------
    window_size
        Number of neighbours on each side, without samples that have no share price.
    threshold
        Largest distance of a normal price from the median, as a fraction of the median.

    Returns
    -------
    dict of int to float
        Index in ``state.stats.portfolio`` -> median with which it was compared, USD. Empty for fewer than three prices.
    """
    prices = _get_share_prices(state)
    indices = list(prices)
    found = _find_outliers(list(prices.values()), window_size, threshold)
    return {indices[place]: median for place, median in found.items()}


def _get_share_prices(state: State) -> dict[int, float]:
    """Return the share prices in USD, by the index of their sample."""
    return {
        index: float(item.share_price_usd)
        for index, item in enumerate(state.stats.portfolio)
        if item.share_price_usd is not None
    }


def detect_nav_sync_outliers(
    state: State,
    window_size: int = NAV_SYNC_WINDOW_SIZE,
    threshold: Percent = NAV_SYNC_OUTLIER_THRESHOLD,
    min_component_change: Percent = NAV_SYNC_MIN_COMPONENT_CHANGE,
    max_passes: int = 3,
) -> set[int]:
    """Return the indices in ``state.stats.portfolio`` of the samples that `find_nav_sync_outliers` finds."""
    return set(find_nav_sync_outliers(state, window_size, threshold, min_component_change, max_passes))


def find_nav_sync_outliers(
    state: State,
    window_size: int = NAV_SYNC_WINDOW_SIZE,
    threshold: Percent = NAV_SYNC_OUTLIER_THRESHOLD,
    min_component_change: Percent = NAV_SYNC_MIN_COMPONENT_CHANGE,
    max_passes: int = 3,
) -> dict[int, USDollarPrice]:
    """Return the samples that were taken while money was in transit between two places.

    While a transfer is contained in neither balance, or in both, the share price is wrong, and so is either the cash or
    the value of the open positions. A sample is therefore reported when its share price differs much from that of its
    neighbours, as in `find_share_price_outliers`, and the cash or the open positions jump near it from one sample to
    the next. The share price is used instead of the net asset value because deposits and redemptions do not change it.

    Parameters
    ----------
    window_size
        Number of neighbours on each side, without samples that have no share price.
    threshold
        Largest distance of a normal price from the median, as a fraction of the median.
    min_component_change
        Smallest change of cash or open positions from one sample to the next that counts as a jump, as a fraction of
        the larger net asset value (and at least one dollar).
    max_passes
        Largest number of passes; each pass leaves out the samples found before.

    Returns
    -------
    dict of int to float
        Index into ``state.stats.portfolio`` -> the median it was compared with, USD.
    """
    prices = _get_share_prices(state)
    found: dict[int, USDollarPrice] = {}
    for _ in range(max_passes):
        rest = [index for index in prices if index not in found]
        jumps = _count_jumps([state.stats.portfolio[index] for index in rest], min_component_change)
        added = {
            rest[place]: median
            for place, median in _find_outliers([prices[index] for index in rest], window_size, threshold).items()
            if jumps[min(place + window_size, len(rest) - 1)] > jumps[max(place - window_size, 0)]
        }
        if not added:
            break
        found |= added
    return found


def _count_jumps(samples: Sequence[PortfolioStatistics], min_component_change: Percent) -> list[int]:
    """Return for each sample the number of jumps up to it."""

    def is_jump(before: PortfolioStatistics, after: PortfolioStatistics) -> bool:
        change = max(
            abs((after.free_cash or 0.0) - (before.free_cash or 0.0)),
            abs((after.open_position_equity or 0.0) - (before.open_position_equity or 0.0)),
        )
        return change / max(abs(before.get_value()), abs(after.get_value()), 1.0) >= min_component_change

    return list(accumulate(starmap(is_jump, pairwise(samples)), initial=0))


def _find_outliers(values: Sequence[float], window_size: int, threshold: Percent) -> dict[int, float]:
    """Return the indices of values that differ much from the median of their neighbours, with the median."""
    if type(window_size) is not int or window_size < 1:
        raise InvalidValue(f"the window size must be a number of samples, 1 or more, got {window_size!r}")
    if not threshold >= 0:
        raise InvalidValue(f"the threshold must be a fraction, 0 or more, got {threshold!r}")
    if len(values) < 3:
        return {}
    found = _find_far(values, window_size, threshold, ())
    return found | _find_far(values, window_size, threshold, found) if found else found


def _find_far(values: Sequence[float], size: int, threshold: Percent, passed_over: Collection[int]) -> dict[int, float]:
    """Do one round. The values of the window are kept sorted, so its size hardly matters for the speed."""
    window = sorted(value for place, value in enumerate(values[:size]) if place not in passed_over)
    found: dict[int, float] = {}
    for place, value in enumerate(values):
        entering, leaving = place + size, place - size - 1
        if entering < len(values) and entering not in passed_over:
            insort(window, values[entering])
        if leaving >= 0 and leaving not in passed_over:
            del window[bisect_left(window, values[leaving])]
        if place in passed_over or len(window) < 2:
            continue
        median = _get_median_of_others(window, value)
        if median and abs(value - median) / median > threshold:
            found[place] = median
    return found


def _get_median_of_others(window: Sequence[float], value: float) -> float:
    """Return the median of a sorted window of at least two values without one of its values."""
    own = bisect_left(window, value)
    half, is_odd = divmod(len(window) - 1, 2)
    upper = window[half if half < own else half + 1]
    if is_odd:
        return upper
    lower = window[half - 1 if half - 1 < own else half]
    return (lower + upper) / 2


def detect_duplicate_portfolio_stat_timestamps(state: State) -> set[int]:
    """Return the indices in ``state.stats.portfolio`` of samples with the same time as a later sample in the list."""
    last: dict[datetime.datetime, int] = {}
    found: set[int] = set()
    for index, item in enumerate(state.stats.portfolio):
        if item.calculated_at in last:
            found.add(last[item.calculated_at])
        last[item.calculated_at] = index
    return found


# --- Removing them


def remove_portfolio_stat_indices(state: State, indices: Iterable[int]) -> int:
    """Remove samples of the portfolio, and count returns from the first share price that is left.

    Samples of positions are not removed.

    Parameters
    ----------
    indices
        Indices in ``state.stats.portfolio``.

    Returns
    -------
    int
        Number of removed samples.

    Raises
    ------
    InvalidValue
        An index does not exist.
    """
    state.portfolio.owner.claim()
    samples = state.stats.portfolio
    removed = set(indices)
    wrong = sorted(index for index in removed if type(index) is not int or not 0 <= index < len(samples))
    if wrong:
        raise InvalidValue(f"there is no sample {wrong[0]} among {len(samples)}")
    if removed:
        _keep_items(samples, [item for index, item in enumerate(samples) if index not in removed])
        _restart_returns(state)
    return len(removed)


def remove_share_price_outliers(state: State, indices: Iterable[int]) -> int:
    """Same as `remove_portfolio_stat_indices`."""
    state.portfolio.owner.claim()
    return remove_portfolio_stat_indices(state, indices)


def filter_share_price_outliers(
    state: State, window_size: int = SHARE_PRICE_WINDOW_SIZE, threshold: Percent = SHARE_PRICE_OUTLIER_THRESHOLD
) -> int:
    """Remove the samples that `detect_share_price_outliers` finds, and return their number."""
    return remove_portfolio_stat_indices(state, detect_share_price_outliers(state, window_size, threshold))
