"""Trades whose outcome takes time: transfers over a bridge, requests to asynchronous vaults.

The worked examples are those of the reference; where a test says that the reference is wrong, the numbers are those of
the right behaviour.
"""

import datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.trader import (
    ACCOUNT,
    BRIDGE,
    FAR_CHAIN,
    FAR_USDC,
    FAR_WETH,
    FAR_WETH_USDC,
    SHARES,
    T0,
    USDC,
    VAULT,
    WETH_USDC,
    Trader,
    asset,
    cash_of,
    new_state,
    pair,
)
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import (
    InvalidTrade,
    NotEnoughMoney,
    PositionNotFound,
    ReserveMissing,
    WrongPositionStatus,
    WrongTradeStatus,
)
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus

D = Decimal

FAR_VAULT = pair(asset("vFAR", 18, 13, FAR_CHAIN), FAR_USDC, 0.0, 114, kind=TradingPairKind.vault)


def perfect(cash: int = 10_000) -> Trader:
    """A trader whose trades execute as planned, without fees."""
    return Trader(new_state(cash), lp_fees=0, price_impact=1.0)


def cash_and_equity(state: State) -> tuple[float, float]:
    return state.portfolio.get_cash(), state.portfolio.calculate_total_equity()


def capital_of(bridge: TradingPosition) -> tuple[Decimal, Decimal, Decimal]:
    """Quantity, what trades on the far chain use, and what they do not."""
    return bridge.get_quantity(), bridge.bridge_capital_allocated, bridge.get_available_bridge_capital()


def bridged(trader: Trader, amount: str) -> TradingPosition:
    """Move cash to the far chain."""
    position, trade = trader.plan(BRIDGE, reserve=amount)
    trader.run(trade)
    return position


def planned_back(trader: Trader, amount: str) -> TradeExecution:
    return trader.plan(BRIDGE, "-" + amount)[1]


def is_refused(state: State, error: type[Exception], operation: Any) -> None:
    """The operation raises, and the state is the same byte for byte."""
    before = state.to_json()
    with pytest.raises(error):
        operation()
    assert state.to_json() == before


# --- Bridges


