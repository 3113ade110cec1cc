"""What cannot change any more is read once; what can is read again."""

from decimal import Decimal

import pytest

from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.ethereum.trade_history import TradeHistory
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution


class Reader:
    """Remembers what it was given, and checks it against all trades of the state."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.history = TradeHistory(self.taken.clear, lambda trade: self.taken.append(trade.trade_id))

    def read(self, state: State) -> list[int]:
        changing = [trade.trade_id for trade in self.history.read(state)]
        everything = [
            trade.trade_id
            for position in state.portfolio.get_all_positions(pending=True)
            for trade in position.trades.values()
        ]
        assert sorted(self.taken + changing) == sorted(everything), "every trade once"
        return changing


@pytest.fixture
def trader() -> Trader:
    return Trader(new_state())


def fail(trader: Trader) -> TradeExecution:
    return trader.start_and_fail(WETH_USDC, "0.1", 2_000.0)


def test_executed_trades_are_taken_once(trader: Trader):
    reader = Reader()
    for _ in range(3):
        trader.buy(WETH_USDC, "0.1", 2_000.0)
        assert reader.read(trader.state) == []
    trader.sell(WETH_USDC, "0.3", 2_000.0)
    assert trader.state.portfolio.closed_positions
    assert reader.read(trader.state) == []
    trader.buy(WETH_USDC, "0.1", 2_000.0)
    assert reader.read(trader.state) == []
    assert reader.taken == [1, 2, 3, 4, 5]


def test_a_failed_trade_and_what_follows_are_looked_at_again(trader: Trader):
    reader = Reader()
    trader.buy(WETH_USDC, "0.1", 2_000.0)
    fail(trader)
    trader.buy(WETH_USDC, "0.1", 2_000.0)
    for _ in range(2):
        assert reader.read(trader.state) == [2, 3]
    trader.sell(WETH_USDC, "0.2", 2_000.0)
    assert reader.read(trader.state) == []
    assert reader.taken == [1, 2, 3, 4]


def test_a_trade_in_flight_is_looked_at_until_it_succeeds(trader: Trader):
    reader = Reader()
    _, trade = trader.plan(WETH_USDC, "0.1", 2_000.0)
    assert reader.read(trader.state) == [1]
    trader.send(trade)
    assert reader.read(trader.state) == [1]
    trader.succeed(trade)
    assert reader.read(trader.state) == []


def test_another_state_is_read_from_the_beginning(trader: Trader):
    reader = Reader()
    trader.buy(WETH_USDC, "0.1", 2_000.0)
    trader.sell(WETH_USDC, "0.1", 2_000.0)
    trader.buy(WETH_USDC, Decimal("0.2"), 2_000.0)
    for state in (trader.state, State.from_json(trader.state.to_json()), trader.state):
        assert reader.read(state) == []
        assert reader.taken == [3, 1, 2]
