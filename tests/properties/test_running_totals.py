"""Whatever is done to the trades and balance events of a position, its kept totals equal those added up anew."""

import copy
import dataclasses
import datetime
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.accounting.accuracy import sum_decimal
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.balance_totals import BalanceUpdatesById
from tradeexecutor.state.position.holdings import get_holding_not_in_flight, get_uncommitted_holding
from tradeexecutor.state.position.quantity import get_settled_quantity
from tradeexecutor.state.position.value import get_spot_equity
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.trade import TradeExecution, TradeStatus, TradeType
from tradeexecutor.state.trade.totals import READS_BEFORE_COUNTING, TradesById, add_up, split_trades

pytestmark = pytest.mark.slow

AT = datetime.datetime(2024, 1, 1)
USDC = AssetIdentifier(1, "0x01", "USDC", 6)
WETH = AssetIdentifier(1, "0x02", "WETH", 18)
PAIR = TradingPairIdentifier(WETH, USDC, "0x03", "0x04", fee=0.003)

FIGURES = (
    "get_quantity", "get_buy_quantity", "get_sell_quantity", "get_total_bought_usd", "get_total_sold_usd",
    "get_average_buy", "get_average_sell", "get_equity", "get_value", "get_realised_profit_usd",
    "get_unrealised_profit_usd", "get_total_profit_usd", "get_total_profit_percent", "get_realised_profit_percent",
    "get_unrealised_and_realised_profit_percent", "get_available_trading_quantity", "has_buys", "has_sells",
    "has_planned_trades", "has_unexecuted_trades", "has_trades_in_flight", "can_be_closed", "is_about_to_close",
    "get_vault_settlement_pending_value",
)  # fmt: skip


def make_trade(trade_id: int, quantity: Decimal, price: float = 2.0) -> TradeExecution:
    return TradeExecution(
        trade_id=trade_id,
        position_id=1,
        trade_type=TradeType.rebalance,
        pair=PAIR,
        opened_at=AT,
        planned_quantity=quantity,
        planned_reserve=abs(quantity) * 2,
        planned_price=price,
        reserve_currency=USDC,
    )


def execute(trade: TradeExecution, share: str = "1", price: float = 2.5) -> None:
    trade.started_at = trade.broadcasted_at = AT
    trade.mark_success(AT, price, trade.planned_quantity * Decimal(share), abs(trade.planned_quantity), 0.0, 1.0)


def make_position(trades: dict[int, TradeExecution] | None = None) -> TradingPosition:
    return TradingPosition(1, PAIR, AT, AT, 2.0, 1.0, USDC, trades=trades or {})


def figures(position: TradingPosition) -> dict[str, Any]:
    result = {name: getattr(position, name)() for name in FIGURES}
    result["quantity as planned"] = position.get_quantity(planned=True)
    result["equity of a spot position"] = get_spot_equity(position)
    for status in (TradeStatus.planned, TradeStatus.vault_settlement_pending, TradeStatus.cctp_in_transit):
        unsettled = position.get_unsettled_trades()
        result[status.value] = [trade.trade_id for trade in unsettled if trade.get_status() is status]
    return result


def assert_totals_are_true(position: TradingPosition) -> None:
    plain = make_position()
    plain.trades = dict(position.trades)  # a plain dictionary keeps no totals
    assert figures(position) == figures(plain)
    assert_settled_quantity_is_true(position)


def assert_settled_quantity_is_true(position: TradingPosition) -> None:
    quantity = get_settled_quantity(position)
    if quantity is None:
        assert any(trade.executed_at is None for trade in position.trades.values())
    else:
        assert quantity == position.get_quantity() == position.get_available_trading_quantity()
        assert quantity == get_uncommitted_holding(position) == get_holding_not_in_flight(position)
        assert not position.has_planned_trades()
    for trade in position.trades.values():
        quantity = get_settled_quantity(position, trade) if trade.is_planned() else None
        if quantity is not None:  # nothing but this trade is planned, and nothing is in flight
            assert quantity == position.get_quantity() == get_holding_not_in_flight(position)


