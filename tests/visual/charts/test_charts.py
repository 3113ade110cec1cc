"""Every chart of the registry: what is in its figure, and what it says when there is nothing to draw."""

# The attributes of plotly figures are made at run time; its stubs do not know them.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false

import datetime
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from tests.kit.chart_states import DAY, START, make_candles, make_traded
from tests.kit.portfolios import add_closed, make_state, record_equity, record_flow
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import InvalidValue, PositionNotFound
from tradeexecutor.state.state import BacktestData, State
from tradeexecutor.visual.charts import CHARTS, Chart, ChartOptions, get_explanation

EVERY_CHART = pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)


def draw(name: str, state: State, **options: Any) -> go.Figure:
    figure = CHARTS[name].draw(state, ChartOptions(**options))
    assert get_explanation(figure) is None, get_explanation(figure)
    return figure


def explain(name: str, state: State, **options: Any) -> str:
    reason = get_explanation(CHARTS[name].draw(state, ChartOptions(**options)))
    assert reason is not None
    return reason


def get_trace(figure: go.Figure, name: str) -> Any:
    (trace,) = [trace for trace in figure.data if trace.name == name]
    return trace


def get_notes(figure: go.Figure) -> str:
    return figure.layout.title.subtitle.text.replace("<br>", " ")


def as_days(times: Any) -> list[float]:
    return [(pd.Timestamp(when) - START) / DAY for when in times]


# --- All charts


@EVERY_CHART
def test_a_chart_says_what_it_is(chart: Chart):
    assert CHARTS[chart.name] is chart
    assert re.fullmatch("[a-z]+(-[a-z]+)*", chart.name)
    assert chart.description.endswith(".")
    assert chart.title


@EVERY_CHART
@pytest.mark.parametrize("state", [State(), make_state()], ids=["blank", "cash"])
def test_an_empty_state_is_explained_in_words(chart: Chart, state: State):
    figure = chart.draw(state)
    reason = get_explanation(figure)
    assert reason
    words = figure.layout.annotations[0].text.replace("<br>", " ")
    assert words.casefold() == f"{reason}.".casefold()
    assert not figure.data


@pytest.mark.slow
@EVERY_CHART
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_drawing_leaves_the_state_alone_and_the_width_to_the_page(chart: Chart, theme: Any):
    state = make_traded()
    before = state.to_json()
    figure = chart.draw(state, ChartOptions(theme=theme))
    assert state.to_json() == before
    assert figure.layout.width is None
    assert figure.layout.autosize
    assert figure.layout.paper_bgcolor == {"light": "#ffffff", "dark": "#14181f"}[theme]
    figure.to_json()


@EVERY_CHART
def test_a_time_without_anything_is_explained(chart: Chart):
    figure = chart.draw(make_traded(), ChartOptions(start_at=START + 1000 * DAY))
    assert get_explanation(figure)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(CHARTS) - {"interest", "returns-distribution", "rolling-sharpe"}))
def test_charts_of_a_traded_state_are_charts(name: str):
    figure = draw(name, make_traded())
    assert figure.data
    assert "by hand" in get_notes(figure)
    for axis in figure.select_yaxes():
        assert axis.title.text or axis.showticklabels is False or name in ("monthly-returns", "positions", "price")


@pytest.mark.parametrize(
    "options",
    [
        {"theme": "blue"},
        {"start_at": START, "end_at": START - DAY},
        {"start_at": START.replace(tzinfo=datetime.UTC)},
        {"max_points": 1},
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]):
    with pytest.raises(InvalidValue):
        ChartOptions(**options)


def test_many_points_are_thinned_and_the_chart_says_so():
    state = make_state()
    values = np.random.default_rng(3).uniform(900, 1100, size=20_000)
    values[7_777] = 5_000.0
    record_equity(state, {number / 24: float(value) for number, value in enumerate(values)})
    # The drawdown is of the last value of each of 834 days, and of the beginning.
    for name, count in (("equity", "20,000"), ("drawdown", "835")):
        figure = draw(name, state, max_points=500)
        assert max(len(trace.x) for trace in figure.data) <= 504
        assert f"500 of {count} points drawn" in get_notes(figure)
    value = get_trace(draw("equity", state, max_points=500), "Value")
    assert max(value.y) == 5_000.0
    assert min(value.y) == values.min()
    assert (value.y[0], value.y[-1]) == (values[0], values[-1])


