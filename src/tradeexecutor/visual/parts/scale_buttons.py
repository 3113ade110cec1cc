"""Buttons in a chart that switch an axis between linear and logarithmic."""

import plotly.graph_objects as go

from tradeexecutor.visual.parts.theme import Theme

__all__ = ["add_scale_buttons"]


def add_scale_buttons(figure: go.Figure, axis: str, theme: Theme) -> None:
    """Add the buttons in the upper left corner of the plot, where lines begin low; images show none.

    Parameters
    ----------
    axis
        Name in the layout, e.g. ``yaxis``.
    """
    buttons = [
        {"label": label, "method": "relayout", "args": [{f"{axis}.type": kind, f"{axis}.autorange": True}]}
        for label, kind in (("Linear", "linear"), ("Log", "log"))
    ]
    figure.update_layout(
        updatemenus=[
            {
                "type": "buttons",
                "direction": "right",
                "buttons": buttons,
                "x": 0.0,
                "xanchor": "left",
                "y": 1.0,
                "yanchor": "top",
                "pad": {"b": 0, "t": 2, "l": 6, "r": 0},
                "bgcolor": theme.background,
                "bordercolor": theme.grid,
                "font": {"size": 11, "color": theme.faint_text},
                "showactive": False,  # plotly marks the active one with white, in dark colours, too
            }
        ]
    )
