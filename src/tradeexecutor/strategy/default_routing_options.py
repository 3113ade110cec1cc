"""Import path of existing strategies: names of routes. A universe and the chain file say where pairs are traded."""

import enum

__all__ = ["TradeRouting"]


class TradeRouting(enum.Enum):
    """A way to trade; accepted in modules of strategies, where pairs know their market."""

    default = "default"
    ignore = "ignore"
    user_supplied_routing_model = "user_supplied_routing_model"
    vault = "vault"
    pancakeswap_busd = "pancakeswap_busd"
    pancakeswap_usdc = "pancakeswap_usdc"
    pancakeswap_usdt = "pancakeswap_usdt"
    quickswap_usdc = "quickswap_usdc"
    quickswap_usdt = "quickswap_usdt"
    trader_joe_usdc = "trader_joe_usdc"
    trader_joe_usdt = "trader_joe_usdt"
    uniswap_v2_usdc = "uniswap_v2_usdc"
    uniswap_v2_usdt = "uniswap_v2_usdt"
    uniswap_v2_dai = "uniswap_v2_dai"
    uniswap_v3_usdc = "uniswap_v3_usdc"
    uniswap_v3_usdt = "uniswap_v3_usdt"
    uniswap_v3_dai = "uniswap_v3_dai"
    uniswap_v3_busd = "uniswap_v3_busd"
    uniswap_v3_usdc_poly = "uniswap_v3_usdc_poly"
    uniswap_v3_usdt_poly = "uniswap_v3_usdt_poly"
    uniswap_v3_usdc_arbitrum_native = "uniswap_v3_usdc_arbitrum_native"
    uniswap_v3_usdc_arbitrum_bridged = "uniswap_v3_usdc_arbitrum_bridged"
    uniswap_v3_usdt_arbitrum = "uniswap_v3_usdt_arbitrum"
    one_delta_usdc_poly = "one_delta_usdc_poly"
    sushi_usdc = "sushi_usdc"
    sushi_usdt = "sushi_usdt"
