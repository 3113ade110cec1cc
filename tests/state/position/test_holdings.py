"""A sell takes no more than is held and not promised to another trade: when it is planned, started and completed."""

from decimal import Decimal
from typing import Any

import pytest

from tests.kit.trader import ACCOUNT, BRIDGE, FAR_WETH_USDC, USDC, VAULT, WETH_USDC, Trader, cash_of, new_state
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.booking.treasury import EventOrigin, redeem_in_kind
from tradeexecutor.state.errors import NotEnoughMoney, NotEnoughTokens
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position.holdings import check_sold, get_uncommitted_holding
from tradeexecutor.state.repair.reported_outcome import ReportedOutcome, reconfirm_trade
from tradeexecutor.state.state.impossible_balances import find_impossible_balances
from tradeexecutor.state.trade import TradeExecution, TradeFlag


def make_trader(pair: TradingPairIdentifier = WETH_USDC, price_impact: float = 1.0) -> Trader:
    """A trader who holds 10 tokens, bought at 100 each."""
    trader = Trader(new_state(), 0.0, price_impact)
    trader.buy(pair, "10", 100.0)
    return trader


def send(trader: Trader, trade: TradeExecution) -> TradeExecution:
    trader.start(trade)
    trader.broadcast(trade)
    return trade


def confirm(trade: TradeExecution) -> None:
    trade.blockchain_transactions = [BlockchainTransaction(tx_hash="0x01", status=True)]


# --- Planning


@pytest.mark.parametrize("pair", [WETH_USDC, VAULT], ids=["spot", "vault"])
@pytest.mark.parametrize("quantity", ["-10.00001", "-25"])
def test_more_than_is_held_cannot_be_planned(pair: TradingPairIdentifier, quantity: str):
    trader = make_trader(pair)
    before = trader.state.to_json()
    with pytest.raises(NotEnoughTokens, match="of which 10 is left") as error:
        trader.plan(pair, quantity, 100.0)
    assert (error.value.available, error.value.needed) == (10, -Decimal(quantity))
    assert trader.state.to_json() == before


@pytest.mark.parametrize("quantity", ["-10", "-10.000000001", "-1"])
def test_all_of_it_can_be_planned_and_what_rounding_adds(quantity: str):
    trader = make_trader()
    trader.plan(WETH_USDC, quantity, 100.0)


@pytest.mark.parametrize("stage", ["planned", "started", "broadcasted"])
def test_what_another_sell_takes_cannot_be_sold_again(stage: str):
    trader = make_trader()
    position, first = trader.plan(WETH_USDC, "-7", 100.0)
    if stage != "planned":
        trader.start(first)
    if stage == "broadcasted":
        trader.broadcast(first)
    with pytest.raises(NotEnoughTokens, match="of which 3 is left"):
        trader.plan(WETH_USDC, "-4", 100.0, position=position)
    trader.plan(WETH_USDC, "-3", 100.0, position=position)


def test_what_a_failed_sell_did_not_take_can_be_sold():
    trader = make_trader()
    position, first = trader.plan(WETH_USDC, "-7", 100.0)
    send(trader, first)
    trader.fail(first)
    trader.plan(WETH_USDC, "-10", 100.0, position=position)


def test_what_is_about_to_be_bought_can_be_sold():
    """Take-profit orders are planned with the purchase that they are for."""
    trader = make_trader()
    position, _ = trader.plan(WETH_USDC, "5", 100.0)
    trader.plan(WETH_USDC, "-15", 100.0, position=position)


def test_a_sell_does_not_open_a_position():
    trader = Trader(new_state())
    before = trader.state.to_json()
    with pytest.raises(NotEnoughTokens):
        trader.plan(WETH_USDC, "-1", 100.0)
    assert trader.state.to_json() == before


def test_orders_that_wait_for_a_trigger_promise_nothing():
    trader = make_trader()
    flags = {TradeFlag.triggered, TradeFlag.partial_take_profit}
    position, waiting = trader.plan(WETH_USDC, "-8", 100.0, flags=flags)
    position.pending_trades[waiting.trade_id] = waiting
    trader.plan(WETH_USDC, "-8", 110.0, position=position, flags=flags)
    _, sale = trader.plan(WETH_USDC, "-10", 100.0, position=position)
    assert get_uncommitted_holding(position) == 0
    trader.start(sale)
    with pytest.raises(NotEnoughTokens, match="of which 0 is left by what is under way"):
        trader.state.start_execution(trader.ts, waiting, triggered=True)


def test_the_balance_of_an_account_may_become_negative():
    trader = make_trader(ACCOUNT)
    trader.plan(ACCOUNT, "-25", 100.0)
    assert not find_impossible_balances(trader.state)


def test_capital_that_far_trades_use_cannot_come_back():
    trader = Trader(new_state(), 0.0, 1.0)
    trader.buy(BRIDGE, "1000", 1.0)
    trader.buy(FAR_WETH_USDC, "4", 100.0)
    with pytest.raises(NotEnoughTokens, match="of which 600 is left"):
        trader.plan(BRIDGE, "-700", 1.0)
    trader.plan(BRIDGE, "-600", 1.0)


