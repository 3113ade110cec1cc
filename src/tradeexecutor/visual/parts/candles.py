"""Sources of the candles of a chart.

Charts accept market data in these forms:

- a ``DataFrame`` with the columns ``open``, ``high``, ``low``, ``close`` and perhaps ``volume``, by naive UTC time in
  the index or in a column ``timestamp``: for the one pair that is drawn;
- a mapping from pair to such frames; keys are pairs, internal ids or texts: ``"ETH-USDC"``, or a file name that
  contains the ticker, like ``"binance-ETHUSDC-1h"``;
- an object with ``get_candles(pair)``, such as a ``TradingStrategyUniverse``. It returns a ``DataFrame``, or an object
  with ``to_dataframe()``, and raises ``LookupError`` for an unknown pair.

Without candles, charts show the prices recorded in the state.
"""

import datetime
import itertools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import pandas as pd

from tradeexecutor.analysis.memo import shared
from tradeexecutor.analysis.times import read_seconds, to_time_index
from tradeexecutor.state.benchmark import read_benchmarks
from tradeexecutor.state.errors import InvalidValue, NotSinglePair
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = [
    "CandleSource",
    "CandleUniverse",
    "break_at_gaps",
    "find_candles",
    "find_pair",
    "get_price_pair",
    "has_price",
    "list_pairs",
    "read_candles",
    "read_recorded_prices",
    "read_remembered_prices",
]

_PRICES = ("open", "high", "low", "close")
_TIME_COLUMNS = ("timestamp", "time", "date", "datetime")


@runtime_checkable
class CandleUniverse(Protocol):
    """Source of the candles of many pairs."""

    def get_candles(self, pair: TradingPairIdentifier) -> Any:
        """Return a ``DataFrame``, or an object with ``to_dataframe()``; raises ``LookupError`` for an unknown pair."""
        ...


#: Market data in one of the forms above.
CandleSource: TypeAlias = "pd.DataFrame | Mapping[Any, Any] | CandleUniverse | None"


# --- Pairs of a state


def get_price_pair(pair: TradingPairIdentifier) -> TradingPairIdentifier:
    """Return the pair whose price chart shows a position; for leverage and lending it is the underlying market."""
    return pair.underlying_spot_pair or pair


def has_price(pair: TradingPairIdentifier) -> bool:
    """Return True if a pair has a market price; loans, bridges and exchange accounts have none."""
    return pair.kind.is_spot() or pair.kind.is_vault() or pair.kind.is_leverage()


@shared
def list_pairs(state: "State") -> list[TradingPairIdentifier]:
    """Return the pairs for price charts: pairs with positions, the most traded first, then pairs with plots."""
    # Positions share their pairs, and comparing these takes longer than counting.
    counts: dict[int, int] = {}
    pairs: dict[int, TradingPairIdentifier] = {}
    for position in state.portfolio.get_all_positions():
        key = id(position.pair)
        pairs[key] = position.pair
        counts[key] = counts.get(key, 0) + len(position.trades)
    trades: dict[TradingPairIdentifier, int] = {}
    for key, own in pairs.items():
        if has_price(own):
            pair = get_price_pair(own)
            trades[pair] = trades.get(pair, 0) + counts[key]
    for plot in state.visualisation.plots.values():
        if plot.pair is not None:
            trades.setdefault(get_price_pair(plot.pair), 0)
    return sorted(trades, key=lambda pair: -trades[pair])


def find_pair(state: "State", pair: str | int | TradingPairIdentifier | None) -> TradingPairIdentifier:
    """Return the pair to which a user refers.

    Parameters
    ----------
    pair
        A pair, its internal id, its ticker or its base token, in upper or lower case; None for the only pair of the
        state.

    Raises
    ------
    NotSinglePair
        `pair` is None and there is not exactly one pair.
    InvalidValue
        There is no such pair, or more than one.
    """
    if isinstance(pair, TradingPairIdentifier):
        return get_price_pair(pair)
    known = list_pairs(state)
    names = ", ".join(dict.fromkeys(candidate.get_ticker() for candidate in known[:12])) or "none"
    names += ", ..." if len(known) > 12 else ""
    if pair is None:
        if len(known) != 1:
            raise NotSinglePair(f"the state has {len(known)} pairs; say which one to show: {names}")
        return known[0]
    if isinstance(pair, int):
        found = [candidate for candidate in known if candidate.internal_id == pair]
    else:
        wanted = _normalise(pair)
        found = [candidate for candidate in known if _normalise(candidate.get_ticker()) == wanted]
        found = found or [candidate for candidate in known if candidate.base.token_symbol.casefold() == wanted]
    if not found:
        raise InvalidValue(f"the state has no pair {pair!r}; it has {names}")
    if len(found) > 1:
        choices = ", ".join(f"{candidate.get_ticker()} (id {candidate.internal_id})" for candidate in found)
        raise InvalidValue(f"{pair!r} may be {choices}; say which one by its id")
    return found[0]


