"""One self-contained page about a search for parameters: table, heat map, parallel coordinates, walk-forward.

It is made of the parts of the report: the same styles, tables and theme, and nothing is loaded from the network.
"""

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from tradeexecutor import __version__
from tradeexecutor.report.page import Chip, PageTheme, ReportContents, render_report
from tradeexecutor.report.page_charts import DrawnChart, make_drawn_chart
from tradeexecutor.report.table_data import TableData
from tradeexecutor.state.clock import utc_now
from tradeexecutor.visual.parts.theme import THEMES, Theme, finish, with_opacity

__all__ = ["Card", "Dimension", "FactList", "Growth", "HeatMap", "SearchPage", "make_search_page"]

#: Most cells of a heat map whose value is written in them.
_MOST_LABELS = 64

#: Colours of the lines of parallel coordinates.
_SHADES = 12


@dataclass(frozen=True, slots=True)
class Card:
    """A figure at the top of the page; `level` is ``gain``, ``loss``, ``doubt`` or empty."""

    name: str
    text: str
    under: str
    level: str = ""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Values of the objective by two parameters.

    Attributes
    ----------
    x, y
        Names of the parameters.
    x_values, y_values
        Their values as texts.
    values
        A row for each value of `y`; NaN where no run succeeded.
    best
        Indexes in `x_values` and `y_values` of the best run.
    objective
        Name of the objective.
    is_percent
        Whether values are fractions.
    note
        What a cell is.
    """

    x: str
    y: str
    x_values: Sequence[str]
    y_values: Sequence[str]
    values: NDArray[np.float64]
    best: tuple[int, int]
    objective: str
    is_percent: bool
    note: str


@dataclass(frozen=True, slots=True)
class Dimension:
    """An axis of the parallel coordinates: a value for each run; `labels` are texts for the values 0, 1, ..."""

    name: str
    values: Sequence[float]
    labels: Sequence[str] = ()
    is_percent: bool = False


@dataclass(frozen=True, slots=True)
class Growth:
    """Growth of one unit of money in the tests of a walk-forward.

    Attributes
    ----------
    times, values
        Microseconds since 1970, and the growth.
    starts
        Starts of the tests.
    """

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    starts: Sequence[datetime.datetime]


@dataclass(frozen=True, slots=True)
class FactList:
    """A table of texts with a heading."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What is on the page.

    Attributes
    ----------
    title, lead
        Name of the strategy, and what was searched.
    chips, cards, warnings
        At the top.
    runs
        Table of the runs, named ``runs``.
    heat_maps, coordinates
        Charts; the last dimension is the objective.
    luck, windows
        How much is luck, and the windows of a walk-forward; None without one.
    growth
        None without a walk-forward.
    """

    title: str
    lead: str
    chips: Sequence[Chip]
    cards: Sequence[Card]
    warnings: Sequence[str]
    runs: TableData
    heat_maps: Sequence[HeatMap]
    coordinates: Sequence[Dimension]
    luck: FactList
    windows: FactList | None = None
    growth: Growth | None = None


def make_search_page(
    page: SearchPage, *, theme: PageTheme = "auto", now: datetime.datetime | None = None, packed: bool = True
) -> str:
    """Return the page as HTML text.

    Parameters
    ----------
    theme
        Initial colours; ``auto`` uses those of the reader's system.
    now
        Time of making, naive UTC; None for the current time.
    packed
        See `render_report`.
    """
    charts = [chart for chart in _draw_charts(page) if chart is not None]
    values = {
        "title": page.title,
        "page": page,
        "theme": theme,
        "version": __version__,
        "made_at": now or utc_now(),
        "charts": charts,
    }
    return render_report(ReportContents(values, charts, [page.runs], []), packed=packed, template="search.html")


def _draw_charts(page: SearchPage) -> list[DrawnChart | None]:
    charts = [
        make_drawn_chart(
            f"{item.objective} by {item.x} and {item.y}",
            f"{item.note} The circle is the best run. A good region is wide: a single bright cell is luck.",
            lambda theme, item=item: draw_heat_map(item, THEMES[theme]),
        )
        for item in page.heat_maps
    ]
    if len(page.coordinates) > 1:
        charts.append(
            make_drawn_chart(
                "Parallel coordinates",
                "A line is a run; the stronger its colour, the better its objective. The thick line is the best run.",
                lambda theme: draw_coordinates(page.coordinates, THEMES[theme]),
            )
        )
    growth = page.growth
    if growth is not None:
        charts.append(
            make_drawn_chart(
                "Walk-forward",
                "Growth in the tests, one after another, with the parameters that were best in the training before. "
                "Dotted lines are where a test begins.",
                lambda theme: draw_growth(growth, THEMES[theme]),
            )
        )
    return charts


def _make_scale(theme: Theme) -> list[tuple[float, str]]:
    """Return colours from low to high that stand out from the background in both themes."""
    return [(0.0, theme.grid), (1.0, theme.main)]


def draw_heat_map(item: HeatMap, theme: Theme) -> go.Figure:
    """Return the heat map of two parameters."""
    form = ".1%" if item.is_percent else ".2f"
    is_small = item.values.size <= _MOST_LABELS
    figure = go.Figure(
        go.Heatmap(
            x=list(item.x_values),
            y=list(item.y_values),
            z=[[None if math.isnan(value) else value for value in row] for row in item.values.tolist()],
            colorscale=_make_scale(theme),
            texttemplate=f"%{{z:{form}}}" if is_small else None,
            hovertemplate=f"{item.x} %{{x}}, {item.y} %{{y}}<br>{item.objective} %{{z:{form}}}<extra></extra>",
            colorbar={"thickness": 10, "outlinewidth": 0, "tickformat": form},
            xgap=1,
            ygap=1,
        )
    )
    x, y = item.best
    marker = {"symbol": "circle-open", "size": 26, "color": theme.text, "line": {"width": 2}}
    figure.add_scatter(
        x=[item.x_values[x]], y=[item.y_values[y]], mode="markers", marker=marker, name="best", hoverinfo="skip"
    )
    figure.update_xaxes(type="category", title=item.x, showgrid=False)
    figure.update_yaxes(type="category", title=item.y, showgrid=False)
    return finish(figure, theme, f"{item.objective} by {item.x} and {item.y}", height=460, legend=False)


def draw_coordinates(dimensions: Sequence[Dimension], theme: Theme) -> go.Figure:
    """Return the parallel coordinates of runs; the last dimension gives the colour, and the first run is the best.

    They are lines of a usual chart: the ones of plotly need WebGL, which printers and many virtual machines lack.
    """
    places = list(range(len(dimensions)))
    heights = np.array([_normalise(item) for item in dimensions]).T
    shades = np.minimum((heights[:, -1] * _SHADES).astype(int), _SHADES - 1)
    figure = go.Figure()
    for shade in range(_SHADES):
        x: list[int | None] = []
        y: list[float | None] = []
        for line in heights[shades == shade]:
            # A gap separates one run from the next.
            x += [*places, None]
            y += [*line.tolist(), None]
        if x:
            style = {"color": _blend(theme.grid, theme.main, (shade + 0.5) / _SHADES), "width": 1}
            figure.add_scatter(x=x, y=y, mode="lines", line=style, hoverinfo="skip", showlegend=False)
    best = {"color": theme.text, "width": 2.5}
    figure.add_scatter(x=places, y=heights[0], mode="lines", line=best, name="best", hoverinfo="skip")
    for place, item in enumerate(dimensions):
        figure.add_vline(x=place, line={"color": theme.zero, "width": 1})
        for height, text in _list_ticks(item):
            figure.add_annotation(
                x=place, y=height, text=text, showarrow=False, xshift=4, xanchor="left", font={"size": 10},
                bgcolor=with_opacity(theme.background, 0.75),
            )  # fmt: skip
    names = [item.name for item in dimensions]
    figure.update_xaxes(tickvals=places, ticktext=names, showgrid=False, side="top", range=[-0.1, len(places) - 0.6])
    figure.update_yaxes(visible=False, range=[-0.06, 1.06])
    return finish(figure, theme, "Parallel coordinates", height=440, legend=False)


def _blend(low: str, high: str, share: float) -> str:
    """Return a colour between two of the form ``#rrggbb``."""
    pairs = zip(bytes.fromhex(low[1:]), bytes.fromhex(high[1:]), strict=True)
    return "#" + bytes(round(one + (other - one) * share) for one, other in pairs).hex()


