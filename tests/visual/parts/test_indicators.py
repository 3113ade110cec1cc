"""Plots of the strategy land on the candle that they were computed from, and no value is lost."""

# The attributes of plotly figures are made at run time; its stubs do not know them.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false, reportArgumentType=false

import math

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tests.kit.chart_states import DAY, GOLD_PAIR, PAIR, START
from tradeexecutor.state.visualisation import Plot, PlotKind, PlotLabel, PlotShape, RecordingTime, Visualisation
from tradeexecutor.visual.parts.theme import THEMES
from tradeexecutor.visual.parts.thinning import Thinner
from tradeexecutor.visual.technical_indicator import (
    choose_colours,
    choose_plots,
    export_plot_as_dataframe,
    get_row_title,
    overlay_all_technical_indicators,
    visualise_technical_indicator,
)

ON_PRICE = PlotKind.technical_indicator_on_price
DETACHED = PlotKind.technical_indicator_detached
OVERLAY = PlotKind.technical_indicator_overlay_on_detached


def make_plot(values: dict[float, float | None], **looks: object) -> Plot:
    plot = Plot("ema", ON_PRICE)
    for day, value in values.items():
        plot.add_point(START + day * DAY, value)
    for name, look in looks.items():
        setattr(plot, name, look)
    return plot


def as_days(frame: pd.DataFrame) -> list[tuple[float, float]]:
    return [((when - START) / DAY, value) for when, value in zip(frame.index, frame["value"], strict=True)]


def test_a_decision_is_drawn_one_candle_earlier_and_none_is_lost():
    frame = export_plot_as_dataframe(make_plot({0: 1.0, 1: 2.0, 2: 3.0}))
    assert as_days(frame) == [(-1, 1.0), (0, 2.0), (1, 3.0)]
    assert list(frame["timestamp"]) == list(frame.index)


def test_cropping_does_not_lose_the_value_at_the_edge():
    frame = export_plot_as_dataframe(make_plot({0: 1.0, 1: 2.0, 2: 3.0}), START, START + DAY)
    assert as_days(frame) == [(0, 2.0), (1, 3.0)]


def test_values_in_market_time_stay_where_they_are():
    plot = make_plot({0: 1.0, 1: 2.0}, recording_time=RecordingTime.market_time)
    assert as_days(export_plot_as_dataframe(plot)) == [(0, 1.0), (1, 2.0)]


def test_the_shift_can_be_left_out():
    frame = export_plot_as_dataframe(make_plot({0: 1.0, 1: 2.0}), correct_look_ahead_bias_negation=False)
    assert as_days(frame) == [(0, 1.0), (1, 2.0)]


def test_points_are_sorted_and_gaps_are_nan():
    frame = export_plot_as_dataframe(make_plot({2: 3.0, 0: None, 1: 2.0}))
    assert as_days(frame)[1:] == [(0, 2.0), (1, 3.0)]
    assert math.isnan(frame["value"].iloc[0])


def test_single_and_missing_points():
    assert as_days(export_plot_as_dataframe(make_plot({0: 1.0}))) == [(0, 1.0)]
    assert len(export_plot_as_dataframe(make_plot({}))) == 0


def test_looks_become_those_of_the_trace():
    steps = visualise_technical_indicator(
        make_plot({0: 1.0, 1: 2.0}, colour="teal", plot_shape=PlotShape.horizontal_vertical, indicator_size=3)
    )
    assert steps is not None
    assert (steps.line.color, steps.line.shape, steps.line.width, steps.mode) == ("teal", "hv", 3, "lines")
    assert steps.name == "ema"
    marks = visualise_technical_indicator(make_plot({0: 1.0, 1: 2.0}, plot_shape=PlotShape.markers, indicator_size=9))
    assert marks is not None
    assert (marks.mode, marks.marker.size) == ("markers", 9)


def test_a_plot_without_values_has_no_trace():
    assert visualise_technical_indicator(make_plot({0: None})) is None
    assert visualise_technical_indicator(make_plot({0: 1.0}), start_at=START + DAY) is None


def test_a_long_plot_is_thinned():
    thinner = Thinner(100)
    trace = visualise_technical_indicator(make_plot({day: math.sin(day) for day in range(3_000)}), thinner=thinner)
    assert trace is not None
    assert len(trace.x) < 110
    assert thinner.get_notes()


def make_visualisation() -> Visualisation:
    vis = Visualisation()
    vis.plots["empty"] = Plot("empty", ON_PRICE)
    for name, kind, pair, over in (
        ("ema", ON_PRICE, None, None),
        ("gold ema", ON_PRICE, GOLD_PAIR, None),
        ("level", OVERLAY, PAIR, "rsi"),
        ("rsi", DETACHED, PAIR, None),
        ("hidden level", OVERLAY, PAIR, "rsi"),
        ("lost", OVERLAY, None, "no such plot"),
    ):
        for day in (0, 1):
            label = PlotLabel.hidden if name.startswith("hidden") else PlotLabel.axis
            vis.plot_indicator(START + day * DAY, name, kind, 1.0, detached_overlay_name=over, pair=pair, label=label)
    return vis


def test_plots_are_sorted_into_rows():
    on_price, rows = choose_plots(make_visualisation().plots.values(), PAIR)
    assert [plot.name for plot in on_price] == ["ema"]
    assert {name: [plot.name for plot in plots] for name, plots in rows.items()} == {
        "rsi": ["rsi", "level", "hidden level"],
        "no such plot": ["lost"],
    }
    assert get_row_title(rows["rsi"]) == "rsi<br>+ level"


def test_with_several_pairs_a_plot_that_names_none_is_not_on_any_price():
    on_price, _ = choose_plots(make_visualisation().plots.values(), GOLD_PAIR, single_pair=False)
    assert [plot.name for plot in on_price] == ["gold ema"]


def test_an_empty_plot_does_not_hide_those_after_it():
    figure = make_subplots(rows=3, cols=1)
    assert overlay_all_technical_indicators(figure, make_visualisation(), pair=PAIR) == 5
    assert [trace.name for trace in figure.data] == ["ema", "rsi", "level", "hidden level", "lost"]
    assert [trace.yaxis for trace in figure.data] == ["y", "y2", "y2", "y2", "y3"]


def test_without_rows_only_the_price_has_plots():
    figure = make_subplots(rows=1, cols=1)
    assert overlay_all_technical_indicators(figure, make_visualisation(), start_row=None, pair=PAIR) == 1


def test_lines_of_a_row_can_be_told_apart():
    plots = [
        make_plot({0: 1.0}, name=name, colour=colour) for name, colour in (("a", "blue"), ("b", "blue"), ("c", None))
    ]
    colours = choose_colours(plots, THEMES["light"])
    assert colours[0] == "blue"
    assert len(set(colours)) == 3
    assert choose_colours(plots, None) == ["blue", "blue", None]


def test_a_colour_that_the_background_swallows_is_replaced():
    plot = make_plot({0: 1.0}, colour="darkblue")
    assert choose_colours([plot], THEMES["light"]) == ["darkblue"]
    assert choose_colours([plot], THEMES["dark"]) == [THEMES["dark"].colours[0]]
    assert choose_colours([make_plot({}, colour="#fff")], THEMES["light"]) != ["#fff"]


def test_figures_are_plotly_figures():
    assert isinstance(visualise_technical_indicator(make_plot({0: 1.0})), go.Scatter)
