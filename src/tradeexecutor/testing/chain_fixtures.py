"""pytest fixtures: a chain on this machine, for tests of strategies that trade on one.

Import into your ``conftest.py`` what you want to ask for::

    from tradeexecutor.testing.chain_fixtures import dev_chain, dev_chain_process, dev_market

One chain runs for each process of pytest, and every test finds it as it was at the beginning.  Where it cannot be
installed, because npm cannot be reached, tests that ask for it are skipped and say so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from tradeexecutor.ethereum.devchain.chain import DevChain, UniswapV2
from tradeexecutor.ethereum.devchain.packages import DevChainUnavailable
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier

__all__ = ["DevMarket", "dev_chain", "dev_chain_process", "dev_market"]


@dataclass(frozen=True, slots=True)
class DevMarket:
    """What can be traded on the chain.

    Attributes
    ----------
    usdc, weth
        Reserve currency (6 decimals) and a token (18 decimals).
    exchange
        A Uniswap v2.
    pair
        WETH-USDC at 2,000 USDC, 1,000 WETH deep.
    """

    usdc: AssetIdentifier
    weth: AssetIdentifier
    exchange: UniswapV2
    pair: TradingPairIdentifier


def _deploy_market(chain: DevChain) -> DevMarket:
    usdc, weth = chain.deploy_token("USDC", 6), chain.deploy_token("WETH", 18)
    exchange = chain.deploy_uniswap_v2()
    pair = chain.create_v2_pool(exchange, weth, usdc, Decimal(1_000), price=Decimal(2_000))
    return DevMarket(usdc, weth, exchange, pair)


@pytest.fixture(scope="session")
def dev_chain_process() -> Iterator[tuple[DevChain, DevMarket]]:
    """The chain of this process of pytest, and what is deployed on it; ask for `dev_chain` and `dev_market` instead."""
    try:
        chain = DevChain()
    except DevChainUnavailable as error:
        pytest.skip(str(error))
    with chain:
        yield chain, _deploy_market(chain)


@pytest.fixture
def dev_chain(dev_chain_process: tuple[DevChain, DevMarket]) -> Iterator[DevChain]:
    """A chain that is after the test what it was before."""
    chain, _ = dev_chain_process
    with chain.restoring():
        yield chain
    chain.anvil.set_automine(on=True)


@pytest.fixture
def dev_market(dev_chain_process: tuple[DevChain, DevMarket]) -> DevMarket:
    """Tokens, an exchange and a pair on the chain."""
    return dev_chain_process[1]
