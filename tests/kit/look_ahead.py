"""Indicators that know the future and honest ones, and markets to calculate them from."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from tests.kit.markets import DAY, Bar, make_candles, random_walk
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse


def make_universe(count: int = 120, seed: int = 1, pairs: tuple[str, ...] = ("BTC-USD",)) -> TradingStrategyUniverse:
    """Daily candles from a Monday on, of markets that rise by one per cent a day."""
    candles = {pair: make_candles(_rise(random_walk(seed + n, count)), bucket=DAY) for n, pair in enumerate(pairs)}
    return create_universe(candles, fee=0.001)


def _rise(bars: list[Bar]) -> list[Bar]:
    return [(o * 1.01**day, h * 1.01**day, lo * 1.01**day, c * 1.01**day) for day, (o, h, lo, c) in enumerate(bars)]


def create_one(func: Callable[..., Any], **options: Any) -> Callable[..., IndicatorSet]:
    """``create_indicators`` of a strategy with a single indicator, called ``signal``."""

    def create_indicators(timestamp: Any, parameters: Any, strategy_universe: Any, execution_context: Any) -> Any:
        indicators = IndicatorSet()
        indicators.add("signal", func, **options)
        return indicators

    return create_indicators


# --- With look-ahead


def tomorrow(close: pd.Series) -> pd.Series:
    return close.shift(-1)


def tomorrow_without_end(close: pd.Series) -> pd.Series:
    return close.shift(-1).dropna()


def centred_mean(close: pd.Series) -> pd.Series:
    return close.rolling(5, center=True).mean()


def week_for_all_its_days(close: pd.Series) -> pd.Series:
    return close.resample("W-SUN", label="left", closed="right").last().reindex(close.index, method="ffill")


def week_that_begins_a_day_early(close: pd.Series) -> pd.Series:
    # Stamped with the Sunday before, it ends before the Sunday that is in it.
    return close.resample("W", label="left").last()


def share_of_highest(close: pd.Series) -> pd.Series:
    return close / close.max()


def z_score(close: pd.Series) -> pd.Series:
    return (close - close.mean()) / close.std()


def filled_backwards(close: pd.Series) -> pd.Series:
    return close.rolling(7).mean().bfill()


def bands_of_tomorrow(close: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"now": close.rolling(3).mean(), "next": close.rolling(3).mean().shift(-2)})


def open_of_tomorrow(open: pd.Series) -> pd.Series:
    return open.shift(-1)


def market_normalised(strategy_universe: TradingStrategyUniverse) -> pd.Series:
    series = [strategy_universe.get_candles(pair).get_series("close") for pair in strategy_universe.pairs]
    closes = pd.concat(series, axis=1, sort=True)
    return closes.mean(axis=1) / closes.to_numpy().max()


DISHONEST: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "shift": (tomorrow, {}),
    "shift without the end": (tomorrow_without_end, {}),
    "centred": (centred_mean, {}),
    "week seen on all its days": (week_for_all_its_days, {}),
    "week that begins a day early": (week_that_begins_a_day_early, {}),
    "maximum of all data": (share_of_highest, {}),
    "mean of all data": (z_score, {}),
    "filled backwards": (filled_backwards, {}),
    "one column": (bands_of_tomorrow, {}),
    "next open": (open_of_tomorrow, {"source": IndicatorSource.open_price}),
    "whole market": (market_normalised, {"source": IndicatorSource.strategy_universe}),
}


# --- Honest


def mean(close: pd.Series, length: int) -> pd.Series:
    return close.rolling(length).mean()


def exponential(close: pd.Series, length: int) -> pd.Series:
    return close.ewm(span=length).mean()


def deviation(close: pd.Series, length: int) -> pd.Series:
    return close.rolling(length).std()


def highest_so_far(close: pd.Series, length: int) -> pd.Series:
    return close / close.cummax().shift(length)


def momentum(close: pd.Series, length: int) -> pd.Series:
    return close.pct_change(length)


def since_start(close: pd.Series, length: int) -> pd.Series:
    return (close - close.expanding(length).mean()) / close.expanding(length).std()


def week_when_it_is_over(close: pd.Series, length: int) -> pd.Series:
    return close.resample(f"{length}D", label="left").last()


def calendar_week(close: pd.Series, length: int) -> pd.Series:
    return close.resample("W-MON", label="left", closed="left").mean().rolling(1 + length // 10).mean()


def month(close: pd.Series, length: int) -> pd.Series:
    return close.resample("MS").last()


def extremes(high: pd.Series, low: pd.Series, length: int) -> pd.DataFrame:
    return pd.DataFrame({"top": high.rolling(length).max(), "bottom": low.rolling(length).min()})


def turns(close: pd.Series, length: int) -> pd.Series:
    return close[close.diff().fillna(0) > 0].rolling(length).mean()


def market_mean(strategy_universe: TradingStrategyUniverse, length: int) -> pd.Series:
    series = [strategy_universe.get_candles(pair).get_series("close") for pair in strategy_universe.pairs]
    closes = pd.concat(series, axis=1, sort=True)
    return closes.mean(axis=1).rolling(length).mean()


HONEST: dict[Callable[..., Any], IndicatorSource] = {
    **dict.fromkeys(
        (mean, exponential, deviation, highest_so_far, momentum, since_start, week_when_it_is_over, calendar_week),
        IndicatorSource.close_price,
    ),
    month: IndicatorSource.close_price,
    turns: IndicatorSource.close_price,
    extremes: IndicatorSource.ohlcv,
    market_mean: IndicatorSource.strategy_universe,
}
