"""Analyses of a strategy with many backtests: optimisation, walk-forward, look-ahead."""

from tradeexecutor.research.assessment import Assessment, assess
from tradeexecutor.research.optimisation import Optimisation, optimize
from tradeexecutor.research.walk_forward import WalkForward, walk_forward

__all__ = ["Assessment", "Optimisation", "WalkForward", "assess", "optimize", "walk_forward"]
