"""Thresholds below which a remainder counts as zero: the import path that strategies use."""

from tradeexecutor.state.identifier.dust import (
    DEFAULT_DUST_EPSILON,
    DEFAULT_RELATIVE_EPSILON,
    DEFAULT_USD_LOW_VALUE_THRESHOLD,
    DEFAULT_VAULT_EPSILON,
    HYPERCORE_SMALL_POSITION_CLEANUP_CLOSE_EPSILON,
    HYPERCORE_SMALL_POSITION_CLEANUP_PENDING_REDEEM,
    HYPERLIQUID_VAULT_CLOSE_EPSILON,
    HYPERLIQUID_VAULT_RELATIVE_EPSILON,
    ONE_DELTA_CLOSE_EPSILON,
    get_close_epsilon_for_pair,
    get_dust_epsilon_for_asset,
    get_dust_epsilon_for_pair,
    get_relative_epsilon_for_asset,
    get_relative_epsilon_for_pair,
)

__all__ = [
    "DEFAULT_DUST_EPSILON",
    "DEFAULT_RELATIVE_EPSILON",
    "DEFAULT_USD_LOW_VALUE_THRESHOLD",
    "DEFAULT_VAULT_EPSILON",
    "HYPERCORE_SMALL_POSITION_CLEANUP_CLOSE_EPSILON",
    "HYPERCORE_SMALL_POSITION_CLEANUP_PENDING_REDEEM",
    "HYPERLIQUID_VAULT_CLOSE_EPSILON",
    "HYPERLIQUID_VAULT_RELATIVE_EPSILON",
    "ONE_DELTA_CLOSE_EPSILON",
    "get_close_epsilon_for_pair",
    "get_dust_epsilon_for_asset",
    "get_dust_epsilon_for_pair",
    "get_relative_epsilon_for_asset",
    "get_relative_epsilon_for_pair",
]