QUANTITIES = st.decimals(-3, 3, places=9).filter(bool)
#: Long binary expansions, so that the order of the additions shows in the last digit.
UGLY_QUANTITIES = st.floats(0.001, 3.0).map(Decimal)
FIELDS = {
    "executed_quantity": UGLY_QUANTITIES,
    "executed_price": st.floats(0.5, 5.0),
    "planned_quantity": QUANTITIES,
    "planned_price": st.floats(0.5, 5.0),
    "repaired_at": st.sampled_from([None, AT]),
    "failed_at": st.sampled_from([None, AT]),
    "executed_at": st.sampled_from([None, AT]),
    "repaired_trade_id": st.sampled_from([None, 1]),
    "vault_settlement_pending_at": st.sampled_from([None, AT]),
    "cctp_in_transit_at": st.sampled_from([None, AT]),
    "notes": st.just("a note"),
    "sort_index": st.just(3),
}


@pytest.mark.slow
@given(st.data())
def test_totals_follow_every_change(data: st.DataObject):
    position = make_position()
    next_id = 1
    for _ in range(data.draw(st.integers(5, 25), "steps")):
        actions = ["add", "add", "add several", "execute", "execute", "fail", "assign", "table"]
        action = data.draw(st.sampled_from(actions))
        ids = list(position.trades)
        if action.startswith("add") or not ids:
            quantity = data.draw(st.one_of(QUANTITIES, UGLY_QUANTITIES))
            for count in range(1, 2 if action == "add" else 10):
                position.trades[next_id] = make_trade(next_id, quantity / count)
                next_id += 1
        elif action == "execute":
            # Some are left for later: a take profit waits for its price.
            waiting = data.draw(st.sets(st.sampled_from(ids), max_size=2), "stay planned")
            for trade in position.trades.values():
                if trade.is_planned() and trade.trade_id not in waiting:
                    execute(trade, data.draw(st.sampled_from(["1", "0.3"])))
        elif action == "fail":
            trade = position.trades[data.draw(st.sampled_from(ids))]
            if trade.is_planned():
                trade.started_at = AT
                trade.mark_failed(AT)
        elif action == "assign":
            trade = position.trades[data.draw(st.sampled_from(ids))]
            name = data.draw(st.sampled_from(sorted(FIELDS)))
            setattr(trade, name, data.draw(FIELDS[name]))
        else:
            key = data.draw(st.sampled_from(ids))
            change = data.draw(st.sampled_from(["delete", "pop", "replace", "swap table"]))
            if change == "delete":
                del position.trades[key]
            elif change == "pop":
                position.trades.pop(key)
            elif change == "replace":
                position.trades[key] = make_trade(key, data.draw(QUANTITIES))
            else:
                position.trades = TradesById(position.trades)
        assert_totals_are_true(position)


def settled_position(count: int) -> TradingPosition:
    position = make_position()
    for trade_id in range(1, count + 1):
        position.trades[trade_id] = make_trade(trade_id, Decimal(1))
        execute(position.trades[trade_id])
    position.get_quantity()
    return position


def test_settled_trades_are_added_up_once():
    position = settled_position(100)
    settled, rest = split_trades(position.trades)
    assert settled.quantity + len(rest) == 100
    assert len(rest) < 10
    assert position.get_quantity() == 100


def test_a_short_table_that_is_read_often_is_added_up_once():
    position = settled_position(2)
    position.trades[3] = make_trade(3, Decimal(5))
    for _ in range(READS_BEFORE_COUNTING + 1):
        assert_totals_are_true(position)
    settled, rest = split_trades(position.trades)
    assert (settled.quantity, [trade.trade_id for trade in rest]) == (2, [3])
    position.trades[1].executed_price = 9.0  # noticed, although the trade is in the totals
    assert_totals_are_true(position)
    execute(position.trades[3])
    for _ in range(READS_BEFORE_COUNTING + 1):
        assert_totals_are_true(position)
    assert not split_trades(position.trades)[1]