def test_capital_goes_to_another_chain_and_comes_back():
    """Numbers of E24."""
    trader = perfect()
    state, portfolio = trader.state, trader.state.portfolio
    bridge, out = trader.plan(BRIDGE, reserve="6000")
    assert (out.planned_quantity, out.get_action_verb()) == (6000, "Bridge out")
    trader.send(out)
    out.set_blockchain_transactions([BlockchainTransaction(tx_hash="0x01"), BlockchainTransaction(tx_hash="0x02")])
    state.mark_bridge_in_transit(trader.ts, out)
    assert (out.get_status(), out.cctp_in_transit_at) == (TradeStatus.cctp_in_transit, trader.ts)
    assert out.other_data == {
        "cctp_burn_tx_hash": "0x02",
        "cctp_source_chain_id": 1,
        "cctp_dest_chain_id": FAR_CHAIN,
    }
    assert cash_and_equity(state) == (4000.0, 10_000.0)
    assert portfolio.get_net_asset_value() == 4000.0, "as recorded"
    assert (portfolio.get_in_transit_value(), portfolio.calculate_net_assets()) == (6000.0, 10_000.0)
    assert capital_of(bridge) == (0, 0, 0)
    assert portfolio.calculate_total_equity_chain() == {1: 4000.0, FAR_CHAIN: 6000.0}

    state.resume_bridge_transfer(out)
    assert (out.get_status(), out.cctp_in_transit_at) == (TradeStatus.broadcasted, None)
    trader.complete(out)
    assert cash_and_equity(state) == (4000.0, 10_000.0)
    assert portfolio.get_net_asset_value() == portfolio.calculate_net_assets() == 10_000.0
    assert capital_of(bridge) == (6000, 0, 6000)
    assert portfolio.calculate_total_equity_chain() == {1: 4000.0, FAR_CHAIN: 6000.0}
    assert portfolio.get_unrealised_profit_usd() == 6000.0, "as recorded"

    trader.buy(FAR_WETH_USDC, "2", 2000.0)
    assert cash_and_equity(state) == (4000.0, 10_000.0)
    assert capital_of(bridge) == (6000, 4000, 2000)
    assert portfolio.get_live_position_equity() == 10_000.0, "as recorded"
    trader.sell(FAR_WETH_USDC, "2", 2300.0)
    assert cash_and_equity(state) == (4000.0, 10_600.0)
    assert portfolio.get_net_asset_value() == 10_600.0
    assert capital_of(bridge) == (6000, -600, 6600)
    assert portfolio.calculate_total_equity_chain() == {1: 4000.0, FAR_CHAIN: 6600.0}

    back = planned_back(trader, "6600")
    assert back.get_action_verb() == "Bridge back"
    trader.send(back)
    state.mark_bridge_in_transit(trader.ts, back)
    assert back.other_data == {
        "cctp_burn_tx_hash": None,
        "cctp_source_chain_id": FAR_CHAIN,
        "cctp_dest_chain_id": 1,
    }
    assert cash_and_equity(state) == (4000.0, 10_600.0)
    assert (portfolio.get_net_asset_value(), portfolio.calculate_net_assets()) == (4000.0, 10_600.0)
    assert capital_of(bridge) == (6000, 6000, 0), "locked"
    assert portfolio.calculate_total_equity_chain() == {1: 10_600.0, FAR_CHAIN: 0.0}

    state.resume_bridge_transfer(back)
    assert capital_of(bridge) == (6000, -600, 6600)
    trader.complete(back)
    assert cash_and_equity(state) == (10_600.0, 10_600.0)
    assert portfolio.get_net_asset_value() == portfolio.calculate_net_assets() == 10_600.0
    assert capital_of(bridge) == (-600, -600, 0)
    assert bridge.is_closed()
    assert bridge.get_total_profit_usd() == 0.0
    state.perform_integrity_check()


def test_a_batch_that_bridges_and_spends():
    """Numbers of the simulator's bridge example: 2000 over the bridge, 1500 spent there, half as much again earned."""
    trader = perfect()
    bridge = bridged(trader, "2000")
    position, buy = trader.plan(FAR_WETH_USDC, price=3.0, reserve="1500")
    trader.run(buy)
    assert (cash_of(trader.state), buy.bridge_currency_allocated) == (8000, 1500)
    assert list(bridge.get_held_assets()) == [(FAR_USDC, D(500))]
    assert list(position.get_held_assets()) == [(FAR_WETH, D(500))]
    assert capital_of(bridge) == (2000, 1500, 500)
    assert trader.state.portfolio.calculate_total_equity() == 10_000.0
    trader.sell(FAR_WETH_USDC, "500", 3.3)
    assert float(bridge.bridge_capital_allocated) == pytest.approx(-150.0)
    assert float(bridge.get_available_bridge_capital()) == pytest.approx(2150.0)
    assert cash_and_equity(trader.state) == (8000.0, pytest.approx(10_150.0))
    trader.run(planned_back(trader, "1000"))
    assert (cash_of(trader.state), bridge.get_quantity()) == (9000, 1000)
    assert float(bridge.get_available_bridge_capital()) == pytest.approx(1150.0)


def test_capital_in_transit_cannot_be_spent_on_the_far_chain():
    trader = perfect()
    bridged(trader, "2000")
    back = planned_back(trader, "1500")
    trader.send(back)
    trader.state.mark_bridge_in_transit(trader.ts, back)
    _, buy = trader.plan(FAR_WETH_USDC, "0.5", 2000.0)
    is_refused(trader.state, NotEnoughMoney, lambda: trader.start(buy))
    trader.state.resume_bridge_transfer(back)
    trader.start(buy)


