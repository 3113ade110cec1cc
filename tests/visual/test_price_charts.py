"""Candles, trades and indicators: what is drawn where, for one pair and for several."""

# The attributes of plotly figures are made at run time; its stubs do not know them.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from tests.kit.chart_states import DAY, GOLD_PAIR, PAIR, START, make_candles, make_traded, trade_pair
from tests.kit.portfolios import make_state
from tradeexecutor.state.errors import InvalidValue, NothingToDraw, NotSinglePair
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeType
from tradeexecutor.state.visualisation import PlotKind
from tradeexecutor.visual.charts import CHARTS, ChartOptions, get_explanation
from tradeexecutor.visual.notebook.multiple_pairs import visualise_multiple_pairs
from tradeexecutor.visual.notebook.single_pair import (
    display_positions_table,
    visualise_single_pair,
    visualise_single_pair_positions_with_duration_and_slippage,
    visualise_single_position,
)
from tradeexecutor.visual.notebook.strategy_state import (
    draw_multi_pair_strategy_state,
    draw_single_pair_strategy_state,
    visualise_single_pair_strategy_state,
)
from tradeexecutor.visual.parts.candles import find_candles, find_pair, list_pairs, read_candles, read_recorded_prices
from tradeexecutor.visual.parts.theme import THEMES
from tradeexecutor.visual.parts.trade_markers import export_trades_as_dataframe, format_trade

pytestmark = pytest.mark.slow

CANDLES = {"COIN-USD": make_candles(), "GOLD-USD": make_candles(base=50)}


def make_one_pair() -> State:
    state = make_traded()
    del state.portfolio.open_positions[3]
    return state


def get_trace(figure: go.Figure, name: str) -> Any:
    (trace,) = [trace for trace in figure.data if trace.name == name]
    return trace


def get_notes(figure: go.Figure) -> str:
    return figure.layout.title.subtitle.text.replace("<br>", " ")


def as_days(times: Any) -> list[float]:
    return [(pd.Timestamp(when) - START) / DAY for when in times]


# --- Trades


def test_marks_are_where_trades_were_executed_at_the_planned_mid_price():
    figure = visualise_single_pair(make_one_pair(), None, CANDLES)
    buy, sell = get_trace(figure, "Buy"), get_trace(figure, "Sell")
    assert as_days(buy.x) == [1, 4]
    assert list(buy.y) == [99.5, 111]  # without a mid price the planned one
    assert as_days(sell.x) == [3]
    assert list(sell.y) == [120.5]
    assert (buy.marker.symbol, sell.marker.symbol) == ("triangle-right", "triangle-left")
    assert (buy.hoverinfo, buy.marker.size) == ("text", 12)


def test_a_stop_loss_has_the_colour_of_its_result():
    stop = get_trace(visualise_single_pair(make_one_pair(), None, CANDLES), "Stop loss")
    assert (stop.marker.symbol, stop.marker.color) == ("arrow-down", (THEMES["light"].loss,))
    state = make_state()
    trade_pair(state, 1, 100, 1)
    trade_pair(state, -1, 130, 2, kind=TradeType.stop_loss)
    stop = get_trace(visualise_single_pair(state, None, make_candles()), "Stop loss")
    assert stop.marker.color == (THEMES["light"].gain,)


def test_take_profits_have_a_mark_and_unused_types_none():
    state = make_state()
    trade_pair(state, 1, 100, 1)
    trade_pair(state, -1, 130, 2, kind=TradeType.take_profit)
    figure = visualise_single_pair(state, None, make_candles())
    assert get_trace(figure, "Take profit").marker.symbol == "arrow-up"
    assert [trace.name for trace in figure.data] == ["Volume", "COIN-USD", "Buy", "Sell", "Take profit"]
    assert get_trace(figure, "Sell").showlegend is False


def test_a_failed_trade_has_no_mark():
    state = make_one_pair()
    trade = state.portfolio.closed_positions[2].trades[3]
    trade.failed_at = trade.executed_at
    trade.executed_at = None
    frame = export_trades_as_dataframe(state)
    assert list(frame["type"]) == ["buy", "sell", "failed", "stop_loss"]
    assert as_days(get_trace(visualise_single_pair(state, None, CANDLES), "Buy").x) == [1]


def test_trades_of_a_time():
    frame = export_trades_as_dataframe(make_one_pair(), PAIR, START + 3 * DAY, START + 4 * DAY)
    assert list(frame["type"]) == ["sell", "buy"]
    assert frame.index.is_monotonic_increasing