def test_a_trade_that_waits_for_its_price_does_not_hold_the_others_up():
    position = settled_position(10)
    waiting = make_trade(11, Decimal("-2"))
    position.trades[11] = waiting
    for trade_id in range(12, 101):
        position.trades[trade_id] = make_trade(trade_id, Decimal(1))
        execute(position.trades[trade_id])
        position.get_quantity()
    settled, rest = split_trades(position.trades)
    assert len(rest) < 10
    assert settled.waiting == (waiting,)
    assert position.has_planned_trades()
    assert (position.get_quantity(), position.get_quantity(planned=True)) == (99, 97)
    assert position.get_available_trading_quantity() == 97
    execute(waiting)
    assert not position.has_planned_trades()
    assert (position.get_quantity(), position.get_quantity(planned=True)) == (97, 97)


def test_an_overtaken_trade_that_starts_is_in_flight():
    position = settled_position(10)
    waiting = position.trades[1]
    waiting.executed_at = waiting.started_at = waiting.broadcasted_at = waiting.executed_quantity = None
    assert position.get_quantity() == 9
    assert split_trades(position.trades)[0].waiting == (waiting,)
    assert not position.has_trades_in_flight()
    waiting.started_at = AT
    assert position.has_trades_in_flight()
    assert not position.has_planned_trades()


def test_a_request_to_a_slow_vault_does_not_hold_later_trades_up():
    position = settled_position(20)
    slow = position.trades[1]
    slow.executed_at = slow.executed_quantity = None
    slow.vault_settlement_pending_at = AT
    assert position.get_quantity() == 19
    assert split_trades(position.trades)[0].waiting == (slow,)
    assert position.has_trades_in_flight()
    assert not position.has_planned_trades()
    slow.executed_at, slow.executed_quantity = AT, Decimal(1)
    assert position.get_quantity() == 20
    assert not position.has_trades_in_flight()


def test_a_settled_trade_stays_what_it_was():
    trade = settled_position(20).trades[1]
    assert isinstance(trade, TradeExecution)
    assert type(trade).__name__ == "TradeExecution"
    assert trade == make_trade(1, Decimal(1))
    assert trade.to_dict().keys() == make_trade(1, Decimal(1)).to_dict().keys()
    trade.my_own_attribute = 5  # type: ignore[attr-defined]
    assert trade.my_own_attribute == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copied_position_is_independent(duplicate: Any):
    position = settled_position(20)
    twin = duplicate(position)
    if duplicate is copy.copy:
        twin.trades = dict(position.trades)
        twin.trades[1] = copy.copy(position.trades[1])
    twin.trades[1].executed_quantity = Decimal(100)
    assert twin.get_quantity() == 119
    assert position.get_quantity() == 20


def test_a_trade_in_two_tables_counts_in_both():
    trades = settled_position(20).trades
    other = make_position(dict(trades))
    assert other.get_quantity() == 20
    trades[1].executed_quantity = Decimal(3)
    assert other.get_quantity() == 22
    assert add_up(trades).quantity == 22


def test_deleting_a_field_of_a_settled_trade_is_noticed():
    position = settled_position(20)
    del position.trades[1].executed_quantity
    position.trades[1].executed_quantity = Decimal(5)
    assert position.get_quantity() == 24


def test_a_replaced_settled_trade_is_another_one():
    position = settled_position(20)
    other = dataclasses.replace(position.trades[1], executed_quantity=Decimal(5))
    assert position.get_quantity() == 20
    position.trades[1] = other
    assert position.get_quantity() == 24
    other.executed_quantity = Decimal(1)
    assert position.get_quantity() == 20


# --- Balance events

AWETH = AssetIdentifier(1, "0x05", "aWETH", 18, underlying=WETH)
ASSETS = [WETH, AWETH, AssetIdentifier(1, "0x05", "aWETH", 18, underlying=WETH), USDC]
CAUSES = [BalanceUpdateCause.interest, BalanceUpdateCause.interest, BalanceUpdateCause.deposit]


