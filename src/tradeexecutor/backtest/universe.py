"""Trading universes from candles, with generated pairs, because files do not describe them."""

import hashlib
import itertools
import re
from collections.abc import Collection, Mapping, Sequence

from tradeexecutor.backtest.candles import CandleSource, load_candles
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.identifier.bridge_terms import BridgeTerms
from tradeexecutor.state.identifier.vault_terms import VaultTerms
from tradeexecutor.strategy.market_data import CandleLength, Candles
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse, UniverseNotValid

__all__ = ["DEFAULT_FEE", "create_pair", "create_universe", "parse_pair_symbol"]

#: Trading fee of pairs that files do not describe: 10 basis points.
DEFAULT_FEE = 0.001

#: Chain id of generated assets. Candles are from no chain, but clients accept only the id of a chain that they know;
#: every client supports Ethereum. The addresses are hashes of symbols, so they are never those of a token on it.
_CHAIN_ID = 1
_EXCHANGE = "backtest"
_RESERVE_DECIMALS = 6
_BASE_DECIMALS = 18

#: Quote currencies that count as one US dollar.
_DOLLARS = frozenset("FDUSD PYUSD RLUSD BUSD GUSD LUSD TUSD USDC USDD USDE USDP USDS USDT USD DAI".split())
_OTHER_QUOTES = frozenset(
    "AUD BRL CAD CHF EUR GBP JPY KRW TRY EURC EURI EURS EURT BNB BTC ETH SOL WBTC WETH WSTETH STETH".split()
)

#: Known quote currencies, the longest first: BTCUSDT is BTC in USDT, and BTCFDUSD is not BTCF in DUSD.
_QUOTES = sorted(_DOLLARS | _OTHER_QUOTES, key=lambda quote: (-len(quote), quote))

#: Shortest quote currency, in letters, that may leave a base of one letter; many words end with three-letter ones.
_SHORTEST_QUOTE_OF_A_LETTER = 4

#: Words in file names that are neither base nor quote.
_TIME_FRAME = re.compile(r"^(\d+(s|m|min|h|d|w|mo)|(hour|dai|week|month)ly|minute|hour|day|week|month)$", re.I)
_NOISE = frozenset(
    "binance coinbase kraken bitstamp bitfinex okx bybit gemini candles candle ohlcv ohlc prices price data".split()
)


def parse_pair_symbol(text: str, default_quote: str = "USD") -> tuple[str, str]:
    """Return base and quote of a pair symbol or a file name.

    Two names with a dash or slash between them are always base and quote. A single word is split before the longest
    known quote at its end; a word that is itself a quote is not split. In longer names the time frame, the exchange
    and similar words are removed first.

    >>> parse_pair_symbol("ETH/USDC")
    ('ETH', 'USDC')
    >>> parse_pair_symbol("binance-BTCUSDT-1h")
    ('BTC', 'USDT')
    >>> parse_pair_symbol("GOOG")
    ('GOOG', 'USD')
    >>> parse_pair_symbol("STETH-PEPE"), parse_pair_symbol("WBTCETH")
    (('STETH', 'PEPE'), ('WBTC', 'ETH'))

    Raises
    ------
    UniverseNotValid
        Nothing in the text looks like a symbol.
    """
    words = [word for word in re.split(r"[^A-Za-z0-9.]+", text) if word]
    words = [word for word in words if not _TIME_FRAME.match(word) and word.lower() not in _NOISE] or words
    if not words:
        raise UniverseNotValid(f"cannot tell the pair from {text!r}; name it BASE-QUOTE")
    if len(words) == 2 and re.search(rf"{re.escape(words[0])}[-/]{re.escape(words[1])}", text):
        return words[0].upper(), words[1].upper()
    for quotes in (_DOLLARS, _OTHER_QUOTES):
        for first, second in itertools.pairwise(words):
            if second.upper() in quotes:
                return first.upper(), second.upper()
    for word in words:
        split = _split_word(word.upper())
        if split is not None:
            return split
    return words[0].upper(), default_quote


def _split_word(word: str) -> tuple[str, str] | None:
    """Return a word split before the longest known quote at its end; None if there is none."""
    if word in _QUOTES:
        return None
    for quote in _QUOTES:
        shortest = 1 if len(quote) >= _SHORTEST_QUOTE_OF_A_LETTER else 2
        if word.endswith(quote) and len(word) >= len(quote) + shortest:
            return word[: -len(quote)], quote
    return None


def _make_address(kind: str, name: str) -> str:
    """Return a generated address that is the same in every run and on every machine."""
    digest = hashlib.sha256(f"tradeexecutor {kind} {name}".encode()).hexdigest()
    return f"0x{digest[:40]}"


def create_reserve_asset(symbol: str = "USD", chain_id: int = _CHAIN_ID) -> AssetIdentifier:
    """Return a reserve currency with 6 decimals; on another chain than the usual one it has another address."""
    address = _make_address("asset", _name_on_chain(symbol, chain_id))
    return AssetIdentifier(int(chain_id), address, symbol, _RESERVE_DECIMALS, internal_id=1)


def _name_on_chain(name: str, chain_id: int) -> str:
    return name if chain_id == _CHAIN_ID else f"{name} on {chain_id}"


