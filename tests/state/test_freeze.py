"""Positions of failed trades are set aside until somebody repairs them."""

import pytest

from tests.kit.samples import blockchain_transaction
from tests.kit.trader import DAY, LINK_USDC, T0, WETH_USDC, Trader, new_state
from tradeexecutor.state.errors import WrongPositionStatus
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeFlag


@pytest.fixture
def trader() -> Trader:
    trader = Trader(new_state(20_000), 0.0, 1.0)
    trader.buy(WETH_USDC, "2", 2000.0)
    return trader


def test_nothing_failed(trader: Trader):
    before = trader.state.to_json()
    trades = list(trader.state.portfolio.get_all_trades())
    assert freeze_position_on_failed_trade(T0, trader.state, trades) == (trades, [])
    assert freeze_position_on_failed_trade(T0, trader.state, []) == ([], [])
    assert trader.state.to_json() == before


def test_the_position_of_a_failed_trade_is_frozen(trader: Trader):
    state = trader.state
    failed = trader.start_and_fail(WETH_USDC, "-1", 2000.0)
    failed.blockchain_transactions = [blockchain_transaction()]
    cash = state.portfolio.get_cash()
    good = state.portfolio.open_positions[1].trades[1]
    assert freeze_position_on_failed_trade(T0 + DAY, state, [good, failed]) == ([good], [failed])
    position = state.portfolio.frozen_positions[1]
    assert state.portfolio.open_positions == {}
    assert (position.is_frozen(), position.frozen_at, position.closed_at) == (True, T0 + DAY, None)
    assert position.notes == f"Frozen at {T0 + DAY} due to trade {failed.trade_id} failing: TRF\n"
    assert position.get_freeze_reason() == "TRF"
    assert state.portfolio.get_cash() == cash
    assert state.asset_blacklist == set()
    state.perform_integrity_check()


def test_the_position_is_the_one_of_the_trade_not_the_first_of_the_pair(trader: Trader):
    """The reference freezes the first open position of the pair."""
    second, trade = trader.plan(WETH_USDC, "1", 2000.0, flags={TradeFlag.ignore_open})
    trader.start(trade)
    trader.fail(trade)
    freeze_position_on_failed_trade(T0, trader.state, [trade])
    assert trader.state.portfolio.frozen_positions == {2: second}
    assert list(trader.state.portfolio.open_positions) == [1]


def test_two_failed_trades_of_one_position(trader: Trader):
    """The reference fails on the second."""
    failed = [trader.start_and_fail(WETH_USDC, quantity, 2000.0) for quantity in ("-1", "-0.5")]
    assert freeze_position_on_failed_trade(T0, trader.state, failed) == ([], failed)
    position = trader.state.portfolio.frozen_positions[1]
    assert (position.notes or "").count("Frozen at") == 2


def test_failed_trades_of_several_positions(trader: Trader):
    trader.buy(LINK_USDC, "10", 10.0)
    failed = [trader.start_and_fail(pair, "-1", 10.0) for pair in (LINK_USDC, WETH_USDC)]
    freeze_position_on_failed_trade(T0, trader.state, failed)
    assert sorted(trader.state.portfolio.frozen_positions) == [1, 2]


def unfreeze(trader: Trader) -> TradingPosition:
    """What a repair does at its end."""
    portfolio = trader.state.portfolio
    position = portfolio.frozen_positions.pop(1)
    portfolio.open_positions[1] = position
    position.unfrozen_at = T0
    for trade in position.get_failed_trades():
        trade.repaired_at = T0
    return position


def test_a_repaired_position_can_be_frozen_again(trader: Trader):
    """In the reference it then says that it is not frozen."""
    freeze_position_on_failed_trade(T0, trader.state, [trader.start_and_fail(WETH_USDC, "-1", 2000.0)])
    position = unfreeze(trader)
    assert (position.is_frozen(), position.is_unfrozen()) == (False, True)
    freeze_position_on_failed_trade(T0 + DAY, trader.state, [trader.start_and_fail(WETH_USDC, "-1", 2000.0)])
    assert trader.state.portfolio.frozen_positions == {1: position}
    assert (position.is_frozen(), position.is_unfrozen(), position.frozen_at) == (True, False, T0 + DAY)


def test_repaired_trades_do_not_freeze(trader: Trader):
    failed = trader.start_and_fail(WETH_USDC, "-1", 2000.0)
    failed.repaired_at = T0
    assert freeze_position_on_failed_trade(T0, trader.state, [failed]) == ([failed], [])


def test_a_closed_position_is_not_frozen_and_no_other_either(trader: Trader):
    trader.buy(LINK_USDC, "10", 10.0)
    good = trader.start_and_fail(LINK_USDC, "-1", 10.0)
    bad = trader.start_and_fail(WETH_USDC, "-1", 2000.0)
    trader.state.portfolio.close_position(trader.state.portfolio.open_positions[1], T0)
    before = trader.state.to_json()
    with pytest.raises(WrongPositionStatus, match=f"#{bad.trade_id}"):
        freeze_position_on_failed_trade(T0, trader.state, [good, bad])
    assert trader.state.to_json() == before
