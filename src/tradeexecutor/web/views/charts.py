"""The charts of the registry, and those that a strategy defines, as figures of plotly for the page."""

import datetime
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from tradeexecutor.state.state import State
from tradeexecutor.state.types import EPOCH
from tradeexecutor.visual.charts import CHARTS, ChartOptions, get_explanation
from tradeexecutor.web.caching import Body
from tradeexecutor.web.drawings import draw_figure, list_charts
from tradeexecutor.web.endpoints import Question, encode
from tradeexecutor.web.problems import ProblemRaised
from tradeexecutor.web.reference import list_pairs
from tradeexecutor.web.views.records import DrawingEntry, DrawingList

__all__ = ["make_drawing", "make_drawing_list"]


def make_drawing_list(question: Question) -> Body:
    """Return the charts that can be drawn, those that the strategy defines first, and the traded pairs."""
    own = question.site.charts.get(question.strategy.id, {})
    entries = [
        DrawingEntry(
            name=entry["id"],
            title=entry["name"],
            description=entry["description"],
            is_own=entry["id"] in own,
            needs_pair=entry["kind"] == "state_single_pair",
        )
        for entry in list_charts(own)
    ]
    pairs = dict.fromkeys(pair.get_ticker() for pair in list_pairs(question.saved.state))
    return encode(DrawingList(drawings=entries, pairs=list(pairs)))


def make_drawing(question: Question) -> Body:
    """Return a chart as a figure of plotly: data and layout. A range of time is drawn with all its points."""
    own: Mapping[str, Any] = question.site.charts.get(question.strategy.id, {})
    name, state = question["name"], question.saved.state
    pair = _find_pair(state, question["pair"])
    start, end = question["start"], question["end"]
    if name in CHARTS and name not in own and (start is not None or end is not None):
        options = ChartOptions(
            theme=question["theme"], pair=pair, start_at=_to_time(start), end_at=_to_time(end), max_points=100_000
        )
        figure = CHARTS[name].draw(state, options)
        reason = get_explanation(figure)
        if reason is not None:
            raise ProblemRaised(422, reason)
    else:
        figure = draw_figure(state, name, own, pair=pair, theme=question["theme"])
    if not isinstance(figure, go.Figure):
        raise ProblemRaised(422, "this chart is a table, which /chart-registry/render shows")
    return Body(str(figure.to_json(validate=False)).encode())


def _find_pair(state: State, ticker: str | None) -> Any:
    if ticker is None:
        return None
    for pair in list_pairs(state):
        if pair.get_ticker() == ticker:
            return pair
    raise ProblemRaised(404, f"there is no pair {ticker}")


def _to_time(seconds: float | None) -> datetime.datetime | None:
    return None if seconds is None else EPOCH + datetime.timedelta(seconds=seconds)
