"""The charts of the page: drawn in both themes, price charts once for each pair, with finer candles to zoom into."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson
import pandas as pd
import plotly.graph_objects as go

from tradeexecutor.report.fine_candles import FineCandles, pack_fine_candles
from tradeexecutor.state.codec.json_patch import find_changes
from tradeexecutor.state.state import State
from tradeexecutor.visual.charts import CHARTS
from tradeexecutor.visual.parts.candles import list_pairs
from tradeexecutor.visual.parts.chart import Chart, ChartOptions, get_explanation

__all__ = ["MOST_PRICE_CHARTS", "DrawnChart", "NotDrawn", "draw_charts", "make_drawn_chart"]

#: Points of a line in a chart: what a wide screen shows.
_MAX_POINTS = 2_500

#: Bytes of a chart as JSON: one that is larger makes the page slow, and shows nothing that the eye can tell apart.
_MAX_CHART_SIZE = 8_000_000

#: So many pairs have a price chart, those with the most trades.
MOST_PRICE_CHARTS = 8


@dataclass(frozen=True, slots=True)
class DrawnChart:
    """A chart of the page.

    Attributes
    ----------
    dark
        Paths and values that make the dark figure out of the light one.
    fine
        Candles to show when the reader zooms in; None when the chart shows all there are.
    """

    title: str
    description: str
    height: int
    figure: dict[str, Any]
    dark: list[tuple[tuple[str | int, ...], Any]]
    fine: FineCandles | None = None


@dataclass(frozen=True, slots=True)
class NotDrawn:
    """A chart that the state has nothing for."""

    title: str
    reason: str


def draw_charts(state: State, candles: Any) -> tuple[list[DrawnChart], list[NotDrawn]]:
    """Draw every chart of the registry, in its order.

    Parameters
    ----------
    candles
        Market data, see `ChartOptions`; None: what the state has.

    Returns
    -------
    tuple
        The charts, and those for which the state has nothing.
    """
    drawn: list[DrawnChart] = []
    not_drawn: list[NotDrawn] = []
    for chart, options in _list_charts(state, candles):
        made = _draw(chart, state, options)
        if isinstance(made, DrawnChart):
            drawn.append(made)
        else:
            not_drawn.append(made)
    return drawn, not_drawn


def _list_charts(state: State, candles: Any) -> Iterator[tuple[Chart, ChartOptions]]:
    options = ChartOptions(candles=candles, max_points=_MAX_POINTS)
    pairs = list_pairs(state)
    for chart in CHARTS.values():
        if chart.name != "price" or len(pairs) < 2:
            yield chart, options
            continue
        for number, pair in enumerate(pairs[:MOST_PRICE_CHARTS]):
            # A single frame of candles is of one pair only.
            own = None if isinstance(candles, pd.DataFrame) and number else candles
            left_out = len(pairs) - MOST_PRICE_CHARTS
            more = f" {left_out} more pairs, with fewer trades, have no chart here." if left_out > 0 else ""
            yield (
                replace(chart, title=f"{chart.title}: {pair.get_ticker()}", description=chart.description + more),
                replace(options, candles=own, pair=pair),
            )


def _draw(chart: Chart, state: State, options: ChartOptions) -> DrawnChart | NotDrawn:
    light = chart.draw(state, options)
    reason = get_explanation(light)
    if reason is not None:
        return NotDrawn(chart.title, reason)
    made = make_drawn_chart(
        chart.title,
        chart.description,
        lambda theme: light if theme == "light" else chart.draw(state, replace(options, theme=theme)),
    )
    if made is None:
        return NotDrawn(chart.title, f"too much for a page, see `tradeexecutor chart {chart.name}`")
    return replace(made, fine=pack_fine_candles(state, options, light)) if chart.name == "price" else made


def make_drawn_chart(
    title: str, description: str, draw: Callable[[Literal["light", "dark"]], go.Figure]
) -> DrawnChart | None:
    """Return a chart for a page, drawn in both themes; None if it is too large."""
    light = draw("light")
    text = str(light.to_json(validate=False))
    if len(text) > _MAX_CHART_SIZE:
        return None
    # The figures differ in colours; only what differs is sent twice.
    figure, dark_figure = orjson.loads(text), orjson.loads(str(draw("dark").to_json(validate=False)))
    replacements = _list_replacements(figure, dark_figure)
    return DrawnChart(title, description, int(light.layout.height or 450), figure, replacements)


def _list_replacements(light: dict[str, Any], dark: dict[str, Any]) -> list[tuple[tuple[str | int, ...], Any]]:
    changes = list(find_changes(light, dark))
    if all(change.op == "replace" and change.path for change in changes):
        return [(change.path, change.after) for change in changes]
    return [((key,), value) for key, value in dark.items()]  # the themes differ in more than values
