"""Made-up candles for tests: random walks and constant prices, the same for the same seed.

Frames have a row per candle, indexed by its start, with the columns open, high, low, close, volume, timestamp, pair_id
and exchange_id. `tradeexecutor.strategy.data_universe.GroupedCandles` reads them, as do `load_candles` and the data
client of the framework.
"""

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tradeexecutor.state.cycle_duration import TimeBucket
from tradeexecutor.state.identifier import TradingPairIdentifier

__all__ = [
    "generate_fixed_price_candles",
    "generate_multi_pair_candles",
    "generate_ohlcv_candles",
    "generate_tvl_candles",
]


def _get_starts(bucket: Any, start: datetime.datetime, end: datetime.datetime) -> pd.DatetimeIndex:
    """Return the starts of candles from `start` to before `end`; the bucket is ours or one of the data client."""
    length = bucket if isinstance(bucket, datetime.timedelta) else TimeBucket(bucket.value).to_timedelta()
    return pd.date_range(start, end, freq=pd.Timedelta(length), inclusive="left")


def _make_frame(starts: pd.DatetimeIndex, columns: Mapping[str, Any], pair_id: int, exchange_id: int) -> pd.DataFrame:
    frame = pd.DataFrame(dict(columns), index=starts)
    frame["timestamp"] = starts
    frame["pair_id"] = pair_id
    frame["exchange_id"] = exchange_id
    return frame


def generate_ohlcv_candles(
    bucket: Any,
    start: datetime.datetime,
    end: datetime.datetime,
    start_price: float = 1800.0,
    daily_drift: tuple[float, float] = (0.95, 1.05),
    high_drift: float = 1.05,
    *,
    low_drift: float = 0.90,
    random_seed: int = 1,
    pair_id: int = 1,
    exchange_id: int = 1,
) -> pd.DataFrame:
    """Return candles of a random walk.

    Parameters
    ----------
    bucket
        Length of a candle: a ``timedelta`` or a time bucket.
    start, end
        Period, naive UTC; `end` is exclusive.
    start_price
        Open of the first candle.
    daily_drift
        Lowest and highest ratio of close to open of a candle.
    high_drift, low_drift
        Ratio of the high to the higher, and of the low to the lower, of open and close, at most.
    random_seed
        The same seed gives the same candles.
    pair_id, exchange_id
        Values of the columns of these names.
    """
    starts = _get_starts(bucket, start, end)
    random = np.random.default_rng(random_seed)
    close = start_price * np.cumprod(random.uniform(*daily_drift, len(starts)))
    opens = np.r_[start_price, close[:-1]]
    high = np.maximum(opens, close) * random.uniform(1.0, high_drift, len(starts))
    low = np.minimum(opens, close) * random.uniform(low_drift, 1.0, len(starts))
    volume = random.uniform(100_000, 1_000_000, len(starts))
    columns = {"open": opens, "high": high, "low": low, "close": close, "volume": volume}
    return _make_frame(starts, columns, pair_id, exchange_id)


def generate_fixed_price_candles(
    bucket: Any,
    start: datetime.datetime,
    end: datetime.datetime,
    pair_price_map: Mapping[TradingPairIdentifier, float],
) -> pd.DataFrame:
    """Return candles of several pairs whose prices do not move."""
    starts = _get_starts(bucket, start, end)
    frames = [
        _make_frame(
            starts,
            {name: np.full(len(starts), float(price)) for name in ("open", "high", "low", "close")} | {"volume": 1e6},
            pair.internal_id or 0,
            pair.internal_exchange_id or 1,
        )
        for pair, price in pair_price_map.items()
    ]
    return pd.concat(frames)


def generate_multi_pair_candles(
    bucket: Any,
    start: datetime.datetime,
    end: datetime.datetime,
    pairs: Mapping[TradingPairIdentifier, float],
    random_seed: int = 1,
    **walk: Any,
) -> pd.DataFrame:
    """Return random walks of several pairs, each with its own seed, from their start prices."""
    frames = [
        generate_ohlcv_candles(
            bucket, start, end, price, random_seed=random_seed + number, pair_id=pair.internal_id or 0, **walk
        )
        for number, (pair, price) in enumerate(pairs.items())
    ]
    return pd.concat(frames)


def generate_tvl_candles(
    bucket: Any,
    start: datetime.datetime,
    end: datetime.datetime,
    start_liquidity: float = 10_000_000.0,
    *,
    random_seed: int = 1,
    pair_id: int = 1,
) -> pd.DataFrame:
    """Return candles of the value locked in a pool, USD: a random walk with small steps."""
    return generate_ohlcv_candles(
        bucket,
        start,
        end,
        start_liquidity,
        (0.99, 1.01),
        1.01,
        low_drift=0.99,
        random_seed=random_seed,
        pair_id=pair_id,
    )
