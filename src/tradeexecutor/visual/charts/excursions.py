"""Chart of what closed positions went through before they ended: where stops and targets might have stood."""

from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tradeexecutor.analysis.adjusted.positions import Excursion, find_excursion, get_net_result
from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.visual.charts.results import describe_result
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.formats import count
from tradeexecutor.visual.parts.history import make_notes
from tradeexecutor.visual.parts.position_columns import read_positions
from tradeexecutor.visual.parts.theme import finish, get_theme, with_opacity
from tradeexecutor.visual.parts.thinning import note_left_out

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["draw_excursions"]


def draw_excursions(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the result of each closed position over its lowest profit, and over its highest.

    Raises
    ------
    NothingToDraw
        No position was closed, or nothing was recorded while it was open.
    """
    theme = get_theme(options.theme)
    table = read_positions(state, options).choose_closed(options)
    positions: list[TradingPosition] = table.positions.tolist()
    samples = state.stats.positions
    measured = [
        (position, found)
        for position in positions
        if (found := find_excursion(position, samples.get(position.position_id, ())))
    ]
    if not measured:
        raise NothingToDraw("the state has no prices of positions between their trades")
    shown = measured[-options.max_points :]
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.03)
    results = [get_net_result(position)[1] for position, _ in shown]
    for is_gain, name, colour in ((True, "Profit", theme.gain), (False, "Loss", theme.loss)):
        chosen = [row for row, result in zip(shown, results, strict=True) if (result >= 0) is is_gain]
        for column, read in enumerate((_get_adverse, _get_favourable), 1):
            figure.add_scatter(
                x=[read(found) for _, found in chosen],
                y=[get_net_result(position)[1] for position, _ in chosen],
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=column == 1 and bool(chosen),
                marker={
                    "color": with_opacity(colour, 0.6),
                    "size": 9,
                    "line": {"color": colour, "width": 1},
                    "symbol": "circle" if is_gain else "diamond",
                },
                text=[_describe(position, found) for position, found in chosen],
                hovertemplate="%{text}<extra></extra>",
                row=1,
                col=column,
            )
    _label_axes(figure)
    notes = make_notes(
        state,
        f"{count(len(shown), 'closed position')}: result over its lowest (left) and its highest profit",
        *note_left_out(len(shown), len(measured), "closed positions (the latest)"),
        *note_left_out(len(measured), len(positions), "closed positions, those with prices between their trades,"),
    )
    return finish(figure, theme, "Excursions", notes, options.height or 420)


def _label_axes(figure: go.Figure) -> None:
    figure.update_yaxes(title_text="Result", tickformat=",~%", zeroline=True, row=1, col=1)
    figure.update_yaxes(zeroline=True, row=1, col=2)
    for column, title in enumerate(("Lowest profit (MAE)", "Highest profit (MFE)"), 1):
        figure.update_xaxes(title_text=title, tickformat=",~%", zeroline=True, nticks=6, row=1, col=column)


def _get_adverse(found: Excursion) -> Any:
    return found.adverse


def _get_favourable(found: Excursion) -> Any:
    return found.favourable


def _describe(position: TradingPosition, found: Excursion) -> str:
    return f"{describe_result(position)}<br>between {found.adverse:+.2%} and {found.favourable:+.2%}"
