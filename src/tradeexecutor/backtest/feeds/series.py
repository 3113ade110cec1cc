"""Joining, comparing and filling series of candles."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.strategy.market_data import Candles, from_us, to_us

__all__ = ["Gap", "Revision", "cut", "fill_gaps", "find_gaps", "find_revisions", "join"]

_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without candles inside a series, naive UTC; `missing` is the number of candles."""

    start_at: datetime.datetime
    end_at: datetime.datetime
    missing: int


@dataclass(frozen=True, slots=True)
class Revision:
    """A finished candle that the source has changed afterwards; `at` is its start, naive UTC."""

    pair: str
    at: datetime.datetime
    close_before: float
    close_after: float


def cut(candles: Candles, now: datetime.datetime) -> Candles | None:
    """Return the candles that start up to a time; None if there are none."""
    count = int(np.searchsorted(candles.starts, to_us(now), side="right"))
    if count == len(candles):
        return candles
    return _take(candles, np.arange(count)) if count else None


def join(older: Candles, newer: Candles) -> Candles:
    """Return the candles of both series; where both have one, it is that of the newer series."""
    kept = ~np.isin(older.starts, newer.starts)
    starts = np.concatenate([older.starts[kept], newer.starts])
    order = np.argsort(starts, kind="stable")

    def merge(name: str) -> NDArray[np.float64]:
        return np.concatenate([older.get_column(name)[kept], newer.get_column(name)])[order]

    has_volume = older.volume is not None or newer.volume is not None
    return Candles(
        starts[order],
        *(merge(name) for name in _PRICES),
        volume=merge("volume") if has_volume else None,
        bucket=newer.bucket,
        source=newer.source,
    )


def find_gaps(candles: Candles) -> list[Gap]:
    """Return the times without candles between the first and the last candle."""
    found = np.flatnonzero(candles.starts[1:] > candles.ends[:-1])
    length = to_us_length(candles)
    return [
        Gap(
            from_us(int(candles.ends[index])),
            from_us(int(candles.starts[index + 1])),
            max(int(candles.starts[index + 1] - candles.ends[index]) // length, 1),
        )
        for index in found.tolist()
    ]


def to_us_length(candles: Candles) -> int:
    """Return the typical length of a candle, us."""
    return candles.typical_length // datetime.timedelta(microseconds=1)


def fill_gaps(candles: Candles, gaps: Sequence[Gap]) -> Candles:
    """Return the series with candles without volume at the last close in some of its gaps."""
    if not gaps:
        return candles
    length = to_us_length(candles)
    starts = np.concatenate([to_us(gap.start_at) + length * np.arange(gap.missing, dtype=np.int64) for gap in gaps])
    before = np.searchsorted(candles.starts, starts) - 1
    close = candles.close[before]
    flat = Candles(
        starts, close, close, close, close, volume=np.zeros(len(starts)), bucket=candles.bucket, source=candles.source
    )
    return join(flat, candles)


def find_revisions(pair: str, before: Candles, after: Candles, now: datetime.datetime) -> list[Revision]:
    """Return the candles that had ended by a time in an earlier reading, and that the later one has with other prices.

    Parameters
    ----------
    now
        Time of the earlier reading.
    """
    finished = before.ends <= to_us(now)
    _, of_before, of_after = np.intersect1d(before.starts[finished], after.starts, return_indices=True)
    changed = np.zeros(len(of_before), dtype=np.bool_)
    for name in _PRICES:
        changed |= before.get_column(name)[finished][of_before] != after.get_column(name)[of_after]
    return [
        Revision(pair, from_us(int(after.starts[j])), float(before.close[finished][i]), float(after.close[j]))
        for i, j in zip(of_before[changed].tolist(), of_after[changed].tolist(), strict=True)
    ]


def _take(candles: Candles, rows: Any) -> Candles:
    return Candles(
        candles.starts[rows],
        *(candles.get_column(name)[rows] for name in _PRICES),
        volume=None if candles.volume is None else candles.volume[rows],
        bucket=candles.bucket,
        source=candles.source,
        ends=candles.ends[rows],
    )