def create_pair(
    base: str,
    reserve_asset: AssetIdentifier,
    internal_id: int,
    fee: float = DEFAULT_FEE,
    kind: TradingPairKind = TradingPairKind.spot_market_hold,
) -> TradingPairIdentifier:
    """Return a spot or vault pair with generated addresses that depend on the symbols only.

    Parameters
    ----------
    base
        Symbol of the base asset.
    reserve_asset
        The quote, which is on the chain of the pair.
    internal_id
        Number of the pair in the universe, from 1.
    fee
        Trading fee as a fraction.
    kind
        Spot, or a vault that settles at once, whose candles are its share price.
    """
    quote, chain_id = reserve_asset.token_symbol, reserve_asset.chain_id
    address = _make_address("asset", _name_on_chain(base, chain_id))
    asset = AssetIdentifier(chain_id, address, base, _BASE_DECIMALS, internal_id=1 + internal_id)
    return TradingPairIdentifier(
        base=asset,
        quote=reserve_asset,
        pool_address=_make_address("pool", _name_on_chain(f"{base}-{quote}", chain_id)),
        exchange_address=_make_address("exchange", _EXCHANGE),
        internal_id=internal_id,
        fee=float(fee),
        exchange_name=_EXCHANGE,
        kind=kind,
    )


def create_universe(
    candles: CandleSource | Sequence[CandleSource] | Mapping[str, CandleSource],
    pair: str | None = None,
    fee: float | Mapping[str, float] = DEFAULT_FEE,
    bucket: CandleLength | None = None,
    *,
    date_format: str | None = None,
    strict: bool = False,
    vaults: Collection[str] | Mapping[str, VaultTerms] = (),
    chains: Mapping[str, int] | None = None,
    bridges: BridgeTerms | Mapping[int, BridgeTerms] | None = None,
) -> TradingStrategyUniverse:
    """Return a trading universe from candles of one or many pairs.

    Parameters
    ----------
    candles
        See `load_candles`.
    pair
        Symbol of the pair, for data of a single pair whose name does not contain it.
    fee
        Trading fee as a fraction: one for all pairs, or by pair symbol or base symbol.
    bucket, date_format
        Length of a candle, and format of times, if they are ambiguous in the data; see `load_candles`.
    strict
        Whether an open or a close outside low - high is refused; see `load_candles`.
    vaults
        Symbols of pairs that are vaults: their candles are the share price, their fee is paid for deposits and
        redemptions, and none by default. A mapping has the terms of each: delays, queue and lock-up; otherwise they
        settle at once.
    chains
        Chain ids of the pairs that are on another chain than the reserve currency, by symbol. A bridge moves money
        there, see `PositionManager.open_cctp_bridge_position`.
    bridges
        Terms of the bridges: one for all, or by chain id; None for the default ones.

    Returns
    -------
    TradingStrategyUniverse
        Pairs numbered from 1 in the order of the data. All dollar currencies (USD, USDT, USDC ...) count as the same;
        the reserve currency is the quote of the first pair.

    Raises
    ------
    InvalidCandles
        The data is invalid.
    UniverseNotValid
        Pairs are not quoted in dollars, two have the same base, `pair` was given for several, or a pair has no data.
    """
    if pair is not None and not isinstance(candles, Mapping):
        candles = {pair: candles}  # pyright: ignore[reportAssignmentType]
    loaded = load_candles(candles, bucket, date_format=date_format, strict=strict)
    if pair is not None and list(loaded) != [pair]:
        raise UniverseNotValid(f"the data has several pairs ({', '.join(loaded)}), so {pair!r} cannot name them")
    if not loaded:
        raise UniverseNotValid("a trading universe needs at least one pair")
    chains = chains or {}
    symbols = _read_symbols(loaded, vaults, chains)
    reserve_asset = create_reserve_asset(next(iter(symbols.values()))[1])
    quotes = {name: create_reserve_asset(reserve_asset.token_symbol, chain) for name, chain in chains.items()}
    pairs: dict[TradingPairIdentifier, Candles] = {}
    for number, (name, pair_candles) in enumerate(loaded.items(), 1):
        base = symbols[name][0]
        kind = TradingPairKind.vault if name in vaults else TradingPairKind.spot_market_hold
        own_fee = 0.0 if name in vaults and not isinstance(fee, Mapping) else _get_fee(fee, name, base)
        made = create_pair(base, quotes.get(name, reserve_asset), number, own_fee, kind)
        if isinstance(vaults, Mapping) and name in vaults:
            made.other_data = {**(made.other_data or {}), **vaults[name].to_pair_data()}
        pairs[made] = pair_candles
    return TradingStrategyUniverse(pairs, reserve_asset, bridges=bridges)


def _read_symbols(
    names: Collection[str], vaults: Collection[str], chains: Collection[str]
) -> dict[str, tuple[str, str]]:
    """Return base and quote by name; raises `UniverseNotValid` for other quotes than dollars, and wrong names."""
    for name in (*vaults, *chains):
        if name not in names:
            what = f"share price of the vault {name}" if name in vaults else f"market data of {name} on another chain"
            raise UniverseNotValid(f"there is no {what}, only: {', '.join(names)}")
    symbols = {name: parse_pair_symbol(name) for name in names}
    taken: dict[str, str] = {}
    for name, (base, quote) in symbols.items():
        if quote not in _DOLLARS:
            raise UniverseNotValid(f"{name}: {base} is quoted in {quote}; only pairs quoted in dollars can be traded")
        if taken.setdefault(base, name) != name:
            raise UniverseNotValid(f"{taken[base]} and {name} are both {base}")
    return symbols


def _get_fee(fee: float | Mapping[str, float], name: str, base: str) -> float:
    value = fee if not isinstance(fee, Mapping) else fee.get(name, fee.get(base, DEFAULT_FEE))
    if not 0 <= value < 1:
        raise UniverseNotValid(f"the fee of {name} must be a fraction from 0 to 1, not {value}")
    return value
