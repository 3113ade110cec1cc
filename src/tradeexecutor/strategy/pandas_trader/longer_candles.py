"""Indicators on longer candles than those of the market data, which cannot look ahead.

A weekly average is known when its week is over, not when the week begins, and the price of a week in progress is not
that of a finished one. `on_longer_candles` makes an indicator that keeps to this::

    indicators.add("trend", on_longer_candles("1w", average), {"length": 20}, IndicatorSource.close_price)

`align` is the part of it that brings values of longer candles to the candles of the market data, for functions that
combine both.
"""

import datetime
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd

from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.strategy.candle_length import CandleLength
from tradeexecutor.strategy.market_data import Candles
from tradeexecutor.strategy.pandas_trader.indicator import (
    IndicatorCalculationFailed,
    IndicatorFunction,
    IndicatorNotValid,
)
from tradeexecutor.strategy.time_frame import parse_time_frame
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["align", "on_longer_candles"]

Values = TypeVar("Values", "pd.Series[Any]", pd.DataFrame)

#: Columns of candles that an indicator function can get.
_COLUMNS = ("open", "high", "low", "close", "volume")


def align(values: Values, longer: Candles, candles: Candles) -> Values:
    """Return, for each candle, the value of the last longer candle that was over when the candle ended.

    A longer candle is over at its end, and no earlier because its market closes before: Friday's candle still has the
    value of the week before, Monday's has that of the week.

    Parameters
    ----------
    values
        Series or frame with one row for each of `longer`.
    longer
        Longer candles, e.g. of `Candles.resample`.
    candles
        Candles of the market data.

    Returns
    -------
    pandas.Series or pandas.DataFrame
        One row for each of `candles`, indexed by their starts; NaN before the first longer candle is over.

    Raises
    ------
    IndicatorCalculationFailed
        There is not one value for each of `longer`.
    """
    if len(values) != len(longer):
        raise IndicatorCalculationFailed(f"{len(values)} values were given for {len(longer)} candles")
    rows = np.searchsorted(longer.ends, candles.ends, side="right") - 1
    # Row -1 becomes NaN: take() would return the last row.
    numbered = values.set_axis(pd.RangeIndex(len(values)))
    return cast(Values, numbered.reindex(rows).set_axis(candles.get_index()))


def on_longer_candles(length: CandleLength, function: IndicatorFunction) -> IndicatorFunction:
    """Return an indicator function that calculates another one on longer candles, and aligns its values.

    Parameters
    ----------
    length
        Length of the longer candles: a ``timedelta``, or a text such as ``4h``, ``1w``, ``month``. Weeks begin on
        Monday, other fixed lengths are counted from 1970-01-01 UTC.
    function
        Indicator function of the source `IndicatorSource.close_price`, `IndicatorSource.open_price` or
        `IndicatorSource.ohlcv`. Its columns are those of the longer candles, of which the last may be in progress; the
        value of that one is never visible.

    Returns
    -------
    callable
        Indicator function with the same source and parameters, see `align` for its values.

    Raises
    ------
    InvalidCandles
        The text is no length, or, when the indicator is calculated, the candles are longer.
    IndicatorNotValid
        The function takes no column of candles.
    """
    wanted = parse_time_frame(length) if isinstance(length, str) else length
    signature = inspect.signature(function)
    columns = [name for name in signature.parameters if name in _COLUMNS]
    name = getattr(function, "__name__", "the function")
    if not columns:
        raise IndicatorNotValid(f"{name} takes none of {', '.join(_COLUMNS)}, so it cannot use longer candles")

    def indicator(
        *, strategy_universe: TradingStrategyUniverse, pair: TradingPairIdentifier, **arguments: Any
    ) -> "pd.Series[Any] | pd.DataFrame":
        candles = strategy_universe.get_candles(pair)
        longer = candles.resample(wanted)
        frame = longer.to_dataframe()
        extra = {"strategy_universe": strategy_universe, "pair": pair}
        extra = {key: value for key, value in extra.items() if key in signature.parameters}
        output: Any = function(**{**arguments, **extra, **{column: frame[column] for column in columns}})
        if isinstance(output, pd.DataFrame):
            return align(output, longer, candles)
        series: pd.Series[Any] = pd.Series(output, index=frame.index)  # A series has an index of its own.
        return align(series, longer, candles)

    indicator.__name__ = indicator.__qualname__ = f"{name}_{_describe(wanted)}"
    indicator.__signature__ = _join_signatures(signature.parameters)  # pyright: ignore[reportFunctionMemberAccess]
    return indicator


def _describe(length: CandleLength) -> str:
    return length if isinstance(length, str) else f"{length / datetime.timedelta(hours=1):g}h"


def _join_signatures(parameters: Mapping[str, inspect.Parameter]) -> inspect.Signature:
    """Return the parameters of a function, by keyword, with those that longer candles need."""
    added = {name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ("strategy_universe", "pair")}
    own = {
        name: parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    return inspect.Signature([*{**own, **added}.values()])
