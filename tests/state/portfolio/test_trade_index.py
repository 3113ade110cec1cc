"""Look-ups of a portfolio with a long history, and what its tables and indexes are to those who do not ask."""

import copy
import dataclasses
import gc
import pickle
import weakref
from typing import Any

import pytest

from tests.kit.trader import LINK_USDC, T0, USDC, WBTC, WBTC_USDC, WETH_USDC, Trader, new_state, pair
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import NonceAlreadyUsed
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.portfolio import Portfolio, trade_index
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.grouping import PositionsById
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag
from tradeexecutor.state.trade.totals import TradesById


def attach(trade: TradeExecution, nonce: int) -> None:
    trade.set_blockchain_transactions([BlockchainTransaction(nonce=nonce, tx_hash=hex(nonce))])


def trade_often(trader: Trader, count: int) -> None:
    """Make `count` round trips, each trade with a transaction."""
    for _ in range(count):
        for quantity in ("1", "-1"):
            _, trade = trader.plan(WETH_USDC, quantity, 2000.0)
            trader.start(trade)
            attach(trade, trader.nonce - 1)
            trader.broadcast(trade)
            trader.succeed(trade)


@pytest.fixture
def trader() -> Trader:
    """20 closed positions with 40 trades, nonces 1-40, of a portfolio that was asked often."""
    trader = Trader(new_state(100_000), 0.0, 1.0)
    trade_often(trader, 20)
    return trader


