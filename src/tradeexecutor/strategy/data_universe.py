"""Pairs and candles in the shapes that strategies written for the data client of the framework use.

They are views of a `TradingStrategyUniverse`, or made from DataFrames where the client is not installed. The candles of
`DataUniverse` contain the whole history: a strategy that reads them gets only what has ended at the time that it names.
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.strategy.market_data import Candles

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DataUniverse",
    "GroupedCandles",
    "NotEnoughCandles",
    "PairList",
    "PairNotFound",
    "create_pair_universe_from_code",
]


class PairNotFound(TradeExecutorError, LookupError):
    """The universe has no such pair, or more than one."""


class NotEnoughCandles(TradeExecutorError, LookupError):
    """There are fewer finished candles than were asked for."""


class PairList:
    """Trading pairs, with the methods of ``PandasPairUniverse`` that strategies use."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[TradingPairIdentifier]):
        self._pairs = list(pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def iterate_pairs(self) -> Iterator[TradingPairIdentifier]:
        """Iterate over the pairs."""
        return iter(self._pairs)

    def get_count(self) -> int:
        """Return the number of pairs."""
        return len(self._pairs)

    def get_single(self) -> TradingPairIdentifier:
        """Return the only pair; raises `PairNotFound` if there are several."""
        return self._find([True] * len(self._pairs), "the only pair")

    def get_pair_by_id(self, pair_id: int) -> TradingPairIdentifier:
        """Return the pair with an internal id; raises `PairNotFound`."""
        return self._find([pair.internal_id == pair_id for pair in self._pairs], f"#{pair_id}")

    def get_pair_by_smart_contract(self, address: str) -> TradingPairIdentifier:
        """Return the pair of a pool; raises `PairNotFound`."""
        return self._find([pair.pool_address.lower() == address.lower() for pair in self._pairs], address)

    def get_by_symbols(self, base: str, quote: str) -> TradingPairIdentifier:
        """Return the pair of two symbols; raises `PairNotFound`."""
        symbols = [(pair.base.token_symbol, pair.quote.token_symbol) for pair in self._pairs]
        return self._find([own == (base, quote) for own in symbols], f"{base}-{quote}")

    def _find(self, fits: list[bool], name: str) -> TradingPairIdentifier:
        found = [pair for pair, is_wanted in zip(self._pairs, fits, strict=True) if is_wanted]
        if len(found) != 1:
            known = ", ".join(pair.get_ticker() for pair in self._pairs[:10])
            raise PairNotFound(f"{len(found)} pairs are {name}, not one; pairs: {known}")
        return found[0]


class GroupedCandles:
    """Candles of many pairs, with the methods of ``GroupedCandleUniverse`` that strategies use.

    Parameters
    ----------
    source
        Candles by id of the pair, or a DataFrame with the column ``pair_id``, as the synthetic data of
        :mod:`tradeexecutor.testing.synthetic_price_data` has it.
    """

    __slots__ = ("_by_id",)

    def __init__(self, source: "Mapping[int, Candles] | pd.DataFrame"):
        if isinstance(source, Mapping):
            self._by_id: Mapping[int, Any] = {number: candles.to_dataframe() for number, candles in source.items()}
        else:
            self._by_id = {int(number): frame for number, frame in source.groupby("pair_id")}  # pyright: ignore

    def get_pair_ids(self) -> list[int]:
        """Return the ids of the pairs."""
        return list(self._by_id)

    def get_pair_count(self) -> int:
        """Return the number of pairs."""
        return len(self._by_id)

    def get_candles_by_pair(self, pair: "int | TradingPairIdentifier") -> "pd.DataFrame":
        """Return all candles of a pair; raises `KeyError`."""
        return self._by_id[pair if isinstance(pair, int) else pair.internal_id or 0]

    @contract_signature
    def get_single_pair_data(
        self,
        timestamp: datetime.datetime | None = None,
        sample_count: int | None = None,
        allow_current: bool = False,
        raise_on_not_enough_data: bool = True,
    ) -> "pd.DataFrame":
        """Return the last candles of the only pair that have ended at a time.

        Parameters
        ----------
        timestamp
            Time of the decision, naive UTC; None for all candles.
        sample_count
            Number of candles; None for all.
        allow_current
            Whether the candle that starts at `timestamp` is included, whose prices are not known yet.
        raise_on_not_enough_data
            Whether fewer candles than `sample_count` are an error.

        Raises
        ------
        NotEnoughCandles
            There are several pairs, or fewer finished candles.
        """
        if len(self._by_id) != 1:
            raise NotEnoughCandles(f"there are candles of {len(self._by_id)} pairs, not of one")
        frame = next(iter(self._by_id.values()))
        if timestamp is not None:
            frame = frame[frame.index <= timestamp] if allow_current else _get_finished(frame, timestamp)
        if sample_count is not None:
            if len(frame) < sample_count and raise_on_not_enough_data:
                raise NotEnoughCandles(f"{len(frame)} candles have ended at {timestamp}, {sample_count} are wanted")
            frame = frame.iloc[-sample_count:]
        return frame

    def get_last_entries_by_pair_and_timestamp(
        self, pair: "int | TradingPairIdentifier", timestamp: datetime.datetime
    ) -> "pd.DataFrame":
        """Return the candles of a pair that have ended at a time."""
        return _get_finished(self.get_candles_by_pair(pair), timestamp)

    def get_timestamp_range(self) -> "tuple[pd.Timestamp, pd.Timestamp]":
        """Return the starts of the first and the last candle."""
        indexes = [frame.index for frame in self._by_id.values()]
        return min(index[0] for index in indexes), max(index[-1] for index in indexes)


def _get_finished(frame: "pd.DataFrame", timestamp: datetime.datetime) -> "pd.DataFrame":
    """Return the candles that have ended at a time; the shortest distance between two is their length.

    A single candle has no known length, so it counts as not finished.
    """
    distances: Any = frame.index.to_series().diff()
    distances = distances[distances > datetime.timedelta(0)]
    if not len(distances):
        return frame.iloc[:0]
    return cast("pd.DataFrame", frame[frame.index <= timestamp - distances.min()])


class DataUniverse:
    """Pairs and candles together, with the attributes of ``Universe`` that strategies use.

    Attributes
    ----------
    pairs
        A `PairList`, or the object of the data client.
    candles
        `GroupedCandles`, or the object of the data client.
    time_bucket
        Length of a candle, in any form.
    chains, exchanges
        As given; not used.
    lending_candles, lending_reserves
        Rates of lending, see :mod:`tradeexecutor.strategy.data_client`.
    strategy_universe
        The universe of which this is a view; None for one that was made from data.
    """

    __slots__ = (
        "candles",
        "chains",
        "exchanges",
        "lending_candles",
        "lending_reserves",
        "pairs",
        "strategy_universe",
        "time_bucket",
    )

    def __init__(
        self,
        *,
        pairs: Any,
        candles: Any,
        time_bucket: Any = None,
        chains: Iterable[Any] = (),
        exchanges: Iterable[Any] = (),
        lending_candles: Any = None,
        lending_reserves: Any = None,
        strategy_universe: Any = None,
        **_unused: Any,
    ):
        self.pairs = pairs
        self.candles = candles
        self.time_bucket = time_bucket
        self.chains = set(chains)
        self.exchanges = set(exchanges)
        self.lending_candles = lending_candles
        self.lending_reserves = lending_reserves
        self.strategy_universe = strategy_universe


def create_pair_universe_from_code(chain_id: object, pairs: Iterable[TradingPairIdentifier]) -> PairList:
    """Return trading pairs that are declared in code, for a `DataUniverse`.

    Parameters
    ----------
    chain_id
        Accepted for existing code; the pairs know their chain.
    pairs
        Each with an internal id of its own.
    """
    del chain_id
    return PairList(pairs)
