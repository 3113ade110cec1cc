"""The argument of ``decide_trades(input)``."""

import datetime
from collections.abc import Callable
from typing import Any

import pandas as pd

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.other_data import OtherData
from tradeexecutor.state.state import State
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.market_data import from_us, to_us
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorNotFound
from tradeexecutor.strategy.pandas_trader.indicator_results import UNIVERSE, IndicatorResults, IndicatorSeries
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.pricing_model import PricingModel
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse
from tradeexecutor.utils.reference_paths import refuse_names

__all__ = ["StrategyInput", "StrategyInputIndicators"]

__getattr__ = refuse_names(__name__)

_ZERO = datetime.timedelta(0)
_AUTO = "auto"
_ONE_US = datetime.timedelta(microseconds=1)


class StrategyInputIndicators:
    """Prices and indicators as of the current decision: finished candles only.

    Values are found by index, so that the cost of a decision does not grow with the length of the history.
    """

    __slots__ = (
        "_auto_tolerance",
        "_by_name",
        "_lookup",
        "_now",
        "results",
        "strategy_universe",
        "timestamp",
    )

    def __init__(self, strategy_universe: TradingStrategyUniverse, results: IndicatorResults):
        self.strategy_universe = strategy_universe
        self.results = results
        self.timestamp = datetime.datetime(1970, 1, 1)
        self._now = 0
        self._lookup: dict[tuple[str, str | None, int], IndicatorSeries] = {}
        #: Entries of `_lookup` with neither column nor pair, which is how most indicators are read.
        self._by_name: dict[str, IndicatorSeries] = {}
        # Weekends and exchange holidays must not make daily data look missing.
        tolerance = max(datetime.timedelta(days=7), 3 * strategy_universe.time_bucket)
        self._auto_tolerance = tolerance // _ONE_US

    def prepare_decision_cycle(self, cycle: int, timestamp: datetime.datetime) -> None:
        """Move to the next decision; the runner calls this before ``decide_trades``."""
        del cycle
        if timestamp is not self.timestamp:
            self.move_to(timestamp, to_us(timestamp))

    def move_to(self, timestamp: datetime.datetime, now: int) -> None:
        """Move to the next decision; `now` is the same time as given by `to_us`."""
        self.timestamp = timestamp
        self._now = now

    def has_indicator(self, name: str) -> bool:
        """Return True if the strategy calculates the indicator."""
        return name in self.results.names()

    def get_price(
        self,
        pair: TradingPairIdentifier | None = None,
        data_lag_tolerance: datetime.timedelta = datetime.timedelta(days=7),
        index: int = -1,
        timestamp: datetime.datetime | None = None,
        column: str = "close",
    ) -> float | None:
        """Return a price of the last finished candle.

        Parameters
        ----------
        pair
            The pair; None for the only pair of the universe.
        data_lag_tolerance
            Largest time since the end of the candle; for an older candle the result is None.
        index
            -1 for the last finished candle, -2 for the one before it, and so on.
        timestamp
            Earlier time that replaces the time of the decision.
        column
            ``open``, ``high``, ``low``, ``close`` or ``volume``.

        Returns
        -------
        float or None
            None when there is no such candle.
        """
        pair = pair or self.strategy_universe.get_single_pair()
        cursor = self.strategy_universe.get_cursor(pair)
        now = self._now if timestamp is None else min(self._now, to_us(timestamp))
        last = cursor.seek_visible(now)
        if last < 0 or now - cursor.ends[last] > data_lag_tolerance // _ONE_US:
            return None
        wanted = last + 1 + _check_index(index)
        if wanted < 0:
            return None
        return cursor.close[wanted] if column == "close" else float(cursor.candles.get_column(column)[wanted])

    @contract_signature
    def get_indicator_value(
        self,
        name: str,
        column: str | None = None,
        pair: TradingPairIdentifier | None = None,
        index: int = -1,
        clock_shift: datetime.timedelta = _ZERO,
        data_delay_tolerance: datetime.timedelta | str | None = _AUTO,
        na_conversion: bool = True,
        parameters: object = None,
    ) -> float | None:
        """Return the value of an indicator for the last finished candle.

        Parameters
        ----------
        name
            Declared name.
        column
            Column, if the indicator function returned a DataFrame.
        pair
            The pair; None for the only pair of the universe, or for an indicator of the whole universe.
        index
            -1 for the last finished candle, -2 for the one before it, and so on.
        clock_shift
            Time before the decision to read at; zero or positive.
        data_delay_tolerance
            Largest age of a value; for an older one the result is None. ``"auto"`` is seven days or three candles,
            whichever is longer; None is unlimited.
        na_conversion
            Whether to return None instead of NaN.
        parameters
            Accepted for compatibility, because a run has one set of parameters.

        Returns
        -------
        float or None
            None when the indicator has no value yet.

        Raises
        ------
        IndicatorNotFound
            There is no such indicator or column.
        """
        del parameters
        series = self._by_name.get(name) if pair is None and column is None else None
        if series is None:
            series = self._find_once(name, column, pair)
        now = self._now
        if clock_shift is not _ZERO:
            now -= _check_shift(clock_shift) // _ONE_US
        cursor = series.cursor
        # All indicators of a decision are read at the same time, which is the same object: saves a call.
        at = cursor.visible if cursor.asked is now else cursor.seek_visible(now)
        if at < 0:
            return None
        if data_delay_tolerance is not None:
            tolerance: int = self._auto_tolerance
            if data_delay_tolerance is not _AUTO and not isinstance(data_delay_tolerance, str):
                tolerance = data_delay_tolerance // _ONE_US
            if cursor.visible_age > tolerance:
                return None
        if index != -1:
            at += 1 + _check_index(index)
            if at < 0:
                return None
        value = series.values[at]
        # NaN is the only number that differs from itself.
        return None if value != value and na_conversion else value

    def _find_once(self, name: str, column: str | None, pair: TradingPairIdentifier | None) -> IndicatorSeries:
        try:
            key = (name, column, (pair.internal_id or 0) if pair is not None else -1)
        except AttributeError:
            self.strategy_universe.get_candles(pair)  # pyright: ignore[reportArgumentType] - says what a pair is
            raise
        series = self._lookup.get(key)
        if series is None:
            series = self._lookup[key] = self._find(name, column, pair)
            if pair is None and column is None:
                self._by_name[name] = series
        return series

    def _find(self, name: str, column: str | None, pair: TradingPairIdentifier | None) -> IndicatorSeries:
        universe = self.strategy_universe
        if pair is None:
            columns = self.results.get_columns(name, UNIVERSE)
            if columns is None and self.has_indicator(name):
                columns = self.results.get_columns(name, universe.get_single_pair().internal_id or 0)
        else:
            universe.get_candles(pair)  # Raises for a pair of another universe.
            columns = self.results.get_columns(name, pair.internal_id or 0) or self.results.get_columns(name, UNIVERSE)
        if columns is None:
            known = ", ".join(self.results.names()) or "none"
            raise IndicatorNotFound(f"there is no indicator {name!r} (known: {known})")
        if column is None and None not in columns and len(columns) == 1:
            return next(iter(columns.values()))
        if column not in columns:
            names = ", ".join(repr(entry) for entry in columns if entry is not None)
            problem = f"has no column {column!r}" if column is not None else "has several columns, name one"
            raise IndicatorNotFound(f"indicator {name!r} {problem} (columns: {names or 'none'})")
        return columns[column]

    @contract_signature
    def get_indicator_series(
        self,
        name: str,
        column: str | None = None,
        pair: TradingPairIdentifier | None = None,
        unlimited: bool = False,
    ) -> "pd.Series[Any]":
        """Return the values of an indicator up to the decision, indexed by candle start.

        With `unlimited` the whole series with future values is returned, which is only for charts after the run.
        """
        series = self._find(name, column, pair)
        if unlimited:
            return series.series
        return series.series.iloc[: series.seek_visible(self._now) + 1]

    def get_price_series(self, column: str = "close", pair: TradingPairIdentifier | None = None) -> "pd.Series[Any]":
        """Return one column of the finished candles, indexed by candle start."""
        return self.get_ohlcv(pair)[column]

    def get_recent_price_series(
        self, pair: TradingPairIdentifier | None = None, length: int = 100, column: str = "close"
    ) -> "pd.Series[Any]":
        """Return one column of the last `length` finished candles."""
        candles, visible = self._visible(pair)
        window = slice(max(0, visible - length), visible)
        index = pd.DatetimeIndex(candles.starts[window].view("datetime64[us]"), name="timestamp")
        return pd.Series(candles.get_column(column)[window], index=index, name=column)

    def get_ohlcv(self, pair: TradingPairIdentifier | None = None) -> pd.DataFrame:
        """Return the finished candles as a DataFrame indexed by candle start."""
        candles, visible = self._visible(pair)
        return candles.to_dataframe().iloc[:visible]

    def _visible(self, pair: TradingPairIdentifier | None) -> tuple[Any, int]:
        pair = pair or self.strategy_universe.get_single_pair()
        cursor = self.strategy_universe.get_cursor(pair)
        return cursor.candles, cursor.seek_visible(self._now) + 1

    def get_indicator_dataframe(self, name: str, pair: TradingPairIdentifier | None = None) -> pd.DataFrame:
        """Return all columns of an indicator up to the decision."""
        raw = self.resolve_indicator_data(name, pair=pair)
        frame = raw.to_frame(name) if isinstance(raw, pd.Series) else pd.DataFrame(raw)
        first = next(iter((self._columns(name, pair)).values()))
        return frame.iloc[: first.seek_visible(self._now) + 1]

    def _columns(self, name: str, pair: TradingPairIdentifier | None) -> dict[str | None, IndicatorSeries]:
        pair_id = (pair.internal_id or 0) if pair is not None else UNIVERSE
        columns = self.results.get_columns(name, pair_id) or self.results.get_columns(name, UNIVERSE)
        if columns is None and pair is None:
            columns = self.results.get_columns(name, self.strategy_universe.get_single_pair().internal_id or 0)
        if columns is None:
            raise IndicatorNotFound(f"there is no indicator {name!r}")
        return columns

    def resolve_indicator_data(
        self, name: str, column: str | None = None, pair: TradingPairIdentifier | None = None
    ) -> Any:
        """Return the result of the indicator function, including future values: only for charts after the run."""
        if pair is None and self.results.get_columns(name, UNIVERSE) is None:
            pair = self.strategy_universe.get_single_pair()
        output = self.results.get_raw(name, pair)
        return output if column is None else output[column]

    def get_indicator_data_pairs_combined(self, name: str) -> "pd.Series[Any]":
        """Return a per-pair indicator of all pairs up to the decision, indexed by (pair id, timestamp)."""
        parts = {
            pair.internal_id or 0: self.get_indicator_series(name, pair=pair)
            for pair in self.strategy_universe.iterate_pairs()
        }
        return pd.concat(parts, names=["pair_id", "timestamp"])  # pyright: ignore

    def get_last_visible_time(self, pair: TradingPairIdentifier | None = None) -> datetime.datetime | None:
        """Return the end of the last finished candle, naive UTC; None before the first."""
        pair = pair or self.strategy_universe.get_single_pair()
        cursor = self.strategy_universe.get_cursor(pair)
        last = cursor.seek_visible(self._now)
        return None if last < 0 else from_us(cursor.ends[last])


