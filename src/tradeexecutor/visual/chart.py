"""The import path that existing code uses; see :mod:`tradeexecutor.visual.parts.chart`."""

from tradeexecutor.visual.parts.chart import Chart, ChartOptions, get_explanation

__all__ = ["Chart", "ChartOptions", "get_explanation"]
