"""Comparison of two recorded equity curves."""

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.equity import EquityCurve
from tradeexecutor.analysis.adjusted.returns import calculate_returns
from tradeexecutor.state.types import EPOCH, Percent

__all__ = ["EquityComparison", "EquityIndex", "EquityPoint", "compare_equity"]

_MICROSECOND = datetime.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """The equity of both at one time.

    Attributes
    ----------
    at
        Naive UTC.
    a, b
        USD; growth since the first common sample (1 is no change) where growth was compared.
    difference
        ``(b - a)`` as a fraction of the larger one.
    """

    at: datetime.datetime
    a: float
    b: float
    difference: Percent


@dataclass(frozen=True, slots=True)
class EquityComparison:
    """Result of `compare_equity`.

    Attributes
    ----------
    samples_a, samples_b
        Number of samples.
    start_at, end_at
        The common period, naive UTC; None if there is none.
    compared
        Number of compared points.
    first
        The first point that differs by more than the tolerance; None when none does.
    largest, last
        The point that differs most, and the last one; None without points.
    average
        Mean of the absolute differences, a fraction; None without points.
    is_span_equal
        Whether both begin and end at the same times.
    """

    samples_a: int
    samples_b: int
    start_at: datetime.datetime | None
    end_at: datetime.datetime | None
    compared: int
    first: EquityPoint | None
    largest: EquityPoint | None
    last: EquityPoint | None
    average: Percent | None
    is_span_equal: bool

    @property
    def is_equal(self) -> bool:
        """Whether both cover the same time and no point differs."""
        return self.first is None and self.is_span_equal


class EquityIndex:
    """Index of an equity curve by time."""

    def __init__(self, curve: EquityCurve):
        self._curve = curve

    def get_value(self, at: datetime.datetime) -> float:
        """Return the latest equity up to a time, USD; before the first sample its value, and 0 without samples."""
        if not len(self._curve):
            return 0.0
        index = int(np.searchsorted(self._curve.times, (at - EPOCH) // _MICROSECOND, side="right")) - 1
        return float(self._curve.values[max(index, 0)])


def compare_equity(
    a: EquityCurve, b: EquityCurve, time_tolerance: datetime.timedelta, tolerance: Percent, *, growth: bool = False
) -> EquityComparison:
    """Compare two curves in their common period.

    The points are the samples of the curve with fewer of them. The value of the other curve is its latest sample up to
    that time plus the time tolerance.

    Parameters
    ----------
    time_tolerance
        Largest delay of a sample of the other curve, and largest distance of the starts and ends.
    tolerance
        Largest difference that counts as equal, a fraction.
    growth
        Whether to compare the time-weighted growth since the first point, which excludes deposits.
    """
    slack = time_tolerance // _MICROSECOND
    if not len(a) or not len(b):
        is_span_equal = len(a) == len(b)
        return EquityComparison(len(a), len(b), None, None, 0, None, None, None, None, is_span_equal)
    is_span_equal = all(abs(int(a.times[index]) - int(b.times[index])) <= slack for index in (0, -1))
    start, end = max(a.times[0], b.times[0]), min(a.times[-1], b.times[-1])
    points = _choose_points(a.times, b.times, int(start) - slack, int(end) + slack)
    if not len(points):
        return EquityComparison(len(a), len(b), None, None, 0, None, None, None, None, is_span_equal)
    left, right = (_look_up(curve, points, slack, growth=growth) for curve in (a, b))
    larger = np.maximum(np.abs(left), np.abs(right))
    difference = np.divide(right - left, larger, out=np.zeros(len(left)), where=larger > 0)
    differs = np.flatnonzero(np.abs(difference) > tolerance)

    def get_point(index: int) -> EquityPoint:
        at = EPOCH + datetime.timedelta(microseconds=int(points[index]))
        return EquityPoint(at, float(left[index]), float(right[index]), float(difference[index]))

    return EquityComparison(
        samples_a=len(a),
        samples_b=len(b),
        start_at=EPOCH + datetime.timedelta(microseconds=int(points[0])),
        end_at=EPOCH + datetime.timedelta(microseconds=int(points[-1])),
        compared=len(points),
        first=get_point(int(differs[0])) if len(differs) else None,
        largest=get_point(int(np.abs(difference).argmax())),
        last=get_point(len(points) - 1),
        average=float(np.abs(difference).mean()),
        is_span_equal=is_span_equal,
    )


def _choose_points(a: NDArray[np.int64], b: NDArray[np.int64], start: int, end: int) -> NDArray[np.int64]:
    """Return the times of the curve that has fewer between start and end."""
    inside_a, inside_b = (times[(times >= start) & (times <= end)] for times in (a, b))
    return inside_a if len(inside_a) <= len(inside_b) else inside_b


def _look_up(curve: EquityCurve, points: NDArray[np.int64], slack: int, *, growth: bool) -> NDArray[np.float64]:
    found = np.searchsorted(curve.times, points, side="right") - 1
    # The sample shortly after the point belongs to it; the one before may be a whole cycle older.
    later = np.minimum(found + 1, len(curve) - 1)
    is_exact = (found >= 0) & (curve.times[np.maximum(found, 0)] == points)
    is_near = ~is_exact & (curve.times[later] > points) & (curve.times[later] - points <= slack)
    index = np.where(is_near, later, np.maximum(found, 0))
    if not growth:
        return curve.values[index]
    wealth = np.concatenate(([1.0], np.cumprod(1.0 + calculate_returns(curve))))
    base = wealth[index[0]]
    return wealth[index] / base if base > 0 else wealth[index]
