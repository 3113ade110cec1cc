"""The strategy beside cash, prices and other curves."""

# The attributes of plotly figures are made at run time; its stubs do not know them.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false

import datetime
from dataclasses import replace
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from tests.kit.chart_states import DAY, GOLD_PAIR, PAIR, START, make_candles, make_traded
from tests.kit.portfolios import make_state, record_equity
from tradeexecutor.analysis.recorded import position_returns
from tradeexecutor.analysis.recorded.position_returns import calculate_long_compounding_realised_trading_profitability
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import InvalidValue, NothingToDraw
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import BacktestData, State
from tradeexecutor.state.visualisation import Plot, PlotKind
from tradeexecutor.visual.charts import CHARTS, get_explanation
from tradeexecutor.visual.notebook.benchmark import (
    create_benchmark_equity_curves,
    transform_to_equity_curve,
    visualise_equity_curve_benchmark,
    visualise_equity_curves,
    visualise_long_short_benchmark,
    visualise_portfolio_interest_curve,
    visualise_vs_returns,
)


def get_trace(figure: go.Figure, name: str) -> Any:
    (trace,) = [trace for trace in figure.data if trace.name == name]
    return trace


def make_curve(*values: float) -> "pd.Series[float]":
    return pd.Series(values, index=pd.date_range(START, periods=len(values)))


def test_the_strategy_without_its_deposits():
    strategy = get_trace(visualise_equity_curve_benchmark(state=make_traded()), "by hand")
    assert strategy.y[0] == 1000
    assert strategy.y[-1] == pytest.approx(1020)  # not 1530


def test_in_a_backtest_cash_is_a_flat_line():
    state = make_traded()
    assert [trace.name for trace in visualise_equity_curve_benchmark(state=state).data] == ["by hand"]
    state.backtest_data = BacktestData(START, START + 10 * DAY, CycleDuration.cycle_1d)
    state.stats.portfolio[0].total_equity = 990.0
    figure = visualise_equity_curve_benchmark("Mine", "A title", state)
    assert list(get_trace(figure, "Hold cash").y) == [1000, 1000]
    assert get_trace(figure, "Mine").y[0] == pytest.approx(990)
    assert figure.layout.title.text == "<b>A title</b>"
    assert figure.layout.yaxis.title.text == "Value $"


def test_benchmarks_start_with_the_same_cash():
    returns = make_curve(0.0, 0.1, 0.1)
    returns.attrs["curve"] = "returns"
    frame = pd.DataFrame({"Index": make_curve(*range(10, 21)), "All cash": 1.0})
    figure = visualise_equity_curve_benchmark(
        state=make_traded(),
        all_cash=500.0,
        buy_and_hold_asset_name="COIN",
        buy_and_hold_price_series=make_candles()["close"],
        benchmark_indexes=frame,
    )
    hold, index = get_trace(figure, "Buy and hold COIN"), get_trace(figure, "Index")
    assert (hold.y[0], index.y[0]) == (500, 500)
    assert index.y[-1] == 1000
    assert hold.y[-1] == pytest.approx(500 * 111 / 101)
    assert list(get_trace(figure, "Hold cash").y) == [500, 500]
    figure = visualise_equity_curve_benchmark(
        state=make_traded(), all_cash=100.0, buy_and_hold_asset_name="R", buy_and_hold_price_series=returns
    )
    assert list(get_trace(figure, "Buy and hold R").y) == pytest.approx([100, 110, 121])


def test_statistics_instead_of_a_state():
    samples = make_traded().stats.portfolio
    figure = visualise_equity_curve_benchmark("Raw", portfolio_statistics=samples, start_at=START + DAY, log_y=True)
    assert list(get_trace(figure, "Raw").y[:2]) == [1000, 1010]
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.yaxis.title.text == "Value $ (logarithmic)"


def test_indicators_beside_the_curves():
    plot = Plot("level", PlotKind.technical_indicator_on_price, points={1704067200: 5.0})
    figure = visualise_equity_curve_benchmark(state=make_traded(), additional_indicators=[plot])
    assert get_trace(figure, "level").y[0] == 5.0


def test_what_cannot_be_compared():
    with pytest.raises(InvalidValue):
        visualise_equity_curve_benchmark("nothing")
    with pytest.raises(InvalidValue, match="asset_name"):
        visualise_equity_curve_benchmark(state=make_traded(), buy_and_hold_price_series=make_curve(1.0))
    with pytest.raises(NothingToDraw):
        visualise_equity_curve_benchmark(state=make_state())