# --- Start and outcome


def test_what_was_redeemed_after_the_plan_cannot_be_sold():
    trader = make_trader()
    position, sale = trader.plan(WETH_USDC, "-10", 100.0)
    redeem_in_kind(trader.state, position, Decimal(4), EventOrigin(trader.ts, trader.ts))
    before = trader.state.to_json()
    with pytest.raises(NotEnoughTokens, match="of which 6 is left by what is under way"):
        trader.start(sale)
    assert trader.state.to_json() == before


def oversell(trader: Trader) -> TradeExecution:
    """A sell of 10 that reports 50."""
    return send(trader, trader.plan(WETH_USDC, "-10", 100.0)[1])


def overspend(trader: Trader) -> TradeExecution:
    """A buy for 1000 that reports a million; the trader has 8000 besides."""
    return send(trader, trader.plan(WETH_USDC, "10", 100.0)[1])


OUTCOMES: dict[str, tuple[Any, dict[str, Any], type[Exception]]] = {
    "oversold": (oversell, {"quantity": Decimal(-50), "reserve": Decimal(5000)}, NotEnoughTokens),
    "overspent": (overspend, {"quantity": Decimal(10), "reserve": Decimal(1_000_000)}, NotEnoughMoney),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_outcome_beyond_what_there_is_is_refused(name: str):
    trade_of, amounts, error = OUTCOMES[name]
    trader = make_trader()
    trade = trade_of(trader)
    before = trader.state.to_json()
    with pytest.raises(error):
        trader.succeed(trade, **amounts)
    assert trader.state.to_json() == before


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_outcome_that_happened_on_a_chain_is_booked_and_found(name: str):
    trade_of, amounts, _ = OUTCOMES[name]
    trader = make_trader()
    trade = trade_of(trader)
    confirm(trade)
    trader.succeed(trade, **amounts)
    (found,) = find_impossible_balances(trader.state)
    if name == "oversold":
        assert (found.position_id, found.what, found.quantity) == (1, "holding", -40)
    else:
        assert (found.position_id, found.what, found.quantity) == (None, "cash", cash_of(trader.state))


def test_an_outcome_that_somebody_has_looked_up_is_booked_and_found():
    trader = make_trader()
    reconfirm_trade(trader.state, oversell(trader), ReportedOutcome(Decimal(12), Decimal(1200)), trader.ts)
    assert [str(item) for item in find_impossible_balances(trader.state)] == [
        "the holding of position #1 is -2 WETH, and cannot be less than nothing"
    ]


def test_a_reserve_below_zero_is_found():
    state = new_state()
    state.portfolio.adjust_reserves(USDC, Decimal(-10_001))
    assert [str(item) for item in find_impossible_balances(state)] == [
        "the cash is -1 USDC, and cannot be less than nothing"
    ]


# --- What is left


@pytest.mark.parametrize("quantity", ["-10", "-9.9999999999999999999", "-4", "-10.0000000001"])
def test_what_is_left_after_a_sale_is_the_quantity_of_the_position_after_it(quantity: str):
    trader = make_trader()
    position = trader.state.portfolio.open_positions[1]
    trade = send(trader, trader.plan(WETH_USDC, quantity, 100.0)[1])
    left = check_sold(position, trade, trade.planned_quantity)
    trader.complete(trade)
    assert left is not None
    assert left == position.get_quantity()
    assert position.is_closed() is (abs(left) < Decimal("1E-7"))


def test_a_position_that_is_sold_while_another_sale_is_in_flight_stays_open():
    trader = make_trader()
    position = trader.state.portfolio.open_positions[1]
    first = send(trader, trader.plan(WETH_USDC, "-6", 100.0)[1])
    send(trader, trader.plan(WETH_USDC, "-4", 100.0)[1])
    first.planned_quantity = Decimal(-10)  # an edit by hand: it sold more than planned
    trader.complete(first)
    assert position.get_quantity() == 0
    assert position.is_open(), "the capital of the other sale would be missing"
    assert position.can_be_closed()


@pytest.mark.parametrize("edit", ["executed_quantity", "repaired_at", "failed_at"])
def test_the_start_of_a_sale_notices_an_edit_of_the_buy(edit: str):
    trader = make_trader()
    position = trader.state.portfolio.open_positions[1]
    buy = position.trades[1]
    _, trade = trader.plan(WETH_USDC, "-10", 100.0)
    if edit == "executed_quantity":
        buy.executed_quantity = Decimal(9)
    elif edit == "repaired_at":
        buy.repaired_at = buy.executed_at
    else:
        buy.failed_at, buy.executed_at = buy.executed_at, None
    with pytest.raises(NotEnoughTokens, match="is left by what is under way"):
        trader.start(trade)
