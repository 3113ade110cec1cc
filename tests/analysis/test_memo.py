"""Within a block what a function returned is used again; outside everything is worked out anew."""

import datetime

import pytest

from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.analysis.memo import share_nothing, share_results, shared


class Counter:
    """Counts the calls of a shared function."""

    def __init__(self):
        self.calls: list[object] = []

        @shared
        def measure(value: object, add: object = 0) -> list[object]:
            self.calls.append(value)
            if value is None:
                raise ValueError("nothing to measure")
            return [value, add]

        self.measure = measure


def test_outside_a_block_every_call_works():
    counter = Counter()
    assert counter.measure("a") is not counter.measure("a")
    assert counter.calls == ["a", "a"]


def test_inside_a_block_the_same_arguments_give_the_same_result():
    counter = Counter()
    moment = datetime.datetime(2024, 1, 1)
    with share_results():
        assert counter.measure("a", add=moment) is counter.measure("a", add=datetime.datetime(2024, 1, 1))
        assert counter.measure("a") == ["a", 0]
        assert counter.measure("a", 1.0) == ["a", 1.0]
        assert counter.measure("a", True) == ["a", True]
    assert len(counter.calls) == 4


def test_objects_are_told_apart_by_identity():
    counter = Counter()
    first, second = [1], [1]
    with share_results():
        assert counter.measure(first)[0] is first
        assert counter.measure(second)[0] is second
        # An object that is gone does not leave its result to the one in its place.
        for number in range(1000):
            assert counter.measure([number])[0] == [number]


def test_an_inner_block_belongs_to_the_outer_one_and_nothing_survives_it():
    counter = Counter()
    with share_results():
        with share_results():
            counter.measure("a")
        counter.measure("a")
    assert len(counter.calls) == 1
    with share_results():
        counter.measure("a")
    assert len(counter.calls) == 2


def test_a_failure_is_not_kept():
    counter = Counter()
    with share_results():
        for _ in range(2):
            with pytest.raises(ValueError, match="nothing to measure"):
                counter.measure(None)
    assert len(counter.calls) == 2


def test_nothing_is_shared_while_a_state_changes():
    counter = Counter()
    with share_results():
        with share_nothing():
            counter.measure("a")
            counter.measure("a")
        assert len(counter.calls) == 2
        counter.measure("a")
        counter.measure("a")
    assert len(counter.calls) == 3


def test_trades_are_added_up_once_in_a_block():
    position, _ = Trader(new_state(1_000_000)).buy(WETH_USDC, "0.7", 2000.0)
    assert position.get_trade_totals() is not position.get_trade_totals()
    with share_results():
        totals = position.get_trade_totals()
        assert position.get_trade_totals() is totals
        with share_nothing():
            assert position.get_trade_totals() is not totals
        assert position.get_trade_totals() is totals
    assert position.get_trade_totals() is not totals
