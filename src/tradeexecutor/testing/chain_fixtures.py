"""pytest fixtures with a local chain, for tests of strategies that trade on a chain.

Import the fixtures into your ``conftest.py``::

    from tradeexecutor.testing.chain_fixtures import dev_chain, dev_chain_process, dev_market

One chain runs for each process of pytest, and it is in its initial state at the beginning of each test. If it cannot be
installed, for example because npm cannot reach its registry, the tests that use it are skipped with the reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from tradeexecutor.ethereum.devchain.chain import DevChain, UniswapV2
from tradeexecutor.ethereum.devchain.packages import DevChainUnavailable
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier

__all__ = ["DevMarket", "deploy_dev_market", "dev_chain", "dev_chain_process", "dev_market"]


@dataclass(frozen=True, slots=True)
class DevMarket:
    """Tokens and markets on the chain.

    Attributes
    ----------
    usdc, weth
        Reserve currency (6 decimals) and a token (18 decimals).
    exchange
        An exchange of the kind Uniswap v2.
    pair
        WETH-USDC at a price of 2,000 USDC, with 1,000 WETH of liquidity.
    """

    usdc: AssetIdentifier
    weth: AssetIdentifier
    exchange: UniswapV2
    pair: TradingPairIdentifier


def deploy_dev_market(chain: DevChain) -> DevMarket:
    """Deploy the tokens and the exchange that the tests trade with."""
    usdc, weth = chain.deploy_token("USDC", 6), chain.deploy_token("WETH", 18)
    exchange = chain.deploy_uniswap_v2()
    pair = chain.create_v2_pool(exchange, weth, usdc, Decimal(1_000), price=Decimal(2_000))
    return DevMarket(usdc, weth, exchange, pair)


@pytest.fixture(scope="session")
def dev_chain_process() -> Iterator[tuple[DevChain, DevMarket]]:
    """The chain of this process of pytest and its market; tests should use `dev_chain` and `dev_market` instead."""
    try:
        chain = DevChain()
    except DevChainUnavailable as error:
        pytest.skip(str(error))
    with chain:
        yield chain, deploy_dev_market(chain)


@pytest.fixture
def dev_chain(dev_chain_process: tuple[DevChain, DevMarket]) -> Iterator[DevChain]:
    """A local chain, whose changes are undone after the test."""
    chain, _ = dev_chain_process
    with chain.restoring():
        yield chain
    chain.anvil.set_automine(on=True)


@pytest.fixture
def dev_market(dev_chain_process: tuple[DevChain, DevMarket]) -> DevMarket:
    """Tokens, an exchange and a pair on the chain."""
    return dev_chain_process[1]
