"""The import path that notebooks use; see :mod:`tradeexecutor.visual.notebook.single_pair`."""

from tradeexecutor.visual.charts.price import draw_price
from tradeexecutor.visual.notebook.single_pair import (
    display_positions_table,
    visualise_single_pair,
    visualise_single_pair_positions_with_duration_and_slippage,
    visualise_single_position,
)

__all__ = [
    "display_positions_table",
    "draw_price",
    "visualise_single_pair",
    "visualise_single_pair_positions_with_duration_and_slippage",
    "visualise_single_position",
]
