"""Data that charts read from a state: the value of the portfolio over time, and its positions."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.drawdown import calculate_drawdowns
from tradeexecutor.analysis.adjusted.equity import read_equity_curve
from tradeexecutor.analysis.adjusted.periods import Observations, compound_by_period, label_periods, observe
from tradeexecutor.analysis.adjusted.returns import calculate_returns
from tradeexecutor.analysis.memo import shared
from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.visual.parts.chart import ChartOptions

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["History", "Period", "crop", "find_end", "is_of_pair", "make_notes", "read_history"]

_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Period of a return.

    Attributes
    ----------
    freq
        A pandas offset; None for the time from sample to sample.
    name, adjective
        Words for the period, e.g. ``day`` and ``daily``.
    """

    freq: str | None
    name: str
    adjective: str


_PERIODS = {
    "hour": Period("h", "hour", "hourly"),
    "day": Period("D", "day", "daily"),
    "week": Period("W", "week", "weekly"),
    "month": Period("MS", "month", "monthly"),
}
_SAMPLES = Period(None, "sample", "sample-to-sample")


@dataclass(frozen=True, slots=True)
class History:
    """Value of the portfolio over time, by naive UTC time; deposits do not count as profit.

    Attributes
    ----------
    value
        Net asset value, USD.
    net_deposits
        Deposits minus redemptions up to this time, USD.
    returns
        Return since the previous sample, a fraction. The first one is 0, but in a backtest it is the cost of the
        first trades.
    """

    value: "pd.Series[float]"
    net_deposits: "pd.Series[float]"
    returns: "pd.Series[float]"

    @property
    def growth(self) -> "pd.Series[float]":
        """Return since the beginning, a fraction."""
        return (1.0 + self.returns).cumprod() - 1.0

    @property
    def drawdown(self) -> "pd.Series[float]":
        """Distance of the growth from its highest point so far, a fraction <= 0, at the times of `observations`."""
        observed = self.observations
        index = pd.DatetimeIndex(observed.path_times.view("datetime64[us]"))
        return pd.Series(calculate_drawdowns(observed.path), index=index)

    @property
    def observations(self) -> Observations:
        """Values from which ratios and drawdown are computed."""
        return observe(self._start, self._ends, self._values)

    @property
    def _start(self) -> int:
        return int(self._ends[0])

    @property
    def _ends(self) -> NDArray[np.int64]:
        return pd.DatetimeIndex(self.returns.index).as_unit("us").asi8

    @property
    def _values(self) -> NDArray[np.float64]:
        return np.asarray(self.returns, dtype=np.float64)

    @property
    def has_deposits(self) -> bool:
        """True if any deposit or redemption was recorded."""
        return bool((self.net_deposits != 0).any())

    @property
    def length(self) -> pd.Timedelta:
        """Time from the first to the last sample."""
        return self.value.index[-1] - self.value.index[0]

    def choose_period(self, least: int = 20) -> Period:
        """Return the period for returns, chosen by the length of the history and the distance of its samples."""
        spacing = self.length / max(len(self.value) - 1, 1)
        if spacing >= 20 * _DAY:
            return _PERIODS["month"]
        if spacing >= 4 * _DAY:
            return _PERIODS["week"]
        if self.length >= least * _DAY:
            return _PERIODS["day"]
        if spacing <= pd.Timedelta(hours=1) and self.length >= pd.Timedelta(hours=least):
            return _PERIODS["hour"]
        return _SAMPLES

    def get_returns(self, period: Period) -> "pd.Series[float]":
        """Return the compounded returns of the periods that have samples, indexed by the start of the period."""
        if period.freq is None:
            return self.returns.iloc[1:]
        return compound_by_period(self._start, self._ends, self._values, period.freq).dropna()

    @property
    def capital(self) -> float:
        """Value at the beginning, USD; in a backtest before the cost of the first trades."""
        return float(self.value.iloc[0] / (1.0 + self.returns.iloc[0]))

    @property
    def flows(self) -> "pd.Series[float]":
        """Deposits (> 0) and redemptions (< 0) since the previous sample, USD, where there are any."""
        flows = self.net_deposits.diff().iloc[1:]
        return flows[flows != 0]

    def get_monthly_profits(self) -> "pd.Series[float]":
        """Return the profit of each month without deposits and redemptions, USD, indexed by its first day."""
        before = self.value.shift(fill_value=self.capital)
        deposited = self.net_deposits.diff().fillna(0.0)
        profits = np.asarray(self.value - before - deposited, dtype=np.float64)
        index = pd.DatetimeIndex(label_periods(self._start, self._ends).view("datetime64[us]"))
        return pd.Series(profits, index=index).resample("MS").sum()

    def get_monthly_returns(self) -> "pd.Series[float]":
        """Return the return of each month, a fraction, indexed by its first day; 0 without a record."""
        return compound_by_period(self._start, self._ends, self._values, "MS").fillna(0.0)


