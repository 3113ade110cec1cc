"""Events with an amount: a line from zero, and a mark at its end.

A bar as wide as an hour is invisible among years; a stem is not.
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
    """Add two traces to a row: amounts that are not negative, and the others.

    Parameters
    ----------
    describe
        Returns what is shown when hovering, by index.
    names
        Of the two traces.
    limit
        Only this many are drawn, the largest; the caller says so.
    """
    kept = np.sort(np.argsort(-np.abs(amounts), kind="stable")[:limit])
    for name, colour, symbol, side in (
        (names[0], theme.gain, "circle", kept[amounts[kept] >= 0]),
        (names[1], theme.loss, "diamond", kept[amounts[kept] < 0]),
    ):
        if not len(side):
            continue
        # One trace per side: zero, amount, gap.
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