def test_the_tooltip_tells_what_happened():
    state = make_one_pair()
    stop = state.portfolio.closed_positions[2].trades[4]
    stop.notes = "first line\n\nsecond line"
    stop.lp_fees_paid = 1.25
    lines = format_trade(stop).split("<br>")
    assert lines[0] == "-" * 60
    assert lines[1:4] == ["Stop loss COIN", "", "Triggered at: 91.0000 COIN / USD"]
    assert "Executed at: 2024-01-06 00:00:00" in lines
    assert "Value: 90.0000 USD" in lines
    assert "Quantity: 1.000000 COIN" in lines
    assert "Executed at price: 90.0000 COIN / USD" in lines
    assert "Fees paid: 1.2500 USD" in lines
    assert lines[-2:] == ["first line", "second line"]


# --- Candles


def test_candles_are_drawn_as_they_are():
    figure = visualise_single_pair(make_one_pair(), None, CANDLES)
    candles = get_trace(figure, "COIN-USD")
    assert candles.type == "candlestick"
    expected = make_candles()
    for name in ("open", "high", "low", "close"):
        assert list(candles[name]) == list(expected[name])
    assert candles.text[0].startswith("Open 100.0000<br>High 102.0000<br>Low 99.0000<br>Close 101.0000<br>+1.00%")
    assert list(get_trace(figure, "Volume").y) == [5.0] * 11
    assert {trace.xaxis for trace in figure.data} == {"x"}
    assert figure.layout.hovermode == "x unified"


def test_many_candles_are_merged_and_the_chart_says_so():
    figure = visualise_single_pair(make_one_pair(), None, make_candles(2_000, step=DAY / 240), max_candles=100)
    candles = get_trace(figure, "COIN-USD")
    assert len(candles.x) == 100
    assert "2,000 candles merged into 100, each 2 hours" in get_notes(figure)
    assert max(candles.high) == make_candles(2_000)["high"].max()


def test_without_candles_the_recorded_prices_are_drawn():
    figure = CHARTS["price"].draw(make_one_pair())
    line = get_trace(figure, "COIN-USD")
    assert line.type == "scatter"
    assert [value for value in line.y if value == value] == [100, 110, 120, 110, 90]
    assert "Prices recorded by trades and valuations" in get_notes(figure)


def test_candles_of_another_pair_or_time_are_not_drawn():
    figure = CHARTS["price"].draw(make_one_pair(), ChartOptions(candles={"GOLD-USD": make_candles()}))
    assert "No candles of COIN-USD" in get_notes(figure)
    late = make_candles().shift(1000, freq="D")
    assert "do not cover this time" in get_notes(CHARTS["price"].draw(make_one_pair(), ChartOptions(candles=late)))


def test_candles_at_other_prices_than_the_trades_are_suspicious():
    figure = CHARTS["price"].draw(make_one_pair(), ChartOptions(candles=make_candles(base=1_000)))
    assert "Trades of COIN-USD were not made at the prices of the candles: is this the right" in get_notes(figure)
    assert "right market" not in get_notes(CHARTS["price"].draw(make_one_pair(), ChartOptions(candles=make_candles())))


class Universe:
    """Hands out candles by pair."""

    def get_candles(self, pair: Any) -> pd.DataFrame:
        if pair != PAIR:
            raise KeyError(pair)
        return make_candles()


@pytest.mark.parametrize(
    "source",
    [
        make_candles(),
        make_candles().rename(columns=str.title),
        make_candles().reset_index(names="timestamp"),
        make_candles().tz_localize("UTC"),
        make_candles()[::-1],
        {PAIR: make_candles()},
        {7: make_candles()},
        {"coin/usd": make_candles()},
        {"binance-COINUSD-1d": make_candles(), "binance-GOLDUSD-1d": make_candles(base=50)},
        Universe(),
    ],
    ids=lambda source: type(source).__name__,
)
def test_candles_come_in_many_forms(source: Any):
    found = find_candles(source, PAIR)
    assert found is not None
    pd.testing.assert_frame_equal(found, make_candles(), check_freq=False)


def test_candles_that_are_not_there():
    assert find_candles(None, PAIR) is None
    assert find_candles({"GOLD-USD": make_candles()}, PAIR) is None
    assert find_candles(Universe(), GOLD_PAIR) is None


def test_candles_need_a_time():
    with pytest.raises(InvalidValue, match="timestamp"):
        read_candles(make_candles().reset_index(drop=True))


