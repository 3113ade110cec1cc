"""Watched fields are properties over slots: both say the same, and an assignment is reported once."""

# pyright: reportPrivateUsage=false

import copy
import pickle
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateSlots
from tradeexecutor.state.codec.watched_dict import WatchedDict
from tradeexecutor.state.codec.watched_record import WatchedRecord, watch_fields
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.fields import PositionSlots
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.fields import TradeSlots

D = Decimal


class EventSlots(WatchedRecord):
    __slots__ = ()

    _quantity: Decimal


@watch_fields
@dataclass(slots=True, eq=False)
class Event(EventSlots):
    quantity: Decimal
    notes: str = ""


class Table(WatchedDict[int, Event]):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.changed: list[Event] = []

    def on_entry_changed(self, entry: Event) -> None:
        self.changed.append(entry)


def make_attached() -> tuple[Table, Event]:
    event = Event(D(1))
    table = Table({1: event})
    assert event.attach(table, 1)
    return table, event


def test_an_assignment_to_a_watched_field_is_reported_once():
    table, event = make_attached()
    event.notes = "not watched"
    assert table.changed == []
    event.quantity = D(2)
    event.quantity = D(3)
    assert table.changed == [event]
    assert event.quantity == event._quantity == D(3)


def test_deleting_a_watched_field_is_reported():
    table, event = make_attached()
    del event.quantity
    assert table.changed == [event]


def test_attaching_changes_neither_class_nor_fields():
    table, event = make_attached()
    assert type(event) is Event
    assert [getattr(event, field.name) for field in fields(event)] == [D(1), ""]
    assert table[1] is event


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda event: pickle.loads(pickle.dumps(event))])
def test_a_copy_is_attached_to_nothing(duplicate: Any):
    table, event = make_attached()
    other = duplicate(event)
    other.quantity = D(2)
    assert table.changed == []
    assert event.quantity == D(1)


def test_an_entry_is_attached_to_one_dictionary_only():
    table, event = make_attached()
    assert event.attach(table, 1)
    assert not event.attach(Table({1: event}), 1)


@pytest.mark.parametrize(
    ("cls", "slots"),
    [(TradeExecution, TradeSlots), (BalanceUpdate, BalanceUpdateSlots), (TradingPosition, PositionSlots)],
)
def test_every_declared_slot_is_that_of_a_watched_field(cls: type[Any], slots: type):
    assert {f"_{name}" for name in cls.slot_names} == set(slots.__annotations__)
    assert all(isinstance(getattr(cls, name), property) for name in cls.slot_names)
    assert set(cls.slot_names) <= {field.name for field in fields(cls)}


def test_a_slot_and_its_field_say_the_same_from_plan_to_outcome():
    position, trade = Trader(new_state()).buy(WETH_USDC, "1", 2000.0)
    assert trade.executed_at is not None
    for record in (position, trade):
        for name, slot in record.slot_names.items():
            assert getattr(record, name) is getattr(record, slot)
