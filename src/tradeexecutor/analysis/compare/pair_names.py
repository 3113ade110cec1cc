"""Names of trading pairs that are the same in two states.

A backtest trades GOOG-USD, and the live strategy GOOG-USDC or WETH-USDC instead of ETH-USD: the candles of an exchange
are quoted in dollars, a pool in a stablecoin and with a wrapped token. Such variants get the same name as long as they
cannot be confused, i.e. while no state has two pairs of that name.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.identifier.stablecoin import ALL_STABLECOIN_LIKE
from tradeexecutor.state.state import State

__all__ = ["PairNamer"]

#: Wrapped tokens whose price is that of the token itself.
_WRAPPED = {"WETH": "ETH", "WBTC": "BTC", "cbBTC": "BTC", "WBNB": "BNB", "WPOL": "POL", "WMATIC": "MATIC",
            "WAVAX": "AVAX"}  # fmt: skip

#: Currencies that are no stablecoins have their own price, e.g. EURC.
_DOLLARS = frozenset({"USD"} | {symbol for symbol in ALL_STABLECOIN_LIKE if "USD" in symbol or "DAI" in symbol})


class PairNamer:
    """Names of pairs that are the same in both states.

    Parameters
    ----------
    states
        The states; a name is spelled as in the first one that has the pair.
    """

    def __init__(self, states: Iterable[State]):
        #: From the most general name to the most specific one.
        self._forms: tuple[Callable[[TradingPairIdentifier], str], ...] = (_get_variant, _get_short)
        self._ambiguous: set[str] = set()
        self._spellings: dict[str, str] = {}
        for state in states:
            found: defaultdict[str, set[str]] = defaultdict(set)
            for table in state.portfolio.get_position_tables():
                for position in table.values():
                    pair = position.pair
                    self._spellings.setdefault(_get_variant(pair), _get_short(pair))
                    for form in self._forms:
                        # Two pools of the same tokens are the same market at another fee.
                        found[form(pair)].add(f"{_get_address(pair.base)} {_get_address(pair.quote)}")
            self._ambiguous |= {name for name, pairs in found.items() if len(pairs) > 1}

    def get_name(self, pair: TradingPairIdentifier) -> str:
        """Return e.g. ``WETH-USDC``, ``AAVE-USDC lending_protocol_short``; with the address if it is ambiguous."""
        variant, short = (form(pair) for form in self._forms)
        if variant not in self._ambiguous:
            return self._spellings.get(variant, short)
        return f"{short} {_get_address(pair.base)}" if short in self._ambiguous else short


def _get_variant(pair: TradingPairIdentifier) -> str:
    """Return the name of a pair without wrapping and without the kind of dollar, e.g. ``ETH-USD spot``."""
    base = _WRAPPED.get(pair.base.token_symbol, pair.base.token_symbol)
    quote = "USD" if pair.quote.token_symbol in _DOLLARS else pair.quote.token_symbol
    return f"{base}-{quote} {pair.kind.value}"


def _get_short(pair: TradingPairIdentifier) -> str:
    return pair.get_ticker() if pair.is_spot() else f"{pair.get_ticker()} {pair.kind.value}"


def _get_address(asset: AssetIdentifier) -> str:
    return f"{asset.chain_id}:{asset.address}".lower()
