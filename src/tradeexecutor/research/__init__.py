"""Analyses of a strategy with many backtests: optimisation, walk-forward, look-ahead."""

from tradeexecutor.research.optimisation import Optimisation, optimize

__all__ = ["Optimisation", "optimize"]