def make_event(event_id: int, quantity: Decimal, asset: AssetIdentifier, cause: BalanceUpdateCause) -> BalanceUpdate:
    return BalanceUpdate(
        balance_update_id=event_id,
        cause=cause,
        position_type=BalanceUpdatePositionType.open_position,
        asset=asset,
        block_mined_at=AT,
        strategy_cycle_included_at=AT,
        chain_id=1,
        quantity=quantity,
        old_balance=Decimal(0),
        usd_value=0.0,
        position_id=1,
    )


def assert_sums_are_true(position: TradingPosition, reserve: ReservePosition) -> None:
    events = position.balance_updates.values()
    assert position.get_base_token_balance_update_quantity() == sum_decimal(
        event.quantity for event in events if event.asset == WETH
    )
    assert reserve.get_base_token_balance_update_quantity() == sum_decimal(event.quantity for event in events)
    assert position.calculate_accrued_interest_quantity(AWETH) == sum_decimal(
        event.quantity for event in events if event.asset == AWETH and event.cause is BalanceUpdateCause.interest
    )


def make_reserve(events: dict[int, BalanceUpdate]) -> ReservePosition:
    reserve = ReservePosition(USDC, Decimal(0), None, 1.0, None)
    reserve.balance_updates = events
    return reserve


@given(st.data())
def test_sums_of_balance_events_follow_every_change(data: st.DataObject):
    position = make_position()
    quantities = data.draw(st.lists(st.one_of(QUANTITIES, UGLY_QUANTITIES), min_size=5, max_size=5), "quantities")

    def draw_event(event_id: int) -> BalanceUpdate:
        return make_event(
            event_id,
            data.draw(st.sampled_from(quantities)),
            data.draw(st.sampled_from(ASSETS)),
            data.draw(st.sampled_from(CAUSES)),
        )

    next_id = 1
    for _ in range(data.draw(st.integers(5, 30), "steps")):
        events = position.balance_updates
        action = data.draw(st.sampled_from(["add", "add", "add several", "assign", "table"]))
        if action.startswith("add") or not events:
            for _ in range(1 if action == "add" else 9):
                position.add_balance_update_event(draw_event(next_id))
                next_id += 1
        elif action == "assign":
            event = events[data.draw(st.sampled_from(list(events)))]
            name = data.draw(st.sampled_from(["quantity", "asset", "cause", "notes"]))
            setattr(event, name, getattr(draw_event(1), name))
        else:
            key = data.draw(st.sampled_from(list(events)))
            change = data.draw(st.sampled_from(["delete", "replace", "clear", "swap table", "plain", "copy"]))
            if change == "delete":
                del events[key]
            elif change == "replace":
                events[key] = draw_event(key)
            elif change == "clear":
                events.clear()
            elif change == "copy":
                position = copy.deepcopy(position)
            else:
                position.balance_updates = dict(events) if change == "plain" else BalanceUpdatesById(events)
        assert_sums_are_true(position, make_reserve(position.balance_updates))


def test_balance_events_are_added_up_once(monkeypatch: pytest.MonkeyPatch):
    position = make_position()
    for event_id in range(1, 1_001):
        position.add_balance_update_event(make_event(event_id, Decimal(1), AWETH, BalanceUpdateCause.interest))
    assert position.calculate_accrued_interest_quantity(AWETH) == 1_000
    assert position.get_base_token_balance_update_quantity() == 0
    for event_id in (1_001, 1_002):
        position.add_balance_update_event(make_event(event_id, Decimal(1), WETH, BalanceUpdateCause.deposit))
    compared: list[AssetIdentifier] = []
    equal = AssetIdentifier.__eq__
    monkeypatch.setattr(AssetIdentifier, "__eq__", lambda one, other: compared.append(one) or equal(one, other))
    assert position.get_base_token_balance_update_quantity() == 2
    assert len(compared) < 10
    # An event that has been added up is what it was.
    event = position.balance_updates[1]
    assert type(event).__name__ == "BalanceUpdate"
    assert event == make_event(1, Decimal(1), AWETH, BalanceUpdateCause.interest)
    assert event.to_dict()["quantity"] == "1"
