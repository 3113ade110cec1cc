"""Drawing of recorded indicators in figures that notebooks create."""

import datetime
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.visualisation import Visualisation
from tradeexecutor.visual.parts.indicators import choose_colours, choose_plots, visualise_technical_indicator
from tradeexecutor.visual.parts.thinning import Thinner

if TYPE_CHECKING:
    from tradeexecutor.visual.parts.theme import Theme

__all__ = ["overlay_all_technical_indicators"]


@contract_signature
def overlay_all_technical_indicators(
    fig: go.Figure,
    visualisation: Visualisation,
    start_at: datetime.datetime | None = None,
    end_at: datetime.datetime | None = None,
    start_row: int | None = 2,
    pair: TradingPairIdentifier | None = None,
    detached_indicators: bool = True,
    price_row: int = 1,
    theme: "Theme | None" = None,
    thinner: Thinner | None = None,
) -> int:
    """Draw the plots of a strategy in an existing figure that has the rows for them.

    Parameters
    ----------
    fig
        Figure to change.
    start_row
        Row of the first detached plot; None if the figure has no such rows.
    pair
        Pair whose plots are drawn; plots of other pairs are left out.
    price_row
        Row of the price.

    Returns
    -------
    int
        Number of added traces. A plot without points is skipped.
    """
    has_rows = start_row is not None and detached_indicators
    on_price, rows = choose_plots(visualisation.plots.values(), pair, detached=has_rows)
    added = 0
    for row, plots in [(price_row, on_price), *enumerate(rows.values(), start_row or 0)]:
        for plot, colour in zip(plots, choose_colours(plots, theme), strict=True):
            trace = visualise_technical_indicator(plot, start_at, end_at, colour, thinner)
            if trace is not None:
                fig.add_trace(trace, row=row, col=1)
                added += 1
    return added
