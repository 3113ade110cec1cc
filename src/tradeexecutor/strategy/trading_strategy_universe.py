"""Trading universe: pairs, their candles and the reserve currency.

The universe is the only source of market data for a strategy. In a backtest it has the whole history, in live trading
the history up to now; decisions read it through `StrategyInput.indicators`, which shows finished candles only.
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tradeexecutor.state.errors import InvalidValue, TradeExecutorError, UnsupportedPairKind
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.identifier.bridge_terms import BridgeTerms
from tradeexecutor.state.identifier.chain import describe_chain
from tradeexecutor.strategy.bridges import is_on_another_chain, make_bridges
from tradeexecutor.strategy.data_client import (
    read_lending_rates,
    read_market_candles,
    read_pairs,
    translate_token,
    translate_trading_pair,
)
from tradeexecutor.strategy.data_universe import (
    DataUniverse,
    GroupedCandles,
    PairList,
    PairNotFound,
    create_pair_universe_from_code,
)
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.market_data import CandleCursor, Candles
from tradeexecutor.strategy.market_terms import MarketTerms
from tradeexecutor.utils.reference_paths import refuse_names

__all__ = [
    "PairNotFound",
    "TradingStrategyUniverse",
    "UniverseNotValid",
    "create_pair_universe_from_code",
    "translate_token",
    "translate_trading_pair",
]

__getattr__ = refuse_names(__name__)

_NO_TERMS = MarketTerms()


class UniverseNotValid(TradeExecutorError, ValueError):
    """Pairs, candles and reserve currency are not consistent."""


class TradingStrategyUniverse:
    """Pairs with their candles, quoted in one reserve currency.

    Parameters
    ----------
    candles
        Candles by pair, in the order in which pairs are iterated. Every pair needs its own positive `internal_id`
        and is quoted in `reserve_asset`; pairs on another chain in the currency with the same symbol there.
    reserve_asset
        Currency of deposits and of payments for positions; its price is 1.0 USD.
    lending
        Where money is lent and tokens are borrowed; None for the defaults of `LendingPool`.
    bridges
        Terms of the bridges to other chains: one for all, or by chain id; chains without any have the defaults of
        `BridgeTerms`.
    data_universe, reserve_assets
        Instead of `candles` and `reserve_asset`: market data in the shape of the data client of the framework, and a
        list of one currency, see :mod:`tradeexecutor.strategy.data_client`. Pairs without candles are left out.

    Raises
    ------
    UniverseNotValid
        Pairs, candles and currency do not fit together.
    DataNotRecognised
        `data_universe` does not have the shape of the data client's.
    """

    __slots__ = (
        "_bridge_terms",
        "_bridges",
        "_by_id",
        "_candles",
        "_cursors",
        "_data_universe",
        "_terms",
        "lending",
        "pairs",
        "reserve_asset",
    )

    def __init__(
        self,
        candles: Mapping[TradingPairIdentifier, Candles] | None = None,
        reserve_asset: AssetIdentifier | None = None,
        lending: LendingPool | None = None,
        *,
        bridges: BridgeTerms | Mapping[int, BridgeTerms] | None = None,
        data_universe: Any = None,
        reserve_assets: Iterable[AssetIdentifier] = (),
    ):
        if data_universe is not None:
            reserve_asset = _get_single_reserve(reserve_assets)
            candles = read_market_candles(read_pairs(data_universe.pairs), data_universe.candles)
            lending = lending or _read_lending(data_universe, reserve_asset, candles)
        if candles is None or reserve_asset is None:
            raise UniverseNotValid("a trading universe needs candles and a reserve currency, or a data_universe")
        self.reserve_asset = reserve_asset
        self.lending = lending or LendingPool()
        self._data_universe: DataUniverse | None = None
        self._terms: dict[int, MarketTerms] = {}
        self.pairs: list[TradingPairIdentifier] = list(candles)
        if not self.pairs:
            raise UniverseNotValid("a trading universe needs at least one pair")
        self._by_id: dict[int, TradingPairIdentifier] = {}
        self._candles: dict[int, Candles] = {}
        self._cursors: dict[int, CandleCursor] = {}
        for pair, pair_candles in candles.items():
            if not pair.internal_id or pair.internal_id in self._by_id:
                raise UniverseNotValid(f"{pair.get_ticker()} needs an internal id of its own, has {pair.internal_id}")
            if pair.quote != reserve_asset and not is_on_another_chain(pair.quote, reserve_asset):
                raise UniverseNotValid(
                    f"{pair.get_ticker()} is quoted in {pair.quote.token_symbol}, the reserve currency is "
                    f"{reserve_asset.token_symbol}; all pairs must be quoted in the reserve currency"
                )
            self._by_id[pair.internal_id] = pair
            self._candles[pair.internal_id] = pair_candles
        self._bridge_terms = bridges
        try:
            self._bridges = make_bridges(reserve_asset, (pair.quote for pair in self.pairs), bridges)
        except InvalidValue as error:
            raise UniverseNotValid(str(error)) from None

    def __reduce__(self) -> tuple[Any, ...]:
        # Cursors are not copied to another process: they read the arrays of this one without copying them.
        return _restore, (self._get_all_candles(), self.reserve_asset, self.lending, self._terms, self._bridge_terms)

    def __repr__(self) -> str:
        tickers = ", ".join(pair.get_ticker() for pair in self.pairs[:5])
        more = f" and {len(self.pairs) - 5} more" if len(self.pairs) > 5 else ""
        return f"<Trading universe of {tickers}{more}, reserve currency {self.reserve_asset.token_symbol}>"

    @property
    def reserve_assets(self) -> list[AssetIdentifier]:
        """The reserve currency as a list of one."""
        return [self.reserve_asset]

    @property
    def data_universe(self) -> DataUniverse:
        """Pairs and candles in the shape of the data client, with the whole history."""
        if self._data_universe is None:
            pairs, candles = PairList(self.pairs), GroupedCandles(self._candles)
            self._data_universe = DataUniverse(pairs=pairs, candles=candles, strategy_universe=self)
        return self._data_universe

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

    # --- Terms of markets

    def get_terms(self, pair: TradingPairIdentifier) -> MarketTerms:
        """Return the rules of the market of a pair."""
        return self._terms.get(pair.internal_id or 0, _NO_TERMS)

    def with_terms(self, terms: MarketTerms | Mapping[str, MarketTerms]) -> "TradingStrategyUniverse":
        """Return a universe with the same market data and these rules, for all pairs or by ticker."""
        if isinstance(terms, MarketTerms):
            by_id = {pair.internal_id or 0: terms for pair in self.pairs}
        else:
            by_id = {self.get_pair_by_ticker(name).internal_id or 0: own for name, own in terms.items()}
        return _restore(self._get_all_candles(), self.reserve_asset, self.lending, by_id, self._bridge_terms)

    def _get_all_candles(self) -> dict[TradingPairIdentifier, Candles]:
        return {pair: self._candles[pair.internal_id or 0] for pair in self.pairs}

    # --- Other chains

    def with_bridges(self, bridges: BridgeTerms | Mapping[int, BridgeTerms]) -> "TradingStrategyUniverse":
        """Return a universe with the same market data and these terms of bridges, for all or by chain id."""
        return _restore(self._get_all_candles(), self.reserve_asset, self.lending, self._terms, bridges)

    def get_bridge_pair(self, chain_id: int) -> TradingPairIdentifier:
        """Return the bridge from the chain of the reserve currency to another chain; raises `PairNotFound`."""
        bridge = self._bridges.get(int(chain_id))
        if bridge is None:
            chains = ", ".join(map(describe_chain, self._bridges)) or "none"
            raise PairNotFound(f"there is no bridge to {describe_chain(chain_id)}; pairs are on other chains: {chains}")
        return bridge

    def iterate_bridges(self) -> Iterator[TradingPairIdentifier]:
        """Iterate over the bridges to all other chains that have pairs."""
        return iter(self._bridges.values())

    # --- Lending

    def with_lending(self, lending: LendingPool) -> "TradingStrategyUniverse":
        """Return a universe with the same market data and another lending pool."""
        return _restore(self._get_all_candles(), self.reserve_asset, lending, self._terms, self._bridge_terms)

    def get_shorting_pair(self, pair: TradingPairIdentifier) -> TradingPairIdentifier:
        """Return the pair that shorts a spot pair of this universe.

        Raises
        ------
        UnsupportedPairKind
            It is not a spot pair, or it is on another chain, where the reserve currency is no collateral.
        """
        spot = self.get_pair_by_id(pair.internal_id or 0)
        if spot.quote != self.reserve_asset:
            raise UnsupportedPairKind(f"shorts on another chain than the reserve currency are not simulated: {spot}")
        return self.lending.make_short_pair(spot)

    def get_leveraged_long_pair(self, pair: TradingPairIdentifier) -> TradingPairIdentifier:
        """Return the pair that buys a spot pair of this universe with leverage."""
        return self.lending.make_long_pair(self.get_pair_by_id(pair.internal_id or 0))

    def get_credit_supply_pair(self) -> TradingPairIdentifier:
        """Return the pair that lends the reserve currency."""
        return self.lending.make_credit_pair(self.reserve_asset)

    def get_candles(self, pair: TradingPairIdentifier) -> Candles:
        """Return the candles of a pair, including those after the time of a decision.

        Indicators are calculated from them; decisions must use `StrategyInput.indicators` instead.

        Raises
        ------
        PairNotFound
            The pair is not in the universe.
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