@pytest.mark.parametrize("in_transit", [False, True])
@pytest.mark.parametrize("back", [False, True])
def test_a_transfer_that_fails_leaves_everything_where_it_was(in_transit: bool, back: bool):
    trader = perfect()
    bridge = bridged(trader, "2000")
    trade = planned_back(trader, "1500") if back else trader.plan(BRIDGE, reserve="1500")[1]
    trader.send(trade)
    if in_transit:
        trader.state.mark_bridge_in_transit(trader.ts, trade)
        is_refused(trader.state, WrongTradeStatus, lambda: trader.fail(trade))
        trader.state.resume_bridge_transfer(trade)
    trader.fail(trade)
    assert cash_and_equity(trader.state) == (8000.0, 10_000.0)
    assert capital_of(bridge) == (2000, 0, 2000)
    assert trader.state.portfolio.calculate_net_assets() == 10_000.0


def test_a_transfer_may_be_in_transit_before_it_is_said_to_be_broadcasted():
    trader = perfect()
    _, out = trader.plan(BRIDGE, reserve="1000")
    trader.start(out)
    trader.state.mark_bridge_in_transit(trader.ts, out)
    trader.state.resume_bridge_transfer(out)
    assert out.get_status() is TradeStatus.started
    trader.broadcast(out)
    trader.complete(out)
    assert cash_and_equity(trader.state) == (9000.0, 10_000.0)


def test_a_transfer_that_loses_a_fee_and_leaves_a_part():
    trader = perfect()
    bridge, out = trader.plan(BRIDGE, reserve="1000")
    trader.run(out, executed_amount=D(799), executed_reserve=D(800))
    assert (cash_of(trader.state), bridge.get_quantity()) == (9200, 799)
    trader.run(planned_back(trader, "799"), executed_amount=D(-799), executed_reserve=D(798))
    assert (cash_of(trader.state), bridge.is_closed()) == (9998, True)


def test_capital_comes_back_while_more_goes_out():
    """The position looks empty when all it holds is in transit; it must not close then."""
    trader = perfect()
    bridge = bridged(trader, "1000")
    out, back = trader.plan(BRIDGE, reserve="500")[1], planned_back(trader, "1500")
    for trade in (out, back):
        trader.send(trade)
    trader.state.mark_bridge_in_transit(trader.ts, back)
    trader.complete(out)
    assert (capital_of(bridge), bridge.is_open()) == ((1500, 1500, 0), True)
    assert trader.state.portfolio.calculate_net_assets() == 10_000.0
    trader.state.resume_bridge_transfer(back)
    trader.complete(back)
    assert (bridge.is_closed(), cash_of(trader.state)) == (True, 10_000)


@pytest.mark.parametrize("reserve_currency", [USDC, FAR_USDC])
def test_a_bridge_whose_capital_is_all_in_use_closes_and_reopens_for_what_comes_back(reserve_currency: Any):
    """The reference cannot record the failure, nor a fill that spent less: it finds no open bridge."""
    trader = perfect()
    state, portfolio = trader.state, trader.state.portfolio
    bridge = bridged(trader, "3000")
    failing, filling = (
        trader.plan(FAR_WETH_USDC, "0.5", 2000.0, reserve_currency=reserve_currency)[1],
        trader.plan(FAR_VAULT, price=1.0, reserve="1000", reserve_currency=reserve_currency)[1],
    )
    for trade in (failing, filling):
        trader.send(trade)
    trader.run(planned_back(trader, "1000"))
    assert (bridge.is_closed(), capital_of(bridge)) == (True, (2000, 2000, 0))
    assert cash_and_equity(state) == (8000.0, 10_000.0)

    trader.fail(failing)
    assert portfolio.open_positions[bridge.position_id] is bridge
    assert (bridge.closed_at, bridge.last_trade_at) == (None, trader.ts - datetime.timedelta(seconds=1))
    assert capital_of(bridge) == (2000, 1000, 1000)
    assert cash_and_equity(state) == (8000.0, 10_000.0)
    trader.run(planned_back(trader, "1000"))
    assert bridge.is_closed()
    trader.succeed(filling, 1.0, D(900), D(900))
    assert (bridge.is_open(), capital_of(bridge)) == (True, (1000, 900, 100))
    trader.run(planned_back(trader, "100"))
    _, sale = trader.plan(FAR_VAULT, "-900", 1.0, reserve_currency=reserve_currency)
    trader.run(sale)
    assert (bridge.is_open(), capital_of(bridge)) == (True, (900, 0, 900))
    assert cash_and_equity(state) == (9100.0, 10_000.0)
    trader.run(planned_back(trader, "900"))
    assert (bridge.is_closed(), cash_of(state)) == (True, 10_000)
    state.perform_integrity_check()


