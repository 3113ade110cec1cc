"""Triggers fire when a price level is reached or a time has passed."""

import datetime
from typing import Any

import pytest

from tests.kit.samples import T0, T1, trigger
from tradeexecutor.state.errors import InvalidStateFile, InvalidValue
from tradeexecutor.state.trigger import Trigger, TriggerCondition, TriggerType

SECOND = datetime.timedelta(seconds=1)


def at_price(condition: TriggerCondition, price: float = 100.0) -> Trigger:
    return Trigger(TriggerType.market_limit, condition, price)


@pytest.mark.parametrize(
    ("condition", "fires_at", "silent_at"),
    [(TriggerCondition.cross_above, [100.0, 101.0], [99.9]), (TriggerCondition.cross_below, [100.0, 99.0], [100.1])],
)
def test_price_level_fires_when_it_is_reached(condition, fires_at, silent_at):
    for price in fires_at:
        assert at_price(condition).is_triggering(price, T0, None)
    for price in silent_at:
        assert not at_price(condition).is_triggering(price, T0, None)


def test_absolute_time_fires_at_that_time():
    timed = Trigger(TriggerType.take_profit_full, TriggerCondition.timed_absolute, triggering_at=T0)
    assert not timed.is_triggering(None, T0 - SECOND, None)
    assert timed.is_triggering(None, T0, None)
    assert timed.is_triggering(None, T0 + SECOND, None)


def test_relative_time_counts_from_the_opening_of_the_position():
    hour = datetime.timedelta(hours=1)
    timed = Trigger(TriggerType.take_profit_full, TriggerCondition.timed_relative_to_open, triggering_at_delta=hour)
    assert not timed.is_triggering(None, T0 + hour - SECOND, T0)
    assert timed.is_triggering(None, T0 + hour, T0)


@pytest.mark.parametrize(
    ("condition", "price", "opened_at"),
    [
        (TriggerCondition.cross_above, None, None),
        (TriggerCondition.timed_absolute, 1.0, None),
        (TriggerCondition.timed_relative_to_open, 1.0, T0),
    ],
)
def test_missing_level_is_named(condition, price, opened_at):
    incomplete = Trigger(TriggerType.market_limit, condition)
    with pytest.raises(InvalidValue, match="has no"):
        incomplete.is_triggering(price, T0, opened_at)


def test_missing_market_price_is_named():
    with pytest.raises(InvalidValue, match="market price"):
        at_price(TriggerCondition.cross_above).is_triggering(None, T0, None)


def test_missing_opening_time_is_named():
    timed = trigger(condition=TriggerCondition.timed_relative_to_open)
    with pytest.raises(InvalidValue, match="opening time"):
        timed.is_triggering(None, T0, None)


def test_expires_after_its_last_moment():
    assert not trigger(expires_at=T1).is_expired(T1)
    assert trigger(expires_at=T1).is_expired(T1 + SECOND)
    assert not trigger(expires_at=None).is_expired(T1)


def test_is_executed_once_it_fired():
    assert trigger(triggered_at=T0).is_executed()
    assert not trigger(triggered_at=None).is_executed()


def test_integer_price_becomes_a_float():
    value = trigger(price=100)
    assert type(value.price) is float


def test_reads_as_text():
    assert repr(at_price(TriggerCondition.cross_above)) == "<Trigger market_limit cross_above at 100.0 expires at None>"


@pytest.mark.parametrize(
    "change",
    [
        {"price": "1.0"},
        {"price": True},
        {"type": "market_limit"},
        {"condition": "cross_above"},
        {"expires_at": 1},
        {"triggering_at": "2024-01-01"},
        {"triggering_at_delta": 60},
    ],
)
def test_constructor_refuses_wrong_types(change: dict[str, Any]):
    with pytest.raises(InvalidValue):
        trigger(**change)


@pytest.mark.parametrize(
    "change",
    [{"price": "high"}, {"type": None}, {"condition": 5}, {"expires_at": "2024-01-01"}, {"triggering_at_delta": "1"}],
)
def test_file_with_wrong_types_is_refused(change: dict[str, Any]):
    with pytest.raises(InvalidStateFile):
        Trigger.from_dict(trigger().to_dict() | change)


def test_condition_of_a_newer_program_is_kept_but_cannot_fire():
    value = Trigger.from_dict(trigger().to_dict() | {"condition": "full_moon"})
    assert value.to_dict()["condition"] == "full_moon"
    with pytest.raises(InvalidValue, match="newer"):
        value.is_triggering(1.0, T0, T0)
