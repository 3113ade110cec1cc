"""Import path of existing strategies; the code is in :mod:`tradeexecutor.strategy.strategy_module`."""

from tradeexecutor.strategy.strategy_module import CreateTradingUniverseInput

__all__ = ["CreateTradingUniverseInput"]