def test_benchmark_curves_of_pairs():
    universe = {"COIN-USD": make_candles(), "GOLD-USD": make_candles(base=50, step=DAY / 2)}
    frame = create_benchmark_equity_curves(universe, {"Coin": PAIR, "Gold": GOLD_PAIR}, 1000, {"Coin": "red"})
    assert list(frame) == ["Coin", "Gold", "All cash"]
    assert frame["Coin"].iloc[0] == 1000
    assert frame["Coin"].dropna().iloc[-1] == pytest.approx(1000 * 111 / 101)
    assert set(frame["All cash"]) == {1000}
    assert frame.attrs["names"] == ["Coin", "Gold", "All cash"]
    assert frame.attrs["colours"]["Coin"] == "red"
    daily = create_benchmark_equity_curves(universe, {"Gold": GOLD_PAIR}, 1000, convert_to_daily=True)
    assert len(daily) == 6
    with pytest.raises(InvalidValue, match="GOLD-USD"):
        create_benchmark_equity_curves({"COIN-USD": make_candles()}, {"Gold": GOLD_PAIR}, 1000)


def test_better_or_worse_than_a_benchmark():
    index = pd.DatetimeIndex([datetime.datetime(2024, month, 15) for month in (1, 2, 3)])
    returns = pd.Series([0.1, 0.0, -0.5], index=index)
    benchmarks = pd.DataFrame({"Index": [100.0, 110.0, 55.0], "All cash": 1.0}, index=index)
    figure = visualise_vs_returns(returns, benchmarks)
    (line,) = figure.data
    assert line.name == "Index"
    assert list(line.y) == pytest.approx([1 / 1.1, 1.0])  # the first price is no return
    assert figure.layout.shapes[0].y0 == 1.0
    with pytest.raises(NothingToDraw):
        visualise_vs_returns(returns, benchmarks[["All cash"]])


def test_curves_are_scaled_to_begin_together():
    frame = pd.DataFrame({"a": make_curve(100, 200), "b": make_curve(10, 5)})
    curves = [transform_to_equity_curve(frame, name, name.upper(), "#ff0000") for name in ("a", "b")]
    assert curves[0].attrs == {"name": "A", "curve": "equity", "colour": "#ff0000"}
    figure = visualise_equity_curves(curves)
    assert [list(trace.y) for trace in figure.data] == [[100, 200], [100, 50]]
    later = visualise_equity_curves(curves, start_at=START + DAY)
    assert [list(trace.y) for trace in later.data] == [[200], [200]]
    with pytest.raises(InvalidValue, match="needs attrs"):
        visualise_equity_curves([make_curve(1.0)])
    with pytest.raises(NothingToDraw):
        visualise_equity_curves(curves, start_at=START + 100 * DAY)
    with pytest.raises(InvalidValue, match="no column 'c'"):
        transform_to_equity_curve(frame, "c", "C")


def make_closed_at_thousand() -> State:
    state = make_traded()
    for position in state.portfolio.closed_positions.values():
        position.portfolio_value_at_open = 1000.0
    return state


def test_long_and_short_curves(monkeypatch: pytest.MonkeyPatch):
    state = make_closed_at_thousand()
    figure = visualise_long_short_benchmark(state)
    assert [trace.name for trace in figure.data] == ["All", "Long", "Short"]  # the last one is empty
    expected = calculate_long_compounding_realised_trading_profitability(state)
    assert list(get_trace(figure, "Long").y) == list(expected)
    monkeypatch.setattr(TradingPosition, "is_short", lambda self: self.position_id == 2)
    monkeypatch.setattr(position_returns, "measure_plain", lambda position: None)  # the position is asked
    figure = visualise_long_short_benchmark(make_closed_at_thousand(), "Sides")
    assert [trace.name for trace in figure.data] == ["All", "Long", "Short"]
    assert get_trace(figure, "Short").y[-1] == pytest.approx(-0.02)
    assert figure.layout.title.text == "<b>Sides</b>"


def test_interest_adds_up_by_opening_time(monkeypatch: pytest.MonkeyPatch):
    state = make_traded()
    assert get_explanation(CHARTS["interest"].draw(state)) == "no credit position has been closed"
    with pytest.raises(NothingToDraw):
        visualise_portfolio_interest_curve("Interest", state)
    lent = replace(PAIR, kind=TradingPairKind.credit_supply)
    for position in state.portfolio.closed_positions.values():
        position.pair = lent
    profits = {1: 3.0, 2: 4.0}
    monkeypatch.setattr(TradingPosition, "get_realised_profit_usd", lambda self: profits[self.position_id])
    figure = visualise_portfolio_interest_curve("Interest", state, "#123456")
    assert list(figure.data[0].y) == [3.0, 7.0]
    assert figure.data[0].line.color == "#123456"


def test_a_single_portfolio_value_is_no_curve():
    state = make_state()
    record_equity(state, {0: 100})
    with pytest.raises(NothingToDraw, match="1 recorded portfolio value"):
        visualise_equity_curve_benchmark(state=state)
