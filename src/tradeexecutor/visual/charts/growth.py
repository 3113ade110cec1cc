"""Charts of the portfolio as a whole: value, growth, drawdown, Sharpe ratio."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tradeexecutor.analysis.adjusted.benchmark import Holding
from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.formats import get_tick_format
from tradeexecutor.visual.parts.history import History, crop, make_notes, read_history
from tradeexecutor.visual.parts.holdings import find_main_holding
from tradeexecutor.visual.parts.scale_buttons import add_scale_buttons
from tradeexecutor.visual.parts.theme import Theme, finish, get_theme, with_opacity
from tradeexecutor.visual.parts.thinning import Thinner

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["draw_drawdown", "draw_equity", "draw_rolling_sharpe"]

#: Number of periods in the window of a rolling ratio, and the smallest number for a short history.
_WINDOW = 90
_MIN_WINDOW = 10


def draw_equity(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the net asset value with the net deposits, and below it the growth without deposits.

    Beside both stands what buying and holding would have brought, where prices are known.  Buttons make the axis of the
    value logarithmic.

    Raises
    ------
    NothingToDraw
        Fewer than two portfolio values were recorded.
    """
    theme = get_theme(options.theme)
    history = read_history(state, options)
    thinner = Thinner(options.max_points)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.6, 0.4], vertical_spacing=0.06)
    value = thinner.thin(history.value)
    figure.add_scatter(
        x=value.index,
        y=value,
        name="Value",
        mode="lines",
        line={"color": theme.main, "width": 2},
        hovertemplate="%{y:$,.2f}",
        row=1,
        col=1,
    )
    if history.has_deposits:
        deposits = _keep_steps(history.net_deposits)
        figure.add_scatter(
            x=deposits.index,
            y=deposits,
            name="Net deposits",
            mode="lines",
            line={"color": theme.neutral, "width": 1.5, "dash": "dot", "shape": "hv"},
            hovertemplate="%{y:$,.2f}",
            row=1,
            col=1,
        )
    held = _read_held(state, options, history)
    if held is not None:
        _draw_held(figure, held, history, thinner, theme)
    growth = thinner.thin(history.growth)
    last = float(history.growth.iloc[-1])
    figure.add_scatter(
        x=growth.index,
        y=growth,
        name="Growth without deposits",
        mode="lines",
        line={"color": theme.gain if last >= 0 else theme.loss, "width": 1.5},
        fill="tozeroy",
        fillcolor=with_opacity(theme.gain if last >= 0 else theme.loss, 0.12),
        hovertemplate="%{y:+,.2%}",
        row=2,
        col=1,
    )
    figure.update_yaxes(title_text="USD", tickformat=get_tick_format(value), row=1, col=1)
    figure.update_yaxes(title_text="Growth", tickformat=",~%", zeroline=True, row=2, col=1)
    figure.update_xaxes(title_text="Time (UTC)", row=2, col=1)
    figure.update_layout(hovermode="x unified")
    add_scale_buttons(figure, "yaxis", theme)
    notes = make_notes(
        state,
        f"{last:+,.1%} from {value.index[0]:%Y-%m-%d} to {value.index[-1]:%Y-%m-%d}",
        None if held is None else f"Buy and hold of {held.name} {held.total_return:+,.1%}",
        None if history.has_deposits else "No deposits are recorded: money moved in by hand would count as growth",
        *thinner.get_notes(),
    )
    return finish(figure, theme, "Equity", notes, options.height or 560)


def _read_held(state: "State", options: ChartOptions, history: History) -> Holding | None:
    """Return what could have been held in the time of the chart, from 1.0 at its beginning."""
    held = find_main_holding(state, options.candles)
    if held is None:
        return None
    inside = crop(held.growth.to_frame(), history.value.index[0], history.value.index[-1]).iloc[:, 0]
    return Holding(held.name, inside / inside.iloc[0]) if len(inside) > 1 else None


def _draw_held(figure: go.Figure, held: Holding, history: History, thinner: Thinner, theme: Theme) -> None:
    """Draw what the same money, put in at the same times, would have become, and the growth without deposits."""
    grown = held.growth.reindex(history.value.index.union(held.growth.index)).ffill().fillna(1.0)
    grown = grown[~grown.index.duplicated(keep="last")]
    at_samples = grown.reindex(history.value.index).to_numpy()
    money = history.net_deposits.to_numpy(copy=True)
    money += float(history.value.iloc[0]) - float(money[0])
    bought = np.cumsum(np.diff(money, prepend=0.0) / at_samples)
    lines = ((pd.Series(bought * at_samples, index=history.value.index), "%{y:$,.2f}"), (grown - 1.0, "%{y:+,.2%}"))
    for row, (line, template) in enumerate(lines, 1):
        thinned = thinner.thin(line)
        figure.add_scatter(
            x=thinned.index,
            y=thinned,
            name="Buy and hold",
            legendgroup="held",
            showlegend=row == 1,
            mode="lines",
            line={"color": theme.get_colour(1), "width": 1.3},
            hovertemplate=template,
            row=row,
            col=1,
        )


