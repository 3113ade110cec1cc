"""Time series of the profits of positions.

The return of a position is *size relative*: its profit as a fraction of its cost, times the fraction of the portfolio
that it used at open. Compounding these needs no equity and is independent of deposits; it excludes interest on cash,
and positions held at the same time are compounded one after another.

Every function is linear in the number of positions. Returns are fractions. Old files did not record the portfolio
value at open: `LegacyDataException` is raised there.
"""

import datetime
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tradeexecutor.analysis.memo import shared
from tradeexecutor.analysis.position_figures import measure_plain
from tradeexecutor.analysis.recorded.equity_series import Frequency, make_time_series, resample_returns
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import LegacyDataException
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State

__all__ = [
    "calculate_compounding_realised_trading_profitability",
    "calculate_compounding_unrealised_trading_profitability",
    "calculate_cumulative_daily_returns",
    "calculate_long_compounding_realised_trading_profitability",
    "calculate_non_cumulative_daily_returns",
    "calculate_realised_profitability",
    "calculate_short_compounding_realised_trading_profitability",
    "calculate_size_relative_realised_trading_returns",
    "extract_compounding_unrealised_trading_profitability_portfolio_statistics",
]


class _Closed(NamedTuple):
    """Size-relative return of a closed position; a text if it is not known, which explains why."""

    closed_at: datetime.datetime | None
    is_long: bool
    is_short: bool
    size_relative_return: float | str


def _measure_closed(position: TradingPosition) -> _Closed:
    figures = measure_plain(position)
    if figures is not None and figures.realised_return is not None:  # nearly always
        return _Closed(figures.closed_at, figures.is_long, figures.is_short, figures.realised_return)
    value: float | str = 0.0
    if position.closed_at is not None:
        try:
            value = position.get_size_relative_realised_profit_percent()
        except LegacyDataException as error:
            value = str(error)
    return _Closed(position.closed_at, position.is_long(), position.is_short(), value)


class _Columns:
    """Times, microseconds, and values of some closed positions.

    Parameters
    ----------
    read
        Returns time and value of what was measured of a position, None to leave it out.
    """

    def __init__(self, read: Callable[[Any], tuple[datetime.datetime, float] | None]) -> None:
        self._read = read
        self.times, self.values = np.empty(0, "datetime64[us]"), np.empty(0)

    def extend(self, positions: Sequence[Any]) -> None:
        """Add positions in order."""
        rows = [row for position in positions if (row := self._read(position)) is not None]
        new = make_time_series([when for when, _ in rows], [value for _, value in rows])
        self.times = np.concatenate([self.times, new.index.to_numpy()])
        self.values = np.concatenate([self.values, new.to_numpy()])


class _Returns(_Columns):
    """Size-relative returns of closed positions.

    Attributes
    ----------
    all_long, all_short
        Whether all positions are long, or short.
    reason
        Why a return is not known; empty if all are.
    """

    def __init__(self) -> None:
        super().__init__(self._read_known)
        self.all_long = self.all_short = True
        self.reason = ""

    def extend(self, positions: Sequence[_Closed]) -> None:
        """Add positions in order."""
        self.all_long = self.all_long and all(position.is_long for position in positions)
        self.all_short = self.all_short and all(position.is_short for position in positions)
        super().extend(positions)

    def _read_known(self, position: _Closed) -> tuple[datetime.datetime, float] | None:
        value = position.size_relative_return
        if isinstance(value, str):
            self.reason = self.reason or value
            return None
        return None if position.closed_at is None else (position.closed_at, value)


@shared
def _measure_returns(portfolio: Portfolio) -> _Returns:
    return portfolio.add_up_closed(_measure_closed, _Returns, "returns")


def _to_series(times: "np.ndarray[Any, Any]", values: "np.ndarray[Any, Any]") -> "pd.Series[float]":
    return pd.Series(values, index=pd.DatetimeIndex(times))


def _by_closing_time(
    positions: Iterable[TradingPosition], figure: Callable[[TradingPosition], float]
) -> "pd.Series[float]":
    closed = [(position.closed_at, figure(position)) for position in positions if position.closed_at is not None]
    return make_time_series([when for when, _ in closed], [value for _, value in closed])


def calculate_realised_profitability(state: State) -> "pd.Series[float]":
    """Return the realised profit of each closed position as a fraction of its cost, by closing time, in map order."""
    return _by_closing_time(state.portfolio.closed_positions.values(), TradingPosition.get_realised_profit_percent)


@shared
def calculate_size_relative_realised_trading_returns(state: State) -> "pd.Series[float]":
    """Return the size-relative realised profit of each closed position, by closing time, in map order.

    Raises
    ------
    LegacyDataException
        The file did not record portfolio values.
    """
    returns = _measure_returns(state.portfolio)
    if returns.reason:
        raise LegacyDataException(returns.reason)
    return _to_series(returns.times, returns.values)


def _read_columns(
    state: State, name: str, read: Callable[[_Closed], tuple[datetime.datetime, float] | None]
) -> "pd.Series[float]":
    columns = state.portfolio.add_up_closed(_measure_closed, partial(_Columns, read), name)
    return _to_series(columns.times, columns.values)


def _read_return(position: _Closed) -> tuple[datetime.datetime, float] | None:
    value = position.size_relative_return
    if isinstance(value, str):
        raise LegacyDataException(value)
    return None if position.closed_at is None else (position.closed_at, value)


def _read_long_return(position: _Closed) -> tuple[datetime.datetime, float] | None:
    return _read_return(position) if position.is_long else None


