"""Charts of positions: when they were held, what each brought, and how that adds up."""

import datetime
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tradeexecutor.analysis.performance import to_time_index
from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.visual.chart import ChartOptions
from tradeexecutor.visual.formats import count, format_duration, format_profit, get_tick_format
from tradeexecutor.visual.history import find_end, make_notes, read_positions
from tradeexecutor.visual.stems import add_stems
from tradeexecutor.visual.theme import Theme, finish, get_theme, shorten, with_opacity
from tradeexecutor.visual.thinning import note_left_out

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["draw_position_profits", "draw_position_scatter", "draw_position_timeline"]

#: Pairs that fit below each other.
_MOST_PAIRS = 30


def draw_position_timeline(state: "State", options: ChartOptions) -> go.Figure:
    """Draw a bar for each position from opening to closing, a row for each pair, coloured by profit.

    Raises
    ------
    NothingToDraw
        No position was opened in the time asked for.
    """
    theme = get_theme(options.theme)
    positions = read_positions(state, options)
    count_by_pair = Counter(get_label(position) for position in positions)
    shown = {pair for pair, _ in count_by_pair.most_common(_MOST_PAIRS)}
    # Earliest pair on top.
    rows = [pair for pair in count_by_pair if pair in shown]
    end = _find_end(state, positions)
    figure = go.Figure()
    for name, colour, chosen in _split_by_result(positions, theme):
        bars = [position for position in chosen if get_label(position) in shown]
        if not bars:
            continue
        starts = to_time_index(position.opened_at for position in bars)
        ends = to_time_index(position.closed_at or end for position in bars)
        figure.add_bar(
            orientation="h",
            base=starts,
            x=np.maximum((ends - starts) / pd.Timedelta(milliseconds=1), 0),
            y=[get_label(position) for position in bars],
            name=name,
            # The outline keeps a position of an hour visible among years.
            marker={"color": with_opacity(colour, 0.75), "line": {"color": colour, "width": 1}},
            customdata=[_describe(position) for position in bars],
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.update_layout(barmode="overlay", bargap=0.35)
    figure.update_xaxes(type="date", title_text="Time (UTC)")
    notes = make_notes(
        state, count(len(positions), "position"), *note_left_out(len(rows), len(count_by_pair), "pairs (most traded)")
    )
    height = options.height or max(190 + 26 * len(rows), 260)
    finish(figure, theme, "Positions", notes, height)
    figure.update_yaxes(categoryorder="array", categoryarray=rows[::-1], type="category", showgrid=False)
    return figure


def get_label(position: TradingPosition) -> str:
    """Return a short name of what a position is in; shorts are marked."""
    ticker = shorten(position.pair.get_ticker(), 16)
    return f"{ticker} (short)" if position.is_short() else ticker


def _find_end(state: "State", positions: list[TradingPosition]) -> datetime.datetime:
    """Return when the drawing of open positions ends: the last thing that the state knows of."""
    return max(position.closed_at or find_end(state, position) for position in positions)


def _split_by_result(positions: list[TradingPosition], theme: Theme) -> list[tuple[str, str, list[TradingPosition]]]:
    """Return name, colour and positions: gains, losses, and what is not closed yet."""
    gains, losses, others = [], [], []
    for position in positions:
        if not position.is_closed():
            others.append(position)
        elif position.get_total_profit()[0] >= 0:
            gains.append(position)
        else:
            losses.append(position)
    return [("Profit", theme.gain, gains), ("Loss", theme.loss, losses), ("Open", theme.main, others)]


def _describe(position: TradingPosition) -> str:
    usd, percent = position.get_total_profit()
    end = position.closed_at
    status = f"closed {end:%Y-%m-%d %H:%M}" if end else ("frozen" if position.is_frozen() else "open")
    lines = [
        f"<b>#{position.position_id} {shorten(position.pair.get_ticker(), 40)}</b>",
        f"opened {position.opened_at:%Y-%m-%d %H:%M}",
        status,
        f"profit {format_profit(usd)} ({percent:+.2%})",
    ]
    if end:
        lines.insert(3, f"held {format_duration(end - position.opened_at)}")
    if position.is_stop_loss():
        lines.append("closed by stop loss")
    elif position.is_take_profit():
        lines.append("closed by take profit")
    return "<br>".join(lines)


def _read_closed(state: "State", options: ChartOptions) -> list[TradingPosition]:
    closed = [
        position
        for position in read_positions(state, options)
        if position.closed_at is not None and (options.end_at is None or position.closed_at <= options.end_at)
    ]
    if not closed:
        raise NothingToDraw("no position has been closed yet")
    return sorted(closed, key=lambda position: (position.closed_at, position.position_id))


def draw_position_profits(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the profit of each closed position in USD, and above it how these add up.

    Raises
    ------
    NothingToDraw
        No position was closed in the time asked for.
    """
    theme = get_theme(options.theme)
    closed = _read_closed(state, options)
    times = to_time_index(position.closed_at for position in closed if position.closed_at is not None)
    profits = np.array([position.get_total_profit()[0] for position in closed])
    total = profits.cumsum()
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.55, 0.45], vertical_spacing=0.06)
    figure.add_scatter(
        x=times,
        y=total,
        mode="lines",
        name="All closed positions",
        line={"color": theme.main, "width": 2, "shape": "hv"},
        hovertemplate="%{x|%Y-%m-%d %H:%M}<br>%{y:$,.2f}<extra></extra>",
        row=1,
        col=1,
    )
    texts = [_describe(position) for position in closed]
    add_stems(figure, times, profits, texts, theme, ("Profit", "Loss"), row=2, limit=options.max_points)
    figure.update_yaxes(title_text="Sum, USD", tickformat=get_tick_format(total), zeroline=True, row=1, col=1)
    figure.update_yaxes(title_text="Each, USD", tickformat=get_tick_format(profits), zeroline=True, row=2, col=1)
    figure.update_xaxes(title_text="Closed at (UTC)", row=2, col=1)
    won = int((profits > 0).sum())
    notes = make_notes(
        state,
        f"{count(len(closed), 'closed position')}, {won:,} with a profit, together {format_profit(float(total[-1]))}",
        *note_left_out(min(options.max_points, len(closed)), len(closed), "single results (the largest)"),
    )
    return finish(figure, theme, "Profit by position", notes, options.height or 520)


def draw_position_scatter(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the profit of each closed position in percent over the time it was held; larger means more money.

    Raises
    ------
    NothingToDraw
        No position was closed in the time asked for.
    """
    theme = get_theme(options.theme)
    closed = _read_closed(state, options)
    notes = note_left_out(min(options.max_points, len(closed)), len(closed), "closed positions (the latest)")
    closed = closed[-options.max_points :]
    figure = go.Figure()
    costs = [position.get_total_bought_usd() or position.get_total_sold_usd() for position in closed]
    largest = max([*costs, 1e-9])
    results: dict[bool, list[tuple[float, float, float, str]]] = {True: [], False: []}
    for position, cost in zip(closed, costs, strict=True):
        percent = position.get_total_profit()[1]
        held = position.closed_at - position.opened_at  # pyright: ignore[reportOptionalOperand]
        # A minute is the shortest that a logarithmic axis shows.
        days = max(held / datetime.timedelta(days=1), 1 / 1440)
        results[percent >= 0].append((days, percent, 6 + 18 * (cost / largest) ** 0.5, _describe(position)))
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
    """Label a logarithmic axis of days with the units of people."""
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
    # At least the neighbouring marks, so that the axis never stands without a label.
    low = min(low, np.log10(max(value for value in marks.values() if value <= max(min(days), 1 / 1440))) - 0.05)
    high = max(high, np.log10(min((value for value in marks.values() if value >= max(days)), default=max(days))) + 0.05)
    figure.update_xaxes(
        type="log",
        range=[low, high],
        tickvals=list(marks.values()),
        ticktext=list(marks),
        title_text="Time held",
    )
