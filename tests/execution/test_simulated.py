"""Simulated execution against a state, without wallet and market."""

from decimal import Decimal

import pytest

from tests.kit.markets import HOUR, START
from tradeexecutor.backtest.backtest_execution import BacktestExecution, BacktestExecutionFailed
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.backtest.universe import create_pair, create_reserve_asset
from tradeexecutor.execution.interface import ExecutionError
from tradeexecutor.execution.simulated import SimulatedExecution, calculate_total_assets
from tradeexecutor.execution.slippage import FixedSlippage
from tradeexecutor.state.errors import NotEnoughTokens
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeType

USD = create_reserve_asset()
PAIR = create_pair("BTC", USD, 1)


def make_state(cash: int = 1000) -> State:
    state = State(created_at=START)
    reserve = ReservePosition(USD, Decimal(cash), START, 1.0, START)
    state.portfolio.reserves[USD.get_identifier()] = reserve
    return state


def plan(
    state: State, reserve: str | None = None, quantity: str | None = None, price: float = 2000.0
) -> TradeExecution:
    _, trade, _ = state.create_trade(
        strategy_cycle_at=START,
        pair=PAIR,
        quantity=Decimal(quantity) if quantity else None,
        reserve=Decimal(reserve) if reserve else None,
        assumed_price=price,
        trade_type=TradeType.rebalance,
        reserve_currency=USD,
        reserve_currency_price=1.0,
        slippage_tolerance=0.01,
    )
    return trade


def test_a_buy_is_carried_out_in_full():
    state = make_state()
    trade = plan(state, reserve="1000")
    report = SimulatedExecution().execute_trades(START + HOUR, state, [trade])
    assert report.succeeded == [trade]
    assert report.failed == []
    assert (trade.executed_quantity, trade.executed_reserve, trade.executed_price) == (Decimal("0.5"), 1000, 2000.0)
    assert trade.started_at == trade.broadcasted_at == trade.executed_at == START + HOUR
    assert state.portfolio.get_cash() == 0
    assert calculate_total_assets(state.portfolio) == {PAIR.base: Decimal("0.5")}


def test_a_batch_runs_in_its_order_and_sells_pay_for_buys():
    state = make_state()
    execution = SimulatedExecution()
    execution.execute_trades(START, state, [plan(state, reserve="1000")])
    sell = plan(state, quantity="-0.25")
    other = create_pair("ETH", USD, 2)
    _, buy, _ = state.create_trade(START, other, None, Decimal(500), 50.0, TradeType.rebalance, USD, 1.0)
    execution.execute_trades(START, state, [sell, buy])
    assert state.portfolio.get_cash() == 0
    assert [tx.nonce for trade in (sell, buy) for tx in trade.blockchain_transactions] == [1, 2]


def test_rounding_above_the_holding_is_not_sold():
    state = make_state()
    execution = SimulatedExecution()
    execution.execute_trades(START, state, [plan(state, reserve="600")])
    sell = plan(state, quantity="-0.3000000005", price=2100.0)
    execution.execute_trades(START, state, [sell])
    assert sell.executed_quantity == Decimal("-0.3")
    assert sell.executed_reserve == 630
    assert not state.portfolio.open_positions


def test_selling_more_than_is_held_is_an_error():
    state = make_state()
    execution = SimulatedExecution()
    execution.execute_trades(START, state, [plan(state, reserve="600")])
    with pytest.raises(NotEnoughTokens):
        plan(state, quantity="-0.4")
    sell = plan(state, quantity="-0.3")
    sell.planned_quantity = Decimal("-0.4")
    with pytest.raises(ExecutionError, match=r"of which 0.3 is left"):
        execution.execute_trades(START, state, [sell])


def test_a_failed_trade_does_not_stop_the_batch():
    state = make_state()
    first, second = plan(state, reserve="100"), None
    other = create_pair("ETH", USD, 2)
    _, second, _ = state.create_trade(START, other, None, Decimal(500), 50.0, TradeType.rebalance, USD, 1.0)
    execution = SimulatedExecution(failures=lambda trade: trade is first)
    report = execution.execute_trades(START, state, [first, second])
    assert (report.failed, report.succeeded) == ([first], [second])
    assert state.portfolio.get_cash() == 500


def test_the_wallet_moves_with_the_fill():
    state, wallet = make_state(), SimulatedWallet()
    wallet.set_balance(USD, Decimal(1000))
    slippage = Decimal("0.125")  # exact as a float, too
    execution = BacktestExecution(wallet, FixedSlippage(float(slippage)))
    buy = plan(state, reserve="600")
    buy.slippage_tolerance = 0.2
    execution.execute_trades(START, state, [buy])
    assert wallet.get_balance(USD) == 400
    assert wallet.get_balance(PAIR.base) == buy.executed_quantity == Decimal("0.3") * (1 - slippage)


def test_a_wallet_pays_a_few_raw_units():
    state, wallet = make_state(), SimulatedWallet()
    wallet.set_balance(USD, Decimal(1000))
    BacktestExecution(wallet).execute_trades(START, state, [plan(state, reserve="0.000005", price=2.0)])
    assert wallet.get_balance(USD) == Decimal("999.999995") == state.portfolio.get_default_reserve_position().quantity


def test_a_wallet_that_lacks_the_money_is_noticed():
    state, wallet = make_state(), SimulatedWallet()
    wallet.set_balance(USD, Decimal(500))
    with pytest.raises(BacktestExecutionFailed, match=r"Buy #1 .* cannot be paid: the wallet holds 500 USD"):
        BacktestExecution(wallet).execute_trades(START, state, [plan(state, reserve="600")])


def test_a_wallet_that_contradicts_the_state_is_noticed():
    state, wallet = make_state(), SimulatedWallet()
    wallet.set_balance(USD, Decimal(1000))
    execution = BacktestExecution(wallet)
    execution.execute_trades(START, state, [plan(state, reserve="600")])
    wallet.update_balance(PAIR.base, Decimal("-0.1"))
    with pytest.raises(BacktestExecutionFailed, match=r"BTC: state 0.2, wallet 0.1"):
        execution.execute_trades(START, state, [plan(state, quantity="-0.1")])
