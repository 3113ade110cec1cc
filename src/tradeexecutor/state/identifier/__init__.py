"""Identifiers of tokens and trading pairs.

`identifier` has the assets and pairs; `pair_metadata` what a pair knows beside its tokens, `chain` the names of chains,
`stablecoin` which tokens count as US dollars, and `dust` which amounts count as nothing.
"""

from tradeexecutor.state.identifier.identifier import (
    IGNORE_REASON_LACKS_FEE_DATA,
    IGNORE_REASON_REQUIRES_WHITELIST,
    TOKEN_TRADE_KINDS,
    AssetFriendlyId,
    AssetIdentifier,
    AssetType,
    AssetWithTrackedValue,
    LendingProtocolType,
    TradingPairIdentifier,
    TradingPairKind,
)

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
