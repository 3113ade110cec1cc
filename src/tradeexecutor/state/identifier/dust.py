"""Limits up to which a remainder counts as nothing, for assets and pairs."""

from decimal import Decimal

from tradeexecutor.accounting.accuracy import COLLATERAL_EPSILON
from tradeexecutor.state.identifier.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind

#: A sell may exceed the holding by this, token units; the whole holding is then sold.
SELL_EPSILON = Decimal(10) ** -9

#: Dust of tokens in general, token units.
DEFAULT_DUST_EPSILON = Decimal(10**-10)

#: Dust of vault shares, token units.
DEFAULT_VAULT_EPSILON = Decimal(10**-6)

#: Limit for closing positions in Hypercore vaults, token units; a redemption keeps a safety margin.
HYPERLIQUID_VAULT_CLOSE_EPSILON = Decimal("2.00")

#: Limit for closing small Hypercore positions that are being cleaned up, token units.
HYPERCORE_SMALL_POSITION_CLEANUP_CLOSE_EPSILON = Decimal("0.30")

#: Key in `TradingPosition.other_data` of a position that is being cleaned up and closes only when it is really empty.
HYPERCORE_SMALL_POSITION_CLEANUP_PENDING_REDEEM = "hypercore_small_position_cleanup_pending_redeem"

#: Limit for closing positions in variable debt tokens, token units; a float as in recorded behaviour.
ONE_DELTA_CLOSE_EPSILON = 1 * 10**-4

#: Drift of a balance that needs no correction, as a fraction of the balance.
DEFAULT_RELATIVE_EPSILON = 5 * 10**-4
#: The same for vaults of Hyperliquid, whose balances are values.
HYPERLIQUID_VAULT_RELATIVE_EPSILON = 0.02

#: Differences of less than this value are ignored by account checks, USD.
DEFAULT_USD_LOW_VALUE_THRESHOLD = 0.10

_CCTP_BRIDGE, _VAULT, _CREDIT_SUPPLY = TradingPairKind.cctp_bridge, TradingPairKind.vault, TradingPairKind.credit_supply

_EPSILON_BY_SYMBOL: dict[str, Decimal] = {
    **dict.fromkeys(("WBTC", "BTC", "ETH", "WETH"), Decimal(10**-7)),
    # The binary error of 0.1 is part of recorded results.
    **dict.fromkeys(("USDC", "USDC.e", "aPolUSDC", "aEthUSDC"), Decimal(0.1)),  # noqa: RUF032
}

#: No dust limit is higher, token units.
LARGEST_DUST_EPSILON = max(
    *_EPSILON_BY_SYMBOL.values(), DEFAULT_DUST_EPSILON, DEFAULT_VAULT_EPSILON, Decimal(ONE_DELTA_CLOSE_EPSILON)
)


def get_dust_epsilon_for_asset(asset: AssetIdentifier) -> Decimal | float:
    """Return the dust limit of an asset by its symbol, token units."""
    symbol = asset.token_symbol
    epsilon = _EPSILON_BY_SYMBOL.get(symbol)
    if epsilon is not None:
        return epsilon
    if "variableDebt" in symbol:
        return ONE_DELTA_CLOSE_EPSILON
    return DEFAULT_DUST_EPSILON


def get_dust_epsilon_for_pair(pair: TradingPairIdentifier) -> Decimal | float:
    """Return the quantity at or below which a new trade is refused, base token units."""
    kind = pair.kind
    if kind is _CCTP_BRIDGE:
        return DEFAULT_DUST_EPSILON
    if kind is _VAULT:
        return DEFAULT_VAULT_EPSILON
    return get_dust_epsilon_for_asset(pair.base)


def get_close_epsilon_for_pair(pair: TradingPairIdentifier) -> Decimal | float:
    """Return the quantity at or below which a position counts as closed, base token units."""
    kind = pair.kind
    if kind is _CREDIT_SUPPLY:
        return COLLATERAL_EPSILON
    if kind is _VAULT:
        return HYPERLIQUID_VAULT_CLOSE_EPSILON if pair.is_hyperliquid_vault() else DEFAULT_VAULT_EPSILON
    return get_dust_epsilon_for_asset(pair.base)


def get_relative_epsilon_for_asset(asset: AssetIdentifier) -> float:
    """Return the relative balance drift that is tolerated, a fraction."""
    return 0.005 if asset.token_symbol in ("aPolUSDC", "USDC") else DEFAULT_RELATIVE_EPSILON


def get_relative_epsilon_for_pair(pair: TradingPairIdentifier) -> float:
    """Return the relative balance drift that is tolerated, a fraction."""
    if pair.is_hyperliquid_vault():
        return HYPERLIQUID_VAULT_RELATIVE_EPSILON
    return get_relative_epsilon_for_asset(pair.base)
