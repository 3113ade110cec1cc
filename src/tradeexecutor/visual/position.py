"""The import path that notebooks use; see :mod:`tradeexecutor.visual.notebook.position`."""

from tradeexecutor.visual.charts.one_position import draw_position
from tradeexecutor.visual.notebook.position import visualise_position
from tradeexecutor.visual.parts.position_history import calculate_position_timeline
from tradeexecutor.visual.parts.position_profit import (
    calculate_lot_level_pnl_fifo,
    calculate_macb_pnl,
    calculate_pnl,
    track_lot_profitability,
    track_lot_profitability_detailed,
)

__all__ = [
    "calculate_lot_level_pnl_fifo",
    "calculate_macb_pnl",
    "calculate_pnl",
    "calculate_position_timeline",
    "draw_position",
    "track_lot_profitability",
    "track_lot_profitability_detailed",
    "visualise_position",
]
