"""Results of positions: net, each dollar once, only of what executed."""

import datetime
from decimal import Decimal

import numpy as np
import pytest

from tests.kit.portfolios import DAY, PAIR, START, USD, add_closed, add_open, execute, make_state, record_equity, trade
from tradeexecutor.analysis.adjusted.breakdown import BREAKDOWNS, break_down
from tradeexecutor.analysis.adjusted.equity import EquityCurve
from tradeexecutor.analysis.adjusted.money_weighted import calculate_money_weighted_return
from tradeexecutor.analysis.adjusted.positions import (
    Excursion,
    ExitReason,
    calculate_system_quality_number,
    get_exit_reason,
    get_net_result,
    measure_excursion,
    measure_positions,
    measure_trading,
)
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PositionStatistics
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trigger import Trigger, TriggerCondition, TriggerType

_YEAR_US = 365 * 86_400 * 1_000_000


def plan(state: State, quantity: int, price: float, when: datetime.datetime) -> TradeExecution:
    _, planned, _ = state.create_trade(when, PAIR, Decimal(quantity), None, price, TradeType.rebalance, USD, 1.0)
    return planned


# --- Volume and counts


def test_a_failed_trade_has_no_volume():
    state = make_state()
    planned = plan(state, 1, 100.0, START)
    state.start_execution(START, planned)
    planned.mark_broadcasted(START)
    state.mark_trade_failed(START, planned)
    figures = measure_trading(state.portfolio)
    assert (figures.trades, figures.failed, figures.volume, figures.fees) == (1, 1, 0.0, 0.0)
    assert summarise_performance(state).volume == 0


def test_an_order_that_was_never_sent_is_no_trade():
    state = make_state()
    plan(state, 1, 100.0, START)
    assert measure_trading(state.portfolio).trades == 0


# --- Won and lost


def test_a_profit_that_fees_eat_up_is_a_loss():
    # Bought at 100 and sold at 100.5, but 1 of the proceeds went for a fee that no price shows.
    state = make_state()
    trade(state, 1, 100.0, START)
    planned = plan(state, -1, 100.5, START + DAY)
    state.start_execution(START + DAY, planned)
    planned.mark_broadcasted(START + DAY)
    state.mark_trade_success(START + DAY, planned, 100.5, Decimal(-1), Decimal("99.5"), 1.0, 1.0)
    summary = summarise_performance(state)
    assert (summary.won, summary.lost, summary.win_rate) == (0, 1, 0.0)
    assert summary.worst_position is not None
    assert summary.worst_position.profit_usd == pytest.approx(-0.5)


def test_a_position_that_rounding_left_a_profit_is_neither_won_nor_lost():
    state = make_state()
    add_closed(state, 0.1 + 0.2, 0.3, START, 1)
    assert (summarise_performance(state).won, summarise_performance(state).lost) == (0, 0)


def test_expectancy_and_quality_by_hand():
    state = make_state()
    for number, sold in enumerate((130.0, 90.0, 120.0, 100.0)):
        add_closed(state, 100.0, sold, START + 2 * number * DAY, 1)
    summary = summarise_performance(state)
    # Profits 30, -10, 20, 0: mean 10, sample deviation sqrt((400 + 400 + 100 + 100) / 3).
    assert summary.expectancy == pytest.approx(10.0)
    assert summary.system_quality_number == pytest.approx(2 * 10 / (1000 / 3) ** 0.5)
    assert summary.profit_factor == pytest.approx(5.0)
    assert (summary.won, summary.lost, summary.win_rate) == (2, 1, 0.5)


@pytest.mark.parametrize("profits", [[], [5.0], [5.0, 5.0, 5.0]])
def test_profits_that_do_not_vary_have_no_quality_number(profits: list[float]):
    assert calculate_system_quality_number(np.array(profits)) is None


# --- Realised profit


def make_scaled() -> TradingPosition:
    """Buy 2 at 50, sell 1 at 80, buy 1 at 200; the price is 200."""
    state = make_state()
    trade(state, 2, 50.0, START)
    trade(state, -1, 80.0, START + DAY)
    position = trade(state, 1, 200.0, START + 2 * DAY)
    position.revalue_base_asset(START + 2 * DAY, 200.0)
    return position


