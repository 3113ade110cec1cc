"""Labels of charts show what is in a text; nothing in it acts."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.kit.chart_states import make_traded
from tests.kit.nasty import find_raw_characters, make_nasty_state
from tradeexecutor.state.state import State
from tradeexecutor.visual.charts import CHARTS
from tradeexecutor.visual.html_output import render_plotly_figure_as_html
from tradeexecutor.visual.parts.labels import make_labels_visible

pytestmark = pytest.mark.slow

EVIL = "W\x1b[31m\u202eETH"


def find_texts(data: object) -> list[str]:
    if isinstance(data, str):
        return [data]
    if isinstance(data, dict):
        return [text for value in data.values() for text in find_texts(value)]
    if isinstance(data, list | tuple | np.ndarray):
        return [text for value in data for text in find_texts(value)]
    return []


def test_texts_in_every_place_are_made_visible_and_all_else_stays():
    numbers = np.array([1.0, 2.0])
    trace = go.Scatter(x=[1, 2], y=numbers, text=np.array([EVIL, "a<br>₮"], dtype=object), name=EVIL, hovertext=["b"])
    figure: Any = go.Figure(trace)
    figure.update_layout(title=EVIL, annotations=[{"text": "plain", "x": 1}, {"text": EVIL, "x": 2}])
    make_labels_visible(figure)
    shown = r"W\x1b[31m\u202eETH"
    assert figure.data[0].name == figure.layout.title.text == shown
    assert [(item.text, item.x) for item in figure.layout.annotations] == [("plain", 1), (shown, 2)]
    assert list(figure.data[0].text) == [shown, "a<br>₮"]
    assert list(figure.data[0].y) == [1.0, 2.0]
    assert figure.data[0].hovertext == ("b",)


@pytest.mark.parametrize("name", CHARTS)
def test_no_chart_has_a_raw_character(name: str):
    evil = State.from_json(make_traded().to_json())
    evil.name = EVIL
    for position in evil.portfolio.get_all_positions():
        position.pair.base.token_symbol = position.notes = EVIL
        for trade in position.trades.values():
            trade.pair.base.token_symbol = trade.notes = EVIL
    for state in (evil, make_nasty_state()[0]):
        figure = CHARTS[name].draw(state)
        assert find_raw_characters("".join(find_texts(figure.to_plotly_json()))) == set()


def test_the_title_of_a_page_is_visible():
    page = render_plotly_figure_as_html(go.Figure(), EVIL, plotlyjs=False)
    assert "<title>W\\x1b[31m\\u202eETH</title>" in page
    assert find_raw_characters(page) == set()
