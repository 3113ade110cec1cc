"""Calculated indicators, and which of their values a decision can see."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.tseries import offsets

from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.strategy.author_code import call_author_code
from tradeexecutor.strategy.candle_length import (
    MONTHS,
    calculate_ends,
    count_calendar_months,
    most_common_distance,
)
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.market_data import CandleCursor, Candles, from_us, to_us, view_numbers
from tradeexecutor.strategy.pandas_trader.indicator import (
    IndicatorCalculationFailed,
    IndicatorDefinition,
    IndicatorNotFound,
    IndicatorSet,
    IndicatorSource,
)
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["DependencyResolver", "IndicatorResults", "IndicatorSeries", "calculate_indicators"]

#: Pair id under which indicators of the whole universe are kept.
UNIVERSE = 0

#: Frequencies of pandas whose times are the last days of their periods.
_ENDS_OF_PERIODS = (
    offsets.MonthEnd,
    offsets.QuarterEnd,
    offsets.YearEnd,
    offsets.BMonthEnd,
    offsets.BQuarterEnd,
    offsets.BYearEnd,
)

#: A time after all decisions, us.
_NEVER = np.iinfo(np.int64).max

#: Smallest share of equal distances between stamps that makes a series regular.
_REGULAR_SHARE = 0.5


class IndicatorSeries:
    """One column of one calculated indicator.

    Attributes
    ----------
    cursor
        Cursor over the times of the values. A value is visible after the end of the candle with its stamp.
    values
        One float per candle, NaN where the indicator is not defined.
    has_own_times
        Whether the values have times of their own, as those of resampled prices have, instead of one per candle.
    freq
        Frequency of these times where pandas has found one; None otherwise.
    """

    __slots__ = ("cursor", "freq", "has_own_times", "series", "values")

    def __init__(
        self,
        cursor: CandleCursor,
        values: NDArray[np.float64],
        series: "pd.Series[Any]",
        *,
        has_own_times: bool = False,
        freq: Any = None,
    ):
        self.cursor = cursor
        self.has_own_times = has_own_times
        self.freq = freq
        self.values: Sequence[float] = view_numbers(np.ascontiguousarray(values, dtype=np.float64))
        self.series = series

    def get_stamps(self) -> NDArray[np.int64]:
        """Return the time stamps of the values, us."""
        index = self.series.index
        if isinstance(index, pd.DatetimeIndex):
            return _as_us(index, "the indicator")
        return self.cursor.candles.starts

    def seek_visible(self, now: int) -> int:
        """Return the index of the last value that a decision at `now` (us) can see; -1 if there is none."""
        return self.cursor.seek_visible(now)


class IndicatorResults:
    """All calculated indicators of a run, by name, pair and column.

    Attributes
    ----------
    universe
        Universe with the candles they are calculated from.
    raw
        Results of the functions, by name and pair id (`UNIVERSE` for none).
    reads
        Names of the indicators that each one has read during its calculation.
    parameters
        Parameters of the functions, by name.
    """

    def __init__(self, universe: TradingStrategyUniverse):
        self.universe = universe
        self.reads: dict[str, set[str]] = {}
        self.parameters: dict[str, Mapping[str, Any]] = {}
        self.raw: dict[tuple[str, int], Any] = {}
        self._columns: dict[tuple[str, int], dict[str | None, IndicatorSeries]] = {}

    def __len__(self) -> int:
        return len(self.raw)

    def names(self) -> list[str]:
        """Return the names of the calculated indicators."""
        return list(dict.fromkeys(name for name, _ in self.raw))

    def store(self, name: str, pair: TradingPairIdentifier | None, output: Any) -> None:
        """Store the output of an indicator function.

        Raises
        ------
        IndicatorCalculationFailed
            The output is neither a series, a DataFrame nor an array with one value per candle.
        """
        key = (name, (pair.internal_id or 0) if pair else UNIVERSE)
        where = f"indicator {name!r}" + (f" of {pair.get_ticker()}" if pair else "")
        candles = self.universe.get_candles(pair) if pair else None
        if isinstance(output, pd.DataFrame):
            columns: dict[str | None, IndicatorSeries] = {
                str(column): self._make_series(output[column], pair, candles, where) for column in output.columns
            }
        elif isinstance(output, pd.Series):
            columns = {None: self._make_series(output, pair, candles, where)}
        elif candles is not None and isinstance(output, (np.ndarray, list, tuple)):
            if np.ndim(output) != 1 or len(output) != len(candles):  # pyright: ignore[reportUnknownArgumentType]
                raise IndicatorCalculationFailed(f"{where} returned an array of another length than the candles")
            output = pd.Series(output, index=candles.get_index())  # pyright: ignore[reportUnknownArgumentType]
            columns = {None: self._make_series(output, pair, candles, where)}
        else:
            raise IndicatorCalculationFailed(
                f"{where} must return a pandas Series or DataFrame, it returned {type(output).__name__}"  # pyright: ignore[reportUnknownArgumentType]
            )
        self.raw[key] = output
        self._columns[key] = columns

    def _make_series(
        self, series: Any, pair: TradingPairIdentifier | None, candles: Candles | None, where: str
    ) -> IndicatorSeries:
        try:
            values = np.asarray(pd.to_numeric(series), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise IndicatorCalculationFailed(f"{where} returned values that are not numbers: {error}") from error
        index = series.index
        has_times = isinstance(index, pd.DatetimeIndex)
        if (
            pair is not None
            and candles is not None
            and len(values) == len(candles)
            and (not has_times or np.array_equal(_as_us(index, where), candles.starts))
            and (len(candles) > 1 or not has_times or index.freq is None)
        ):
            # The usual case is one value per candle. A single value may be that of a longer period, see its frequency.
            return IndicatorSeries(self.universe.get_cursor(pair), values, series)
        if not has_times:
            raise IndicatorCalculationFailed(
                f"{where} must be indexed by time when it has another length than the candles"
            )
        if not len(values):
            raise IndicatorCalculationFailed(f"{where} returned nothing")
        stamps = _as_us(index, where)
        last_end = _find_last_end(index, stamps)
        known = self._find_known(stamps, candles, where, last_end)
        if candles is not None and index.freq is not None:
            filled = _find_filled(stamps, last_end, candles)
            # The last period may be labelled by its end. It is kept, but no decision can see a period without candles.
            kept = filled | (stamps > candles.starts[-1])
            known, values, series = np.where(filled, known, _NEVER)[kept], values[kept], series[kept]
        cursor = CandleCursor(_KnownTimes(known))  # pyright: ignore[reportArgumentType]
        return IndicatorSeries(cursor, values, series, has_own_times=True, freq=index.freq)

    def _find_known(
        self, stamps: NDArray[np.int64], candles: Candles | None, where: str, last_end: int | None
    ) -> NDArray[np.int64]:
        """Return since when (us) values with their own times, such as those of resampled prices, are visible.

        A stamp is the start of the period of a value: a candle, or, if the stamps are farther apart than candles, all
        candles that start before the next stamp. So a weekly value is visible when its week is over and the last candle
        of the week has ended. In live trading it is visible at the same moment, although it is not known there whether
        another candle follows.
        """
        if np.any(np.diff(stamps) <= 0):
            raise IndicatorCalculationFailed(f"{where}: times must increase and not repeat")
        if len(stamps) == 1 and last_end is None:
            # The period of a single value is unknown, so it may still be in progress when the data ends.
            return np.array([_NEVER], dtype=np.int64)
        if candles is None:
            length = self.universe.time_bucket // datetime.timedelta(microseconds=1)
            known = np.maximum(
                stamps + np.int64(length), _find_period_ends(stamps, last_end, keep_gaps=last_end is None)
            )
        else:
            following = _find_period_ends(stamps, last_end, keep_gaps=False)
            last = np.searchsorted(candles.starts, following, side="left") - 1
            known = np.where(last >= 0, np.maximum(candles.ends[np.maximum(last, 0)], stamps), stamps)
            known = np.maximum(known, _find_period_ends(stamps, last_end, keep_gaps=last_end is None))
        return known

    def iterate_columns(self) -> Iterator[tuple[str, int, str | None, IndicatorSeries]]:
        """Iterate over name, pair id (`UNIVERSE` for none), column and values, in the order of calculation."""
        for (name, pair_id), columns in self._columns.items():
            for column, series in columns.items():
                yield name, pair_id, column, series

    def get_columns(self, name: str, pair_id: int) -> dict[str | None, IndicatorSeries] | None:
        """Return the columns of an indicator of a pair (`UNIVERSE` for none); a plain series is column None."""
        return self._columns.get((name, pair_id))

    def find_labelled_by_end(self) -> list[tuple[str, str, datetime.datetime]]:
        """Return name, and for people whose it is, and last time of indicators that are labelled by ends of periods.

        There are two pieces of evidence: the frequency in pandas is ends of months, quarters or years, or the last
        period would begin after the last candle.
        """
        found: list[tuple[str, str, datetime.datetime]] = []
        for name, pair_id, column, series in self.iterate_columns():
            if series.has_own_times and self._is_labelled_by_end(pair_id, series):
                found.append((name, self._describe_owner(pair_id, column), from_us(int(series.get_stamps()[-1]))))
        return found

    def _is_labelled_by_end(self, pair_id: int, series: IndicatorSeries) -> bool:
        if isinstance(series.freq, _ENDS_OF_PERIODS):
            return True
        universe, stamps = self.universe, series.get_stamps()
        pairs = universe.iterate_pairs() if pair_id == UNIVERSE else [universe.get_pair_by_id(pair_id)]
        candles = [universe.get_candles(pair) for pair in pairs]
        if len(stamps) < 2 or any(len(own) < 2 for own in candles):
            return False
        # What is as dense as candles was moved to later times on purpose.
        is_merged = most_common_distance(stamps)[0] > max(most_common_distance(own.starts)[0] for own in candles)
        after = int(np.sum(stamps > max(int(own.starts[-1]) for own in candles)))
        return is_merged and after == 1 and not _is_held(series)

    def _describe_owner(self, pair_id: int, column: str | None) -> str:
        owner = f" of {self.universe.get_pair_by_id(pair_id).get_ticker()}" if pair_id != UNIVERSE else ""
        return f", column {column!r},{owner}" if column is not None else owner

    def find_empty(self) -> list[tuple[str, str]]:
        """Return name, and a text with column and pair, of each column without any value."""
        empty: list[tuple[str, str]] = []
        for name, pair_id, column, series in self.iterate_columns():
            if np.isnan(np.asarray(series.values)).all():
                empty.append((name, self._describe_owner(pair_id, column)))
        return empty

    def get_raw(self, name: str, pair: TradingPairIdentifier | None) -> Any:
        """Return the unchanged result of the indicator function.

        Raises
        ------
        IndicatorNotFound
            There is no such indicator for this pair.
        """
        key = (name, (pair.internal_id or 0) if pair else UNIVERSE)
        if key not in self.raw:
            key = (name, UNIVERSE)
        if key not in self.raw:
            known = ", ".join(self.names()) or "none"
            owner = pair.get_ticker() if pair else "the universe"
            raise IndicatorNotFound(f"there is no indicator {name!r} for {owner} (known: {known})")
        return self.raw[key]


def _is_held(series: IndicatorSeries) -> bool:
    """Return True if most values repeat the one before, as the values of weeks do that were filled forward to days."""
    steps = np.diff(np.asarray(series.values))
    return 2 * int(np.sum(steps == 0)) > int(np.sum(~np.isnan(steps)))


def _find_last_end(index: pd.DatetimeIndex, stamps: NDArray[np.int64]) -> int | None:
    """Return the end of the period of the last value, us; None if neither pandas nor the calendar defines it."""
    if index.freq is not None and len(index):
        return to_us((index[-1] + index.freq).to_pydatetime())
    months = count_calendar_months(stamps)
    length = next((name for name, count in MONTHS.items() if count == months), None)
    return None if length is None else int(calculate_ends(stamps[-1:], length)[0])


def _find_period_ends(stamps: NDArray[np.int64], last_end: int | None, *, keep_gaps: bool) -> NDArray[np.int64]:
    """Return the end of the period of each value, us: the next stamp.

    Values at irregular times belong to single candles, not to periods: their end is the stamp itself.

    Parameters
    ----------
    stamps
        Time stamps, increasing.
    last_end
        End of the last period; None for the length of the longest period after its stamp.
    keep_gaps
        Whether a period ends before the next stamp if that is farther away than usual.
    """
    alone = stamps + 1
    if len(stamps) < 2:
        return alone if last_end is None else np.array([last_end], dtype=np.int64)
    following = np.r_[stamps[1:], stamps[-1] + np.diff(stamps).max() if last_end is None else last_end]
    if count_calendar_months(stamps) is not None:
        return following
    length, share = most_common_distance(stamps)
    if share < _REGULAR_SHARE:
        return alone
    return np.minimum(stamps + length, following) if keep_gaps else following


def _find_filled(stamps: NDArray[np.int64], last_end: int | None, candles: Candles) -> NDArray[np.bool_]:
    """Return which of the periods that pandas has made contain a candle.

    pandas gives the days of a closed market a value, but only when it knows a later day. Such a value is left out, so
    that a decision on Monday sees Friday's in a backtest, as it does in live trading.
    """
    if len(stamps) < 2 or most_common_distance(stamps)[0] < most_common_distance(candles.starts)[0]:
        return np.ones(len(stamps), dtype=np.bool_)
    # A series that was filled forward, such as weeks to days, holds its last value until the last candle.
    ends = np.append(stamps[1:], max(stamps[-1] + 1 if last_end is None else last_end, candles.starts[-1] + 1))
    first, after = (np.searchsorted(candles.starts, times, side="left") for times in (stamps, ends))
    return np.asarray(after > first, dtype=np.bool_)


class _KnownTimes:
    """Replacement of `Candles` in a cursor over values that become known at given times (us)."""

    def __init__(self, known_since: NDArray[np.int64]):
        self.starts = self.ends = np.ascontiguousarray(known_since)
        self.open = self.high = self.low = self.close = np.empty(0)

    def __len__(self) -> int:
        return len(self.starts)


def _as_us(index: pd.DatetimeIndex, where: str) -> NDArray[np.int64]:
    if index.tz is not None:
        raise IndicatorCalculationFailed(f"{where} has a time zone; times must be naive UTC")
    return np.asarray(index.values.astype("datetime64[us]").astype(np.int64))


class DependencyResolver:
    """Access of an indicator function to the output of earlier indicators."""

    def __init__(self, results: IndicatorResults, definition: IndicatorDefinition, pair: TradingPairIdentifier | None):
        self._results = results
        self._definition = definition
        self._pair = pair

    def get_indicator_data(
        self,
        name: str,
        pair: TradingPairIdentifier | None = None,
        column: str | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the whole output of another indicator, or one column of it.

        Parameters
        ----------
        parameters
            What the caller expects the parameters of the other indicator to be; None for anything.

        Raises
        ------
        IndicatorNotFound
            It is not declared as a dependency, it is not calculated before this one (raise `order`), or it has other
            parameters.
        """
        allowed = self._definition.dependencies
        if allowed and name not in allowed:
            raise IndicatorNotFound(f"{self._definition.name!r} does not declare {name!r} as a dependency")
        self._note(name)
        output = self._results.get_raw(name, pair or self._pair)
        own = self._results.parameters.get(name, {})
        if parameters is not None and dict(parameters) != dict(own):
            raise IndicatorNotFound(f"{name!r} is calculated with {dict(own)}, not with {dict(parameters)}")
        return output if column is None else output[column]

    def _note(self, name: str) -> None:
        self._results.reads.setdefault(self._definition.name, set()).add(name)

    def get_indicator_data_pairs_combined(self, name: str) -> "pd.Series[Any]":
        """Return a per-pair indicator of all pairs as one series indexed by (pair id, timestamp)."""
        self._note(name)
        parts: dict[int, Any] = {}
        for pair in self._results.universe.iterate_pairs():
            parts[pair.internal_id or 0] = self._results.get_raw(name, pair)
        return pd.concat(parts, names=["pair_id", "timestamp"])  # pyright: ignore[reportReturnType, reportCallIssue, reportArgumentType, reportUnknownVariableType]