@pytest.fixture
def portfolio(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> Portfolio:
    """The portfolio of the trader, which fails the test when it scans for a trade."""

    def scan(*arguments: Any) -> None:
        raise AssertionError(f"scanned for {arguments[1:]}")

    monkeypatch.setattr(trade_index, "scan_for_id", scan)
    monkeypatch.setattr(trade_index, "scan_for_transaction", scan)
    return trader.state.portfolio


def find_nonces(portfolio: Portfolio, nonces: Any) -> list[int]:
    """Return the trades that used the nonces, 0 for a new one."""
    result: list[int] = []
    for nonce in nonces:
        try:
            portfolio.check_for_nonce_reuse(nonce)
            result.append(0)
        except NonceAlreadyUsed as error:
            result.append(error.trade_id)
    return result


def test_trades_are_found_without_a_scan(portfolio: Portfolio):
    for trade in portfolio.get_all_trades():
        assert portfolio.get_trade_by_id(trade.trade_id) is trade
        assert portfolio.get_trade_by_tx_hash(hex(trade.trade_id)) is trade
    assert portfolio.get_trade_by_id(41) is None
    assert portfolio.get_trade_by_tx_hash("0xaa") is None
    assert find_nonces(portfolio, [0, 1, 40, 41]) == [0, 1, 40, 0]


def test_new_trades_are_found_without_a_scan(trader: Trader, portfolio: Portfolio):
    position, trade = trader.plan(WBTC_USDC, "1", 2000.0)
    assert portfolio.get_trade_by_id(41) is trade
    trade.blockchain_transactions.append(BlockchainTransaction())
    assert find_nonces(portfolio, [41]) == [0]
    trade.blockchain_transactions[0].set_broadcast_information(41, "0xaa", "0x01")
    assert find_nonces(portfolio, [41]) == [41]
    assert portfolio.get_trade_by_tx_hash("0xaa") is trade
    trader.nonce = 50
    trader.execute(trade)
    assert find_nonces(portfolio, [41]) == [41]
    portfolio.frozen_positions[position.position_id] = portfolio.open_positions.pop(position.position_id)
    assert find_nonces(portfolio, [41]) == [41]
    position.trades[100] = dataclasses.replace(trade, trade_id=100, blockchain_transactions=[])
    assert portfolio.get_trade_by_id(100) is position.trades[100]


def test_a_failed_trade_that_is_tried_again_has_new_transactions(trader: Trader, portfolio: Portfolio):
    trade = trader.start_and_fail(WBTC_USDC, "1", 2000.0)
    attach(trade, 41)
    assert find_nonces(portfolio, [41, 42]) == [41, 0]
    trade.blockchain_transactions[0].set_broadcast_information(42, "0xaa", "0x01")
    assert find_nonces(portfolio, [41, 42]) == [0, 41]
    trade.repaired_at = T0
    assert find_nonces(portfolio, [41, 42]) == [0, 41]
    assert portfolio.get_trade_by_tx_hash("0xaa") is trade


def test_transactions_of_old_trades_can_be_replaced(trader: Trader):
    portfolio = trader.state.portfolio
    trade = portfolio.closed_positions[3].trades[5]
    assert find_nonces(portfolio, [5, 50]) == [5, 0]
    trade.blockchain_transactions = [BlockchainTransaction(nonce=50)]
    assert find_nonces(portfolio, [5, 50]) == [0, 5]


def test_the_first_of_several_trades_with_the_same_hash_is_found(trader: Trader):
    portfolio = trader.state.portfolio
    for trade_id in (30, 10, 20):
        trade = portfolio.get_trade_by_id(trade_id)
        assert trade is not None
        trade.blockchain_transactions = [BlockchainTransaction(nonce=99, tx_hash="0xaa")]
    found = portfolio.get_trade_by_tx_hash("0xaa")
    assert found is portfolio.get_trade_by_id(10)
    assert find_nonces(portfolio, [99]) == [10]


def test_trades_that_are_replaced_between_two_tables_are_found(trader: Trader, portfolio: Portfolio):
    _, trade = trader.buy(WBTC_USDC, "1", 2000.0)
    position = portfolio.open_positions.pop(trade.position_id)
    other = dataclasses.replace(trade, trade_id=100, blockchain_transactions=[BlockchainTransaction(nonce=100)])
    position.trades = TradesById({100: other})
    portfolio.closed_positions[position.position_id] = position
    assert portfolio.get_trade_by_id(100) is other
    assert find_nonces(portfolio, [100]) == [100]


def test_two_portfolios_that_share_a_position_both_follow_it(trader: Trader):
    one = trader.state.portfolio
    other = copy.copy(one)
    other.open_positions, other.closed_positions = PositionsById(one.open_positions), PositionsById()
    position, _ = trader.buy(WBTC_USDC, "1", 2000.0)
    other.open_positions[position.position_id] = position
    for portfolio in (one, other):
        for _ in range(20):
            portfolio.check_for_nonce_reuse(1_000)
    _, trade = trader.plan(WBTC_USDC, "1", 2000.0)
    attach(trade, 1_000)
    for portfolio in (one, other):
        assert portfolio.get_trade_by_id(trade.trade_id) is trade
        assert find_nonces(portfolio, [1_000]) == [trade.trade_id]
    assert one.get_trade_by_id(1) is not None
    assert other.get_trade_by_id(1) is None


def test_a_position_of_an_index_stays_what_it_was(trader: Trader):
    position = trader.state.portfolio.closed_positions[3]
    assert isinstance(position, TradingPosition)
    assert type(position).__name__ == "TradingPosition"
    assert position.to_dict().keys() == TradingPosition(1, WETH_USDC, T0, T0, 1.0, 1.0, USDC).to_dict().keys()
    for duplicate in (copy.copy(position), copy.deepcopy(position), pickle.loads(pickle.dumps(position))):
        assert type(duplicate) is TradingPosition
        assert duplicate.to_dict() == position.to_dict()
    assert dataclasses.replace(position, notes="other").trades is position.trades


def test_an_index_keeps_nothing_alive(trader: Trader):
    portfolio = trader.state.portfolio
    assert portfolio.get_trade_by_id(1) is not None
    tables = [weakref.ref(table) for table in portfolio.get_position_tables()]
    tables.append(weakref.ref(portfolio.closed_positions[1].trades))  # type: ignore[arg-type]
    gc.disable()
    try:
        trader.state = State()
        del portfolio
        assert [table() for table in tables] == [None] * 6
    finally:
        gc.enable()


# --- Positions


def test_positions_are_found_without_a_scan(monkeypatch: pytest.MonkeyPatch):
    portfolio = Portfolio()
    pairs = [pair(AssetIdentifier(1, f"0x{n:040x}", f"T{n}", 18), USDC, 0.003, n) for n in range(1_000, 1_200)]
    for number, traded in enumerate(pairs, start=1):
        portfolio.open_positions[number] = TradingPosition(number, traded, T0, T0, 1.0, 1.0, USDC)
    compared: list[Any] = []
    equal, get_identifier = TradingPairIdentifier.__eq__, TradingPairIdentifier.get_identifier

    def ask(traded: TradingPairIdentifier) -> list[TradingPosition | None]:
        return [
            portfolio.get_open_position_for_pair(traded),
            portfolio.get_position_by_trading_pair(traded),
            portfolio.get_open_position_for_asset(traded.base),
            next(iter(portfolio.iterate_open_positions_for_pair(traded)), None),
        ]

    ask(pairs[0])
    monkeypatch.setattr(TradingPairIdentifier, "__eq__", lambda one, other: compared.append(one) or equal(one, other))
    monkeypatch.setattr(
        TradingPairIdentifier, "get_identifier", lambda self: compared.append(self) or get_identifier(self)
    )
    assert ask(dataclasses.replace(pairs[150])) == [portfolio.open_positions[151]] * 4
    assert portfolio.get_existing_open_position_by_trading_pair(pairs[150]) is None
    assert portfolio.get_bridge_position_for_chain(1) is None
    portfolio.closed_positions[151] = portfolio.open_positions.pop(151)
    assert ask(pairs[150]) == [None] * 4
    portfolio.open_positions[151] = portfolio.closed_positions.pop(151)
    assert ask(pairs[150]) == [portfolio.open_positions[151]] * 4
    assert len(compared) < 30


def test_a_position_that_was_given_another_pair_can_still_leave(trader: Trader):
    portfolio = trader.state.portfolio
    for _ in range(10):
        trader.plan(WETH_USDC, "1", 2000.0, flags={TradeFlag.ignore_open})
    trader.buy(WBTC_USDC, "1", 2000.0)
    position = portfolio.get_position_by_trading_pair(WBTC_USDC)
    assert position is not None
    assert portfolio.get_open_position_for_asset(WBTC) is position
    position.pair = LINK_USDC
    assert portfolio.get_position_by_trading_pair(WBTC_USDC) is None
    assert portfolio.open_positions.pop(position.position_id) is position
    assert portfolio.get_position_by_trading_pair(LINK_USDC) is None
    assert [p.pair for p in portfolio.iterate_open_positions_for_pair(WETH_USDC)] == [WETH_USDC] * 10


def test_plain_dictionaries_become_tables_when_a_portfolio_is_made(trader: Trader):
    assert all(type(table) is PositionsById for table in Portfolio(open_positions={}).get_position_tables())
    before = trader.state.to_json()
    loaded = State.from_json(before)
    assert all(type(table) is PositionsById for table in loaded.portfolio.get_position_tables())
    assert loaded.to_json() == before
    assert loaded.portfolio == trader.state.portfolio
    assert type(copy.deepcopy(trader.state).portfolio.closed_positions) is PositionsById


def test_closed_positions_cost_a_new_trade_nothing(trader: Trader, monkeypatch: pytest.MonkeyPatch):
    """Neither planning, nor starting with a nonce, nor the outcome walks over the closed positions."""
    portfolio = trader.state.portfolio

    def walk(name: str) -> Any:
        def method(table: PositionsById) -> Any:
            assert table is not portfolio.closed_positions, "walked over the closed positions"
            return getattr(dict, name)(table)

        return method

    for name in ("__iter__", "keys", "values", "items"):
        monkeypatch.setattr(PositionsById, name, walk(name), raising=False)
    trade_often(trader, 2)
    assert portfolio.calculate_total_equity() == 100_000
    assert find_nonces(portfolio, [1, 44, 45]) == [1, 44, 0]
    with pytest.raises(AssertionError, match="walked"):
        list(portfolio.get_all_trades())