def test_what_comes_back_to_a_frozen_bridge_stays_there():
    trader = perfect()
    state, portfolio = trader.state, trader.state.portfolio
    bridge = bridged(trader, "3000")
    failing, selling = trader.plan(FAR_WETH_USDC, "0.5", 2000.0)[1], trader.plan(FAR_VAULT, "1000", 1.0)[1]
    trader.run(selling)
    trader.send(failing)
    back = planned_back(trader, "500")
    trader.send(back)
    trader.fail(back)
    freeze_position_on_failed_trade(trader.ts, state, [back])
    assert portfolio.frozen_positions == {bridge.position_id: bridge}
    trader.fail(failing)
    assert capital_of(bridge) == (3000, 1000, 2000)
    trader.run(trader.plan(FAR_VAULT, "-1000", 1.5)[1])
    assert capital_of(bridge) == (3000, -500, 3500)
    assert (cash_of(state), portfolio.calculate_net_assets()) == (7000, 10_500.0)


def test_a_sell_without_any_bridge_brings_its_proceeds_to_the_cash():
    trader = perfect()
    trader.buy(FAR_WETH_USDC, "0.5", 2000.0)
    assert cash_of(trader.state) == 9000
    trader.sell(FAR_WETH_USDC, "0.5", 2200.0)
    assert cash_of(trader.state) == 10_100


def test_a_sell_into_a_currency_that_nothing_holds_is_refused():
    trader = perfect()
    position, _ = trader.buy(FAR_WETH_USDC, "0.5", 2000.0)
    position.reserve_currency = FAR_USDC
    _, sale = trader.plan(FAR_WETH_USDC, "-0.5", 2000.0, reserve_currency=FAR_USDC)
    trader.send(sale)
    is_refused(trader.state, ReserveMissing, lambda: trader.complete(sale))


def test_an_overdrawn_bridge_does_not_close():
    """Its overdraft would vanish, and the equity grow by it."""
    trader = perfect()
    bridge = bridged(trader, "1000")
    trader.buy(FAR_WETH_USDC, "0.75", 2000.0, underflow_check=False)
    assert capital_of(bridge) == (1000, 1500, -500)
    assert bridge.can_be_closed(), "as recorded"
    for amount, available, closed in (("200", -300, False), ("300", 0, True)):
        trader.run(trader.plan(BRIDGE, reserve=amount)[1])
        assert (bridge.get_available_bridge_capital(), bridge.is_closed()) == (available, closed)
        assert trader.state.portfolio.calculate_total_equity() == 10_000.0


def test_a_buy_is_not_cut_down_to_nothing():
    """A shortage of less than a raw unit takes what is there, unless that is nothing."""
    trader = Trader(new_state(0))
    _, trade = trader.plan(pair(asset("CHEAP", 18, 40), USDC, 0.0, 140), price=1e-6, reserve="5E-7")
    is_refused(trader.state, NotEnoughMoney, lambda: trader.start(trade))


def test_only_bridge_transfers_are_in_transit():
    trader = perfect()
    _, trade = trader.plan(WETH_USDC, "1", 2000.0)
    trader.start(trade)
    is_refused(trader.state, InvalidTrade, lambda: trader.state.mark_bridge_in_transit(trader.ts, trade))


