"""The instruments of the random trading tests: one pair of each kind."""

from decimal import Decimal

from tests.kit.trader import (
    ACCOUNT,
    BRIDGE,
    CREDIT,
    FAR_WETH_USDC,
    LINK_USDC,
    LONG,
    SHORT,
    USDC,
    WETH_USDC,
    asset,
    pair,
)
from tradeexecutor.state.identifier import TradingPairKind

__all__ = [
    "ACCOUNT",
    "BRIDGE",
    "CREDIT",
    "FAR_WETH_USDC",
    "LINK_USDC",
    "LONG",
    "SHORT",
    "USDC",
    "VAULT",
    "WETH_USDC",
]

#: Without the lock-up of the other one.
VAULT = pair(asset("vUSD", 18, 53), USDC, 0.0, 153, kind=TradingPairKind.vault)

CENT = Decimal("0.000001")
