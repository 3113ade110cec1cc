"""Market data in the shapes of the data client of the framework that defined the state, without importing it.

Pairs, tokens, candles and lending rates are recognised by their attributes, so that the client's own objects are
accepted where it is installed, and anything of the same shape where it is not:

- a token has ``chain_id``, ``address``, ``symbol`` (or ``token_symbol``) and ``decimals``;
- a pair (``DEXPair``) has ``pair_id``, ``chain_id``, ``address``, ``base_token_address``, ``base_token_symbol``,
  ``base_token_decimals``, the same of the quote token, and ``fee_tier`` (a fraction) or ``fee`` (basis points);
- pairs (``PandasPairUniverse``) have ``iterate_pairs()``;
- candles (``GroupedCandleUniverse``) have ``get_candles_by_pair(pair_id)``, or a DataFrame ``df`` with a column
  ``pair_id``;
- lending (``LendingCandleUniverse``) has ``supply_apr`` and ``variable_borrow_apr``, each with a DataFrame ``df`` that
  has ``reserve_id``, ``timestamp``, ``high``, ``low`` and ``close`` in percent; reserves (``LendingReserveUniverse``)
  have the mapping ``reserves`` from the id to an object with ``asset_address`` and ``chain_id``.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.strategy.lending_rates import LendingRateHistory, RateCandle
from tradeexecutor.strategy.market_data import Candles

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DataNotRecognised",
    "read_candles",
    "read_lending_rates",
    "read_market_candles",
    "read_pairs",
    "translate_token",
    "translate_trading_pair",
]

_PRICES = ("open", "high", "low", "close")

#: One basis point.
_BPS = 1e-4


class DataNotRecognised(TradeExecutorError, TypeError):
    """An object does not have the shape of the data that it was given for."""


@contract_signature
def translate_token(token: Any, require_decimals: bool = True) -> AssetIdentifier:
    """Return a token of the data client as an asset.

    Parameters
    ----------
    token
        See the top of this module; an asset is returned as it is.
    require_decimals
        Whether a token without decimals is refused; otherwise it gets 18.

    Raises
    ------
    DataNotRecognised
        An attribute is missing.
    """
    if isinstance(token, AssetIdentifier):
        return token
    symbol = _get(token, "token_symbol", "symbol")
    decimals = _get(token, "decimals")
    if decimals is None:
        if require_decimals:
            raise DataNotRecognised(f"the decimals of {symbol} are not known")
        decimals = 18
    return AssetIdentifier(_to_chain(_get(token, "chain_id")), str(_get(token, "address")), symbol, int(decimals))


def translate_trading_pair(dex_pair: Any, cache: object = None) -> TradingPairIdentifier:
    """Return a pair of the data client as a trading pair.

    Parameters
    ----------
    dex_pair
        See the top of this module; a trading pair is returned as it is.
    cache
        Accepted for existing strategies.

    Raises
    ------
    DataNotRecognised
        An attribute is missing.
    """
    del cache
    if isinstance(dex_pair, TradingPairIdentifier):
        return dex_pair
    chain = _to_chain(_get(dex_pair, "chain_id"))
    base, quote = (
        AssetIdentifier(
            chain,
            str(_get(dex_pair, f"{side}_token_address")),
            str(_get(dex_pair, f"{side}_token_symbol")),
            int(_get(dex_pair, f"{side}_token_decimals")),
        )
        for side in ("base", "quote")
    )
    return TradingPairIdentifier(
        base,
        quote,
        str(_get(dex_pair, "address", "pool_address")),
        getattr(dex_pair, "exchange_address", None),
        internal_id=int(_get(dex_pair, "pair_id", "internal_id")),
        internal_exchange_id=getattr(dex_pair, "exchange_id", None),
        fee=_get_fee(dex_pair),
        exchange_name=getattr(dex_pair, "exchange_name", None) or getattr(dex_pair, "exchange_slug", None),
    )


def _get_fee(pair: Any) -> float | None:
    tier = getattr(pair, "fee_tier", None)
    if tier is not None:
        return float(tier)
    fee = getattr(pair, "fee", None)
    return None if fee is None else float(fee) if isinstance(fee, float) and fee < 1 else float(fee) * _BPS


def read_pairs(pairs: Any) -> list[TradingPairIdentifier]:
    """Return the pairs of a universe of the data client, or of any iterable; raises `DataNotRecognised` for others."""
    iterate = getattr(pairs, "iterate_pairs", None)
    source: Any = pairs if iterate is None else iterate()
    if not isinstance(source, Iterable):
        raise DataNotRecognised(f"pairs have iterate_pairs(), or are a list; this is {type(pairs).__name__}")
    return [translate_trading_pair(pair) for pair in source]  # pyright: ignore[reportUnknownVariableType]


def read_candles(frame: "pd.DataFrame", source: str = "") -> Candles:
    """Return candles of one pair from a DataFrame with open, high, low and close.

    The start of a candle is in the column ``timestamp``, or in the index, whose last level counts if it has several.

    Raises
    ------
    DataNotRecognised
        A column is missing.
    InvalidCandles
        A row is invalid.
    """
    missing = [name for name in _PRICES if name not in frame.columns]
    if missing:
        raise DataNotRecognised(f"candles {source} have no column {missing[0]}, only {', '.join(map(str, frame))}")
    starts = _get_times(frame)
    order = np.argsort(starts, kind="stable")
    columns = [frame[name].to_numpy(dtype=np.float64)[order] for name in _PRICES]
    volume = frame["volume"].to_numpy(dtype=np.float64)[order] if "volume" in frame.columns else None
    return Candles(starts[order], *columns, volume=volume, source=source)


def _get_times(frame: "pd.DataFrame") -> np.ndarray[Any, np.dtype[np.int64]]:
    import pandas as pd

    times: Any = frame["timestamp"] if "timestamp" in frame.columns else frame.index.get_level_values(-1)
    index = pd.DatetimeIndex(times)
    index = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    return index.to_numpy().astype("datetime64[us]").astype(np.int64)


def read_market_candles(pairs: list[TradingPairIdentifier], candles: Any) -> dict[TradingPairIdentifier, Candles]:
    """Return the candles of each pair out of those of a data client; pairs without candles are left out.

    Raises
    ------
    DataNotRecognised
        The object has neither ``get_candles_by_pair`` nor a DataFrame ``df``, or no candles of any pair.
    """
    found: dict[TradingPairIdentifier, Candles] = {}
    for pair in pairs:
        frame = _get_frame(candles, pair.internal_id or 0)
        if frame is not None and len(frame):
            found[pair] = read_candles(frame, pair.get_ticker())
    if not found:
        raise DataNotRecognised(f"there are no candles of {', '.join(pair.get_ticker() for pair in pairs)}")
    return found


def _get_frame(candles: Any, pair_id: int) -> "pd.DataFrame | None":
    get_by_pair = getattr(candles, "get_candles_by_pair", None)
    if get_by_pair is not None:
        try:
            return get_by_pair(pair_id)
        except KeyError:
            return None
    frame = getattr(candles, "df", None)
    if frame is None or "pair_id" not in frame.columns:
        raise DataNotRecognised(
            f"candles have get_candles_by_pair(), or a DataFrame df with pair_id; these are {type(candles).__name__}"
        )
    return frame[frame["pair_id"] == pair_id]


def read_lending_rates(lending_candles: Any, lending_reserves: Any, assets: Iterable[AssetIdentifier]) -> Any:
    """Return the recorded rates of assets; rates of other assets are left out.

    Returns
    -------
    LendingRateHistory
        For `LendingPool.rates`.

    Raises
    ------
    DataNotRecognised
        The rates do not have the shape of the data client's.
    """
    reserves: Any = getattr(lending_reserves, "reserves", lending_reserves)
    if not isinstance(reserves, Mapping):
        raise DataNotRecognised(
            f"lending reserves have a mapping `reserves`; this is {type(lending_reserves).__name__}"
        )
    wanted = {(asset.chain_id, asset.address): asset for asset in assets}
    known: dict[int, AssetIdentifier] = {}
    for reserve_id, reserve in reserves.items():  # pyright: ignore[reportUnknownVariableType]
        key = (_to_chain(_get(reserve, "chain_id")), str(_get(reserve, "asset_address")).lower())
        if key in wanted:
            known[int(reserve_id)] = wanted[key]  # pyright: ignore[reportUnknownArgumentType]
    supply = _read_rates(_get(lending_candles, "supply_apr"), known)
    borrow = getattr(lending_candles, "variable_borrow_apr", None)
    return LendingRateHistory(supply, None if borrow is None else _read_rates(borrow, known))


def _read_rates(metric: Any, known: Mapping[int, AssetIdentifier]) -> dict[AssetIdentifier, list[RateCandle]]:
    frame = _get(metric, "df")
    return {asset: list(_iterate_rates(frame[frame["reserve_id"] == number])) for number, asset in known.items()}


def _iterate_rates(frame: "pd.DataFrame") -> Iterator[RateCandle]:
    times = _get_times(frame).astype("datetime64[us]").tolist()
    columns = (frame[name].astype(float).tolist() for name in ("high", "low", "close"))
    for when, high, low, close in zip(times, *columns, strict=True):
        yield RateCandle(when, high, low, close)


def _get(record: Any, *names: str) -> Any:
    """Return the first attribute that exists; raises `DataNotRecognised` if none does."""
    for name in names:
        if hasattr(record, name):
            return getattr(record, name)
    raise DataNotRecognised(f"{type(record).__name__} has no {' or '.join(names)}")


def _to_chain(chain: Any) -> int:
    """Return the number of a chain, which may be a member of an enum."""
    return int(getattr(chain, "value", chain))