def read_history(state: "State", options: ChartOptions, least: int = 2) -> History:
    """Return the recorded values of the portfolio in the time range of the options.

    Raises
    ------
    NothingToDraw
        There are fewer samples than `least`.
    """
    history = _read_history(state, options.start_at, options.end_at)
    count = len(history.value)
    if count < least:
        raise NothingToDraw(_describe_shortage(state, options, count, least))
    return history


@shared
def _read_history(state: "State", start_at: datetime.datetime | None, end_at: datetime.datetime | None) -> History:
    curve = read_equity_curve(state)
    if not len(curve):
        raise NothingToDraw("the state has no recorded portfolio values yet")
    index = pd.DatetimeIndex(curve.times.view("datetime64[us]"))
    first, last = _find_range(index, start_at, end_at)
    returns: NDArray[np.float64] = np.concatenate(([0.0], calculate_returns(curve)))[first:last]
    if first:
        returns = np.concatenate(([0.0], returns[1:]))[: last - first]
    elif last and state.backtest_data is not None and curve.flows[0] > 0:
        returns[0] = max(float(curve.values[0] / curve.flows[0]), 0.0) - 1.0
    index = index[first:last]
    return History(
        pd.Series(curve.values[first:last], index=index),
        pd.Series(np.cumsum(curve.flows)[first:last], index=index),
        pd.Series(returns, index=index),
    )


def _describe_shortage(state: "State", options: ChartOptions, found: int, least: int) -> str:
    where = "" if options.start_at is None and options.end_at is None else " in the chosen time range"
    if not found:
        return f"the state has no recorded portfolio values{where}"
    samples = "1 recorded portfolio value" if found == 1 else f"{found} recorded portfolio values"
    return f"the state has {samples}{where}, and this needs at least {least}"


def _find_range(
    index: pd.DatetimeIndex, start_at: datetime.datetime | None, end_at: datetime.datetime | None
) -> tuple[int, int]:
    first = 0 if start_at is None else int(index.searchsorted(pd.Timestamp(start_at), side="left"))
    last = len(index) if end_at is None else int(index.searchsorted(pd.Timestamp(end_at), side="right"))
    return first, max(last, first)


def crop(data: pd.DataFrame, start_at: datetime.datetime | None, end_at: datetime.datetime | None) -> pd.DataFrame:
    """Return the rows in a time range, both ends inclusive; the index must be ascending."""
    first, last = _find_range(pd.DatetimeIndex(data.index), start_at, end_at)
    return data.iloc[first:last]


def find_end(state: "State", position: TradingPosition) -> datetime.datetime:
    """Return the latest time for which the state contains the value of an open position."""
    return max([position.get_last_valued_at(), *(sample.calculated_at for sample in state.stats.portfolio[-1:])])


def is_of_pair(position: TradingPosition, pair: str | int | TradingPairIdentifier) -> bool:
    """Return True if a position trades a pair, given as itself, ticker, base token or internal id."""
    if isinstance(pair, TradingPairIdentifier):
        return position.pair == pair
    if isinstance(pair, int):
        return position.pair.internal_id == pair
    wanted = pair.casefold()
    return wanted in (position.pair.get_ticker().casefold(), position.pair.base.token_symbol.casefold())


def make_notes(state: "State", *notes: str | None) -> list[str]:
    """Return the name of the strategy and the remarks for the reader."""
    return [note for note in (state.name, *notes) if note]
