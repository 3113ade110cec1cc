"""The import path that existing code uses; see :mod:`tradeexecutor.analysis.adjusted.summary`."""

from tradeexecutor.analysis.adjusted.summary import PerformanceSummary, PositionResult, summarise_performance

__all__ = ["PerformanceSummary", "PositionResult", "summarise_performance"]