# --- The portfolio


def test_the_equity_chart_shows_value_deposits_and_growth_without_deposits():
    figure = draw("equity", make_traded())
    value, deposits, growth = figure.data
    assert list(value.y) == [1000, 1000, 1010, 1020, 1020, 1000, 1500, 1515, 1500, 1530, 1530]
    assert as_days(deposits.x) == [0, 6, 10]
    assert list(deposits.y) == [1000, 1500, 1500]
    assert growth.y[6] == pytest.approx(0.0)  # the deposit of day 6 is no growth
    assert growth.y[-1] == pytest.approx(0.02)
    assert "+2.0% from 2024-01-01 to 2024-01-11" in get_notes(figure)


def test_growth_agrees_with_the_summary_for_backtests_too():
    state = make_traded()
    state.backtest_data = BacktestData(START, START + 10 * DAY, CycleDuration.cycle_1d)
    state.stats.portfolio[0].total_equity = 990.0  # the first trades cost 10
    growth = draw("equity", state).data[-1]
    assert growth.y[0] == pytest.approx(-0.01)
    assert growth.y[-1] == pytest.approx(summarise_performance(state).total_return)


def test_a_chart_of_a_part_begins_at_its_first_value():
    figure = draw("equity", make_traded(), start_at=START + 2 * DAY, end_at=START + 4 * DAY)
    value, deposits, growth = figure.data
    assert as_days(value.x) == [2, 3, 4]
    assert growth.y[0] == 0
    assert growth.y[-1] == pytest.approx(1020 / 1010 - 1)
    assert deposits.y[0] == 1000


def test_without_recorded_deposits_the_chart_warns():
    state = make_state()
    record_equity(state, {0: 100, 1: 110})
    assert "No deposits are recorded" in get_notes(draw("equity", state))


def test_drawdown_of_growth_not_of_value():
    figure = draw("drawdown", make_traded())
    line = get_trace(figure, "Drawdown")
    assert line.y[5] == pytest.approx(1000 / 1020 - 1)
    assert max(line.y) == 0
    assert line.y[6] == pytest.approx(1000 / 1020 - 1)  # the deposit does not end it
    deepest = get_trace(figure, "Deepest")
    assert as_days(deepest.x) == [5]
    assert "Deepest -2.0% on 2024-01-06" in get_notes(figure)


def test_months_compound_to_their_year():
    state = make_state()
    record_equity(state, {0: 100, 30: 110, 31: 110, 59: 99, 366: 99, 380: 198})
    (heat_map,) = draw("monthly-returns", state).data
    assert list(heat_map.y) == ["2024", "2025"]
    assert heat_map.x[0] == "Jan"
    assert heat_map.x[-1] == "Year"
    table = np.array(heat_map.customdata)
    assert table[0, 0] == pytest.approx(0.10)
    assert table[0, 1] == pytest.approx(-0.10)
    assert table[0, 12] == pytest.approx(0.99 - 1)
    assert table[1, 12] == pytest.approx(1.0)
    assert list(heat_map.text[0][:2]) == ["10", "−10"]
    assert heat_map.text[1][3] == ""


def test_the_histogram_counts_every_return_once():
    state = make_state()
    rng = np.random.default_rng(5)
    returns = rng.normal(0, 0.01, size=300)
    returns[7] = 4.0
    returns[100:110] = 0.0
    values = 1000 * np.cumprod(1 + returns)
    record_equity(state, {day: float(value) for day, value in enumerate(values)})
    figure = draw("returns-distribution", state)
    assert figure.layout.title.text == "<b>Distribution of daily returns</b>"
    losses, gains = get_trace(figure, "Losses"), get_trace(figure, "Gains")
    assert sum(losses.y) == (returns[1:] < 0).sum()
    assert sum(gains.y) == (returns[1:] > 0).sum()
    assert max(gains.x) < 0.1  # the one of 400 % does not stretch the scale
    notes = get_notes(figure)
    assert "the largest +400.0%" in notes
    assert "days without any change left out" in notes


