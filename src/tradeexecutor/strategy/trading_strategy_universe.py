"""Trading universe: pairs, their candles and the reserve currency.

The universe is the only source of market data for a strategy. In a backtest it has the whole history, in live trading
the history up to now; decisions read it through `StrategyInput.indicators`, which shows finished candles only.
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.market_data import CandleCursor, Candles

__all__ = ["PairNotFound", "TradingStrategyUniverse", "UniverseNotValid"]


class UniverseNotValid(TradeExecutorError, ValueError):
    """Pairs, candles and reserve currency are not consistent."""


class PairNotFound(TradeExecutorError, LookupError):
    """The universe has no such pair, or more than one."""


class TradingStrategyUniverse:
    """Pairs with their candles, quoted in one reserve currency.

    Parameters
    ----------
    candles
        Candles by pair, in the order in which pairs are iterated. Every pair needs its own positive `internal_id`
        and is quoted in `reserve_asset`.
    reserve_asset
        Currency of deposits and of payments for positions; its price is 1.0 USD.
    lending
        Where money is lent and tokens are borrowed; None for the defaults of `LendingPool`.
    """

    __slots__ = ("_by_id", "_candles", "_cursors", "lending", "pairs", "reserve_asset")

    def __init__(
        self,
        candles: Mapping[TradingPairIdentifier, Candles],
        reserve_asset: AssetIdentifier,
        lending: LendingPool | None = None,
    ):
        self.reserve_asset = reserve_asset
        self.lending = lending or LendingPool()
        self.pairs: list[TradingPairIdentifier] = list(candles)
        if not self.pairs:
            raise UniverseNotValid("a trading universe needs at least one pair")
        self._by_id: dict[int, TradingPairIdentifier] = {}
        self._candles: dict[int, Candles] = {}
        self._cursors: dict[int, CandleCursor] = {}
        for pair, pair_candles in candles.items():
            if not pair.internal_id or pair.internal_id in self._by_id:
                raise UniverseNotValid(f"{pair.get_ticker()} needs an internal id of its own, has {pair.internal_id}")
            if pair.quote != reserve_asset:
                raise UniverseNotValid(
                    f"{pair.get_ticker()} is quoted in {pair.quote.token_symbol}, the reserve currency is "
                    f"{reserve_asset.token_symbol}; all pairs must be quoted in the reserve currency"
                )
            self._by_id[pair.internal_id] = pair
            self._candles[pair.internal_id] = pair_candles

    def __reduce__(self) -> tuple[Any, ...]:
        # Cursors are not copied to another process: they read the arrays of this one without copying them.
        return TradingStrategyUniverse, ({pair: self.get_candles(pair) for pair in self.pairs}, self.reserve_asset)

    def __repr__(self) -> str:
        tickers = ", ".join(pair.get_ticker() for pair in self.pairs[:5])
        more = f" and {len(self.pairs) - 5} more" if len(self.pairs) > 5 else ""
        return f"<Trading universe of {tickers}{more}, reserve currency {self.reserve_asset.token_symbol}>"

    @property
    def reserve_assets(self) -> list[AssetIdentifier]:
        """The reserve currency as a list of one."""
        return [self.reserve_asset]

    @property
    def time_bucket(self) -> datetime.timedelta:
        """Length of the shortest candles in the universe."""
        return min(candles.typical_length for candles in self._candles.values())

    def get_reserve_asset(self) -> AssetIdentifier:
        """Return the reserve currency."""
        return self.reserve_asset

    def get_pair_count(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def iterate_pairs(self) -> Iterator[TradingPairIdentifier]:
        """Iterate over pairs in the order of the market data."""
        return iter(self.pairs)

    def get_single_pair(self) -> TradingPairIdentifier:
        """Return the only pair.

        Raises
        ------
        PairNotFound
            The universe has several pairs.
        """
        if len(self.pairs) != 1:
            raise PairNotFound(f"name the pair: this universe has {len(self.pairs)} ({self._tickers()})")
        return self.pairs[0]

    def get_pair_by_id(self, internal_id: int) -> TradingPairIdentifier:
        """Return the pair with an internal id; raises `PairNotFound`."""
        pair = self._by_id.get(internal_id)
        if pair is None:
            raise PairNotFound(f"no pair with internal id {internal_id} ({self._tickers()})")
        return pair

    def get_pair_by_ticker(self, ticker: str) -> TradingPairIdentifier:
        """Return a pair by ``BASE-QUOTE``, or by its base symbol if only one pair has it; case is ignored.

        Raises
        ------
        PairNotFound
            No such pair, or several.
        """
        wanted = ticker.replace("/", "-").upper()
        matches = [pair for pair in self.pairs if pair.get_ticker().upper() == wanted]
        matches = matches or [pair for pair in self.pairs if pair.base.token_symbol.upper() == wanted]
        if len(matches) != 1:
            problem = "several pairs are called" if matches else "no pair is called"
            raise PairNotFound(f"{problem} {ticker!r} ({self._tickers()})")
        return matches[0]

    def get_pair_by_human_description(self, description: str | Iterable[object]) -> TradingPairIdentifier:
        """Return a pair by ticker, or by base and quote of a tuple ``(chain, exchange, base, quote[, fee])``.

        Raises
        ------
        PairNotFound
            No such pair, or several.
        """
        if isinstance(description, str):
            return self.get_pair_by_ticker(description)
        parts = tuple(description)
        if len(parts) < 4:
            raise PairNotFound(f"expected (chain, exchange, base, quote), got {parts!r}")
        return self.get_pair_by_ticker(f"{parts[2]}-{parts[3]}")

    # --- Lending

    def with_lending(self, lending: LendingPool) -> "TradingStrategyUniverse":
        """Return a universe with the same market data and another lending pool."""
        candles = {pair: self._candles[pair.internal_id or 0] for pair in self.pairs}
        return TradingStrategyUniverse(candles, self.reserve_asset, lending)

    def get_shorting_pair(self, pair: TradingPairIdentifier) -> TradingPairIdentifier:
        """Return the pair that shorts a spot pair of this universe."""
        return self.lending.make_short_pair(self.get_pair_by_id(pair.internal_id or 0))

    def get_credit_supply_pair(self) -> TradingPairIdentifier:
        """Return the pair that lends the reserve currency."""
        return self.lending.make_credit_pair(self.reserve_asset)

    def get_candles(self, pair: TradingPairIdentifier) -> Candles:
        """Return the candles of a pair, including those after the time of a decision.

        Indicators are calculated from them; decisions must use `StrategyInput.indicators` instead.
        """
        if not isinstance(pair, TradingPairIdentifier):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise self._make_no_pair_error(pair)
        candles = self._candles.get(pair.internal_id or 0)
        if candles is None:
            raise PairNotFound(f"{pair.get_ticker()} is not in the universe ({self._tickers()})")
        return candles

    def _make_no_pair_error(self, thing: object) -> PairNotFound:
        return PairNotFound(
            f"{thing!r} is not a trading pair; get_pair_by_ticker() and iterate_pairs() give pairs ({self._tickers()})"
        )

    def get_cursor(self, pair: TradingPairIdentifier) -> CandleCursor:
        """Return the cursor over the candles of a pair, shared by all users of this universe."""
        try:
            internal_id = pair.internal_id or 0
        except AttributeError:
            raise self._make_no_pair_error(pair) from None
        cursor = self._cursors.get(internal_id)
        if cursor is None:
            cursor = self._cursors[internal_id] = CandleCursor(self.get_candles(pair))
        return cursor

    def get_time_range(self) -> tuple[datetime.datetime, datetime.datetime]:
        """Return the first candle start and the last candle end over all pairs, naive UTC."""
        starts = [candles.first_start_at for candles in self._candles.values()]
        return min(starts), max(candles.last_end_at for candles in self._candles.values())

    def _tickers(self) -> str:
        return "pairs: " + ", ".join(pair.get_ticker() for pair in self.pairs[:10])
