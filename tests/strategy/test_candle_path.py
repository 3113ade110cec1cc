"""The path of the price through a candle: the rules in numbers, and against a price that moves in small steps."""

import datetime
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.markets import START
from tradeexecutor.backtest.universe import create_pair, create_reserve_asset
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.strategy.candle_path import Book, Condition, Hit, PriceRange, RestingOrder, Walk, walk_candle

USD = create_reserve_asset()
PAIR = create_pair("BTC", USD, 1)


def make_position() -> TradingPosition:
    return TradingPosition(
        position_id=1,
        pair=PAIR,
        opened_at=START,
        last_pricing_at=START,
        last_token_price=100.0,
        last_reserve_price=1.0,
        reserve_currency=USD,
    )


POSITION = make_position()
_COUNT = iter(range(1, 10**9))


def make_trade(quantity: int) -> TradeExecution:
    amount = Decimal(quantity)
    return TradeExecution(next(_COUNT), 1, TradeType.rebalance, PAIR, START, amount, abs(amount) * 100, 100.0, USD)


def make_book(held: float = 10, **more: Any) -> Book:
    return Book(
        **{"position": POSITION, "held": held, "stop_loss": None, "take_profit": None, "trailing": None, **more}
    )


def make_order(quantity: int, *conditions: tuple[float, bool], **more: Any) -> RestingOrder:
    """An order; a condition is a level and whether the price reaches it from below."""
    found = tuple(Condition(level, rising) for level, rising in conditions)
    amount = 100.0 * quantity if quantity > 0 else float(-quantity)
    return RestingOrder(make_trade(quantity), found, amount, **more)


def candle(open: float, high: float, low: float, close: float) -> PriceRange:
    return PriceRange(open, high, low, close, START)


def describe(walk: Walk) -> list[tuple[str, float]]:
    return [(_name(hit), hit.price) for hit in walk.hits]


def _name(hit: Hit) -> str:
    if hit.order is not None:
        return "buy" if hit.order.trade.is_buy() else "sell"
    return "stop" if hit.trade_type is TradeType.stop_loss else "target"


@pytest.mark.parametrize(
    ("price", "expected"),
    [(100, []), (90, [("stop", 90)]), (80, [("stop", 80)]), (120, [("target", 120)]), (130, [("target", 130)])],
)
def test_a_single_price_fills_at_that_price(price: float, expected: list[tuple[str, float]]):
    assert describe(walk_candle([make_book(stop_loss=90.0, take_profit=120.0)], PriceRange.at(price))) == expected


def test_without_levels_nothing_happens():
    assert describe(walk_candle([make_book()], candle(100, 1000, 1, 100))) == []


def test_at_one_price_stops_fill_before_other_sells_and_sells_before_buys():
    timed = make_order(-1, (-math.inf, True))
    book = make_book(stop_loss=None, orders=[make_order(1, (100, False)), timed, make_order(-1, (90, True))])
    assert describe(walk_candle([book], PriceRange.at(95))) == [("sell", 95), ("sell", 95), ("buy", 95)]
    book.stop_loss = 95.0
    assert describe(walk_candle([book], PriceRange.at(95))) == [("stop", 95)]


def test_all_positions_of_a_pair_go_the_same_way():
    # Alone, the first would lose more on the path up first, the second on the path down first.
    first = make_book(held=1, stop_loss=90.0, take_profit=110.0)
    second = make_book(held=0, orders=[make_order(10, (110, True))], stop_loss=90.0)
    assert describe(walk_candle([first, second], candle(100, 110, 90, 100))) == [
        ("target", 110), ("buy", 110), ("stop", 90)
    ]  # fmt: skip


def test_an_order_placed_inside_the_candle_meets_its_close_only():
    order = make_order(1, (95, False), meets_close_only=True)
    assert describe(walk_candle([make_book(0, orders=[order])], candle(100, 105, 90, 100))) == []
    assert describe(walk_candle([make_book(0, orders=[order])], candle(100, 105, 90, 93))) == [("buy", 93)]


def test_a_level_moved_inside_the_candle_meets_its_close_only():
    book = make_book(stop_loss=95.0, trailing=0.95, levels_meet_close_only=True)
    walk = walk_candle([book], candle(100, 120, 90, 110))
    assert describe(walk) == []
    assert walk.books[0].stop_loss == 110 * 0.95, "it trails the close, the high may have been before"
    assert describe(walk_candle([book], candle(100, 120, 90, 94))) == [("stop", 94)]


@pytest.mark.parametrize(("close", "fills"), [(100, False), (93, True)])
def test_an_order_that_lapses_inside_the_candle_fills_when_that_is_worse(close: float, fills: bool):
    # Bought at 95: a gain at a close of 100, so it is taken to have lapsed; a loss at 93, so it has filled.
    order = make_order(1, (95, False), may_expire=True)
    walk = walk_candle([make_book(0, orders=[order])], candle(98, 101, 92, close))
    assert describe(walk) == ([("buy", 95)] if fills else [])


def test_nothing_of_the_input_changes():
    order = make_order(-5, (110, True))
    book = make_book(stop_loss=90.0, trailing=0.9, orders=[order])
    walk_candle([book], candle(100, 120, 80, 100))
    assert (book.held, book.stop_loss, book.trailed_to, book.orders) == (10, 90.0, None, [order])


