"""Charts of returns: the table of months, and the distribution. Deposits do not count as return."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.formats import count
from tradeexecutor.visual.parts.history import make_notes, read_history
from tradeexecutor.visual.parts.theme import Theme, finish, get_theme

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["draw_monthly_returns", "draw_returns_distribution", "make_monthly_heat_map", "make_returns_histogram"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_YEAR = "Year"

#: Smallest number of returns for a distribution.
_MIN_RETURNS = 8


def draw_monthly_returns(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the return of every month, one row for each year.

    Raises
    ------
    NothingToDraw
        Fewer than two portfolio values were recorded.
    """
    history = read_history(state, options)
    monthly = history.get_monthly_returns()
    notes = make_notes(state, "In %, deposits taken out")
    if history.length < pd.Timedelta(days=27):
        notes.append("Less than a month of history")
    return make_monthly_heat_map(monthly, get_theme(options.theme), "Monthly returns", notes, options.height)


def make_monthly_heat_map(
    monthly: "pd.Series[float]", theme: Theme, title: str | None, notes: list[str], height: int | None = None
) -> go.Figure:
    """Draw a heat map of returns by year and month, and the compounded return of each year.

    Parameters
    ----------
    monthly
        Returns, fractions, indexed by a time within the month.
    """
    index = pd.DatetimeIndex(monthly.index)
    years = list(range(int(index.year.min()), int(index.year.max()) + 1))
    table = np.full((len(years), 13), np.nan)
    for year, month, value in zip(index.year, index.month, monthly.to_numpy(), strict=True):
        table[year - years[0], month - 1] = value
    for row in table:
        known = row[:12][np.isfinite(row[:12])]
        if len(known):
            row[12] = np.prod(1.0 + known) - 1.0
    months = table[:, :12]
    # Years have a separate colour scale, because their large values would make the months pale.
    shades = np.hstack([_shade(months), _shade(table[:, 12:])])
    figure = go.Figure(
        go.Heatmap(
            x=[*_MONTHS, _YEAR],
            y=[str(year) for year in years],
            z=shades,
            text=[[_format_cell(value) for value in row] for row in table],
            customdata=table,
            texttemplate="%{text}",
            textfont={"size": 10, "color": theme.text},
            hovertemplate="%{y} %{x}: %{customdata:+.2%}<extra></extra>",
            hoverongaps=False,
            colorscale=[[0.0, theme.loss], [0.5, theme.background], [1.0, theme.gain]],
            zmin=-1.6,
            zmax=1.6,
            showscale=False,
            xgap=1.5,
            ygap=1.5,
        )
    )
    figure.add_vline(x=11.5, line={"color": theme.zero, "width": 1})
    finish(figure, theme, title, notes, height or 150 + 30 * max(len(years), 2))
    figure.update_xaxes(side="bottom", showgrid=False, fixedrange=True, tickfont={"size": 10}, tickangle=0)
    figure.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True, type="category", ticks="")
    return figure


def _shade(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the colour value of each return, -1 to 1; a single outlier does not make the others pale."""
    known = np.abs(values[np.isfinite(values)])
    bound = max(float(np.quantile(known, 0.9)) if len(known) else 0.0, 0.01)
    return np.clip(values / bound, -1.0, 1.0)


def _format_cell(value: float) -> str:
    if not math.isfinite(value):
        return ""
    percent = value * 100
    # On a phone a cell has space for four letters.
    text = f"{percent:,.0f}" if abs(percent) >= 9.95 else f"{percent:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "−")


def draw_returns_distribution(state: "State", options: ChartOptions) -> go.Figure:
    """Draw a histogram of daily returns; of other periods if the history is short or has few samples.

    Raises
    ------
    NothingToDraw
        There are too few returns for a distribution.
    """
    history = read_history(state, options)
    period = history.choose_period(_MIN_RETURNS)
    returns = history.get_returns(period)
    idle = int((returns == 0).sum())
    moved = returns[returns != 0]
    if len(moved) < _MIN_RETURNS:
        found = count(len(moved), f"{period.adjective} return")
        raise NothingToDraw(f"the history is too short: {found}, and this needs at least {_MIN_RETURNS}")
    notes = make_notes(state)
    if idle:
        notes.append(f"{idle:,} of {len(returns):,} {period.name}s without any change left out")
    title = f"Distribution of {period.adjective} returns"
    return make_returns_histogram(moved, get_theme(options.theme), title, period.name, notes, options.height)


def make_returns_histogram(
    returns: "pd.Series[float]",
    theme: Theme,
    title: str | None,
    period: str,
    notes: list[str],
    height: int | None = None,
) -> go.Figure:
    """Draw a histogram of returns, with separate bars for gains and losses, and marks at the mean and the 5 % quantile.

    Parameters
    ----------
    returns
        Returns, fractions.
    period
        Period of one return, e.g. ``day``.
    """
    values = np.asarray(returns, dtype=np.float64)
    edges = _choose_edges(values)
    inside = np.clip(values, edges[0], edges[-1])
    counts, _ = np.histogram(inside, edges)
    centres, width = (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
    figure = go.Figure()
    for name, side, colour in (("Losses", centres < 0, theme.loss), ("Gains", centres > 0, theme.gain)):
        figure.add_bar(
            x=centres[side],
            y=counts[side],
            width=width,
            name=name,
            marker={"color": colour, "line": {"color": theme.background, "width": 0.7}},
            customdata=np.column_stack([edges[:-1][side], edges[1:][side]]),
            hovertemplate=f"%{{customdata[0]:+.2%}} to %{{customdata[1]:+.2%}}<br>%{{y:,}} {period}s<extra></extra>",
        )
    mean, worst = float(values.mean()), float(np.quantile(values, 0.05))
    marks: list[tuple[float, str, Any]] = [(mean, "solid", theme.text), (worst, "dot", theme.faint_text)]
    for at, dash, colour in marks:
        figure.add_vline(x=at, line={"color": colour, "width": 1.2, "dash": dash})
    notes = [*notes, f"Mean {mean:+.2%} (line), 5% were below {worst:+.2%} (dotted)"]
    beyond = int((np.abs(values) > edges[-1]).sum())
    if beyond:
        notes.append(f"{beyond} beyond the scale are in the outermost bars, the largest {_find_extreme(values):+.1%}")
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(title_text=f"Return of a {period}", tickformat=",~%")
    figure.update_yaxes(title_text=f"Number of {period}s", tickformat=",~d")
    return finish(figure, theme, title, notes, height or 400)


def _choose_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of equal bins on both sides of 0; outliers do not extend the scale."""
    size = np.abs(values)
    bound = min(float(size.max()), 1.6 * float(np.quantile(size, 0.98))) or 0.01
    number = int(min(max(math.sqrt(len(values)), 6), 30))
    return np.linspace(-bound, bound, 2 * number + 1)


def _find_extreme(values: NDArray[np.float64]) -> float:
    return float(values[np.argmax(np.abs(values))])