def test_a_later_buy_does_not_change_what_a_sale_earned():
    position = make_scaled()
    # The rest of the first purchase is worth 150 more than it cost; the second one cost what it is worth.
    assert position.get_average_cost_profit_usd() == (pytest.approx(30.0), pytest.approx(150.0))
    assert position.get_realised_profit_usd() == pytest.approx(-20.0)


def test_realised_and_unrealised_profit_are_the_net_profit():
    position = make_scaled()
    assert sum(position.get_average_cost_profit_usd()) == pytest.approx(position.get_net_profit_usd())


def test_nothing_is_realised_before_a_sale_and_everything_at_the_end():
    state = make_state()
    is_open = add_open(state, 100.0, START, price_now=130.0)
    assert is_open.get_average_cost_profit_usd() == (0.0, pytest.approx(30.0))
    closed = trade(state, -1, 110.0, START + DAY)
    assert closed.get_average_cost_profit_usd() == (pytest.approx(10.0), 0.0)


# --- Cash that no price explains


def make_taxed() -> State:
    """A token that takes 5 % of each transfer: 100 USD bring 9.5 at 10, and selling these brings 90.25."""
    state = make_state()
    for quantity, reserve in ((Decimal("9.5"), Decimal(100)), (Decimal("-9.5"), Decimal("90.25"))):
        when = START + (0 if quantity > 0 else 1) * DAY
        arguments = (None, reserve) if quantity > 0 else (quantity, None)
        _, planned, _ = state.create_trade(when, PAIR, *arguments, 10.0, TradeType.rebalance, USD, 1.0)
        state.start_execution(when, planned)
        planned.mark_broadcasted(when)
        state.mark_trade_success(when, planned, 10.0, quantity, reserve, 0.0, 1.0)
    return state


def test_a_tax_on_transfers_is_a_loss():
    state = make_taxed()
    (position,) = state.portfolio.closed_positions.values()
    assert position.get_net_profit_usd() == pytest.approx(-9.75)
    assert position.get_unexplained_cash_usd() == pytest.approx(9.75)
    assert state.portfolio.get_cash() == pytest.approx(990.25)
    assert position.get_average_cost_profit_usd()[0] == pytest.approx(-9.75)
    assert summarise_performance(state).lost == 1


def test_the_audit_names_the_trades_whose_cash_no_price_explains():
    proof = prove(make_taxed())
    assert proof.is_balanced
    assert [(item.trade_id, round(item.usd, 9)) for item in proof.unexplained_cash] == [(1, 5.0), (2, 4.75)]
    assert prove(make_state()).unexplained_cash == []


# --- Entries that waited


def make_waited() -> TradingPosition:
    """An entry that was placed at the start and filled ten days later; it was sold a day after that."""
    state = make_state()
    position, planned, _ = state.create_trade(START, PAIR, Decimal(1), None, 100.0, TradeType.rebalance, USD, 1.0)
    execute(state, planned, 100.0, START + 10 * DAY)
    planned.flags = {*(planned.flags or ()), TradeFlag.triggered}
    trade(state, -1, 110.0, START + 11 * DAY)
    record_equity(state, {0: 1000, 20: 1010})
    assert summarise_performance(state).exposure == pytest.approx(1 / 20)
    return position


def test_a_position_whose_entry_waited_is_held_from_its_fill():
    position = make_waited()
    assert position.opened_at == START
    assert position.get_entered_at() == START + 10 * DAY
    assert position.get_duration() == DAY
    assert position.get_annualised_profit_percent() == pytest.approx(1.1**365 - 1)


def test_an_entry_that_is_executed_at_once_counts_from_its_decision():
    state = make_state()
    planned = plan(state, 1, 100.0, START)
    execute(state, planned, 100.0, START + datetime.timedelta(minutes=3))
    (position,) = state.portfolio.open_positions.values()
    assert position.get_entered_at() == START


# --- Exits


def close_by(kind: TradeType, condition: TriggerCondition | None = None, price: float = 90.0) -> TradingPosition:
    state = make_state()
    position = trade(state, 1, 100.0, START)
    planned = plan(state, -1, price, START + DAY)
    planned.trade_type = kind
    if condition is not None:
        planned.activated_trigger = Trigger(TriggerType.take_profit_full, condition, price, START, DAY)
    execute(state, planned, price, START + DAY)
    return position


