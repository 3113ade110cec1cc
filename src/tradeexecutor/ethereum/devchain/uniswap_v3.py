"""The exchange Uniswap v3 on a local chain."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from tradeexecutor.ethereum.abi import ERC20_APPROVE, parse_fragment
from tradeexecutor.ethereum.devchain.chain import FOREVER, DevChain
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier

__all__ = ["UniswapV3", "create_v3_pool", "deploy_uniswap_v3"]

_PERIPHERY = "@uniswap/v3-periphery/artifacts/contracts/"

#: Highest tick, and negated the lowest one, of pools with a fee of 0.3 %.
_LAST_TICK = 887_220
_RAW_FEE = 3_000

_CREATE = parse_fragment("createAndInitializePoolIfNecessary(address, address, uint24, uint160) returns (address)")
_MINT = parse_fragment(
    "mint({address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256})"
    " returns (uint256, uint128, uint256, uint256)"
)
_GET_POOL = parse_fragment("getPool(address, address, uint24) returns (address)")


@dataclass(frozen=True, slots=True)
class UniswapV3:
    """Addresses of the contracts of a deployed exchange."""

    factory: str
    router: str
    quoter: str
    position_manager: str


def deploy_uniswap_v3(chain: DevChain) -> UniswapV3:
    """Deploy the exchange."""
    wrapped = chain.deploy("@uniswap/v2-periphery/build/WETH9.json")
    factory = chain.deploy("@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json")
    router = chain.deploy(f"{_PERIPHERY}SwapRouter.sol/SwapRouter.json", factory, wrapped)
    quoter = chain.deploy(f"{_PERIPHERY}lens/QuoterV2.sol/QuoterV2.json", factory, wrapped)
    manager = f"{_PERIPHERY}NonfungiblePositionManager.sol/NonfungiblePositionManager.json"
    return UniswapV3(factory, router, quoter, chain.deploy(manager, factory, wrapped, "0x" + "00" * 20))


def create_v3_pool(
    chain: DevChain,
    exchange: UniswapV3,
    base: AssetIdentifier,
    quote: AssetIdentifier,
    liquidity: Decimal,
    *,
    price: Decimal,
    internal_id: int = 1,
) -> TradingPairIdentifier:
    """Create a pool with a fee of 0.3 % and liquidity over the whole range of prices; see `DevChain.create_v2_pool`."""
    raw: dict[str, int] = {}
    for asset, amount in ((base, liquidity), (quote, liquidity * price)):
        chain.mint(asset, chain.owner, amount)
        chain.send(asset.address, ERC20_APPROVE, exchange.position_manager, FOREVER)
        raw[asset.address] = asset.convert_to_raw_amount(amount)
    first, second = sorted(raw, key=lambda address: int(address, 16))
    sqrt_price = math.isqrt(raw[second] * 2**192 // raw[first])
    chain.send(exchange.position_manager, _CREATE, first, second, _RAW_FEE, sqrt_price)
    position: tuple[Any, ...] = (
        first, second, _RAW_FEE, -_LAST_TICK, _LAST_TICK, raw[first], raw[second], 0, 0, chain.owner, FOREVER,
    )  # fmt: skip
    chain.send(exchange.position_manager, _MINT, position)
    pool = cast(str, chain.connection.call(exchange.factory, _GET_POOL, first, second, _RAW_FEE))
    return TradingPairIdentifier(
        base,
        quote,
        pool.lower(),
        exchange.factory.lower(),
        internal_id=internal_id,
        fee=_RAW_FEE / 1_000_000,
        exchange_name="uniswap-v3",
    )