@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (lambda times: times.strftime("%d/%m/%Y"), "neither datetimes nor ISO 8601"),
        (lambda times: times.astype("datetime64[s]").astype("int64"), "are numbers"),
    ],
)
def test_times_of_candles_are_not_guessed(convert: Any, message: str):
    candles = make_candles()
    with pytest.raises(InvalidValue, match=message):
        read_candles(candles.assign(timestamp=convert(candles.index)).reset_index(drop=True))
    text = candles.assign(timestamp=candles.index.strftime("%Y-%m-%dT%H:%M:%SZ")).reset_index(drop=True)
    assert read_candles(text).index.tolist() == candles.index.tolist()


# --- Which pair


def test_the_pair_that_is_meant():
    state = make_traded()
    assert [pair.get_ticker() for pair in list_pairs(state)] == ["COIN-USD", "GOLD-USD"]
    for name in ("GOLD-USD", "gold-usd", "gold/usd", "GOLD", 8, GOLD_PAIR):
        assert find_pair(state, name) == GOLD_PAIR
    with pytest.raises(NotSinglePair, match="COIN-USD, GOLD-USD"):
        find_pair(state, None)
    with pytest.raises(InvalidValue, match="no pair 'SILVER'; it has COIN-USD, GOLD-USD"):
        find_pair(state, "SILVER")
    assert find_pair(make_one_pair(), None) == PAIR


def test_of_several_pairs_the_visualised_one_is_drawn_else_the_most_traded():
    state = make_traded()
    figure = CHARTS["price"].draw(state)
    assert "COIN-USD" in figure.layout.title.text
    assert "1 of 2 pairs, the one with the most trades" in get_notes(figure)
    state.visualisation.set_visualised_pairs([GOLD_PAIR])
    assert "GOLD-USD" in CHARTS["price"].draw(state).layout.title.text


def test_the_price_around_a_position():
    figure = CHARTS["price"].draw(make_traded(), ChartOptions(position=2, candles=CANDLES))
    assert as_days(get_trace(figure, "COIN-USD").x) == [4, 5]
    assert "Around position #2" in get_notes(figure)


def test_prices_the_state_knows():
    state = make_one_pair()
    prices = read_recorded_prices(state, PAIR)
    assert list(prices) == [100, 110, 120, 110, 90]
    assert as_days(prices.index) == [1, 2, 3, 4, 5]


def test_nothing_to_draw():
    state = make_one_pair()
    with pytest.raises(NothingToDraw):
        visualise_single_pair(state, start_at=START + 100 * DAY, end_at=START + 101 * DAY)
    assert get_explanation(CHARTS["price"].draw(make_state())) is not None


# --- Rows


def add_plots(state: State) -> None:
    for day in range(11):
        when = START + day * DAY
        vis = state.visualisation
        vis.plot_indicator(when, "ema", PlotKind.technical_indicator_on_price, 100.0 + day)
        vis.plot_indicator(when, "rsi", PlotKind.technical_indicator_detached, 50.0)


def test_indicators_on_the_price_and_below_it():
    state = make_one_pair()
    add_plots(state)
    figure = visualise_single_pair(state, None, CANDLES)
    assert get_trace(figure, "ema").yaxis == "y"
    assert get_trace(figure, "rsi").yaxis == "y3"  # y2 is that of the volume
    assert {trace.xaxis for trace in figure.data} == {"x2"}
    assert figure.layout.annotations[-1].text == "rsi"
    flat = visualise_single_pair(state, None, CANDLES, detached_indicators=False)
    assert [trace.name for trace in flat.data] == ["Volume", "COIN-USD", "ema", "Buy", "Sell", "Stop loss"]
    bare = visualise_single_pair(state, None, CANDLES, technical_indicators=False, volume_bar_mode="hidden")
    assert [trace.name for trace in bare.data] == ["COIN-USD", "Buy", "Sell", "Stop loss"]


def test_volume_in_a_row_of_its_own():
    figure = visualise_single_pair(make_one_pair(), None, CANDLES, volume_bar_mode="separate", volume_axis_name="Vol")
    assert get_trace(figure, "Volume").yaxis == "y3"
    assert figure.layout.yaxis3.title.text == "Vol"
    with pytest.raises(InvalidValue, match="overlay, separate, hidden"):
        visualise_single_pair(make_one_pair(), None, CANDLES, volume_bar_mode="beside")


