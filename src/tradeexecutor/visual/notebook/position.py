"""The timeline of one position, for notebooks."""

import pandas as pd
import plotly.graph_objects as go

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.visual.parts.position_rows import make_position_figure

__all__ = ["visualise_position"]


@contract_signature
def visualise_position(
    position: TradingPosition,
    df: pd.DataFrame,
    height: int = 800,
    width: int | None = 1200,
    autosize: bool = False,
    extended: bool = False,
    theme: str = "plotly_white",
) -> go.Figure:
    """Draw the timeline of a position: price with its trades, value, annualised profit and profit in USD.

    Parameters
    ----------
    df
        Result of `calculate_position_timeline`.
    width
        Width, pixels; no effect with `autosize`, which uses the width of the page.
    extended
        Add the amounts bought and sold so far, the average price, realised and unrealised profit, and each sale.

    Raises
    ------
    NothingToDraw
        The frame has no rows.
    """
    figure = make_position_figure(position, df, height, theme, extended=extended)
    if not autosize and width is not None:
        figure.update_layout(width=width, autosize=False)
    return figure