def _read_short_return(position: _Closed) -> tuple[datetime.datetime, float] | None:
    return _read_return(position) if position.is_short else None


@shared
@contract_signature
def calculate_compounding_realised_trading_profitability(
    state: State, fill_time_gaps: bool = True
) -> "pd.Series[float]":
    """Return product(1 + r) - 1 of the closed positions up to each closing.

    Parameters
    ----------
    state
        Its closed positions are read.
    fill_time_gaps
        Add 0 at the start of the strategy, and the last value at its end if that is later than the last closing.

    Raises
    ------
    LegacyDataException
        The file did not record portfolio values.
    """
    returns = calculate_size_relative_realised_trading_returns(state)
    return _compound_realised(state, returns, fill_time_gaps=fill_time_gaps)


@shared
@contract_signature
def calculate_long_compounding_realised_trading_profitability(
    state: State, fill_time_gaps: bool = True
) -> "pd.Series[float]":
    """Return `calculate_compounding_realised_trading_profitability` of the long positions alone."""
    if _measure_returns(state.portfolio).all_long:
        return calculate_compounding_realised_trading_profitability(state, fill_time_gaps)
    returns = _read_columns(state, "returns of longs", _read_long_return)
    return _compound_realised(state, returns, fill_time_gaps=fill_time_gaps)


@shared
@contract_signature
def calculate_short_compounding_realised_trading_profitability(
    state: State, fill_time_gaps: bool = True
) -> "pd.Series[float]":
    """Return `calculate_compounding_realised_trading_profitability` of the short positions alone."""
    if _measure_returns(state.portfolio).all_short:
        return calculate_compounding_realised_trading_profitability(state, fill_time_gaps)
    returns = _read_columns(state, "returns of shorts", _read_short_return)
    return _compound_realised(state, returns, fill_time_gaps=fill_time_gaps)


def _compound(returns: "pd.Series[float]") -> "pd.Series[float]":
    return (1 + returns).cumprod() - 1


def _compound_realised(state: State, returns: "pd.Series[float]", *, fill_time_gaps: bool) -> "pd.Series[float]":
    compounded = _compound(returns)
    if not len(compounded) or not fill_time_gaps:
        return compounded
    start, end = state.get_strategy_time_range()
    last_value = float(compounded.iloc[-1])
    if start is not None:
        compounded = pd.concat([make_time_series([start], [0.0]), compounded])
    if end is not None and end > compounded.index[-1]:
        compounded = pd.concat([compounded, make_time_series([end], [last_value])])
    return compounded.sort_index(kind="stable")


def calculate_compounding_unrealised_trading_profitability(
    state: State | Portfolio, freq: Frequency | None = "D"
) -> "pd.Series[float]":
    """Return product(1 + r) - 1 of all positions, open ones at their latest price.

    A position counts when it was last opened, traded, valued or closed. Credit positions count with their estimated
    interest.

    Parameters
    ----------
    state
        A state, or its portfolio.
    freq
        Length of the periods; None: one value per position.

    Raises
    ------
    LegacyDataException
        The file did not record portfolio values.
    """
    portfolio = state.portfolio if isinstance(state, State) else state
    opened, frozen = _Columns(_read_profit), _Columns(_read_profit)
    opened.extend([*map(_measure_profit, portfolio.open_positions.values())])
    closed = portfolio.add_up_closed(_measure_profit, partial(_Columns, _read_profit), "profits")
    frozen.extend([*map(_measure_profit, portfolio.frozen_positions.values())])
    parts = opened, closed, frozen
    times, values = (np.concatenate([getattr(part, name) for part in parts]) for name in ("times", "values"))
    returns = _to_series(times, values).sort_index(kind="stable")
    if freq is not None and len(returns):
        returns = resample_returns(returns, freq)
    return _compound(returns)


def _read_profit(profit: tuple[datetime.datetime, float]) -> tuple[datetime.datetime, float]:
    return profit


def _measure_profit(position: TradingPosition) -> tuple[datetime.datetime, float]:
    """Return the time at which the profit of a position counts, and the profit."""
    figures = measure_plain(position)
    profit = None if figures is None else figures.total_return
    if profit is None:
        profit = position.get_size_relative_unrealised_or_realised_profit_percent()
    return position.get_profit_timeline_timestamp(), profit


def extract_compounding_unrealised_trading_profitability_portfolio_statistics(state: State) -> "pd.Series[float]":
    """Return the compounded profit of all positions as it was recorded over time; samples without it are left out."""
    samples = [sample for sample in state.stats.portfolio if sample.unrealised_profitability is not None]
    return make_time_series(
        [sample.calculated_at for sample in samples], [sample.unrealised_profitability for sample in samples]
    )


def calculate_non_cumulative_daily_returns(state: State, freq_base: Frequency = "D") -> "pd.Series[float]":
    """Return the compounded return of the positions closed in each period, 0 where none was.

    Empty without closed positions.

    Raises
    ------
    LegacyDataException
        The file did not record portfolio values.
    """
    returns = calculate_size_relative_realised_trading_returns(state)
    return resample_returns(returns, freq_base) if len(returns) else returns


def calculate_cumulative_daily_returns(state: State, freq_base: Frequency = "D") -> "pd.Series[float]":
    """Return the compounded realised return at the end of each period.

    Raises
    ------
    LegacyDataException
        The file did not record portfolio values.
    """
    compounded = calculate_compounding_realised_trading_profitability(state)
    if not len(compounded):
        return compounded
    return compounded.resample(freq_base).last().ffill()  # pyright: ignore[reportArgumentType]
