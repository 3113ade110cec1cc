"""Charts of comparisons: the strategy with benchmarks, longs with shorts; and the profit of lending."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from tradeexecutor.analysis.recorded.position_returns import (
    calculate_compounding_realised_trading_profitability,
    calculate_long_compounding_realised_trading_profitability,
    calculate_short_compounding_realised_trading_profitability,
)
from tradeexecutor.state.errors import LegacyDataException, NothingToDraw
from tradeexecutor.visual.parts.candles import find_pair, list_pairs, read_recorded_prices
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.history import crop, make_notes, read_history
from tradeexecutor.visual.parts.holdings import find_holdings
from tradeexecutor.visual.parts.theme import Theme, finish, get_theme, shorten
from tradeexecutor.visual.parts.thinning import Thinner

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["draw_benchmark", "draw_interest", "draw_long_short", "make_interest_figure", "make_long_short_figure"]

#: The axis is logarithmic if the highest value divided by the lowest is above this.
_LOG_AXIS_RATIO = 8.0


def draw_benchmark(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the growth of the strategy against that of each benchmark.

    The benchmarks are those of the options. Without them, they are the pairs that could have been bought and held, see
    :py:func:`~tradeexecutor.visual.parts.holdings.find_holdings`, or else the most traded pair at the prices recorded
    in the state.

    Raises
    ------
    NothingToDraw
        There are too few portfolio values, or no benchmark has a price in their time range.
    """
    theme = get_theme(options.theme)
    history = read_history(state, options)
    thinner = Thinner(options.max_points)
    start, end = history.value.index[0], history.value.index[-1]
    benchmarks, note = _find_benchmarks(state, options)
    lines: dict[str, pd.Series[float]] = {}
    notes = [f"Strategy {float(history.growth.iloc[-1]):+,.1%}"]
    for name, prices in benchmarks.items():
        inside = crop(prices.dropna().sort_index().to_frame(), start, end).iloc[:, 0]
        if len(inside) < 2 or inside.iloc[0] <= 0:
            continue
        grown = inside / inside.iloc[0]
        if inside.index[0] - start > (end - start) / 50:
            # The benchmark starts on the line of the strategy, so that the two can be compared from there on.
            joined_at = history.growth.index.searchsorted(inside.index[0], side="right") - 1
            grown *= 1.0 + float(history.growth.iloc[max(joined_at, 0)])
            notes.append(f"{shorten(name, 24)} from {inside.index[0]:%Y-%m-%d} on")
        else:
            notes.append(f"{shorten(name, 24)} {float(grown.iloc[-1]) - 1.0:+,.1%}")
        lines[shorten(name, 24)] = thinner.thin(grown)
    if not lines:
        raise NothingToDraw("there are no prices to compare with in this time; give candles or benchmarks")
    lines["Strategy"] = thinner.thin(1.0 + history.growth)
    figure = go.Figure()
    _add_lines(figure, lines, theme)
    figure.update_xaxes(title_text="Time (UTC)")
    figure.update_layout(hovermode="x unified")
    all_notes = make_notes(state, ", ".join(notes), note, *thinner.get_notes())
    return finish(figure, theme, "Strategy and benchmark", all_notes, options.height or 460)


def _add_lines(figure: go.Figure, lines: dict[str, "pd.Series[float]"], theme: Theme) -> None:
    """Draw growth in percent, or the value of 1 USD on a logarithmic axis if one line is much higher than others."""
    lowest = min(float(line.min()) for line in lines.values())
    is_wide = lowest > 0 and max(float(line.max()) for line in lines.values()) / lowest > _LOG_AXIS_RATIO
    for number, (name, line) in enumerate(lines.items()):
        is_strategy = name == "Strategy"
        figure.add_scatter(
            x=line.index,
            y=line if is_wide else line - 1.0,
            name=name,
            mode="lines",
            line={
                "color": theme.main if is_strategy else theme.get_colour(number + 1),
                "width": 2.4 if is_strategy else 1.4,
            },
            hovertemplate="%{y:$,.2f}" if is_wide else "%{y:+,.2%}",
        )
    if is_wide:
        figure.update_yaxes(title_text="1 USD became (logarithmic)", type="log", tickformat="$,~g", dtick="D2")
    else:
        figure.update_yaxes(title_text="Growth", tickformat=",~%", zeroline=True)


def _find_benchmarks(state: "State", options: ChartOptions) -> tuple[dict[str, "pd.Series[float]"], str | None]:
    if options.benchmarks:
        return dict(options.benchmarks), None
    pairs = list_pairs(state) if options.pair is None else [find_pair(state, options.pair)]
    holdings = find_holdings(state, options.candles, None if options.pair is None else tuple(pairs))
    if holdings:
        return {f"Hold {holding.name}": holding.growth for holding in holdings}, None
    if not pairs:
        return {}, None
    recorded = read_recorded_prices(state, pairs[0])
    name = f"Price of {pairs[0].base.token_symbol}"
    return {name: recorded}, f"{name} as recorded by trades and valuations, joined in between: not buy and hold"


