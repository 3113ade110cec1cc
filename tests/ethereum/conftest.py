"""A chain for each process of pytest, a trader on it, and a strategy that runs live."""

import contextlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.ethereum.live_strategy import Live, write_live_folder
from tests.ethereum.trader import Trader
from tradeexecutor.ethereum.connection import ChainConnection
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


@pytest.fixture
def folder(trader: Trader, tmp_path: Path) -> Path:
    return write_live_folder(trader, tmp_path)


@pytest.fixture
def make_live(trader: Trader, folder: Path) -> Iterator[Callable[..., Live]]:
    with contextlib.ExitStack() as stack:

        def make(connection: ChainConnection | None = None, **settings: Any) -> Live:
            live = Live(trader, folder, connection, **settings)
            stack.callback(live.store.close)
            return live

        yield make
