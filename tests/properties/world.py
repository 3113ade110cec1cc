"""The instruments of the random trading tests: one pair of each kind."""

from decimal import Decimal

from tests.kit.trader import BRIDGE, FAR_WETH_USDC, LINK_USDC, USDC, WETH, WETH_USDC, asset, pair
from tradeexecutor.state.identifier import AssetIdentifier, AssetType, TradingPairIdentifier, TradingPairKind

__all__ = [
    "ACCOUNT",
    "BRIDGE",
    "CREDIT",
    "FAR_WETH_USDC",
    "LINK_USDC",
    "SHORT",
    "USDC",
    "VAULT",
    "WETH_USDC",
]

A_USDC = AssetIdentifier(
    1, f"0x{51:040x}", "aPolUSDC", 6, underlying=USDC, type=AssetType.collateral, liquidation_threshold=0.85
)
V_WETH = AssetIdentifier(1, f"0x{52:040x}", "variableDebtPolWETH", 18, underlying=WETH, type=AssetType.borrowed)

#: Lends the reserve; shares its collateral token with the short.
CREDIT = pair(A_USDC, USDC, 0.0, 151, kind=TradingPairKind.credit_supply)
SHORT: TradingPairIdentifier = pair(
    V_WETH, A_USDC, 0.003, 152, kind=TradingPairKind.lending_protocol_short, underlying_spot_pair=WETH_USDC
)
VAULT = pair(asset("vUSD", 18, 53), USDC, 0.0, 153, kind=TradingPairKind.vault)
ACCOUNT = pair(asset("ACCOUNT", 6, 54), USDC, 0.0, 154, kind=TradingPairKind.exchange_account)

CENT = Decimal("0.000001")
