"""Returns by day, month or year, and the observations that ratios and drawdown are measured on.

**A return belongs to the period in which it was earned.** A return from one sample to the next has the time of its end;
an end at midnight of 1 February belongs to January, and one of 1 January to the previous year. Every grouping assigns a
return to the last microsecond before its end, so that candles of any length belong to their own day, month and year.

**One grid for all strategies.** A strategy with hourly decisions records 24 samples a day, one with weekly decisions
only the daily sample of the backtest. Ratios and drawdown of both are measured on the last value of each day (UTC), so
that they do not depend on the frequency of decisions. A history of fewer than ten days is measured from sample to
sample.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.equity import EquityCurve, read_equity_curve
from tradeexecutor.analysis.adjusted.returns import calculate_returns, calculate_years
from tradeexecutor.analysis.memo import shared
from tradeexecutor.analysis.times import Frequency, read_frequency
from tradeexecutor.state.state import State
from tradeexecutor.state.types import Percent, USDollarAmount

__all__ = [
    "LEAST_DAYS",
    "Observations",
    "calculate_time_weighted_returns",
    "compound_by_period",
    "group_by_calendar",
    "label_periods",
    "observe",
    "read_observations",
    "read_returns",
]

#: Smallest number of days of a history that is measured day by day.
LEAST_DAYS = 10

_DAY_US = 86_400 * 1_000_000

#: Calendar periods, as numpy names them.
Calendar = Literal["D", "M", "Y"]


@dataclass(frozen=True, slots=True)
class Observations:
    """Returns that ratios and drawdown are measured on, adjusted for deposits and redemptions.

    Attributes
    ----------
    start
        Beginning of the first period, microseconds since 1970.
    ends
        End of each period, microseconds since 1970, ascending and unique.
    returns
        Return of each period, a fraction.
    entry
        Return at the first time, a fraction: in a backtest the costs of the trades of the first decision. It has no
        duration, so it is not an observation, but is part of total return and drawdown.
    is_daily
        Whether periods are days (UTC) with samples; otherwise they are from sample to sample.
    """

    start: int
    ends: NDArray[np.int64]
    returns: NDArray[np.float64]
    entry: Percent
    is_daily: bool

    def __len__(self) -> int:
        return len(self.returns)

    @property
    def years(self) -> float:
        """Length in years of 365 days."""
        return calculate_years(self.start, int(self.ends[-1])) if len(self) else 0.0

    @property
    def periods_per_year(self) -> float:
        """Measured number of periods per year; 0.0 without periods."""
        return len(self) / self.years if len(self) else 0.0

    @property
    def path(self) -> NDArray[np.float64]:
        """The entry and all returns, fractions; drawdown is measured on them."""
        return np.concatenate(([self.entry], self.returns))

    @property
    def path_times(self) -> NDArray[np.int64]:
        """Times of `path`: the start and the end of each period."""
        return np.concatenate(([self.start], self.ends)).astype(np.int64)


def read_returns(
    state: State, curve: EquityCurve
) -> tuple[USDollarAmount | None, NDArray[np.int64], NDArray[np.float64]]:
    """Return the initial equity, and the end and the return of each period, adjusted for deposits.

    The initial deposit of a backtest is booked before its first sample. It is then the initial equity, and the first
    period has no duration and ends at the first sample, so that the costs of trades in the first cycle count, too.

    Parameters
    ----------
    state
        The state; it is not changed.
    curve
        Equity curve of this state.

    Returns
    -------
    tuple
        USD, None without samples; microseconds since 1970; fractions.
    """
    returns = calculate_returns(curve)
    if not len(curve):
        return None, curve.times, returns
    if state.backtest_data is None or not curve.flows[0] > 0:
        return float(curve.values[int(np.argmax(curve.values > 0))]), curve.times[1:], returns
    initial = float(curve.flows[0])
    return initial, curve.times, np.concatenate(([float(curve.values[0]) / initial - 1.0], returns))


@shared
def read_observations(state: State, most: int | None = None) -> Observations:
    """Return the observations of a state; empty with fewer than two samples.

    With `most` only as many samples are read, from the first one on. If both are daily, all but the last observation
    are then those of all samples.
    """
    curve = read_equity_curve(state, most)
    _, ends, returns = read_returns(state, curve)
    start = int(curve.times[0]) if len(curve) else 0
    return observe(start, ends, returns)


def observe(start: int, ends: NDArray[np.int64], returns: NDArray[np.float64]) -> Observations:
    """Return the observations that are compounded from the returns between samples.

    Parameters
    ----------
    start
        Time of the first sample, microseconds since 1970.
    ends, returns
        End and return of each period; a first period that ends at `start` is the entry.
    """
    is_entry = ends <= start
    entry = float(np.prod(1.0 + returns[is_entry])) - 1.0
    ends, returns = ends[~is_entry], returns[~is_entry]
    days = _find_days(ends)
    is_daily = bool(len(days)) and int(days[-1] - start // _DAY_US) + 1 >= LEAST_DAYS
    # Two returns with the same end, before and after a flow, belong to one period.
    ends, returns = _compound(ends, returns, days if is_daily else ends)
    return Observations(start, ends, returns, entry, is_daily)


def _find_days(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    return (ends - 1) // _DAY_US


def _compound(
    ends: NDArray[np.int64], returns: NDArray[np.float64], groups: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if not len(ends):
        return ends, returns
    first = np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1])))
    last = np.concatenate((first[1:], [len(ends)])) - 1
    return ends[last], np.multiply.reduceat(1.0 + returns, first) - 1.0


def label_periods(start: int, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a time within each period: the last microsecond before its end; for an entry the start.

    Parameters
    ----------
    start
        Start of the history; a period that ends here has no duration.
    ends
        Ends of the periods; all are microseconds since 1970.
    """
    return np.maximum(ends - 1, start)


