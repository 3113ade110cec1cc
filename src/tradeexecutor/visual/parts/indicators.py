"""Indicators that the strategy recorded, as data frames and as traces of a price chart."""

import datetime
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.visualisation import Plot, PlotKind, PlotLabel, PlotShape, RecordingTime
from tradeexecutor.visual.parts.history import crop
from tradeexecutor.visual.parts.theme import shorten
from tradeexecutor.visual.parts.thinning import Thinner

if TYPE_CHECKING:
    from tradeexecutor.visual.parts.theme import Theme

__all__ = [
    "choose_colours",
    "choose_plots",
    "export_plot_as_dataframe",
    "get_row_title",
    "visualise_technical_indicator",
]

_OVERLAY = PlotKind.technical_indicator_overlay_on_detached


@contract_signature
def export_plot_as_dataframe(
    plot: Plot,
    start_at: datetime.datetime | None = None,
    end_at: datetime.datetime | None = None,
    correct_look_ahead_bias_negation: bool = True,
) -> pd.DataFrame:
    """Return the points of a plot.

    Parameters
    ----------
    start_at, end_at
        Time range of the points, after the correction; both ends inclusive.
    correct_look_ahead_bias_negation
        A strategy decides when a candle has ended, so a value recorded at decision time belongs to the candle before
        it. If True, each value moves back to the time of the previous point, and the first one by the same step as the
        second. No value is lost. Plots recorded in market time, and plots with a single point, are not changed.

    Returns
    -------
    pandas.DataFrame
        ``timestamp`` (also the index) and ``value``, NaN for a gap; ascending.
    """
    seconds = np.fromiter(plot.points.keys(), dtype=np.int64, count=len(plot.points))
    values = np.array(list(plot.points.values()), dtype=np.float64)
    order = np.argsort(seconds, kind="stable")
    seconds, values = seconds[order], values[order]
    is_late = plot.recording_time is RecordingTime.decision_making_time
    if correct_look_ahead_bias_negation and is_late and len(seconds) > 1:
        seconds = np.concatenate(([2 * seconds[0] - seconds[1]], seconds[:-1]))
    index = pd.DatetimeIndex(seconds.astype("datetime64[s]").astype("datetime64[us]"))
    return crop(pd.DataFrame({"timestamp": index, "value": values}, index=index), start_at, end_at)


def visualise_technical_indicator(
    plot: Plot,
    start_at: datetime.datetime | None = None,
    end_at: datetime.datetime | None = None,
    colour: str | None = None,
    thinner: Thinner | None = None,
) -> go.Scatter | None:
    """Return the trace of a plot; None if it has no point in the time range.

    Parameters
    ----------
    colour
        Colour to use instead of that of the plot.
    thinner
        Thinner for long lines; None keeps all points.
    """
    series = export_plot_as_dataframe(plot, start_at, end_at)["value"]
    if not series.notna().any():
        return None
    if thinner is not None:
        series = thinner.thin(series)
    colour = _take_colour(colour or plot.colour)
    name = shorten(plot.name, 32)
    hover = f"{name}: %{{y:,.6~g}}<extra></extra>"
    if plot.plot_shape is PlotShape.markers:
        marker = {"color": colour, "size": plot.indicator_size or 6}
        return go.Scatter(x=series.index, y=series, mode="markers", name=name, marker=marker, hovertemplate=hover)
    line = {"color": colour, "width": plot.indicator_size or 1.5, "shape": (plot.plot_shape or PlotShape.linear).value}
    # A single point has no line, so it is drawn as a marker.
    mode = "lines" if series.notna().sum() > 1 else "lines+markers"
    return go.Scatter(x=series.index, y=series, mode=mode, name=name, line=line, hovertemplate=hover)


def choose_plots(
    plots: Iterable[Plot], pair: TradingPairIdentifier | None = None, *, detached: bool = True, single_pair: bool = True
) -> tuple[list[Plot], dict[str, list[Plot]]]:
    """Return the plots drawn on the price, and the rows of detached plots with their overlays.

    Parameters
    ----------
    pair
        Pair whose plots are drawn; plots of other pairs are left out.
    detached
        Whether detached plots are drawn, in separate rows.
    single_pair
        Whether a plot on the price without a pair is drawn.

    Returns
    -------
    tuple
        Plots on the price, and name of a detached plot -> the plot and its overlays. An overlay whose plot is missing
        has a separate row. Plots without points are left out.
    """
    on_price: list[Plot] = []
    rows: dict[str, list[Plot]] = {}
    overlays: list[Plot] = []
    for plot in plots:
        if not plot.points or (pair is not None and plot.pair is not None and not _is_about(plot.pair, pair)):
            continue
        if plot.kind is PlotKind.technical_indicator_on_price:
            if plot.pair is not None or single_pair:
                on_price.append(plot)
        elif not detached:
            continue
        elif plot.kind is _OVERLAY:
            overlays.append(plot)
        else:
            rows[plot.name] = [plot, *rows.get(plot.name, [])]
    for plot in overlays:
        rows.setdefault(plot.detached_overlay_name or plot.name, []).append(plot)
    return on_price, rows


def _is_about(plot_pair: TradingPairIdentifier, pair: TradingPairIdentifier) -> bool:
    return pair in (plot_pair, plot_pair.underlying_spot_pair)


def _take_colour(colour: str | None) -> str | None:
    """Return the colour; None, which is that of the theme, for a text that plotly does not know as one."""
    try:
        go.scatter.Line(color=colour)
    except ValueError:
        return None
    return colour


def choose_colours(plots: Sequence[Plot], theme: "Theme | None") -> list[str | None]:
    """Return a colour for each plot of a row: its own, unless a plot before it has that colour or it is hard to see."""
    if theme is None:
        return [plot.colour for plot in plots]
    taken = {plot.colour for plot in plots}
    free = iter([colour for colour in theme.colours if colour not in taken] * (1 + len(plots) // 4))
    used: set[str] = set()
    result: list[str | None] = []
    for plot in plots:
        colour = plot.colour
        if colour is None or colour in used or not theme.can_show(colour):
            colour = next(free)
        used.add(colour)
        result.append(colour)
    return result


def get_row_title(plots: list[Plot]) -> str:
    """Return the heading of a row: the names of the plot and its overlays, joined by plus signs."""
    names = [shorten(plot.name, 40) for plot in plots if plot is plots[0] or plot.label is not PlotLabel.hidden]
    more = f" + {len(names) - 3} more" if len(names) > 3 else ""
    return "<br>+ ".join(names[:3]) + more
