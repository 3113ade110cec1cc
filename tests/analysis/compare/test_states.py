"""Two states side by side: what counts as the same, and what is found first when they differ."""

import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.portfolios import DAY, PAIR, START, USD, add_closed, add_open, execute, make_state, record_equity
from tradeexecutor.analysis.adjusted.equity import EquityCurve
from tradeexecutor.analysis.compare.equity import compare_equity
from tradeexecutor.analysis.compare.matching import match
from tradeexecutor.analysis.compare.states import Tolerances, compare_states
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeType

HOUR = datetime.timedelta(hours=1)


def make_traded(buy: float = 100, sell: float = 110, hours_later: float = 0, cash: int = 1000) -> State:
    """One round trip on the first day, an open position after two."""
    state = make_state(cash)
    add_closed(state, float(buy), float(sell), START + hours_later * HOUR, 1)
    add_open(state, 120.0, START + 2 * DAY, price_now=125.0)
    record_equity(state, {0: cash, 1: cash + sell - buy, 2: cash + sell - buy + 5})
    return state


def test_a_state_equals_itself_and_its_copy():
    state = make_traded()
    for other in (state, State.from_json(state.to_json())):
        result = compare_states(state, other)
        assert result.is_equal
        assert result.divergence is None
        assert [pairing.differences for pairing in result.trades] == [(), (), ()]
        assert result.fills.trades == 3
        assert result.fills.worse_in_b == 0


def test_a_real_state_equals_itself(state_file: Path):
    state = State.read_json_file(state_file)
    assert compare_states(state, state).is_equal
    assert compare_states(state, state, relative_to_equity=True).is_equal


def test_the_first_trade_that_was_filled_differently_is_named():
    result = compare_states(make_traded(), make_traded(sell=111))
    assert not result.is_equal
    divergence = result.divergence
    assert divergence is not None
    assert divergence.trade is not None
    assert (divergence.kind, divergence.at) == ("trade", START + DAY)
    assert divergence.trade.a is not None
    assert divergence.trade.a.side == "sell"
    sizes = {item.figure: item.size for item in divergence.trade.differences}
    assert sizes == {"value": pytest.approx(1 / 111), "planned_price": pytest.approx(1 / 111), "price": sizes["price"]}
    # The buy is the same, the position differs in what it earned.
    assert result.trades[0].is_equal
    assert [item.figure for item in result.positions[0].differences] == ["profit_pct"]
    # Selling at a higher price is better.
    weights = 100 + 110 + 120
    assert result.fills.worse_in_b == pytest.approx(-(111 / 110 - 1) * 110 / weights)


def test_tolerances_decide_what_is_equal():
    a, b = make_traded(), make_traded(sell=111)
    assert compare_states(a, b, Tolerances(price=0.01, amount=0.011)).is_equal
    assert not compare_states(a, b, Tolerances(price=0.009, amount=0.011)).is_equal
    assert not compare_states(a, b, Tolerances(price=0.01, amount=0.009)).is_equal


def test_a_decision_an_hour_later_is_another_decision_unless_the_tolerance_allows():
    a, b = make_traded(), make_traded(hours_later=1)
    result = compare_states(a, b)
    assert [(item.a is None, item.b is None) for item in result.trades] == [
        (False, True), (True, False), (False, True), (True, False), (False, False),
    ]  # fmt: skip
    assert result.nearest_miss == HOUR
    assert compare_states(a, b, Tolerances(time=HOUR)).is_equal
    assert not compare_states(a, b, Tolerances(time=HOUR - datetime.timedelta(seconds=1))).is_equal


def test_equal_trades_with_another_equity_diverge_at_the_first_sample_that_differs():
    a, b = make_traded(), make_traded()
    b.stats.portfolio[1].total_equity += 1
    divergence = compare_states(a, b).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.at) == ("equity", START + DAY)


def test_a_difference_of_the_equity_before_any_trade_comes_first():
    a, b = make_traded(), make_traded(sell=111)
    b.stats.portfolio[0].total_equity += 1
    divergence = compare_states(a, b).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.at) == ("equity", START)


def test_a_valuation_alone_is_a_difference_of_the_position():
    a, b = make_traded(), make_traded()
    next(iter(b.portfolio.open_positions.values())).revalue_base_asset(START + 3 * DAY, 126.0)
    divergence = compare_states(a, b).divergence
    assert divergence is not None
    assert divergence.position is not None
    assert [item.figure for item in divergence.position.differences] == ["value", "profit_pct"]


def test_money_that_nothing_recorded_is_a_difference():
    a, b = make_traded(), make_traded(cash=1001)
    for sample_a, sample_b in zip(a.stats.portfolio, b.stats.portfolio, strict=True):
        sample_b.total_equity = sample_a.total_equity
    divergence = compare_states(a, b).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.at) == ("equity", None)


def test_equity_that_goes_on_longer_is_a_difference():
    a, b = make_traded(), make_traded()
    last = b.stats.portfolio[-1]
    record_equity(b, {3: last.total_equity})
    result = compare_states(a, b)
    assert result.equity.first is None
    assert not result.is_equal
    assert compare_states(a, b, Tolerances(time=DAY)).is_equal