def _normalise(item: Dimension) -> NDArray[np.float64]:
    """Return the heights of the runs on an axis, from 0 for the lowest value to 1 for the highest."""
    values = np.array(item.values, dtype=np.float64)
    low, high = _get_range(item)
    return (values - low) / (high - low) if high > low else np.full(len(values), 0.5)


def _get_range(item: Dimension) -> tuple[float, float]:
    return (0.0, len(item.labels) - 1.0) if item.labels else (min(item.values), max(item.values))


def _list_ticks(item: Dimension) -> list[tuple[float, str]]:
    """Return heights and texts of the marks of an axis: labels, or the lowest, the middle and the highest value."""
    low, high = _get_range(item)
    if item.labels:
        return [(place / (len(item.labels) - 1) if high > low else 0.5, text) for place, text in enumerate(item.labels)]
    if high == low:
        return [(0.5, f"{low:g}")]
    form = ".1%" if item.is_percent else ".3g"
    return [(height, format(low + height * (high - low), form)) for height in (0.0, 0.5, 1.0)]


def draw_growth(growth: Growth, theme: Theme) -> go.Figure:
    """Return the growth of the tests of a walk-forward."""
    times = growth.times.view("datetime64[us]")
    figure = go.Figure(
        go.Scatter(
            x=times,
            y=growth.values,
            mode="lines",
            line={"color": theme.main, "width": 2},
            name="tests",
            hovertemplate="%{x|%Y-%m-%d} %{y:.3f}<extra></extra>",
        )
    )
    for start in growth.starts:
        figure.add_vline(x=start, line={"color": theme.zero, "width": 1, "dash": "dot"})
    figure.add_hline(y=1.0, line={"color": theme.zero, "width": 1})
    figure.update_yaxes(title="growth")
    return finish(figure, theme, "Walk-forward", height=400, legend=False)
