"""The trade summary: recorded reference values, and what follows from hand-made positions."""

import datetime
import json
import math
from pathlib import Path

import pytest

from tests.analysis.portfolios import DAY, START, add_closed, add_open, make_state
from tradeexecutor.analysis.trade_analyser import TradeSummary, build_trade_analysis
from tradeexecutor.state import trade_summary
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.state import State


def to_plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, datetime.timedelta) else value


@pytest.mark.golden
def test_every_figure_of_a_real_state_agrees_with_the_recorded_one(state_file: Path, shared_dir: Path):
    recorded = json.loads((shared_dir / "golden" / "statistics" / state_file.name).read_text())["trade_summary"]
    portfolio = State.read_json_file(state_file).portfolio
    summary = build_trade_analysis(portfolio).calculate_summary_statistics()
    for name, want in recorded.items():
        got = to_plain(getattr(summary, name))
        if isinstance(want, int | float) and isinstance(got, int | float):
            assert math.isclose(want, got, rel_tol=1e-6, abs_tol=1e-9), name
        else:
            assert got == want, name


@pytest.mark.golden
def test_figures_that_need_the_state_agree_with_recorded_ones(shared_dir: Path):
    state = State.read_json_file(shared_dir / "states" / "legacy--legacy-repair-dump.json")
    summary = build_trade_analysis(state.portfolio).calculate_summary_statistics(state=state)
    assert summary.duration == datetime.timedelta(days=37, seconds=68108, microseconds=660102)
    assert summary.annualised_return_percent == pytest.approx(-2.7032653694208397)
    assert summary.time_in_market == pytest.approx(0.7487988945312861)
    assert summary.average_duration_between_position_openings == datetime.timedelta(
        hours=12, minutes=46, seconds=24, microseconds=905660
    )


def test_the_summary_of_nothing_is_empty():
    summary = build_trade_analysis(Portfolio()).calculate_summary_statistics()
    assert summary.total_positions == 0
    assert summary.total_trades == 0
    assert summary.win_percent is None
    assert summary.max_loss_risk is None
    assert summary.duration is None


def test_the_summary_class_is_the_one_of_the_state():
    assert TradeSummary is trade_summary.TradeSummary


def test_winners_losers_and_open_positions_are_counted_apart():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    add_closed(state, 100.0, 95.0, START + 2 * DAY, 1)
    add_closed(state, 100.0, 100.0, START + 4 * DAY, 1)
    add_open(state, 100.0, START + 6 * DAY, price_now=130.0)
    summary = build_trade_analysis(state.portfolio).calculate_summary_statistics()
    assert (summary.won, summary.lost, summary.zero_loss, summary.undecided) == (1, 1, 1, 1)
    assert summary.realised_profit == pytest.approx(10.0 - 5.0)
    assert summary.unrealised_profit == pytest.approx(30.0)
    assert summary.open_value == pytest.approx(130.0)
    assert summary.biggest_winning_trade_pc == pytest.approx(0.10)
    assert summary.biggest_losing_trade_pc == pytest.approx(-0.05)
    assert summary.average_trade == pytest.approx(0.05 / 3)
    assert summary.total_trades == 7
    assert summary.average_duration_of_all_trades == DAY


def test_a_streak_is_counted_in_the_order_of_opening_and_a_zero_does_not_end_it():
    state = make_state()
    for day, price in enumerate((90.0, 100.0, 90.0, 90.0, 110.0)):
        add_closed(state, 100.0, price, START + 2 * day * DAY, 1)
    summary = build_trade_analysis(state.portfolio).calculate_summary_statistics()
    assert summary.max_neg_cons == 3
    assert summary.max_pos_cons == 1
    # 30 USD lost in a row, compared with what was left of the portfolio after the last of these losses.
    assert summary.max_pullback == pytest.approx(-30.0 / (980.0 - 10.0))


def test_risk_is_the_stop_loss_or_else_the_share_of_the_portfolio():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    assert build_trade_analysis(state.portfolio).calculate_summary_statistics().max_loss_risk == pytest.approx(0.1)
    next(iter(state.portfolio.closed_positions.values())).stop_loss = 80.0
    assert build_trade_analysis(state.portfolio).calculate_summary_statistics().max_loss_risk == pytest.approx(0.02)


def test_positions_are_listed_with_the_id_of_their_pair():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    add_open(state, 100.0, START + 3 * DAY)
    analysis = build_trade_analysis(state.portfolio)
    assert [pair_id for pair_id, _ in analysis.get_all_positions()] == [7, 7]
    assert [position.position_id for _, position in analysis.get_open_positions()] == [2]
    assert len(list(analysis.get_long_positions())) == 2
    assert list(analysis.get_short_positions()) == []
    assert analysis.get_first_opened_at() == START
    assert analysis.get_last_closed_at() == START + DAY


def test_the_summary_of_one_side_counts_only_that_side():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    analysis = build_trade_analysis(state.portfolio)
    assert analysis.calculate_long_summary_statistics(None, state).won == 1
    assert analysis.calculate_short_summary_statistics(None, state).total_positions == 0
