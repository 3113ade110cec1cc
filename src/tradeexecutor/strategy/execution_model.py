"""Import path of existing code; execution is :mod:`tradeexecutor.execution`."""

import enum

from tradeexecutor.execution.interface import ExecutionHaltableIssue, ExecutionModel
from tradeexecutor.state.errors import TradeExecutorError

__all__ = ["AssetManagementMode", "AutoClosingOrderUnsupported", "ExecutionHaltableIssue", "ExecutionModel"]


class AutoClosingOrderUnsupported(TradeExecutorError, RuntimeError):
    """A position has a level that cannot be watched; accepted where existing code catches it."""


class AssetManagementMode(enum.Enum):
    """Who holds the assets of a strategy."""

    dummy = "dummy"
    backtest = "backtest"
    hot_wallet = "hot_wallet"
    enzyme = "enzyme"
    velvet = "velvet"
    lagoon = "lagoon"

    def is_vault(self) -> bool:
        """Return True if a contract of investors holds them."""
        return self in (AssetManagementMode.enzyme, AssetManagementMode.velvet, AssetManagementMode.lagoon)
