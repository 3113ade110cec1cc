"""Charts of a state: `registry` lists them by name, and each of the other modules draws some of them."""

from tradeexecutor.visual.charts.registry import (
    CHARTS,
    Chart,
    ChartOptions,
    get_explanation,
)

__all__ = [
    "CHARTS",
    "Chart",
    "ChartOptions",
    "get_explanation",
]
