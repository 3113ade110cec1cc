"""How small a remainder counts as nothing, per asset and per pair."""

from decimal import Decimal

from tradeexecutor.accounting.accuracy import COLLATERAL_EPSILON
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier

#: Generic token dust.
DEFAULT_DUST_EPSILON = Decimal(10**-10)

#: Vault shares.
DEFAULT_VAULT_EPSILON = Decimal(10**-6)

#: Close threshold of Hypercore vaults, which keep a safety margin at redemption.
HYPERLIQUID_VAULT_CLOSE_EPSILON = Decimal("2.00")

#: Clean-up routing of small Hypercore positions.
HYPERCORE_SMALL_POSITION_CLEANUP_CLOSE_EPSILON = Decimal("0.30")

#: Key of `TradingPosition.other_data`: the position is being cleaned up and closes only when really empty.
HYPERCORE_SMALL_POSITION_CLEANUP_PENDING_REDEEM = "hypercore_small_position_cleanup_pending_redeem"

#: Variable debt tokens; a float in recorded behaviour.
ONE_DELTA_CLOSE_EPSILON = 1 * 10**-4

#: Relative balance drift that is not worth a correction.
DEFAULT_RELATIVE_EPSILON = 5 * 10**-4
HYPERLIQUID_VAULT_RELATIVE_EPSILON = 0.02

#: USD value below which account checks do not care.
DEFAULT_USD_LOW_VALUE_THRESHOLD = 0.10

_BITCOIN_AND_ETHER = frozenset({"WBTC", "BTC", "ETH", "WETH"})
_BITCOIN_AND_ETHER_EPSILON = Decimal(10**-7)
_DOLLARS = frozenset({"USDC", "USDC.e", "aPolUSDC", "aEthUSDC"})
_DOLLARS_EPSILON = Decimal(0.1)  # noqa: RUF032 - the binary error is part of recorded results


def get_dust_epsilon_for_asset(asset: AssetIdentifier) -> Decimal | float:
    """Return the dust limit of an asset by its symbol, token units."""
    symbol = asset.token_symbol
    if symbol in _BITCOIN_AND_ETHER:
        return _BITCOIN_AND_ETHER_EPSILON
    if symbol in _DOLLARS:
        return _DOLLARS_EPSILON
    if "variableDebt" in symbol:
        return ONE_DELTA_CLOSE_EPSILON
    return DEFAULT_DUST_EPSILON


def get_dust_epsilon_for_pair(pair: TradingPairIdentifier) -> Decimal | float:
    """Return the quantity at or below which a new trade is refused, base token units."""
    if pair.kind.is_cctp_bridge():
        return DEFAULT_DUST_EPSILON
    if pair.kind.is_vault():
        return DEFAULT_VAULT_EPSILON
    return get_dust_epsilon_for_asset(pair.base)


def get_close_epsilon_for_pair(pair: TradingPairIdentifier) -> Decimal | float:
    """Return the quantity at or below which a position counts as closed, base token units."""
    if pair.kind.is_credit_supply():
        return COLLATERAL_EPSILON
    if pair.is_hyperliquid_vault():
        return HYPERLIQUID_VAULT_CLOSE_EPSILON
    if pair.kind.is_vault():
        return DEFAULT_VAULT_EPSILON
    return get_dust_epsilon_for_asset(pair.base)


def get_relative_epsilon_for_asset(asset: AssetIdentifier) -> float:
    """Return the relative balance drift that is tolerated, a fraction."""
    return 0.005 if asset.token_symbol in ("aPolUSDC", "USDC") else DEFAULT_RELATIVE_EPSILON


def get_relative_epsilon_for_pair(pair: TradingPairIdentifier) -> float:
    """Return the relative balance drift that is tolerated, a fraction."""
    if pair.is_hyperliquid_vault():
        return HYPERLIQUID_VAULT_RELATIVE_EPSILON
    return get_relative_epsilon_for_asset(pair.base)
