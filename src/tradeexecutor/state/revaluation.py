"""Names around revaluation that existing strategies import; `tradeexecutor.strategy.valuation` does the work."""

from tradeexecutor.state.errors import RevaluationFailed

__all__ = ["RevaluationFailed", "RevalueEvent"]


class RevalueEvent:
    """Base of records that programs keep about their revaluations; `ValuationUpdate` is the one of a position."""