def test_rows_have_the_sizes_asked_for():
    state = make_one_pair()
    add_plots(state)
    figure = visualise_single_pair(state, None, CANDLES, relative_sizing=[1, 1], vertical_spacing=0.1)
    assert figure.layout.yaxis.domain == pytest.approx((0.55, 1.0))
    with pytest.raises(InvalidValue, match="3 numbers for 2 rows"):
        visualise_single_pair(state, None, CANDLES, relative_sizing=[1, 1, 1])


def test_title_axes_and_legend_can_be_left_out():
    figure = visualise_single_pair(make_one_pair(), None, CANDLES, title=False, axes=False, legend=False, height=300)
    assert figure.layout.title.text == ""
    assert figure.layout.showlegend is False
    assert figure.layout.yaxis.showticklabels is False
    assert figure.layout.height == 300
    assert visualise_single_pair(make_one_pair(), None, CANDLES, title="Mine").layout.title.text == "<b>Mine</b>"


def test_too_many_indicator_rows_are_counted():
    state = make_one_pair()
    for number in range(12):
        state.visualisation.plot_indicator(START, f"rsi {number}", PlotKind.technical_indicator_detached, 1.0)
    assert "8 of 12 indicators" in get_notes(visualise_single_pair(state, None, CANDLES))


# --- Several pairs


def test_pairs_below_each_other_with_their_own_trades():
    figure = visualise_multiple_pairs(make_traded(), CANDLES)
    candles = [trace for trace in figure.data if trace.type == "candlestick"]
    assert [trace.name for trace in candles] == ["COIN-USD", "GOLD-USD"]
    assert [trace.yaxis for trace in candles] == ["y", "y3"]
    buys = [trace for trace in figure.data if trace.name == "Buy"]
    assert [as_days(trace.x) for trace in buys] == [[1, 4], [5]]
    assert [trace.showlegend for trace in buys] == [True, False]
    assert (figure.layout.width, figure.layout.height) == (1000, 2000)
    assert not [trace for trace in figure.data if trace.name == "Volume"]


def test_arguments_of_multiple_pairs_have_effect():
    state = make_traded()
    figure = visualise_multiple_pairs(state, CANDLES, relative_sizing=[3, 1], vertical_spacing=0.0)
    assert figure.layout.yaxis.domain == pytest.approx((0.25, 1.0))
    volumes = visualise_multiple_pairs(state, CANDLES, volume_bar_modes=["separate", "overlay"])
    assert [trace.yaxis for trace in volumes.data if trace.name == "Volume"] == ["y3", "y6"]
    with pytest.raises(InvalidValue, match="1 entries for 2 pairs"):
        visualise_multiple_pairs(state, CANDLES, volume_bar_modes=["hidden"])
    assert visualise_multiple_pairs(state, CANDLES, legend=False).layout.showlegend is False
    assert visualise_multiple_pairs(state, CANDLES).layout.showlegend is True
    no_trades = visualise_multiple_pairs(state, CANDLES, show_trades=False)
    assert {trace.type for trace in no_trades.data} == {"candlestick"}
    chosen = visualise_multiple_pairs(state, CANDLES, pair_ids=[8])
    assert [trace.name for trace in chosen.data if trace.type == "candlestick"] == ["GOLD-USD"]


def test_loans_are_marked_in_every_price_row_at_the_price_of_the_moment():
    state = make_traded()
    lent = replace(PAIR, kind=TradingPairKind.credit_supply)
    position = state.portfolio.closed_positions[1]
    position.pair = lent
    for trade in position.trades.values():
        trade.pair = lent
    figure = visualise_multiple_pairs(state, CANDLES, include_credit_supply_positions=True)
    opened = [trace for trace in figure.data if trace.name == "Open credit supply"]
    assert [trace.yaxis for trace in opened] == ["y", "y3"]
    assert [list(trace.y) for trace in opened] == [[102], [52]]  # closes of day 1
    assert all(trace.marker.symbol == "triangle-ne" for trace in opened)
    without = visualise_multiple_pairs(state, CANDLES)
    assert not [trace for trace in without.data if "credit" in trace.name]


def test_plots_go_to_the_pair_they_name_and_unnamed_ones_are_drawn_once():
    state = make_traded()
    vis = state.visualisation
    for day in (0, 1):
        when = START + day * DAY
        vis.plot_indicator(when, "gold ema", PlotKind.technical_indicator_on_price, 50.0, pair=GOLD_PAIR)
        vis.plot_indicator(when, "nobody's ema", PlotKind.technical_indicator_on_price, 50.0)
        vis.plot_indicator(when, "exposure", PlotKind.technical_indicator_detached, 0.5)
    figure = visualise_multiple_pairs(state, CANDLES)
    assert get_trace(figure, "gold ema").yaxis == "y3"
    assert get_trace(figure, "exposure").yaxis == "y5"
    assert "nobody's ema" not in [trace.name for trace in figure.data]


