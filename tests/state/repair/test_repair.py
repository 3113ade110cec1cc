"""Making good what failed."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.trader import (
    BRIDGE,
    CREDIT,
    DAY,
    FAR_WETH_USDC,
    LINK_USDC,
    SHORT,
    T0,
    USDC,
    WETH_USDC,
    Trader,
    cash_of,
    new_state,
)
from tradeexecutor.ledger.proof import prove
from tradeexecutor.ledger.refunds import RefundAnswer, find_refund
from tradeexecutor.state import repair
from tradeexecutor.state.errors import (
    InvalidTrade,
    PositionNotFound,
    RepairAborted,
    ReserveMissing,
    TradeExecutorError,
    UnexecutedTrades,
    WrongPositionStatus,
    WrongTradeStatus,
)
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.repair import (
    close_position_with_empty_trade,
    find_trades_to_be_repaired,
    repair_trade,
    repair_trades,
    repair_tx_missing,
    unfreeze_position,
)
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus, TradeType

D = Decimal
NOW = T0 + DAY


def trading(cash: int = 10_000) -> tuple[State, Trader]:
    state = new_state(cash)
    return state, Trader(state, lp_fees=0.0, price_impact=1.0)


def test_a_failed_sell_is_repaired_and_its_position_goes_on():
    """Numbers of E6."""
    state, trader = trading()
    portfolio = state.portfolio
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    failed = trader.start_and_fail(WETH_USDC, "-0.5", 2200.0)
    freeze_position_on_failed_trade(T0, state, [failed])
    assert (portfolio.calculate_total_equity(), portfolio.get_net_asset_value()) == (6000.0, 10_000.0)
    counter = repair_trade(portfolio, failed, NOW)
    assert (failed.get_status(), counter.get_status()) == (TradeStatus.repaired, TradeStatus.success)
    assert (counter.planned_quantity, counter.repaired_trade_id) == (D("0.5"), failed.trade_id)
    assert (counter.get_position_quantity(), counter.get_value(), failed.get_value()) == (0, 0.0, 0.0)
    assert portfolio.calculate_total_equity() == 6000.0
    assert position.get_unrealised_and_realised_profit_percent() == 0.0
    assert unfreeze_position(portfolio, position, NOW)
    assert (portfolio.calculate_total_equity(), position.unfrozen_at) == (10_000.0, NOW)
    trader.sell(WETH_USDC, "2", 2300.0)
    assert (cash_of(state), position.is_closed()) == (10_600, True)
    assert position.get_realised_profit_usd() == 600.0
    state.perform_integrity_check()


def test_the_allocation_of_a_failed_buy_comes_back_once():
    """The reference pays it out twice, 1100 for 1000."""
    state, trader = trading(1000)
    position, _ = trader.plan(LINK_USDC, reserve="100", price=10.0)
    trade = position.get_first_trade()
    trader.start(trade)
    trader.broadcast(trade)
    trader.fail(trade)
    freeze_position_on_failed_trade(T0, state, [trade])
    result = repair_trades(state, now=NOW)
    assert cash_of(state) == 1000
    assert (result.trades_needing_repair, result.unfrozen_positions) == ([trade], [position])
    assert [counter.repaired_trade_id for counter in result.new_trades] == [trade.trade_id]
    assert position.is_closed()
    assert trade.planned_reserve == trade.reserve_currency_allocated == 100  # evidence stays


def test_an_allocation_that_never_came_back_does_when_told_so():
    state, trader = trading(1000)
    trade = trader.start_and_fail(LINK_USDC, "10", 10.0)
    state.portfolio.adjust_reserves(trade.reserve_currency, D(-100))  # as old versions left it
    repair_trade(state.portfolio, trade, NOW, allocation_returned=False)
    assert cash_of(state) == 1000


def test_repairing_twice_is_repairing_once():
    state, trader = trading()
    trader.buy(WETH_USDC, "2", 2000.0)
    freeze_position_on_failed_trade(T0, state, [trader.start_and_fail(WETH_USDC, "-0.5", 2200.0)])
    repair_trades(state, now=NOW)
    after = state.to_json()
    assert repair_trades(state, now=NOW).new_trades == []
    assert state.to_json() == after


def test_a_position_with_a_trade_in_flight_stays_frozen_until_it_has_its_outcome():
    state, trader = trading()
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    waiting = trader.plan(WETH_USDC, "0.1", 2000.0)[1]
    failed = trader.start_and_fail(WETH_USDC, "-0.5", 2200.0)
    freeze_position_on_failed_trade(T0, state, [failed])
    trader.start(waiting)
    assert repair_trades(state, now=NOW).unfrozen_positions == []
    assert position.is_frozen()
    state.mark_trade_failed(NOW, waiting)
    assert repair_trades(state, now=NOW).unfrozen_positions == [position]


def test_looking_for_failures_changes_nothing():
    state, trader = trading()
    failed = trader.start_and_fail(LINK_USDC, "10", 10.0)
    before = state.to_json()
    assert repair_trades(state, attempt_repair=False).trades_needing_repair == [failed]
    assert find_trades_to_be_repaired(state) == [failed]
    assert state.to_json() == before


def test_capital_that_is_stuck_elsewhere_is_left_alone():
    state, trader = trading()
    position, _ = trader.plan(LINK_USDC, "10", 10.0)
    trade = position.get_first_trade()
    trader.start(trade)
    trade.other_data = {"hypercore_deposit_capital_at_risk": "100"}
    trader.fail(trade)
    freeze_position_on_failed_trade(T0, state, [trade])
    before = state.to_json()
    result = repair_trades(state, now=NOW)
    assert (result.new_trades, result.unfrozen_positions) == ([], [])
    assert state.to_json() == before
    assert cash_of(state) == 9900


def test_capital_that_its_trade_retained_is_left_alone():
    state, trader = trading()
    trade = trader.plan(LINK_USDC, "10", 10.0)[1]
    trade.other_data = {"retain_reserve_allocation_on_failure": True}
    trader.send(trade)
    trader.fail(trade)
    freeze_position_on_failed_trade(T0, state, [trade])
    before = state.to_json()
    result = repair_trades(state, now=NOW, allocation_returned=lambda trade: False)
    assert result.left_alone == {trade.trade_id: "capital of position #1 is outside"}
    assert state.to_json() == before


def test_a_trade_of_which_nobody_knows_whether_its_capital_came_back_is_left_alone():
    state, trader = trading()
    failed = [trader.start_and_fail(pair, "1", 10.0) for pair in (LINK_USDC, WETH_USDC)]
    freeze_position_on_failed_trade(T0, state, failed)
    result = repair_trades(state, now=NOW, allocation_returned=lambda trade: None if trade is failed[0] else True)
    assert result.left_alone == {failed[0].trade_id: "it is not known whether its capital came back"}
    assert [trade.repaired_trade_id for trade in result.new_trades] == [failed[1].trade_id]
    assert list(state.portfolio.frozen_positions) == [failed[0].position_id]


def test_who_wants_to_be_asked_is_asked_before_anything_changes():
    state, trader = trading()
    failed = trader.start_and_fail(LINK_USDC, "10", 10.0)
    before = state.to_json()
    with pytest.raises(RepairAborted) as error:
        repair_trades(state, now=NOW, confirm=lambda trades: False)
    assert error.value.trade_ids == [failed.trade_id]
    assert state.to_json() == before
    asked: list[TradeExecution] = []
    repair_trades(state, now=NOW, confirm=lambda trades: not asked.extend(trades))
    assert asked == [failed]
    assert repair_trades(state, now=NOW, confirm=lambda trades: False).new_trades == []


def test_if_one_allocation_cannot_go_back_no_trade_is_repaired():
    state, trader = trading()
    trader.buy(WETH_USDC, "1", 2000.0)
    sell = trader.start_and_fail(WETH_USDC, "-1", 2000.0)
    buy = trader.start_and_fail(LINK_USDC, "10", 10.0)
    freeze_position_on_failed_trade(T0, state, [sell, buy])
    state.portfolio.reserves.clear()
    before = state.to_json()
    with pytest.raises(ReserveMissing):
        repair_trades(state, now=NOW, allocation_returned=lambda trade: trade is sell)
    assert state.to_json() == before


def test_a_failed_short_is_repaired():
    """The reference leaves it out, and its position frozen for ever."""
    state, _ = trading()
    position, trade, _ = state.trade_short(
        T0, SHORT, 2000.0, TradeType.rebalance, USDC, 1.0,
        borrowed_quantity=D("-0.5"), collateral_quantity=D(1000), planned_collateral_consumption=D(1000),
    )  # fmt: skip
    state.start_execution(T0, trade)
    state.mark_trade_failed(T0, trade)
    freeze_position_on_failed_trade(T0, state, [trade])
    result = repair_trades(state, now=NOW)
    assert (result.new_trades[0].planned_quantity, result.unfrozen_positions) == (D("0.5"), [position])
    assert (position.is_closed(), cash_of(state), state.portfolio.calculate_net_assets()) == (True, 10_000, 10_000.0)
    assert State.from_json(state.to_json()).to_json() == state.to_json()


def test_a_trade_below_the_dust_limit_is_repaired():
    """A counter trade is not executed, so it may be too small to trade."""
    state, trader = trading()
    trade = trader.plan(LINK_USDC, "10", 10.0)[1]
    trade.planned_quantity = D("1E-11")
    counter = repair_tx_missing(state.portfolio, trade, NOW)
    assert counter.planned_quantity == D("-1E-11")


def test_capital_of_a_bridge_that_never_came_back_goes_back_to_the_bridge():
    state, trader = trading()
    bridge, out = trader.plan(BRIDGE, reserve="1000", price=1.0)
    trader.run(out)
    trade = trader.start_and_fail(FAR_WETH_USDC, "0.2", 2000.0)
    bridge.adjust_bridge_capital_allocated(D(400))  # as old versions left it
    repair_trade(state.portfolio, trade, NOW, allocation_returned=False)
    assert (bridge.get_available_bridge_capital(), cash_of(state)) == (1000, 9000)


@pytest.mark.parametrize("name", repair.__all__)
def test_every_name_is_where_users_import_it_from(name: str):
    assert hasattr(repair, name)


@pytest.mark.parametrize("started", [False, True])
def test_a_trade_that_was_never_sent_gives_its_capital_back(started: bool):
    """The reference keeps what a started buy took out, 900 for 1000."""
    state, trader = trading(1000)
    position, trade = trader.plan(LINK_USDC, "10", 10.0)
    if started:
        trader.start(trade)
    counter = repair_tx_missing(state.portfolio, trade, NOW)
    assert (cash_of(state), state.portfolio.calculate_total_equity()) == (1000, 1000.0)
    assert (trade.get_status(), counter.repaired_trade_id) == (TradeStatus.repaired, trade.trade_id)
    assert position.get_quantity() == 0
    assert trade.notes == "Repaired at 2022-01-02 00:00, by #2\n"


def test_a_position_whose_tokens_are_gone_is_closed_with_an_empty_trade():
    state, trader = trading()
    position, opening = trader.buy(WETH_USDC, "2", 2000.0)
    counter = close_position_with_empty_trade(state.portfolio, position, NOW)
    assert (position.closed_at, counter.planned_quantity) == (NOW, 0)
    assert counter.repaired_trade_id == opening.trade_id
    assert opening.get_status() is TradeStatus.success
    assert position.get_quantity() == 2
    assert state.portfolio.calculate_total_equity() == 6000.0
    state.perform_integrity_check()
    assert State.from_json(state.to_json()).to_json() == state.to_json()


def test_a_failed_supply_of_credit_is_repaired():
    state = new_state(1000)
    _, trade, _ = state.supply_credit(
        T0,
        CREDIT,
        trade_type=TradeType.rebalance,
        reserve_currency=USDC,
        collateral_asset_price=1.0,
        collateral_quantity=D(400),
    )
    state.start_execution(T0, trade)
    state.mark_trade_failed(T0, trade)
    freeze_position_on_failed_trade(T0, state, [trade])
    repair_trades(state, now=NOW)
    assert (cash_of(state), state.portfolio.calculate_net_assets()) == (1000, 1000.0)
    assert not state.portfolio.frozen_positions


# --- Refused, and nothing has changed


def failed_far_buy(state: State, trader: Trader) -> TradeExecution:
    _, trade = trader.plan(FAR_WETH_USDC, "0.01", 2000.0)
    state.start_execution(T0, trade)
    trade.bridge_currency_allocated, trade.reserve_currency_allocated = trade.reserve_currency_allocated, None
    return trade


def failed_buy_without_reserve(state: State, trader: Trader) -> TradeExecution:
    trade = trader.start_and_fail(LINK_USDC, "10", 10.0)
    state.portfolio.reserves.clear()
    return trade


REFUSED: dict[
    str,
    tuple[type[TradeExecutorError], Callable[[State, Trader], Any], Callable[[State, Any], object]],
] = {
    "repairing what succeeded": (
        WrongTradeStatus,
        lambda s, t: t.buy(LINK_USDC, "10", 10.0)[1],
        lambda s, trade: repair_trade(s.portfolio, trade),
    ),
    "repairing what is planned": (
        WrongTradeStatus,
        lambda s, t: t.plan(LINK_USDC, "10", 10.0)[1],
        lambda s, trade: repair_trade(s.portfolio, trade),
    ),
    "repairing for another state": (
        PositionNotFound,
        lambda s, t: t.start_and_fail(LINK_USDC, "10", 10.0),
        lambda s, trade: repair_trade(new_state().portfolio, trade),
    ),
    "refunding without a reserve": (
        ReserveMissing,
        failed_buy_without_reserve,
        lambda s, trade: repair_trade(s.portfolio, trade, NOW, allocation_returned=False),
    ),
    "repairing at a time with a zone": (
        InvalidTrade,
        lambda s, t: t.start_and_fail(LINK_USDC, "10", 10.0),
        lambda s, trade: repair_trade(s.portfolio, trade, NOW.astimezone()),
    ),
    "calling what was sent never sent": (
        WrongTradeStatus,
        lambda s, t: t.start_and_fail(LINK_USDC, "10", 10.0),
        lambda s, trade: repair_tx_missing(s.portfolio, trade),
    ),
    "taking back the capital of a bridge that is not there": (
        PositionNotFound,
        failed_far_buy,
        lambda s, trade: repair_tx_missing(s.portfolio, trade),
    ),
    "emptying a position that never opened": (
        WrongPositionStatus,
        lambda s, t: t.plan(LINK_USDC, "10", 10.0)[0],
        lambda s, position: close_position_with_empty_trade(s.portfolio, position),
    ),
    "emptying a position with a trade in flight": (
        UnexecutedTrades,
        lambda s, t: (t.buy(LINK_USDC, "10", 10.0)[0], t.start(t.plan(LINK_USDC, "5", 10.0)[1]))[0],
        lambda s, position: close_position_with_empty_trade(s.portfolio, position),
    ),
    "unfreezing what is open": (
        WrongPositionStatus,
        lambda s, t: t.buy(LINK_USDC, "10", 10.0)[0],
        lambda s, position: unfreeze_position(s.portfolio, position),
    ),
    "unfreezing what is not repaired": (
        WrongPositionStatus,
        lambda s, t: freeze_position_on_failed_trade(T0, s, [t.start_and_fail(LINK_USDC, "10", 10.0)]),
        lambda s, _: unfreeze_position(s.portfolio, s.portfolio.frozen_positions[1]),
    ),
}


@pytest.mark.parametrize(("error", "prepare", "operation"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_repair_changes_nothing(
    error: type[TradeExecutorError],
    prepare: Callable[[State, Trader], Any],
    operation: Callable[[State, Any], object],
):
    state, trader = trading()
    prepared = prepare(state, trader)
    before = state.to_json()
    with pytest.raises(error):
        operation(state, prepared)
    assert state.to_json() == before


# --- Real files


@pytest.mark.golden
def test_repairing_an_old_file_as_if_nothing_had_come_back(shared_dir: Path):
    """The numbers of the reference, which pays twice: this file had its allocations back, see the next test."""
    state = State.read_json_file(shared_dir / "states" / "legacy--legacy-repair-dump.json")
    portfolio = state.portfolio
    result = repair_trades(state, now=NOW, allocation_returned=lambda trade: False)
    assert [trade.trade_id for trade in result.trades_needing_repair] == [1, 50, 70]
    assert [(t.trade_id, t.repaired_trade_id) for t in result.new_trades] == [(106, 1), (107, 50), (108, 70)]
    assert {p.position_id: p.is_closed() for p in result.unfrozen_positions} == {1: True, 26: True, 36: False}
    assert portfolio.get_cash() == pytest.approx(137.1934352, abs=1e-9)
    assert portfolio.calculate_total_equity() == pytest.approx(201.883063, abs=1e-6)
    assert portfolio.get_net_asset_value() == portfolio.calculate_total_equity()
    assert portfolio.get_position_by_id(36).get_quantity() == D("3.180200722896299527")
    assert repair_trades(state, now=NOW).new_trades == []


@pytest.mark.golden
def test_repairing_an_old_file_by_its_evidence(shared_dir: Path):
    state = State.read_json_file(shared_dir / "states" / "legacy--legacy-repair-dump.json")
    proof = prove(state)
    refunds = {trade.trade_id: find_refund(state, trade.trade_id, proof) for trade in find_trades_to_be_repaired(state)}
    assert refunds[1].answer is refunds[50].answer is RefundAnswer.yes
    cash = cash_of(state)
    repair_trades(state, now=NOW, allocation_returned=lambda trade: refunds[trade.trade_id].answer is RefundAnswer.yes)
    assert cash_of(state) == cash
    assert prove(state).is_balanced


@pytest.mark.golden
def test_repairing_a_frozen_vault(shared_dir: Path):
    state = State.read_json_file(shared_dir / "states" / "hyperliquid--state--hyperai-cleanup.json")
    assert (state.portfolio.get_cash(), state.portfolio.calculate_total_equity()) == (1.0, 1.0)
    result = repair_trades(state, now=NOW)
    assert [trade.trade_id for trade in result.new_trades] == [3]
    assert state.portfolio.calculate_total_equity() == pytest.approx(8.001702, abs=1e-6)
    assert not state.portfolio.frozen_positions