def draw_long_short(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the compounded profit of all closed positions, of the long positions and of the short positions.

    Raises
    ------
    NothingToDraw
        No position was closed in the time range, or the file does not contain portfolio values.
    """
    figure = make_long_short_figure(state, "Long and short positions", options)
    if options.start_at is not None or options.end_at is not None:
        traces: Any = figure.data
        times = pd.Series(pd.DatetimeIndex([when for trace in traces for when in trace.x]))
        start_at = pd.Timestamp(options.start_at or times.min())
        end_at = pd.Timestamp(options.end_at or times.max())
        if not times.between(start_at, end_at).any():
            raise NothingToDraw("no long or short position was closed in the chosen time range")
        figure.update_xaxes(range=[start_at, end_at])
    return figure


def make_long_short_figure(state: "State", title: str, options: ChartOptions, *, complete: bool = False) -> go.Figure:
    """Draw the compounded profit of long and short positions, for the whole history.

    Returns are relative to the size of the portfolio when a position was opened. With `complete` there are always three
    lines, the total and both sides, even if one of them is empty; otherwise only those that say something.

    Raises
    ------
    NothingToDraw
        No position was closed, or the file did not record portfolio values.
    """
    look = get_theme(options.theme)
    thinner = Thinner(options.max_points)
    figure = go.Figure()
    try:
        curves = {
            "All": (calculate_compounding_realised_trading_profitability(state), look.main),
            "Long": (calculate_long_compounding_realised_trading_profitability(state), look.gain),
            "Short": (calculate_short_compounding_realised_trading_profitability(state), look.loss),
        }
    except LegacyDataException as error:
        raise NothingToDraw(f"the file is too old: {error}") from error
    notes: list[str] = []
    if not any(len(curve) for curve, _ in curves.values()):
        raise NothingToDraw("no long or short position has been closed yet")
    if not complete and not (len(curves["Long"][0]) and len(curves["Short"][0])):
        # With only one side, the line of all positions would cover it.
        del curves["All"]
    for side, (curve, colour) in curves.items():
        if len(curve):
            notes.append(f"{side} {float(curve.iloc[-1]):+,.1%}")
        else:
            notes.append(f"no {side.lower()} ones")
            if not complete:
                continue
        line = thinner.thin(curve)
        figure.add_scatter(
            x=line.index,
            y=line,
            name=side,
            mode="lines",
            line={"color": colour, "width": 2.4 if side == "All" else 1.6, "shape": "hv"},
            hovertemplate="%{y:+,.2%}",
        )
    figure.update_yaxes(title_text="Compounded profit", tickformat=",~%", zeroline=True)
    figure.update_xaxes(title_text="Time (UTC)")
    figure.update_layout(hovermode="x unified")
    all_notes = make_notes(state, "Closed positions: " + ", ".join(notes), *thinner.get_notes())
    return finish(figure, look, title, all_notes, options.height or 420)


def draw_interest(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the cumulative profit of the closed credit positions by opening time, USD.

    Raises
    ------
    NothingToDraw
        No credit position was closed.
    """
    return make_interest_figure(state, "Interest earned", options)


def make_interest_figure(
    state: "State", title: str, options: ChartOptions, colour: str | None = None, *, by_opening: bool = False
) -> go.Figure:
    """Draw the profit of lending, when positions closed; raises `NothingToDraw` if no credit position was closed.

    Parameters
    ----------
    by_opening
        Draw it at the opening of each position instead, as existing notebooks do.
    """
    look = get_theme(options.theme)
    closed = sorted(
        (
            position.closed_at if position.closed_at is not None and not by_opening else position.opened_at,
            position.get_realised_profit_usd() or 0.0,
        )
        for position in state.portfolio.closed_positions.values()
        if position.pair.kind.is_credit_supply()
    )
    if not closed:
        raise NothingToDraw("no credit position has been closed")
    total = np.cumsum([profit for _, profit in closed])
    line = pd.Series(total, index=pd.DatetimeIndex([when for when, _ in closed]))
    figure = go.Figure()
    figure.add_scatter(
        x=line.index,
        y=line,
        name="Interest",
        mode="lines+markers" if len(line) < 100 else "lines",
        line={"color": colour or look.gain, "width": 2, "shape": "hv"},
        hovertemplate="%{x|%Y-%m-%d %H:%M}<br>%{y:$,.4f}<extra></extra>",
    )
    figure.update_yaxes(title_text="Interest earned, USD", zeroline=True)
    figure.update_xaxes(title_text="Opened at (UTC)" if by_opening else "Closed at (UTC)")
    notes = make_notes(state, f"{len(closed)} closed credit positions, together ${total[-1]:,.4f}")
    return finish(figure, look, title, notes, options.height or 360)
