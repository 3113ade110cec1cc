"""Figures of return series, under the names that notebooks import from `tradeexecutor.visual.equity_curve`."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tradeexecutor.analysis.adjusted.drawdown import calculate_drawdowns
from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.visual.charts.returns import make_monthly_heat_map, make_returns_histogram
from tradeexecutor.visual.parts.chart import MAX_POINTS
from tradeexecutor.visual.parts.theme import finish, get_theme, with_opacity
from tradeexecutor.visual.parts.thinning import Thinner

__all__ = ["visualise_equity_curve", "visualise_returns_distribution", "visualise_returns_over_time"]


def _clean(returns: "pd.Series[float]") -> "pd.Series[float]":
    known = returns[np.isfinite(returns.to_numpy(dtype=np.float64))].sort_index(kind="stable")
    if not len(known):
        raise NothingToDraw("the series has no returns")
    return known


def visualise_equity_curve(
    returns: "pd.Series[float]",
    title: str | None = "Equity curve",
    line_width: float = 1.5,
    theme: str = "plotly_white",
    height: int = 700,
) -> go.Figure:
    """Draw the compounded return, the drawdown and the single returns, one below the other.

    Parameters
    ----------
    returns
        Fractions by time; values that are not finite are left out.

    Raises
    ------
    NothingToDraw
        The series has no returns.
    """
    look = get_theme(theme)
    returns = _clean(returns)
    thinner = Thinner(MAX_POINTS)
    drawdown = pd.Series(calculate_drawdowns(np.asarray(returns, dtype=np.float64)), index=returns.index)
    rows = (
        ("Growth", (1.0 + returns).cumprod() - 1.0, look.main),
        ("Drawdown", drawdown, look.loss),
        ("Return", returns, look.neutral),
    )
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, row_heights=[0.5, 0.25, 0.25], vertical_spacing=0.04)
    for row, (name, series, colour) in enumerate(rows, start=1):
        line = thinner.thin(series)
        figure.add_scatter(
            x=line.index,
            y=line,
            name=name,
            mode="lines",
            line={"color": colour, "width": line_width},
            fill="tozeroy" if row == 2 else None,
            fillcolor=with_opacity(colour, 0.18),
            hovertemplate="%{y:+,.2%}",
            row=row,
            col=1,
        )
        figure.update_yaxes(title_text=name, tickformat=",~%", row=row, col=1)
    figure.update_xaxes(title_text="Time (UTC)", row=3, col=1)
    figure.update_layout(hovermode="x unified")
    return finish(figure, look, title, thinner.get_notes(), height, legend=False)


def visualise_returns_over_time(returns: "pd.Series[float]", theme: str = "plotly_white") -> go.Figure:
    """Draw the compounded return of each month and year in percent, one row for each year.

    Raises
    ------
    NothingToDraw
        The series has no returns.
    """
    monthly = (1.0 + _clean(returns)).resample("MS").prod() - 1.0
    return make_monthly_heat_map(monthly, get_theme(theme), "Monthly returns", ["In %"])


def visualise_returns_distribution(
    returns: "pd.Series[float]", theme: str = "plotly_white", period: str = "period"
) -> go.Figure:
    """Draw a histogram of returns.

    Parameters
    ----------
    period
        Period of one return, e.g. ``day``.

    Raises
    ------
    NothingToDraw
        The series has no returns.
    """
    return make_returns_histogram(_clean(returns), get_theme(theme), "Distribution of returns", period, [])
