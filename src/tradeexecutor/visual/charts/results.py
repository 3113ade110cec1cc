"""Charts of closed positions: the profit of each position, and the cumulative profit."""

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tradeexecutor.analysis.adjusted.positions import get_net_result
from tradeexecutor.analysis.memo import shared
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.formats import count, format_duration, format_profit, get_tick_format
from tradeexecutor.visual.parts.history import make_notes
from tradeexecutor.visual.parts.position_columns import read_positions
from tradeexecutor.visual.parts.stems import add_stems
from tradeexecutor.visual.parts.theme import finish, get_theme, shorten, with_opacity
from tradeexecutor.visual.parts.thinning import Thinner, note_left_out

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["describe_result", "draw_position_profits", "draw_position_scatter"]


@shared
def describe_result(position: TradingPosition) -> str:
    """Return the tooltip of a position: pair, times and profit."""
    usd, percent = get_net_result(position)
    end = position.closed_at
    status = f"closed {end:%Y-%m-%d %H:%M}" if end else ("frozen" if position.is_frozen() else "open")
    lines = [
        f"<b>#{position.position_id} {shorten(position.pair.get_ticker(), 40)}</b>",
        f"opened {position.get_entered_at():%Y-%m-%d %H:%M}",
        status,
        f"profit {format_profit(usd)} ({percent:+.2%})",
    ]
    if end:
        lines.insert(3, f"held {format_duration(end - position.get_entered_at())}")
    if position.closed_by_stop_loss():
        lines.append("closed by stop loss")
    elif position.closed_by_take_profit():
        lines.append("closed by take profit")
    return "<br>".join(lines)


def draw_position_profits(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the profit of each closed position in USD, and above it the cumulative profit.

    Raises
    ------
    NothingToDraw
        No position was closed in the time range.
    """
    theme = get_theme(options.theme)
    closed = read_positions(state, options).choose_closed(options)
    times, profits = closed.ended_at, closed.profit_usd
    total = profits.cumsum()
    thinner = Thinner(options.max_points)
    line = thinner.thin(pd.Series(total, index=times))
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.55, 0.45], vertical_spacing=0.06)
    figure.add_scatter(
        x=line.index,
        y=line,
        mode="lines",
        name="All closed positions",
        line={"color": theme.main, "width": 2, "shape": "hv"},
        hovertemplate="%{x|%Y-%m-%d %H:%M}<br>%{y:$,.2f}<extra></extra>",
        row=1,
        col=1,
    )

    def describe(row: int) -> str:
        return describe_result(closed.positions[row])

    add_stems(figure, times, profits, describe, theme, names=("Profit", "Loss"), row=2, limit=options.max_points)
    figure.update_yaxes(title_text="Sum, USD", tickformat=get_tick_format(total), zeroline=True, row=1, col=1)
    figure.update_yaxes(title_text="Each, USD", tickformat=get_tick_format(profits), zeroline=True, row=2, col=1)
    figure.update_xaxes(title_text="Closed at (UTC)", row=2, col=1)
    won = int((profits > 0).sum())
    notes = make_notes(
        state,
        f"{count(len(closed), 'closed position')}, {won:,} with a profit, together {format_profit(float(total[-1]))}",
        *note_left_out(min(options.max_points, len(closed)), len(closed), "single results (the largest)"),
        *thinner.get_notes(),
    )
    return finish(figure, theme, "Profit by position", notes, options.height or 520)


def draw_position_scatter(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the profit of each closed position in percent over its duration; larger marks are larger amounts.

    Raises
    ------
    NothingToDraw
        No position was closed in the time range.
    """
    theme = get_theme(options.theme)
    table = read_positions(state, options).choose_closed(options)
    notes = note_left_out(min(options.max_points, len(table)), len(table), "closed positions (the latest)")
    closed: list[TradingPosition] = table.positions[-options.max_points :].tolist()
    figure = go.Figure()
    costs = [position.get_total_bought_usd() or position.get_total_sold_usd() for position in closed]
    largest = max([*costs, 1e-9])
    results: dict[bool, list[tuple[float, float, float, str]]] = {True: [], False: []}
    for position, cost in zip(closed, costs, strict=True):
        percent = get_net_result(position)[1]
        held = position.closed_at - position.get_entered_at()  # pyright: ignore[reportOptionalOperand]
        # A logarithmic axis needs durations above zero; the shortest is one minute.
        days = max(held / datetime.timedelta(days=1), 1 / 1440)
        results[percent >= 0].append((days, percent, 6 + 18 * (cost / largest) ** 0.5, describe_result(position)))
    for is_gain, name, colour in ((True, "Profit", theme.gain), (False, "Loss", theme.loss)):
        points: list[tuple[Any, ...]] = list(zip(*results[is_gain], strict=True)) or [(), (), (), ()]
        figure.add_scatter(
            x=points[0],
            y=points[1],
            mode="markers",
            name=name,
            marker={
                "color": with_opacity(colour, 0.6),
                "size": points[2],
                "line": {"color": colour, "width": 1},
                "symbol": "circle" if is_gain else "diamond",
            },
            text=points[3],
            hovertemplate="%{text}<extra></extra>",
            visible=bool(points[0]),
        )
    _set_duration_axis(figure, [point[0] for points in results.values() for point in points])
    figure.update_yaxes(title_text="Profit of the position", tickformat=",~%", zeroline=True)
    notes = make_notes(state, f"{count(len(closed), 'closed position')}, a larger mark is more money", *notes)
    return finish(figure, theme, "Profit and time held", notes, options.height or 440)


def _set_duration_axis(figure: go.Figure, days: list[float]) -> None:
    """Label a logarithmic axis of days with minutes, hours, days, weeks, months and years."""
    marks = {
        "1 min": 1 / 1440,
        "10 min": 10 / 1440,
        "1 h": 1 / 24,
        "6 h": 0.25,
        "1 d": 1.0,
        "1 wk": 7.0,
        "1 mth": 30.4,
        "3 mth": 91.3,
        "1 yr": 365.0,
        "5 yr": 1826.0,
    }
    low, high = np.log10(min(days)) - 0.15, np.log10(max(days)) + 0.15
    # At least the neighbouring marks, so that the axis always has a label.
    low = min(low, np.log10(max(value for value in marks.values() if value <= max(min(days), 1 / 1440))) - 0.05)
    high = max(high, np.log10(min((value for value in marks.values() if value >= max(days)), default=max(days))) + 0.05)
    figure.update_xaxes(
        type="log",
        range=[low, high],
        tickvals=list(marks.values()),
        ticktext=list(marks),
        title_text="Time held",
    )
