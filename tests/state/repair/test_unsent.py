"""Trades that were never sent, and open positions that hold nothing."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.funded_trader import fund, list_differences
from tests.kit.trader import BRIDGE, DAY, FAR_WETH_USDC, LINK_USDC, SHORT, T0, USDC, WETH_USDC, Trader
from tests.kit.trader import cash_of as get_cash
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.errors import RepairAborted, ReserveMissing
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.loan.leverage import LeverageEstimate
from tradeexecutor.state.repair import repair_trades, repair_tx_not_generated, repair_zero_quantity
from tradeexecutor.state.repair.unsent import find_trades_without_transactions
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeFlag, TradeStatus, TradeType
from tradeexecutor.state.trigger import Trigger, TriggerCondition, TriggerType

D = Decimal
NOW = T0 + DAY


@pytest.fixture
def trader() -> Trader:
    return fund()


# --- Trades that were never sent


def test_the_capital_of_a_started_buy_comes_back_exactly_once(trader: Trader):
    """The reference keeps it: 9900 for 10,000."""
    state = trader.state
    position, trade = trader.plan(LINK_USDC, "10", 10.0)
    trader.start(trade)
    assert get_cash(state) == 9900
    counters = repair_tx_not_generated(state, NOW)
    assert [counter.repaired_trade_id for counter in counters] == [trade.trade_id]
    assert get_cash(state) == 10_000
    after = state.to_json()
    assert repair_tx_not_generated(state, NOW) == []
    repair_trades(state, now=NOW)
    assert state.to_json() == after
    assert position.is_closed()  # the reference leaves it open with a value of 0
    state.perform_integrity_check()


def test_a_position_that_holds_tokens_stays_open(trader: Trader):
    state = trader.state
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    _, sell = trader.plan(WETH_USDC, "-2", 2100.0, position=position)
    counter = repair_tx_not_generated(state, NOW)[0]
    assert (counter.planned_quantity, sell.get_status()) == (2, TradeStatus.repaired)
    assert (position.is_open(), position.get_quantity(), position.get_quantity(planned=True)) == (True, 2, 2)
    trader.sell(WETH_USDC, "2", 2000.0)
    assert (position.is_closed(), get_cash(state)) == (True, 10_000)


def test_new_ids_follow_the_ids_of_the_trades_wherever_they_are(trader: Trader):
    state = trader.state
    first, _ = trader.buy(WETH_USDC, "2", 2000.0)
    second, _ = trader.buy(LINK_USDC, "10", 10.0)
    for pair, position in ((LINK_USDC, second), (WETH_USDC, first), (LINK_USDC, second)):
        trader.plan(pair, "-0.5", 10.0, position=position)
    repaired = [counter.repaired_trade_id for counter in repair_tx_not_generated(state, NOW)]
    assert repaired == [3, 4, 5]
    assert [t for t in (6, 7, 8) if state.portfolio.get_trade_by_id(t)] == [6, 7, 8]


def test_orders_that_wait_for_a_trigger_are_planned_on_purpose(trader: Trader):
    """The reference repairs partial take profits away."""
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    flags = {TradeFlag.partial_take_profit, TradeFlag.reduce, TradeFlag.triggered}
    _, order = trader.plan(WETH_USDC, "-1", 3000.0, position=position, flags=flags)
    order.triggers = [Trigger(TriggerType.take_profit_partial, TriggerCondition.cross_above, 3000.0)]
    position.pending_trades[order.trade_id] = order
    assert find_trades_without_transactions(trader.state) == []
    trader.start_and_fail(WETH_USDC, "-1", 2000.0)
    repair_tx_not_generated(trader.state, NOW)
    assert order.is_planned()


def test_a_triggered_entry_that_was_never_sent_is_pending_no_more(trader: Trader):
    state, portfolio = trader.state, trader.state.portfolio
    position, trade = trader.plan(LINK_USDC, reserve="100", price=10.0, flags={TradeFlag.triggered})
    portfolio.pending_positions[position.position_id] = portfolio.open_positions.pop(position.position_id)
    position.pending_since_at = T0
    state.start_execution(T0, trade, triggered=True)
    repair_tx_not_generated(state, NOW)
    assert portfolio.closed_positions == {position.position_id: position}
    assert (portfolio.pending_positions, position.is_pending(), get_cash(state)) == ({}, False, 10_000)


def test_a_plan_that_a_closed_position_was_left_with(trader: Trader):
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    trader.sell(WETH_USDC, "2", 2000.0)
    assert position.is_closed()
    left = position.open_trade(NOW, 3, D(-1), None, 2000.0, TradeType.rebalance, USDC, 1.0)
    trader.state.portfolio.next_trade_id = 4
    assert [counter.trade_id for counter in repair_tx_not_generated(trader.state, NOW)] == [4]
    assert left.get_status() is TradeStatus.repaired
    assert position.get_quantity() == 0
    trader.state.perform_integrity_check()


def test_capital_of_a_bridge_goes_back_to_the_bridge(trader: Trader):
    state = trader.state
    bridge, out = trader.plan(BRIDGE, reserve="1000", price=1.0)
    trader.run(out)
    _, trade = trader.plan(FAR_WETH_USDC, reserve="400", price=2000.0)
    trader.start(trade)
    assert bridge.get_available_bridge_capital() == 600
    repair_tx_not_generated(state, NOW)
    assert (bridge.get_available_bridge_capital(), get_cash(state)) == (1000, 9000)
    assert prove(state).has_mismatch is False


@pytest.mark.parametrize("started", [False, True])
def test_a_short_that_was_never_sent(trader: Trader, started: bool):
    state = trader.state
    estimate = LeverageEstimate.open_short(D(1000), 1.0, 2000.0, SHORT, 0.003)
    position, trade, _ = state.trade_short(
        T0, SHORT, 2000.0, TradeType.rebalance, USDC, 1.0,
        borrowed_quantity=-estimate.borrowed_quantity, collateral_quantity=D(1000),
        planned_collateral_consumption=estimate.additional_collateral_quantity, flags={TradeFlag.open},
    )  # fmt: skip
    if started:
        trader.start(trade)
    repair_tx_not_generated(state, NOW)
    assert (position.is_closed(), get_cash(state)) == (True, 10_000)
    assert not prove(state).has_mismatch


def test_positions_with_capital_outside_are_left_alone(trader: Trader):
    position, trade = trader.plan(LINK_USDC, "10", 10.0)
    trade.other_data = {"hypercore_stranded_usdc": {"amount_human": "100"}}
    trader.plan(LINK_USDC, "5", 10.0, position=position)
    before = trader.state.to_json()
    assert repair_tx_not_generated(trader.state, NOW) == []
    assert trader.state.to_json() == before


def test_no_means_that_nothing_changes(trader: Trader):
    trader.plan(LINK_USDC, "10", 10.0)
    before = trader.state.to_json()
    asked: list[int] = []

    def refuse(trades: object) -> bool:
        asked.extend(trade.trade_id for trade in trades)  # pyright: ignore[reportGeneralTypeIssues]
        return False

    with pytest.raises(RepairAborted) as error:
        repair_tx_not_generated(trader.state, NOW, refuse)
    assert asked == error.value.trade_ids == [1]
    assert trader.state.to_json() == before


def test_all_or_nothing(trader: Trader):
    """The second trade cannot be refunded, so the first is not repaired either."""
    state = trader.state
    trader.plan(LINK_USDC, "10", 10.0)
    _, started = trader.plan(WETH_USDC, "1", 2000.0)
    trader.start(started)
    reserves = dict(state.portfolio.reserves)
    state.portfolio.reserves.clear()
    before = state.to_json()
    with pytest.raises(ReserveMissing):
        repair_tx_not_generated(state, NOW)
    assert state.to_json() == before
    state.portfolio.reserves.update(reserves)
    assert len(repair_tx_not_generated(state, NOW)) == 2


# --- Positions that hold nothing


def empty_position(trader: Trader):
    """Its tokens went away by a balance update, so no trade has closed it."""
    position, _ = trader.buy(LINK_USDC, "10", 10.0)
    position.trades[position.get_first_trade().trade_id].executed_quantity = D(0)
    return position


def test_a_position_that_holds_nothing_is_closed(trader: Trader):
    position = empty_position(trader)
    equity = trader.state.portfolio.calculate_total_equity()
    trades = repair_zero_quantity(trader.state, NOW)
    assert [(trade.trade_id, trade.repaired_trade_id, trade.planned_quantity) for trade in trades] == [(2, 1, 0)]
    assert (position.closed_at, trader.state.portfolio.calculate_total_equity()) == (NOW, equity)
    assert repair_zero_quantity(trader.state, NOW) == []


def test_a_position_that_is_being_traded_is_not_empty(trader: Trader):
    trader.plan(WETH_USDC, "1", 2000.0)  # about to open
    position = empty_position(trader)
    trader.plan(LINK_USDC, "5", 10.0, position=position)  # about to be filled
    before = trader.state.to_json()
    assert repair_zero_quantity(trader.state, NOW) == []
    assert trader.state.to_json() == before


def test_an_empty_position_with_a_failure_waits_for_its_repair(trader: Trader):
    position = empty_position(trader)
    failed = trader.start_and_fail(LINK_USDC, "5", 10.0)
    assert repair_zero_quantity(trader.state, NOW) == []
    freeze_position_on_failed_trade(NOW, trader.state, [failed])
    repair_trades(trader.state, now=NOW)
    assert position.is_closed()


def test_a_position_left_by_a_repair_of_other_programs_is_closed(trader: Trader):
    position, trade = trader.plan(LINK_USDC, "10", 10.0)
    trade.repaired_at = trade.executed_at = NOW
    trade.executed_quantity = trade.executed_reserve = D(0)
    assert len(repair_zero_quantity(trader.state, NOW)) == 1
    assert position.is_closed()


def test_waiting_orders_lapse_with_the_position(trader: Trader):
    position = empty_position(trader)
    order = trader.plan(LINK_USDC, "-1", 20.0, position=position, flags={TradeFlag.triggered})[1]
    order.triggers = [Trigger(TriggerType.take_profit_partial, TriggerCondition.cross_above, 20.0)]
    position.pending_trades[order.trade_id] = position.trades.pop(order.trade_id)
    repair_zero_quantity(trader.state, NOW)
    assert (list(position.expired_trades), position.pending_trades) == ([order.trade_id], {})
    assert order.get_status() is TradeStatus.expired
    trader.state.perform_integrity_check()


def test_no_to_closing_changes_nothing(trader: Trader):
    empty_position(trader)
    before = trader.state.to_json()
    with pytest.raises(RepairAborted):
        repair_zero_quantity(trader.state, NOW, lambda positions: False)
    assert trader.state.to_json() == before


# --- Real files


@pytest.mark.golden
def test_a_file_with_seven_trades_that_were_never_sent(shared_dir: Path):
    state = State.read_json_file(shared_dir / "states" / "legacy--trade-missing-tx.json")
    portfolio, before = state.portfolio, list_differences(state)
    figures = (get_cash(state), portfolio.calculate_total_equity())
    assert repair_trades(state, now=NOW).new_trades == []
    counters = repair_tx_not_generated(state, NOW)
    assert [(t.trade_id, t.repaired_trade_id) for t in counters] == [(n + 7, n) for n in range(7, 14)]
    assert (portfolio.next_trade_id, len(list(portfolio.get_all_trades()))) == (21, 20)
    assert (get_cash(state), portfolio.calculate_total_equity()) == figures
    values = {p.position_id: p.get_value() for p in portfolio.open_positions.values()}
    assert values == {3: pytest.approx(1050.001858, abs=1e-6), 4: pytest.approx(2822.223554, abs=1e-6)}
    assert list_differences(state) == before
    after = state.to_json()
    assert repair_tx_not_generated(state, NOW) == []
    assert state.to_json() == after


@pytest.mark.golden
def test_a_file_with_eight_empty_positions(shared_dir: Path):
    state = State.read_json_file(shared_dir / "states" / "legacy--zero-quantity-positions.json")
    portfolio, before = state.portfolio, list_differences(state)
    figures = (get_cash(state), portfolio.calculate_total_equity())
    trades = repair_zero_quantity(state, NOW)
    assert [trade.trade_id for trade in trades] == list(range(24, 32))
    assert sorted(portfolio.closed_positions)[-8:] == list(range(4, 12))
    left = {p.position_id: (p.get_quantity(), p.pair.base.token_symbol) for p in portfolio.open_positions.values()}
    assert left == {2: (D("4.27396109"), "BITCOIN"), 3: (D("569.17589831"), "SPX")}
    assert (get_cash(state), portfolio.calculate_total_equity()) == figures
    assert list_differences(state) == before
    assert repair_zero_quantity(state, NOW) == []


@pytest.mark.golden
@pytest.mark.parametrize(
    "name", ["mainnet_fork--ausdc-broken-position", "legacy--legacy-state-dump", "arbitrum-btc-usd-sls-binance-data-1h"]
)
def test_a_file_without_need_of_repair_stays_as_it_is(shared_dir: Path, name: str):
    state = State.read_json_file(shared_dir / "states" / f"{name}.json")
    before = state.to_json()
    assert repair_tx_not_generated(state, NOW) == []
    assert repair_zero_quantity(state, NOW) == []
    assert repair_trades(state, now=NOW).new_trades == []
    assert state.to_json() == before
