"""The import path that existing code uses; see :mod:`tradeexecutor.visual.charts.returns`."""

from tradeexecutor.visual.charts.returns import draw_monthly_returns, draw_returns_distribution

__all__ = ["draw_monthly_returns", "draw_returns_distribution"]