def _check_index(index: int) -> int:
    if index >= 0:
        raise ValueError(f"index counts back from the decision and must be negative, not {index}")
    return index


def _check_shift(shift: datetime.timedelta) -> datetime.timedelta:
    if shift < _ZERO:
        raise ValueError(f"clock_shift must not look into the future: {shift}")
    return shift


class StrategyInput:
    """Data and models for a decision.

    The runner reuses one object for all decisions; a strategy must not keep it between decisions.

    Attributes
    ----------
    cycle
        Number of the decision, counted from 1.
    timestamp
        Time of the decision, naive UTC.
    state
        State of the strategy, with the portfolio.
    strategy_universe, parameters, indicators, pricing_model, execution_context
        Pairs, settings, market data, prices, and information about the run.
    other_data
        Persistent values, by cycle.
    web3, routing_model, routing_state
        Connections of live trading; None in a backtest.
    """

    __slots__ = (
        "_make_position_manager",
        "cycle",
        "execution_context",
        "indicators",
        "other_data",
        "parameters",
        "pricing_model",
        "routing_model",
        "routing_state",
        "state",
        "strategy_universe",
        "timestamp",
        "web3",
    )

    @contract_signature
    def __init__(
        self,
        cycle: int,
        timestamp: datetime.datetime,
        state: State,
        strategy_universe: TradingStrategyUniverse,
        parameters: StrategyParameters,
        indicators: StrategyInputIndicators,
        pricing_model: PricingModel,
        execution_context: ExecutionContext,
        other_data: OtherData | None = None,
        web3: Any = None,
        routing_model: Any = None,
        routing_state: Any = None,
        *,
        make_position_manager: Callable[["StrategyInput"], PositionManager] | None = None,
    ):
        self.cycle = cycle
        self.timestamp = timestamp
        self.state = state
        self.strategy_universe = strategy_universe
        self.parameters = parameters
        self.indicators = indicators
        self.pricing_model = pricing_model
        self.execution_context = execution_context
        self.other_data = other_data if other_data is not None else state.other_data
        self.web3 = web3
        self.routing_model = routing_model
        self.routing_state = routing_state
        self._make_position_manager = make_position_manager

    def get_position_manager(self) -> PositionManager:
        """Return the position manager for this decision."""
        if self._make_position_manager is not None:
            return self._make_position_manager(self)
        return PositionManager(
            self.timestamp,
            self.strategy_universe,
            self.state,
            self.pricing_model,
            default_slippage_tolerance=self.parameters.get("slippage_tolerance"),
            routing_model=self.routing_model,
            routing_state=self.routing_state,
        )

    def get_default_pair(self) -> TradingPairIdentifier:
        """Return the only pair of the universe; raises `PairNotFound` if there are several."""
        return self.strategy_universe.get_single_pair()

    def is_visualisation_enabled(self) -> bool:
        """Return True if the strategy should record plots; False in searches over many runs."""
        return self.execution_context.has_visualisation()