def test_a_transfer_in_transit_is_not_completed_by_force():
    """Its lock would stay for ever."""
    trader = perfect()
    bridged(trader, "1000")
    back = planned_back(trader, "1000")
    trader.send(back)
    trader.state.mark_bridge_in_transit(trader.ts, back)
    is_refused(trader.state, WrongTradeStatus, lambda: trader.complete(back, force=True))


@pytest.mark.parametrize("status", ["planned", "failed"])
def test_a_trade_without_capital_is_not_completed_by_force(status: str):
    """What it bought would be paid by nothing."""
    trader = perfect()
    _, trade = trader.plan(WETH_USDC, "1", 2000.0)
    if status == "failed":
        trader.send(trade)
        trader.fail(trade)
    is_refused(trader.state, WrongTradeStatus, lambda: trader.complete(trade, force=True))


def test_a_started_trade_is_completed_by_force():
    trader = perfect()
    _, trade = trader.plan(WETH_USDC, "1", 2000.0)
    trader.start(trade)
    trader.complete(trade, force=True)
    assert trade.is_success()
    assert cash_and_equity(trader.state) == (8000.0, 10_000.0)


# --- Asynchronous vaults


def requested(
    trader: Trader, quantity: str | None = None, reserve: str | None = None, price: float = 1.25, **ticket: Any
) -> tuple[TradingPosition, TradeExecution]:
    """Ask a vault for a deposit or a redemption."""
    position, trade = trader.plan(VAULT, quantity, price, reserve)
    trader.send(trade)
    trader.state.mark_vault_settlement_pending(trader.ts, trade, ticket)
    return position, trade


def settle(trader: Trader, trade: TradeExecution, **changes: Any) -> None:
    trader.state.resume_vault_settlement(trade)
    trader.complete(trade, **changes)


def test_a_deposit_waits_for_its_settlement():
    """E23, done right: the reference counts the deposit twice while it is started."""
    trader = perfect(20_000)
    state, portfolio = trader.state, trader.state.portfolio
    position, deposit = requested(trader, reserve="5000", request_id="17")
    assert deposit.get_status() is TradeStatus.vault_settlement_pending
    assert deposit.other_data == {
        "vault_async_flow": True,
        "vault_chain_id": 1,
        "vault_direction": "deposit",
        "request_id": "17",
        "vault_settlement_requested_at": trader.ts.isoformat(),
    }
    assert cash_and_equity(state) == (15_000.0, 20_000.0)
    assert portfolio.get_net_asset_value() == portfolio.calculate_net_assets() == 20_000.0
    assert (position.get_value(), portfolio.get_vault_settlement_pending_value()) == (0.0, 5000.0)
    assert portfolio.calculate_total_equity_chain() == {1: 15_000.0}
    assert position.has_pending_vault_settlement()
    assert "vault_lockup_expires_at" not in (position.other_data or {})

    state.resume_vault_settlement(deposit)
    assert (deposit.get_status(), deposit.vault_settlement_pending_at) == (TradeStatus.broadcasted, None)
    assert cash_and_equity(state) == (15_000.0, 20_000.0)
    trader.complete(deposit)
    assert cash_and_equity(state) == (15_000.0, 20_000.0)
    assert (position.get_quantity(), position.has_pending_vault_settlement()) == (4000, False)
    assert position.other_data == {
        "vault_lockup_expires_at": (trader.ts + datetime.timedelta(days=3)).isoformat(),
        "vault_lockup_estimated": True,
    }


def test_shares_under_redemption_wait_too():
    """Numbers of E23."""
    trader = perfect(20_000)
    position, deposit = requested(trader, reserve="5000")
    settle(trader, deposit)
    _, redemption = requested(trader, "-1000", vault_settlement_request_quantity="-900")
    assert (redemption.other_data or {})["vault_direction"] == "redeem"
    assert position.get_available_trading_quantity() == 3100
    assert list(position.get_held_assets()) == [(SHARES, D(3100))]
    assert trader.state.portfolio.get_vault_settlement_pending_value() == 0
    assert cash_and_equity(trader.state) == (15_000.0, 20_000.0)
    settle(trader, redemption, executed_amount=D(-900), executed_reserve=D(1125))
    assert (position.get_quantity(), position.get_available_trading_quantity()) == (3100, 3100)
    assert cash_and_equity(trader.state) == (16_125.0, 20_000.0)


