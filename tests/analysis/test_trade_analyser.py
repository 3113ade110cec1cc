"""The trade summary: recorded reference values, and what follows from hand-made positions."""

import datetime
import json
import math
from pathlib import Path

import pytest

from tests.kit.portfolios import DAY, START, add_closed, add_open, make_state, record_equity, record_flow
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.analysis.trade_analyser import TradeSummary, build_trade_analysis
from tradeexecutor.state import trade_summary
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.state import State


def to_plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, datetime.timedelta) else value


@pytest.mark.slow
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
    assert summary.duration == datetime.timedelta(0)
    assert summary.annualised_return_percent is None


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


def test_the_timeline_has_all_positions_by_opening():
    state = make_state()
    add_closed(state, 100.0, 110.0, START + 2 * DAY, 1)
    add_open(state, 100.0, START, price_now=130.0)
    timeline = build_trade_analysis(state.portfolio).create_timeline()
    assert timeline["position_id"].tolist() == [2, 1]
    assert timeline["opened_at"].tolist() == [START, START + 2 * DAY]
    assert timeline["closed_at"].isna().tolist() == [True, False]
    assert timeline["position"].tolist() == [state.portfolio.open_positions[2], state.portfolio.closed_positions[1]]
    assert len(build_trade_analysis(make_state().portfolio).create_timeline()) == 0


def test_the_core_metrics_are_fields_of_the_summary():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    summary = build_trade_analysis(state.portfolio).calculate_summary_statistics()
    metrics = summary.get_trading_core_metrics()
    assert (metrics["total_positions"], metrics["win_percent"], metrics["total_trades"]) == (1, 1.0, 2)
    assert metrics["realised_profit"] == pytest.approx(10.0)
    assert metrics == {name: getattr(summary, name) for name in metrics}


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


# --- With a state


def test_ratios_come_from_the_recorded_equity_deposits_included():
    state = make_state()
    record_equity(state, {0: 1000, 1: 1100, 2: 990, 3: 1980})
    record_flow(state, 3, 990)
    summary = build_trade_analysis(state.portfolio).calculate_summary_statistics(state=state)
    returns = [0.0, 0.1, -0.1, 1.0]  # the last one is the deposit
    assert summary.profit_factor == pytest.approx(1.1 / 0.1)
    assert summary.max_drawdown == pytest.approx(-0.1)
    assert summary.max_runup == pytest.approx(1.0)
    mean = sum(returns) / 4
    assert summary.sharpe_ratio == pytest.approx(
        mean / math.sqrt(sum((r - mean) ** 2 for r in returns) / 3) * math.sqrt(365)
    )
    assert summary.sortino_ratio == pytest.approx(mean / math.sqrt(0.1**2 / 4) * math.sqrt(365))
    assert summary.daily_returns is not None
    assert list(summary.daily_returns)[1:] == pytest.approx(returns[1:])
    # Without the deposit the third day is flat.
    assert summarise_performance(state).total_return == pytest.approx(-0.01)


def test_compounded_returns_are_those_of_closed_positions():
    state = make_state()
    state.last_updated_at = START + 9 * DAY
    add_closed(state, 100.0, 110.0, START, 1)
    analysis = build_trade_analysis(state.portfolio)
    summary = analysis.calculate_summary_statistics(state=state)
    assert summary.compounding_returns is not None
    assert list(summary.compounding_returns) == pytest.approx([0.0, 0.01, 0.01])
    assert analysis.calculate_long_summary_statistics(None, state).return_percent == pytest.approx(0.01)
    assert analysis.calculate_short_summary_statistics(None, state).compounding_returns is None


def test_without_samples_there_are_no_ratios():
    state = make_state()
    summary = build_trade_analysis(state.portfolio).calculate_summary_statistics(state=state)
    assert summary.sharpe_ratio is summary.sortino_ratio is summary.profit_factor is summary.daily_returns is None


@pytest.mark.parametrize("values", [(100.0,), (0.0, 0.0, 0.0), (100.0, 100.0, 100.0)])
def test_ratios_that_are_no_number_are_none_and_the_summary_can_be_saved(values: tuple[float, ...]):
    state = make_state()
    record_equity(state, dict(enumerate(values)))
    summary = build_trade_analysis(state.portfolio).calculate_summary_statistics(state=state)
    assert summary.sharpe_ratio is summary.sortino_ratio is summary.profit_factor is None
    assert TradeSummary.from_json(summary.to_json()).sharpe_ratio is None


def test_equity_that_goes_below_zero_and_starts_at_zero_has_a_total_drawdown():
    state = make_state()
    record_equity(state, {0: 0, 1: 100, 2: 90, 3: -10})
    summary = build_trade_analysis(state.portfolio).calculate_summary_statistics(state=state)
    assert summary.max_drawdown is not None
    assert summary.max_drawdown <= -1.0


def test_old_files_have_a_summary_without_compounded_returns():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1).portfolio_value_at_open = None
    analysis = build_trade_analysis(state.portfolio)
    assert analysis.calculate_summary_statistics(state=state).compounding_returns is None
    (position,) = state.portfolio.closed_positions.values()
    assert analysis.get_capital_tied_at_open(position) is None


def test_time_in_market_needs_a_state():
    state = make_state()
    state.last_updated_at = START + 4 * DAY
    position = add_closed(state, 100.0, 110.0, START, 1)
    analysis = build_trade_analysis(state.portfolio)
    assert analysis.calculate_time_in_market(None, [position]) == 0
    assert analysis.calculate_time_in_market(state, [position]) == pytest.approx(0.25)
    assert analysis.get_capital_tied_at_open(position) == pytest.approx(0.1)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "sharpe", "sortino", "profit_factor", "max_drawdown", "max_runup"),
    [
        (
            "arbitrum-btc-usd-sls-binance-data-1h.json",
            0.9687463223558925, 1.40578866449136, 1.1075397480379154, -0.06458477614811442, 0.13175148581585705,
        ),
        (
            "legacy--legacy-repair-dump.json",
            -4.309930691557306, -4.263157312611293, 0.1013531654620805, -1.0, 0.0,
        ),
        (
            "cli--show-positions-long.json",
            -6.368324391514266, -6.368324391514266, 173.57937289576856, -0.2940946554208469, 203.36647610800642,
        ),
    ],
)  # fmt: skip
def test_ratios_agree_with_recorded_ones(
    shared_dir: Path,
    name: str,
    sharpe: float,
    sortino: float,
    profit_factor: float,
    max_drawdown: float,
    max_runup: float,
):
    state = State.read_json_file(shared_dir / "states" / name)
    summary = build_trade_analysis(state.portfolio).calculate_summary_statistics(state=state)
    assert summary.sharpe_ratio == pytest.approx(sharpe)
    assert summary.sortino_ratio == pytest.approx(sortino)
    assert summary.profit_factor == pytest.approx(profit_factor)
    assert summary.max_drawdown == pytest.approx(max_drawdown)
    assert summary.max_runup == pytest.approx(max_runup)