def _keep_steps(series: "pd.Series[float]") -> "pd.Series[float]":
    """Return the points at which a step line changes, and its ends."""
    values = series.to_numpy()
    keep = np.ones(len(values), dtype=np.bool_)
    keep[1:] = values[1:] != values[:-1]
    keep[-1] = True
    return series[keep]


def draw_drawdown(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the distance of the growth from its highest point so far; deposits do not count.

    Raises
    ------
    NothingToDraw
        Fewer than two portfolio values were recorded.
    """
    theme = get_theme(options.theme)
    history = read_history(state, options)
    thinner = Thinner(options.max_points)
    drawdown = history.drawdown
    deepest = drawdown.idxmin()
    depth = float(drawdown.min())
    thinned = thinner.thin(drawdown)
    figure = go.Figure()
    figure.add_scatter(
        x=thinned.index,
        y=thinned,
        name="Drawdown",
        mode="lines",
        line={"color": theme.loss, "width": 1.5},
        fill="tozeroy",
        fillcolor=with_opacity(theme.loss, 0.18),
        hovertemplate="%{x|%Y-%m-%d %H:%M}<br>%{y:.2%}<extra></extra>",
    )
    if depth < 0:
        figure.add_scatter(
            x=[deepest],
            y=[depth],
            mode="markers",
            marker={"color": theme.loss, "size": 9, "line": {"color": theme.background, "width": 1.5}},
            name="Deepest",
            hovertemplate="Deepest<br>%{x|%Y-%m-%d %H:%M}<br>%{y:.2%}<extra></extra>",
            showlegend=False,
        )
    figure.update_yaxes(title_text="Below the highest value", tickformat=",~%", range=[min(depth * 1.08, -0.001), 0])
    figure.update_xaxes(title_text="Time (UTC)")
    words = f"Deepest {depth:.1%} on {deepest:%Y-%m-%d}" if depth < 0 else "Never below an earlier value"
    now = float(drawdown.iloc[-1])
    notes = make_notes(state, words, f"At the end {now:.1%}" if now < 0 else "At the end at its high")
    return finish(figure, theme, "Drawdown", [*notes, *thinner.get_notes()], options.height or 360)


def draw_rolling_sharpe(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the annualised Sharpe ratio of a sliding window: mean / deviation * sqrt(periods per year).

    Deposits do not count as return, and the risk-free rate is 0.

    Raises
    ------
    NothingToDraw
        The history is too short for a window, or all returns are equal.
    """
    theme = get_theme(options.theme)
    history = read_history(state, options)
    period = history.choose_period(2 * _MIN_WINDOW)
    returns = history.get_returns(period)
    window = _choose_window(len(returns), period.name)
    if window is None:
        least = 2 * _MIN_WINDOW
        raise NothingToDraw(f"the history is too short: it has {len(returns)} returns, and this needs at least {least}")
    per_year = len(returns) / max(history.length / pd.Timedelta(days=365), 1e-9)
    sliding = returns.rolling(window)
    deviation = sliding.std()
    sharpe = (sliding.mean() / deviation.where(deviation > 1e-12) * per_year**0.5).iloc[window - 1 :]
    if sharpe.isna().all():
        raise NothingToDraw("the value of the portfolio did not vary")
    thinner = Thinner(options.max_points)
    line = thinner.thin(sharpe)
    figure = go.Figure()
    figure.add_hline(y=0, line={"color": theme.zero, "width": 1})
    mean = float(sharpe.mean())
    figure.add_hline(y=mean, line={"color": theme.neutral, "width": 1, "dash": "dot"})
    figure.add_scatter(
        x=line.index,
        y=line,
        name="Sharpe ratio",
        mode="lines",
        line={"color": theme.main, "width": 2},
        hovertemplate="%{x|%Y-%m-%d}<br>%{y:.2f}<extra></extra>",
    )
    figure.update_yaxes(title_text="Sharpe ratio, annualised")
    figure.update_xaxes(title_text="Time (UTC)")
    notes = make_notes(state, f"Of the {window} {period.name}s before, annualised", f"Mean {mean:.2f} (dotted)")
    return finish(figure, theme, "Rolling Sharpe ratio", [*notes, *thinner.get_notes()], options.height or 400)


def _choose_window(count: int, name: str) -> int | None:
    if count < 2 * _MIN_WINDOW:
        return None
    usual = {"month": 12, "week": 26}.get(name, _WINDOW)
    return usual if count >= 2 * usual else max(count // 3, _MIN_WINDOW)
