"""Profit of one position over time, with numbers worked out by hand."""

# The attributes of plotly figures are made at run time; its stubs do not know them.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false

import math

import pandas as pd
import pytest

from tests.kit.chart_states import DAY, START, make_candles, make_traded, trade_pair
from tests.kit.portfolios import make_state
from tradeexecutor.state.errors import InvalidValue, NothingToDraw
from tradeexecutor.visual.notebook import position as module
from tradeexecutor.visual.position import (
    calculate_lot_level_pnl_fifo,
    calculate_macb_pnl,
    calculate_pnl,
    calculate_position_timeline,
    track_lot_profitability,
    track_lot_profitability_detailed,
    visualise_position,
)


def make_frame(*trades: tuple[float, float], mark: float = 40.0) -> pd.DataFrame:
    """A trade a day, and a day without one at the end."""
    rows = [*trades, (math.nan, math.nan)]
    index = pd.DatetimeIndex([START + number * DAY for number in range(len(rows))])
    frame = pd.DataFrame(rows, columns=["delta", "executed_price"], index=index)
    frame["fee"] = 0.0
    frame["mark_price"] = frame["executed_price"].fillna(mark)
    return frame


#: Buy 10 at 10, buy 10 at 20, sell 15 at 30; 5 are left, worth 40 each.
TRADES = ((10.0, 10.0), (10.0, 20.0), (-15.0, 30.0))


def test_first_in_first_out():
    frame = calculate_pnl(make_frame(*TRADES))
    last = frame.iloc[-1]
    assert last["realised_pnl"] == 10 * 20 + 5 * 10
    assert last["unrealised_pnl"] == 5 * 20
    assert last["avg_price"] == 20
    assert last["pnl"] == pytest.approx(350 / 300)
    assert list(frame["realised_delta"]) == [0, 0, 250, 0]
    assert frame["duration"].iloc[-1] == 3 * DAY
    assert last["pnl_annualised"] == pytest.approx((1 + 350 / 300) ** (365 / 3) - 1)
    assert math.isnan(frame["pnl_annualised"].iloc[0])


def test_moving_average_cost():
    frame = calculate_macb_pnl(make_frame(*TRADES))
    last = frame.iloc[-1]
    assert last["avg_price"] == 15
    assert last["realised_pnl"] == 15 * 15
    assert last["unrealised_pnl"] == 5 * 25
    assert last["pnl"] == pytest.approx(350 / 300)  # the sum is the same


def test_a_closed_position_has_nothing_unrealised():
    for method in (calculate_pnl, calculate_macb_pnl):
        last = method(make_frame((3.0, 0.1), (-1.0, 0.2), (-2.0, 0.3), mark=99.0)).iloc[-1]
        assert last["unrealised_pnl"] == 0
        assert last["realised_pnl"] == pytest.approx(0.5)
        assert math.isnan(last["avg_price"])


@pytest.mark.parametrize("method", [calculate_pnl, calculate_macb_pnl, calculate_lot_level_pnl_fifo])
def test_what_is_not_there_cannot_be_sold(method):
    with pytest.raises(InvalidValue, match="sold"):
        method(make_frame((1.0, 10.0), (-2.0, 10.0)))
    with pytest.raises(InvalidValue, match="no executed price"):
        method(make_frame((1.0, math.nan)))


def test_lots():
    parts = calculate_lot_level_pnl_fifo(make_frame(*TRADES))
    assert list(parts["lot"]) == [1, 2, 2]
    assert list(parts["quantity"]) == [10, 5, 5]
    assert list(parts["pnl"]) == [200, 50, 100]
    assert list(parts["is_open"]) == [False, False, True]
    assert parts["closed_at"].isna().tolist() == [False, False, True]
    assert list(parts["sell_price"]) == [30, 30, 40]


def test_what_became_of_each_purchase():
    lots = track_lot_profitability(make_frame(*TRADES))
    assert list(lots.index) == [1, 2]
    assert list(lots["left"]) == [0, 5]
    assert list(lots["realised_pnl"]) == [200, 50]
    assert list(lots["unrealised_pnl"]) == [0, 100]
    assert list(lots["pnl_pct"]) == [2.0, 0.75]


def test_purchases_over_time():
    frame = track_lot_profitability_detailed(make_frame(*TRADES))
    assert list(frame[1]) == [0, 100, 200, 200]
    assert math.isnan(frame[2].iloc[0])
    assert list(frame[2])[1:] == [0, 100, 150]


def test_the_timeline_of_a_position():
    state = make_traded()
    position = state.portfolio.closed_positions[1]
    frame = calculate_position_timeline(make_candles(), position)
    assert [(when - START) / DAY for when in frame.index] == [1, 2, 3]
    assert list(frame["quantity"]) == [1, 1, 0]
    assert list(frame["mark_price"]) == [102, 103, 104]
    assert list(frame["value"]) == [102, 103, 0]
    assert frame["cumulative_cost"].iloc[-1] == 100
    assert frame["cumulative_value"].iloc[-1] == 120
    assert frame["pnl_usd"].iloc[-1] == 20
    assert calculate_position_timeline(make_candles(), position, pnl_method=calculate_macb_pnl)["pnl"].iloc[-1] == 0.2


def test_the_value_is_after_the_fee_of_the_pair():
    position = make_traded().portfolio.closed_positions[1]
    position.pair.fee = 0.01
    try:
        assert calculate_position_timeline(make_candles(), position)["value"].iloc[0] == pytest.approx(102 * 0.99)
    finally:
        position.pair.fee = 0.0


def test_an_open_position_ends_where_it_is_told():
    position = make_traded().portfolio.open_positions[3]
    frame = calculate_position_timeline(make_candles(base=50), position, end_at=START + 7 * DAY)
    assert [(when - START) / DAY for when in frame.index] == [5, 6, 7]


def test_a_position_without_trades_has_no_timeline():
    position = make_traded().portfolio.closed_positions[1]
    for trade in position.trades.values():
        trade.executed_at = None
    with pytest.raises(NothingToDraw):
        calculate_position_timeline(None, position)


def test_the_chart_has_four_rows_or_ten():
    position = make_traded().portfolio.closed_positions[1]
    frame = calculate_position_timeline(make_candles(), position)
    figure = visualise_position(position, frame)
    assert [trace.name for trace in figure.data] == ["Price", "Value, USD", "Annualised", "Profit, USD"]
    assert figure.layout.title.text == "<b>Position #1 COIN Timeline</b>"
    arrows = [(mark.text, mark.yshift) for mark in figure.layout.annotations]
    assert arrows == [("▲", -10), ("▼", 10)]
    assert (figure.layout.width, figure.layout.height) == (1200, 800)
    names = [trace.name for trace in visualise_position(position, frame, extended=True, autosize=True).data]
    assert len(names) == len(set(names)) == 10


def test_absurd_annual_profits_are_not_drawn():
    state = make_state()
    trade_pair(state, 1, 100, 0)
    position, _ = trade_pair(state, -1, 200, 0.01)
    figure = visualise_position(position, calculate_position_timeline(None, position))
    assert "Annualised profit beyond 10,000% not drawn" in figure.layout.title.subtitle.text.replace("<br>", " ")
    (line,) = [trace for trace in figure.data if trace.name == "Annualised"]
    assert all(math.isnan(value) for value in line.y)


def test_the_names_notebooks_import():
    assert all(hasattr(module, name) for name in module.__all__)