def _normalise(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


# --- Market data


def find_candles(source: "CandleSource", pair: TradingPairIdentifier) -> pd.DataFrame | None:
    """Return the candles of a pair, ascending by time; None if the source is None or does not contain the pair.

    Raises
    ------
    InvalidValue
        The source has none of the forms at the top of this module, or the frame does not contain candles.
    """
    if source is None:
        return None
    if isinstance(source, pd.DataFrame):
        return read_candles(source)
    if isinstance(source, Mapping):
        found = _find_in_mapping(source, pair)
    elif isinstance(source, CandleUniverse):
        try:
            found = source.get_candles(pair)
        except LookupError:
            found = None
    else:
        raise InvalidValue(f"candles come as a DataFrame, a mapping or a universe, not as {type(source).__name__}")
    if found is None:
        return None
    return read_candles(found if isinstance(found, pd.DataFrame) else found.to_dataframe())


def _find_in_mapping(source: Mapping[Any, Any], pair: TradingPairIdentifier) -> Any:
    for key in (pair, pair.internal_id):
        if key is not None and key in source:
            return source[key]
    ticker = _normalise(pair.get_ticker())
    texts = {_normalise(key): frame for key, frame in source.items() if isinstance(key, str)}
    if ticker in texts:
        return texts[ticker]
    matches = [frame for key, frame in source.items() if isinstance(key, str) and ticker in _list_spellings(key)]
    return matches[0] if len(matches) == 1 else None


def _list_spellings(name: str) -> set[str]:
    """Return the words of a file name, and what two neighbours make together: parts of a word are no ticker.

    >>> sorted(_list_spellings("binance-STETH-USDC"))
    ['binance', 'binancesteth', 'steth', 'stethusdc', 'usdc']
    """
    words = re.findall(r"[^\W_]+", name.casefold())
    return {*words, *(first + second for first, second in itertools.pairwise(words))}


def read_candles(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``open``, ``high``, ``low``, ``close`` and, if present, ``volume`` by naive UTC time, ascending.

    Raises
    ------
    InvalidValue
        A column or the time is missing, or the time is ambiguous.
    """
    frame = frame.rename(columns=lambda name: str(name).strip().lower())
    missing = [name for name in _PRICES if name not in frame.columns]
    if missing:
        raise InvalidValue(f"candles need the columns open, high, low and close; missing: {', '.join(missing)}")
    if not isinstance(frame.index, pd.DatetimeIndex):
        column = next((name for name in _TIME_COLUMNS if name in frame.columns), None)
        if column is None:
            raise InvalidValue("candles need their time in the index, or in a column timestamp")
        frame = frame.set_index(_read_times(frame[column]))
    index = pd.DatetimeIndex(frame.index)
    if index.tz is not None:
        index = index.tz_convert("UTC").tz_localize(None)
    columns = [*_PRICES, *(["volume"] if "volume" in frame.columns else [])]
    result = frame[columns].set_axis(index).astype(np.float64)
    result.index.name = None
    return result if index.is_monotonic_increasing else result.sort_index(kind="stable")


def _read_times(column: "pd.Series[Any]") -> pd.DatetimeIndex:
    """Return unambiguous times: from datetimes and ISO 8601 text. Other formats are read by the backtest."""
    if pd.api.types.is_numeric_dtype(column):
        raise InvalidValue(f"the times of candles are numbers ({column.iloc[0]}); convert them to datetimes")
    try:
        return pd.DatetimeIndex(pd.to_datetime(column, format="ISO8601"))
    except (ValueError, TypeError) as error:
        raise InvalidValue(f"the times of candles are neither datetimes nor ISO 8601 text: {error}") from error


# --- Prices that the state recorded


@shared
def read_recorded_prices(state: "State", pair: TradingPairIdentifier) -> "pd.Series[float]":
    """Return the prices of a pair recorded by trades and valuations, by naive UTC time, ascending.

    If there are several prices for one time, the one recorded last is used.
    """
    prices: dict[datetime.datetime, float] = {}
    samples = state.stats.positions
    for position in state.portfolio.get_all_positions():
        if get_price_pair(position.pair) != pair or not has_price(position.pair):
            continue
        for sample in samples.get(position.position_id, ()):
            price = sample.underlying_price or _get_implied_price(position, sample.value, sample.quantity)
            if price:
                prices[sample.last_valuation_at] = price
        for update in position.valuation_updates:
            if update.new_price:
                prices[update.valued_at] = update.new_price
        for trade in position.trades.values():
            if trade.executed_at is not None and trade.executed_price:
                prices[trade.executed_at] = trade.executed_price
    return pd.Series(list(prices.values()), index=to_time_index(prices), dtype="float64").sort_index(kind="stable")


def read_remembered_prices(state: "State", pair: TradingPairIdentifier) -> "pd.Series[float] | None":
    """Return the prices of a pair at midnights that were recorded; None where it has none."""
    for benchmark in read_benchmarks(state):
        if benchmark.pairs == 1 and benchmark.name == pair.get_ticker():
            return pd.Series(benchmark.prices, index=read_seconds(benchmark.times), dtype="float64")
    return None


def _get_implied_price(position: TradingPosition, value: float, quantity: float) -> float | None:
    """Return value / quantity, USD per token; None if that is not a price, as for leverage."""
    return value / quantity if quantity and position.pair.kind.is_spot() else None


def break_at_gaps(prices: "pd.Series[float]") -> "pd.Series[float]":
    """Return the series with NaN in long gaps, so that no line is drawn where no price is known."""
    if len(prices) < 3:
        return prices
    steps = np.diff(pd.DatetimeIndex(prices.index).asi8)
    before = np.flatnonzero(steps > 10 * np.median(steps))
    gaps = pd.Series(np.nan, index=prices.index[before] + (prices.index[before + 1] - prices.index[before]) / 2)
    return pd.concat([prices, gaps]).sort_index(kind="stable") if len(gaps) else prices
