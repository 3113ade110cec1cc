"""Sign, record, save, send, mark, save, wait: in this order, and offering more for gas when it takes too long."""

import itertools
from decimal import Decimal
from typing import Any

import pytest

from tests.ethereum.trader import Trader
from tradeexecutor.ethereum.broadcast import Broadcaster, WaitRules
from tradeexecutor.ethereum.connection import ChainConnection, RetryPolicy, open_provider
from tradeexecutor.ethereum.devchain.anvil import CHAIN_ID
from tradeexecutor.ethereum.hot_wallet import FeeRules
from tradeexecutor.ethereum.transactions import get_fees
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus


class Watched:
    """A node, and what it was asked in which order; saves are noted in between."""

    def __init__(self, trader: Trader):
        self.endpoint_uri = trader.chain.anvil.url
        self._inner = open_provider(self.endpoint_uri)
        self.happened: list[str] = []
        self.states: list[State] = []

    def make_request(self, method: str, params: Any) -> Any:
        if method == "eth_sendRawTransaction":
            self.happened.append("send")
        return self._inner.make_request(method, params)

    def save(self, state: State) -> None:
        self.happened.append("save")
        self.states.append(State.from_json(state.to_json()))


def test_everything_is_on_file_before_it_is_sent_and_again_after(trader: Trader):
    node = Watched(trader)
    execution = trader.make_execution(ChainConnection([node], CHAIN_ID, confirmations=1), save=node.save)
    execution.execute_trades(trader.chain.now, trader.state, [trader.plan_buy(Decimal(500))])
    assert node.happened[:4] == ["save", "send", "send", "save"]
    assert set(node.happened[4:]) == {"save"}
    (before,), (after,), (end,) = (list(node.states[i].portfolio.get_all_trades()) for i in (0, 1, -1))
    assert before.get_status() is TradeStatus.started
    assert all(tx.tx_hash and tx.signed_bytes and tx.nonce is not None for tx in before.blockchain_transactions)
    assert all(tx.broadcasted_at is None for tx in before.blockchain_transactions)
    assert after.get_status() is TradeStatus.broadcasted
    assert all(tx.broadcasted_at is not None for tx in after.blockchain_transactions)
    assert end.is_success()


def test_when_the_state_cannot_be_saved_nothing_is_sent(trader: Trader):
    node = Watched(trader)

    def refuse(state: State) -> None:
        raise OSError("the disk is full")

    execution = trader.make_execution(ChainConnection([node], CHAIN_ID, confirmations=1), save=refuse)
    with pytest.raises(OSError, match="full"):
        execution.execute_trades(trader.chain.now, trader.state, [trader.plan_buy(Decimal(500))])
    assert "send" not in node.happened
    assert trader.connection.get_transaction_count(trader.wallet.address) == 0


class Clock:
    """Time passes when somebody sleeps; the chain makes a block for every tenth time."""

    def __init__(self, trader: Trader, mine_after: int):
        self.now = 0.0
        self._trader = trader
        self._left = mine_after

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self._left -= 1
        if self._left <= 0:
            self._trader.chain.anvil.mine()


def _wait(trader: Trader, *, mine_after: int, fee_rules: FeeRules | None = None, max_bumps: int = 5) -> TradeExecution:
    """Buy on a chain that makes no block before the given number of looks at it, one every ten seconds."""
    clock = Clock(trader, mine_after)
    rules = WaitRules(timeout=600, poll=10, bump_after=60, max_bumps=max_bumps)
    connection = trader.chain.anvil.connect(sleep=clock.sleep)
    execution = trader.make_execution(connection)
    execution.broadcaster = Broadcaster(
        connection, trader.wallet, trader.save, wait_rules=rules, fee_rules=fee_rules, monotonic=lambda: clock.now
    )
    trader.chain.anvil.set_automine(on=False)
    trade = trader.plan_buy(Decimal(500))
    execution.execute_trades(trader.chain.now, trader.state, [trade])
    trader.assert_books_equal_chain()
    return trade


def test_a_transaction_that_waits_for_too_long_offers_more(trader: Trader):
    trade = _wait(trader, mine_after=15)
    assert trade.is_success()
    for transaction in trade.blockchain_transactions:
        assert transaction.other is not None
        offers = [earlier["maxFeePerGas"] for earlier in transaction.other["earlier"]]
        offers.append(get_fees(transaction).max_fee)
        assert len(offers) == 3
        for earlier, later in itertools.pairwise(offers):
            assert later >= earlier * 1.1, "what real nodes want"
    assert trader.connection.get_transaction_count(trader.wallet.address) == 2


def test_a_replacement_is_on_file_before_it_is_sent(trader: Trader):
    _wait(trader, mine_after=8)
    replaced = [text for text in trader.saved if '"earlier"' in text]
    trade = next(iter(State.from_json(replaced[0]).portfolio.get_all_trades()))
    assert trade.get_status() is TradeStatus.broadcasted


def test_a_quick_transaction_keeps_its_offer(trader: Trader):
    trade = _wait(trader, mine_after=2)
    assert all("earlier" not in (tx.other or {}) for tx in trade.blockchain_transactions)


def test_it_does_not_offer_more_than_the_limit(trader: Trader):
    offer = FeeRules().suggest(trader.connection)
    trade = _wait(trader, mine_after=30, fee_rules=FeeRules(max_fee=int(offer.max_fee * 1.2)))
    for transaction in trade.blockchain_transactions:
        assert len((transaction.other or {})["earlier"]) == 1
        assert get_fees(transaction).max_fee <= offer.max_fee * 1.2


def test_it_does_not_offer_more_than_so_often(trader: Trader):
    trade = _wait(trader, mine_after=50, max_bumps=2)
    assert [len((tx.other or {})["earlier"]) for tx in trade.blockchain_transactions] == [2, 2]


def test_when_an_earlier_version_is_mined_the_record_says_so(trader: Trader):
    """The node never gets the replacement, and mines what it had before."""
    clock = Clock(trader, mine_after=8)

    class Deaf(Watched):
        sent = 0

        def make_request(self, method: str, params: Any) -> Any:
            if method == "eth_sendRawTransaction":
                self.sent += 1
                if self.sent > 2:
                    raise TimeoutError
            return super().make_request(method, params)

    node = Deaf(trader)
    connection = ChainConnection([node], CHAIN_ID, confirmations=1, sleep=clock.sleep, retry=RetryPolicy(rounds=1))
    execution = trader.make_execution(connection)
    rules = WaitRules(timeout=600, poll=10, bump_after=60)
    execution.broadcaster = Broadcaster(
        connection, trader.wallet, trader.save, wait_rules=rules, monotonic=lambda: clock.now
    )
    trader.chain.anvil.set_automine(on=False)
    trade = trader.plan_buy(Decimal(500))
    execution.execute_trades(trader.chain.now, trader.state, [trade])
    assert trade.is_success()
    for transaction in trade.blockchain_transactions:
        receipt = trader.connection.find_receipt(transaction.tx_hash or "")
        assert receipt is not None
        assert receipt.block_number == transaction.block_number
        assert len((transaction.other or {})["earlier"]) == 1
    trader.assert_books_equal_chain()
