"""Whatever is done to the trades of a position, its kept totals equal those added up anew."""

import copy
import datetime
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.state.trade_table import TradeTable, add_up, split_trades

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
    return {name: getattr(position, name)() for name in FIGURES}


def assert_totals_are_true(position: TradingPosition) -> None:
    plain = make_position()
    plain.trades = dict(position.trades)  # a plain dictionary keeps no totals
    assert figures(position) == figures(plain)


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
    "notes": st.just("a note"),
    "sort_index": st.just(3),
}


@given(st.data())
def test_totals_follow_every_change(data: st.DataObject):
    position = make_position()
    next_id = 1
    for _ in range(data.draw(st.integers(5, 40), "steps")):
        action = data.draw(st.sampled_from(["add", "add", "add", "execute", "execute", "fail", "assign", "table"]))
        ids = list(position.trades)
        if action == "add" or not ids:
            quantity = data.draw(st.one_of(QUANTITIES, UGLY_QUANTITIES))
            position.trades[next_id] = make_trade(next_id, quantity)
            next_id += 1
        elif action == "execute":
            for trade in position.trades.values():
                if trade.is_planned():
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
                position.trades = TradeTable(position.trades)
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