def test_a_vault_settles_at_the_price_of_the_day():
    """Numbers of the simulator's vault example: planned at 10, settled at 10.5, redeemed at 12."""
    trader = perfect()
    portfolio = trader.state.portfolio
    position, deposit = requested(trader, reserve="1000", price=10.0)
    assert deposit.planned_quantity == 100
    assert (cash_of(trader.state), portfolio.get_vault_settlement_pending_value()) == (9000, 1000.0)
    assert portfolio.calculate_total_equity() == portfolio.get_net_asset_value() == 10_000.0
    shares = D(1000) / D("10.5")
    settle(trader, deposit, executed_price=10.5, executed_amount=shares)
    position.revalue_base_asset(trader.ts, 10.5)
    assert str(position.get_quantity()) == "95.23809523809523809523809524"
    assert position.get_value() == pytest.approx(1000.0)

    _, redemption = requested(trader, str(-shares), price=11.0)
    proceeds = shares * 12
    assert str(proceeds) == "1142.857142857142857142857143"
    settle(trader, redemption, executed_price=12.0, executed_reserve=proceeds)
    assert position.is_closed()
    assert portfolio.get_cash() == 10_142.857142857143
    assert position.get_realised_profit_usd() == pytest.approx(142.85714285714286)


def test_a_request_that_is_given_up_gives_the_capital_back():
    trader = perfect()
    position, deposit = requested(trader, reserve="1000")
    is_refused(trader.state, WrongTradeStatus, lambda: trader.fail(deposit))
    is_refused(trader.state, WrongTradeStatus, lambda: trader.complete(deposit))
    trader.state.resume_vault_settlement(deposit)
    trader.fail(deposit)
    assert cash_and_equity(trader.state) == (10_000.0, 10_000.0)
    assert trader.state.portfolio.get_vault_settlement_pending_value() == 0
    assert (position.get_quantity(), position.has_pending_vault_settlement()) == (0, False)


def test_a_deposit_of_a_frozen_position_is_among_its_net_assets():
    """The reference leaves it out of both figures."""
    trader = perfect()
    trader.run(trader.plan(VAULT, price=1.0, reserve="1000")[1])
    _, deposit = requested(trader, reserve="500", price=1.0)
    _, failing = trader.plan(VAULT, "-10", 1.0)
    trader.send(failing)
    trader.fail(failing)
    freeze_position_on_failed_trade(trader.ts, trader.state, [failing])
    portfolio = trader.state.portfolio
    assert (portfolio.get_net_asset_value(), portfolio.calculate_net_assets()) == (10_000.0, 10_000.0)
    assert portfolio.calculate_total_equity() == 8500.0
    settle(trader, deposit)
    assert (portfolio.get_net_asset_value(), portfolio.calculate_net_assets()) == (10_000.0, 10_000.0)


def test_a_redemption_that_is_given_up_keeps_the_shares():
    trader = perfect()
    position, deposit = requested(trader, reserve="1000", price=1.0)
    settle(trader, deposit)
    _, redemption = requested(trader, "-1000", price=1.0)
    assert position.get_available_trading_quantity() == 0
    trader.state.resume_vault_settlement(redemption)
    trader.fail(redemption)
    assert (position.get_available_trading_quantity(), cash_of(trader.state)) == (1000, 9000)


def test_a_request_may_be_accepted_before_it_is_said_to_be_broadcasted():
    trader = perfect()
    _, deposit = trader.plan(VAULT, price=1.0, reserve="1000")
    trader.start(deposit)
    trader.state.mark_vault_settlement_pending(trader.ts, deposit, {})
    trader.state.resume_vault_settlement(deposit)
    assert deposit.get_status() is TradeStatus.started
    trader.fail(deposit)
    assert cash_of(trader.state) == 10_000