@pytest.mark.parametrize(
    ("kind", "condition", "reason"),
    [
        (TradeType.rebalance, None, ExitReason.decision),
        (TradeType.stop_loss, None, ExitReason.stop_loss),
        (TradeType.take_profit, None, ExitReason.take_profit),
        (TradeType.take_profit, TriggerCondition.cross_above, ExitReason.take_profit),
        (TradeType.take_profit, TriggerCondition.timed_absolute, ExitReason.time),
        (TradeType.take_profit, TriggerCondition.timed_relative_to_open, ExitReason.time),
    ],
)
def test_what_fired_is_the_reason_of_an_exit(kind: TradeType, condition: TriggerCondition | None, reason: ExitReason):
    assert get_exit_reason(close_by(kind, condition)) is reason


def test_an_open_position_has_no_reason_of_exit():
    assert get_exit_reason(add_open(make_state(), 100.0, START)) is None


# --- Excursions and groups


def test_excursions_are_the_extremes_of_the_samples_and_of_the_result():
    state = make_state()
    position = add_closed(state, 100.0, 110.0, START, 3)
    state.stats.positions[position.position_id] = [
        PositionStatistics(START + day * DAY, START, value, 0.0, 1.0, 100.0)
        for day, value in enumerate((0.0, -0.2, 0.4))
    ]
    assert measure_excursion(state, position) == Excursion(-0.2, 0.4)
    state.stats.positions[position.position_id] = state.stats.positions[position.position_id][:1]
    found = measure_excursion(state, position)
    assert found is not None
    assert (found.adverse, found.favourable) == (0.0, pytest.approx(0.1))
    assert measure_excursion(make_state(), position) is None


@pytest.mark.parametrize("name", BREAKDOWNS)
def test_every_breakdown_adds_up_to_all_positions(name: str):
    state = make_state()
    for number, sold in enumerate((130.0, 90.0, 120.0)):
        add_closed(state, 100.0, sold, START + number * (DAY + datetime.timedelta(hours=5)), 1)
    add_open(state, 100.0, START + 9 * DAY)
    rows = break_down(state.portfolio, name).rows
    figures = measure_positions(state.portfolio.get_all_positions())
    assert sum(row.positions for row in rows) == len(figures) == 3
    assert sum(row.profit_usd for row in rows) == pytest.approx(40.0)
    assert sum(row.won for row in rows) == 2


def test_weekdays_and_hours_are_those_of_the_entry():
    state = make_state()
    add_closed(state, 100.0, 130.0, START + datetime.timedelta(hours=14, minutes=30), 3)
    assert [row.key for row in break_down(state.portfolio, "weekday").rows] == ["Monday"]
    assert [row.key for row in break_down(state.portfolio, "hour").rows] == ["14:00"]


def test_the_net_result_is_a_fraction_of_what_was_invested():
    position = add_closed(make_state(), 50.0, 60.0, START, 1)
    assert get_net_result(position) == (pytest.approx(10.0), pytest.approx(0.2))


# --- Money-weighted


def make_curve(*samples: tuple[float, float, float]) -> EquityCurve:
    times, values, flows = zip(*samples, strict=True)
    return EquityCurve((np.array(times) * _YEAR_US).astype(np.int64), np.array(values), np.array(flows))


def test_without_flows_the_money_weighted_return_is_the_return():
    assert calculate_money_weighted_return(make_curve((0, 100, 0), (1, 121, 0))) == pytest.approx(0.21)


def test_money_that_came_before_a_loss_weighs_more():
    # 100 doubled in half a year, then 800 came and 10 % of 1000 was lost.
    curve = make_curve((0, 100, 0), (0.5, 1000, 800), (1, 900, 0))
    found = calculate_money_weighted_return(curve)
    assert found is not None
    growth = 1 + found
    # 100 grew for the whole year and 800 for half of it.
    assert 100 * growth + 800 * growth**0.5 == pytest.approx(900)
    assert found < 0.01 < 2 * 0.9 - 1


@pytest.mark.parametrize(
    "curve", [make_curve((0, 100, 0)), make_curve((0, 0, 0), (1, 0, 0)), make_curve((0, 100, 0), (1, 0, 0))]
)
def test_where_no_rate_explains_the_money_there_is_none(curve: EquityCurve):
    assert calculate_money_weighted_return(curve) is None