def test_rolling_sharpe_is_mean_by_deviation_annualised():
    state = make_state()
    returns = np.random.default_rng(6).normal(0.001, 0.01, size=200)
    record_equity(state, {day: float(value) for day, value in enumerate(1000 * np.cumprod(1 + returns))})
    line = get_trace(draw("rolling-sharpe", state), "Sharpe ratio")
    window = returns[-90:]
    assert line.y[-1] == pytest.approx(window.mean() / window.std(ddof=1) * 365**0.5)
    assert len(line.y) == 199 - 89


def test_a_short_history_has_no_rolling_sharpe():
    assert "needs at least 20" in explain("rolling-sharpe", make_traded())


# --- Money


def test_exposure_adds_up_to_the_whole():
    figure = draw("exposure", make_traded())
    assert [trace.name for trace in figure.data] == ["GOLD", "COIN", "Cash"]
    assert np.sum([trace.y for trace in figure.data], axis=0) == pytest.approx(np.ones(11))
    coin = get_trace(figure, "COIN")
    assert coin.customdata[2] == 110
    assert coin.y[2] == pytest.approx(110 / 1010)
    assert coin.y[6] == 0  # closed on day 5
    gold = get_trace(figure, "GOLD")
    assert gold.y[10] == pytest.approx(130 / 1530)


def test_small_assets_become_others():
    state = make_traded()
    for number in range(9):
        position = state.portfolio.open_positions[3]
        copy = replace(position, position_id=100 + number, trades=position.trades)
        base = replace(position.pair.base, token_symbol=f"T{number}")
        copy.pair = replace(position.pair, base=base)
        state.portfolio.open_positions[100 + number] = copy
        state.stats.positions[100 + number] = [
            replace(item, value=item.value * 0.9**number) for item in state.stats.positions[3]
        ]
    names = [trace.name for trace in draw("exposure", state).data]
    assert len(names) == 9
    assert names[-2:] == ["Others", "Cash"]


def test_cash_of_old_samples_is_what_is_not_invested():
    state = make_traded()
    for statistics in state.stats.portfolio:
        statistics.free_cash = None
    cash = get_trace(draw("exposure", state), "Cash")
    assert cash.customdata[2] == 900


def test_deposits_and_redemptions_and_what_is_in():
    state = make_traded()
    record_flow(state, 8, -200)
    figure = draw("deposits", state)
    total = get_trace(figure, "Net deposits")
    assert as_days(total.x) == [0, 6, 8, 10]
    assert list(total.y) == [1000, 1500, 1300, 1300]
    assert [y for y in get_trace(figure, "Deposit").y if y > 0] == [1000, 500]
    assert [y for y in get_trace(figure, "Redemption").y if y < 0] == [-200]
    assert "2 deposits, 1 redemption, net +$1,300.00" in get_notes(figure)


# --- Positions


def test_positions_are_bars_from_opening_to_closing():
    figure = draw("positions", make_traded())
    profit, loss, still_open = (get_trace(figure, name) for name in ("Profit", "Loss", "Open"))
    assert as_days(profit.base) == [1]
    assert list(profit.x) == [2 * 86_400_000]
    assert list(profit.y) == ["COIN-USD"]
    assert as_days(loss.base) == [4]
    assert as_days(still_open.base) == [5]
    assert list(still_open.x) == [5 * 86_400_000]  # to the last sample
    assert "closed by stop loss" in loss.customdata[0]
    assert "+$20.00 (+20.00%)" in profit.customdata[0]


def test_only_the_positions_of_a_pair():
    figure = draw("positions", make_traded(), pair="gold")
    assert [trace.name for trace in figure.data] == ["Open"]
    assert "of that time and pair" in explain("positions", make_traded(), pair="silver")


def test_more_pairs_than_fit_are_counted():
    state = make_traded()
    for number in range(40):
        position = state.portfolio.open_positions[3]
        copy = replace(position, position_id=100 + number)
        copy.pair = replace(position.pair, base=replace(position.pair.base, token_symbol=f"A-VERY-LONG-NAME-{number}"))
        state.portfolio.open_positions[100 + number] = copy
    figure = draw("positions", state)
    assert "30 of 42 pairs (most traded) shown" in get_notes(figure)
    assert max(len(label) for trace in figure.data for label in trace.y) <= 16