def buy_and_grow(state: State, quantity: Decimal, cash: int) -> None:
    _, trade, _ = state.create_trade(START, PAIR, quantity, None, 100.0, TradeType.rebalance, USD, 1.0)
    execute(state, trade, 100.0, START)
    record_equity(state, {0: cash, 1: cash * 1.5})


def test_strategies_with_different_capital_are_compared_relative_to_their_equity():
    small, large = make_state(1000), make_state(10_000)
    buy_and_grow(small, Decimal(1), 1000)
    buy_and_grow(large, Decimal(10), 10_000)
    assert not compare_states(small, large).is_equal
    result = compare_states(small, large, relative_to_equity=True)
    assert result.is_equal
    assert result.equity.last is not None
    assert (result.equity.last.a, result.equity.last.b) == (1.5, 1.5)


def test_a_failed_trade_differs_from_a_success():
    a, b = make_traded(), make_state()
    _, trade, _ = b.create_trade(START, PAIR, Decimal(1), None, 100.0, TradeType.rebalance, USD, 1.0)
    b.start_execution(START, trade)
    trade.mark_broadcasted(START)
    b.mark_trade_failed(START, trade)
    first = compare_states(a, b).trades[0]
    figures = {item.figure: (item.a, item.b) for item in first.differences}
    assert figures["status"] == ("success", "failed")
    assert figures["executed_at"] == (START, None)
    assert figures["price"] == (100.0, None)


@pytest.mark.parametrize(
    "wrong", [{"time": -HOUR}, {"price": -0.1}, {"amount": float("nan")}], ids=["time", "price", "amount"]
)
def test_a_tolerance_below_zero_is_refused(wrong: dict[str, object]):
    with pytest.raises(InvalidValue):
        Tolerances(**wrong)  # pyright: ignore[reportArgumentType]


# --- Matching


def run_match(a: list[int], b: list[int], tolerance: int) -> list[tuple[int | None, int | None]]:
    items_a, items_b = list(enumerate(a)), list(enumerate(b, 1000))
    pairs = match(
        items_a,
        items_b,
        lambda item: 0,
        lambda item: START + item[1] * HOUR,
        lambda item: item[0],
        tolerance * HOUR,
    )
    return [(x and x[1], y and y[1]) for x, y in pairs]


def test_the_exact_time_wins_over_an_earlier_one():
    assert run_match([1, 2], [2, 3], 1) == [(1, None), (2, 2), (None, 3)]
    assert run_match([1, 2], [3, 4], 2) == [(1, 3), (2, 4)]


@given(st.lists(st.integers(0, 30), max_size=12), st.lists(st.integers(0, 30), max_size=12), st.integers(0, 5))
def test_every_item_is_there_once_and_partners_are_near(a: list[int], b: list[int], tolerance: int):
    pairs = run_match(a, b, tolerance)
    assert sorted(x for x, _ in pairs if x is not None) == sorted(a)
    assert sorted(y for _, y in pairs if y is not None) == sorted(b)
    assert all(abs(x - y) <= tolerance for x, y in pairs if x is not None and y is not None)
    alone_a, alone_b = ([pair[side] for pair in pairs if pair[1 - side] is None] for side in (0, 1))
    # Nothing is left that could still be matched.
    assert all(abs(x - y) > tolerance for x in alone_a for y in alone_b if x is not None and y is not None)


# --- Equity


def make_curve(values: dict[int, float]) -> EquityCurve:
    times = np.array([hour * 3_600_000_000 for hour in values], dtype=np.int64)
    return EquityCurve(times, np.array(list(values.values()), dtype=np.float64), np.zeros(len(values)))


def test_the_sparser_curve_says_which_points_are_compared():
    daily = make_curve({0: 100, 24: 110, 48: 120})
    hourly = make_curve({hour: 100 + hour * 10 / 24 for hour in range(49)})
    for a, b in ((daily, hourly), (hourly, daily)):
        result = compare_equity(a, b, datetime.timedelta(0), 1e-12)
        assert result.is_equal
        assert result.compared == 3


def test_late_samples_count_within_the_time_tolerance():
    a = make_curve({0: 100, 24: 110, 48: 120})
    late = make_curve({1: 100, 25: 110, 49: 120})
    assert compare_equity(a, late, HOUR, 0.0).is_equal
    result = compare_equity(a, late, datetime.timedelta(0), 0.0)
    assert not result.is_span_equal
    assert result.first is not None
    assert (result.first.a, result.first.b) == (110, 100)


def test_curves_without_a_common_time_have_no_points():
    result = compare_equity(make_curve({0: 1, 1: 1}), make_curve({5: 1, 6: 1}), datetime.timedelta(0), 0.0)
    assert result.compared == 0
    assert not result.is_equal
    empty = make_curve({})
    assert compare_equity(empty, empty, datetime.timedelta(0), 0.0).is_equal
    assert not compare_equity(empty, make_curve({0: 1}), datetime.timedelta(0), 0.0).is_equal
