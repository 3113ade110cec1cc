"""Charts of a comparison: both equities, their difference, and what it consists of."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from tradeexecutor.analysis.adjusted.equity import EquityCurve, read_equity_curve
from tradeexecutor.analysis.compare.attribution import Attribution
from tradeexecutor.analysis.compare.causes import CAUSE_TEXTS
from tradeexecutor.state.state import State
from tradeexecutor.visual.parts.theme import Theme, finish
from tradeexecutor.visual.parts.thinning import Thinner

__all__ = ["draw_causes", "draw_difference", "draw_equities"]

_MAX_POINTS = 2_500


def draw_causes(attribution: Attribution, theme: Theme) -> go.Figure | None:
    """Draw the way from A's equity to B's as steps, one for each cause; None if the equity is the same."""
    rounded = attribution.round_amounts()
    parts = [part for part in attribution.parts if rounded[part.cause]]
    if not parts:
        return None
    figure = go.Figure(
        go.Waterfall(
            x=["A", *(CAUSE_TEXTS[part.cause] for part in parts), "B"],
            y=[float(attribution.equity_a), *(float(part.amount) for part in parts), 0.0],
            measure=["absolute", *("relative" for _ in parts), "total"],
            increasing={"marker": {"color": theme.gain}},
            decreasing={"marker": {"color": theme.loss}},
            totals={"marker": {"color": theme.main}},
            connector={"line": {"color": theme.zero}},
            hovertemplate="%{x}: %{delta:$,.2f}<extra></extra>",
        )
    )
    ends = np.cumsum([float(attribution.equity_a), *(float(part.amount) for part in parts)])
    margin = 0.15 * float(np.ptp(ends)) or 1.0
    # From zero, the steps between two similar equities would be invisible.
    figure.update_yaxes(title_text="USD", range=[float(ends.min()) - margin, float(ends.max()) + margin])
    return finish(figure, theme, "From A to B", ["the axis does not begin at zero"], 460)


def draw_equities(a: State, b: State, theme: Theme) -> go.Figure | None:
    """Draw the recorded equity of both; None if one of them has no samples."""
    curves = {"A": read_equity_curve(a), "B": read_equity_curve(b)}
    if not all(len(curve) for curve in curves.values()):
        return None
    thinner = Thinner(_MAX_POINTS)
    figure = go.Figure()
    for number, (name, curve) in enumerate(curves.items()):
        line = thinner.thin(_to_series(curve))
        figure.add_scatter(
            x=line.index,
            y=line,
            name=name,
            mode="lines",
            line={"color": theme.get_colour(number), "width": 1.8},
            hovertemplate="%{y:$,.2f}",
        )
    figure.update_yaxes(title_text="Equity, USD")
    figure.update_layout(hovermode="x unified")
    return finish(figure, theme, "Equity", thinner.get_notes(), 420)


def draw_difference(a: State, b: State, theme: Theme) -> go.Figure | None:
    """Draw B's equity minus A's in their common period; None if they have none."""
    curves = read_equity_curve(a), read_equity_curve(b)
    if not all(map(len, curves)):
        return None
    first, second = (_to_series(curve).groupby(level=0).last() for curve in curves)
    times = first.index.union(second.index)
    start, end = max(first.index[0], second.index[0]), min(first.index[-1], second.index[-1])
    times = times[(times >= start) & (times <= end)]
    if not len(times):
        return None
    thinner = Thinner(_MAX_POINTS)
    line = thinner.thin(second.reindex(times, method="ffill") - first.reindex(times, method="ffill"))
    figure = go.Figure()
    figure.add_scatter(
        x=line.index,
        y=line,
        mode="lines",
        line={"color": theme.main, "width": 1.6, "shape": "hv"},
        hovertemplate="%{x|%Y-%m-%d %H:%M}<br>%{y:+$,.2f}<extra></extra>",
    )
    figure.update_yaxes(title_text="B minus A, USD", zeroline=True)
    return finish(figure, theme, "Difference", thinner.get_notes(), 320)


def _to_series(curve: EquityCurve) -> "pd.Series[float]":
    index = pd.DatetimeIndex(curve.times.astype("datetime64[us]"))
    return pd.Series(curve.values, index=index)