def test_profits_add_up():
    figure = draw("profits", make_traded())
    total = get_trace(figure, "All closed positions")
    assert as_days(total.x) == [3, 5]
    assert list(total.y) == [20, 0]
    assert 20 in get_trace(figure, "Profit").y
    assert -20 in get_trace(figure, "Loss").y
    assert "2 closed positions, 1 with a profit" in get_notes(figure)


def test_profit_over_time_held():
    figure = draw("profit-and-time", make_traded())
    gain, loss = get_trace(figure, "Profit"), get_trace(figure, "Loss")
    assert list(gain.x) == [2]
    assert list(gain.y) == [pytest.approx(0.2)]
    assert list(loss.x) == [1]
    assert list(loss.y) == [pytest.approx(-20 / 110)]
    assert loss.marker.size[0] > gain.marker.size[0]


def test_only_the_side_that_was_traded_is_drawn():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    for position in state.portfolio.closed_positions.values():
        position.portfolio_value_at_open = 1000.0
    figure = draw("long-short", state)
    assert [trace.name for trace in figure.data] == ["Long"]
    assert figure.data[0].y[-1] == pytest.approx(0.01)
    assert "no short ones" in get_notes(figure)


def test_files_without_portfolio_values_are_too_old_for_sides():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    for position in state.portfolio.closed_positions.values():
        position.portfolio_value_at_open = None
    assert "too old" in explain("long-short", state)


def test_one_position_is_the_one_asked_for_or_the_largest_result():
    figure = draw("position", make_traded())
    assert figure.layout.title.text == "<b>Position #1 COIN-USD</b>"
    assert "The largest result of 3 positions. Closed, +$20.00 (+20.00%)" in get_notes(figure)
    assert list(figure.data[0].y) == [100, 110, 120]
    figure = draw("position", make_traded(), position=3)
    assert figure.layout.title.text == "<b>Position #3 GOLD-USD</b>"
    assert list(figure.data[0].y) == [50, 50, 57.5, 50, 65, 65]
    with pytest.raises(PositionNotFound):
        CHARTS["position"].draw(make_traded(), ChartOptions(position=77))


# --- Benchmarks


def test_the_strategy_against_given_prices():
    prices = make_candles(base=200)["close"]
    figure = draw(
        "benchmark", make_traded(), benchmarks={"Index": prices, "Outside": prices.shift(1000 * 24, freq="h")}
    )
    assert [trace.name for trace in figure.data] == ["Index", "Strategy"]
    assert figure.data[0].y[-1] == pytest.approx(211 / 201 - 1)
    assert figure.data[1].y[-1] == pytest.approx(0.02)


def test_a_benchmark_that_dwarfs_the_strategy_makes_the_axis_logarithmic():
    prices = make_candles()["close"] ** 30
    figure = draw("benchmark", make_traded(), benchmarks={"Rocket": prices})
    assert figure.layout.yaxis.type == "log"
    assert figure.data[1].y[-1] == pytest.approx(1.02)


def test_holding_what_is_traded():
    figure = draw("benchmark", make_traded(), candles={"COIN-USD": make_candles()})
    assert [trace.name for trace in figure.data] == ["Hold COIN-USD", "Strategy"]
    single = draw("benchmark", make_traded(), candles=make_candles(), pair="GOLD")
    assert [trace.name for trace in single.data] == ["Hold GOLD-USD", "Strategy"]


def test_a_benchmark_that_starts_late_joins_the_strategy_there():
    late = make_candles().iloc[3:]["close"]
    figure = draw("benchmark", make_traded(), benchmarks={"Late": late})
    assert figure.data[0].y[0] == pytest.approx(0.02)  # what the strategy had made by day 3
    assert "Late from 2024-01-04 on" in get_notes(figure)


def test_without_candles_the_recorded_prices_are_shown_and_not_called_buy_and_hold():
    figure = draw("benchmark", make_traded())
    assert figure.data[0].name == "Price of COIN"
    assert "as recorded by trades" in get_notes(figure)


def test_candles_of_no_use_are_refused():
    with pytest.raises(InvalidValue, match="missing: open, high, low, close"):
        CHARTS["price"].draw(make_traded(), ChartOptions(candles=pd.DataFrame({"price": [1.0]})))
    with pytest.raises(InvalidValue, match="not as int"):
        CHARTS["price"].draw(make_traded(), ChartOptions(candles=5))