# --- Positions


def test_positions_as_bands_with_their_slippage():
    figure = visualise_single_pair_positions_with_duration_and_slippage(make_one_pair(), None, CANDLES)
    bands = figure.layout.shapes
    assert [(as_days([band.x0])[0], as_days([band.x1])[0], band.fillcolor) for band in bands] == [
        (1, 3, "LightGreen"),
        (4, 5, "LightPink"),
    ]
    dots = get_trace(figure, "Positions")
    assert list(dots.y) == [112, 112]
    assert "Profit +$20.00 (+20.00%)" in dots.text[0]
    assert "Entry slippage -0.990%" in dots.text[0]
    assert "Position #2, closed by stop loss" in dots.text[1]
    lines = get_trace(figure, "Slippage")
    assert list(lines.y[:2]) == [101, 100]
    assert np.isnan(lines.y[2])
    assert get_trace(figure, "Buy").marker.symbol == "arrow-right"
    assert "Volume" not in [trace.name for trace in figure.data]


def test_one_position_and_what_is_around_it():
    state = make_one_pair()
    position = state.portfolio.closed_positions[1]
    figure = visualise_single_position(state, CANDLES, position, area_around=1)
    assert as_days(get_trace(figure, "COIN-USD").x) == [0, 1, 2, 3, 4]
    assert figure.layout.margin.t == 0
    figure = visualise_single_position(state, CANDLES, position, area_around=2 * DAY)
    assert as_days(get_trace(figure, "COIN-USD").x) == [0, 1, 2, 3, 4, 5]
    with pytest.raises(InvalidValue):
        visualise_single_position(make_traded(), CANDLES, make_traded().portfolio.open_positions[3])


def test_a_table_of_positions():
    table = display_positions_table(make_traded(), "COIN")
    assert list(table.columns) == ["Close", "Duration", "PnL %", "PnL USD", "Trades"]
    assert as_days(table.index) == [4, 1]
    assert list(table["PnL USD"]) == [-20, 20]
    assert table["PnL %"].iloc[1] == pytest.approx(20.0)
    assert as_days(display_positions_table(make_traded(), "COIN", "Open").index) == [1, 4]
    assert len(display_positions_table(make_traded(), "GOLD")) == 0
    with pytest.raises(InvalidValue, match="Duration"):
        display_positions_table(make_traded(), "COIN", "PnL")


# --- Small charts


def test_the_latest_candles():
    figure = draw_single_pair_strategy_state(make_one_pair(), None, CANDLES, candle_count=4)
    assert as_days(get_trace(figure, "COIN-USD").x) == [7, 8, 9, 10]
    assert figure.layout.title.text == "<b>COIN/USD</b>"
    margins = figure.layout.margin
    assert (figure.layout.width, margins.l, margins.r, margins.t, margins.b) == (512, 60, 50, 70, 60)
    wide = visualise_single_pair_strategy_state(make_one_pair(), None, CANDLES)
    assert wide.layout.width is None
    with pytest.raises(NotSinglePair):
        draw_single_pair_strategy_state(make_traded(), None, CANDLES)


def test_the_latest_candles_of_all_pairs():
    figure = draw_multi_pair_strategy_state(make_traded(), None, CANDLES, candle_count=3)
    assert [as_days(trace.x) for trace in figure.data if trace.type == "candlestick"] == [[8, 9, 10]] * 2
    assert (figure.layout.width, figure.layout.height) == (1024, 2048)
    with pytest.raises(NothingToDraw):
        draw_multi_pair_strategy_state(make_state())


def test_candles_of_a_token_whose_name_ends_like_another_are_not_taken_for_it():
    assert find_candles({"STCOIN-USD": make_candles(), "WCOIN-USDC-1h": make_candles()}, PAIR) is None
    own = make_candles(base=70)
    for name in ("exchange_COIN_USD_1d", "COINUSD-1d", "1d.coin/usd"):
        found = find_candles({"STCOIN-USD": make_candles(), name: own}, PAIR)
        assert found is not None
        assert found["close"].iloc[0] == own["close"].iloc[0]
