"""Thinning of long series: fewer points with the same picture.

A chart of a million points is slow to send and to draw, and a screen shows a few thousand. Lines are thinned with
MinMaxLTTB (J. Van Der Donckt et al., "MinMaxLTTB: Leveraging MinMax-Preselection to Scale LTTB", 2023), which keeps the
points that define the shape; the first, last, lowest and highest point always stay. A note in the chart says so.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tsdownsample import MinMaxLTTBDownsampler

__all__ = ["Thinner", "choose_points", "merge_candles"]

#: Common candle lengths, minutes.
_CANDLE_MINUTES = (
    1,
    5,
    15,
    30,
    60,
    120,
    240,
    480,
    720,
    1440,
    3 * 1440,
    7 * 1440,
    14 * 1440,
    28 * 1440,
    91 * 1440,
    364 * 1440,
)


def choose_points(times: NDArray[Any], values: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """Return the indexes of the points to draw, ascending.

    Parameters
    ----------
    times
        Ascending times, of any type that converts to integers.
    values
        Values; NaN is a gap and stays one.
    limit
        Largest number of points, not counting gaps and the highest and lowest point.
    """
    count = len(values)
    if count <= limit:
        return np.arange(count)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) > limit:
        x, y = np.ascontiguousarray(times[known]).astype(np.int64), np.ascontiguousarray(values[known])
        chosen = MinMaxLTTBDownsampler().downsample(x, y, n_out=limit).astype(np.int64)
        ends = [0, len(known) - 1, int(np.argmin(y)), int(np.argmax(y))]
        known = known[np.union1d(chosen, ends)]
    if not len(known):
        return np.array([0, count - 1])
    return np.union1d(known, _find_gaps(values, known))


def _find_gaps(values: NDArray[np.float64], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one gap (NaN) between every two chosen points that have gaps between them."""
    unknown = np.flatnonzero(~np.isfinite(values))
    following = np.searchsorted(unknown, chosen[:-1])
    following = following[following < len(unknown)]
    candidates = unknown[following]
    return np.unique(candidates[candidates < chosen[-1]])


class Thinner:
    """Thinning of the series of one chart, with the notes for its reader.

    Parameters
    ----------
    limit
        Largest number of points of a line.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self.largest = 0

    def thin(self, series: "pd.Series[float]") -> "pd.Series[float]":
        """Return the series sorted by time, with at most about `limit` points."""
        if not series.index.is_monotonic_increasing:
            series = series.sort_index(kind="stable")
        if len(series) <= self.limit:
            return series
        self.largest = max(self.largest, len(series))
        values = np.asarray(series, dtype=np.float64)
        return series.iloc[choose_points(series.index.to_numpy(), values, self.limit)]

    def get_notes(self) -> list[str]:
        """Return a note on the points that were left out; empty if there are none."""
        if not self.largest:
            return []
        return [f"{self.limit:,} of {self.largest:,} points drawn, highs and lows kept"]


def merge_candles(candles: pd.DataFrame, limit: int) -> tuple[pd.DataFrame, str | None]:
    """Merge candles into longer ones until there are at most `limit`.

    Parameters
    ----------
    candles
        ``open``, ``high``, ``low``, ``close``, ``volume`` by time, ascending.

    Returns
    -------
    tuple
        Merged candles (first open, highest high, lowest low, last close, total volume), and a note for the reader,
        None if nothing was merged.
    """
    if len(candles) <= limit:
        return candles, None
    minutes = max((candles.index[-1] - candles.index[0]).total_seconds() / 60, 1)
    wanted = minutes / limit
    length = next((step for step in _CANDLE_MINUTES if step >= wanted), int(wanted) + 1)
    index = pd.DatetimeIndex(candles.index)
    starts = index.floor(f"{length}min") if length < 1440 else _floor_days(index, length // 1440)
    columns = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    merged = candles.groupby(starts).agg({name: how for name, how in columns.items() if name in candles})
    return merged, f"{len(candles):,} candles merged into {len(merged):,}, each {_describe(length)}"


def _floor_days(index: Any, days: int) -> Any:
    # Weeks start on Monday; the epoch was a Thursday.
    origin = pd.Timestamp("1970-01-05")
    return origin + (index - origin) // pd.Timedelta(days=days) * pd.Timedelta(days=days)


def _describe(minutes: int) -> str:
    for length, name in ((7 * 1440, "week"), (1440, "day"), (60, "hour"), (1, "minute")):
        if minutes % length == 0:
            number = minutes // length
            return f"{number} {name}s" if number > 1 else f"1 {name}"
    raise AssertionError(minutes)  # a whole number of minutes


def note_left_out(shown: int, total: int, what: str) -> Sequence[str]:
    """Return a note if not everything is shown, else nothing.

    >>> note_left_out(30, 50, "positions")
    ('30 of 50 positions shown',)
    """
    return () if shown >= total else (f"{shown:,} of {total:,} {what} shown",)