def group_by_calendar(
    start: int, ends: NDArray[np.int64], returns: NDArray[np.float64], calendar: Calendar
) -> dict[datetime.date, Percent]:
    """Return the compounded return of each day, month or year (UTC) that has any, by its first day.

    Parameters
    ----------
    start, ends
        See `label_periods`.
    returns
        Of each period, fractions.

    Examples
    --------
    >>> ends = np.array(["2023-01-01", "2023-01-02"], dtype="datetime64[us]").view(np.int64)
    >>> years = group_by_calendar(int(ends[0]) - 1000, ends, np.array([0.1, 0.2]), "Y")
    >>> {day.year: round(value, 6) for day, value in years.items()}
    {2022: 0.1, 2023: 0.2}
    """
    labels = label_periods(start, ends).view("datetime64[us]").astype(f"datetime64[{calendar}]")
    _, compounded = _compound(ends, returns, labels.astype(np.int64))
    days = cast(Sequence[datetime.date], np.unique(labels).astype("datetime64[D]").tolist())
    return dict(zip(days, compounded.tolist(), strict=True))


def compound_by_period(
    start: int, ends: NDArray[np.int64], returns: NDArray[np.float64], freq: Frequency
) -> "pd.Series[float]":
    """Return the compounded return of each period of a pandas frequency, NaN for one without returns.

    Parameters
    ----------
    start, ends
        See `label_periods`.
    returns
        Of each period, fractions.
    freq
        A pandas offset or its name; the label of a period is the one that pandas gives it.
    """
    index = pd.DatetimeIndex(label_periods(start, ends).view("datetime64[us]"))
    return pd.Series(1.0 + returns, index=index).resample(read_frequency(freq)).prod(min_count=1) - 1.0


def calculate_time_weighted_returns(state: State, freq: Frequency | None = None) -> "pd.Series[float]":
    """Return the returns of the net asset value, adjusted for deposits and redemptions.

    The formula is that of :py:func:`tradeexecutor.analysis.adjusted.returns.calculate_returns`.

    Parameters
    ----------
    state
        Its portfolio samples and treasury events are read.
    freq
        Length of the periods to compound, with the labels of pandas; 0.0 for a period without samples. None for one
        return for each sample except the first, by the end of its period.
    """
    curve = read_equity_curve(state)
    ends, returns = curve.times[1:], calculate_returns(curve)
    if freq is None:
        return pd.Series(returns, index=pd.DatetimeIndex(ends.view("datetime64[us]")))
    start = int(curve.times[0]) if len(curve) else 0
    return compound_by_period(start, ends, returns, freq).fillna(0.0)