def _restore(
    candles: Mapping[TradingPairIdentifier, Candles],
    reserve_asset: AssetIdentifier,
    lending: LendingPool,
    terms: dict[int, MarketTerms],
    bridges: BridgeTerms | Mapping[int, BridgeTerms] | None,
) -> TradingStrategyUniverse:
    universe = TradingStrategyUniverse(candles, reserve_asset, lending, bridges=bridges)
    universe._terms = terms  # pyright: ignore[reportPrivateUsage]
    return universe


def _get_single_reserve(reserve_assets: Iterable[AssetIdentifier]) -> AssetIdentifier:
    assets = [translate_token(asset) for asset in reserve_assets]
    if len(assets) != 1:
        raise UniverseNotValid(f"a trading universe has exactly one reserve currency, got {len(assets)}")
    return assets[0]


def _read_lending(
    data_universe: Any, reserve_asset: AssetIdentifier, candles: Mapping[TradingPairIdentifier, Candles]
) -> LendingPool | None:
    """Return a pool with the recorded rates of the reserve currency and of all base tokens; None without rates."""
    rates = getattr(data_universe, "lending_candles", None)
    if rates is None:
        return None
    reserves = getattr(data_universe, "lending_reserves", None)
    assets = [reserve_asset, *(pair.base for pair in candles)]
    return LendingPool(rates=read_lending_rates(rates, reserves, assets))
