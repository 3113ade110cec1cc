"""The charts of the page."""

import plotly.graph_objects as go
import pytest

from tests.kit.trader import new_state
from tradeexecutor.report import page_charts
from tradeexecutor.state.state import State
from tradeexecutor.visual.parts.chart import Chart, ChartOptions


def test_a_chart_is_drawn_once_in_each_theme(monkeypatch: pytest.MonkeyPatch):
    drawn: list[str] = []

    def draw(state: State, options: ChartOptions) -> go.Figure:
        drawn.append(options.theme)
        return go.Figure(go.Scatter(x=[1], y=[1]))

    monkeypatch.setattr(page_charts, "CHARTS", {"one": Chart("one", "One", "A point.", draw)})
    charts, not_drawn = page_charts.draw_charts(new_state(1_000), None)
    assert (len(charts), not_drawn, drawn) == (1, [], ["light", "dark"])