def test_a_deposit_that_spends_less_than_it_asked_for():
    trader = perfect()
    position, deposit = requested(trader, reserve="1000", price=1.0)
    settle(trader, deposit, executed_amount=D(600), executed_reserve=D(600))
    assert (cash_of(trader.state), position.get_quantity()) == (9400, 600)


@pytest.mark.parametrize("fails", [False, True])
def test_a_deposit_on_another_chain_is_paid_from_the_bridge(fails: bool):
    trader = perfect()
    state, portfolio = trader.state, trader.state.portfolio
    bridge = bridged(trader, "3000")
    position, deposit = trader.plan(FAR_VAULT, price=1.0, reserve="2000")
    trader.send(deposit)
    state.mark_vault_settlement_pending(trader.ts, deposit, {"vault_settlement_request_reserve": "2000"})
    assert (deposit.other_data or {})["vault_chain_id"] == FAR_CHAIN
    assert capital_of(bridge) == (3000, 2000, 1000)
    assert (portfolio.get_vault_settlement_pending_value(), portfolio.calculate_net_assets()) == (2000.0, 10_000.0)
    assert cash_and_equity(state) == (7000.0, 10_000.0)
    state.resume_vault_settlement(deposit)
    if fails:
        trader.fail(deposit)
        assert capital_of(bridge) == (3000, 0, 3000)
    else:
        trader.complete(deposit)
        assert (capital_of(bridge), position.get_quantity()) == ((3000, 2000, 1000), 2000)
    assert cash_and_equity(state) == (7000.0, 10_000.0)


def test_what_waits_is_the_same_after_a_reload():
    trader = perfect()
    bridged(trader, "3000")
    back = planned_back(trader, "1000")
    trader.send(back)
    trader.state.mark_bridge_in_transit(trader.ts, back)
    requested(trader, reserve="500", price=1.0)
    state = State.read_json_blob(trader.state.to_json())
    assert state.to_json() == trader.state.to_json()
    assert state.portfolio.calculate_net_assets() == 10_000.0
    transfer, deposit = (state.portfolio.get_trade_by_id(number) for number in (2, 3))
    assert transfer is not None
    assert deposit is not None
    state.resume_bridge_transfer(transfer)
    state.resume_vault_settlement(deposit)
    other = Trader(state, lp_fees=0)
    other.complete(transfer)
    other.complete(deposit)
    assert cash_and_equity(state) == (7500.0, 10_000.0)


@pytest.mark.parametrize(
    "ticket",
    [
        {"vault_async_flow": False},
        {"vault_chain_id": 2},
        {"vault_direction": "redeem"},
        {"vault_settlement_request_reserve": "999"},
        {"vault_settlement_request_reserve": "much"},
        {"vault_settlement_request_reserve": float("nan")},
        {"vault_settlement_request_reserve": "Infinity"},
        {"deadline": datetime.date(2022, 1, 1)},
    ],
    ids=str,
)
def test_a_ticket_that_contradicts_its_deposit_is_refused(ticket: dict[str, Any]):
    trader = perfect()
    _, deposit = trader.plan(VAULT, price=1.0, reserve="1000")
    trader.send(deposit)
    is_refused(
        trader.state, InvalidTrade, lambda: trader.state.mark_vault_settlement_pending(trader.ts, deposit, ticket)
    )
    trader.state.mark_vault_settlement_pending(
        trader.ts, deposit, {"vault_settlement_request_reserve": "1000.0000005", "vault_direction": "deposit"}
    )


