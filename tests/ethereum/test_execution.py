"""Trades on a real chain: what is booked is what happened."""

from decimal import Decimal

import pytest

from tests.ethereum.trader import Trader
from tradeexecutor.ethereum.errors import NotTradeable, OutOfGasFunds
from tradeexecutor.execution.interface import ExecutionError
from tradeexecutor.state.trade import TradeStatus


def test_a_purchase_is_booked_as_the_chain_has_it(trader: Trader):
    trade = trader.plan_buy(Decimal(1_000))
    report = trader.make_execution().execute_trades(trader.chain.now, trader.state, [trade])
    assert report.succeeded == [trade]
    assert trade.get_status() is TradeStatus.success
    assert trade.executed_price == pytest.approx(2_007, abs=2)
    assert trade.executed_reserve == Decimal(1_000)
    assert trade.cost_of_gas
    assert [tx.function_selector for tx in trade.blockchain_transactions] == ["approve", "swapExactTokensForTokens"]
    assert all(tx.status for tx in trade.blockchain_transactions)
    trader.assert_books_equal_chain()


def test_buying_and_selling_everything_closes_the_position(trader: Trader):
    execution = trader.make_execution()
    buy = trader.plan_buy(Decimal("333.3333333333"))
    execution.execute_trades(trader.chain.now, trader.state, [buy])
    assert buy.executed_reserve == Decimal("333.333333")
    position = trader.state.portfolio.get_position_by_id(buy.position_id)
    execution.execute_trades(trader.chain.now, trader.state, [trader.plan_sell(position.get_quantity())])
    assert position.is_closed()
    trader.assert_books_equal_chain()


def test_a_trade_whose_price_has_run_away_fails_and_gives_its_money_back(trader: Trader):
    trade = trader.plan_buy(Decimal(1_000))
    trader.chain.set_v2_price(trader.market.exchange, trader.market.pair, Decimal(2_500))
    report = trader.make_execution().execute_trades(trader.chain.now, trader.state, [trade])
    assert report.failed == [trade]
    assert "INSUFFICIENT_OUTPUT_AMOUNT" in (trade.get_revert_reason() or "")
    assert trader.state.portfolio.get_position_by_id(trade.position_id).is_frozen()
    trader.assert_books_equal_chain()


def test_a_failed_trade_can_be_sent_again(trader: Trader):
    trade = trader.plan_buy(Decimal(1_000))
    execution, exchange, pair = trader.make_execution(), trader.market.exchange, trader.market.pair
    trader.chain.set_v2_price(exchange, pair, Decimal(2_500))
    execution.execute_trades(trader.chain.now, trader.state, [trade])
    trader.chain.set_v2_price(exchange, pair, Decimal(2_000))
    assert execution.find_rebroadcast_obstacle(trader.state, trade) is None
    report = execution.execute_trades(trader.chain.now, trader.state, [trade], rebroadcast=True)
    assert report.succeeded == [trade]
    trader.assert_books_equal_chain()


def test_sells_pay_for_the_buys_after_them(trader: Trader):
    execution = trader.make_execution()
    execution.execute_trades(trader.chain.now, trader.state, [trader.plan_buy(Decimal(10_000))])
    quantity = next(iter(trader.state.portfolio.get_open_positions())).get_quantity()
    sell = trader.plan_sell(quantity / 2)
    buy = trader.plan_buy(Decimal(4_000))
    report = execution.execute_trades(trader.chain.now, trader.state, [sell, buy])
    assert report.succeeded == [sell, buy]
    trader.assert_books_equal_chain()


def test_a_buy_spends_what_the_sells_before_it_have_brought(trader: Trader):
    execution = trader.make_execution()
    execution.execute_trades(trader.chain.now, trader.state, [trader.plan_buy(Decimal(10_000))])
    quantity = next(iter(trader.state.portfolio.get_open_positions())).get_quantity()
    sell = trader.plan_sell(quantity / 2)
    buy = trader.plan_buy(sell.planned_reserve + 100)
    execution.execute_trades(trader.chain.now, trader.state, [sell, buy])
    assert buy.executed_reserve == sell.executed_reserve
    assert (buy.notes or "").startswith("reduced: ")
    trader.assert_books_equal_chain()


def test_a_plan_that_the_books_do_not_pay_is_refused(trader: Trader):
    trader.state.portfolio.adjust_reserves(trader.usdc, Decimal(-1_000), "a test")
    trade = trader.plan_buy(Decimal(9_500))
    before = trader.state.to_json()
    with pytest.raises(ExecutionError, match="needs 9500 USDC, 9000 are left"):
        trader.make_execution().check_plan(trader.state, [trade])
    assert trader.state.to_json() == before


def test_a_trade_that_the_wallet_does_not_pay_changes_nothing(trader: Trader):
    """The wallet has less than the books: a redemption that is not final yet."""
    trader.state.portfolio.adjust_reserves(trader.usdc, Decimal(1_000), "a test")
    trade = trader.plan_buy(Decimal(11_000))
    before = trader.state.to_json()
    with pytest.raises(NotTradeable, match="has 10000 USDC"):
        trader.make_execution().execute_trades(trader.chain.now, trader.state, [trade])
    assert trader.state.to_json() == before
    assert trader.connection.get_transaction_count(trader.wallet.address) == 0


def test_without_gas_nothing_is_signed_into_the_books(trader: Trader):
    trader.chain.anvil.set_native_balance(trader.wallet.address, 10**9)
    trade = trader.plan_buy(Decimal(1_000))
    execution = trader.make_execution()
    with pytest.raises(OutOfGasFunds):
        execution.execute_trades(trader.chain.now, trader.state, [trade])
    assert trade.is_planned()
    assert not trader.saved
    trader.chain.anvil.set_native_balance(trader.wallet.address, 0)
    with pytest.raises(OutOfGasFunds):
        execution.preflight_check()
