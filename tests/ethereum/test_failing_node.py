"""A node that fails at any request, before or after it has done what it was asked for, changes no outcome."""

import random
from decimal import Decimal
from typing import Any

import pytest

from tests.ethereum.trader import Trader
from tests.kit.soak import scaled
from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.connection import ChainConnection, Provider, RetryPolicy, open_provider
from tradeexecutor.ethereum.devchain.anvil import CHAIN_ID
from tradeexecutor.ethereum.errors import ChainUnavailable
from tradeexecutor.state.state import State

pytestmark = pytest.mark.slow


class Unreliable:
    """A node of which some requests fail: unheard, or heard and done with the answer lost, or with an odd
    error, or answered with something else."""

    def __init__(self, inner: Provider, failures: float, randomness: random.Random):
        self.endpoint_uri = "http://unreliable"
        self._inner = inner
        self._failures = failures
        self._randomness = randomness

    def make_request(self, method: str, params: Any) -> Any:
        if self._randomness.random() >= self._failures:
            return self._inner.make_request(method, params)
        kind = self._randomness.choice(("unheard", "lost", "busy", "nonsense"))
        if kind == "lost":
            self._inner.make_request(method, params)
        if kind == "busy":
            return {"error": {"code": -32005, "message": "too many requests"}}
        if kind == "nonsense" and method != "eth_sendRawTransaction":
            return self._randomness.choice(({"result": 7.5}, {"result": {}}, {"result": "<html>"}, {}, None))
        raise ConnectionError(kind)


@pytest.mark.parametrize("seed", range(scaled(6)))
def test_trades_end_as_the_chain_says_whatever_the_node_does(trader: Trader, seed: int):
    randomness = random.Random(seed)
    nodes = [Unreliable(open_provider(trader.chain.anvil.url), share, randomness) for share in (0.4, 0.2)]
    connection = ChainConnection(
        nodes, CHAIN_ID, confirmations=1, retry=RetryPolicy(rounds=30), sleep=lambda seconds: None
    )
    execution = trader.make_execution(connection)
    for _ in range(3):
        execution.execute_trades(trader.chain.now, trader.state, [trader.plan_buy(Decimal(300))])
        (position,) = trader.state.portfolio.get_open_positions()
        sell = trader.plan_sell(position.get_quantity() / randomness.choice((1, 2)))
        execution.execute_trades(trader.chain.now, trader.state, [sell])
    trader.assert_books_equal_chain()
    transactions = [tx for trade in trader.state.portfolio.get_all_trades() for tx in trade.blockchain_transactions]
    assert len(transactions) == trader.connection.get_transaction_count(trader.wallet.address)


@pytest.mark.parametrize("fails_at", range(22))
def test_a_node_that_goes_away_for_good_leaves_a_state_from_which_the_next_start_goes_on(trader: Trader, fails_at: int):
    """The same at every moment: the connection is lost, the program ends, another one starts from the file."""

    class Leaving:
        endpoint_uri = "http://leaving"
        asked = 0

        def __init__(self) -> None:
            self._inner = open_provider(trader.chain.anvil.url)

        def make_request(self, method: str, params: Any) -> Any:
            self.asked += 1
            if self.asked > fails_at:
                raise ConnectionError
            return self._inner.make_request(method, params)

    connection = ChainConnection([Leaving()], CHAIN_ID, confirmations=1, retry=RetryPolicy(rounds=1))
    execution = trader.make_execution(connection, wait_rules=WaitRules(timeout=5, poll=0))
    trade = trader.plan_buy(Decimal(300))
    trader.save(trader.state)
    try:
        execution.execute_trades(trader.chain.now, trader.state, [trade])
    except ChainUnavailable:
        pass
    else:
        assert fails_at > 12, "a trade takes more requests than that"
    state: State = trader.load()
    trader.make_execution().resolve_unconfirmed(trader.chain.now, state)
    state.check_if_clean()
    trader.assert_books_equal_chain(state)
    sent = [tx for trade in state.portfolio.get_all_trades() for tx in trade.blockchain_transactions]
    assert len(sent) == trader.connection.get_transaction_count(trader.wallet.address)
