"""Indicators of TA-Lib: a door to its functions, so that they can be declared like functions of a strategy::

    indicators.add("rsi", ta_lib_indicator("RSI"), {"timeperiod": 14}, IndicatorSource.close_price)
    indicators.add("atr", ta_lib_indicator("ATR"), {"timeperiod": 14}, IndicatorSource.ohlcv)

TA-Lib is an extra: ``pip install 'tradeexecutor[indicators]'`` installs a wheel, and needs no compiler. None of its
functions looks ahead. Averages that are calculated recursively, such as those of RSI, ATR and EMA, depend on the first
candle: with a shorter history they differ a little, so give a live strategy a warm-up of several times their length.
"""

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tradeexecutor.strategy.pandas_trader.indicator import IndicatorFunction, IndicatorNotValid

__all__ = ["list_ta_lib_indicators", "ta_lib_indicator"]

#: Columns of candles that a function can get.
_COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class _Description:
    """What TA-Lib says about a function: columns that it reads, its parameters with defaults, and what it returns."""

    columns: tuple[str, ...]
    parameters: Mapping[str, Any]
    outputs: tuple[str, ...]


def ta_lib_indicator(name: str) -> IndicatorFunction:
    """Return a function of TA-Lib for `IndicatorSet.add`.

    Parameters
    ----------
    name
        Name of TA-Lib in capitals, such as ``RSI``, ``MACD`` or ``CDLENGULFING``; see `list_ta_lib_indicators`.

    Returns
    -------
    callable
        It takes the columns of candles that TA-Lib needs, and the parameters of TA-Lib by keyword. It returns a
        series, or a frame with a column for each output: ``macd``, ``macdsignal``, ``macdhist``. The source of a
        function that needs only ``close`` is `IndicatorSource.close_price`, of all others `IndicatorSource.ohlcv`.

    Raises
    ------
    IndicatorNotValid
        TA-Lib is not installed, has no such function, or the function needs more than candles.
    """
    description = _describe(name)
    calculate = getattr(_import_ta_lib(), name)

    def indicator(**arguments: Any) -> "pd.Series[float] | pd.DataFrame":
        series = [arguments.pop(column) for column in description.columns]
        found = calculate(*(one.to_numpy(dtype=np.float64) for one in series), **arguments)
        index = series[0].index
        if len(description.outputs) == 1:
            return pd.Series(found, index=index, dtype=np.float64, name=name)
        return pd.DataFrame(dict(zip(description.outputs, found, strict=True)), index=index, dtype=np.float64)

    indicator.__name__ = indicator.__qualname__ = name
    indicator.__signature__ = inspect.Signature(  # pyright: ignore[reportFunctionMemberAccess]
        [
            *(inspect.Parameter(column, inspect.Parameter.KEYWORD_ONLY) for column in description.columns),
            *(
                inspect.Parameter(parameter, inspect.Parameter.KEYWORD_ONLY, default=value)
                for parameter, value in description.parameters.items()
            ),
        ]
    )
    return indicator


def list_ta_lib_indicators() -> list[str]:
    """Return the names of the functions of TA-Lib that need only candles; raises `IndicatorNotValid` without TA-Lib."""
    names: list[str] = sorted(_import_ta_lib().get_functions())
    return [name for name in names if all(column in _COLUMNS for column in _read(name).columns)]


def _describe(name: str) -> _Description:
    known: list[str] = _import_ta_lib().get_functions()
    if name not in known:
        similar = difflib.get_close_matches(name.upper(), known, n=3, cutoff=0.5)
        hint = f"; it has {', '.join(similar)}" if similar else ""
        raise IndicatorNotValid(f"TA-Lib has no function {name!r}{hint}")
    description = _read(name)
    missing = [column for column in description.columns if column not in _COLUMNS]
    if missing:
        raise IndicatorNotValid(f"{name} needs {', '.join(missing)}, which candles do not have: call TA-Lib yourself")
    return description


def _read(name: str) -> _Description:
    from talib import abstract

    functions: Any = abstract
    info: dict[str, Any] = functions.Function(name).info
    columns: list[str] = []
    for given in info["input_names"].values():
        columns += [given] if isinstance(given, str) else given
    return _Description(tuple(columns), dict(info["parameters"]), tuple(info["output_names"]))


def _import_ta_lib() -> Any:
    try:
        import talib
    except ModuleNotFoundError as error:
        raise IndicatorNotValid(
            "TA-Lib is not installed; install it with: pip install 'tradeexecutor[indicators]'"
        ) from error
    return talib