@pytest.mark.parametrize("quantity", ["5", "NaN", "all", ""])
def test_a_ticket_that_contradicts_its_redemption_is_refused(quantity: str):
    """A positive request would make shares."""
    trader = perfect()
    trader.run(trader.plan(VAULT, "1000", 1.0)[1])
    _, redemption = trader.plan(VAULT, "-10", 1.0)
    trader.send(redemption)
    ticket = {"vault_settlement_request_quantity": quantity}
    is_refused(
        trader.state, InvalidTrade, lambda: trader.state.mark_vault_settlement_pending(trader.ts, redemption, ticket)
    )


def test_the_time_of_the_request_is_not_the_ticket_s():
    trader = perfect()
    _, deposit = requested(trader, reserve="1000", vault_settlement_requested_at="long ago")
    assert (deposit.other_data or {})["vault_settlement_requested_at"] == trader.ts.isoformat()


def test_a_deposit_whose_capital_is_not_what_it_plans_to_spend_is_refused():
    trader = perfect()
    _, deposit = trader.plan(VAULT, price=1.0, reserve="1000")
    trader.send(deposit)
    deposit.planned_reserve = D(900)
    is_refused(trader.state, InvalidTrade, lambda: trader.state.mark_vault_settlement_pending(trader.ts, deposit))
    deposit.reserve_currency_allocated = None
    is_refused(trader.state, InvalidTrade, lambda: trader.state.mark_vault_settlement_pending(trader.ts, deposit))


def test_only_vaults_settle():
    trader = perfect()
    _, trade = trader.plan(WETH_USDC, "1", 2000.0)
    trader.start(trade)
    is_refused(trader.state, InvalidTrade, lambda: trader.state.mark_vault_settlement_pending(trader.ts, trade, {}))


# --- Exchange accounts


def test_capital_goes_to_an_exchange_account_and_comes_back():
    """The reference cannot execute such trades."""
    trader = perfect()
    state = trader.state
    position, deposit = trader.plan(ACCOUNT, price=1.0, reserve="1000")
    trader.start(deposit)
    assert (deposit.reserve_currency_allocated, cash_and_equity(state)) == (1000, (9000.0, 10_000.0))
    trader.broadcast(deposit)
    trader.complete(deposit, executed_amount=D(999), executed_reserve=D(999))
    assert (position.get_quantity(), cash_and_equity(state)) == (999, (9001.0, 10_000.0))
    failing = trader.plan(ACCOUNT, price=1.0, reserve="1000")[1]
    trader.send(failing)
    trader.fail(failing)
    trader.run(trader.plan(ACCOUNT, "-999", 1.0)[1])
    assert (position.is_closed(), cash_of(state)) == (True, 10_000)


def test_a_withdrawal_must_bring_something():
    trader = perfect()
    trader.run(trader.plan(ACCOUNT, price=1.0, reserve="1000")[1])
    _, withdrawal = trader.plan(ACCOUNT, "-100", 1.0)
    trader.send(withdrawal)
    is_refused(trader.state, InvalidTrade, lambda: trader.complete(withdrawal, executed_reserve=D(0)))


# --- All of them


@pytest.mark.parametrize("pair", [BRIDGE, VAULT, ACCOUNT], ids=lambda pair: pair.kind.value)
def test_trades_of_a_closed_position_do_not_start(pair: Any):
    trader = perfect()
    position, trade = trader.plan(pair, price=1.0, reserve="1000")
    trader.run(trade)
    _, late = trader.plan(pair, price=1.0, reserve="1000")
    trader.run(trader.plan(pair, "-1000", 1.0)[1])
    assert position.is_closed()
    is_refused(trader.state, WrongPositionStatus, lambda: trader.start(late))


def test_trades_of_another_state_are_refused():
    trader, other = perfect(), perfect()
    bridged(other, "1000")
    back = planned_back(other, "500")
    other.send(back)
    for _ in range(2):
        trader.buy(WETH_USDC, "0.1", 2000.0)
    is_refused(trader.state, PositionNotFound, lambda: trader.state.mark_bridge_in_transit(T0, back))
    other.state.mark_bridge_in_transit(T0, back)
    is_refused(trader.state, PositionNotFound, lambda: trader.state.resume_bridge_transfer(back))
