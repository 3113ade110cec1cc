"""Failed trades that are tried again."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.funded_trader import fail, fund
from tests.kit.trader import ACCOUNT, BRIDGE, DAY, LINK_USDC, SECOND, T0, WETH_USDC, Trader, cash_of
from tradeexecutor.execution.current_price import CurrentPriceSlippage
from tradeexecutor.execution.interface import ExecutionModel
from tradeexecutor.execution.simulated import NotSimulated, SimulatedExecution
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.errors import RepairAborted, TradeExecutorError, UnsupportedPairKind, WrongTradeStatus
from tradeexecutor.state.repair import repair_trades
from tradeexecutor.state.repair.attempts import get_failed_attempts, has_failed_before, reopen_failed_trade
from tradeexecutor.state.retry import rebroadcast_trade, retry_trades
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus

D = Decimal
NOW = T0 + DAY


@pytest.fixture
def trader() -> Trader:
    return fund()


def retry(state: State, model: SimulatedExecution | None = None, **more: Any):
    return retry_trades(state=state, execution_model=model or SimulatedExecution(), now=NOW, **more)


def fail_all(trade: TradeExecution) -> bool:
    return True


def test_a_buy_that_goes_through_the_second_time_is_a_success(trader: Trader):
    """The reference calls it repaired, although it was executed."""
    state = trader.state
    trade = fail(trader, LINK_USDC, "10", 10.0)
    result = retry(state)
    assert (result.new_trades, result.trades_needing_repair) == ([trade], [trade])
    assert (trade.get_status(), trade.is_repaired(), trade.is_failed()) == (TradeStatus.success, False, False)
    position = state.portfolio.open_positions[trade.position_id]
    assert (position.get_quantity(), position.unfrozen_at, cash_of(state)) == (10, NOW, 9900)
    assert result.unfrozen_positions == [position]
    assert (trade.started_at, trade.executed_at) == (NOW, NOW)
    assert prove(state).is_balanced
    state.perform_integrity_check()
    assert State.from_json(state.to_json()).to_json() == state.to_json()
    assert retry(state).new_trades == []


def test_the_first_attempt_is_remembered(trader: Trader):
    trade = fail(trader, LINK_USDC, "10", 10.0)
    failed_at = trade.failed_at
    retry(trader.state)
    attempts = get_failed_attempts(trade)
    assert failed_at is not None
    assert [(item["failed_at"], item["reason"]) for item in attempts] == [(failed_at.isoformat(), "TRF")]
    assert attempts[0]["transactions"][0]["nonce"] == 77
    assert [tx.nonce for tx in trade.blockchain_transactions] == [0]
    assert trade.get_revert_reason() is None
    assert trade.notes == f"Failed trade rebroadcasted at {NOW}\n"


def test_a_sell_that_goes_through_closes_its_frozen_position(trader: Trader):
    state = trader.state
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    fail(trader, WETH_USDC, "-2", 2100.0)
    result = retry(state)
    assert (position.is_closed(), position.is_frozen(), cash_of(state)) == (True, False, 10_200)
    assert result.unfrozen_positions == [position]
    assert state.portfolio.closed_positions == {position.position_id: position}
    assert prove(state).is_balanced


def test_a_trade_that_fails_again_gives_its_capital_back_again(trader: Trader):
    state = trader.state
    trade = fail(trader, LINK_USDC, "10", 10.0)
    result = retry(state, SimulatedExecution(failures=fail_all))
    assert (result.new_trades, result.unfrozen_positions, cash_of(state)) == ([trade], [], 10_000)
    assert (trade.get_status(), trade.failed_at) == (TradeStatus.failed, NOW)
    assert trade.get_revert_reason() == "simulated failure"
    assert len(get_failed_attempts(trade)) == 1
    assert state.portfolio.frozen_positions
    # It can be tried a third time, or given up.
    repair_trades(state, now=NOW)
    assert (trade.get_status(), cash_of(state)) == (TradeStatus.repaired, 10_000)
    assert prove(state).is_balanced


def test_sells_are_tried_first_and_pay_for_the_buys(trader: Trader):
    state = trader.state
    trader.buy(WETH_USDC, "4", 2000.0)
    buy = fail(trader, LINK_USDC, "200", 10.0)
    trader.buy(LINK_USDC, "100", 10.0)  # spends what the failed buy has given back
    sell = fail(trader, WETH_USDC, "-4", 2000.0)
    assert cash_of(state) == 1000
    assert retry(state).new_trades == [sell, buy]
    assert cash_of(state) == 7000


def test_what_there_is_no_money_for_is_left_as_it_is(trader: Trader):
    state = trader.state
    trade = fail(trader, LINK_USDC, "900", 10.0)
    trader.buy(WETH_USDC, "2", 2000.0)
    before = state.to_json()
    result = retry(state)
    assert (result.new_trades, list(result.left_alone)) == ([], [trade.trade_id])
    assert "needs 9000, 6000 is available" in result.left_alone[trade.trade_id]
    assert state.to_json() == before
    with pytest.raises(NotSimulated):
        rebroadcast_trade(trade, state=state, execution_model=SimulatedExecution(), now=NOW)
    assert state.to_json() == before


def test_the_current_price_decides(trader: Trader):
    state = trader.state
    trader.buy(WETH_USDC, "4", 1000.0)
    buy, sell = fail(trader, LINK_USDC, "10", 10.0), fail(trader, WETH_USDC, "-4", 1000.0)
    prices = {LINK_USDC: 20.0, WETH_USDC: 1500.0}
    retry(state, SimulatedExecution(CurrentPriceSlippage(lambda ts, pair, is_buy: prices[pair])))
    assert (buy.executed_quantity, buy.executed_reserve, buy.executed_price) == (5, 100, 20.0)
    assert (sell.executed_quantity, sell.executed_reserve, sell.executed_price) == (-4, 6000, 1500.0)
    assert prove(state).is_balanced


def test_a_price_beyond_the_tolerance_or_none_fails_again(trader: Trader):
    trades = [fail(trader, pair, "1", 10.0) for pair in (LINK_USDC, WETH_USDC)]
    trades[0].slippage_tolerance = 0.01
    prices = {LINK_USDC: 10.2, WETH_USDC: None}
    retry(trader.state, SimulatedExecution(CurrentPriceSlippage(lambda ts, pair, is_buy: prices[pair])))
    reasons = [trade.get_revert_reason() or "" for trade in trades]
    assert "exceeds the tolerance of 1.0000%" in reasons[0]
    assert "has no price" in reasons[1]
    assert cash_of(trader.state) == 10_000


def test_looking_and_saying_no_change_nothing(trader: Trader):
    trade = fail(trader, LINK_USDC, "10", 10.0)
    before = trader.state.to_json()
    assert retry(trader.state, attempt_repair=False).trades_needing_repair == [trade]
    with pytest.raises(RepairAborted):
        retry(trader.state, confirm=lambda trades: False)
    assert trader.state.to_json() == before


def test_capital_outside_is_left_alone(trader: Trader):
    trade = fail(trader, LINK_USDC, "10", 10.0)
    trade.other_data = {"hypercore_stranded_usdc": {"amount_raw": 1}}
    before = trader.state.to_json()
    assert list(retry(trader.state).left_alone) == [trade.trade_id]
    assert trader.state.to_json() == before


def fail_for_real(trader: Trader) -> TradeExecution:
    trade = fail(trader, LINK_USDC, "10", 10.0)
    trade.blockchain_transactions[0].tx_hash = "0x" + "ab" * 32
    return trade


def fail_on_a_bridge(trader: Trader) -> TradeExecution:
    return fail(trader, BRIDGE, "10", 1.0)


def fail_at_an_exchange(trader: Trader) -> TradeExecution:
    return fail(trader, ACCOUNT, "10", 1.0)


def succeed(trader: Trader) -> TradeExecution:
    return trader.buy(LINK_USDC, "10", 10.0)[1]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (fail_for_real, NotSimulated, "has the real transaction 0xabab"),
        (fail_on_a_bridge, NotSimulated, "not a trade of a spot pair"),
        (fail_at_an_exchange, UnsupportedPairKind, "cannot be simulated"),
        (succeed, WrongTradeStatus, "is success"),
    ],
)
def test_what_a_simulation_refuses(
    trader: Trader, make: Callable[[Trader], TradeExecution], error: type[TradeExecutorError], text: str
):
    trade = make(trader)
    before = trader.state.to_json()
    with pytest.raises(error, match=text):
        rebroadcast_trade(trade, state=trader.state, execution_model=SimulatedExecution(), now=NOW)
    assert retry(trader.state).new_trades == []
    assert trader.state.to_json() == before


def test_an_execution_model_cannot_retry_unless_it_says_so(trader: Trader):
    class Plain(ExecutionModel):
        def execute_trades(self, *arguments: Any, **more: Any) -> Any:
            raise AssertionError("not asked for")

    trade = fail(trader, LINK_USDC, "10", 10.0)
    result = retry_trades(state=trader.state, execution_model=Plain(), now=NOW)
    assert result.left_alone == {trade.trade_id: f"Plain cannot send trade #{trade.trade_id} again"}


def test_reopening_can_be_taken_back(trader: Trader):
    trade = fail(trader, LINK_USDC, "10", 10.0)
    before = trader.state.to_json()
    undo = reopen_failed_trade(trade, NOW)
    assert (trade.is_planned(), has_failed_before(trade)) == (True, True)
    undo()
    assert trader.state.to_json() == before


def test_trades_of_one_position_of_which_one_fails_again_keep_it_frozen(trader: Trader):
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    first = fail(trader, WETH_USDC, "-0.5", 2000.0)
    _, second = trader.plan(WETH_USDC, "-0.5", 2000.0, position=position)
    trader.send(second)
    trader.fail(second)
    model = SimulatedExecution(failures=lambda trade: trade is second)
    result = retry(trader.state, model)
    assert (first.get_status(), second.get_status()) == (TradeStatus.success, TradeStatus.failed)
    assert (result.unfrozen_positions, position.is_frozen(), position.get_quantity()) == ([], True, D("1.5"))
    assert (second.failed_at or T0) > NOW - SECOND
