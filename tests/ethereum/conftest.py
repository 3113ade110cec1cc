"""A chain for each process of pytest, and a trader on it."""

from decimal import Decimal

import pytest

from tests.ethereum.trader import Trader
from tradeexecutor.ethereum.devchain.chain import DevChain
from tradeexecutor.state.state import State
from tradeexecutor.testing.chain_fixtures import (
    DevMarket,
    dev_chain,  # noqa: F401
    dev_chain_process,  # noqa: F401
    dev_market,  # noqa: F401
)


@pytest.fixture
def trader(dev_chain: DevChain, dev_market: DevMarket) -> Trader:  # noqa: F811
    wallet = dev_chain.create_wallet({dev_market.usdc: Decimal(10_000)})
    state = State(created_at=dev_chain.now, name="live")
    state.portfolio.initialise_reserves(dev_market.usdc, reserve_token_price=1.0)
    state.portfolio.adjust_reserves(dev_market.usdc, Decimal(10_000))
    return Trader(dev_chain, dev_market, wallet, dev_chain.anvil.connect(), state)
