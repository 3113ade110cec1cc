"""Identifiers of tokens and trading pairs.

`asset` contains the tokens, `identifier` the pairs and `pair_kind` their kinds; `pair_metadata` the other data of
pairs, `chain` the names of chains, `stablecoin` the tokens that count as money, and `dust` the amounts that count as
nothing.
"""

from tradeexecutor.state.identifier.asset import (
    AssetFriendlyId,
    AssetIdentifier,
    AssetType,
    AssetWithTrackedValue,
    LendingProtocolType,
)
from tradeexecutor.state.identifier.identifier import (
    IGNORE_REASON_LACKS_FEE_DATA,
    IGNORE_REASON_REQUIRES_WHITELIST,
    TradingPairIdentifier,
)
from tradeexecutor.state.identifier.pair_kind import TOKEN_TRADE_KINDS, TradingPairKind

__all__ = [
    "IGNORE_REASON_LACKS_FEE_DATA",
    "IGNORE_REASON_REQUIRES_WHITELIST",
    "TOKEN_TRADE_KINDS",
    "AssetFriendlyId",
    "AssetIdentifier",
    "AssetType",
    "AssetWithTrackedValue",
    "LendingProtocolType",
    "TradingPairIdentifier",
    "TradingPairKind",
]
