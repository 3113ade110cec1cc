"""The import path that notebooks use; see :mod:`tradeexecutor.visual.notebook.strategy_state`."""

from tradeexecutor.visual.notebook.strategy_state import (
    draw_multi_pair_strategy_state,
    draw_single_pair_strategy_state,
    visualise_single_pair_strategy_state,
)

__all__ = [
    "draw_multi_pair_strategy_state",
    "draw_single_pair_strategy_state",
    "visualise_single_pair_strategy_state",
]