def calculate_indicators(
    indicators: IndicatorSet,
    universe: TradingStrategyUniverse,
    execution_context: ExecutionContext,
    timestamp: datetime.datetime | None = None,
) -> IndicatorResults:
    """Calculate all indicators from the market data of the universe.

    Raises
    ------
    IndicatorCalculationFailed
        A function raised an error (the cause) or returned something unusable.
    """
    results = IndicatorResults(universe)
    indexes: dict[int, pd.DatetimeIndex] = {}
    for definition in indicators.iterate():
        results.parameters[definition.name] = definition.parameters
        for pair in universe.iterate_pairs() if definition.source.is_per_pair() else (None,):
            arguments = _collect_arguments(definition, pair, universe, indexes)
            optional = {
                "dependency_resolver": DependencyResolver(results, definition, pair),
                "execution_context": execution_context,
                "strategy_universe": universe,
                "pair": pair,
                "timestamp": timestamp,
            }
            arguments.update({name: value for name, value in optional.items() if definition.takes(name)})
            arguments.update(definition.parameters)
            where = f"indicator {definition.name!r}" + (f" of {pair.get_ticker()}" if pair else "")
            try:
                output = call_author_code(definition.func, **arguments)
            except Exception as error:
                raise IndicatorCalculationFailed(f"{where} failed: {type(error).__name__}: {error}") from error
            results.store(definition.name, pair, output)
    return results


def _collect_arguments(
    definition: IndicatorDefinition,
    pair: TradingPairIdentifier | None,
    universe: TradingStrategyUniverse,
    indexes: dict[int, pd.DatetimeIndex],
) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if pair is None or definition.source not in (
        IndicatorSource.close_price,
        IndicatorSource.open_price,
        IndicatorSource.ohlcv,
    ):
        return arguments
    candles = universe.get_candles(pair)
    index = indexes.get(pair.internal_id or 0)
    if index is None:
        index = indexes[pair.internal_id or 0] = candles.get_index()
    for name in definition.source.get_arguments():
        if definition.takes(name):
            # A copy, because a function that changes its argument must not change the prices of others.
            arguments[name] = pd.Series(candles.get_column(name).copy(), index=index, name=name)
    return arguments
