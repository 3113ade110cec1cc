"""Stems for events with an amount: a line from zero with a mark at its end.

A bar as wide as an hour is invisible in a chart of several years; a stem is visible.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from tradeexecutor.visual.parts.theme import Theme, with_opacity

__all__ = ["add_stems"]


def add_stems(
    figure: go.Figure,
    times: pd.DatetimeIndex,
    amounts: NDArray[np.float64],
    describe: Callable[[int], str],
    theme: Theme,
    *,
    names: tuple[str, str],
    row: int,
    limit: int,
) -> None:
    """Add two traces to a row: one for amounts >= 0, and one for negative amounts.

    Parameters
    ----------
    describe
        Function that returns the tooltip of the event with an index.
    names
        Names of the two traces.
    limit
        Largest number of stems; the largest amounts are drawn, and the caller adds a note.
    """
    kept = np.sort(np.argsort(-np.abs(amounts), kind="stable")[:limit])
    for name, colour, symbol, side in (
        (names[0], theme.gain, "circle", kept[amounts[kept] >= 0]),
        (names[1], theme.loss, "diamond", kept[amounts[kept] < 0]),
    ):
        if not len(side):
            continue
        # Each stem is three points: zero, amount, gap.
        values = np.full(3 * len(side), np.nan)
        values[0::3], values[1::3] = 0.0, amounts[side]
        labels = np.full(3 * len(side), "", dtype=object)
        labels[1::3] = [describe(index) for index in side.tolist()]
        sizes = np.zeros(3 * len(side))
        sizes[1::3] = 7 if len(side) < 300 else 4
        figure.add_scatter(
            x=times[np.repeat(side, 3)],
            y=values,
            mode="lines+markers",
            name=name,
            line={"color": with_opacity(colour, 0.55), "width": 1.5},
            marker={"color": colour, "symbol": symbol, "size": sizes, "line": {"width": 0}},
            text=labels,
            hovertemplate="%{text}<extra></extra>",
            connectgaps=False,
            row=row,
            col=1,
        )
