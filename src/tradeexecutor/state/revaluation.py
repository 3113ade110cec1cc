"""Names for revaluation that existing strategies import; the code is in `tradeexecutor.strategy.valuation`."""

from tradeexecutor.state.errors import RevaluationFailed

__all__ = ["RevaluationFailed", "RevalueEvent"]


class RevalueEvent:
    """Base class of records about revaluations; `ValuationUpdate` is the record of a position."""
