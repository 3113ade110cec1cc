"""Charts leave the program: as pages, images and plain series."""

# The attributes of plotly figures are made at run time; its stubs do not know them.
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false

import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest

from tests.kit.chart_states import START, make_traded
from tests.kit.portfolios import make_state
from tradeexecutor.state.errors import ImageFailed, InvalidValue, LegacyDataException, NothingToDraw
from tradeexecutor.visual.charts import CHARTS
from tradeexecutor.visual.equity_curve import (
    visualise_equity_curve,
    visualise_returns_distribution,
    visualise_returns_over_time,
)
from tradeexecutor.visual.html_output import render_plotly_figure_as_html
from tradeexecutor.visual.image_output import render_plotly_figure_as_image_file
from tradeexecutor.visual.parts.theme import shorten, with_opacity
from tradeexecutor.visual.web_chart import WebChartSource, WebChartType, export_time_series, render_web_chart

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser", "chrome"))), None)


# --- Pages and images


def test_a_page_stands_alone():
    figure = CHARTS["equity"].draw(make_traded())
    page = render_plotly_figure_as_html(figure, "Equity <mine>")
    assert page.startswith("<!doctype html>")
    assert "<title>Equity &lt;mine&gt;</title>" in page
    assert 'name="viewport"' in page
    assert 'src="http' not in page
    assert '"showSendToCloud": false' in page  # nothing leaves by a click
    assert len(page) > 1_000_000
    assert page == render_plotly_figure_as_html(figure, "Equity <mine>")
    assert len(render_plotly_figure_as_html(figure, "Equity", plotlyjs=False)) < 100_000


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome")
def test_an_image_has_the_size_asked_for():
    pytest.importorskip("kaleido")
    figure = CHARTS["equity"].draw(make_traded())
    image = render_plotly_figure_as_image_file(figure, "png", 400, 300)
    assert image.startswith(b"\x89PNG")
    assert (int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")) == (400, 300)


def test_other_formats_are_refused():
    with pytest.raises(InvalidValue, match="png, svg, pdf"):
        render_plotly_figure_as_image_file(CHARTS["equity"].draw(make_traded()), "gif")


def test_without_kaleido_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(ImageFailed, match="pip install"):
        render_plotly_figure_as_image_file(CHARTS["equity"].draw(make_traded()))


def test_a_browser_that_fails_is_named(monkeypatch: pytest.MonkeyPatch):
    kaleido = pytest.importorskip("kaleido")

    def fail(*_args: object, **_options: object) -> bytes:
        raise RuntimeError("no browser\nhere")

    monkeypatch.setattr(kaleido, "calc_fig_sync", fail)
    with pytest.raises(ImageFailed, match="no browser here; images need"):
        render_plotly_figure_as_image_file(CHARTS["equity"].draw(make_traded()))


# --- Figures of return series


def make_returns() -> "pd.Series[float]":
    return pd.Series([0.1, -0.5, np.nan, 0.2], index=pd.date_range(START, periods=4))


def test_the_growth_of_returns():
    growth, drawdown, single = visualise_equity_curve(make_returns(), "Mine", line_width=3).data
    assert list(growth.y) == pytest.approx([0.1, -0.45, -0.34])
    assert min(drawdown.y) == pytest.approx(-0.5)
    assert list(single.y) == [0.1, -0.5, 0.2]
    assert growth.line.width == 3


def test_returns_by_month():
    (heat_map,) = visualise_returns_over_time(make_returns()).data
    assert np.array(heat_map.customdata)[0, 0] == pytest.approx(-0.34)


def test_how_often_which_return_happened():
    losses, gains = visualise_returns_distribution(make_returns()).data
    assert (sum(losses.y), sum(gains.y)) == (1, 2)


@pytest.mark.parametrize("draw", [visualise_equity_curve, visualise_returns_over_time, visualise_returns_distribution])
def test_no_returns(draw):
    with pytest.raises(NothingToDraw):
        draw(pd.Series([np.nan], index=[pd.Timestamp(START)]))


# --- Series for web pages


def test_a_series_as_epoch_seconds():
    series = pd.Series([2.0, 1.0], index=pd.DatetimeIndex(["2024-01-02", "2024-01-01 00:00:00.5"]))
    assert export_time_series(series) == [(1704067200.5, 1.0), (1704153600.0, 2.0)]
    assert export_time_series(pd.Series(dtype="float64")) == []


def test_unknown_values_are_left_out_because_clients_draw_null_as_zero():
    series = pd.Series([np.nan, 2.0], index=pd.DatetimeIndex(["2024-01-01", "2024-01-02"]))
    assert export_time_series(series) == [(1704153600.0, 2.0)]
    assert export_time_series(series.iloc[:1]) == []


def test_infinity_is_refused():
    with pytest.raises(InvalidValue, match="2024-01-01"):
        export_time_series(pd.Series([np.inf], index=[pd.Timestamp(START)]))


@pytest.mark.parametrize("kind", WebChartType)
def test_every_chart_has_texts_and_ascending_points(kind: WebChartType):
    chart = render_web_chart(make_traded(), kind)
    assert chart.title
    assert chart.help_link.startswith("https://tradingstrategy.ai/glossary/")
    assert all(type(seconds) is float and seconds >= 0 and type(value) is float for seconds, value in chart.data)
    assert chart.data == sorted(chart.data, key=lambda point: point[0])


def test_the_equity_has_no_invented_points():
    chart = render_web_chart(make_traded(), WebChartType.total_equity, WebChartSource.live_trading)
    assert chart.data[0] == (1704067200.0, 1000.0)
    assert [value for _, value in chart.data] == [1000, 1000, 1010, 1020, 1020, 1000, 1500, 1515, 1500, 1530, 1530]
    assert chart.title == "Total equity"


def test_deposits_as_a_series():
    chart = render_web_chart(make_traded(), WebChartType("netflow"), WebChartSource("backtest"))
    assert [value for _, value in chart.data] == [1000, 500]
    assert chart.source == "backtest"


def test_realised_profits_are_those_of_closed_positions():
    state = make_traded()
    for position in state.portfolio.closed_positions.values():
        position.portfolio_value_at_open = 1000.0
    each = render_web_chart(state, WebChartType.realised_profitability)
    assert [value for _, value in each.data] == pytest.approx([0.2, -20 / 110])
    compounded = render_web_chart(state, WebChartType.compounding_realised_profitability)
    # 20 of 1000 are won, later 20 lost; there is a point for each day, also for those without a closing.
    days = [(epoch - compounded.data[0][0]) / 86_400 for epoch, _ in compounded.data]
    assert days == list(range(len(days)))
    profits = [value for _, value in compounded.data]
    assert sorted(set(profits)) == pytest.approx([0.02 - 1.02 * 0.02, 0.0, 0.02])
    assert compounded.help_link.endswith("/glossary/profitability")


@pytest.mark.parametrize("kind", WebChartType)
def test_every_series_of_an_empty_state_is_empty(kind: WebChartType):
    chart = render_web_chart(make_state(), kind)
    assert chart.data == []
    assert chart.title
    json.dumps(chart.data)


def test_old_files_and_unknown_charts():
    state = make_traded()
    for position in state.portfolio.closed_positions.values():
        position.portfolio_value_at_open = None
    with pytest.raises(LegacyDataException):
        render_web_chart(state, WebChartType.compounding_realised_profitability)
    with pytest.raises(InvalidValue, match="pie"):
        render_web_chart(state, "pie")  # type: ignore[arg-type]


# --- Texts


def test_long_names_keep_both_ends():
    assert shorten("short") == "short"
    assert shorten("[ Systemic Strategies ] HyperGrowth-USDC", 20) == "[ Systemic S…th-USDC"
    assert len(shorten("x" * 100, 16)) == 16


def test_colours_become_transparent():
    assert with_opacity("#ff8000", 0.5) == "rgba(255,128,0,0.5)"