# --- Against a price that moves in steps of one ---------------------------------------------------

levels = st.integers(80, 120)


def step_through(path: tuple[int, ...]) -> list[int]:
    points = [path[0]]
    for target in path[1:]:
        step = 1 if target > points[-1] else -1
        points += range(points[-1] + step, target + step, step) if target != points[-1] else []
    return points


class Naive:
    """One position with a stop, a target, a trailing stop and orders, looked at after each step of the price."""

    def __init__(self, held: float, stop: float | None, target: float | None, trailing: float | None, orders: Any):
        self.held, self.stop, self.target, self.trailing = held, stop, target, trailing
        self.orders = list(orders)
        self.cash, self.closed, self.fills = 0.0, False, []

    def see(self, price: float) -> None:
        while self._fill_one(price):
            pass
        if self.trailing and self.held:
            self.stop = max(self.stop or 0, price * self.trailing)

    def _fill_one(self, price: float) -> bool:
        stops: list[tuple[float, Any]] = []
        targets: list[tuple[float, Any]] = []
        buys: list[tuple[float, Any]] = []
        if self.held and self.stop is not None and price <= self.stop:
            stops.append((self.stop, None))
        if self.held and self.target is not None and price >= self.target:
            targets.append((self.target, None))
        for order in self.orders:
            quantity, level, rising = order
            if (price >= level) if rising else (price <= level):
                if quantity > 0:
                    buys.append((level if rising else -level, order))
                elif self.held:
                    (targets if rising else stops).append((level, order))
        stops.sort(key=lambda entry: -entry[0])
        ranked = stops + sorted(targets, key=lambda entry: entry[0]) + sorted(buys, key=lambda entry: entry[0])
        if not ranked:
            return False
        order = ranked[0][1]
        self.fills.append(price)
        if order is not None:
            self.orders.remove(order)
        if order is not None and order[0] > 0:
            self.held += 100 * order[0] / price
            self.cash -= 100 * order[0]
            return True
        sold = self.held if order is None else min(self.held, -order[0])
        self.cash += sold * price
        self.held -= sold
        if self.held < 1e-9:
            self.held, self.orders = 0.0, []
        return True


orders = st.lists(
    st.tuples(st.integers(-6, 6).filter(bool), levels, st.booleans()), max_size=4, unique_by=lambda order: order[1]
)


@given(
    st.tuples(levels, levels, levels, levels),
    st.sampled_from([0.0, 10.0]),
    st.none() | st.integers(70, 99),
    st.none() | st.integers(101, 130),
    orders,
)
def test_the_walk_equals_a_price_that_moves_in_small_steps(
    four: tuple[int, ...], held: float, stop: int | None, target: int | None, waiting: list[tuple[int, int, bool]]
):
    low, first, second, high = sorted(four)
    waiting = [order for order in waiting if order[1] not in (stop, target)]
    naive = []
    for path in ((first, low, high, second), (first, high, low, second)):
        trader = Naive(held, stop, target, None, waiting)
        for price in step_through(path):
            trader.see(price)
        naive.append((trader.cash + trader.held * second, trader.fills, trader.held))
    worst = min(naive, key=lambda outcome: outcome[0])
    book = make_book(
        held,
        stop_loss=None if stop is None else float(stop),
        take_profit=None if target is None else float(target),
        orders=[make_order(quantity, (float(level), rising)) for quantity, level, rising in waiting],
    )
    walk = walk_candle([book], candle(float(first), float(high), float(low), float(second)))
    assert walk.value == pytest.approx(worst[0], abs=1e-6)
    if abs(naive[0][0] - naive[1][0]) > 1e-6:
        assert [hit.price for hit in walk.hits] == worst[1]
        assert walk.books[0].held == pytest.approx(worst[2])
    for hit in walk.hits:
        assert low <= hit.price <= high
        if hit.condition.rising:
            assert hit.price >= hit.condition.level
        else:
            assert hit.price <= hit.condition.level


@given(st.tuples(levels, levels, levels, levels), st.floats(0.8, 0.99))
def test_a_trailing_stop_equals_one_that_follows_small_steps(four: tuple[int, ...], trailing: float):
    low, first, second, high = sorted(four)
    values = []
    for path in ((first, low, high, second), (first, high, low, second)):
        # The stop sits between the steps, so it fills at its level: the steps tell whether, not where.
        stop, value = first * trailing, None
        for price in step_through(path):
            if price <= stop:
                value = stop
                break
            stop = max(stop, price * trailing)
        values.append(10 * (second if value is None else value))
    book = make_book(stop_loss=first * trailing, trailing=trailing)
    walk = walk_candle([book], candle(float(first), float(high), float(low), float(second)))
    assert walk.value == pytest.approx(min(values))


def test_a_moment_has_no_beginning():
    assert PriceRange.at(5.0).get_paths() == ((5.0,),)
    assert PriceRange(1.0, 2.0, 1.0, 2.0, START + datetime.timedelta(hours=1)).get_paths()[0] == (1.0, 1.0, 2.0, 2.0)
