"""Bridges between the chain of the reserve currency and the other chains of a simulated universe.

A strategy sets their terms as a parameter, for all chains or by chain id::

    class Parameters:
        bridges = {ChainId.base: BridgeTerms(transfer_time=timedelta(minutes=20), fixed_fee=1.0)}
"""

import hashlib
from collections.abc import Iterable, Mapping

from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.identifier.bridge_terms import BridgeTerms
from tradeexecutor.state.identifier.chain import describe_chain

__all__ = ["BridgeTerms", "is_on_another_chain", "make_bridges"]


def is_on_another_chain(quote: AssetIdentifier, reserve: AssetIdentifier) -> bool:
    """Return True if a quote is the reserve currency on another chain: it has the same symbol and decimals."""
    return (
        quote.chain_id != reserve.chain_id
        and quote.token_symbol == reserve.token_symbol
        and quote.decimals == reserve.decimals
    )


def make_bridges(
    reserve: AssetIdentifier,
    quotes: Iterable[AssetIdentifier],
    terms: BridgeTerms | Mapping[int, BridgeTerms] | None,
) -> dict[int, TradingPairIdentifier]:
    """Return the bridge to each chain that has a quote, by chain id.

    Parameters
    ----------
    reserve
        The reserve currency, on whose chain the bridges begin.
    quotes
        Currencies of all pairs.
    terms
        One for all bridges, or by chain id; chains without any have the default ones.

    Raises
    ------
    InvalidValue
        A chain has two currencies with the same symbol, or terms are given for a chain without pairs.
    """
    far: dict[int, AssetIdentifier] = {}
    for quote in quotes:
        if quote.chain_id != reserve.chain_id and far.setdefault(quote.chain_id, quote) != quote:
            raise InvalidValue(f"pairs on {describe_chain(quote.chain_id)} are quoted in two different currencies")
    by_chain = terms if isinstance(terms, Mapping) else dict.fromkeys(far, terms or BridgeTerms())
    for chain_id in by_chain:
        if chain_id not in far:
            raise InvalidValue(f"there is a bridge to {describe_chain(chain_id)}, and no pair there")
    return {
        chain_id: _make_bridge(reserve, quote, by_chain.get(chain_id, BridgeTerms())) for chain_id, quote in far.items()
    }


def _make_bridge(reserve: AssetIdentifier, far: AssetIdentifier, terms: BridgeTerms) -> TradingPairIdentifier:
    digest = hashlib.sha256(f"tradeexecutor bridge {reserve.get_identifier()} {far.get_identifier()}".encode())
    address = f"0x{digest.hexdigest()[:40]}"
    return TradingPairIdentifier(
        far,
        reserve,
        address,
        address,
        kind=TradingPairKind.cctp_bridge,
        fee=None,
        other_data=terms.to_pair_data(),
    )
