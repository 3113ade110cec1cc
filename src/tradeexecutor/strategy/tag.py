"""Import path of existing code: the tags of strategies."""

from tradeexecutor.state.metadata import StrategyTag

__all__ = ["StrategyTag"]
